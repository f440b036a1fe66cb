"""What a restored store owes candidates for the stretch of which it knows nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from station.errors import Refused
from station.services import backing_up, due_work
from station.store.models import Entry, StationLife
from tests.building import BuiltRoom, build_room


def restore(room: BuiltRoom, *, alive_s: int) -> None:
    """Go back to a backup of this moment; the old server lived on for so many seconds, and was away for 90."""
    made_at = room.clock.now()
    at = room.clock.pass_time(seconds=alive_s + 90)
    with room.changing() as db:
        life = db.get_one(StationLife, 1)
        life.alive_at = made_at
        backing_up.note_restored(
            db, number=3, made_at=made_at, alive_at=made_at + timedelta(seconds=alive_s), machine="备用服务器", at=at
        )
        due_work.begin_life(db, at, version="1")


def running_room(folder: Path) -> BuiltRoom:
    room = build_room(folder)
    with room.changing() as db:
        due_work.begin_life(db, room.clock.now(), version="1")
    room.start()
    return room


def test_r_day_3_who_entered_before_the_cutoff_and_is_unknown_to_the_backup_enters_once_more(tmp_path: Path) -> None:
    room = running_room(tmp_path)
    room.clock.pass_time(minutes=28)
    restore(room, alive_s=200)  # now 32 min 50 s after the start: the cut-off of 30 min is over
    room.enter(room.tickets[0])
    with room.store.reading() as db:
        entry = db.get_one(Entry, room.entry_id(room.tickets[0]))
        assert entry.late_min == 28, "what the store lost and the outage make nobody later"
    room.clock.pass_time(minutes=3)
    with pytest.raises(Refused) as refusal:
        room.enter(room.tickets[1])
    assert refusal.value.code == "entry_closed"
    room.close()


def test_r_day_9_only_the_outage_is_given_back_not_the_time_in_which_candidates_worked_on(tmp_path: Path) -> None:
    room = running_room(tmp_path)
    attempt, _ = room.enter(room.tickets[0])
    restore(room, alive_s=200)
    assert room.attempt(room.tickets[0]).deadline_at - attempt.deadline_at == timedelta(seconds=90)
    room.close()


def test_a_sign_of_life_from_after_the_restore_or_before_the_backup_is_not_believed(tmp_path: Path) -> None:
    room = running_room(tmp_path)
    at = room.clock.now()
    with room.changing() as db:
        for alive_at in (at - timedelta(hours=1), at + timedelta(hours=1)):
            backing_up.note_restored(db, number=3, made_at=at, alive_at=alive_at, machine="x", at=at)
            assert backing_up.last_alive_at(db) == at
    room.close()
