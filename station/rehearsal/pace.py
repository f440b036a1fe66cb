"""Station time as people in the room see it: from one answer of the station's clock on, scaled in rehearsals."""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class RoomClock:
    """Follows the station's clock; waits for its moments. `scale`: station seconds a real second."""

    def __init__(self, station_now: datetime, scale: float) -> None:
        self._anchor = station_now
        self._read_at = time.monotonic()
        self.scale = scale

    def now(self) -> datetime:
        """Say the station's present moment."""
        return self._anchor + timedelta(seconds=(time.monotonic() - self._read_at) * self.scale)

    def real_s(self, until: datetime) -> float:
        """Say how many real seconds a moment of the station lies ahead; 0 for one that has passed."""
        return max(0.0, (until - self.now()).total_seconds() / self.scale)

    def short_s(self, station_s: float, *, least: float, most: float = 2.0) -> float:
        """Turn station seconds into a real pause that suits a person or a page, within bounds."""
        return min(most, max(least, station_s / self.scale))

    def wait(self, until: datetime) -> None:
        """Wait for a moment of the station; one that has passed is not waited for."""
        time.sleep(self.real_s(until))
