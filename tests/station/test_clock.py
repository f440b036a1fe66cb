"""The clock goes evenly while a deadline runs, and takes a corrected time when none does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

import station.clock
from station.bootstrap import build_station
from station.clock import Clock, system_time
from station.config import load_config
from station.setup import make_station
from station.store.models import JournalEntry
from tests.building import build_room


def set_system_clock(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Stand in for somebody who sets the machine's clock."""
    monkeypatch.setattr(station.clock, "system_time", lambda: system_time() + by)


def test_a_jump_moves_no_moment_until_the_clock_is_told_to_follow(monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    set_system_clock(monkeypatch, timedelta(hours=-1))
    moved = clock.jump()
    assert moved is not None
    assert round(moved) == -3600
    assert clock.jump() is None
    assert clock.is_off
    assert abs(clock.now() - system_time()) < timedelta(seconds=5)
    clock.follow_system()
    assert not clock.is_off
    assert abs(clock.now() + timedelta(hours=1) - system_time()) < timedelta(seconds=5)


def test_a_scaled_clock_knows_no_jumps():
    assert Clock(scale=60.0).jump() is None
    assert Clock(starts_at=datetime(2026, 11, 21, tzinfo=UTC)).jump() is None


@pytest.mark.parametrize("is_running", [True, False])
def test_r_day_15_a_corrected_time_is_taken_before_the_start_and_never_while_a_sitting_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_running: bool
):
    folder = tmp_path / "station"
    make_station(folder, site_name="测试考点")
    if is_running:
        room = build_room(folder / "data")
        room.start()
        room.close()
    built = build_station(load_config(folder))
    set_system_clock(monkeypatch, timedelta(minutes=10))
    built._tick()
    with built.edge.store.reading() as db:
        events = db.scalars(select(JournalEntry.event)).all()
    assert events.count("clock_jumped") == 1
    assert ("clock_followed" in events) is not is_running
    ahead = built.edge.clock.now() - system_time()
    assert (ahead > timedelta(minutes=9)) is not is_running
    built.edge.store.close()
