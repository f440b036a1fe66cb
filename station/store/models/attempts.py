"""What a candidate answers: the attempt, its revisions chained by hash, and uploaded files."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.domain.attempt import AttemptState
from station.store.models.columns import NEVER_AGAIN, Base, Key, Moment, one_of


class Attempt(Base):
    """What a candidate does in an entry. `deadline_at` is computed (domain.sitting.deadline) and kept for the tick.

    `revision_count` and `head_hash` are the end of the hash chain; `view` is where the candidate was on the
    page (JSON: position, flags, font size), kept as a comfort and not part of the chain.
    """

    __tablename__ = "attempt"
    __table_args__ = (one_of("state", AttemptState), Index(None, "state", "deadline_at"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), unique=True)
    paper_id: Mapped[int] = mapped_column(ForeignKey("paper.id"))
    state: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime] = mapped_column(Moment)
    shift_s: Mapped[int] = mapped_column(Integer, default=0)
    deadline_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    receipt_code: Mapped[str] = mapped_column(String(16), default="")
    place: Mapped[int] = mapped_column(BigInteger, default=0)
    revision_count: Mapped[int] = mapped_column(Integer, default=0)
    answered_count: Mapped[int] = mapped_column(Integer, default=0)
    late_count: Mapped[int] = mapped_column(Integer, default=0)
    head_hash: Mapped[str] = mapped_column(String(64))
    last_saved_at: Mapped[datetime | None] = mapped_column(Moment)
    view: Mapped[str] = mapped_column(Text, default="{}")


class Place(Base):
    """Where an attempt is answered from: issued at every load of the paper page (design §13.1).

    `last_act_at` stands where the page came back after its PC had died, here or on another PC: the last act that
    the store holds from before; `heard_at`: when the page was last heard, None when unknown. The time lost counts
    from `lost_from_at`, one of the two, to `opened_at`; `extension_id` is what was proposed for it.
    """

    __tablename__ = "place"
    __table_args__ = (Index(None, "attempt_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    login_id: Mapped[int] = mapped_column(ForeignKey("candidate_login.id"))
    workstation_id: Mapped[int | None] = mapped_column(ForeignKey("workstation.id"))
    opened_at: Mapped[datetime] = mapped_column(Moment)
    last_act_at: Mapped[datetime | None] = mapped_column(Moment)
    heard_at: Mapped[datetime | None] = mapped_column(Moment)
    lost_from_at: Mapped[datetime | None] = mapped_column(Moment)
    extension_id: Mapped[int | None] = mapped_column(ForeignKey("extension.id"))


class Revision(Base):
    """One saved version of an answer; insert-only, chained by hash within its attempt."""

    __tablename__ = "revision"
    __table_args__ = (
        UniqueConstraint("attempt_id", "place", "sequence"),
        UniqueConstraint("attempt_id", "number"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    number: Mapped[int] = mapped_column(Integer)
    place: Mapped[int] = mapped_column(BigInteger)
    sequence: Mapped[int] = mapped_column(Integer)
    item_id: Mapped[str] = mapped_column(String(32))
    response: Mapped[str] = mapped_column(Text)
    saved_at: Mapped[datetime] = mapped_column(Moment)
    workstation_id: Mapped[int | None] = mapped_column(ForeignKey("workstation.id"))
    is_late: Mapped[bool] = mapped_column(Boolean, default=False)
    is_answered: Mapped[bool] = mapped_column(Boolean, default=True)
    accepted_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class CurrentAnswer(Base):
    """Which revision of an item counts now (design §13.2): a fast answer to what follows from the revisions."""

    __tablename__ = "current_answer"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger)
    sequence: Mapped[int] = mapped_column(Integer)
    revision_number: Mapped[int] = mapped_column(Integer)
    is_answered: Mapped[bool] = mapped_column(Boolean)


class SaveConflict(Base):
    """A save whose identity came a second time with another body: kept for a person to see (design §13.1)."""

    __tablename__ = "save_conflict"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    place: Mapped[int] = mapped_column(BigInteger)
    sequence: Mapped[int] = mapped_column(Integer)
    item_id: Mapped[str] = mapped_column(String(32))
    response: Mapped[str] = mapped_column(Text)
    came_at: Mapped[datetime] = mapped_column(Moment)


class Upload(Base):
    """A file that a candidate sent for a file item; bytes lie in the upload folder under their SHA-256."""

    __tablename__ = "upload"
    __table_args__ = (UniqueConstraint("attempt_id", "sha256", "item_id", "part"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    item_id: Mapped[str] = mapped_column(String(32))
    part: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(100))
    uploaded_at: Mapped[datetime] = mapped_column(Moment)
