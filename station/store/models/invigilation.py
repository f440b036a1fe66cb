"""What happens while a sitting runs: time given and lost, moves, incidents, messages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from station.domain.incident import ExtensionState
from station.store.models.columns import NEVER_AGAIN, Base, Key, Moment, one_of


class Extension(Base):
    """Time given to one attempt; counts once granted by both sides (R-DAY-8)."""

    __tablename__ = "extension"
    __table_args__ = (one_of("state", ExtensionState), Index(None, "attempt_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    seconds: Mapped[int] = mapped_column(Integer)
    reason_kind: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(String(500), default="")
    asked_by_candidate: Mapped[bool] = mapped_column(Boolean, default=False)
    state: Mapped[str] = mapped_column(String(16), default=ExtensionState.PROPOSED)
    proposed_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    proposed_at: Mapped[datetime] = mapped_column(Moment)
    site_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    body_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    body_reference: Mapped[str] = mapped_column(String(200), default="")
    decided_at: Mapped[datetime | None] = mapped_column(Moment)


class Interruption(Base):
    """A stretch in which answering was not possible: an outage or a suspension; open while `ended_at` is None.

    `attempt_id` None means the whole sitting, also for those who enter later.
    """

    __tablename__ = "interruption"
    __table_args__ = (one_of("kind", ("outage", "suspension")), Index(None, "sitting_id"))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    kind: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(500), default="")
    began_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    began_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class SeatMove(Base):
    """A candidate's move to another seat (R-DAY-7)."""

    __tablename__ = "seat_move"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    old_seat_id: Mapped[int] = mapped_column(ForeignKey("seat.id"))
    new_seat_id: Mapped[int] = mapped_column(ForeignKey("seat.id"))
    reason: Mapped[str] = mapped_column(String(500))
    moved_at: Mapped[datetime] = mapped_column(Moment)
    moved_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))


class Incident(Base):
    """An entry of the room record 考场情况记录表. `entry_id` None: the room; `recorded_by` None: the station."""

    __tablename__ = "incident"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id"))
    kind: Mapped[str] = mapped_column(String(32))
    measure: Mapped[str] = mapped_column(String(32), default="")
    text: Mapped[str] = mapped_column(Text)
    happened_at: Mapped[datetime] = mapped_column(Moment)
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class Message(Base):
    """A message of the staff to one entry, or to the whole sitting (`entry_id` None)."""

    __tablename__ = "message"
    __table_args__ = (Index(None, "sitting_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id"))
    text: Mapped[str] = mapped_column(String(500))
    sent_at: Mapped[datetime] = mapped_column(Moment)
    sent_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
