"""A database that confirms what is not on disk yet is refused by name, before the station listens."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy import create_engine, text

from station.errors import Unsound
from station.setup import make_station
from station.store import open_store
from station.store.durability import DATABASE_FORGETS, check_durability
from station.store.sole_use import FOLDER_IN_USE, take_folder
from tests.conftest import PostgresqlServer


@contextmanager
def server_setting(url: str, setting: str, value: str) -> Iterator[None]:
    """Change a setting of the whole server, as a careless administrator would, and put it back."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET {setting} = {value}")
        _reload(connection, setting, value)
        try:
            yield
        finally:
            connection.execute(f"ALTER SYSTEM RESET {setting}")
            _reload(connection, setting, "on")


def _reload(connection: psycopg.Connection, setting: str, wanted: str) -> None:
    connection.execute("SELECT pg_reload_conf()")
    until = time.monotonic() + 20
    while connection.execute(f"SHOW {setting}").fetchone() != (wanted,):
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.postgresql
@pytest.mark.parametrize("setting", ["synchronous_commit", "full_page_writes"])
def test_a_server_that_confirms_what_a_power_cut_takes_is_refused_by_the_settings_name(
    postgresql_database: str, setting: str
):
    engine = create_engine(postgresql_database)
    with server_setting(postgresql_database, setting, "off"), pytest.raises(Unsound) as refusal:
        check_durability(engine)
    engine.dispose()
    assert refusal.value.code == DATABASE_FORGETS.code
    assert f"{setting} = off" in refusal.value.sentence("zh")
    fresh = create_engine(postgresql_database)
    check_durability(fresh)
    fresh.dispose()


@pytest.mark.postgresql
def test_a_server_that_never_flushes_is_refused(postgresql_url: str):
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent
    with TemporaryDirectory(prefix="exam-station-postgresql-") as folder:
        server = PostgresqlServer(programs, Path(folder))
        server.start()
        server.stop()
        server.start_again(fsync="off")
        engine = create_engine(server.url("postgres"))
        try:
            with pytest.raises(Unsound) as refusal:
                check_durability(engine)
        finally:
            engine.dispose()
            server.stop()
    assert "fsync = off" in refusal.value.sentence("zh")


@pytest.mark.postgresql
@pytest.mark.parametrize("level", ["local", "remote_write", "remote_apply"])
def test_a_commit_that_waits_for_this_servers_disk_is_enough(postgresql_database: str, level: str):
    engine = create_engine(postgresql_database)
    with engine.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{engine.url.database}" SET synchronous_commit = {level}'))
    engine.dispose()
    check_durability(engine)
    engine.dispose()


@pytest.mark.postgresql
def test_serve_does_not_start_on_a_database_of_its_own_that_forgets(postgresql_database: str, tmp_path: Path):
    home = tmp_path / "station"
    settings = {"store.url": f'"{postgresql_database}"', "candidate_listener.port": "0", "staff_listener.port": "0"}
    make_station(home, site_name="测试考点", settings=settings)
    name = postgresql_database.rpartition("/")[2]
    with psycopg.connect(postgresql_database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    done = subprocess.run(
        [sys.executable, "-m", "station", "serve", str(home)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "synchronous_commit = off" in done.stderr
    assert "[database_forgets]" in done.stderr


def test_sqlite_waits_for_the_disk_whatever_anybody_has_set(tmp_path: Path):
    store = open_store(f"sqlite:///{tmp_path / 'station.db'}", tmp_path)
    check_durability(store.engine)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    store.close()


def test_a_folder_has_one_user_at_a_time_and_is_free_again_when_that_ends(tmp_path: Path):
    held = take_folder(tmp_path)
    with pytest.raises(Unsound) as refusal:
        take_folder(tmp_path)
    assert refusal.value.code == FOLDER_IN_USE.code
    held.close()
    take_folder(tmp_path).close()
