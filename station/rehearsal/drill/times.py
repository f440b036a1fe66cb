"""What the station measured of its outages, and whether every deadline follows from it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

import psutil
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.domain.incident import ExtensionState
from station.domain.sitting import interrupted_s
from station.rehearsal.ground import Ground
from station.store.models import Attempt, Extension, Interruption

# What a restart may take until saves are acknowledged again.
SERVING_WITHIN_S = 5.0
# From so many programs a core on (`machine_load`), times are told and not judged.
BUSY = 2.5
# `alive_at` is written each second; so much more a busy machine may need for it.
RESOLUTION_S = 2.0
# Deadlines are kept in whole milliseconds.
_ROUNDING = timedelta(milliseconds=5)

Stretch = tuple[datetime, datetime]


def machine_load() -> float:
    """Say how many programs have wanted each core during the last minute; the drill itself makes about 1."""
    return psutil.getloadavg()[0] / (os.cpu_count() or 1)


def check_recoveries(seconds: Sequence[float], *, patience: float = 1.0) -> list[str]:
    """Serving again within 5 s: most restarts must be. A single slow one may be the machine's; the worst is told.

    Not judged while the machine is busy with something else: then the figure says nothing about the station.
    """
    slow = [one for one in seconds if one > SERVING_WITHIN_S * patience]
    if median(seconds) <= SERVING_WITHIN_S * patience or machine_load() > BUSY:
        return []
    return [
        f"{len(seconds)} 次恢复中 {len(slow)} 次超过 {SERVING_WITHIN_S:.0f} 秒，最长 {max(seconds):.1f} 秒。 "
        f"{len(slow)} of {len(seconds)} restarts took more than {SERVING_WITHIN_S:.0f} s to serve again."
    ]


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
