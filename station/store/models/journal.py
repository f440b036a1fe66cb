"""What proves itself: the journal, the signed heads of all chains, and the station's life."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from station.store.models.columns import Base, Key, Moment


class JournalEntry(Base):
    """One event of the tamper-evident journal; the chain runs over the whole store."""

    __tablename__ = "journal"
    __table_args__ = (Index(None, "sitting_id", "number"),)

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Moment)
    event: Mapped[str] = mapped_column(String(40))
    sitting_id: Mapped[int | None] = mapped_column(ForeignKey("sitting.id"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    details: Mapped[str] = mapped_column(Text)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class JournalHead(Base):
    """One row: the end of the journal's chain; locked by whoever appends."""

    __tablename__ = "journal_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


class SignedHeads(Base):
    """Heads of all chains at a moment, signed with the station's key (design §13.9)."""

    __tablename__ = "signed_heads"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment)
    heads: Mapped[str] = mapped_column(Text)
    signature: Mapped[str] = mapped_column(Text)


class StationLife(Base):
    """One row: when the station was last known alive, whether it was stopped on purpose, and its backups.

    `backed_up_at`: what was stored before is in a checked backup. `backup_claimed_at`: when an automatic one was last
    begun, by whichever process. `restored_from`, `restored_to`: of a store that came from a backup, the stretch of
    which it knows nothing (from the backup to the last sign of life of the server that died).
    """

    __tablename__ = "station_life"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    alive_at: Mapped[datetime] = mapped_column(Moment)
    started_at: Mapped[datetime] = mapped_column(Moment)
    stopped_cleanly: Mapped[bool] = mapped_column(Boolean, default=False)
    clock_in_doubt: Mapped[bool] = mapped_column(Boolean, default=False)
    backed_up_at: Mapped[datetime | None] = mapped_column(Moment)
    backup_claimed_at: Mapped[datetime | None] = mapped_column(Moment)
    backup_trouble: Mapped[str] = mapped_column(String(500), default="")
    backup_on_same_disk: Mapped[bool] = mapped_column(Boolean, default=False)
    restored_from: Mapped[datetime | None] = mapped_column(Moment)
    restored_to: Mapped[datetime | None] = mapped_column(Moment)
