"""What the station measured of its outages, and whether every deadline follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.domain.incident import ExtensionState
from station.domain.sitting import interrupted_s
from station.rehearsal.ground import Ground
from station.store.models import Attempt, Extension, Interruption

# `alive_at` is written each second; so much more a busy machine may need for it.
RESOLUTION_S = 2.0
# Deadlines are kept in whole milliseconds.
_ROUNDING = timedelta(milliseconds=5)

Stretch = tuple[datetime, datetime]


def closed_interruptions(db: Session) -> list[Stretch]:
    """List the interruptions of the whole sitting that have ended, in order."""
    rows = db.execute(
        select(Interruption.began_at, Interruption.ended_at)
        .where(Interruption.attempt_id.is_(None))
        .order_by(Interruption.began_at)
    )
    return [(began_at, ended_at) for began_at, ended_at in rows if ended_at is not None]


def check_deadlines(db: Session, ground: Ground, *, minutes: int) -> list[str]:
    """Every deadline is start + duration + own extensions + outages until the attempt's end: no second more or less."""
    stretches = closed_interruptions(db)
    extended = {
        attempt_id: int(seconds)
        for attempt_id, seconds in db.execute(
            select(Extension.attempt_id, func.sum(Extension.seconds))
            .where(Extension.state == ExtensionState.GRANTED)
            .group_by(Extension.attempt_id)
        )
    }
    moved = []
    for row in db.execute(select(Attempt.id, Attempt.deadline_at, Attempt.ended_at)):
        own = _before(stretches, row.ended_at)
        seconds = interrupted_s(own, since=ground.started_at) + extended.get(row.id, 0)
        expected = ground.started_at + timedelta(minutes=minutes, seconds=seconds)
        if abs(row.deadline_at - expected) > _ROUNDING:
            moved.append((row.deadline_at - expected).total_seconds())
    if not moved:
        return []
    worst = max(moved, key=abs)
    return [
        f"{len(moved)} 名考生的截止时间与应有的不符，最多差 {worst:+.1f} 秒。 "
        f"{len(moved)} deadlines are not start + duration + what was given, by up to {worst:+.1f} s."
    ]


def _before(stretches: Sequence[Stretch], ended_at: datetime | None) -> list[Stretch]:
    return [one for one in stretches if ended_at is None or one[1] <= ended_at]
