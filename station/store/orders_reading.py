"""Read side for the agents' orders: what is held in each room, who sits where, what each PC is still to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from station.domain.agent_orders import HOLDING, HeldSitting, SeatedEntry, known_aids, programs_of
from station.domain.attempt import AttemptState
from station.domain.document import Node
from station.domain.lockdown import LockPolicy, parse_lockdown
from station.domain.sitting import SittingState
from station.store.models import (
    Attempt,
    DeviceCommand,
    Entry,
    JournalHead,
    Paper,
    Sitting,
    Subject,
    UnlockCode,
    WorkFolder,
)

# So long a code that was shown can still be typed: whoever overheard it must not use it later in the day.
SHOWN_CODE_LASTS = timedelta(minutes=30)
_PROGRAMS_KEPT = 64
_programs: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True)
class RoomNow:
    """What a room holds now: its sittings in planned order, and their entries by seat."""

    sittings: tuple[HeldSitting, ...] = ()
    entries: Mapping[int, tuple[SeatedEntry, ...]] = field(default_factory=dict)

    def ruling(self, seat_id: int | None) -> LockPolicy | None:
        """Say by which policy a seat is held; None when nothing is held here."""
        if not self.sittings:
            return None
        mine = {entry.sitting_id for entry in self.entries.get(seat_id, ())} if seat_id is not None else set()
        return next((one.policy for one in self.sittings if one.id in mine), self.sittings[0].policy)


@dataclass(frozen=True)
class Command:
    """A command that waits to be done."""

    id: int
    kind: str
    arguments: Mapping[str, object]
    given_at: datetime


def read_stamp(db: Session) -> tuple[int, int, int, int]:
    """Read what changes whenever orders or commands may have changed; by far cheaper than the orders.

    Acts are in the journal; versions that a candidate takes back, commands that are done, and programs that a
    candidate wants opened are not.
    """
    row = db.execute(
        select(
            select(func.max(JournalHead.number)).scalar_subquery(),
            select(func.sum(WorkFolder.refresh)).scalar_subquery(),
            select(func.count()).where(DeviceCommand.done_at.is_(None)).scalar_subquery(),
            select(func.max(DeviceCommand.id)).scalar_subquery(),
        )
    ).one()
    return (row[0] or 0, row[1] or 0, row[2] or 0, row[3] or 0)


def read_rooms(db: Session) -> dict[int, RoomNow]:
    """Read what is held in every room."""
    rows = db.execute(
        select(Sitting.id, Sitting.room_id, Sitting.state, Subject.lockdown, Paper.id, Paper.sha256)
        .join(Subject, Subject.id == Sitting.subject_id)
        .outerjoin(Paper, Paper.id == Sitting.paper_id)
        .where(Sitting.state.in_(HOLDING))
        .order_by(Sitting.planned_start_at, Sitting.id)
    ).all()
    sittings: dict[int, list[HeldSitting]] = {}
    for sitting_id, room_id, state, lockdown, paper_id, sha256 in rows:
        programs = _programs_of(db, paper_id, sha256) if paper_id is not None else ()
        held = HeldSitting(sitting_id, SittingState(state), lock_policy(lockdown), programs)
        sittings.setdefault(room_id, []).append(held)
    entries = _entries(db, [row[0] for row in rows])
    return {room_id: RoomNow(tuple(held), entries) for room_id, held in sittings.items()}


def read_commands(db: Session) -> dict[int, list[Command]]:
    """List the commands that are not done yet, by device, oldest first."""
    rows = db.scalars(select(DeviceCommand).where(DeviceCommand.done_at.is_(None)).order_by(DeviceCommand.id))
    found: dict[int, list[Command]] = {}
    for row in rows:
        found.setdefault(row.device_id, []).append(Command(row.id, row.kind, json.loads(row.arguments), row.given_at))
    return found


def read_codes(db: Session, at: datetime) -> dict[int, list[dict[str, object]]]:
    """List the unlock codes that work now, by device, as orders carry them."""
    rows = db.execute(
        select(UnlockCode.device_id, UnlockCode.number, UnlockCode.salt, UnlockCode.iterations, UnlockCode.digest)
        .where(
            UnlockCode.used_at.is_(None),
            or_(UnlockCode.for_sheet, UnlockCode.shown_at.is_(None), UnlockCode.shown_at > at - SHOWN_CODE_LASTS),
        )
        .order_by(UnlockCode.device_id, UnlockCode.number)
    )
    found: dict[int, list[dict[str, object]]] = {}
    for row in rows:
        code = {"id": f"k{row.number}", "salt": row.salt, "iterations": row.iterations, "digest": row.digest}
        found.setdefault(row.device_id, []).append(code)
    return found


def read_used_codes(db: Session) -> dict[int, list[str]]:
    """List the ids of the unlock codes that were used, by device."""
    rows = db.execute(
        select(UnlockCode.device_id, UnlockCode.number)
        .where(UnlockCode.used_at.is_not(None))
        .order_by(UnlockCode.device_id, UnlockCode.number)
    )
    found: dict[int, list[str]] = {}
    for device_id, number in rows:
        found.setdefault(device_id, []).append(f"k{number}")
    return found


@lru_cache(maxsize=64)
def lock_policy(text: str) -> LockPolicy:
    """Read a subject's lock policy."""
    return parse_lockdown(Node(json.loads(text or "{}"), "lockdown"))


def _entries(db: Session, sitting_ids: list[int]) -> dict[int, tuple[SeatedEntry, ...]]:
    if not sitting_ids:
        return {}
    rows = db.execute(
        select(
            Entry.seat_id,
            Entry.sitting_id,
            Entry.candidate_id,
            Entry.accessibility,
            Attempt.id,
            Attempt.state,
            Attempt.paper_id,
        )
        .outerjoin(Attempt, Attempt.entry_id == Entry.id)
        .where(Entry.sitting_id.in_(sitting_ids))
    )
    found: dict[int, tuple[SeatedEntry, ...]] = {}
    for seat_id, sitting_id, candidate_id, aids, attempt_id, state, paper_id in rows:
        entry = SeatedEntry(
            sitting_id,
            candidate_id,
            attempt_id,
            None if state is None else AttemptState(state),
            known_aids(json.loads(aids)),
            paper_id,
        )
        found[seat_id] = (*found.get(seat_id, ()), entry)
    return found


def _programs_of(db: Session, paper_id: int, sha256: str) -> tuple[str, ...]:
    """Find a paper's programs; a paper has some 100 KB and is read once."""
    known = _programs.get(sha256)
    if known is None:
        known = programs_of(json.loads(db.get_one(Paper, paper_id).document))
        while len(_programs) >= _PROGRAMS_KEPT:
            _programs.pop(next(iter(_programs)), None)
        _programs[sha256] = known
    return known
