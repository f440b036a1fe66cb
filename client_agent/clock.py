"""The only reader of the PC's clock in the agent."""

from __future__ import annotations

import time
from datetime import datetime, timezone


def now() -> datetime:
    """Give this PC's moment, aware, in UTC. It may be wrong: the station's clock is the one that counts."""
    return datetime.now(timezone.utc)


def monotonic() -> float:
    """Give seconds that never jump, for measuring."""
    return time.monotonic()


def parse(text: str) -> datetime | None:
    """Read a moment with its zone; None if it is none. (`Z` for UTC is understood on every Python.)"""
    try:
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
