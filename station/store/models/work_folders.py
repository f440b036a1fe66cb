"""Work folders of practical items: their contents and versions, chained by hash."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.store.models.columns import Base, Key, Moment


class WorkFolder(Base):
    """The work folder of an attempt: the end of its versions' chain, and whether the last state has come (§9).

    `device_id`: the PC that asked for it last. `refresh`: number of the newest version that was taken back.
    `settled_at`: since when the station has all that lay there at the end; `missing`: paths that were not there yet.
    """

    __tablename__ = "work_folder"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True, autoincrement=False)
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"))
    opened_at: Mapped[datetime] = mapped_column(Moment)
    version_count: Mapped[int] = mapped_column(Integer, default=0)
    head_hash: Mapped[str] = mapped_column(String(64))
    refresh: Mapped[int] = mapped_column(Integer, default=0)
    late_count: Mapped[int] = mapped_column(Integer, default=0)
    last_saved_at: Mapped[datetime | None] = mapped_column(Moment)
    told_at: Mapped[datetime | None] = mapped_column(Moment)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)
    missing: Mapped[str] = mapped_column(Text, default="[]")


class WorkContent(Base):
    """A content of a work folder, told before it is sent; bytes lie in the upload folder once it is complete."""

    __tablename__ = "work_content"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    began_at: Mapped[datetime] = mapped_column(Moment)
    completed_at: Mapped[datetime | None] = mapped_column(Moment)


class WorkVersion(Base):
    """One version of a file of a work folder; insert-only, chained by hash within its attempt.

    `number` counts in the attempt, `version` within the path (`path_key`: its SHA-256, as paths are too long for an
    index). `sha256` None: removed. `device_id` None: the candidate took `from_version` back on the page.
    """

    __tablename__ = "work_version"
    __table_args__ = (
        UniqueConstraint("attempt_id", "number"),
        UniqueConstraint("attempt_id", "path_key", "version"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    number: Mapped[int] = mapped_column(Integer)
    path: Mapped[str] = mapped_column(String(500))
    path_key: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    modified_at: Mapped[datetime] = mapped_column(Moment)
    received_at: Mapped[datetime] = mapped_column(Moment)
    cause: Mapped[str] = mapped_column(String(16))
    from_version: Mapped[int | None] = mapped_column(Integer)
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"))
    boot_id: Mapped[str] = mapped_column(String(64), default="")
    sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    is_late: Mapped[bool] = mapped_column(Boolean, default=False)
    accepted_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
