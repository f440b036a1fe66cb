"""Who sits what, where and when: sittings, candidates, their entries and log-ins."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.domain.sitting import SittingKind, SittingState
from station.store.models.columns import NEVER_AGAIN, Base, Key, Moment, one_of


class Attendance(StrEnum):
    """Whether a candidate came (R-DAY-3)."""

    EXPECTED = "expected"
    PRESENT = "present"
    LATE = "late"
    ABSENT = "absent"


class Sitting(Base):
    """One subject held in one room at one planned time.

    `kind`: only a real one counts anywhere; `wiped_at`: the answers of a trial or rehearsal were removed.
    """

    __tablename__ = "sitting"
    __table_args__ = (
        UniqueConstraint("room_id", "subject_id", "planned_start_at"),
        one_of("state", SittingState),
        one_of("kind", SittingKind),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"))
    subject_id: Mapped[int] = mapped_column(ForeignKey("subject.id"))
    paper_id: Mapped[int | None] = mapped_column(ForeignKey("paper.id"))
    planned_start_at: Mapped[datetime] = mapped_column(Moment)
    postponement_s: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(16), default=SittingState.PLANNED)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    suspended_at: Mapped[datetime | None] = mapped_column(Moment)
    suspended_reason: Mapped[str] = mapped_column(String(500), default="")
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    delivered_at: Mapped[datetime | None] = mapped_column(Moment)
    head: Mapped[str] = mapped_column(Text, default="{}")
    kind: Mapped[str] = mapped_column(String(16), default=SittingKind.REAL)
    wiped_at: Mapped[datetime | None] = mapped_column(Moment)


class Candidate(Base):
    """A person who sits; one row for all subjects (R-ROST-2). `id_number` may be masked.

    `is_practice`: nobody, but a ticket for a seat in trials or rehearsals; its number is none that a roster could have.
    """

    __tablename__ = "candidate"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    ticket_number: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    pinyin: Mapped[str] = mapped_column(String(100), default="")
    id_number: Mapped[str] = mapped_column(String(32), default="")
    institution: Mapped[str] = mapped_column(String(200), default="")
    photo_sha256: Mapped[str] = mapped_column(String(64), default="")
    is_practice: Mapped[bool] = mapped_column(Boolean, default=False)


class Entry(Base):
    """One candidate placed in one sitting at one seat. `seat_id` follows a seat move.

    `accessibility`: what the PC allows this candidate (JSON list of `domain.agent_orders.AIDS`).
    """

    __tablename__ = "entry"
    __table_args__ = (
        UniqueConstraint("sitting_id", "candidate_id"),
        UniqueConstraint("sitting_id", "seat_id"),
        one_of("attendance", Attendance),
        Index(None, "candidate_id"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidate.id"))
    seat_id: Mapped[int] = mapped_column(ForeignKey("seat.id"))
    attendance: Mapped[str] = mapped_column(String(16), default=Attendance.EXPECTED)
    late_min: Mapped[int] = mapped_column(Integer, default=0)
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)
    early_leave_allowed_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    leave_began_at: Mapped[datetime | None] = mapped_column(Moment)
    help_asked_at: Mapped[datetime | None] = mapped_column(Moment)
    accessibility: Mapped[str] = mapped_column(String(200), default="[]")


class CandidateLogin(Base):
    """One log-in of a candidate. `released_at` None: waits for an invigilator (another seat than the roster's)."""

    __tablename__ = "candidate_login"
    __table_args__ = (Index(None, "candidate_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidate.id"))
    workstation_id: Mapped[int | None] = mapped_column(ForeignKey("workstation.id"))
    seat_id: Mapped[int | None] = mapped_column(ForeignKey("seat.id"))
    address: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
    released_at: Mapped[datetime | None] = mapped_column(Moment)
    released_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_reason: Mapped[str] = mapped_column(String(32), default="")
