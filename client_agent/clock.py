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
