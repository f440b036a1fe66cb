"""Two processes on one database act at the same moment: nothing is lost, nobody is brought back, no deadlock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.attempt import AttemptState
from station.errors import StationError
from station.services import admission, answering, due_work, extension, invigilation, late_saves, room_record
from station.store.models import Attempt, CandidateLogin, Entry, Revision, Seat, Staff
from tests.building import BuiltRoom, SetClock, build_room

pytestmark = pytest.mark.postgresql

Act = Callable[[Session], object]


@pytest.fixture
def room(postgresql_database: str, tmp_path: Path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path, url=postgresql_database)
    built.start()
    yield built
    built.close()


def both_at_once(room: BuiltRoom, first: Act, second: Act) -> str:
    """Do `first`, begin `second` elsewhere before `first` is committed; give what `second` was refused with."""
    outcome: list[str] = []

    def elsewhere() -> None:
        try:
            with room.changing() as db:
                second(db)
            outcome.append("")
        except StationError as refusal:
            outcome.append(refusal.code)

    thread = threading.Thread(target=elsewhere)
    with room.changing() as db:
        first(db)
        thread.start()
        time.sleep(0.3)
    thread.join(timeout=20)
    assert outcome, "the second act did not end"
    return outcome[0]


def collected(room: BuiltRoom, attempt: Attempt) -> Act:
    return lambda db: answering.collect_attempts(
        db, [db.get_one(Attempt, attempt.id)], at=room.clock.now(), by=room.staff["invigilator"], reason="x"
    )


@pytest.mark.parametrize("act", [invigilation.suspend_attempts, invigilation.terminate_attempt])
def test_an_act_on_somebody_who_is_being_collected_does_not_bring_the_attempt_back(room: BuiltRoom, act):
    attempt, _ = room.enter(room.tickets[0])

    def late_act(db: Session) -> None:
        one = db.get_one(Attempt, attempt.id)
        chosen = one if act is invigilation.terminate_attempt else [one]
        act(db, chosen, reason="x", by=room.staff["invigilator"], at=room.clock.now())

    both_at_once(room, collected(room, attempt), late_act)
    assert room.attempt(room.tickets[0]).state == AttemptState.COLLECTED


def test_a_sitting_suspended_while_somebody_is_being_collected_leaves_that_one_collected(room: BuiltRoom):
    attempt, _ = room.enter(room.tickets[0])

    def suspend(db: Session) -> None:
        invigilation.suspend_sitting(db, room.theory, reason="x", by=room.staff["invigilator"], at=room.clock.now())

    both_at_once(room, collected(room, attempt), suspend)
    assert room.attempt(room.tickets[0]).state == AttemptState.COLLECTED


def test_r_day_8_two_extensions_granted_at_once_both_count(room: BuiltRoom):
    attempt, _ = room.enter(room.tickets[0])
    ids = []
    for _ in range(2):
        with room.changing() as db:
            one, chief = db.get_one(Attempt, attempt.id), db.get_one(Staff, room.staff["chief_examiner"])
            made = extension.propose_extension(
                db, [one], seconds=300, reason_kind="power", reason="", by=chief, at=room.clock.now()
            )
            ids.append(made[0].id)

    def grant(which: int) -> Act:
        def decide(db: Session) -> None:
            db.get_one(Attempt, attempt.id)
            by = db.get_one(Staff, room.staff["inspector"])
            extension.decide_extensions(db, [which], granted=True, by=by, at=room.clock.now())

        return decide

    assert both_at_once(room, grant(ids[0]), grant(ids[1])) == ""
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at + timedelta(minutes=10)


def test_an_extension_granted_while_the_deadline_comes_keeps_the_candidate_answering(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    attempt, _ = room.enter(room.tickets[0])
    with room.changing() as db:
        one, chief = db.get_one(Attempt, attempt.id), db.get_one(Staff, room.staff["chief_examiner"])
        (made,) = extension.propose_extension(
            db, [one], seconds=300, reason_kind="power", reason="", by=chief, at=room.clock.now()
        )
    room.clock.pass_time(minutes=60)

    def grant(db: Session) -> None:
        by = db.get_one(Staff, room.staff["inspector"])
        extension.decide_extensions(db, [made.id], granted=True, by=by, at=room.clock.now())

    both_at_once(room, grant, lambda db: answering.collect_due(db, at=room.clock.now()))
    assert room.attempt(room.tickets[0]).state == AttemptState.ANSWERING


def test_two_tabs_that_open_the_paper_at_once_get_one_attempt(room: BuiltRoom):
    room.log_in(room.tickets[0])
    entry_id = room.entry_id(room.tickets[0])

    def open_it(db: Session) -> None:
        answering.open_attempt(db, db.get_one(Entry, entry_id), at=room.clock.now())

    with room.changing() as db:
        admission.confirm_identity(db, db.get_one(Entry, entry_id), at=room.clock.now())
    assert both_at_once(room, open_it, open_it) == ""


def test_who_opens_the_paper_while_the_sitting_is_being_suspended_waits_like_the_others(room: BuiltRoom):
    room.log_in(room.tickets[0])
    entry_id = room.entry_id(room.tickets[0])
    with room.changing() as db:
        admission.confirm_identity(db, db.get_one(Entry, entry_id), at=room.clock.now())

    def suspend(db: Session) -> None:
        invigilation.suspend_sitting(db, room.theory, reason="x", by=room.staff["invigilator"], at=room.clock.now())

    def open_it(db: Session) -> None:
        answering.open_attempt(db, db.get_one(Entry, entry_id), at=room.clock.now())

    assert both_at_once(room, suspend, open_it) == "sitting_paused"


def test_who_opens_the_paper_while_being_recorded_absent_is_one_of_the_two(room: BuiltRoom):
    room.log_in(room.tickets[0])
    entry_id = room.entry_id(room.tickets[0])
    with room.changing() as db:
        admission.confirm_identity(db, db.get_one(Entry, entry_id), at=room.clock.now())

    def open_it(db: Session) -> None:
        answering.open_attempt(db, db.get_one(Entry, entry_id), at=room.clock.now())

    def absent(db: Session) -> None:
        admission.mark_absent(db, [entry_id], by=room.staff["invigilator"], at=room.clock.now())

    assert both_at_once(room, open_it, absent) == "present_not_absent"


def test_r_day_7_of_two_moves_to_one_spare_at_once_the_second_finds_it_taken(room: BuiltRoom):
    def move(ticket: str) -> Act:
        def to_spare(db: Session) -> None:
            entry, spare = db.get_one(Entry, room.entry_id(ticket)), db.get_one(Seat, room.seat_id("6"))
            invigilation.move_to_spare(db, entry, spare, reason="x", by=room.staff["invigilator"], at=room.clock.now())

        return to_spare

    assert both_at_once(room, move(room.tickets[0]), move(room.tickets[1])) == "seat_taken"


def test_r_day_6_of_two_who_would_leave_at_once_one_is_kept(room: BuiltRoom):
    def leave(ticket: str) -> Act:
        return lambda db: room_record.begin_leave(
            db, db.get_one(Entry, room.entry_id(ticket)), by=room.staff["invigilator"], at=room.clock.now()
        )

    assert both_at_once(room, leave(room.tickets[0]), leave(room.tickets[1])) == "somebody_else_is_out"


def test_of_two_log_ins_of_one_candidate_at_once_one_stays(room: BuiltRoom):
    ticket = room.tickets[0]

    def enter(db: Session) -> None:
        admission.log_in(
            db, ticket, ticket[-6:], workstation=None, address="x", at=room.clock.now(), admit_unlinked=True
        )

    both_at_once(room, enter, enter)
    with room.store.reading() as db:
        assert len(db.scalars(select(CandidateLogin).where(CandidateLogin.ended_at.is_(None))).all()) == 1


def test_saves_go_on_while_staff_act_on_many_and_no_two_wait_for_each_other(room: BuiltRoom):
    """The writer holds attempts and wants the journal (late saves); staff hold the journal and want attempts."""
    assert isinstance(room.clock, SetClock)
    entered = [room.enter(ticket) for ticket in room.tickets]
    room.clock.pass_time(minutes=61)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")
    stop = threading.Event()
    refused: list[Exception] = []

    def save_late() -> None:
        for sequence in range(1, 31):
            for attempt, place in reversed(entered):
                try:
                    room.save(attempt.id, place, sequence, "q1", "{}")
                except Exception as error:
                    refused.append(error)
        stop.set()

    thread = threading.Thread(target=save_late)
    thread.start()
    while not stop.is_set():
        with room.changing() as db:
            chosen = [attempt.id for attempt, _ in entered]
            try:
                late_saves.accept_late_saves(db, chosen, by=room.staff["chief_examiner"], at=room.clock.now())
            except StationError:
                db.rollback()  # none has come since the last time
    thread.join()
    assert not refused
    with room.store.reading() as db:
        counted = db.scalars(select(Attempt.answered_count)).all()
        assert len(db.scalars(select(Revision)).all()) == 150
    assert list(counted) == [1] * 5
