"""What of the work folders is to be settled or known before a sitting is closed (R-END-1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.attempt import ENDED
from station.domain.work_folder import LAST_STATE_WITHIN
from station.store.models import Attempt, Candidate, Entry, Seat, WorkFolder, WorkVersion
from station.store.work_queries import work_answers


@dataclass(frozen=True)
class ClosingPoint:
    """Something to settle or to know before closing; `blocking` ones forbid it. `entry_id` None: the room."""

    code: str
    zh: str
    en: str
    blocking: bool
    entry_id: int | None = None


@dataclass(frozen=True)
class _Work:
    """An ended attempt and its work folder, if a PC held one."""

    entry_id: int
    name: str
    seat: str
    attempt: Attempt
    folder: WorkFolder | None


def work_points(db: Session, sitting_id: int, *, at: datetime) -> list[ClosingPoint]:
    """List whose last state is awaited or never came, whose required files are missing, and what came late."""
    rows = db.execute(
        select(Entry.id, Candidate.name, Seat.number, Attempt, WorkFolder)
        .join(Candidate, Candidate.id == Entry.candidate_id)
        .join(Seat, Seat.id == Entry.seat_id)
        .join(Attempt, Attempt.entry_id == Entry.id)
        .outerjoin(WorkFolder, WorkFolder.attempt_id == Attempt.id)
        .where(Entry.sitting_id == sitting_id, Attempt.state.in_(ENDED))
        .order_by(Entry.id)
    )
    works = [_Work(*row) for row in rows]
    points = [_last_state(one, at=at) for one in works] + [_missing(db, one) for one in works]
    points += [_late(db, one) for one in works]
    return [point for point in points if point is not None]


def _last_state(work: _Work, *, at: datetime) -> ClosingPoint | None:
    """The PC still owes its last state: wait for it, but not for ever (a dead PC sends none)."""
    folder, ended_at = work.folder, work.attempt.ended_at
    if folder is None or folder.device_id is None or folder.settled_at is not None or ended_at is None:
        return None
    left = ended_at + LAST_STATE_WITHIN - at
    if left.total_seconds() > 0:
        minutes = math.ceil(left.total_seconds() / 60)
        return ClosingPoint(
            "work_awaited",
            f"考位 {work.seat} {work.name} 的作品文件还在收取，请勿关机（最多再等 {minutes} 分钟）",
            f"Seat {work.seat} {work.name}: work files are still coming, leave the PC on (at most {minutes} min more)",
            True,
            work.entry_id,
        )
    return ClosingPoint(
        "work_not_settled",
        f"考位 {work.seat} {work.name} 的考试机没有确认作品文件已收齐，请先到该机查看，不要清空作品文件夹",
        f"Seat {work.seat} {work.name}: the PC has not confirmed that all work files came. Look at it, empty nothing",
        False,
        work.entry_id,
    )


def _missing(db: Session, work: _Work) -> ClosingPoint | None:
    """Name what a work folder lacks; without one an item for files is an answer like any other."""
    if work.folder is None:
        return None
    names = [one.wanted.name for one in work_answers(db, work.attempt) if one.is_missing]
    if not names:
        return None
    listed = "、".join(names)
    return ClosingPoint(
        "work_missing",
        f"考位 {work.seat} {work.name} 缺少应交文件：{listed}",
        f"Seat {work.seat} {work.name}: wanted files are missing: {listed}",
        False,
        work.entry_id,
    )


def _late(db: Session, work: _Work) -> ClosingPoint | None:
    if work.folder is None or not work.folder.late_count:
        return None
    late = select(WorkVersion.id).where(
        WorkVersion.attempt_id == work.attempt.id, WorkVersion.is_late, WorkVersion.accepted_by.is_(None)
    )
    count = len(db.scalars(late).all())
    if not count:
        return None
    return ClosingPoint(
        "late_work",
        f"{work.name} 有 {count} 个作品文件版本在截止后到达，未采纳，已随包上报",
        f"{count} late versions of work files of {work.name} are kept and not counted",
        False,
        work.entry_id,
    )
