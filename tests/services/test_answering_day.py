"""A theory and a practical back to back, through the services on a real SQLite file."""

from __future__ import annotations

from datetime import timedelta

import pytest

from station.domain.attempt import AttemptState
from station.errors import Refused
from station.services import answering, due_work, invigilation
from station.services import extension as extensions
from station.store import times
from station.store.models import Attempt, Entry, Staff
from tests.building import BuiltRoom, SetClock


def clock_of(room: BuiltRoom) -> SetClock:
    assert isinstance(room.clock, SetClock)
    return room.clock


def extend(room: BuiltRoom, ticket: str, *, minutes: int) -> None:
    """Give one candidate more time in the theory, by both sides."""
    with room.changing() as db:
        chief = db.get_one(Staff, room.staff["chief_examiner"])
        inspector = db.get_one(Staff, room.staff["inspector"])
        attempt, at = db.get_one(Attempt, room.attempt(ticket).id), room.clock.now()
        (proposal,) = extensions.propose_extension(
            db, [attempt], seconds=minutes * 60, reason_kind="pc_fault", reason="", by=chief, at=at
        )
        granted = extensions.decide_extensions(
            db, [proposal.id], granted=True, by=inspector, at=at, body_reference="电话 001"
        )
        assert granted == 1


def stand_still(room: BuiltRoom, sitting_id: int, *, after: float, minutes: float) -> None:
    """Let a sitting run on for some minutes, stand still for some, and go on."""
    by = room.staff["invigilator"]
    clock_of(room).pass_time(minutes=after)
    with room.changing() as db:
        invigilation.suspend_sitting(db, sitting_id, reason="停电", by=by, at=room.clock.now())
    clock_of(room).pass_time(minutes=minutes)
    with room.changing() as db:
        invigilation.resume_sitting(db, sitting_id, by=by, at=room.clock.now())


def test_a_save_is_acknowledged_once_and_a_retry_gets_the_same_answer(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    first = room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    again = room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    assert first.acknowledged == again.acknowledged
    other = room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"B"}}')
    assert other.conflicts == (1,)
    with room.store.reading() as db:
        assert answering.current_answers(db, attempt.id) == {"q1": '{"base":{"identifier":"A"}}'}
        assert answering.check_chain(db, attempt.id) is None


def test_r_day_5_at_the_end_everything_saved_is_collected_by_the_station_itself(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    clock_of(room).pass_time(minutes=59, seconds=59)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")
    assert room.attempt(room.tickets[0]).state == AttemptState.ANSWERING
    clock_of(room).pass_time(seconds=1)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")
    collected = room.attempt(room.tickets[0])
    assert collected.state == AttemptState.COLLECTED
    clock_of(room).pass_time(seconds=0.001)
    late = room.save(attempt.id, place, 2, "q1", '{"base":{"identifier":"B"}}')
    assert late.acknowledged[0].is_late
    with room.store.reading() as db:
        assert answering.current_answers(db, attempt.id) == {"q1": '{"base":{"identifier":"A"}}'}


def test_r_day_14_a_late_theory_shifts_that_candidates_practical_and_nobody_elses(room: BuiltRoom):
    room.start()
    late, in_time = room.tickets[0], room.tickets[1]
    room.enter(late)
    room.enter(in_time)
    extend(room, late, minutes=20)
    clock_of(room).pass_time(minutes=75)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")
    assert room.attempt(in_time).state == AttemptState.COLLECTED
    assert room.attempt(late).state == AttemptState.ANSWERING
    room.start(room.practical)
    on_time, _ = room.enter(in_time, room.practical)
    assert on_time.shift_s == 0
    with room.changing() as db:
        db.get_one(Entry, room.entry_id(late, room.practical)).confirmed_at = room.clock.now()
    with pytest.raises(Refused) as refusal:
        room.enter(late, room.practical)
    assert refusal.value.code == "subject_before_open"
    clock_of(room).pass_time(minutes=5)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")
    shifted, _ = room.enter(late, room.practical)
    assert shifted.shift_s == 300
    assert shifted.deadline_at == on_time.deadline_at + timedelta(minutes=5)


def test_r_day_9_after_a_short_outage_the_gap_is_given_back_and_after_a_long_one_a_person_resumes(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")
    with room.changing() as db:
        due_work.begin_life(db, room.clock.now(), version="t")
    before = attempt.deadline_at
    clock_of(room).pass_time(seconds=90)
    with room.changing() as db:
        assert due_work.begin_life(db, room.clock.now(), version="t") == 90.0
    assert room.attempt(room.tickets[0]).deadline_at == before + timedelta(seconds=90)
    clock_of(room).pass_time(seconds=600)
    with room.changing() as db:
        due_work.begin_life(db, room.clock.now(), version="t")
    assert room.attempt(room.tickets[0]).state == AttemptState.SUSPENDED
    clock_of(room).pass_time(seconds=60)
    with room.changing() as db:
        invigilation.resume_sitting(db, room.theory, by=room.staff["invigilator"], at=room.clock.now())
    resumed = room.attempt(room.tickets[0])
    assert resumed.state == AttemptState.ANSWERING
    assert resumed.deadline_at == before + timedelta(seconds=750)


def test_the_deadline_given_at_entering_is_the_one_that_is_worked_out_again_with_shift_and_interruptions(
    room: BuiltRoom,
):
    room.start()
    late, other = room.tickets[0], room.tickets[1]
    room.enter(late)
    room.enter(other)
    extend(room, late, minutes=20)
    clock_of(room).pass_time(minutes=75)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")
    room.start(room.practical)
    began_at = room.clock.now()
    held, _ = room.enter(other, room.practical)
    for minutes, act in ((1, invigilation.suspend_attempts), (2, invigilation.resume_attempts)):
        at = clock_of(room).pass_time(minutes=minutes)
        reason = {"reason": "换键盘"} if act is invigilation.suspend_attempts else {}
        with room.changing() as db:
            act(db, [db.get_one(Attempt, held.id)], by=room.staff["invigilator"], at=at, **reason)
    clock_of(room).pass_time(minutes=2)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")  # the theory of who was extended ends
    stand_still(room, room.practical, after=3, minutes=4)  # their own time runs from two minutes into it
    stand_still(room, room.practical, after=1, minutes=2.5)
    clock_of(room).pass_time(minutes=1)
    attempt, _ = room.enter(late, room.practical)
    assert attempt.shift_s == 600
    given_at = attempt.deadline_at
    assert given_at == began_at + timedelta(minutes=150 + 10 + 2 + 2.5)
    assert room.attempt(other, room.practical).deadline_at == began_at + timedelta(minutes=150 + 2 + 4 + 2.5)
    with room.changing() as db:
        again = db.get_one(Attempt, attempt.id)
        times.move_deadline(db, again)
        assert again.deadline_at == given_at
