"""What a deadline is made of, read from the store."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

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


def stood_still(db: Session, sitting_id: int, *, since: datetime) -> int:
    """Say for how many begun seconds the whole sitting has stood still since a moment: outages, suspensions.

    So does the stretch of which a restored store knows nothing count: who entered in it has to enter once more.
    """
    closed = db.scalars(
        select(Interruption).where(
            Interruption.sitting_id == sitting_id,
            Interruption.attempt_id.is_(None),
            Interruption.ended_at.is_not(None),
        )
    )
    spans = [(one.began_at, one.ended_at) for one in closed if one.ended_at]
    life = db.get(StationLife, 1)
    if life is not None and life.restored_from is not None and life.restored_to is not None:
        spans.append((life.restored_from, life.restored_to))
    return ceil(interrupted_s(spans, since=since))


def move_deadline(db: Session, attempt: Attempt) -> None:
    """Work out the deadline again after something that moves it has changed; the attempt is locked by then."""
    db.flush()
    attempt.deadline_at = deadline(times_of(db, attempt))
