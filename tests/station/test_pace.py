"""The scheduler's pace when the system's clock is set on by years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from station.bootstrap import DELIVERY_S, Pace


def test_a_clock_set_on_by_years_is_one_turn_missed_and_not_400_million():
    reset, now = datetime(2000, 1, 1, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    try:
        job = scheduler.add_job(print, Pace(seconds=DELIVERY_S), next_run_time=reset)
        assert job._get_run_times(now) == [reset]
    finally:
        scheduler.shutdown(wait=True)


def test_the_next_turn_comes_so_long_after_this_one():
    now = datetime(2026, 11, 21, tzinfo=UTC)
    pace = Pace(seconds=7)
    for before in (None, now, now - timedelta(hours=1), now + timedelta(hours=1)):
        assert pace.get_next_fire_time(before, now) == now + timedelta(seconds=7)
