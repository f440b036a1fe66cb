"""The save path's promises on PostgreSQL: the station killed, the server crashed, two processes at one attempt."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests

from station.clock import system_time
from tests.chaos.stations import QueueingPage, Station, station_of
from tests.conftest import PostgresqlServer, skip_for_want_of

pytestmark = [pytest.mark.postgresql, pytest.mark.slow, pytest.mark.timeout(300)]

CANDIDATES = 8
ROUNDS = 3
SAVED_BETWEEN = 60  # saves, of all candidates together, before the next blow falls


class Load:
    """Candidates who save one answer after the other, and go on trying while the station is away."""

    def __init__(self, pages: list[QueueingPage]) -> None:
        self.pages = pages
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._save, args=(page,), daemon=True) for page in pages]
        for thread in self._threads:
            thread.start()

    @property
    def acknowledged(self) -> int:
        return sum(len(page.acknowledged) for page in self.pages)

    def wait_for(self, more: int) -> None:
        wanted, until = self.acknowledged + more, time.monotonic() + 90
        while self.acknowledged < wanted:
            assert time.monotonic() < until, self.acknowledged
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop answering; what is queued still goes out."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=90)
            assert not thread.is_alive()

    def _save(self, page: QueueingPage) -> None:
        while not self._stop.is_set() or page.queue:
            if not page.queue:
                page.answer(2)
            try:
                page.send(page.queue)
            except (requests.RequestException, AssertionError):  # away, or 503: the queue is kept and sent again
                time.sleep(0.1)


@contextmanager
def serving(folder: Path, url: str) -> Iterator[Station]:
    began = system_time() - timedelta(minutes=5)
    with station_of(
        folder, candidates=CANDIDATES, minutes=60, outage_limit_s=600, at=began, settings={"store.url": url}
    ) as station:
        yield station


def check(station: Station, pages: list[QueueingPage]) -> None:
    """Everything acknowledged is there, once and in order; nothing was late, nothing came with another body."""
    for page in pages:
        page.check_kept()
        assert page.stored_answers() == page.last_answers()
        assert station.attempt(page.seated.attempt_id).late_count == 0
    station.check_chains()
    assert station.events("save_conflict", "save_came_late") == []


def test_the_station_is_killed_under_load_again_and_again_and_nothing_acknowledged_is_lost(
    tmp_path: Path, postgresql_database: str
):
    with serving(tmp_path, postgresql_database) as station:
        station.start()
        pages = [station.page(number) for number in range(1, CANDIDATES + 1)]
        before = station.attempt(pages[0].seated.attempt_id).deadline_at
        load = Load(pages)
        for _ in range(ROUNDS):
            load.wait_for(SAVED_BETWEEN)
            station.kill()
            station.start()
        load.wait_for(SAVED_BETWEEN)
        load.stop()
        check(station, pages)
        assert station.attempt(pages[0].seated.attempt_id).deadline_at > before, "each time the gap was given back"
        assert station.events("outage_found", "outage_waits", "station_joined") == ["outage_found"] * ROUNDS


def test_the_database_server_crashes_under_load_and_comes_back_and_nothing_acknowledged_is_lost(tmp_path: Path):
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        skip_for_want_of("PostgreSQL (Debian package postgresql)")
    with TemporaryDirectory(prefix="exam-station-postgresql-") as folder:
        server = PostgresqlServer(programs[-1].parent, Path(folder))
        server.start()
        try:
            with serving(tmp_path, server.url("postgres")) as station:
                station.start()
                pages = [station.page(number) for number in range(1, CANDIDATES + 1)]
                load = Load(pages)
                for _ in range(ROUNDS):
                    load.wait_for(SAVED_BETWEEN)
                    server.stop()  # at once, as if the power had gone: what is not in the log on disk is gone
                    time.sleep(1)
                    server.start_again()
                load.wait_for(SAVED_BETWEEN)
                load.stop()
                station.store.close()  # its own connections died with the server
                check(station, pages)
                assert station.child is not None
                assert station.child.process.poll() is None, "the station outlives its database"
        finally:
            with suppress(Exception):
                server.stop()


def test_two_processes_that_save_into_one_attempt_make_one_chain_and_the_newest_place_holds(
    tmp_path: Path, postgresql_database: str
):
    with serving(tmp_path, postgresql_database) as station:
        station.start()
        second = Station(station.ground, station.store)
        second.start()
        seated = station.ground.candidates[0]
        old = QueueingPage(station, seated)
        opened = old.session.post(f"{second.url}/api/places", json={"attempt_id": seated.attempt_id}, timeout=30).json()
        new = QueueingPage(second, seated, place=opened["place"])
        load = Load([old, new])
        load.wait_for(200)
        load.stop()
        old.check_kept()
        new.check_kept()
        station.check_chains()
        answers = old.last_answers() | new.last_answers()  # whatever came when, the newer place holds
        assert old.stored_answers() == answers
        other = {"sequence": 1, "item_id": station.ground.items[0], "response": {"base": {"identifier": "D"}}}
        told = new.send([other]), QueueingPage(station, seated, place=new.place).send([other])
        assert [one["conflicts"] for one in told] == [[1], [1]], "both processes know what the other has stored"
