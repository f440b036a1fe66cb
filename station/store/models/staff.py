"""Accounts of the staff app, their log-ins, and the PCs that may open it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from station.domain.staff import Role
from station.store.models.columns import Base, Key, Moment, one_of


class Staff(Base):
    """One account of the staff app."""

    __tablename__ = "staff"
    __table_args__ = (one_of("role", Role),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(32))
    password_hash: Mapped[str] = mapped_column(String(300))
    must_change_password: Mapped[bool] = mapped_column(Boolean, default=True)
    active: Mapped[bool] = mapped_column(Boolean, default=True)


class StaffLogin(Base):
    """One log-in to the staff app; the cookie's token is kept only as its SHA-256."""

    __tablename__ = "staff_login"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    csrf_token: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class AllowedAddress(Base):
    """A PC that may open the staff app, besides the server itself."""

    __tablename__ = "allowed_address"

    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
