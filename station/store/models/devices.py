"""Candidate PCs with an agent: what they are, what they were told to do, and what frees them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.store.models.columns import NEVER_AGAIN, Base, Key, Moment


class Device(Base):
    """A candidate PC with an agent, known by its token; at most one living device holds a seat.

    `macs`, `capabilities` and `hardware` are JSON as the agent sent them. `freed_sitting_id`: unlocked since `freed_at`
    for as long as this sitting lasts, by `freed_by`, or by the offline code `freed_code`, which `freed_seen_by` has
    taken note of. `held_at`, `held_by`: who wanted it locked again last. `screen_text`: its screen is locked.
    `doubt`: how the PC that registered anew differs from the one before, until the technician has confirmed it.
    """

    __tablename__ = "device"
    __table_args__ = (Index(None, "seat_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    machine_id: Mapped[str] = mapped_column(String(128), unique=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    macs: Mapped[str] = mapped_column(Text)
    system: Mapped[str] = mapped_column(String(16))
    version: Mapped[str] = mapped_column(String(32))
    capabilities: Mapped[str] = mapped_column(Text)
    hardware: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(String(64))
    seat_id: Mapped[int | None] = mapped_column(ForeignKey("seat.id"))
    registered_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    screen_text: Mapped[str] = mapped_column(String(500), default="")
    screen_since: Mapped[datetime | None] = mapped_column(Moment)
    freed_sitting_id: Mapped[int | None] = mapped_column(ForeignKey("sitting.id"))
    freed_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    freed_at: Mapped[datetime | None] = mapped_column(Moment)
    freed_code: Mapped[str] = mapped_column(String(16), default="")
    freed_seen_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    held_at: Mapped[datetime | None] = mapped_column(Moment)
    held_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    doubt: Mapped[str] = mapped_column(String(500), default="")


class DeviceCommand(Base):
    """Something staff told one PC to do; sent with each beat until the agent says that it is done."""

    __tablename__ = "device_command"
    __table_args__ = (Index(None, "device_id", "done_at"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id"))
    kind: Mapped[str] = mapped_column(String(32))
    arguments: Mapped[str] = mapped_column(Text, default="{}")
    given_at: Mapped[datetime] = mapped_column(Moment)
    given_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    done_at: Mapped[datetime | None] = mapped_column(Moment)
    is_ok: Mapped[bool] = mapped_column(Boolean, default=False)
    text: Mapped[str] = mapped_column(String(500), default="")


class ScreenPicture(Base):
    """A picture of a PC's screen that staff asked for; its bytes lie in the folder `pictures` under `sha256`."""

    __tablename__ = "screen_picture"

    command_id: Mapped[int] = mapped_column(ForeignKey("device_command.id"), primary_key=True, autoincrement=False)
    seat_id: Mapped[int | None] = mapped_column(ForeignKey("seat.id"))
    sha256: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(16))
    size: Mapped[int] = mapped_column(Integer)
    taken_at: Mapped[datetime] = mapped_column(Moment)


class UnlockCode(Base):
    """A code that unlocks one PC once without the station; the code itself is derived anew, never kept.

    `for_sheet`: stands on the printed sheet for a dead station; the others are shown one at a time.
    """

    __tablename__ = "unlock_code"
    __table_args__ = (UniqueConstraint("device_id", "number"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id"))
    number: Mapped[int] = mapped_column(Integer)
    salt: Mapped[str] = mapped_column(String(64))
    iterations: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(64))
    for_sheet: Mapped[bool] = mapped_column(Boolean, default=False)
    made_at: Mapped[datetime] = mapped_column(Moment)
    shown_at: Mapped[datetime | None] = mapped_column(Moment)
    shown_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    used_at: Mapped[datetime | None] = mapped_column(Moment)
