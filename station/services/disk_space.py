"""Whether the disk has room for what is still to come: read the budget, hold the gate, note what happened.

How much is free is measured at the edges and comes in as a `Disk`. Only the disk of the data folder is judged. With
PostgreSQL or SQL Server the answers lie with the database, perhaps on another disk: the budget then asks for more
here than is needed, and that other disk is for its own administrator to watch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from station.domain.disk_budget import (
    DISK_SHORT,
    DISK_TIGHT,
    UNKNOWN_LOAD,
    Budget,
    Limits,
    Load,
    Need,
    Space,
    budget_text,
    load_of,
    need_of,
    size_text,
    total_of,
)
from station.domain.paper import parse_paper
from station.domain.sitting import SittingKind, SittingState
from station.errors import Refused
from station.services import journal
from station.store.models import (
    Attempt,
    Entry,
    JournalEntry,
    Paper,
    ResultPackage,
    Sitting,
    Subject,
    Upload,
    WorkContent,
)

ACCEPTED = "disk_tight_accepted"
_OVER = frozenset({SittingState.CLOSED, SittingState.DELIVERED})
_loads: dict[tuple[str, int], Load] = {}


class Disk(NamedTuple):
    """The data folder's disk, measured. `free`: what answers can use, the ballast included."""

    free: int
    folder: str
    limits: Limits


class Noted(NamedTuple):
    """Something that the watch saw and the journal should know."""

    event: str
    details: dict[str, Any]


def read_budget(db: Session, limits: Limits) -> Budget:
    """Add up what every sitting that is not yet delivered still needs on this station."""
    return Budget(
        need=total_of(_needs(db)),
        log=limits.log,
        reserve=limits.floor + limits.ballast,
    )


def say_budget(db: Session, disk: Disk) -> tuple[str, str, Space]:
    """Say in Chinese and English what this server may need and what is free, and judge it (shown at import)."""
    budget = read_budget(db, disk.limits)
    return *budget_text(budget, disk.free), budget.space(disk.free)


def check_room_on_disk(db: Session, sitting_id: int, *, disk: Disk) -> None:
    """Refuse a start for which the disk has no room. The one gate: room sealing (封场) is to ask it, too.

    1. Less than the answers of all sittings to come may need: refused; nobody can override that, as the room would
       stand still in the middle.
    2. Less than answers, files, packages, log and reserve: refused until the chief examiner has confirmed it for
       this sitting (`accept_tight_disk`), as a room that may not start is a failure, too.
    """
    budget = read_budget(db, disk.limits)
    space = budget.space(disk.free)
    if space is Space.SHORT:
        raise _too_short(budget, disk)
    if space is Space.TIGHT and not is_accepted(db, sitting_id):
        raise Refused(DISK_TIGHT, full=size_text(budget.full), free=size_text(disk.free))


def accept_tight_disk(db: Session, sitting_id: int, *, disk: Disk, by: int, at: datetime) -> None:
    """Confirm that a sitting may start although files or packages may not fit. Nothing happens where all fits."""
    budget = read_budget(db, disk.limits)
    space = budget.space(disk.free)
    if space is Space.SHORT:
        raise _too_short(budget, disk)
    if space is Space.TIGHT and not is_accepted(db, sitting_id):
        journal.append(
            db, ACCEPTED, at=at, by=by, sitting_id=sitting_id, full=size_text(budget.full), free=size_text(disk.free)
        )


def is_accepted(db: Session, sitting_id: int) -> bool:
    """Say whether the chief examiner has confirmed the tight disk for this sitting."""
    found = select(JournalEntry.number).where(JournalEntry.sitting_id == sitting_id, JournalEntry.event == ACCEPTED)
    return db.scalars(found.limit(1)).first() is not None


def note_disk(db: Session, noted: Iterable[Noted], at: datetime) -> None:
    """Put what the watch saw into the journal."""
    for event, details in noted:
        journal.append(db, event, at=at, **details)


def _too_short(budget: Budget, disk: Disk) -> Refused:
    return Refused(DISK_SHORT, minimum=size_text(budget.minimum), free=size_text(disk.free), folder=disk.folder)


def _needs(db: Session) -> list[Need]:
    """Compute every sitting's need; one with a package that is built, or delivered, needs nothing more here."""
    entries = _counted(db, select(Entry.sitting_id, func.count()).group_by(Entry.sitting_id))
    revisions = _counted(
        db,
        select(Entry.sitting_id, func.sum(Attempt.revision_count))
        .join(Attempt, Attempt.entry_id == Entry.id)
        .group_by(Entry.sitting_id),
    )
    files = _counted(
        db,
        select(Entry.sitting_id, func.sum(Upload.size))
        .join(Attempt, Attempt.entry_id == Entry.id)
        .join(Upload, Upload.attempt_id == Attempt.id)
        .group_by(Entry.sitting_id),
    )
    work = _counted(
        db,
        select(Entry.sitting_id, func.sum(WorkContent.size))
        .join(Attempt, Attempt.entry_id == Entry.id)
        .join(WorkContent, WorkContent.attempt_id == Attempt.id)
        .where(WorkContent.completed_at.is_not(None))
        .group_by(Entry.sitting_id),
    )
    packed = set(db.scalars(select(ResultPackage.sitting_id).where(ResultPackage.sha256 != "")))
    sittings = db.execute(
        select(Sitting.id, Sitting.state, Subject.duration_min, Paper.id.label("paper_id"), Paper.sha256)
        .join(Subject, Subject.id == Sitting.subject_id)
        .outerjoin(Paper, Paper.id == Sitting.paper_id)
        .where(Sitting.state != SittingState.DELIVERED, Sitting.kind == SittingKind.REAL)
    )
    return [
        need_of(
            _load(db, one.paper_id, one.sha256, one.duration_min),
            entries=entries.get(one.id, 0),
            revisions=revisions.get(one.id, 0),
            file_bytes=files.get(one.id, 0) + work.get(one.id, 0),
            is_over=one.state in _OVER,
        )
        for one in sittings
        if one.id not in packed
    ]


def _counted(db: Session, statement: Select[int, int]) -> dict[int, int]:
    return {row[0]: int(row[1] or 0) for row in db.execute(statement)}


def _load(db: Session, paper_id: int | None, sha256: str | None, duration_min: int) -> Load:
    """Give the load of a paper; remembered, as papers are large and never change under their hash."""
    if paper_id is None or sha256 is None:
        return UNKNOWN_LOAD
    known = _loads.get((sha256, duration_min))
    if known is None:
        document = db.scalars(select(Paper.document).where(Paper.id == paper_id)).one()
        known = _loads[sha256, duration_min] = load_of(parse_paper(json.loads(document)), duration_min=duration_min)
    return known
