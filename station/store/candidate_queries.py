"""Read side for the candidate's page: what every open page asks for each two seconds, in two queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from station.domain.attempt import ENDED, OPEN
from station.domain.sitting import SittingState
from station.store.models import (
    Attempt,
    Attendance,
    CandidateLogin,
    Entry,
    Interruption,
    Message,
    Paper,
    Room,
    Seat,
    Sitting,
    Subject,
)

# So many messages of the staff are shown at most, the newest.
MESSAGES_SHOWN = 20
_HELD = frozenset({SittingState.ADMITTING, SittingState.RUNNING, SittingState.SUSPENDED})


@dataclass(frozen=True)
class HeldEntry:
    """An entry with all that its page shows; `attempt` None until the paper was opened."""

    entry: Entry
    sitting: Sitting
    subject: Subject
    room: Room
    seat_number: str
    attempt: Attempt | None
    item_count: int

    @property
    def is_ended(self) -> bool:
        return self.attempt is not None and self.attempt.state in ENDED

    @property
    def may_be_chosen(self) -> bool:
        """Say whether the candidate can sit this entry now (R-DAY-18)."""
        return self.sitting.state in _HELD and not self.is_ended and self.entry.attendance != Attendance.ABSENT


# What every open page asks for: building them anew takes longer than running them.
_HELD_ENTRIES = (
    select(Entry, Sitting, Subject, Room, Seat.number, Attempt, func.coalesce(Paper.item_count, 0))
    .join(Sitting, Sitting.id == Entry.sitting_id)
    .join(Subject, Subject.id == Sitting.subject_id)
    .join(Room, Room.id == Sitting.room_id)
    .join(Seat, Seat.id == Entry.seat_id)
    .outerjoin(Attempt, Attempt.entry_id == Entry.id)
    .outerjoin(Paper, Paper.id == Attempt.paper_id)
    .where(Entry.candidate_id == bindparam("candidate_id"))
    .order_by(Sitting.planned_start_at, Sitting.id)
)
_NEWEST_MESSAGES = (
    select(Message)
    .where(
        Message.sitting_id == bindparam("sitting_id"),
        or_(Message.entry_id.is_(None), Message.entry_id == bindparam("entry_id")),
    )
    .order_by(Message.id.desc())
    .limit(MESSAGES_SHOWN)
)
_WAITING_ELSEWHERE = (
    select(Seat.number)
    .select_from(CandidateLogin)
    .outerjoin(Seat, Seat.id == CandidateLogin.seat_id)
    .where(
        CandidateLogin.candidate_id == bindparam("candidate_id"),
        CandidateLogin.id > bindparam("login_id"),
        CandidateLogin.ended_at.is_(None),
        CandidateLogin.released_at.is_(None),
    )
    .order_by(CandidateLogin.id.desc())
)


def held_entries(db: Session, candidate_id: int) -> list[HeldEntry]:
    """List a candidate's entries in planned order."""
    rows = db.execute(_HELD_ENTRIES, {"candidate_id": candidate_id})
    return [HeldEntry(*row) for row in rows]


def entry_on_page(entries: Sequence[HeldEntry], *, logged_in_at: datetime, chosen_id: int | None) -> HeldEntry | None:
    """Say which entry the page is about.

    1. The one that is being answered; 2. the one the candidate chose; 3. the one ended since this log-in (its
    receipt stays on the screen until log-out); 4. the first that can be sat now; 5. the last one ended.
    """
    for held in entries:
        if held.attempt is not None and held.attempt.state in OPEN:
            return held
    for held in entries:
        if held.entry.id == chosen_id and (held.may_be_chosen or held.is_ended):
            return held
    ended = [held for held in entries if held.is_ended]
    for held in reversed(ended):
        if held.attempt is not None and held.attempt.ended_at is not None and held.attempt.ended_at >= logged_in_at:
            return held
    for held in entries:
        if held.may_be_chosen:
            return held
    return ended[-1] if ended else None


def messages_to(db: Session, entry: Entry) -> list[Message]:
    """List what the staff have sent to this entry or to its whole sitting, oldest first."""
    newest = db.scalars(_NEWEST_MESSAGES, {"sitting_id": entry.sitting_id, "entry_id": entry.id})
    return list(reversed(newest.all()))


def waiting_elsewhere(db: Session, login: CandidateLogin) -> str | None:
    """Name the seat where somebody else has logged in under this ticket number and waits for release (R-ROST-2).

    '' for a PC that was given no seat; None when there is nobody.
    """
    found = db.execute(_WAITING_ELSEWHERE, {"candidate_id": login.candidate_id, "login_id": login.id}).first()
    return None if found is None else found[0] or ""


class Standstill(NamedTuple):
    """Since when a suspended attempt's time stands still; `by` an `outage`, for the `sitting` or the `candidate`."""

    since: datetime
    by: str


def suspension_of(db: Session, held: HeldEntry) -> Standstill | None:
    """Say since when and why the time of a suspended attempt stands still; of several reasons, the first."""
    if held.attempt is None:
        return None
    first = db.execute(
        select(Interruption.began_at, Interruption.kind, Interruption.attempt_id)
        .where(
            Interruption.sitting_id == held.sitting.id,
            or_(Interruption.attempt_id.is_(None), Interruption.attempt_id == held.attempt.id),
            Interruption.ended_at.is_(None),
        )
        .order_by(Interruption.began_at, Interruption.id)
    ).first()
    if first is None:
        return None
    own = "sitting" if first.attempt_id is None else "candidate"
    return Standstill(first.began_at, "outage" if first.kind == "outage" else own)
