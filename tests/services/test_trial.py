"""Rehearsals and trials on both databases: begun, answered, ended, wiped; what is real stays as it was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from station.domain.rehearsal import Server, Way
from station.domain.sitting import SittingKind, SittingState
from station.errors import StationError
from station.services import admission, answering, practice, rehearsing, seat_links, trial
from station.store.models import Attempt, Candidate, CandidateLogin, Entry, Revision, Room, Sitting
from tests.building import PLANNED

TELLS = {"saves": 0, "saves_ms": [4.0], "log_in_ms": 9.0, "paper_ms": 9.0, "file_bytes": 5e6, "file_s": 1.0}


def answered(room, entry_id: int) -> Attempt:
    """Let whoever an entry is for log in, open the paper and save an answer."""
    at = room.clock.now()
    with room.changing() as db:
        entry = db.get_one(Entry, entry_id)
        ticket = db.get_one(Candidate, entry.candidate_id).ticket_number
        code = seat_links.seat_link_code(room.edge.secret, entry.seat_id)
        token, _ = seat_links.open_seat(db, entry.seat_id, code=code, secret=room.edge.secret, address="pc", at=at)
        here = seat_links.workstation_of(db, token)
        done = admission.log_in(db, ticket, ticket[-6:], workstation=here, address="pc", at=at)
        assert not done.waits_for_release
        admission.confirm_identity(db, entry, at=at)
        attempt = answering.open_attempt(db, entry, at=at)
        db.flush()
        place = answering.issue_place(db, attempt, db.get_one(CandidateLogin, done.login_id), at=at)
        ids = attempt.id, place.id
    room.save(*ids, 1, "q1", '{"base":{"identifier":"A"}}')
    return attempt


def count(room, model) -> int:
    with room.store.reading() as db:
        return db.scalar(select(func.count()).select_from(model)) or 0


def test_r_room_7_a_rehearsal_is_judged_by_what_the_store_holds_and_leaves_no_answer(room):
    room.clock.at = PLANNED - timedelta(hours=5)
    by, at = room.staff["technician"], room.clock.now()
    with room.changing() as db:
        here = db.get_one(Room, room.room_id)
        begun = rehearsing.begin(db, here, way=Way.SERVER, minutes=1, players=2, by=by, at=at)
    for one in begun.tickets:
        answered(room, one.entry_id)
    assert count(room, Revision) == 2
    with room.changing() as db:
        for one in begun.tickets:
            told = TELLS | {"saves": 1}
            rehearsing.take_report(db, begun.rehearsal_id, told, device_id=None, seat=one.seat, at=at)
        assert rehearsing.is_complete(db, begun.rehearsal_id)
        rehearsing.finish(db, begun.rehearsal_id, server=Server(5, 100, 90), at=at)
    with room.store.reading() as db:
        passed, held_at, zh, _ = rehearsing.last_result(db, room.room_id, at=at)
        assert (passed, held_at) == (True, at)
        assert "丢失 0" in zh
        assert rehearsing.last_result(db, room.room_id, at=at + timedelta(days=8)) is None, "it counts for a week"
    assert (count(room, Revision), count(room, Attempt)) == (0, 0)


def test_r_room_6_a_trial_is_sat_and_wiped_and_the_real_sitting_is_sat_afterwards(room):
    by = room.staff["technician"]
    room.clock.at = PLANNED - timedelta(hours=5)
    with room.changing() as db:
        held = trial.prepare(db, db.get_one(Room, room.room_id), minutes=20, by=by, at=room.clock.now())
        trial.start(db, held.id, by=by, at=room.clock.now())
        entries = list(db.scalars(select(Entry.id).where(Entry.sitting_id == held.id).order_by(Entry.id)))
    assert len(entries) == 7, "spares too"
    for entry_id in entries[:5]:
        answered(room, entry_id)
    with room.changing() as db:
        with pytest.raises(StationError, match="still_under_way"):
            trial.wipe(db, held.id, by=by, at=room.clock.now())
        trial.end(db, held.id, by=by, at=room.clock.now())
        assert trial.last_result(db, room.room_id, at=room.clock.now())[0] is True
        trial.wipe(db, held.id, by=by, at=room.clock.now())
        assert trial.last_result(db, room.room_id, at=room.clock.now())[0] is True, "the result outlives the answers"
    assert count(room, Revision) == 0
    room.clock.at = PLANNED
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    assert count(room, Revision) == 1


def test_a_real_sitting_is_never_wiped(room):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    with room.changing() as db:
        sitting = db.get_one(Sitting, room.theory)
        for act in (
            lambda: practice.wipe(db, sitting, at=room.clock.now()),
            lambda: practice.practice_sitting(db, room.theory, SittingKind.TRIAL),
        ):
            with pytest.raises(StationError, match="sitting_unknown"):
                act()
        practice.close(db, sitting, at=room.clock.now())
        assert sitting.state == SittingState.RUNNING
    assert count(room, Revision) == 1
