"""Whether a PC is there, by its beats alone: lost within 5 s, and never to and fro."""

from __future__ import annotations

from datetime import timedelta

import pytest

from station.web.device_presence import Beat, DevicePresence, Trouble
from tests.building import PLANNED

BEAT = Beat("boot", "run", "", False, "running", False, "")


class Room:
    """One PC and a clock that only goes where it is put."""

    def __init__(self):
        self.now_s = 100.0
        self.presence = DevicePresence(lambda: self.now_s)

    def beat(self, at_s):
        self.now_s = 100.0 + at_s
        self.presence.hear(1, BEAT, PLANNED + timedelta(seconds=at_s))

    def is_lost(self, at_s):
        self.now_s = 100.0 + at_s
        return self.presence.is_lost(1)


@pytest.fixture
def room():
    return Room()


def test_a_pc_that_was_never_heard_is_not_lost(room):
    assert not room.is_lost(0)
    assert room.presence.last(1) is None


def test_a_pc_that_falls_silent_is_lost_after_four_seconds(room):
    room.beat(0)
    assert not room.is_lost(4.0)
    assert room.is_lost(4.1)
    assert room.presence.lost_since(1) == PLANNED


def test_one_beat_that_got_lost_on_the_way_changes_nothing(room):
    for at_s in (0, 1.5, 4.5, 6.0):
        room.beat(at_s)
        assert not room.is_lost(at_s)


def test_a_pc_on_a_bad_cable_is_back_only_after_two_beats_in_a_row(room):
    room.beat(0)
    for at_s in (6, 12, 18):  # heard now and then
        room.beat(at_s)
        assert room.is_lost(at_s)
        assert room.presence.lost_since(1) == PLANNED
    room.beat(19)
    assert not room.is_lost(19)
    assert room.presence.lost_since(1) is None


def test_no_jump_of_the_stations_clock_loses_a_pc(room):
    room.beat(0)
    room.presence.hear(1, BEAT, PLANNED - timedelta(days=400))
    assert not room.is_lost(0)


def test_a_complaint_is_new_once_in_a_minute(room):
    trouble = Trouble("lock_not_held", "未锁定", "not locked")
    assert room.presence.new_troubles(1, [trouble]) == []  # of one that was never heard
    room.beat(0)
    assert room.presence.new_troubles(1, [trouble]) == [trouble]
    room.now_s += 30
    assert room.presence.new_troubles(1, [trouble]) == []
    room.now_s += 59
    assert room.presence.new_troubles(1, [trouble]) == []
    room.now_s += 61
    assert room.presence.new_troubles(1, [trouble]) == [trouble]
