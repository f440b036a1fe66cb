"""Who is due is collected once, by whichever process comes first, and as of the deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from station.domain.attempt import AttemptState
from station.rehearsal.premises import Child
from tests.chaos.stations import QueueingPage, Station, station_of

START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
END = START + timedelta(minutes=20)
CANDIDATES = 12

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ON = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture
def station(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Station]:
    url = request.getfixturevalue("postgresql_database") if request.param == "postgresql" else ""
    with station_of(tmp_path, candidates=CANDIDATES, minutes=20, at=START, settings={"store.url": url}) as built:
        yield built


def wait_until_collected(station: Station, *, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while any(station.attempt(one.attempt_id).state != AttemptState.COLLECTED for one in station.ground.candidates):
        assert time.monotonic() < until
        time.sleep(0.2)


def check_collected_once(station: Station, *, at: datetime | None = None) -> None:
    """One entry in the journal for each, and answering ended at the deadline to the millisecond."""
    time.sleep(2.5)  # a second collection would come with the next beats
    assert len(station.events("collected")) == CANDIDATES
    for one in station.ground.candidates:
        attempt = station.attempt(one.attempt_id)
        assert attempt.ended_at == attempt.deadline_at
        assert at is None or attempt.deadline_at == at


@pytest.mark.parametrize("station", ON, indirect=True)
def test_a_restart_over_the_deadline_gives_the_outage_back_and_collects_once_when_that_is_over(station: Station):
    station.start(at=END - timedelta(seconds=20))
    station.page(1).state()
    station.kill()
    last = station.alive_at()
    assert last < END
    station.start(at=END + timedelta(seconds=3), scale=4)
    given = station.attempt(station.ground.candidates[0].attempt_id).deadline_at - END
    assert given >= END + timedelta(seconds=3) - last
    wait_until_collected(station)
    check_collected_once(station, at=END + given)


@pytest.mark.postgresql
@pytest.mark.parametrize("station", ON[1:], indirect=True)
def test_two_processes_on_one_database_collect_each_once_at_the_deadline(station: Station):
    second = beside(station, at=END - timedelta(seconds=12))
    assert station.events("station_joined") == ["station_joined"]
    pages = [station.page(1), QueueingPage(second, station.ground.candidates[0], place=station.page(1).place)]
    pages[0].answer(4)
    pages[0].flush()
    pages[1].sequence = pages[0].sequence
    pages[1].answer(4)
    pages[1].flush()
    wait_until_collected(station)
    check_collected_once(station, at=END)
    assert station.events("outage_found") == []
    assert [one.sequence for one in station.revisions(pages[0].seated.attempt_id)] == list(range(1, 9))
    station.check_chains()


@pytest.mark.postgresql
@pytest.mark.parametrize("station", ON[1:], indirect=True)
def test_one_of_two_processes_dies_and_comes_back_and_nobody_has_lost_or_gained_a_second(station: Station):
    second = beside(station, at=START + timedelta(minutes=5))
    second.kill()
    page = station.page(1)
    page.answer(10)
    page.flush()
    time.sleep(2)
    second.start(at=station.alive_at())
    other = QueueingPage(second, station.ground.candidates[1])
    other.answer(10)
    other.flush()
    for one in (page, other):
        one.check_kept()
        assert station.attempt(one.seated.attempt_id).deadline_at == END
    assert station.events("outage_found", "outage_waits") == []
    assert station.events("station_joined") == ["station_joined"] * 2


@pytest.mark.parametrize("station", ON[:1], indirect=True)
def test_a_second_start_on_one_folder_is_refused_by_name_and_the_first_serves_on(station: Station):
    station.start()
    page = station.page(1)
    assert page.state()["view"] == "paper"
    second: Child = station.ground.serve()
    assert second.process.wait(timeout=60) == 1
    assert "[folder_in_use]" in second.log.read_text("utf-8")
    page.answer(3)
    page.flush()
    page.check_kept()
    assert station.attempt(page.seated.attempt_id).deadline_at == END
    assert station.events("station_started") == ["station_started"]
    station.kill()
    station.start()  # a killed process holds the folder no longer
    assert page.state()["view"] in {"paper", "done"}


def beside(station: Station, *, at: datetime) -> Station:
    """Start two processes of the station; gives the second."""
    station.start(at=at)
    second = Station(station.ground, station.store)
    second.start(at=station.alive_at())
    return second
