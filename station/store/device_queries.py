"""Read side for the PCs with an agent: who sends a token, and where the PC stands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from station.store.device_freedom import is_freed_by_code
from station.store.models import Device, DeviceCommand, Room, Seat


def seat_number_of(db: Session, device: Device) -> str:
    """Say a device's seat number, '' without one."""
    return db.get_one(Seat, device.seat_id).number if device.seat_id is not None else ""


@dataclass(frozen=True)
class KnownDevice:
    """A living device; `seat_id` and what follows None or '' until the technician gives it a seat."""

    id: int
    token_hash: str
    name: str
    system: str
    version: str
    capabilities: frozenset[str]
    seat_id: int | None
    seat_number: str
    is_spare: bool
    room_id: int | None
    room_name: str
    screen_text: str
    screen_since: datetime | None
    freed_sitting_id: int | None
    is_freed_by_code: bool
    freed_at: datetime | None
    freed_code: str
    is_freed_seen: bool
    doubt: str

    @property
    def seat(self) -> dict[str, object] | None:
        """Say the seat as PROTOCOL.md writes it."""
        if self.seat_id is None:
            return None
        return {"id": self.seat_id, "number": self.seat_number, "room": self.room_name, "is_spare": self.is_spare}


def device_by_token(db: Session, hashed: str) -> KnownDevice | None:
    """Find the living device whose token has this hash."""
    row = db.execute(_living().where(Device.token_hash == hashed)).one_or_none()
    return None if row is None else _known(*row)


def device_by_id(db: Session, device_id: int) -> KnownDevice | None:
    """Find a living device."""
    row = db.execute(_living().where(Device.id == device_id)).one_or_none()
    return None if row is None else _known(*row)


def living_devices(db: Session) -> list[KnownDevice]:
    """List every device that is registered now."""
    return [_known(*row) for row in db.execute(_living().order_by(Device.id))]


def last_commands(db: Session) -> dict[int, list[DeviceCommand]]:
    """List by device what waits to be done, and the newest of each kind that was done."""
    newest = select(func.max(DeviceCommand.id)).group_by(DeviceCommand.device_id, DeviceCommand.kind)
    rows = db.scalars(
        select(DeviceCommand)
        .where(or_(DeviceCommand.done_at.is_(None), DeviceCommand.id.in_(newest)))
        .order_by(DeviceCommand.id.desc())
    )
    found: dict[int, list[DeviceCommand]] = {}
    for row in rows:
        found.setdefault(row.device_id, []).append(row)
    return found


def _living() -> Select[*tuple[Any, ...]]:
    return (
        select(Device, Seat, Room)
        .outerjoin(Seat, Seat.id == Device.seat_id)
        .outerjoin(Room, Room.id == Seat.room_id)
        .where(Device.ended_at.is_(None))
    )


def _known(device: Device, seat: Seat | None, room: Room | None) -> KnownDevice:
    return KnownDevice(
        id=device.id,
        token_hash=device.token_hash,
        name=device.name,
        system=device.system,
        version=device.version,
        capabilities=frozenset(json.loads(device.capabilities)),
        seat_id=None if seat is None else seat.id,
        seat_number="" if seat is None else seat.number,
        is_spare=seat is not None and seat.is_spare,
        room_id=None if room is None else room.id,
        room_name="" if room is None else room.name,
        screen_text=device.screen_text,
        screen_since=device.screen_since,
        freed_sitting_id=device.freed_sitting_id,
        is_freed_by_code=is_freed_by_code(device),
        freed_at=device.freed_at,
        freed_code=device.freed_code,
        is_freed_seen=device.freed_seen_by is not None,
        doubt=device.doubt,
    )
