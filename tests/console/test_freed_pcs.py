"""A PC that a code freed, on the board and on the page 考试机: told, noted, locked again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from station.services import answering
from station.store.models import Attempt, JournalEntry
from tests.agent_pc import AgentPc
from tests.console.serving import refusal, served_candidate_app


@pytest.fixture
def pc(room):
    with served_candidate_app(room) as address, AgentPc(room, address) as one:
        one.register("3")
        yield one


def events(room):
    with room.store.reading() as db:
        return [row.event for row in db.scalars(select(JournalEntry).order_by(JournalEntry.number))]


def page(console_of, room):
    room.edge.roll.look_again()
    return console_of.get("/api/workstations").json()


def seat_of(document, number):
    return next(one for one in document["rooms"][0]["seats"] if one["seat"] == number)


def locked_beat(pc, **state):
    return pc.beat(orders=pc.orders()["version"], state={"locked": True} | state)


def test_a_pc_that_a_code_freed_calls_somebody_until_they_have_noted_it_or_locked_it_again(console, room, pc):
    one, technician = console("invigilator"), console("technician")
    room.start()
    room.enter(room.tickets[2])
    room.edge.presence.mark(3, room.clock.now())
    free = {"locked": False, "unlocked_by_code": True, "unlock_code": "k2", "unlocked_s": 90.0}
    locked_beat(pc, **free)
    room.edge.roll.look_again()
    (problem,) = one.seat(room.theory, "3")["problems"]
    assert (problem["code"], problem["level"], problem["text"]) == ("device_code", "alarm", "考试机已用解锁码 k2 解锁")
    used_at = room.clock.now() - timedelta(seconds=90)
    assert datetime.fromisoformat(problem["since"]) == used_at
    ids = {"device_ids": [pc.device_id]}
    assert refusal(technician.act("/api/devices/acknowledge", **ids)) == (403, "not_allowed")
    assert one.act("/api/devices/acknowledge", **ids).json() == {"changed": 1}
    assert one.act("/api/devices/acknowledge", **ids).json() == {"changed": 0}
    assert events(room)[-1] == "unlock_acknowledged"
    room.edge.roll.look_again()
    (problem,) = one.seat(room.theory, "3")["problems"]
    assert (problem["level"], problem["text"]) == ("note", "考试机已用解锁码 k2 解锁（已知悉）")
    device = seat_of(page(one, room), "3")["device"]
    assert (device["level"], device["freed_code"], device["is_freed_seen"]) == ("note", "k2", True)
    assert datetime.fromisoformat(device["freed_at"]) == used_at
    assert one.act("/api/devices/hold", **ids).json() == {"changed": 1, "silent": 0}
    room.edge.roll.look_again()
    locked_beat(pc)
    assert one.seat(room.theory, "3")["problems"] == []
    assert one.act("/api/devices/acknowledge", **ids).json() == {"changed": 0}, "nothing is left to note"


def test_a_pc_that_is_away_is_told_to_lock_again_when_it_is_back(console, room, pc):
    one = console("invigilator")
    room.start()
    room.clock.pass_time(minutes=5)
    assert seat_of(page(one, room), "3")["device"]["state"] == "unheard"
    assert one.act("/api/devices/hold", device_ids=[pc.device_id]).json() == {"changed": 0, "silent": 1}
    locked_beat(pc, locked=False, unlocked_by_code=True, unlock_code="k2", unlocked_s=60.0)
    assert pc.orders()["lock"] is not None
    assert seat_of(page(one, room), "3")["device"]["state"] != "code"


def test_once_the_candidate_has_ended_a_freed_pc_calls_nobody(console, room, pc):
    one = console("invigilator")
    room.start()
    attempt, _ = room.enter(room.tickets[2])
    locked_beat(pc, locked=False, unlocked_by_code=True, unlock_code="k2")
    room.edge.roll.look_again()
    levels = {problem["code"]: problem["level"] for problem in one.seat(room.theory, "3")["problems"]}
    assert levels["device_code"] == "alarm"
    with room.changing() as db:
        ended = [db.get_one(Attempt, attempt.id)]
        answering.collect_attempts(db, ended, at=room.clock.now(), by=room.staff["invigilator"], reason="到时")
    levels = {problem["code"]: problem["level"] for problem in one.seat(room.theory, "3")["problems"]}
    assert levels == {"device_code": "note"}
