"""Report every candidate's time in a sitting, to the second: who had less than they should, and why (R-DAY-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.attempt import OPEN, AttemptState
from station.domain.incident import EXTENSION_REASONS, ExtensionState
from station.domain.sitting import SITTING_UNKNOWN, SittingKind, Times, deadline, interrupted_s
from station.domain.working_time import Course, Pause, WorkingTime, length_names, working_time
from station.errors import Missing
from station.store.models import (
    Attempt,
    Attendance,
    Candidate,
    Entry,
    Extension,
    JournalEntry,
    Place,
    Seat,
    Sitting,
)
from station.store.queries import SittingReading, seat_order, sittings_joined
from station.store.swap_queries import MoveReading, ReturnReading, moves_in, pauses_in, returns_to_sitting

# The right of a candidate, and no making up for anything.
ALLOWANCE = "accessibility"
# Deadlines are kept in milliseconds and added up in fractions.
DEADLINE_WITHIN = timedelta(milliseconds=5)
# Lateness below this is not told in words beside its figure.
TRIFLE_S = 60
Leave = tuple[datetime, datetime | None]
_Reading = TypeVar("_Reading", ReturnReading, MoveReading)


class Happening(NamedTuple):
    """Something that took or gave time, as it is told; `ended_at` None: goes on, or is no stretch."""

    kind: str
    began_at: datetime
    ended_at: datetime | None
    seconds: int | None
    zh: str
    en: str

    @property
    def is_trifle(self) -> bool:
        """Say whether the figure tells enough: nearly everybody opens the paper some seconds after the start."""
        return self.kind == "late" and self.seconds is not None and self.seconds < TRIFLE_S


@dataclass(frozen=True)
class TimeRow:
    """One candidate's line. `is_sound`: the seconds add up and the deadline is the one that follows from them."""

    entry: Entry
    attempt: Attempt
    name: str
    ticket_number: str
    seat: str
    is_spare: bool
    times: WorkingTime
    is_sound: bool
    happenings: Sequence[Happening]
    reasons: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class TimeReport:
    """A sitting's lines, who was short first; and those who have no time to speak of."""

    sitting: SittingReading
    at: datetime
    rows: Sequence[TimeRow]
    for_all: Sequence[Happening]
    absent: Sequence[tuple[str, str]]
    not_opened: Sequence[tuple[str, str]]

    @property
    def short(self) -> list[TimeRow]:
        return [row for row in self.rows if row.times.short_s]

    @property
    def unsound(self) -> list[TimeRow]:
        return [row for row in self.rows if not row.is_sound]


def time_report(
    db: Session, sitting_id: int, *, at: datetime, heard: Callable[[int], datetime | None], silent_after: timedelta
) -> TimeReport:
    """Report a sitting's times at a moment, while it runs or afterwards.

    `heard` says when a candidate's page was last heard (None: unknown): who had no PC when time was up, or has
    none now, is known by it.
    """
    found = db.execute(
        sittings_joined().where(Sitting.id == sitting_id, Sitting.kind == SittingKind.REAL)
    ).one_or_none()
    if found is None:
        raise Missing(SITTING_UNKNOWN)
    reading = SittingReading._make(found)
    around = _Around(db, reading, at=at, heard=heard, silent_after=silent_after)
    rows: list[TimeRow] = []
    absent: list[tuple[str, str]] = []
    not_opened: list[tuple[str, str]] = []
    for entry, candidate, seat, attempt in _entries(db, sitting_id):
        if attempt is not None:
            rows.append(around.row(entry, candidate, seat, attempt))
        else:
            (absent if entry.attendance == Attendance.ABSENT else not_opened).append((seat.number, candidate.name))
    rows.sort(key=lambda row: (-row.times.short_s, row.is_sound, seat_order(row.seat, is_spare=row.is_spare)))
    for_all = [_paused(one) for one in around.pauses.get(None, ())]
    return TimeReport(reading, at, rows, for_all, sorted(absent, key=_by_seat), sorted(not_opened, key=_by_seat))


