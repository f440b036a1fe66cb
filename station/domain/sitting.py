"""Phases of a sitting, and the times that follow from its plan: pure functions of plan, facts and moment.

T is the actual start, never before the planned one (design §13.10).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from station.errors import problem

TOO_EARLY_TO_START = problem(
    "too_early_to_start",
    "未到计划开考时间，还需等待 {wait_min} 分钟，不能开考。",
    "The sitting cannot start before its planned time: {wait_min} minutes to go.",
)
SITTING_STATE_WRONG = problem(
    "sitting_state_wrong",
    "场次当前状态为“{state_zh}”，不能{act_zh}。",
    "The sitting is {state}: it cannot be {act} now.",
)
SITTING_UNKNOWN = problem("sitting_unknown", "没有该场次。", "There is no such sitting.")
ENTRY_CLOSED = problem(
    "entry_closed",
    "开考 {cutoff_min} 分钟后不得入场，请向监考员报告。",
    "No entry later than {cutoff_min} minutes after the start. Tell the invigilator.",
)
NOT_STARTED = problem(
    "not_started", "尚未开考，请在等候页等待。", "The test has not started yet. Please wait on the waiting page."
)
TOO_EARLY_TO_LEAVE = problem(
    "too_early_to_leave",
    "距考试结束 {early_leave_min} 分钟以内方可申请提前交卷，且须主考同意（还需等待 {wait_min} 分钟）。",
    "Handing in early is only possible in the last {early_leave_min} minutes, with the chief examiner's "
    "consent ({wait_min} minutes to go).",
)
NOT_A_REAL_SITTING = problem(
    "not_a_real_sitting",
    "这是试考或压力演练，不能结束上报，也不出成绩。请在“演练与试考”页面结束和清除。",
    "This is a trial or a rehearsal: it is never closed, packed or sent. End and wipe it on the page of trials.",
)


# What a candidate may take from the end of one subject to opening the next when the gap was used up.
CHANGEOVER = timedelta(minutes=5)


# Longer than any break of a sitting that goes on the same day: the clock is believed only by a person's word.
LONGEST_OUTAGE = timedelta(hours=12)
# By so much a network time service may have set the clock back while the station was down and nothing was held.
CORRECTION = timedelta(seconds=60)


class SittingState(StrEnum):
    """Where a sitting is in its day."""

    PLANNED = "planned"
    ADMITTING = "admitting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    CLOSED = "closed"
    DELIVERED = "delivered"


class SittingKind(StrEnum):
    """What a sitting is for. Only a real one is listed, packed and counted (R-ROOM-6)."""

    REAL = "real"
    TRIAL = "trial"
    REHEARSAL = "rehearsal"


STATE_NAMES: dict[SittingState, tuple[str, str]] = {
    SittingState.PLANNED: ("未开放", "planned"),
    SittingState.ADMITTING: ("候考登录中", "admitting"),
    SittingState.RUNNING: ("考试中", "running"),
    SittingState.SUSPENDED: ("已暂停", "suspended"),
    SittingState.CLOSED: ("已结束", "closed"),
    SittingState.DELIVERED: ("已上报", "delivered"),
}


@dataclass(frozen=True)
class Times:
    """What a deadline is made of. `started_at` is the sitting's actual start; all lengths are whole seconds.

    `shift_s`: start of this candidate moved because the subject before ran late (R-DAY-14);
    `extensions_s`: granted extensions; `interruptions_s`: closed interruptions and suspensions of this attempt.
    """

    started_at: datetime
    duration_s: int
    shift_s: int = 0
    extensions_s: int = 0
    interruptions_s: float = 0.0


def deadline(times: Times) -> datetime:
    """Compute when answering ends. A latecomer gets nothing extra: their own entry does not count."""
    seconds = times.duration_s + times.shift_s + times.extensions_s + times.interruptions_s
    return times.started_at + timedelta(seconds=seconds)


def interrupted_s(stretches: Iterable[tuple[datetime, datetime]], *, since: datetime) -> float:
    """Add up interruptions, each second once: overlapping stretches are joined, what lies before `since` is cut."""
    total, covered_until = 0.0, since
    for began_at, ended_at in sorted(stretches):
        began_at = max(began_at, covered_until)
        if ended_at > began_at:
            total += (ended_at - began_at).total_seconds()
            covered_until = ended_at
    return total


def is_clock_plausible(last: datetime, at: datetime, *, is_held: bool) -> bool:
    """Say whether a start at `at` can follow the last sign of life.

    While a sitting is held (runs or is suspended) neither before it nor more than `LONGEST_OUTAGE` after it.
    """
    return last <= at <= last + LONGEST_OUTAGE if is_held else at >= last - CORRECTION


def minutes_to_start(planned_start_at: datetime, postponement_s: int, at: datetime) -> int:
    """Say how many begun minutes are left until the planned start; 0 when it has come."""
    left_s = (planned_start_at - at).total_seconds() + postponement_s
    return 0 if left_s <= 0 else int(-(-left_s // 60))


def may_start(planned_start_at: datetime, postponement_s: int, at: datetime) -> bool:
    """Say whether the start is allowed at this moment (R-DAY-15)."""
    return at >= planned_start_at + timedelta(seconds=postponement_s)


def may_enter(started_at: datetime, cutoff_min: int, at: datetime, *, shift_s: int = 0) -> bool:
    """Say whether a candidate may still open the paper: up to and including T+cutoff (R-DAY-3)."""
    return at <= started_at + timedelta(minutes=cutoff_min, seconds=shift_s)


def late_minutes(started_at: datetime, at: datetime, *, shift_s: int = 0) -> int:
    """Say how many begun minutes after the start somebody came; 0 when in time."""
    late_s = (at - started_at).total_seconds() - shift_s
    return 0 if late_s <= 0 else int(-(-late_s // 60))


def may_leave_early(deadline_at: datetime, early_leave_min: int, at: datetime) -> bool:
    """Say whether the last minutes have begun in which early leave can be allowed (R-DAY-4)."""
    return at >= deadline_at - timedelta(minutes=early_leave_min)


def shift_after(previous_ended_at: datetime | None, started_at: datetime, at: datetime) -> int:
    """Compute by how many seconds a late end of the subject before moves this one for a candidate (R-DAY-14).

    Time to log in again is theirs, too: the shift goes to the moment `at` of entering, at most `CHANGEOVER`
    after the end of the subject before. 0 where that left the changeover before this start.
    """
    if previous_ended_at is None:
        return 0
    entered_at = min(at, previous_ended_at + CHANGEOVER)
    return max(0, math.ceil((entered_at - started_at).total_seconds()))
