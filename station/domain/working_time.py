"""What became of a candidate's time: each second of it belongs to exactly one thing (R-DAY-8, R-DAY-9, R-DAY-14).

Moments are taken in whole seconds, so that the sums of a printed report add up; what is given back for a loss is
counted from the begun second to the ended one and is therefore never less than the loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

_SECOND = timedelta(seconds=1)


class Span(NamedTuple):
    """A stretch of time; empty when it ends before it begins."""

    began_at: datetime
    ended_at: datetime


class Pause(NamedTuple):
    """A stretch that stood still for the sitting or for this candidate; `ended_at` None: still does."""

    kind: str
    began_at: datetime
    ended_at: datetime | None
    reason: str = ""


class Loss(NamedTuple):
    """What a dead PC cost, in whole seconds; `paused_s` of the stretch is given back by a pause already."""

    began_at: datetime
    ended_at: datetime
    seconds: int
    paused_s: int


@dataclass(frozen=True)
class Course:
    """What happened to one attempt. Open stretches have no end; `ended_at` None: still answering at `at`.

    `granted_s`: extensions that made up for something; `allowance_s`: extensions that are the candidate's own
    right (reasonable accommodation) and make up for nothing.
    """

    started_at: datetime
    duration_s: int
    shift_s: int
    opened_at: datetime
    ended_at: datetime | None
    at: datetime
    granted_s: int = 0
    allowance_s: int = 0
    has_handed_in: bool = False
    pauses: Sequence[Pause] = ()
    losses: Sequence[tuple[datetime, datetime | None]] = ()
    leaves: Sequence[tuple[datetime, datetime | None]] = ()


@dataclass(frozen=True)
class WorkingTime:
    """A candidate's time in seconds.

    The window from the own start to the deadline is made of `paused_s`, `fault_s`, `late_s`, `away_s`, `early_s`,
    `effective_s` and `left_s`, each second once and in this order of precedence.
    """

    entitled_s: int
    given_s: int
    paused_s: int
    fault_s: int
    late_s: int
    away_s: int
    early_s: int
    left_s: int
    effective_s: int
    short_s: int

    @property
    def lost_s(self) -> int:
        """What was lost through no fault of the candidate."""
        return self.paused_s + self.fault_s

    @property
    def own_s(self) -> int:
        """What the candidate did not use: late, out of the room, ended before the deadline."""
        return self.late_s + self.away_s + self.early_s

    @property
    def adds_up(self) -> bool:
        """Say whether what was counted second by second is what the sums say it must be."""
        return self.effective_s + self.left_s == self.entitled_s + self.given_s - self.lost_s - self.own_s


def working_time(course: Course) -> WorkingTime:
    """Lay every second from the own start to the deadline to one account.

    1. Pauses move the deadline: the window is duration, extensions and pauses, laid end to end from the start.
    2. A second that stood still is nothing else besides; then comes what lies before opening the paper or after
       the end, then what a dead PC took, then leaving the room; the rest was for working.
    3. Short is what was lost without being given back, so far as the candidate did not leave it unused by
       handing in early.
    """
    start = _floor(course.started_at) + course.shift_s * _SECOND
    stop = _floor(course.ended_at or course.at)
    length_s = course.duration_s + course.granted_s + course.allowance_s
    pauses = _joined(Span(_floor(one.began_at), _floor(one.ended_at or stop)) for one in course.pauses)
    deadline, paused = _window(start, length_s, pauses, stop)
    stop = min(stop, deadline)
    free = _without(Span(start, deadline), paused)
    late, free = _split(free, [Span(start, _floor(course.opened_at))])
    after, free = _split(free, [Span(max(stop, start), deadline)])
    fault, free = _split(free, [Span(_floor(began), _floor(ended or stop)) for began, ended in course.losses])
    away, free = _split(free, [Span(_floor(began), _floor(ended or stop)) for began, ended in course.leaves])
    paused_s, fault_s = _length_s(paused), _length_s(fault)
    after_s = _length_s(after)
    early_s = after_s if course.ended_at is not None else 0
    given_up_s = early_s if course.has_handed_in else 0
    return WorkingTime(
        entitled_s=course.duration_s + course.allowance_s,
        given_s=paused_s + course.granted_s,
        paused_s=paused_s,
        fault_s=fault_s,
        late_s=_length_s(late),
        away_s=_length_s(away),
        early_s=early_s,
        left_s=after_s - early_s,
        effective_s=_length_s(free),
        short_s=max(0, fault_s - course.granted_s - given_up_s),
    )


def loss(began_at: datetime, ended_at: datetime, pauses: Iterable[Pause]) -> Loss:
    """Count what was lost between two moments, without what a pause in between gives back."""
    whole = Span(_floor(began_at), _ceil(ended_at))
    covered = _joined(Span(_floor(one.began_at), _floor(one.ended_at or whole.ended_at)) for one in pauses)
    seconds = _length_s(_without(whole, covered))
    return Loss(whole.began_at, whole.ended_at, seconds, _length_s([whole]) - seconds)


def length_names(seconds: int) -> tuple[str, str]:
    """Say a length in words: 4 分 45 秒, 5 分钟, 30 秒."""
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest} 秒", f"{rest} s"
    if not rest:
        return f"{minutes} 分钟", f"{minutes} min"
    return f"{minutes} 分 {rest} 秒", f"{minutes} min {rest} s"


def _window(start: datetime, length_s: int, pauses: Sequence[Span], stop: datetime) -> tuple[datetime, list[Span]]:
    """Find the deadline, and the pauses that moved it: those that began before it and before the end."""
    deadline, counted = start + length_s * _SECOND, []
    for pause in pauses:
        cut = Span(max(pause.began_at, start), min(pause.ended_at, stop))
        if cut.began_at < min(deadline, cut.ended_at):
            counted.append(cut)
            deadline += cut.ended_at - cut.began_at
    return deadline, counted


def _split(free: Sequence[Span], takers: Iterable[Span]) -> tuple[list[Span], list[Span]]:
    """Part free time into what the takers cover and what is left."""
    taken = _joined(takers)
    left = [rest for span in free for rest in _without(span, taken)]
    covered = [
        Span(max(span.began_at, one.began_at), min(span.ended_at, one.ended_at))
        for span in free
        for one in taken
        if max(span.began_at, one.began_at) < min(span.ended_at, one.ended_at)
    ]
    return covered, left


def _without(span: Span, covered: Sequence[Span]) -> list[Span]:
    """Cut ordered, separate stretches out of one."""
    rest, began_at = [], span.began_at
    for one in covered:
        if one.began_at > began_at:
            rest.append(Span(began_at, min(one.began_at, span.ended_at)))
        began_at = max(began_at, one.ended_at)
    rest.append(Span(began_at, span.ended_at))
    return [one for one in rest if one.began_at < one.ended_at]


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Order stretches and join those that touch or overlap."""
    joined: list[Span] = []
    for span in sorted(one for one in spans if one.began_at < one.ended_at):
        if joined and span.began_at <= joined[-1].ended_at:
            joined[-1] = Span(joined[-1].began_at, max(joined[-1].ended_at, span.ended_at))
        else:
            joined.append(span)
    return joined


def _length_s(spans: Iterable[Span]) -> int:
    return sum((one.ended_at - one.began_at) // _SECOND for one in spans)


def _floor(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def _ceil(at: datetime) -> datetime:
    floor = _floor(at)
    return floor if floor == at else floor + _SECOND
