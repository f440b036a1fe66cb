"""What falls due by itself goes on, whatever fails beside it."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from station.domain.attempt import AttemptState
from station.domain.events import CATALOGUE
from station.services import due_work
from station.store.models import JournalEntry, StationLife
from tests.building import BuiltRoom, SetClock

BLOCKED = {
    "sqlite": (
        "CREATE TRIGGER stuck BEFORE UPDATE OF state ON attempt WHEN NEW.id = 1 BEGIN SELECT RAISE(ABORT, 'no'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        "CREATE TRIGGER stuck BEFORE UPDATE OF state ON attempt FOR EACH ROW WHEN (NEW.id = 1) "
        "EXECUTE FUNCTION refuse()",
    ),
}


def test_one_attempt_that_cannot_be_collected_holds_up_no_other_and_not_the_sign_of_life(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    room.start()
    for ticket in room.tickets[:3]:
        room.enter(ticket)
    with room.changing() as db:
        due_work.begin_life(db, room.clock.now(), version="t")
        for statement in BLOCKED[room.store.engine.dialect.name]:
            db.execute(text(statement))
    at = room.clock.pass_time(minutes=60)
    with pytest.raises(DBAPIError):
        due_work.tick(room.store, at, sign=lambda text: "")
    states = [room.attempt(ticket).state for ticket in room.tickets[:3]]
    assert states == [AttemptState.ANSWERING, AttemptState.COLLECTED, AttemptState.COLLECTED]
    with room.store.reading() as db:
        assert db.get_one(StationLife, 1).alive_at == at


def test_trouble_and_saves_that_were_refused_stand_in_the_journal(room: BuiltRoom):
    with room.changing() as db:
        due_work.note_trouble(db, "tick", ValueError("broken"), room.clock.now())
        due_work.note_refused_saves(db, 3, room.clock.now())
    with room.store.reading() as db:
        last = db.scalars(select(JournalEntry).order_by(JournalEntry.number.desc()).limit(2)).all()
    assert [one.event for one in last] == ["saves_refused", "station_trouble"]
    assert "ValueError: broken" in last[1].details
    assert CATALOGUE["saves_refused"].sentence({"count": 3}).startswith("有 3 次保存")
