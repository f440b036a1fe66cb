"""Compose the orders of every PC in one go: what is held, who sits there, its work folder, its codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.agent_orders import Decided, SeatedEntry, entry_here, orders_for
from station.domain.requirements import digest_of
from station.domain.sitting import SittingState
from station.domain.work_folder import MOVED_STATE, MOVED_WITHIN
from station.services import room_check, work_folders
from station.services.room_check import Machine
from station.store.device_queries import KnownDevice
from station.store.models import Attempt, Entry, SeatMove, Sitting, WorkFolder
from station.store.orders_reading import Command, RoomNow, read_codes, read_commands, read_rooms, read_used_codes
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

    def is_freed(self, device: KnownDevice) -> bool:
        """Say whether staff or a code have freed the device for what it serves now."""
        return device.freed_sitting_id is not None and device.freed_sitting_id in self.held_sittings(device)[:1]


def compose(db: Session, devices: Sequence[KnownDevice], at: datetime) -> Situation:
    """Read everything in a fixed number of queries and give each device its orders."""
    rooms, codes, used = read_rooms(db), read_codes(db, at), read_used_codes(db)
    left = _left(db, [device.seat_id for device in devices if device.seat_id is not None], at)
    folders = _folders(db, [device.seat_id for device in devices if device.seat_id is not None])
    digests = {room_id: _requirements(db, room_id) for room_id in {one.room_id for one in devices} if room_id}
    wants = cache(lambda paper_id: bool(work_plan(db, paper_id).folders))
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
            work=_work(db, here, folders.get(device.seat_id or 0, ()), wants, left=left.get(device.seat_id or 0)),
            unlock_codes=codes.get(device.id, ()),
            used_codes=used.get(device.id, ()),
            requirements=digests.get(device.room_id or 0, ""),
        )
    return Situation(orders, read_commands(db), rooms)


class _Folder(NamedTuple):
    attempt_id: int
    state: str
    refresh: int
    is_delivered: bool


def _folders(db: Session, seat_ids: Sequence[int]) -> dict[int, list[_Folder]]:
    """List the work folders of each seat, newest first; those of earlier days are among them."""
    rows = db.execute(
        select(Entry.seat_id, WorkFolder.attempt_id, Attempt.state, WorkFolder.refresh, Sitting.state)
        .join(Attempt, Attempt.id == WorkFolder.attempt_id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .join(Sitting, Sitting.id == Entry.sitting_id)
        .where(Entry.seat_id.in_(seat_ids))
        .order_by(WorkFolder.opened_at.desc(), WorkFolder.attempt_id.desc())
    )
    found: dict[int, list[_Folder]] = {}
    for seat_id, attempt_id, state, refresh, of_sitting in rows:
        is_delivered = of_sitting == SittingState.DELIVERED
        found.setdefault(seat_id, []).append(_Folder(attempt_id, state, refresh, is_delivered))
    return found


def _left(db: Session, seat_ids: Sequence[int], at: datetime) -> dict[int, int]:
    """Name the attempt that was moved away from each seat not long ago, where a PC held its folder."""
    rows = db.execute(
        select(SeatMove.old_seat_id, WorkFolder.attempt_id)
        .join(Entry, Entry.id == SeatMove.entry_id)
        .join(Attempt, Attempt.entry_id == Entry.id)
        .join(WorkFolder, WorkFolder.attempt_id == Attempt.id)
        .where(
            SeatMove.old_seat_id.in_(seat_ids),
            SeatMove.moved_at > at - MOVED_WITHIN,
            Entry.seat_id != SeatMove.old_seat_id,
        )
        .order_by(SeatMove.id)
    )
    return {row.old_seat_id: row.attempt_id for row in rows}


def _work(
    db: Session,
    here: SeatedEntry | None,
    folders: Sequence[_Folder],
    wants: Callable[[int], bool],
    *,
    left: int | None,
) -> dict[str, object] | None:
    """Point to the folder of who sits here if their paper wants one, else to one that was left, or the last made here.

    It stays pointed to when it may be emptied, so that a PC that was off learns of it.
    """
    if here is not None and here.attempt_id is not None:
        known = next((one for one in folders if one.attempt_id == here.attempt_id), None)
        if known is not None:
            return _pointer(db, known)
        if here.paper_id is not None and wants(here.paper_id):
            return {"attempt_id": here.attempt_id, "state": here.attempt_state, "refresh": 0}
    if left is not None:
        return {"attempt_id": left, "state": MOVED_STATE, "refresh": 0}
    return _pointer(db, folders[0]) if folders else None


def _pointer(db: Session, folder: _Folder) -> dict[str, object]:
    state = folder.state
    if folder.is_delivered:
        attempt = db.get_one(Attempt, folder.attempt_id)
        if work_folders.may_be_emptied(db, attempt, db.get_one(Entry, attempt.entry_id)):
            state = "emptied"
    return {"attempt_id": folder.attempt_id, "state": state, "refresh": folder.refresh}


def _requirements(db: Session, room_id: int) -> str:
    """Name what is wanted of the room's PCs."""
    return digest_of(room_check.items_for(db, Machine.pc(0, seat_number="", room_id=room_id)))
