"""Seal a room in a test: what staff would enter, and what stands afterwards."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from station.domain.sealing import TICKS, TRIAL_TICK, Point
from station.errors import StationError
from station.services import journal, room_sealing, seal_points
from station.services.room_sealing import SealOrder
from station.services.seal_points import Facts
from station.store.models import JournalEntry
from station.store.room_reading import SealReading
from tests.building import BuiltRoom
from tests.checking import picture

ALL_TICKS = frozenset({*TICKS, TRIAL_TICK})


def facts(room: BuiltRoom, **changes: object) -> Facts:
    plain = Facts(room.edge.zone, has_backups=True, sheets={room.theory: 5, room.practical: 5})
    return replace(plain, **changes)


def order(room: BuiltRoom, **changes: object) -> SealOrder:
    plain = SealOrder("王技术", "李考务", ALL_TICKS, {room.theory: 5, room.practical: 5})
    return replace(plain, **changes)


def points(room: BuiltRoom, **changes: object) -> dict[str, Point]:
    shown = picture(room)
    with room.store.reading() as db:
        found = seal_points.read_points(db, shown, facts(room, **changes), at=room.clock.now())
    return {one.code: one for one in found}


def seal(room: BuiltRoom, given: SealOrder | None = None, *, by: str = "technician", **named: object) -> None:
    found = list(points(room, **named.pop("facts", {})).values())
    with room.changing() as db:
        room_sealing.seal_room(
            db, room.room_id, given or order(room), points=found, by=room.staff[by], at=room.clock.now(), **named
        )


def standing(room: BuiltRoom) -> SealReading | None:
    with room.store.reading() as db:
        return room_sealing.seal_of(db, room.room_id)


def changes(room: BuiltRoom) -> list[tuple[str, str]]:
    """What has changed since the sealing and is not accepted: (machine's seat, sentence)."""
    return [
        (one.seat, difference["zh"]) for one in standing(room).open_breaks for difference in json.loads(one.differences)
    ]


def events(room: BuiltRoom) -> list[str]:
    with room.store.reading() as db:
        assert journal.first_broken_entry(db) is None
        found = db.scalars(select(JournalEntry.event).where(JournalEntry.event.startswith("room_")))
        return list(found)


def refusal_of(act) -> StationError:
    with pytest.raises(StationError) as refusal:
        act()
    return refusal.value
