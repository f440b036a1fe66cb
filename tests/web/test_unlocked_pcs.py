"""A PC that a code freed, over real HTTP: since when it is free, who knows it, and who locks it again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from station.domain.sitting import SittingState
from station.services import invigilation, unlocking
from station.store.models import JournalEntry, Sitting, UnlockCode
from tests.agent_pc import AgentPc
from tests.building import build_room
from tests.console.serving import refusal, served_candidate_app

FREED = {"locked": False, "unlocked_by_code": True}


@pytest.fixture
def room(tmp_path):
    built = build_room(tmp_path)
    yield built
    built.close()


@pytest.fixture
def pc(room):
    with served_candidate_app(room) as address, AgentPc(room, address) as one:
        one.register("3")
        room.start()
        room.edge.roll.look_again()
        yield one


def journal(room):
    with room.store.reading() as db:
        rows = db.scalars(select(JournalEntry).order_by(JournalEntry.number)).all()
        return [(row.event, row.staff_id, json.loads(row.details)) for row in rows]


def events(room):
    return [event for event, _, _ in journal(room)]


def hold(room, pc):
    with room.changing() as db:
        return unlocking.hold_device(db, pc.device_id, by=room.staff["invigilator"], at=room.clock.now())


def test_a_freed_pc_is_known_with_its_code_and_the_moment_it_was_used_not_heard_of(room, pc):
    pc.beat(state=FREED | {"unlock_code": "k2", "unlocked_s": 125.0})
    known = pc.row()
    assert (known.freed_code, room.clock.now() - known.freed_at) == ("k2", timedelta(seconds=125))
    assert pc.orders()["lock"] is None


def test_to_lock_again_after_the_use_wins_though_the_station_had_not_heard_of_it(room, pc):
    room.clock.pass_time(minutes=2)
    assert hold(room, pc) is False, "nothing is known of it yet"
    room.clock.pass_time(seconds=5)
    pc.beat(state=FREED | {"unlock_code": "k2", "unlocked_s": 60.0})
    orders = pc.orders()
    assert orders["lock"] is not None
    assert orders["lock_again"] == ["k2"]
    (used, _, _), (held, by, _) = journal(room)[-2:]
    assert (used, held, by) == ("unlocked_by_code", "device_held", room.staff["invigilator"])


def test_a_code_that_is_used_after_the_order_to_lock_again_frees_the_pc(room, pc):
    hold(room, pc)
    room.clock.pass_time(minutes=2)
    pc.beat(state=FREED | {"unlock_code": "k2", "unlocked_s": 60.0})
    assert pc.orders()["lock"] is None
    assert "device_held" not in events(room)


def test_to_lock_again_names_the_code_so_that_a_pc_that_never_saw_other_orders_obeys(room, pc):
    before = pc.orders()
    assert before["lock_again"] == []
    pc.beat(state=FREED | {"unlock_code": "k2"})
    assert hold(room, pc) is True
    after = pc.orders()
    assert after["lock"] == before["lock"]
    assert after["lock_again"] == ["k2"]
    assert after["version"] != before["version"]
    assert pc.row().freed_at is None


def test_a_code_that_a_restored_station_does_not_know_is_not_given_out_again(room, pc):
    pc.beat(state=FREED | {"unlock_code": "k9"})
    hold(room, pc)
    assert pc.orders()["lock_again"] == ["k9"]
    with room.changing() as db:
        made = unlocking.make_codes(room.edge.secret, 3)
        for _ in range(4):  # used up until new ones are made
            room.edge.roll.look_again()
            _, shown, _ = unlocking.show_code(
                db, room.seat_id("3"), reason="断网", secret=room.edge.secret, by=1, at=room.clock.now()
            )
            assert shown.number != 9
            unlocking.stock_up(db, pc.device_id, made, at=room.clock.now())
        numbers = db.scalars(select(UnlockCode.number).where(UnlockCode.used_at.is_(None))).all()
    assert 10 in numbers
    pc.beat(state=FREED | {"unlock_code": "k9"})
    assert pc.orders()["lock"] is not None


def test_once_the_sitting_is_closed_the_next_one_locks_the_pc_again(room, pc):
    pc.beat(state=FREED | {"unlock_code": "k2"})
    assert pc.orders()["lock"] is None
    with room.changing() as db:
        db.get_one(Sitting, room.theory).state = SittingState.CLOSED
        invigilation.open_admission(db, room.practical, by=1, at=room.clock.now())
    orders = pc.orders()
    assert orders["lock"] is not None
    assert orders["lock_again"] == ["k2"]


@pytest.mark.parametrize("told", [-1, "long", True, float("nan")])
def test_a_time_that_is_none_is_refused_by_name(pc, told):
    answer = pc.request(
        "POST", "/api/agent/beat", data=json.dumps({"boot_id": "b", "run_id": "r", "state": {"unlocked_s": told}}),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert refusal(answer) == (400, "field_wrong")
    assert answer.json()["error"]["details"]["field"] == "unlocked_s"


def test_a_pc_whose_clock_went_wild_says_nothing_of_last_year(room, pc):
    pc.beat(state=FREED | {"unlock_code": "k2", "unlocked_s": 1e12})
    assert room.clock.now() - pc.row().freed_at == timedelta(days=1)
