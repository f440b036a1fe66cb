"""What services refuse by name that no other test comes by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from station.errors import StationError
from station.services import (
    admission,
    answering,
    closing,
    due_work,
    extension,
    invigilation,
    outage,
    room_record,
    seat_links,
)
from station.store.models import Attempt, Entry, Seat, Sitting, Staff
from tests.building import BuiltRoom, SetClock


def refused(room: BuiltRoom, act: Callable[..., object]) -> str:
    with pytest.raises(StationError) as raised, room.changing() as db:
        act(db)
    return raised.value.code


def test_acts_in_the_wrong_state_of_a_sitting_name_the_state(room: BuiltRoom):
    by, at = room.staff["invigilator"], room.clock.now()
    for act in (
        lambda db: invigilation.start_sitting(db, room.theory, by=by, at=at),
        lambda db: invigilation.suspend_sitting(db, room.theory, reason="x", by=by, at=at),
        lambda db: invigilation.resume_sitting(db, room.theory, by=by, at=at),
    ):
        assert refused(room, act) == "sitting_state_wrong"
    room.start()
    assert refused(room, lambda db: invigilation.open_admission(db, room.theory, by=by, at=at)) == "sitting_state_wrong"

    def postpone(db):
        invigilation.postpone_sitting(db, room.theory, minutes=5, reason="x", by=by, at=at)

    assert refused(room, postpone) == "sitting_state_wrong"


def test_a_sitting_that_is_not_there_is_unknown(room: BuiltRoom):
    by, at = room.staff["invigilator"], room.clock.now()
    assert refused(room, lambda db: invigilation.start_sitting(db, 99, by=by, at=at)) == "sitting_unknown"
    assert refused(room, lambda db: closing.closing_list(db, 99, at=room.clock.now())) == "sitting_unknown"
    assert refused(room, lambda db: closing.close_sitting(db, 99, by=by, at=at)) == "sitting_unknown"


def test_a_sitting_without_a_paper_cannot_start(room: BuiltRoom):
    by, at = room.staff["invigilator"], room.clock.now()
    with room.changing() as db:
        db.execute(update(Sitting).values(paper_id=None))
        invigilation.open_admission(db, room.theory, by=by, at=at)
    code = refused(room, lambda db: invigilation.start_sitting(db, room.theory, by=by, at=at))
    assert code == "sitting_has_no_paper"
    with room.changing() as db:
        db.execute(update(Sitting).where(Sitting.id == room.theory).values(state="running", started_at=at))
    with pytest.raises(StationError) as raised:
        room.enter(room.tickets[0])
    assert raised.value.code == "no_paper"


def test_the_paper_opens_only_to_who_has_confirmed_the_identity(room: BuiltRoom):
    room.start()

    def open_it(db):
        answering.open_attempt(db, db.get_one(Entry, room.entry_id(room.tickets[0])), at=room.clock.now())

    assert refused(room, open_it) == "not_confirmed"


def test_acts_on_nobody_or_without_words_are_refused(room: BuiltRoom):
    by, at = room.staff["invigilator"], room.clock.now()
    assert refused(room, lambda db: invigilation.resume_attempts(db, [], by=by, at=at)) == "nobody_chosen"
    assert refused(room, lambda db: room_record.allow_early_leave(db, [], by=by, at=at)) == "nobody_chosen"

    def send(text: str, entries: list[Entry] | None) -> Callable[..., None]:
        return lambda db: room_record.send_message(db, room.theory, entries=entries, text=text, by=by, at=at)

    assert refused(room, send("x", [])) == "nobody_chosen"
    assert refused(room, send("  ", None)) == "text_missing"
    assert refused(room, send("长" * 501, None)) == "text_missing"


def test_r_day_10_a_wrong_question_is_reported_and_the_candidate_goes_on(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    by, at = room.staff["invigilator"], room.clock.now()

    def record(kind: str, measure: str = "") -> Callable[..., object]:
        return lambda db: room_record.record_incident(
            db,
            room.theory,
            entry=db.get_one(Entry, attempt.entry_id),
            kind=kind,
            text="第 12 题选项重复",
            by=by,
            at=at,
            measure=measure,
        )

    with room.changing() as db:
        record("item_report")(db)
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    assert refused(room, record("gossip")) == "incident_kind_unknown"
    assert refused(room, record("violation", "shout")) == "incident_kind_unknown"


def test_a_seat_of_another_room_is_unknown_to_a_move_and_an_ended_attempt_cannot_move(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    by, at = room.staff["invigilator"], room.clock.now()

    def move(db):
        entry, seat = db.get_one(Entry, attempt.entry_id), db.get_one(Seat, room.seat_id("6"))
        invigilation.move_to_spare(db, entry, seat, reason="x", by=by, at=at)

    def move_out(db):
        entry = db.get_one(Entry, attempt.entry_id)
        elsewhere = Seat(room_id=room.room_id + 1, number="1")
        invigilation.move_to_spare(db, entry, elsewhere, reason="x", by=by, at=at)

    assert refused(room, move_out) == "seat_unknown"
    with room.changing() as db:
        answering.collect_attempts(db, [db.get_one(Attempt, attempt.id)], at=at, by=by, reason="x")
    assert refused(room, move) == "entry_ended"

    def terminate(db):
        invigilation.terminate_attempt(db, db.get_one(Attempt, attempt.id), reason="x", by=by, at=at)

    assert refused(room, terminate) == "entry_ended"


def test_a_seat_link_with_a_wrong_code_is_refused(room: BuiltRoom):
    seat_id = room.seat_id("1")

    def open_it(db):
        seat_links.open_seat(db, seat_id, code="0" * 20, secret=room.edge.secret, address="x", at=room.clock.now())

    assert refused(room, open_it) == "seat_link_wrong"


def test_extensions_for_nobody_unknown_or_too_late_are_refused(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    at = room.clock.now()

    def propose(db):
        chief = db.get_one(Staff, room.staff["chief_examiner"])
        one = db.get_one(Attempt, attempt.id)
        (made,) = extension.propose_extension(db, [one], seconds=300, reason_kind="power", reason="", by=chief, at=at)
        return made.id

    with room.changing() as db:
        extension_id = propose(db)
        answering.collect_attempts(db, [db.get_one(Attempt, attempt.id)], at=at, by=None)

    def decide(which: int) -> Callable[..., int]:
        return lambda db: extension.decide_extensions(
            db, [which], granted=True, by=db.get_one(Staff, room.staff["inspector"]), at=at
        )

    assert refused(room, propose) == "nobody_to_extend"
    assert refused(room, decide(extension_id)) == "ended_meanwhile"
    assert refused(room, decide(999)) == "extension_unknown"


def test_a_clock_that_lies_before_the_last_sign_of_life_resumes_nothing(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    with room.changing() as db:
        due_work.begin_life(db, room.clock.now(), version="t")
    last = room.clock.now()
    room.clock.at = last - timedelta(hours=1)
    with room.changing() as db:
        due_work.begin_life(db, room.clock.now(), version="t")

    def resume(db):
        invigilation.resume_sitting(db, room.theory, by=room.staff["invigilator"], at=room.clock.now())

    assert refused(room, resume) == "clock_in_doubt"
    told, by = last + timedelta(minutes=3), room.staff["invigilator"]
    settle = lambda db, told=told: outage.settle_clock(db, told, by=by, at=room.clock.now())  # noqa: E731
    assert refused(room, lambda db: settle(db, last - timedelta(seconds=1))) == "time_before_outage"
    assert refused(room, resume) == "clock_in_doubt"
    with room.changing() as db:
        settle(db)
    assert refused(room, settle) == "time_not_in_doubt"
    room.clock.at = told
    with room.changing() as db:
        resume(db)
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at + timedelta(minutes=3)


def test_a_save_that_cannot_be_written_says_so_and_the_next_one_works(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    with pytest.raises(StationError) as raised:
        room.save(attempt.id, place, 1, "x" * 5000 if not room.store.is_sqlite else None, "{}")  # type: ignore[arg-type]
    assert raised.value.code == "save_not_stored"
    assert room.save(attempt.id, place, 1, "q1", "{}").acknowledged[0].number == 1


def test_nobody_hands_in_while_suspended_even_when_the_unmoved_deadline_has_passed(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    with room.changing() as db:
        one = db.get_one(Attempt, attempt.id)
        invigilation.suspend_attempts(db, [one], reason="x", by=room.staff["invigilator"], at=room.clock.now())
    room.clock.pass_time(minutes=61)
    code = refused(room, lambda db: answering.hand_in(db, db.get_one(Attempt, attempt.id), at=room.clock.now()))
    assert code == "sitting_paused"


def test_attendance_is_settled_once_the_sitting_is_closed(room: BuiltRoom):
    with room.changing() as db:
        db.execute(update(Sitting).where(Sitting.id == room.theory).values(state="closed"))
    entry_ids = [room.entry_id(room.tickets[0])]
    by, at = room.staff["invigilator"], room.clock.now()
    for act in (admission.mark_absent, admission.withdraw_absence):
        assert refused(room, lambda db, act=act: act(db, entry_ids, by=by, at=at)) == "sitting_state_wrong"


def test_r_day_15_a_start_is_put_off_with_a_reason_and_within_bounds(room: BuiltRoom):
    by, at = room.staff["chief_examiner"], room.clock.now()

    def postpone(minutes: int, reason: str) -> Callable[..., None]:
        return lambda db: invigilation.postpone_sitting(db, room.theory, minutes=minutes, reason=reason, by=by, at=at)

    assert refused(room, postpone(5, " ")) == "reason_missing"
    assert refused(room, postpone(0, "x")) == "postponement_length"
    assert refused(room, postpone(601, "x")) == "postponement_length"


def test_a_candidate_is_not_resumed_by_a_clock_that_lies_before_the_suspension(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    by = room.staff["invigilator"]
    with room.changing() as db:
        one = db.get_one(Attempt, attempt.id)
        invigilation.suspend_attempts(db, [one], reason="x", by=by, at=room.clock.now())
    room.clock.pass_time(minutes=-3)

    def resume(db):
        invigilation.resume_attempts(db, [db.get_one(Attempt, attempt.id)], by=by, at=room.clock.now())

    assert refused(room, resume) == "clock_behind"
