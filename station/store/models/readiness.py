"""The room before the day: checks of its machines, and its sealing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from station.store.models.columns import Base, Key, Moment, one_of


class ReadinessReport(Base):
    """The last room check of one machine, as it came (R-ROOM-3).

    `machine`: `pc:17` (device 17), `server`, or `console:192.168.1.3` (an invigilator PC by its address).
    `took_ms`: how long the check took; `requirements`: digest of what it was held against. `faults`, `fingerprint`:
    what follows from the document, kept so that the room is read at a glance. JSON.
    """

    __tablename__ = "readiness_report"
    __table_args__ = (
        one_of("role", ("candidate_pc", "server", "invigilator_pc")),
        one_of("state", ("ready", "warning", "not_ready")),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    machine: Mapped[str] = mapped_column(String(80), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"))
    requirements: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    document: Mapped[str] = mapped_column(Text)
    faults: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(Text)
    took_ms: Mapped[int] = mapped_column(Integer, default=0)
    reported_at: Mapped[datetime] = mapped_column(Moment)


class RoomSeal(Base):
    """A sealing 封场 of one room (R-ROOM-7); one that has not ended is in force.

    `points`, `ticks`, `sheets`: what held at that moment, as it stands on the form; `frozen`: per machine of the room
    its seat and the fingerprint of its check, against which later checks are held. All JSON. `forced_by`: technical
    support sealed although points were open. `confirmed_by` None with a `confirmed_at`: told over the telephone.
    """

    __tablename__ = "room_seal"
    __table_args__ = (Index(None, "room_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"))
    sealed_at: Mapped[datetime] = mapped_column(Moment)
    sealed_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    technician: Mapped[str] = mapped_column(String(100))
    exam_officer: Mapped[str] = mapped_column(String(100))
    points: Mapped[str] = mapped_column(Text)
    ticks: Mapped[str] = mapped_column(Text)
    sheets: Mapped[str] = mapped_column(Text)
    frozen: Mapped[str] = mapped_column(Text)
    forced_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    force_reason: Mapped[str] = mapped_column(String(500), default="")
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)
    confirmed_name: Mapped[str] = mapped_column(String(100), default="")
    confirmed_way: Mapped[str] = mapped_column(String(200), default="")
    confirmed_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_reason: Mapped[str] = mapped_column(String(500), default="")


class SealBreak(Base):
    """What changed on one machine after its room was sealed; `differences` is JSON (code, zh, en)."""

    __tablename__ = "seal_break"
    __table_args__ = (Index(None, "seal_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    seal_id: Mapped[int] = mapped_column(ForeignKey("room_seal.id"))
    machine: Mapped[str] = mapped_column(String(80))
    seat: Mapped[str] = mapped_column(String(16), default="")
    differences: Mapped[str] = mapped_column(Text)
    found_at: Mapped[datetime] = mapped_column(Moment)
    accepted_at: Mapped[datetime | None] = mapped_column(Moment)
    accepted_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    accepted_reason: Mapped[str] = mapped_column(String(500), default="")
