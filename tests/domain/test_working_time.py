"""Every second of a candidate's time stands in one account, and nobody is left short who used it all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.domain.sitting import Times, deadline, interrupted_s
from station.domain.working_time import Course, Pause, length_names, loss, working_time

T = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
HOUR_S = 3600


def after(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def course(**changes) -> Course:
    """An hour, opened at the start, looked at (or ended) when it is over."""
    plain = {
        "started_at": T,
        "duration_s": HOUR_S,
        "shift_s": 0,
        "opened_at": T,
        "ended_at": after(HOUR_S),
        "at": after(2 * HOUR_S),
    }
    return Course(**(plain | changes))


spans = st.tuples(st.integers(0, 5000), st.integers(0, 900)).map(lambda one: (after(one[0]), after(sum(one))))
sharp_spans = st.tuples(st.floats(0, 3500), st.floats(0, 900)).map(lambda one: (after(one[0]), after(sum(one))))
pauses = st.lists(sharp_spans, max_size=4).map(lambda all: [Pause("suspension", *one) for one in all])
courses = st.builds(
    course,
    shift_s=st.integers(0, 600),
    opened_at=st.integers(0, 2400).map(after),
    ended_at=st.none() | st.integers(0, 9000).map(after),
    at=st.integers(0, 9000).map(after),
    granted_s=st.integers(0, 900),
    allowance_s=st.integers(0, 1800),
    has_handed_in=st.booleans(),
    pauses=pauses,
    losses=st.lists(spans | spans.map(lambda one: (one[0], None)), max_size=3),
    leaves=st.lists(spans | spans.map(lambda one: (one[0], None)), max_size=2),
)


def test_who_uses_all_the_time_has_worked_for_exactly_as_long_as_the_plan_says():
    times = working_time(course())
    assert (times.entitled_s, times.effective_s, times.short_s, times.own_s) == (HOUR_S, HOUR_S, 0, 0)


@given(courses)
def test_every_second_stands_in_one_account_and_the_sums_add_up(one):
    times = working_time(one)
    parts = (times.paused_s, times.fault_s, times.late_s, times.away_s, times.early_s, times.left_s, times.effective_s)
    assert min(parts) >= 0
    assert sum(parts) == one.duration_s + one.granted_s + one.allowance_s + times.paused_s
    assert times.adds_up
    assert times.effective_s <= times.entitled_s + times.given_s


@given(pauses, st.lists(sharp_spans, max_size=3), st.integers(0, 600), st.integers(0, 1800))
def test_r_day_8_nobody_who_uses_all_the_time_ends_with_less_than_entitled(stood_still, dead, shift_s, allowance_s):
    """Each dead PC is made up for by the exact seconds that are proposed; then they answer to the deadline."""
    begin = after(shift_s)
    apart = sorted(dead)
    dead = [one for at, one in enumerate(apart) if one[0] >= begin and (not at or one[0] >= apart[at - 1][1])]
    granted_s = sum(loss(*one, stood_still).seconds for one in dead)
    stretches = [(one.began_at, one.ended_at) for one in stood_still]
    times = Times(T, HOUR_S, shift_s, granted_s + allowance_s, interrupted_s(stretches, since=begin))
    end = deadline(times)
    counted = working_time(
        course(
            shift_s=shift_s,
            opened_at=begin,
            ended_at=end,
            granted_s=granted_s,
            allowance_s=allowance_s,
            pauses=stood_still,
            losses=dead,
        )
    )
    assert counted.short_s == 0
    # A moment within a second counts with the second; each stretch has two ends.
    assert counted.effective_s >= counted.entitled_s - 2 * (len(stood_still) + 1)


@given(sharp_spans, pauses)
def test_r_day_8_what_is_given_back_is_never_less_than_the_loss_nor_much_more(dead, stood_still):
    given_back = loss(*dead, stood_still)
    stretches = [(max(one.began_at, dead[0]), min(one.ended_at, dead[1])) for one in stood_still]
    exact_s = (dead[1] - dead[0]).total_seconds() - interrupted_s(stretches, since=dead[0])
    ends = len(stood_still)
    assert exact_s - ends <= given_back.seconds < exact_s + 2 + ends
    assert given_back.seconds + given_back.paused_s == (given_back.ended_at - given_back.began_at).total_seconds()


@given(courses, st.integers(0, 600))
def test_more_time_never_makes_anybody_shorter(one, more_s):
    richer = Course(**{**vars(one), "granted_s": one.granted_s + more_s})
    assert working_time(richer).short_s <= working_time(one).short_s


def test_a_dead_pc_that_nobody_makes_up_for_leaves_a_candidate_short_to_the_second():
    times = working_time(course(losses=[(after(1867), after(2152))]))
    assert (times.fault_s, times.effective_s, times.short_s) == (285, HOUR_S - 285, 285)


def test_r_day_8_the_same_seconds_are_not_lost_twice_when_the_sitting_stood_still_meanwhile():
    stood_still = [Pause("outage", after(1900), after(1960)), Pause("suspension", after(1950), after(2000))]
    assert loss(after(1867), after(2152), stood_still) == (after(1867), after(2152), 185, 100)
    times = working_time(
        course(pauses=stood_still, losses=[(after(1867), after(2152))], granted_s=185, ended_at=after(HOUR_S + 285))
    )
    assert (times.paused_s, times.fault_s, times.effective_s, times.short_s) == (100, 185, HOUR_S, 0)


def test_a_loss_counts_from_the_begun_second_to_the_ended_one():
    assert loss(after(7.9), after(52.1), []).seconds == 53 - 7
    assert loss(after(7), after(52), []).seconds == 45


def test_a_pause_that_is_still_open_takes_all_that_comes_after_it():
    assert loss(after(10), after(100), [Pause("suspension", after(40), None)]).seconds == 30


def test_r_day_3_who_comes_late_gets_nothing_extra_and_it_is_their_own():
    times = working_time(course(opened_at=after(600)))
    assert (times.late_s, times.effective_s, times.short_s) == (600, HOUR_S - 600, 0)


def test_r_day_6_leaving_the_room_is_ones_own_time_but_not_while_all_stands_still():
    times = working_time(
        course(
            pauses=[Pause("outage", after(100), after(200))], leaves=[(after(150), after(300))], ended_at=after(3700)
        )
    )
    assert (times.paused_s, times.away_s, times.effective_s) == (100, 100, HOUR_S - 100)


def test_r_day_14_a_late_theory_shifts_the_window_and_takes_nothing_away():
    times = working_time(course(shift_s=300, opened_at=after(300), ended_at=after(HOUR_S + 300)))
    assert (times.effective_s, times.late_s, times.short_s) == (HOUR_S, 0, 0)


def test_who_hands_in_early_gave_the_rest_away_and_is_not_short():
    dead = [(after(600), after(900))]
    assert working_time(course(ended_at=after(3000), losses=dead, has_handed_in=True)).short_s == 0
    assert working_time(course(ended_at=after(3000), losses=dead)).short_s == 300


def test_a_right_to_more_time_does_not_make_up_for_a_dead_pc():
    dead = [(after(600), after(900))]
    assert working_time(course(allowance_s=900, ended_at=after(4500), losses=dead)).short_s == 300
    assert working_time(course(granted_s=900, ended_at=after(4500), losses=dead)).short_s == 0


def test_while_somebody_answers_the_rest_is_left_and_an_open_fault_runs():
    times = working_time(course(ended_at=None, at=after(1000), losses=[(after(900), None)]))
    assert (times.effective_s, times.fault_s, times.left_s, times.early_s) == (900, 100, HOUR_S - 1000, 0)


def test_a_pause_after_the_end_is_nobodys():
    times = working_time(course(ended_at=after(1800), pauses=[Pause("outage", after(2000), after(2100))]))
    assert (times.paused_s, times.early_s, times.effective_s) == (0, 1800, 1800)


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [(45, "45 秒", "45 s"), (300, "5 分钟", "5 min"), (285, "4 分 45 秒", "4 min 45 s"), (0, "0 秒", "0 s")],
)
def test_a_length_is_said_in_minutes_and_seconds(seconds, zh, en):
    assert length_names(seconds) == (zh, en)