class _Around:
    """What the lines of one sitting are made of, read once."""

    def __init__(
        self,
        db: Session,
        reading: SittingReading,
        *,
        at: datetime,
        heard: Callable[[int], datetime | None],
        silent_after: timedelta,
    ) -> None:
        sitting_id = reading.sitting.id
        self.sitting, self.subject, self.at = reading.sitting, reading.subject, at
        self.heard, self.silent_after = heard, silent_after
        self.pauses = pauses_in(db, sitting_id)
        self.returns = _by_entry(returns_to_sitting(db, sitting_id))
        self.moves = _by_entry(moves_in(db, sitting_id))
        self.leaves = _leaves(db, sitting_id)
        opened = (
            select(Attempt.id, Place.opened_at)
            .join(Place, Place.id == Attempt.place)
            .join(Entry, Entry.id == Attempt.entry_id)
            .where(Entry.sitting_id == sitting_id)
        )
        self.places = {row.id: row.opened_at for row in db.execute(opened)}
        self.extensions: dict[int, list[Extension]] = {}
        given = select(Extension).join(Attempt, Attempt.id == Extension.attempt_id).join(Entry)
        for one in db.scalars(given.where(Entry.sitting_id == sitting_id).order_by(Extension.id)):
            self.extensions.setdefault(one.attempt_id, []).append(one)

    def row(self, entry: Entry, candidate: Candidate, seat: Seat, attempt: Attempt) -> TimeRow:
        pauses = [*self.pauses.get(None, ()), *self.pauses.get(attempt.id, ())]
        extensions = self.extensions.get(attempt.id, [])
        returns = self.returns.get(entry.id, [])
        without_pc = self._without_pc(entry, attempt)
        course = self._course(entry, attempt, pauses, extensions, returns, without_pc)
        times = working_time(course)
        return TimeRow(
            entry=entry,
            attempt=attempt,
            name=candidate.name,
            ticket_number=candidate.ticket_number,
            seat=seat.number,
            is_spare=seat.is_spare,
            times=times,
            is_sound=times.adds_up and self._deadline_is_right(attempt, pauses, extensions),
            happenings=self._happenings(attempt, course, times, extensions, returns, without_pc, entry),
            reasons=_reasons(times, returns, without_pc, is_open=attempt.state in OPEN),
        )

    def _course(
        self,
        entry: Entry,
        attempt: Attempt,
        pauses: Sequence[Pause],
        extensions: Sequence[Extension],
        returns: Sequence[ReturnReading],
        without_pc: Leave | None,
    ) -> Course:
        granted = [one for one in extensions if one.state == ExtensionState.GRANTED]
        allowance_s = sum(one.seconds for one in granted if one.reason_kind == ALLOWANCE)
        assert self.sitting.started_at is not None, "an attempt exists only in a started sitting"
        return Course(
            started_at=self.sitting.started_at,
            duration_s=self.subject.duration_min * 60,
            shift_s=attempt.shift_s,
            opened_at=attempt.opened_at,
            ended_at=attempt.ended_at,
            at=self.at,
            granted_s=sum(one.seconds for one in granted) - allowance_s,
            allowance_s=allowance_s,
            has_handed_in=attempt.state == AttemptState.HANDED_IN,
            pauses=pauses,
            losses=[*((one.lost_from_at, one.opened_at) for one in returns), *([without_pc] if without_pc else [])],
            leaves=self.leaves.get(entry.id, []),
        )

    def _without_pc(self, entry: Entry, attempt: Attempt) -> Leave | None:
        """Find the stretch in which the candidate had no PC and has none yet, or had none when time was up.

        It counts from the last sign of life, where one is known: nobody proposes anything for it.
        """
        opened_at = self.places.get(attempt.id)
        if opened_at is None:
            return None
        end = attempt.ended_at or self.at
        heard_at = self.heard(entry.candidate_id)
        moves = [one.moved_at for one in self.moves.get(entry.id, []) if one.moved_at > opened_at]
        is_silent = heard_at is not None and end - heard_at > self.silent_after
        if not moves and not is_silent:
            return None
        last_known_at = max(opened_at, heard_at or attempt.last_saved_at or opened_at)
        began_at = min([last_known_at, *moves, end])
        return began_at, attempt.ended_at

    def _deadline_is_right(self, attempt: Attempt, pauses: Sequence[Pause], extensions: Sequence[Extension]) -> bool:
        """Work the deadline out anew; who was ended by a person had none any more."""
        if attempt.ended_by is not None:
            return True
        assert self.sitting.started_at is not None
        end = attempt.ended_at or self.at
        own_start = self.sitting.started_at + timedelta(seconds=attempt.shift_s)
        closed = [(one.began_at, one.ended_at) for one in pauses if one.ended_at is not None and one.ended_at <= end]
        times = Times(
            started_at=self.sitting.started_at,
            duration_s=self.subject.duration_min * 60,
            shift_s=attempt.shift_s,
            extensions_s=sum(one.seconds for one in extensions if one.state == ExtensionState.GRANTED),
            interruptions_s=interrupted_s(closed, since=own_start),
        )
        return abs(deadline(times) - attempt.deadline_at) <= DEADLINE_WITHIN

    def _happenings(
        self,
        attempt: Attempt,
        course: Course,
        times: WorkingTime,
        extensions: Sequence[Extension],
        returns: Sequence[ReturnReading],
        without_pc: Leave | None,
        entry: Entry,
    ) -> list[Happening]:
        end = attempt.ended_at or self.at
        found = [_paused(one) for one in self.pauses.get(attempt.id, ()) if one.began_at < end]
        found += [_returned(one) for one in returns]
        found += [_extended(one) for one in extensions]
        found += [
            Happening("leave", began, ended, _seconds(began, ended), "临时离场", "out of the room")
            for began, ended in course.leaves
        ]
        if without_pc is not None:
            began, ended = without_pc
            text = ("未能恢复上机，直至结束", "had no PC until the end") if ended else ("尚未恢复上机", "has no PC now")
            found.append(Happening("no_pc", began, ended, _seconds(began, ended), *text))
        if attempt.shift_s:
            text = "因上一科目延时顺延开考", "shifted by the subject before"
            found.append(Happening("shift", course.started_at, None, attempt.shift_s, *text))
        if times.late_s:
            text = "开卷晚于开考", "opened the paper after the start"
            found.append(Happening("late", course.started_at, attempt.opened_at, times.late_s, *text))
        if times.early_s and attempt.ended_at is not None:
            found.append(Happening("early", attempt.ended_at, None, times.early_s, *_early(attempt)))
        return sorted(found, key=lambda one: one.began_at)


