"""Times that follow from a sitting's plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from station.domain.sitting import (
    Times,
    deadline,
    interrupted_s,
    late_minutes,
    may_enter,
    may_leave_early,
    may_start,
    shift_after,
)

T = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def after(minutes: float = 0, seconds: float = 0) -> datetime:
    return T + timedelta(minutes=minutes, seconds=seconds)


def test_a_deadline_is_start_and_length_and_all_that_was_lost_or_given():
    times = Times(started_at=T, duration_s=3600, shift_s=60, extensions_s=300, interruptions_s=90.5)
    assert deadline(times) == after(seconds=3600 + 60 + 300 + 90.5)


@pytest.mark.parametrize(
    ("stretches", "seconds"),
    [
        ([], 0),
        ([(0, 10)], 600),
        ([(0, 10), (5, 15)], 900),
        ([(5, 15), (0, 10), (20, 21)], 960),
        ([(0, 10), (2, 3)], 600),
        ([(-10, 5)], 300),
        ([(-10, -5)], 0),
        ([(10, 5)], 0),
    ],
)
def test_every_second_of_an_interruption_counts_once_and_none_before_the_start(stretches, seconds):
    assert interrupted_s([(after(a), after(b)) for a, b in stretches], since=T) == seconds


@pytest.mark.parametrize(
    ("ended", "entered", "shift_s"),
    [
        (None, 0, 0),  # no subject before
        (-15, 1, 0),  # ended as planned: the gap was there
        (-5, 1, 0),  # the changeover lies before the start
        (-2, 1, 60),  # two minutes before the start, entered a minute after it
        (-2, 20, 180),  # dawdled: five minutes from the end are theirs, no more
        (5, 5, 300),
        (5, 6.5, 390),
        (5, 30, 600),
    ],
)
def test_r_day_14_a_late_end_of_the_subject_before_shifts_up_to_entering(ended, entered, shift_s):
    previous = None if ended is None else after(ended)
    assert shift_after(previous, T, after(entered)) == shift_s


def test_r_day_3_entry_closes_with_the_thirtieth_minute_which_a_shift_moves():
    assert may_enter(T, 30, after(30))
    assert not may_enter(T, 30, after(30, 0.001))
    assert may_enter(T, 30, after(35), shift_s=300)


def test_r_day_3_lateness_counts_begun_minutes():
    assert [late_minutes(T, after(seconds=s)) for s in (0, 1, 60, 61)] == [0, 1, 1, 2]
    assert late_minutes(T, after(5), shift_s=300) == 0


def test_r_day_4_early_leave_begins_with_the_last_minutes():
    assert not may_leave_early(after(60), 15, after(44, 59))
    assert may_leave_early(after(60), 15, after(45))


def test_r_day_15_the_start_is_never_before_plan_and_postponement():
    assert not may_start(T, 0, after(seconds=-0.001))
    assert may_start(T, 0, T)
    assert not may_start(T, 300, after(4, 59))
    assert may_start(T, 300, after(5))
