"""The only reader of the clock.

A `Clock` takes the machine's time once and then follows the monotonic counter, so that a wrong or jumping
system clock never moves a running deadline (design §6). What the system clock does meanwhile is noticed by
`jump()` and is for the journal and the board. A scaled clock serves rehearsals.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass
class Clock:
    """Moments in UTC that never jump.

    `scale` is station seconds per real second (1 but in rehearsals); `starts_at` lets a rehearsal begin at
    a chosen moment, None means the system's time.
    """

    scale: float = 1.0
    starts_at: datetime | None = None
    _base: tuple[datetime, float] = field(init=False)
    _offset_seen: timedelta = field(init=False, default=timedelta(0))
    _is_set_by_hand: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._base = (self.starts_at or system_time(), time.monotonic())

    def now(self) -> datetime:
        """Say the present moment, aware, in UTC."""
        anchor, since = self._base
        return anchor + timedelta(seconds=(time.monotonic() - since) * self.scale)

    def jump(self, *, tolerance_s: float = 2.0) -> float | None:
        """Say by how many seconds the system clock has moved against this one since last asked.

        None while it moved by less than `tolerance_s`. Always None for a clock that does not follow the system.
        """
        if self.scale != 1.0 or self.starts_at is not None:
            return None
        offset = system_time() - self.now()
        moved = (offset - self._offset_seen).total_seconds()
        if abs(moved) < tolerance_s:
            return None
        self._offset_seen, self._is_set_by_hand = offset, False
        return moved

    @property
    def is_off(self) -> bool:
        """Say whether the system clock has jumped and this one has not followed."""
        return bool(self._offset_seen) and not self._is_set_by_hand

    def follow_system(self) -> None:
        """Take the machine's time again; only while no deadline runs."""
        self._base, self._offset_seen = (system_time(), time.monotonic()), timedelta(0)
        self._is_set_by_hand = False

    def set_to(self, at: datetime) -> None:
        """Go by a person's word instead of the machine's time, until that is moved; only while no deadline runs."""
        self._base, self._offset_seen = (at, time.monotonic()), system_time() - at
        self._is_set_by_hand = True

    def real_seconds(self, station_seconds: float) -> float:
        """Turn station seconds into seconds of waiting."""
        return station_seconds / self.scale


def system_time() -> datetime:
    """Read the machine's clock."""
    return datetime.now(UTC)
