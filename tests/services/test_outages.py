"""What an outage takes is given back, by itself or by a person; a clock that cannot be believed resumes nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from station.domain.attempt import AttemptState
from station.domain.sitting import SittingState
from station.errors import StationError
from station.services import due_work, invigilation, outage, saving
from station.store.models import Attempt, Interruption, JournalEntry, Sitting, StationLife
from tests.building import BuiltRoom, SetClock, events

A = '{"base":{"identifier":"A"}}'


def begin(room: BuiltRoom, **more: bool) -> float:
    with room.changing() as db:
        return due_work.begin_life(db, room.clock.now(), version="t", **more)


def tick(room: BuiltRoom, *, stalled_from_s: float = 10) -> None:
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "", stalled_from_s=stalled_from_s)


def pass_time(room: BuiltRoom, **parts: float) -> datetime:
    assert isinstance(room.clock, SetClock)
    return room.clock.pass_time(**parts)


def sitting(room: BuiltRoom) -> Sitting:
    with room.store.reading() as db:
        return db.get_one(Sitting, room.theory)


def life(room: BuiltRoom) -> StationLife:
    with room.store.reading() as db:
        return db.get_one(StationLife, 1)


def resume(room: BuiltRoom, word: str = "") -> None:
    by = room.staff["invigilator"]
    with room.changing() as db:
        invigilation.resume_sitting(db, room.theory, by=by, at=room.clock.now(), body_word=word)


@pytest.mark.parametrize(("gap_s", "goes_on"), [(0, True), (120, True), (120.001, False)])
def test_r_day_9_the_limit_itself_still_goes_on_by_itself(room: BuiltRoom, gap_s: float, goes_on: bool):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    begin(room)
    pass_time(room, seconds=gap_s)
    begin(room)
    now = room.attempt(room.tickets[0])
    assert sitting(room).state == (SittingState.RUNNING if goes_on else SittingState.SUSPENDED)
    assert now.state == (AttemptState.ANSWERING if goes_on else AttemptState.SUSPENDED)
    moved = now.deadline_at - attempt.deadline_at
    assert moved == timedelta(seconds=gap_s if goes_on else 0)


def test_r_day_9_above_60_minutes_the_bodys_answer_is_asked_for_and_kept(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    begin(room)
    pass_time(room, minutes=60, seconds=1)
    begin(room)
    for word in ("", "  "):
        with pytest.raises(StationError) as refusal:
            resume(room, word)
        assert refusal.value.code == "outage_needs_body"
    resume(room, "机构王老师 10:40 电话同意继续")
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at + timedelta(minutes=60, seconds=1)
    with room.store.reading() as db:
        said = db.scalars(select(JournalEntry.details).where(JournalEntry.event == "body_answered")).one()
    assert json.loads(said)["word"] == "机构王老师 10:40 电话同意继续"


def test_r_day_9_up_to_60_minutes_nobody_need_be_asked(room: BuiltRoom):
    room.start()
    room.enter(room.tickets[0])
    begin(room)
    pass_time(room, minutes=60)
    begin(room)
    resume(room)
    assert "body_answered" not in events(room)


def test_a_store_that_could_not_be_written_for_a_while_is_an_outage_though_the_program_lived(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    begin(room)
    pass_time(room, seconds=9)
    tick(room)
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at, "a slow second is no outage"
    pass_time(room, minutes=59, seconds=21)
    tick(room, stalled_from_s=1e9)
    pass_time(room, seconds=60)  # the disk is full from half a minute before the end
    before = attempt.deadline_at
    assert room.clock.now() > before
    save = saving.Save(1, "q1", A, True)
    with room.changing() as db:  # the first who can write again gives back, then records
        due_work.revive(db, room.clock.now(), stalled_from_s=10)
        (outcome,) = saving.SaveRecorder().record(
            db, [saving.SaveBatch(attempt.id, place, (save,), None, room.clock.now())]
        )
    tick(room)
    after = room.attempt(room.tickets[0])
    assert after.deadline_at == before + timedelta(seconds=60), "once, though two have seen the gap"
    assert isinstance(outcome, saving.BatchOutcome)
    assert not outcome.acknowledged[0].is_late
    assert events(room).count("outage_found") == 1


def test_who_was_due_before_the_outage_began_gets_nothing_of_it_and_ended_at_the_deadline(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    begin(room)
    pass_time(room, minutes=60, seconds=0.4)
    with room.changing() as db:  # the last beat came through, the collection after it did not
        db.get_one(StationLife, 1).alive_at = room.clock.now()
    pass_time(room, seconds=90)
    begin(room)
    ended = room.attempt(room.tickets[0])
    assert (ended.state, ended.ended_at, ended.deadline_at) == ("collected", attempt.deadline_at, attempt.deadline_at)


def test_another_process_beside_a_living_one_gives_nothing_back(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    begin(room)
    pass_time(room, seconds=1)
    assert begin(room, is_beside=True) == 0
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at
    assert "station_joined" in events(room)
    assert "outage_found" not in events(room)


@pytest.mark.parametrize("off", [timedelta(hours=-1), timedelta(hours=13), timedelta(days=-9000)], ids=str)
def test_a_restart_by_a_clock_that_cannot_be_believed_waits_for_the_right_time(room: BuiltRoom, off: timedelta):
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    begin(room)
    last = room.clock.now()
    for _ in range(2):  # a second restart by the same clock does not make it right
        room.clock.at = last + off
        begin(room)
        pass_time(room, seconds=5)
        tick(room)
        assert (life(room).clock_in_doubt, life(room).alive_at) == (True, last)
        assert sitting(room).suspended_at == last
        with pytest.raises(StationError) as refusal:
            resume(room, "机构同意")
        assert refusal.value.code == "clock_in_doubt"
    told = last + timedelta(minutes=4)
    with room.changing() as db:
        outage.settle_clock(db, told, by=room.staff["invigilator"], at=room.clock.now())
    room.clock.at = told
    resume(room)
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at + timedelta(minutes=4)
    assert {"clock_doubted", "clock_settled"} <= set(events(room))


def test_a_restart_by_the_corrected_clock_needs_nobody_to_confirm_it(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    begin(room)
    last = room.clock.now()
    room.clock.at = last - timedelta(days=9000)
    begin(room)
    room.clock.at = last + timedelta(minutes=7)
    begin(room)
    assert not life(room).clock_in_doubt
    resume(room)
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at + timedelta(minutes=7)
    with room.store.reading() as db:
        stretches = db.execute(select(Interruption.began_at, Interruption.ended_at)).all()
    assert stretches == [(last, last + timedelta(minutes=7))]


def test_r_day_15_no_start_by_a_clock_that_cannot_be_believed(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    begin(room)
    last = room.clock.now()
    by = room.staff["invigilator"]
    with room.changing() as db:
        invigilation.open_admission(db, room.theory, by=by, at=last)
    room.clock.at = last - timedelta(seconds=30)
    begin(room)
    assert not life(room).clock_in_doubt, "a time service may take back some seconds before the day begins"
    room.clock.at = last - timedelta(hours=1)
    begin(room)
    with pytest.raises(StationError) as refusal, room.changing() as db:
        invigilation.start_sitting(db, room.theory, by=by, at=room.clock.now())
    assert refusal.value.code == "clock_in_doubt"
    with room.changing() as db:
        outage.settle_clock(db, last - timedelta(hours=2), by=by, at=room.clock.now())  # nothing is held: any time


def test_a_station_switched_off_for_a_week_between_sittings_believes_its_clock(room: BuiltRoom):
    begin(room)
    pass_time(room, days=7)
    assert begin(room) == 0
    assert not life(room).clock_in_doubt


def test_one_who_was_suspended_alone_waits_on_after_a_short_outage_and_gets_each_second_once(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    by = room.staff["invigilator"]
    begin(room)
    with room.changing() as db:
        one = db.get_one(Attempt, attempt.id)
        invigilation.suspend_attempts(db, [one], reason="x", by=by, at=room.clock.now())
    pass_time(room, seconds=60)
    tick(room, stalled_from_s=1e9)
    pass_time(room, seconds=60)
    begin(room)
    assert room.attempt(room.tickets[0]).state == AttemptState.SUSPENDED
    pass_time(room, seconds=60)
    with room.changing() as db:
        invigilation.resume_attempts(db, [db.get_one(Attempt, attempt.id)], by=by, at=room.clock.now())
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at + timedelta(seconds=180)
