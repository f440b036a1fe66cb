"""What a deadline is made of, read from the store."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from station.domain.incident import ExtensionState
from station.domain.sitting import Times, deadline, interrupted_s
from station.store.models import Attempt, Entry, Extension, Interruption, Sitting, StationLife, Subject


def times_of(db: Session, attempt: Attempt) -> Times:
    """Gather start, duration, shift, granted extensions and closed interruptions of an attempt."""
    sitting, duration_min = db.execute(
        select(Sitting, Subject.duration_min)
        .join(Entry, Entry.sitting_id == Sitting.id)
        .join(Subject, Subject.id == Sitting.subject_id)
        .where(Entry.id == attempt.entry_id)
    ).one()
    assert sitting.started_at is not None, "an attempt exists only in a started sitting"
    extensions_s = db.scalar(
        select(func.coalesce(func.sum(Extension.seconds), 0)).where(
            Extension.attempt_id == attempt.id, Extension.state == ExtensionState.GRANTED
        )
    )
    closed = db.scalars(
        select(Interruption).where(
            Interruption.sitting_id == sitting.id,
            or_(Interruption.attempt_id.is_(None), Interruption.attempt_id == attempt.id),
            Interruption.ended_at.is_not(None),
        )
    )
    own_start = sitting.started_at + timedelta(seconds=attempt.shift_s)
    return Times(
        started_at=sitting.started_at,
        duration_s=duration_min * 60,
        shift_s=attempt.shift_s,
        extensions_s=int(extensions_s or 0),
        interruptions_s=interrupted_s(
            [(one.began_at, one.ended_at) for one in closed if one.ended_at is not None], since=own_start
        ),
    )


def closed_stretches(db: Session, sitting_id: int) -> list[tuple[datetime, datetime]]:
    """List when the whole sitting stood still and goes on again: outages, suspensions."""
    closed = db.execute(
        select(Interruption.began_at, Interruption.ended_at).where(
            Interruption.sitting_id == sitting_id,
            Interruption.attempt_id.is_(None),
            Interruption.ended_at.is_not(None),
        )
    )
    return [(began_at, ended_at) for began_at, ended_at in closed if ended_at is not None]


def unknown_stretches(db: Session) -> list[tuple[datetime, datetime]]:
    """Give the stretch of which a restored store knows nothing: who entered in it has to enter once more."""
    life = db.execute(
        select(StationLife.restored_from, StationLife.restored_to).where(StationLife.id == 1)
    ).one_or_none()
    if life is None or life.restored_from is None or life.restored_to is None:
        return []
    return [(life.restored_from, life.restored_to)]


def move_deadline(db: Session, attempt: Attempt) -> None:
    """Work out the deadline again after something that moves it has changed; the attempt is locked by then."""
    db.flush()
    attempt.deadline_at = deadline(times_of(db, attempt))
