"""Read one room's machines, their last checks and its seal: a fixed number of queries, whatever the room holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from station.domain.sitting import SittingKind
from station.store.models import (
    Device,
    DeviceCommand,
    Entry,
    Plan,
    ReadinessReport,
    Room,
    RoomSeal,
    SealBreak,
    Seat,
    Sitting,
    Subject,
    Workstation,
)
from station.store.queries import seat_order

CHECK = "check"


class PcReading(NamedTuple):
    """One seat, the PC with an agent that stands there, and the last check of that PC; None where there is none.

    `doubt`: the technician has yet to confirm that it is the PC of before. `has_link`: how many workstations stand
    there by the seat's link, 1 or 0. `asked_at`: a check was asked of the PC, `answered_at`: it said that it did it
    (`is_answer_ok`).
    """

    seat_id: int
    number: str
    is_spare: bool
    device_id: int | None
    device_name: str | None
    machine_id: str | None
    doubt: str | None
    has_link: int
    state: str | None
    faults: str | None
    fingerprint: str | None
    requirements: str | None
    reported_at: datetime | None
    asked_at: datetime | None
    answered_at: datetime | None
    is_answer_ok: bool | None


class MachineReading(NamedTuple):
    """The last check of a machine that is no candidate PC."""

    machine: str
    role: str
    state: str
    faults: str
    requirements: str
    reported_at: datetime


class SealReading(NamedTuple):
    """The seal in force and what has changed since."""

    seal: RoomSeal
    breaks: Sequence[SealBreak]

    @property
    def open_breaks(self) -> list[SealBreak]:
        return [one for one in self.breaks if one.accepted_at is None]


def list_rooms(db: Session) -> list[Room]:
    """List the rooms in the order in which they were imported: 第二 comes after 第一, and before 第三."""
    return list(db.scalars(select(Room).where(Room.is_rehearsal.is_(False)).order_by(Room.id)))


def read_pcs(db: Session, room_id: int) -> list[PcReading]:
    """Read every seat of a room in seat order, spares last."""
    # A number, not EXISTS: SQL Server knows no truth value among what is selected.
    linked = (
        select(func.count())
        .select_from(Workstation)
        .where(Workstation.seat_id == Seat.id, Workstation.replaced_at.is_(None))
        .scalar_subquery()
    )
    rows = db.execute(
        select(
            Seat.id,
            Seat.number,
            Seat.is_spare,
            Device.id,
            Device.name,
            Device.machine_id,
            Device.doubt,
            linked,
            ReadinessReport.state,
            ReadinessReport.faults,
            ReadinessReport.fingerprint,
            ReadinessReport.requirements,
            ReadinessReport.reported_at,
        )
        .outerjoin(Device, and_(Device.seat_id == Seat.id, Device.ended_at.is_(None)))
        .outerjoin(ReadinessReport, ReadinessReport.device_id == Device.id)
        .where(Seat.room_id == room_id)
    )
    asked = _asked(db, room_id)
    found = [PcReading._make([*row, None, None, None]) for row in rows]
    found = [one._replace(**asked[one.device_id]) if one.device_id in asked else one for one in found]
    return sorted(found, key=lambda one: seat_order(one.number, is_spare=one.is_spare))


def read_machines(db: Session) -> list[MachineReading]:
    """Read the last checks of the server and of the invigilator PCs; the server first."""
    rows = db.execute(
        select(
            ReadinessReport.machine,
            ReadinessReport.role,
            ReadinessReport.state,
            ReadinessReport.faults,
            ReadinessReport.requirements,
            ReadinessReport.reported_at,
        ).where(ReadinessReport.device_id.is_(None))
    )
    return sorted((MachineReading(*row) for row in rows), key=lambda one: (one.role != "server", one.machine))


def plans_of_room(db: Session, room_id: int) -> list[tuple[Plan, str, str]]:
    """List (plan, certificate code, level) of what is held in a room and not over."""
    rows = db.execute(
        select(Plan, Subject.certificate_code, Subject.level)
        .join(Subject, Subject.plan_id == Plan.id)
        .join(Sitting, Sitting.subject_id == Subject.id)
        .where(Sitting.room_id == room_id, Sitting.kind == SittingKind.REAL)
        .distinct()
    )
    return [(plan, code, level) for plan, code, level in rows]


def read_seal(db: Session, room_id: int) -> SealReading | None:
    """Read the seal in force; None where the room is not sealed."""
    query = select(RoomSeal).where(RoomSeal.room_id == room_id, RoomSeal.ended_at.is_(None))
    seal = db.scalars(query.order_by(RoomSeal.id.desc()).limit(1)).one_or_none()
    if seal is None:
        return None
    breaks = db.scalars(select(SealBreak).where(SealBreak.seal_id == seal.id).order_by(SealBreak.id))
    return SealReading(seal, list(breaks))


def count_roster(db: Session, room_id: int) -> dict[int, int]:
    """Count the entries of each real sitting of a room."""
    rows = db.execute(
        select(Sitting.id, func.count(Entry.id))
        .outerjoin(Entry, Entry.sitting_id == Sitting.id)
        .where(Sitting.room_id == room_id, Sitting.kind == SittingKind.REAL)
        .group_by(Sitting.id)
    )
    return {row[0]: row[1] for row in rows}


def _asked(db: Session, room_id: int) -> dict[int, dict[str, Any]]:
    """Give when each PC was last asked to check itself, and what it answered, by device."""
    last = (
        select(func.max(DeviceCommand.id))
        .join(Device, Device.id == DeviceCommand.device_id)
        .join(Seat, Seat.id == Device.seat_id)
        .where(Seat.room_id == room_id, DeviceCommand.kind == CHECK)
        .group_by(DeviceCommand.device_id)
    )
    rows = db.scalars(select(DeviceCommand).where(DeviceCommand.id.in_(last)))
    return {
        one.device_id: {"asked_at": one.given_at, "answered_at": one.done_at, "is_answer_ok": one.is_ok} for one in rows
    }
