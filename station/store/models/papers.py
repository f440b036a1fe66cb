"""What was imported for the day: the plan, its subjects, their papers, and the files in them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.store.models.columns import Base, Key, Moment


class Plan(Base):
    """An exam plan as imported: the document, word for word. `is_practice`: of trials and rehearsals, no document."""

    __tablename__ = "plan"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    document: Mapped[str] = mapped_column(Text)
    imported_at: Mapped[datetime] = mapped_column(Moment)
    is_practice: Mapped[bool] = mapped_column(Boolean, default=False)


class Subject(Base):
    """One scored test of a certificate, with the rules that bind the day."""

    __tablename__ = "subject"
    __table_args__ = (UniqueConstraint("plan_id", "certificate_code", "level", "code"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plan.id"))
    certificate_code: Mapped[str] = mapped_column(String(64))
    certificate_name: Mapped[str] = mapped_column(String(100))
    level: Mapped[str] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    word: Mapped[str] = mapped_column(String(16))
    duration_min: Mapped[int] = mapped_column(Integer)
    entry_cutoff_min: Mapped[int] = mapped_column(Integer)
    early_leave_min: Mapped[int] = mapped_column(Integer)
    remind_min: Mapped[int] = mapped_column(Integer)
    extension_limit_min: Mapped[int] = mapped_column(Integer)
    extension_scope: Mapped[str] = mapped_column(String(16))
    outage_limit_s: Mapped[int] = mapped_column(Integer)
    outage_ask_min: Mapped[int] = mapped_column(Integer)
    scores_shown_on_site: Mapped[bool] = mapped_column(Boolean, default=False)
    rules: Mapped[str] = mapped_column(Text)
    misconduct_rules: Mapped[str] = mapped_column(Text)
    pass_rule: Mapped[str] = mapped_column(Text)
    lockdown: Mapped[str] = mapped_column(Text, default="{}")


class Paper(Base):
    """A paper and its answer keys, as canonical JSON text. `keys` is '' when the centre marks."""

    __tablename__ = "paper"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    subject_id: Mapped[int] = mapped_column(ForeignKey("subject.id"))
    code: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    document: Mapped[str] = mapped_column(Text)
    keys: Mapped[str] = mapped_column(Text, default="")
    item_count: Mapped[int] = mapped_column(Integer)
    is_backup: Mapped[bool] = mapped_column(Boolean, default=False)
    imported_at: Mapped[datetime] = mapped_column(Moment)


class Asset(Base):
    """A file that belongs to papers (picture, material) or a candidate's photo; bytes lie in the asset folder."""

    __tablename__ = "asset"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(BigInteger)


class PaperAsset(Base):
    """Which asset a paper means by a name."""

    __tablename__ = "paper_asset"

    paper_id: Mapped[int] = mapped_column(ForeignKey("paper.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("asset.sha256"))
