"""A bell that has stalled while answers go on coming through is told of, and gives nobody time that was not lost."""

from __future__ import annotations

import math
import time
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
    for _ in range(60):  # a minute without a tick, and a save each second
        room.clock.pass_time(seconds=1)
        with room.changing() as db:
            due_work.beat(db, room.clock.now())
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "", stalled_from_s=STALLED_FROM_S)
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at
    with room.store.reading() as db:
        events = db.scalars(select(JournalEntry.event)).all()
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
        due_work.beat(db, room.clock.now())
        assert db.get_one(StationLife, 1).alive_at - before < timedelta(seconds=1)


def test_a_save_carries_the_sign_of_life_once_a_second_and_only_one_that_is_on_disk_counts():
    pulse = Pulse()
    assert [pulse.goes_with_save() for _ in range(3)] == [True, False, False]
    assert not pulse.came_with_save(-math.inf), "the commit has failed, or is not through"
    assert pulse.came_with_save(time.monotonic())


def test_a_tick_after_a_save_that_beat_writes_no_beat_of_its_own(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    with room.changing() as db:
        due_work.begin_life(db, room.clock.now(), version="t")
    started = room.clock.now()
    room.clock.pass_time(seconds=1)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "", stalled_from_s=10, has_beaten=True)
    with room.store.reading() as db:
        assert due_work.alive_at(db) == started
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "", stalled_from_s=10)
    with room.store.reading() as db:
        assert due_work.alive_at(db) == room.clock.now()


def test_the_alarm_for_missed_beats_is_given_once_until_the_next_beat():
    pulse = Pulse()
    assert [pulse.is_first_missed() for _ in range(3)] == [True, False, False]
    pulse.beat()
    assert pulse.is_first_missed()