def _entries(db: Session, sitting_id: int) -> Iterable[tuple[Entry, Candidate, Seat, Attempt | None]]:
    rows = db.execute(
        select(Entry, Candidate, Seat, Attempt)
        .join(Candidate, Candidate.id == Entry.candidate_id)
        .join(Seat, Seat.id == Entry.seat_id)
        .outerjoin(Attempt, Attempt.entry_id == Entry.id)
        .where(Entry.sitting_id == sitting_id)
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _leaves(db: Session, sitting_id: int) -> dict[int, list[Leave]]:
    """Pair who left and who came back, as the journal has it."""
    found: dict[int, list[Leave]] = {}
    events = select(JournalEntry.entry_id, JournalEntry.event, JournalEntry.at).where(
        JournalEntry.sitting_id == sitting_id, JournalEntry.event.in_(("leave_began", "leave_ended"))
    )
    for row in db.execute(events.order_by(JournalEntry.number)):
        leaves = found.setdefault(row.entry_id or 0, [])
        if row.event == "leave_began":
            leaves.append((row.at, None))
        elif leaves:
            leaves[-1] = (leaves[-1][0], row.at)
    return found


def _by_entry(readings: Sequence[_Reading]) -> dict[int, list[_Reading]]:
    found: dict[int, list[_Reading]] = {}
    for one in readings:
        found.setdefault(one.entry_id, []).append(one)
    return found


def _reasons(
    times: WorkingTime, returns: Sequence[ReturnReading], without_pc: Leave | None, *, is_open: bool
) -> list[tuple[str, str]]:
    """Say why a candidate is short: what was not given back, and what became of it."""
    if not times.short_s:
        return []
    found = []
    states = {one.extension_state for one in returns}
    if None in states:
        found.append(("故障时间未申请补时", "no extension was proposed for the time lost"))
    if ExtensionState.PROPOSED in states:
        found.append(("补时申请尚未确认", "the extension is undecided"))
    if ExtensionState.REFUSED in states:
        found.append(("补时未获批准", "the extension was refused"))
    if without_pc is not None:
        found.append(("尚未恢复上机", "has no PC now") if is_open else ("结束时未能恢复上机", "had no PC at the end"))
    return found or [("补时少于损失", "less was given than lost")]


def _paused(pause: Pause) -> Happening:
    names = {"outage": ("考站中断", "station outage"), "suspension": ("暂停", "suspended")}[pause.kind]
    zh, en = (f"{names[0]}：{pause.reason}", f"{names[1]}: {pause.reason}") if pause.reason else names
    return Happening(pause.kind, pause.began_at, pause.ended_at, _seconds(pause.began_at, pause.ended_at), zh, en)


def _returned(one: ReturnReading) -> Happening:
    if one.old_seat == one.new_seat:
        zh, en = f"考位 {one.new_seat or '—'} 考生机故障后恢复", f"PC of seat {one.new_seat or '—'} died and came back"
    else:
        zh, en = f"由考位 {one.old_seat or '—'} 换至 {one.new_seat or '—'}", f"moved {one.old_seat} → {one.new_seat}"
    return Happening("swap", one.lost_from_at, one.opened_at, _seconds(one.lost_from_at, one.opened_at), zh, en)


def _extended(one: Extension) -> Happening:
    state_zh, state_en = {
        ExtensionState.GRANTED: ("已生效", "granted"),
        ExtensionState.PROPOSED: ("待确认", "undecided"),
        ExtensionState.REFUSED: ("未获批准", "refused"),
    }[ExtensionState(one.state)]
    reason_zh, reason_en = EXTENSION_REASONS[one.reason_kind]
    length_zh, length_en = length_names(one.seconds)
    zh, en = f"延时 {length_zh}（{reason_zh}）{state_zh}", f"extension of {length_en} ({reason_en}) {state_en}"
    return Happening("extension", one.proposed_at, None, one.seconds, zh, en)


def _early(attempt: Attempt) -> tuple[str, str]:
    return {
        AttemptState.HANDED_IN: ("提前交卷", "handed in early"),
        AttemptState.CANCELLED: ("终止考核", "terminated"),
    }.get(AttemptState(attempt.state), ("监考员收卷", "collected by staff"))


def _seconds(began_at: datetime, ended_at: datetime | None) -> int | None:
    return None if ended_at is None else round((ended_at - began_at).total_seconds())


def _by_seat(one: tuple[str, str]) -> tuple[bool, int, str]:
    return seat_order(one[0])
