"""Read one sitting's board in one picture: a fixed number of queries, whatever the room holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ScalarSelect, and_, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from station.domain.attempt import OPEN
from station.domain.incident import ExtensionState
from station.domain.sitting import SittingKind, SittingState
from station.store.models import (
    Attempt,
    Candidate,
    CandidateLogin,
    Entry,
    Extension,
    Interruption,
    JournalEntry,
    PackageState,
    Place,
    ResultPackage,
    Revision,
    SaveConflict,
    Seat,
    Sitting,
    Staff,
    StationLife,
    Subject,
    WorkFolder,
    Workstation,
    WorkVersion,
)
from station.store.queries import SittingReading, seat_order, sittings_joined

NEWEST_EVENTS = 100
SAME_DAY = timedelta(hours=14)


class SeatReading(NamedTuple):
    """One seat of the room, and who sits there in this sitting; the fields from `entry_id` on are None when free."""

    seat_id: int
    number: str
    is_spare: bool
    has_workstation: bool
    entry_id: int | None
    attendance: str | None
    late_min: int | None
    confirmed_at: datetime | None
    early_leave_allowed_by: int | None
    leave_began_at: datetime | None
    help_asked_at: datetime | None
    candidate_id: int | None
    name: str | None
    ticket_number: str | None
    photo_sha256: str | None
    attempt_id: int | None
    attempt_state: str | None
    answered: int | None
    last_saved_at: datetime | None
    deadline_at: datetime | None
    ended_at: datetime | None
    receipt_code: str | None
    place_opened_at: datetime | None
    late_saves: int
    conflicts: int
    is_disputed: bool
    busy_subject: str | None


class LoginReading(NamedTuple):
    """The newest live log-in of a candidate; `seat` None on a PC that was given no seat.

    `is_beside`: the candidate works under an earlier one, which this one has not ended as it waits for release.
    """

    login_id: int
    candidate_id: int
    seat: str | None
    created_at: datetime
    released_at: datetime | None
    is_beside: bool


class ExtensionReading(NamedTuple):
    """An extension that is proposed or granted, with whom it is for and who has said what."""

    extension: Extension
    entry_id: int
    proposed_by_name: str


class Suspension(NamedTuple):
    """A suspension that is still open; `attempt_id` None means the whole sitting."""

    attempt_id: int | None
    reason: str
    began_at: datetime
    kind: str


class LaterSitting(NamedTuple):
    """A sitting of the same room that has yet to start; `starts_at` with its postponement."""

    subject: str
    starts_at: datetime


@dataclass(frozen=True)
class BoardReading:
    """All that a board is made of, read in one picture."""

    sitting: SittingReading
    seats: Sequence[SeatReading]
    logins: dict[int, LoginReading]
    extensions: Sequence[ExtensionReading]
    suspensions: Sequence[Suspension]
    events: Sequence[JournalEntry]
    life: StationLife | None
    troubled_packages: int
    later: Sequence[LaterSitting]


def read_board(db: Session, sitting_id: int, *, since: int = 0) -> BoardReading | None:
    """Read one sitting's board in nine queries; `events` are those after journal number `since`, newest first."""
    shown = sittings_joined().where(Sitting.id == sitting_id, Sitting.kind != SittingKind.REHEARSAL)
    sitting = db.execute(shown).one_or_none()
    if sitting is None:
        return None
    reading = SittingReading._make(sitting)
    return BoardReading(
        sitting=reading,
        seats=_seats(db, reading.sitting),
        logins=_live_logins(db, sitting_id),
        extensions=_extensions(db, sitting_id),
        suspensions=_open_suspensions(db, sitting_id),
        events=_events(db, sitting_id, since),
        life=db.get(StationLife, 1),
        troubled_packages=db.scalar(
            select(func.count()).where(
                ResultPackage.sitting_id == sitting_id, ResultPackage.state == PackageState.NEEDS_ATTENTION
            )
        )
        or 0,
        later=_later(db, reading.sitting),
    )


def _seats(db: Session, sitting: Sitting) -> list[SeatReading]:
    late_saves = case(
        (
            Attempt.late_count > 0,
            select(func.count())
            .where(Revision.attempt_id == Attempt.id, Revision.is_late, Revision.accepted_by.is_(None))
            .correlate(Attempt)
            .scalar_subquery(),
        ),
        else_=0,
    )
    late_work = case(
        (
            WorkFolder.late_count > 0,
            select(func.count())
            .where(WorkVersion.attempt_id == Attempt.id, WorkVersion.is_late, WorkVersion.accepted_by.is_(None))
            .correlate(Attempt)
            .scalar_subquery(),
        ),
        else_=0,
    )
    conflicts = (
        select(SaveConflict.attempt_id, func.count().label("number")).group_by(SaveConflict.attempt_id).subquery()
    )
    disputed = select(JournalEntry.entry_id).where(
        JournalEntry.sitting_id == sitting.id,
        JournalEntry.event == "identity_disputed",
        JournalEntry.entry_id.is_not(None),
    )
    # MSSQL has no boolean value, so questions are asked as CASE … 1 … 0.
    rows = db.execute(
        select(
            Seat.id,
            Seat.number,
            Seat.is_spare,
            case((Seat.id.in_(select(Workstation.seat_id).where(Workstation.replaced_at.is_(None))), 1), else_=0),
            Entry.id,
            Entry.attendance,
            Entry.late_min,
            Entry.confirmed_at,
            Entry.early_leave_allowed_by,
            Entry.leave_began_at,
            Entry.help_asked_at,
            Candidate.id,
            Candidate.name,
            Candidate.ticket_number,
            Candidate.photo_sha256,
            Attempt.id,
            Attempt.state,
            Attempt.answered_count,
            Attempt.last_saved_at,
            Attempt.deadline_at,
            Attempt.ended_at,
            Attempt.receipt_code,
            Place.opened_at,
            late_saves + late_work,
            func.coalesce(conflicts.c.number, 0),
            case((and_(Entry.confirmed_at.is_(None), Entry.id.in_(disputed)), 1), else_=0),
            _subject_still_open(sitting),
        )
        .outerjoin(Entry, and_(Entry.seat_id == Seat.id, Entry.sitting_id == sitting.id))
        .outerjoin(Candidate, Candidate.id == Entry.candidate_id)
        .outerjoin(Attempt, Attempt.entry_id == Entry.id)
        .outerjoin(Place, Place.id == Attempt.place)
        .outerjoin(WorkFolder, WorkFolder.attempt_id == Attempt.id)
        .outerjoin(conflicts, conflicts.c.attempt_id == Attempt.id)
        .where(Seat.room_id == sitting.room_id)
    )
    seats = [SeatReading._make(row) for row in rows]
    return sorted(seats, key=lambda one: seat_order(one.number, is_spare=one.is_spare))


