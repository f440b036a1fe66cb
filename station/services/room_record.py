"""Keep the room record: messages, incidents, consent to early leave, leaving for a moment, raised hands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.incident import INCIDENT_KINDS, MEASURES, NOBODY_CHOSEN, check_text
from station.domain.sitting import SittingState
from station.errors import Invalid, Refused, problem
from station.services import journal
from station.store.locking import lock_entries, lock_row
from station.store.models import Candidate, Entry, Incident, Message, Room, Seat, Sitting

INCIDENT_KIND_UNKNOWN = problem(
    "incident_kind_unknown", "没有这种情况类别或处理措施。", "There is no such kind of incident or measure."
)
SOMEBODY_ELSE_IS_OUT = problem(
    "somebody_else_is_out",
    "{name} 正在临时离场，每个考场同时只允许一人离场。",
    "{name} is out at the moment: one at a time.",
)


def send_message(
    db: Session, sitting_id: int, *, entries: Sequence[Entry] | None, text: str, by: int, at: datetime
) -> None:
    """Send a message to chosen candidates, or to the whole sitting (`entries` None)."""
    check_text(text)
    if entries is not None and not entries:
        raise Invalid(NOBODY_CHOSEN)
    targets: Sequence[int | None] = [None] if entries is None else [entry.id for entry in entries]
    for entry_id in targets:
        db.add(Message(sitting_id=sitting_id, entry_id=entry_id, text=text, sent_at=at, sent_by=by))
    journal.append(
        db, "message_sent", at=at, by=by, sitting_id=sitting_id, text=text, count=len(targets), entries=targets
    )


def record_incident(
    db: Session,
    sitting_id: int,
    *,
    entry: Entry | None,
    kind: str,
    text: str,
    by: int,
    at: datetime,
    measure: str = "",
    decided_by: int | None = None,
) -> Incident:
    """Write an incident into the room record; `measure` is one of R-DAY-11's four, '' for none."""
    check_text(text)
    if kind not in INCIDENT_KINDS or (measure and measure not in MEASURES):
        raise Invalid(INCIDENT_KIND_UNKNOWN)
    incident = Incident(
        sitting_id=sitting_id,
        entry_id=entry.id if entry else None,
        kind=kind,
        measure=measure,
        text=text,
        happened_at=at,
        recorded_by=by,
        decided_by=decided_by,
    )
    db.add(incident)
    kind_zh, kind_en = INCIDENT_KINDS[kind]
    journal.append(
        db,
        "incident_recorded",
        at=at,
        by=by,
        sitting_id=sitting_id,
        entry_id=entry.id if entry else None,
        kind_zh=kind_zh,
        kind_en=kind_en,
        text=text,
        measure=measure,
    )
    return incident


def allow_early_leave(db: Session, entries: Sequence[Entry], *, by: int, at: datetime) -> None:
    """Record the chief examiner's consent to hand in within the last minutes (R-DAY-4)."""
    if not entries:
        raise Invalid(NOBODY_CHOSEN)
    entry_ids = [entry.id for entry in entries]
    for entry in lock_entries(db, entry_ids):
        entry.early_leave_allowed_by = by
    sitting_id = entries[0].sitting_id
    journal.append(
        db, "early_leave_allowed", at=at, by=by, sitting_id=sitting_id, count=len(entry_ids), entries=entry_ids
    )


def begin_leave(db: Session, entry: Entry, *, by: int, at: datetime) -> None:
    """Record that a candidate left for a moment, accompanied; one at a time a room (R-DAY-6)."""
    sitting = db.get_one(Sitting, entry.sitting_id)
    lock_row(db, Room, sitting.room_id)  # of two who would leave at once the second is kept
    lock_entries(db, [entry.id])
    out = db.execute(
        select(Candidate.name)
        .join(Entry, Entry.candidate_id == Candidate.id)
        .join(Sitting, Sitting.id == Entry.sitting_id)
        .where(
            Sitting.room_id == sitting.room_id,
            Sitting.state.in_([SittingState.RUNNING, SittingState.SUSPENDED]),
            Entry.leave_began_at.is_not(None),
            Entry.id != entry.id,
        )
    ).first()
    if out is not None:
        raise Refused(SOMEBODY_ELSE_IS_OUT, name=out[0])
    if entry.leave_began_at is None:
        entry.leave_began_at = at
        _note(db, "leave_began", entry, at=at, by=by, name=db.get_one(Candidate, entry.candidate_id).name)


def end_leave(db: Session, entry: Entry, *, by: int, at: datetime) -> None:
    """Record that a candidate came back."""
    if entry.leave_began_at is not None:
        entry.leave_began_at = None
        _note(db, "leave_ended", entry, at=at, by=by, name=db.get_one(Candidate, entry.candidate_id).name)


def answer_help(db: Session, entry: Entry, *, by: int, at: datetime) -> None:
    """Take a raised hand down."""
    if entry.help_asked_at is not None:
        entry.help_asked_at = None
        _note(db, "help_answered", entry, at=at, by=by, seat=db.get_one(Seat, entry.seat_id).number)


def _note(db: Session, event: str, entry: Entry, *, at: datetime, by: int, **details: object) -> None:
    journal.append(db, event, at=at, by=by, sitting_id=entry.sitting_id, entry_id=entry.id, **details)
