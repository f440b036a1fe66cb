"""Which PC may say something of a work folder: the one its candidate sits at, and for a while the one they left."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.work_folder import may_still_bring
from station.errors import Missing, Refused, problem
from station.store.models import Attempt, Candidate, Entry, Seat, SeatMove, WorkVersion
from station.store.work_queries import versions_of

FOLDER_UNKNOWN = problem(
    "folder_unknown",
    "本机所在考位没有这个作品文件夹。",
    "The seat of this PC has no such work folder.",
)
FOLDER_LEFT = problem(
    "folder_left",
    "考生 {name} 已换到 {seat} 号考位超过 30 分钟，服务器不再接收本机上的作品文件。",
    "{name} moved to seat {seat} more than 30 minutes ago: work files of this PC are taken no more.",
)


def attempt_at_seat(db: Session, attempt_id: int, seat_id: int | None) -> tuple[Attempt, Entry]:
    """Find the attempt of a candidate who is placed at this seat; any other is as unknown as none."""
    found = db.execute(
        select(Attempt, Entry)
        .join(Entry, Entry.id == Attempt.entry_id)
        .where(Attempt.id == attempt_id, Entry.seat_id == seat_id)
    ).one_or_none()
    if seat_id is None or found is None:
        raise Missing(FOLDER_UNKNOWN)
    return found


def attempt_of_pc(
    db: Session, attempt_id: int, *, device_id: int, seat_id: int | None
) -> tuple[Attempt, Entry, datetime | None]:
    """Find the attempt whose folder this PC holds, and when its candidate left this PC; None: they sit here.

    A PC is one that was left if it stands at the old seat of a move, or has brought versions before it.
    """
    try:
        return *attempt_at_seat(db, attempt_id, seat_id), None
    except Missing:
        left = _left_at(db, attempt_id, device_id, seat_id)
        if left is None:
            raise
        return left


def check_may_bring(db: Session, entry: Entry, moved_at: datetime | None, *, at: datetime) -> None:
    """Refuse what a PC brings long after its candidate has left it."""
    if moved_at is not None and not may_still_bring(moved_at, at):
        name, seat = db.get_one(Candidate, entry.candidate_id).name, db.get_one(Seat, entry.seat_id).number
        raise Refused(FOLDER_LEFT, name=name, seat=seat)


def missing_of(db: Session, attempt: Attempt, files: Iterable[tuple[str, str]]) -> list[str]:
    """Say which files of a PC that its candidate has left the station has in no version; notes nothing."""
    here = {path: {row.sha256 for row in rows} for path, rows in versions_of(db, attempt.id).items()}
    return [path for path, sha256 in files if sha256 not in here.get(path, ())]


def _left_at(
    db: Session, attempt_id: int, device_id: int, seat_id: int | None
) -> tuple[Attempt, Entry, datetime] | None:
    rows = db.execute(
        select(Attempt, Entry, SeatMove)
        .join(Entry, Entry.id == Attempt.entry_id)
        .join(SeatMove, SeatMove.entry_id == Entry.id)
        .where(Attempt.id == attempt_id)
        .order_by(SeatMove.id.desc())
    ).all()
    from_here = [row for row in rows if seat_id is not None and row[2].old_seat_id == seat_id]
    brought = select(WorkVersion.id).where(WorkVersion.attempt_id == attempt_id, WorkVersion.device_id == device_id)
    if not from_here and (not rows or db.scalars(brought.limit(1)).first() is None):
        return None
    attempt, entry, move = (from_here or rows)[0]
    return attempt, entry, move.moved_at