def _subject_still_open(sitting: Sitting) -> ScalarSelect[Any]:
    """Name another subject that the entry's candidate is still answering (R-DAY-14)."""
    other_entry, other_sitting, other_attempt = aliased(Entry), aliased(Sitting), aliased(Attempt)
    return (
        select(func.min(Subject.name))
        .select_from(other_attempt)
        .join(other_entry, other_entry.id == other_attempt.entry_id)
        .join(other_sitting, other_sitting.id == other_entry.sitting_id)
        .join(Subject, Subject.id == other_sitting.subject_id)
        .where(
            other_entry.candidate_id == Entry.candidate_id,
            other_entry.sitting_id != sitting.id,
            other_attempt.state.in_(OPEN),
        )
        .correlate(Entry)
        .scalar_subquery()
    )


def _live_logins(db: Session, sitting_id: int) -> dict[int, LoginReading]:
    rows = db.execute(
        select(
            CandidateLogin.id,
            CandidateLogin.candidate_id,
            Seat.number,
            CandidateLogin.created_at,
            CandidateLogin.released_at,
        )
        .join(Entry, Entry.candidate_id == CandidateLogin.candidate_id)
        .outerjoin(Seat, Seat.id == CandidateLogin.seat_id)
        .where(Entry.sitting_id == sitting_id, CandidateLogin.ended_at.is_(None))
        .order_by(CandidateLogin.id)
    )
    newest: dict[int, LoginReading] = {}
    for row in rows:
        before = newest.get(row.candidate_id)
        is_beside = before is not None and (before.released_at is not None or before.is_beside)
        newest[row.candidate_id] = LoginReading(*row, is_beside)
    return newest


def _extensions(db: Session, sitting_id: int) -> list[ExtensionReading]:
    rows = db.execute(
        select(Extension, Entry.id, Staff.name)
        .join(Attempt, Attempt.id == Extension.attempt_id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .join(Staff, Staff.id == Extension.proposed_by)
        .where(
            Entry.sitting_id == sitting_id,
            Extension.state.in_((ExtensionState.PROPOSED, ExtensionState.GRANTED)),
        )
        .order_by(Extension.id)
    )
    return [ExtensionReading._make(row) for row in rows]


def _open_suspensions(db: Session, sitting_id: int) -> list[Suspension]:
    rows = db.execute(
        select(Interruption.attempt_id, Interruption.reason, Interruption.began_at, Interruption.kind).where(
            Interruption.sitting_id == sitting_id, Interruption.ended_at.is_(None)
        )
    )
    return [Suspension._make(row) for row in rows]


def _later(db: Session, sitting: Sitting) -> list[LaterSitting]:
    rows = db.execute(
        select(Subject.name, Sitting.planned_start_at, Sitting.postponement_s)
        .join(Subject, Subject.id == Sitting.subject_id)
        .where(
            Sitting.room_id == sitting.room_id,
            Sitting.id != sitting.id,
            Sitting.kind == SittingKind.REAL,
            Sitting.state.in_((SittingState.PLANNED, SittingState.ADMITTING)),
            Sitting.planned_start_at > sitting.planned_start_at,
            Sitting.planned_start_at < sitting.planned_start_at + SAME_DAY,
        )
        .order_by(Sitting.planned_start_at, Sitting.id)
    )
    return [LaterSitting(row[0], row[1] + timedelta(seconds=row[2])) for row in rows]


def _events(db: Session, sitting_id: int, since: int) -> list[JournalEntry]:
    """Take the newest events of this sitting and of the station as a whole.

    A board that knows more than the journal holds is one of before a restore: it gets everything anew.
    """
    found = list(
        db.scalars(
            select(JournalEntry)
            .where(
                JournalEntry.number > since,
                or_(JournalEntry.sitting_id == sitting_id, JournalEntry.sitting_id.is_(None)),
            )
            .order_by(JournalEntry.number.desc())
            .limit(NEWEST_EVENTS)
        )
    )
    if since and not found and since > (db.scalar(select(func.max(JournalEntry.number))) or 0):
        return _events(db, sitting_id, 0)
    return found
