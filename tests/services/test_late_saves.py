"""Answers that arrived after the deadline: kept, shown, and counted only when a person decides so."""

from __future__ import annotations

import pytest

from station.errors import StationError
from station.services import answering, due_work, late_saves
from station.store.models import Sitting
from tests.building import BuiltRoom, SetClock

A, B = '{"base":{"identifier":"A"}}', '{"base":{"identifier":"B"}}'


def with_late_answers(room: BuiltRoom) -> int:
    """One answer in time, a later version of it and a new one after the deadline; gives the attempt's id."""
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", A)
    room.clock.pass_time(minutes=60, seconds=5)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")
    room.save(attempt.id, place, 2, "q1", B)
    room.save(attempt.id, place, 3, "q3", A)
    return attempt.id


def test_late_answers_are_listed_and_count_once_they_are_accepted(room: BuiltRoom):
    attempt_id = with_late_answers(room)
    with room.store.reading() as db:
        (waiting,) = late_saves.late_saves_of(db, room.theory)
        assert (waiting.count, waiting.seat) == (2, "1")
        assert answering.current_answers(db, attempt_id) == {"q1": A}
    with room.changing() as db:
        by = room.staff["chief_examiner"]
        assert late_saves.accept_late_saves(db, [attempt_id], by=by, at=room.clock.now()) == 2
    with room.store.reading() as db:
        assert late_saves.late_saves_of(db, room.theory) == []
        assert answering.current_answers(db, attempt_id) == {"q1": B, "q3": A}
        assert answering.check_chain(db, attempt_id) is None
    assert room.attempt(room.tickets[0]).answered_count == 2


@pytest.mark.parametrize(("closed", "code"), [(True, "late_saves_closed"), (False, "no_late_saves")])
def test_late_answers_of_a_closed_sitting_or_of_nobody_are_refused(room: BuiltRoom, closed: bool, code: str):
    attempt_id = with_late_answers(room)
    at, by = room.clock.now(), room.staff["chief_examiner"]
    with room.changing() as db:
        if closed:
            db.get_one(Sitting, room.theory).state = "closed"
        else:
            late_saves.accept_late_saves(db, [attempt_id], by=by, at=at)
    with pytest.raises(StationError) as raised, room.changing() as db:
        late_saves.accept_late_saves(db, [attempt_id], by=by, at=at)
    assert raised.value.code == code
