"""What every test may ask for: a real PostgreSQL server, candidate PCs at its room, a rule for what a machine lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from station.rehearsal.premises import free_port

if TYPE_CHECKING:
    from tests.agent_pc import AgentPc

START_TIMEOUT_S = 30


def skip_for_want_of(what: str) -> None:
    """Skip the test by name; on the build machine nothing may be wanting, so fail there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not installed, but must be when CI=true: {what}")
    pytest.skip(f"not installed: {what}")


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Start Debian's PostgreSQL in a folder of its own and give its SQLAlchemy URL.

    fsync stays on: the save path is tested as it is run. The server listens on a Unix socket and on a free
    loopback port, and is stopped at the end of the run.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        skip_for_want_of("PostgreSQL (Debian package postgresql)")
    # Not pytest's own folder: that is closed to other accounts, and the server may run as one.
    with TemporaryDirectory(prefix="exam-station-postgresql-") as folder:
        server = PostgresqlServer(programs[-1].parent, Path(folder))
        server.start()
        try:
            yield server.url("postgres")
        finally:
            server.stop()


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[str]:
    """Give the URL of a new, empty database, which is gone after the test."""
    name = f"test_{uuid4().hex}"
    plain_url = postgresql_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield postgresql_url.rpartition("/")[0] + f"/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def candidate_address(room: Any) -> Iterator[str]:
    """Where candidate PCs reach the room under test."""
    from tests.console.serving import served_candidate_app

    with served_candidate_app(room) as url:
        yield url


@pytest.fixture
def pc(room: Any, candidate_address: str) -> Iterator[AgentPc]:
    """A candidate PC with an agent, before it registers."""
    from tests.agent_pc import AgentPc

    with AgentPc(room, candidate_address) as one:
        yield one


@pytest.fixture
def other(room: Any, candidate_address: str) -> Iterator[AgentPc]:
    """A second candidate PC, before it registers."""
    from tests.agent_pc import AgentPc

    with AgentPc(room, candidate_address, "machine-0002") as one:
        yield one


class PostgresqlServer:
    """A PostgreSQL of its own; it refuses to run as root, so root hands it to the `postgres` account."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder / "cluster"
        self._log = folder / "postgresql.log"
        self._port = free_port()
        self._as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_postgres:
            shutil.chown(folder, "postgres", "postgres")

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8")
        self.start_again()

    def start_again(self, *, fsync: str = "on") -> None:
        """Start on what lies there, as after a crash."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder}"
        self._run("pg_ctl", "--wait", f"--log={self._log}", f"--options={options} -c fsync={fsync}", "start")

    def stop(self) -> None:
        """End it at once, without writing what the log on disk does not hold yet."""
        self._run("pg_ctl", "--wait", "--mode=immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_postgres, str(self._programs / program), f"--pgdata={self._folder}", *arguments]
        # Output goes to a file: the server inherits it, and a pipe would never reach its end.
        with self._log.with_suffix(".setup").open("ab") as output:
            subprocess.run(command, cwd="/", stdout=output, stderr=output, timeout=START_TIMEOUT_S, check=True)
