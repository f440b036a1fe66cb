"""Seat links make a PC without the agent a seat's workstation, whose cookie then says which it is (design §13.15)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from station.domain.tokens import new_token, token_hash
from station.errors import Forbidden, problem
from station.services import journal
from station.store.models import Room, Seat, Workstation, WorkstationState

SEAT_LINK_WRONG = problem(
    "seat_link_wrong",
    "考位链接无效或已被更换，请技术人员重新打开考位链接。",
    "This seat link is not valid (any more). Ask the technician to open the seat's link again.",
)


def seat_link_code(secret: bytes, seat_id: int) -> str:
    """Derive the code in a seat's link, so that links need no storing and cannot be guessed."""
    return hmac.new(secret, f"seat-link {seat_id}".encode(), hashlib.sha256).hexdigest()[:20]


def open_seat(db: Session, seat_id: int, *, code: str, secret: bytes, address: str, at: datetime) -> tuple[str, int]:
    """Make the PC that opens a seat's link this seat's workstation (design §13.15).

    Returns its token (for the cookie) and its id. An earlier workstation of the seat is replaced.
    """
    seat = db.get(Seat, seat_id)
    if seat is None or not hmac.compare_digest(seat_link_code(secret, seat_id).encode(), code.encode()):
        raise Forbidden(SEAT_LINK_WRONG)
    db.execute(
        update(Workstation)
        .where(Workstation.seat_id == seat_id, Workstation.replaced_at.is_(None))
        .values(replaced_at=at, state=WorkstationState.RELEASED)
    )
    token = new_token()
    workstation = Workstation(
        token_hash=token_hash(token), seat_id=seat_id, address=address, state=WorkstationState.READY, opened_at=at
    )
    db.add(workstation)
    db.flush()
    if not db.get_one(Room, seat.room_id).is_rehearsal:  # a rehearsal's 60 seats are none of the room
        journal.append(db, "seat_opened", at=at, seat=seat.number, address=address)
    return token, workstation.id


def workstation_of(db: Session, token: str) -> Workstation | None:
    """Find the workstation behind a cookie; None for a stranger or a replaced one."""
    if not token:
        return None
    return db.scalars(
        select(Workstation).where(Workstation.token_hash == token_hash(token), Workstation.replaced_at.is_(None))
    ).one_or_none()
