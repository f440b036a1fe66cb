"""A bell that has stalled while answers go on coming through is told of, and gives nobody time that was not lost."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from station.bell import STALLED_FROM_S, Pulse
from station.services import due_work
from station.store.models import JournalEntry, StationLife
from tests.building import BuiltRoom, SetClock


def test_saves_beat_for_a_bell_that_has_stalled_so_that_its_next_turn_gives_nothing_back(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    with room.changing() as db:
        due_work.begin_life(db, room.clock.now(), version="t")
    for number in range(6):  # a minute without a tick, and a save each ten seconds
        room.clock.pass_time(seconds=STALLED_FROM_S + 0.1)
        with room.changing() as db:
            due_work.beat_for_the_bell(db, room.clock.now(), is_new=number == 0)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "", stalled_from_s=STALLED_FROM_S)
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at
    with room.store.reading() as db:
        events = db.scalars(select(JournalEntry.event)).all()
    assert events.count("station_trouble") == 1
    assert "outage_found" not in events


def test_a_clock_in_doubt_is_not_believed_through_a_save_either(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    room.start()
    with room.changing() as db:
        due_work.begin_life(db, room.clock.now(), version="t")
    with room.changing() as db:
        db.get_one(StationLife, 1).clock_in_doubt = True
    before = room.clock.now()
    room.clock.pass_time(minutes=1)
    with room.changing() as db:
        due_work.beat_for_the_bell(db, room.clock.now(), is_new=True)
        assert db.get_one(StationLife, 1).alive_at - before < timedelta(seconds=1)


def test_the_alarm_for_missed_beats_is_given_once_until_the_next_beat():
    pulse = Pulse()
    assert [pulse.is_first_missed() for _ in range(3)] == [True, False, False]
    pulse.beat()
    assert pulse.is_first_missed()
