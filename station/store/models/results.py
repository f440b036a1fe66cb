"""What comes of a sitting: marks, scores, and the packages that leave the station."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.store.models.columns import Base, Key, Moment, one_of


class PackageState(StrEnum):
    """Where an outgoing package is (design §4)."""

    WAITING = "waiting"
    SENDING = "sending"
    ARRIVED = "arrived"
    CONFIRMED = "confirmed"
    NEEDS_ATTENTION = "needs_attention"


class Mark(Base):
    """Points of one item of one attempt; `points` None awaits a person. Points are decimal text, two places."""

    __tablename__ = "mark"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    policy: Mapped[str] = mapped_column(String(32))
    points: Mapped[str | None] = mapped_column(String(16))
    max_points: Mapped[str] = mapped_column(String(16))
    explanation: Mapped[str] = mapped_column(Text)


class Score(Base):
    """Sum of the computer-marked points of one attempt, and what still awaits a person."""

    __tablename__ = "score"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    objective_points: Mapped[str] = mapped_column(String(16))
    objective_max: Mapped[str] = mapped_column(String(16))
    manual_max: Mapped[str] = mapped_column(String(16))
    paper_sha256: Mapped[str] = mapped_column(String(64))
    keys_sha256: Mapped[str] = mapped_column(String(64))
    marked_at: Mapped[datetime] = mapped_column(Moment)


class ResultPackage(Base):
    """An outgoing package; `number` above 1 is a supplement. It holds so many `revisions` and `work_versions`.

    `files`: the SHA-256 of those in it (JSON); `files_left`: how many are in no package yet: a container has a limit.
    """

    __tablename__ = "result_package"
    __table_args__ = (UniqueConstraint("sitting_id", "number"), one_of("state", PackageState))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    number: Mapped[int] = mapped_column(Integer)
    file_name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    revisions: Mapped[int] = mapped_column(Integer, default=0)
    work_versions: Mapped[int] = mapped_column(Integer, default=0)
    files: Mapped[str] = mapped_column(Text, default="[]")
    files_left: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(16), default=PackageState.WAITING)
    built_at: Mapped[datetime] = mapped_column(Moment)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(Moment)
    upload_url: Mapped[str] = mapped_column(String(500), default="")
    last_error: Mapped[str] = mapped_column(String(500), default="")
    receipt: Mapped[str] = mapped_column(Text, default="")
    receipt_code: Mapped[str] = mapped_column(String(32), default="")
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)
