"""Rehearsals of a room, and what was measured at each of its seats."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from station.domain.rehearsal import RehearsalState, Way
from station.store.models.columns import Base, Key, Moment, one_of


class Rehearsal(Base):
    """A rehearsal 压力演练 of one room: candidates played against this station for some minutes.

    `way`: by the server itself, or by the PCs' agents; `ends_by`: nothing is heard of it any more after this moment.
    `result`: the figures with their limits, as JSON.
    """

    __tablename__ = "rehearsal"
    __table_args__ = (one_of("way", Way), one_of("state", RehearsalState), Index(None, "room_id"))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"))
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    way: Mapped[str] = mapped_column(String(16))
    minutes: Mapped[int] = mapped_column(Integer)
    players: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), default=RehearsalState.RUNNING)
    started_at: Mapped[datetime] = mapped_column(Moment)
    started_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    ends_by: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    result: Mapped[str] = mapped_column(Text, default="{}")


class RehearsalPlayer(Base):
    """What was measured at one seat of a rehearsal; `report` is '' until it came."""

    __tablename__ = "rehearsal_player"

    rehearsal_id: Mapped[int] = mapped_column(ForeignKey("rehearsal.id"), primary_key=True, autoincrement=False)
    seat: Mapped[str] = mapped_column(String(16), primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"))
    report: Mapped[str] = mapped_column(Text, default="")
    reported_at: Mapped[datetime | None] = mapped_column(Moment)
