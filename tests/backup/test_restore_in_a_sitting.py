"""The server dies in the middle of a sitting: another machine goes on from the backup, and no answer is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from station.backup.recovery import make_recovery
from station.backup.target import Target
from station.clock import system_time
from station.config import load_config
from station.domain.work_folder import WorkCause
from station.rehearsal.ground import Ground
from station.rehearsal.premises import Child, free_port
from station.services import answering, journal, work_folders
from station.services.work_folders import Origin, SentVersion
from station.store import open_store
from station.store.files import keep_file, path_of
from station.store.models import (
    Attempt,
    Entry,
    Interruption,
    JournalEntry,
    Place,
    Revision,
    StationLife,
    WorkVersion,
)
from sync.keys import load_signing_key
from tests.backup.pages_on_pcs import PageOnPc, Room
from tests.building import device_at

pytestmark = pytest.mark.slow


def command(*words: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "station", *map(str, words), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


class Server:
    """The room's server with its stick; candidates' PCs know one port, whichever machine answers there."""

    def __init__(self, folder: Path, *, url: str = "", automatic: bool = False) -> None:
        self.stick = folder / "stick"
        self.stick.mkdir(parents=True)
        self.port = free_port()
        settings = {"candidate_listener.port": self.port, "store.url": url}
        if automatic:
            settings["backup.folder"] = str(self.stick)
        self.ground = Ground.make(folder / "first", candidates=6, items=10, settings=settings)
        config = self.ground.config
        self.code = make_recovery(config.keys, load_signing_key(config.keys / "station.pem").public_key())
        self.pages = [PageOnPc(self.port, one, self.ground.items) for one in self.ground.candidates]

    def serve(self, home: Path | None = None) -> Child:
        where = home or self.ground.config.home
        child = self.ground.premises.start(f"serve-{where.name}", ["station", "serve", str(where)])
        child.ports(1)
        return child


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    url = str(request.getfixturevalue("postgresql_database")) if request.param == "postgresql" else ""
    built = Server(tmp_path, url=url)
    yield built
    built.ground.close()


@pytest.fixture
def on_a_file(tmp_path: Path) -> Iterator[Server]:
    """A server with a SQLite file."""
    built = Server(tmp_path)
    yield built
    built.ground.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Server]:
    """A server that makes its backups by itself."""
    built = Server(tmp_path, automatic=True)
    yield built
    built.ground.close()


def last_sign(server: Server) -> datetime:
    """Say when the server last noted on its stick that it is alive."""
    (folder,) = server.stick.glob("exam-backup-*")
    key = load_signing_key(server.ground.config.keys / "station.pem").public_key()
    return Target(folder).read_alive(key) or datetime.min.replace(tzinfo=UTC)


def check_nothing_is_lost(home: Path, pages: list[PageOnPc]) -> None:
    config = load_config(home)
    store = open_store(config.store_url, config.folder)
    with store.reading() as db:
        assert journal.first_broken_entry(db) is None
        for page in pages:
            attempt_id = page.seated.attempt_id
            assert answering.check_chain(db, attempt_id) is None
            held = {
                (row.place, row.sequence): (row.item_id, json.loads(row.response), row.is_late)
                for row in db.scalars(select(Revision).where(Revision.attempt_id == attempt_id))
            }
            wanted = {
                (row["place"], row["sequence"]): (row["item_id"], row["response"], False) for row in page.acknowledged
            }
            assert wanted.items() <= held.items()
            newest = {row["item_id"]: row["response"] for row in page.rows}
            current = answering.current_answers(db, attempt_id)
            assert {item: json.loads(text) for item, text in current.items()} == newest
    store.close()


def test_answers_acknowledged_after_the_backup_come_from_the_pages_and_nothing_is_lost(
    server: Server, tmp_path: Path
) -> None:
    first = server.serve()
    with Room(server.pages) as room:
        room.wait_for(60)
        before = room.acknowledged()
        made = command("backup", server.ground.config.home, server.stick)
        assert room.acknowledged() > before, "saves go on while the backup is made"
        assert (made["is_sound"], made["broken"], made["missing"]) == (True, [], [])
        assert made["attempts"] == 6
        room.wait_for(30)
        server.pages[0].reload()  # a place of which the backup knows nothing
        room.wait_for(30)
        first.process.kill()
        time.sleep(1)
    assert sum(len(page.acknowledged) for page in server.pages) > made["revisions"] + 50
    config = server.ground.config
    (config.home / "data").rename(config.home / "broken disk")
    old_places = {row["place"] for page in server.pages for row in page.rows}
    second = tmp_path / "second"
    words = ["--database", "sqlite"] if config.store.url else []
    restored = command("restore", server.stick, second, "--code", server.code, *words)
    print(f"restore took {restored['seconds']} s")
    assert restored["revisions"] == made["revisions"]
    server.serve(second)
    for page in reversed(server.pages):
        page.settle()
    check_nothing_is_lost(second, server.pages)
    assert server.pages[0].place not in old_places
    store = open_store(load_config(second).store_url, second)
    with store.reading() as db:
        for page in server.pages:
            places = set(db.scalars(select(Place.id).where(Place.attempt_id == page.seated.attempt_id)))
            assert page.place in places
            assert places & old_places == {page.seated.place}, "no other page's place was given out anew"
        events = db.scalars(select(JournalEntry.event)).all()
        assert "station_restored" in events
    store.close()


def test_the_outage_counts_from_the_old_servers_last_sign_of_life_and_not_from_the_backup(
    watched: Server, tmp_path: Path
) -> None:
    first = watched.serve()
    second = tmp_path / "second"
    with Room(watched.pages) as room:
        until = time.monotonic() + 60
        while not list(watched.stick.glob("*/snapshot-*.json")):
            assert time.monotonic() < until, "the start of the sitting is backed up at once"
            time.sleep(0.2)
        noticed = system_time()
        while last_sign(watched) - noticed < timedelta(seconds=6):  # written anew, well after the backup
            assert time.monotonic() < until + 60
            time.sleep(0.2)
        room.wait_for(1)
        first.process.kill()
    restored = command("restore", watched.stick, second, "--code", watched.code)
    watched.serve(second)
    for page in watched.pages:
        page.settle()
    check_nothing_is_lost(second, watched.pages)
    store = open_store(load_config(second).store_url, second)
    with store.reading() as db:
        life = db.get_one(StationLife, 1)
        assert life.restored_from is not None
        assert life.restored_to is not None
        assert restored["last_alive_at"] == life.restored_to.isoformat()
        assert life.restored_to - life.restored_from > timedelta(seconds=5)
        outage = db.scalars(select(Interruption)).one()
        assert (outage.kind, outage.began_at) == ("outage", life.restored_to)
        assert outage.ended_at is not None, "shorter than the limit: given back, and the sitting goes on"
        given_back = outage.ended_at - outage.began_at
        for attempt in db.scalars(select(Attempt)):
            deadline = watched.ground.started_at + timedelta(minutes=600) + given_back
            assert abs(attempt.deadline_at - deadline) <= timedelta(seconds=1)
    store.close()


@pytest.mark.postgresql
def test_a_backup_of_a_file_goes_on_in_postgresql_and_refuses_a_database_that_is_in_use(
    on_a_file: Server, postgresql_database: str, tmp_path: Path
) -> None:
    server = on_a_file
    first = server.serve()
    with Room(server.pages) as room:
        room.wait_for(30)
        command("backup", server.ground.config.home, server.stick)
        room.wait_for(20)
        first.process.kill()
    second = tmp_path / "second"
    words = ["restore", server.stick, second, "--code", server.code, "--database", postgresql_database]
    command(*words)
    assert load_config(second).store.url == postgresql_database
    server.serve(second)
    for page in server.pages:
        page.settle()
    with Room(server.pages) as room:  # new rows find numbers of their own
        room.wait_for(30)
    check_nothing_is_lost(second, server.pages)
    words[2] = tmp_path / "third"
    again = subprocess.run(
        [sys.executable, "-m", "station", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert (again.returncode, "database_not_empty" in again.stderr) == (1, True), again.stderr
    assert not list(tmp_path.glob("third*"))


def test_work_files_come_back_byte_by_byte_with_their_chain(on_a_file: Server, tmp_path: Path) -> None:
    ground, contents = on_a_file.ground, [b"first version", b"second version"]
    store, at = ground.open_store(), system_time()
    seated = ground.candidates[0]
    with store.transaction() as db:
        seat_id = db.get_one(Entry, seated.entry_id).seat_id
        device = device_at(seat_id, "token", at=at)
        db.add(device)
        db.flush()
        for number, content in enumerate(contents):
            sha256 = keep_file(ground.config.folder / "uploads", content)
            work_folders.expect_content(db, seated.attempt_id, sha256, size=len(content), is_here=True, at=at)
            work_folders.note_complete(db, seated.attempt_id, sha256, at=at)
            sent = SentVersion("海报.psd", sha256, len(content), at, WorkCause.RESTED)
            attempt = db.get_one(Attempt, seated.attempt_id)
            work_folders.record_versions(db, attempt, [sent], origin=Origin(device.id, "b", number), at=at)
    store.close()
    home = tmp_path / "second"
    command("backup", ground.config.home, on_a_file.stick)
    command("restore", on_a_file.stick, home, "--code", on_a_file.code)
    config = load_config(home)
    restored = open_store(config.store_url, config.folder)
    with restored.reading() as db:
        assert work_folders.check_chain(db, seated.attempt_id) is None
        rows = db.scalars(select(WorkVersion).order_by(WorkVersion.number)).all()
        found = [path_of(config.folder / "uploads", str(row.sha256)).read_bytes() for row in rows]
    restored.close()
    assert found == contents
