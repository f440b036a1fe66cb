"""What staff see and do after an outage: how long, how long yet, and the right time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from station.clock import Clock
from station.services import due_work
from station.store.models import StationLife
from tests.building import PLANNED, PRACTICAL_PLANNED, BuiltRoom, build_room
from tests.console.serving import Console, refusal, served_staff_app

LONG = timedelta(minutes=12)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    """A room on a clock that runs, in which theory has been cut off for twelve minutes."""
    built = build_room(tmp_path, clock=Clock(starts_at=PLANNED))
    built.start()
    built.enter(built.tickets[0])
    built.edge.clock.set_to(PLANNED + timedelta(minutes=20))
    with built.changing() as db:
        due_work.begin_life(db, PLANNED + timedelta(minutes=20) - LONG, version="t")
        due_work.begin_life(db, built.edge.clock.now(), version="t")
    yield built
    built.close()


@pytest.fixture
def one(room: BuiltRoom) -> Iterator[Console]:
    with served_staff_app(room) as address, Console(address) as console:
        assert console.log_in("invigilator").status_code == 200
        yield console


def go_back(room: BuiltRoom, **by: float) -> None:
    """Start the station again by a clock that somebody has moved."""
    at = room.edge.clock.now() + timedelta(**by)
    room.edge.clock.set_to(at)
    with room.changing() as db:
        due_work.begin_life(db, at, version="t")


def test_r_day_9_the_board_has_the_outages_begin_the_60_minutes_and_the_rooms_later_sittings(
    room: BuiltRoom, one: Console
):
    board = one.board(room.theory)
    began = PLANNED + timedelta(minutes=20) - LONG
    assert board["halt"] == {
        "kind": "outage",
        "began_at": began.isoformat(timespec="milliseconds"),
        "ask_min": 60,
        "ask_at": (began + timedelta(minutes=60)).isoformat(timespec="milliseconds"),
        "later": [{"subject": "实操", "starts_at": PRACTICAL_PLANNED.isoformat(timespec="milliseconds")}],
    }
    assert [alarm["text"] for alarm in board["alarms"] if alarm["code"] == "sitting_suspended"] == [
        "全场已暂停：考站中断"
    ]
    assert one.board(room.practical)["halt"] is None


def test_r_day_9_going_on_within_60_minutes_is_one_click_and_after_it_wants_the_bodys_answer(
    room: BuiltRoom, one: Console
):
    room.edge.clock.set_to(room.edge.clock.now() + timedelta(minutes=60))
    path = f"/api/sittings/{room.theory}/resume"
    assert refusal(one.act(path)) == (409, "outage_needs_body")
    assert one.act(path, body_word="机构李老师 电话同意").status_code == 200
    board = one.board(room.theory)
    assert board["halt"] is None
    said = [event for event in board["events"] if event["event"] == "body_answered"]
    assert said[0]["sentence"] == "中断 72 分钟，认证机构答复：机构李老师 电话同意"


def test_one_click_goes_on_after_an_outage_of_minutes(room: BuiltRoom, one: Console):
    before = room.attempt(room.tickets[0]).deadline_at
    assert one.act(f"/api/sittings/{room.theory}/resume").status_code == 200
    given = room.attempt(room.tickets[0]).deadline_at - before
    assert LONG <= given < LONG + timedelta(minutes=1)


def test_a_clock_that_cannot_be_believed_is_asked_for_and_set_by_the_staffs_word(room: BuiltRoom, one: Console):
    last = room.edge.clock.now()
    go_back(room, days=-9000)
    board = one.board(room.theory)
    assert board["alarms"][0]["code"] == "clock_in_doubt"
    with room.store.reading() as db:
        alive_at = db.get_one(StationLife, 1).alive_at
    assert board["clock_doubt"] == {"last_at": alive_at.isoformat(timespec="milliseconds")}
    resume = f"/api/sittings/{room.theory}/resume"
    assert refusal(one.act(resume)) == (409, "clock_in_doubt")
    assert refusal(one.act("/api/clock/settle", at="halb zehn")) == (400, "field_wrong")
    early = (last - timedelta(minutes=30)).isoformat()
    assert refusal(one.act("/api/clock/settle", at=early)) == (409, "time_before_outage")
    right = last + timedelta(minutes=2)
    local = right.astimezone(room.edge.zone).strftime("%Y-%m-%d %H:%M:%S")  # as a person types it
    assert one.act("/api/clock/settle", at=local).status_code == 200
    assert timedelta(0) <= room.edge.clock.now() - right.replace(microsecond=0) < timedelta(minutes=1)
    board = one.board(room.theory)
    assert board["clock_doubt"] is None
    assert board["alarms"][0]["code"] == "sitting_suspended"
    assert one.act(resume).status_code == 200
    assert refusal(one.act("/api/clock/settle", at=local)) == (409, "time_not_in_doubt")


def test_who_may_not_resume_may_not_set_the_time(room: BuiltRoom):
    with served_staff_app(room) as address, Console(address) as technician:
        technician.log_in("technician")
        answer = technician.act("/api/clock/settle", at="2026-11-21 15:00")
        assert answer.status_code == 403
