"""Read side for dead PCs: where a page came back, who was moved, and what stood still meanwhile."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, aliased

from station.domain.incident import ExtensionState
from station.domain.working_time import Pause
from station.store.models import Attempt, CandidateLogin, Entry, Extension, Interruption, Place, Seat, SeatMove


class ReturnReading(NamedTuple):
    """A place that was opened after a PC had died, with the seats before and after; None: a PC without a seat."""

    place_id: int
    attempt_id: int
    entry_id: int
    sitting_id: int
    old_seat: str | None
    new_seat: str | None
    new_is_spare: bool
    last_act_at: datetime
    heard_at: datetime | None
    lost_from_at: datetime
    opened_at: datetime
    extension_id: int | None
    extension_state: ExtensionState | None
    extension_s: int | None


class MoveReading(NamedTuple):
    """A candidate's move to another seat."""

    entry_id: int
    old_seat: str
    new_seat: str
    new_is_spare: bool
    reason: str
    moved_at: datetime
    moved_by: int


def returns_to_sitting(db: Session, sitting_id: int) -> list[ReturnReading]:
    """List every return of a sitting in the order in which they happened."""
    return _returns(db, Entry.sitting_id == sitting_id)


def returns_to_attempt(db: Session, attempt_id: int) -> list[ReturnReading]:
    """List every return to one attempt in the order in which they happened."""
    return _returns(db, Attempt.id == attempt_id)


def moves_in(db: Session, sitting_id: int) -> list[MoveReading]:
    """List every move of a sitting, oldest first."""
    old, new = aliased(Seat), aliased(Seat)
    rows = db.execute(
        select(
            SeatMove.entry_id,
            old.number,
            new.number,
            new.is_spare,
            SeatMove.reason,
            SeatMove.moved_at,
            SeatMove.moved_by,
        )
        .join(Entry, Entry.id == SeatMove.entry_id)
        .join(old, old.id == SeatMove.old_seat_id)
        .join(new, new.id == SeatMove.new_seat_id)
        .where(Entry.sitting_id == sitting_id)
        .order_by(SeatMove.moved_at, SeatMove.id)
    )
    return [MoveReading._make(row) for row in rows]


def pauses_in(db: Session, sitting_id: int) -> dict[int | None, list[Pause]]:
    """Give what stood still in a sitting by attempt; under None what stood still for everybody."""
    rows = db.execute(
        select(
            Interruption.attempt_id,
            Interruption.kind,
            Interruption.began_at,
            Interruption.ended_at,
            Interruption.reason,
        )
        .where(Interruption.sitting_id == sitting_id)
        .order_by(Interruption.began_at, Interruption.id)
    )
    found: dict[int | None, list[Pause]] = {}
    for row in rows:
        found.setdefault(row.attempt_id, []).append(Pause(row.kind, row.began_at, row.ended_at, row.reason))
    return found


def _returns(db: Session, which: ColumnElement[bool]) -> list[ReturnReading]:
    """Read all places of the attempts that came back: the one before tells the seat before."""
    back = aliased(Place)
    came_back = select(back.attempt_id).where(back.last_act_at.is_not(None))
    rows = db.execute(
        select(
            Place, Attempt.entry_id, Entry.sitting_id, Seat.number, Seat.is_spare, Extension.state, Extension.seconds
        )
        .join(Attempt, Attempt.id == Place.attempt_id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .join(CandidateLogin, CandidateLogin.id == Place.login_id)
        .outerjoin(Seat, Seat.id == CandidateLogin.seat_id)
        .outerjoin(Extension, Extension.id == Place.extension_id)
        .where(which, Attempt.id.in_(came_back))
        .order_by(Place.attempt_id, Place.id)
    ).all()
    found = []
    for before, (place, entry_id, sitting_id, seat, is_spare, state, seconds) in pairwise(rows):
        if place.attempt_id != before.Place.attempt_id or place.last_act_at is None:
            continue
        found.append(
            ReturnReading(
                place_id=place.id,
                attempt_id=place.attempt_id,
                entry_id=entry_id,
                sitting_id=sitting_id,
                old_seat=before.number,
                new_seat=seat,
                new_is_spare=bool(is_spare),
                last_act_at=place.last_act_at,
                heard_at=place.heard_at,
                lost_from_at=place.lost_from_at or place.last_act_at,
                opened_at=place.opened_at,
                extension_id=place.extension_id,
                extension_state=ExtensionState(state) if state else None,
                extension_s=seconds,
            )
        )
    return sorted(found, key=lambda one: one.opened_at)
