"""A computer room, its seats, and the candidate PCs that stand at them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Boolean, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.store.models.columns import Base, Key, Moment, one_of


class WorkstationState(StrEnum):
    """What a candidate PC is doing. `lost` is computed from last-seen and never stored (design §13.14)."""

    UNSEEN = "unseen"
    READY = "ready"
    IN_USE = "in_use"
    RELEASED = "released"
    LOCKED = "locked"


class Room(Base):
    """A computer room. Until `pairing_until` its PCs may register their agents.

    `is_rehearsal`: no real room but the seats of one room's rehearsals, which no list of rooms or seats shows.
    """

    __tablename__ = "room"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    site_name: Mapped[str] = mapped_column(String(200))
    pairing_until: Mapped[datetime | None] = mapped_column(Moment)
    is_rehearsal: Mapped[bool] = mapped_column(Boolean, default=False)


class Seat(Base):
    """A place for one candidate; numbers need not be dense (R-ROST-2)."""

    __tablename__ = "seat"
    __table_args__ = (UniqueConstraint("room_id", "number"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"))
    number: Mapped[str] = mapped_column(String(16))
    is_spare: Mapped[bool] = mapped_column(Boolean, default=False)


class Workstation(Base):
    """A candidate PC, known by the cookie of its seat link or of its agent; one a seat at a time.

    `device_id`, `boot_id`: the agent that opened its page last, and in which boot.
    """

    __tablename__ = "workstation"
    __table_args__ = (one_of("state", WorkstationState), Index(None, "seat_id"))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    seat_id: Mapped[int] = mapped_column(ForeignKey("seat.id"))
    address: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default=WorkstationState.READY)
    opened_at: Mapped[datetime] = mapped_column(Moment)
    replaced_at: Mapped[datetime | None] = mapped_column(Moment)
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"))
    boot_id: Mapped[str] = mapped_column(String(64), default="")
