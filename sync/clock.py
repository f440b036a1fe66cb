"""The only reader of the clock in sync."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def to_text(at: datetime) -> str:
    """Write a moment as it stands in manifests and receipts: UTC, whole seconds, `2026-11-21T06:30:06Z`."""
    if at.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_text(text: str) -> datetime:
    """Read a moment written by `to_text`; anything else is a ValueError."""
    at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    if to_text(at) != text:
        raise ValueError(f"not a moment in UTC: {text!r}")
    return at
