"""The machine's clock jumps, is reset, drifts: no candidate loses or gains a second, and staff are told.

libfaketime stands between the station's program and the system clock; the monotonic counter stays true, as it does
on a machine whose clock somebody sets.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from station.clock import system_time
from station.store.models import Interruption
from tests.chaos.stations import QueueingPage, Station, station_of
from tests.conftest import skip_for_want_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RESET = "@2000-01-01 00:00:00"
# What a moment loses on its way through milliseconds and back.
ROUNDING_S = 0.01


class MachineClock:
    """The system clock as the station's program sees it, set by hand while it runs."""

    def __init__(self, folder: Path) -> None:
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not libraries:
            skip_for_want_of("libfaketime (Debian package faketime)")
        self._file = folder / "faketime"
        self.set("+0")
        self.environment = {
            "LD_PRELOAD": str(libraries[0]),
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
        }

    def set(self, words: str) -> None:
        """Set it in libfaketime's words: '+3600', '@2000-01-01 00:00:00', '+0 x1.5'."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(words + "\n", "ascii")
        fresh.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> MachineClock:
    return MachineClock(tmp_path)


@pytest.fixture
def station(tmp_path: Path, clock: MachineClock) -> Iterator[Station]:
    """A sitting of an hour, begun ten minutes ago, on a machine whose clock can be set."""
    began = system_time() - timedelta(minutes=10)
    with station_of(tmp_path, candidates=3, minutes=60, at=began) as built:
        built.start(environment=clock.environment)
        yield built


def wait_for_event(station: Station, name: str, *, count: int = 1) -> None:
    until = time.monotonic() + 90
    while len(station.events(name)) < count:
        assert time.monotonic() < until, station.events()
        time.sleep(0.2)


class Countdown:
    """A page's countdown against the monotonic counter: however slow the machine, the two must agree.

    A machine so slow that the station missed its own beats has had an outage, which is given back: it is taken off.
    """

    def __init__(self, station: Station, page: QueueingPage) -> None:
        self._station, self._page = station, page
        self._left, self._between = self._look()

    def check(self) -> None:
        """See that as much has gone from the countdown as has really passed."""
        left, (asked, heard) = self._look()
        gone, (first_asked, first_heard) = self._left - left, self._between
        assert asked - first_heard - ROUNDING_S <= gone <= heard - first_asked + ROUNDING_S

    def _look(self) -> tuple[float, tuple[float, float]]:
        asked = time.monotonic()
        left: float = self._page.state()["attempt"]["remaining_s"]
        return left - given_back_s(self._station), (asked, time.monotonic())


def given_back_s(station: Station) -> float:
    with station.store.reading() as db:
        stretches = db.execute(select(Interruption.began_at, Interruption.ended_at)).all()
    return sum((ended - began).total_seconds() for began, ended in stretches)


def own_end(station: Station) -> datetime:
    """The deadline without what outages have added to it."""
    return station.first_attempt().deadline_at - timedelta(seconds=given_back_s(station))


def check_given_back(station: Station, *, last: datetime, before: datetime) -> Interruption:
    """The one outage goes from the last sign of life to the going on, and is what the deadline has moved by."""
    with station.store.reading() as db:
        outage = db.scalars(select(Interruption)).one()
    attempt = station.first_attempt()
    assert outage.began_at == last
    assert outage.ended_at is not None
    assert attempt.deadline_at - before == outage.ended_at - outage.began_at
    assert attempt.late_count == 0
    return outage


@pytest.mark.parametrize("words", ["+3600", "-3600", RESET], ids=["an hour on", "an hour back", "reset to 2000"])
def test_a_jump_takes_and_gives_nobody_a_second_and_stands_in_the_journal_and_on_the_board(
    station: Station, clock: MachineClock, words: str
):
    page = station.page(1)
    page.answer(5)
    page.flush()
    end = own_end(station)
    countdown = Countdown(station, page)
    clock.set(words)
    wait_for_event(station, "clock_jumped")
    page.answer(5)
    page.flush()
    countdown.check()
    assert own_end(station) == end
    assert not any(one["is_late"] for one in page.acknowledged.values())
    moments = [one.saved_at for one in station.revisions(page.seated.attempt_id)]
    assert moments == sorted(moments)
    with station.console() as console:
        told = [one for one in console.board(station.ground.sitting_id)["events"] if one["event"] == "clock_jumped"]
    assert told[0]["weight"] == "alarm"
    assert "考试计时不受影响" in told[0]["sentence"]
    clock.set("+0")
    wait_for_event(station, "clock_jumped", count=2)
    countdown.check()
    assert station.events("outage_waits", "collected", "clock_followed") == []


@pytest.mark.parametrize("rate", ["1.5", "0.5"], ids=["fast", "slow"])
def test_a_drifting_clock_moves_no_deadline_and_is_told_of(station: Station, clock: MachineClock, rate: str):
    page = station.page(1)
    end = own_end(station)
    countdown = Countdown(station, page)
    clock.set(f"+0 x{rate}")
    wait_for_event(station, "clock_jumped", count=2)
    countdown.check()
    assert own_end(station) == end


@pytest.mark.parametrize(
    ("words", "off"),
    [("-3600", "早 "), ("+172800", "晚 2 天"), (RESET, "早 ")],
    ids=["an hour back", "days on", "2000"],
)
def test_after_a_restart_by_a_wrong_clock_nothing_goes_on_until_staff_have_said_the_time(
    station: Station, clock: MachineClock, words: str, off: str
):
    page = station.page(1)
    before = station.first_attempt().deadline_at
    station.kill()
    last = station.alive_at()
    clock.set(words)
    station.start(environment=clock.environment)
    assert page.state()["attempt"]["held"]["by"] == "outage"
    page.answer(5)
    page.flush()
    time.sleep(2.5)  # beats by the wrong clock leave the last sign of life alone
    assert station.alive_at() == last
    resume = f"/api/sittings/{station.ground.sitting_id}/resume"
    with station.console() as console:
        board = console.board(station.ground.sitting_id)
        assert board["clock_doubt"] == {"last_at": last.isoformat(timespec="milliseconds")}
        assert any(off in one["sentence"] for one in board["events"] if one["event"] == "clock_doubted")
        refused = console.act(resume)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "clock_in_doubt")
        told = system_time()
        assert console.act("/api/clock/settle", at=told.isoformat()).status_code == 200
        assert console.act(resume).status_code == 200
    outage = check_given_back(station, last=last, before=before)
    assert told - timedelta(seconds=ROUNDING_S) <= outage.ended_at <= system_time()
    page.check_kept()
    station.check_chains()


def test_the_clock_put_right_by_the_technician_while_all_wait_is_taken_by_itself(station: Station, clock: MachineClock):
    before = station.first_attempt().deadline_at
    station.kill()
    last = station.alive_at()
    clock.set("-7200")
    station.start(environment=clock.environment)
    wait_for_event(station, "clock_doubted")
    clock.set("+0")
    wait_for_event(station, "clock_followed")
    with station.console() as console:
        assert console.board(station.ground.sitting_id)["clock_doubt"] is None
        assert console.act(f"/api/sittings/{station.ground.sitting_id}/resume").status_code == 200
    check_given_back(station, last=last, before=before)
