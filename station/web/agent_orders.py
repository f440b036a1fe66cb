"""Compose the orders of every PC in one go: what is held, who sits there, its work folder, its codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.agent_orders import Decided, SeatedEntry, entry_here, orders_for
from station.domain.requirements import digest_of
from station.services import room_check, work_folders
from station.services.room_check import Machine
from station.store.device_queries import KnownDevice
from station.store.models import Attempt, Entry, Sitting, WorkFolder
from station.store.orders_reading import Command, RoomNow, read_codes, read_commands, read_rooms
from station.store.work_queries import work_plan


@dataclass(frozen=True)
class Situation:
    """What all PCs shall be now, by device id, and what their rooms hold."""

    orders: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    commands: Mapping[int, Sequence[Command]] = field(default_factory=dict)
    rooms: Mapping[int, RoomNow] = field(default_factory=dict)

    def held_sittings(self, device: KnownDevice) -> list[int]:
        """Name the sittings that the device's room holds, its own entry's first."""
        room = self.rooms.get(device.room_id or 0)
        if room is None or device.seat_id is None:
            return []
        entry = entry_here(room.sittings, room.entries.get(device.seat_id, ()))
        ids = [one.id for one in room.sittings]
        return sorted(ids, key=lambda one: entry is None or one != entry.sitting_id)


def compose(db: Session, devices: Sequence[KnownDevice], at: datetime) -> Situation:
    """Read everything in a fixed number of queries and give each device its orders."""
    rooms, codes = read_rooms(db), read_codes(db, at)
    folders = _folders(db, [device.seat_id for device in devices if device.seat_id is not None])
    digests = {room_id: _requirements(db, room_id) for room_id in {one.room_id for one in devices} if room_id}
    orders = {}
    for device in devices:
        room = rooms.get(device.room_id or 0, RoomNow())
        entries = room.entries.get(device.seat_id, ()) if device.seat_id is not None else ()
        here = entry_here(room.sittings, entries)
        orders[device.id] = orders_for(
            device.seat,
            room.sittings,
            entries,
            Decided(device.screen_text, device.screen_since, device.freed_sitting_id),
            work=_work(db, here, folders.get(device.seat_id or 0, ())),
            unlock_codes=codes.get(device.id, ()),
            requirements=digests.get(device.room_id or 0, ""),
        )
    return Situation(orders, read_commands(db), rooms)


@dataclass(frozen=True)
class _Folder:
    attempt_id: int
    state: str
    refresh: int


def _folders(db: Session, seat_ids: Sequence[int]) -> dict[int, list[_Folder]]:
    """List the work folders of each seat, newest first."""
    rows = db.execute(
        select(Entry.seat_id, WorkFolder.refresh, Attempt, Entry, Sitting.state)
        .join(Attempt, Attempt.id == WorkFolder.attempt_id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .join(Sitting, Sitting.id == Entry.sitting_id)
        .where(Entry.seat_id.in_(seat_ids))
        .order_by(WorkFolder.opened_at.desc(), WorkFolder.attempt_id.desc())
    )
    found: dict[int, list[_Folder]] = {}
    for seat_id, refresh, attempt, entry, state in rows:
        is_done = state == "delivered" and work_folders.may_be_emptied(db, attempt, entry)
        found.setdefault(seat_id, []).append(_Folder(attempt.id, "emptied" if is_done else attempt.state, refresh))
    return found


def _work(db: Session, here: SeatedEntry | None, folders: Sequence[_Folder]) -> dict[str, object] | None:
    """Point to the folder of who sits here, else to the last one made here, until it may be emptied and after."""
    if here is not None and here.attempt_id is not None:
        known = next((one for one in folders if one.attempt_id == here.attempt_id), None)
        if known is None:
            paper_id = db.scalars(select(Attempt.paper_id).where(Attempt.id == here.attempt_id)).one()
            if work_plan(db, paper_id).folders:
                return {"attempt_id": here.attempt_id, "state": here.attempt_state, "refresh": 0}
            known = folders[0] if folders else None
    else:
        known = folders[0] if folders else None
    return None if known is None else {"attempt_id": known.attempt_id, "state": known.state, "refresh": known.refresh}


def _requirements(db: Session, room_id: int) -> str:
    """Name what is wanted of the room's PCs."""
    return digest_of(room_check.items_for(db, Machine.pc(0, seat_number="", room_id=room_id)))
