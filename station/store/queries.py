"""Read side for the lists of the staff app: few queries, no writing, no rules."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from station.domain.sitting import SittingKind
from station.store.models import (
    Attempt,
    Entry,
    Paper,
    Plan,
    ResultPackage,
    Room,
    Seat,
    Sitting,
    Staff,
    Subject,
    Workstation,
)


class SittingReading(NamedTuple):
    """A sitting with what stands around it."""

    sitting: Sitting
    subject: Subject
    room: Room
    paper_code: str | None
    paper_title: str | None
    item_count: int | None


def list_sittings(db: Session) -> list[SittingReading]:
    """List every real sitting in planned order; trials and rehearsals never."""
    real = sittings_joined().where(Sitting.kind == SittingKind.REAL)
    found = db.execute(real.order_by(Sitting.planned_start_at, Sitting.id))
    return [SittingReading._make(row) for row in found]


def count_entries(db: Session) -> dict[int, dict[str, int]]:
    """Count per sitting: 'expected' for all entries, each attendance, and each state of an attempt."""
    rows = db.execute(
        select(Entry.sitting_id, Entry.attendance, Attempt.state, func.count().label("number"))
        .outerjoin(Attempt, Attempt.entry_id == Entry.id)
        .group_by(Entry.sitting_id, Entry.attendance, Attempt.state)
    )
    counts: dict[int, dict[str, int]] = {}
    for row in rows:
        sitting = counts.setdefault(row.sitting_id, {"expected": 0, "absent": 0, "late": 0})
        sitting["expected"] += row.number
        if row.attendance in {"absent", "late"}:
            sitting[row.attendance] += row.number
        if row.state is not None:
            sitting[row.state] = sitting.get(row.state, 0) + row.number
    return counts


class SeatLink(NamedTuple):
    """A seat of a room and the PC that has opened its link, if one has."""

    seat: Seat
    room_name: str
    address: str | None
    opened_at: datetime | None


def list_seats(db: Session) -> list[SeatLink]:
    """List every seat of the real rooms with its workstation, in room and seat order, spares last."""
    rows = db.execute(
        select(Seat, Room.name, Workstation.address, Workstation.opened_at)
        .join(Room, Room.id == Seat.room_id)
        .outerjoin(Workstation, and_(Workstation.seat_id == Seat.id, Workstation.replaced_at.is_(None)))
        .where(Room.is_rehearsal.is_(False))
    )
    found = [SeatLink._make(row) for row in rows]
    return sorted(found, key=lambda one: (one.room_name, *seat_order(one.seat.number, is_spare=one.seat.is_spare)))


def list_packages(db: Session, sitting_id: int | None = None) -> list[ResultPackage]:
    """List outgoing packages, of one sitting or all, in the order in which they were built."""
    query = select(ResultPackage).order_by(ResultPackage.id)
    if sitting_id is not None:
        query = query.where(ResultPackage.sitting_id == sitting_id)
    return list(db.scalars(query))


def list_staff(db: Session) -> list[Staff]:
    """List every account by role and user name."""
    return list(db.scalars(select(Staff).order_by(Staff.role, Staff.username)))


def list_plans(db: Session) -> list[Plan]:
    """List the exam plans that have been imported."""
    return list(db.scalars(select(Plan).where(Plan.is_practice.is_(False)).order_by(Plan.imported_at, Plan.id)))


def seat_order(number: str, *, is_spare: bool = False) -> tuple[bool, int, str]:
    """Order seats as people count them: 2 before 10, spares last, whatever is written around the digits."""
    digits = re.search(r"\d+", number)
    return is_spare, int(digits.group()) if digits else 0, number


def sittings_joined() -> Select[*tuple[Any, ...]]:
    """Select sittings in the columns of a `SittingReading`."""
    return (
        select(Sitting, Subject, Room, Paper.code, Paper.title, Paper.item_count)
        .join(Subject, Subject.id == Sitting.subject_id)
        .join(Room, Room.id == Sitting.room_id)
        .outerjoin(Paper, Paper.id == Sitting.paper_id)
    )
