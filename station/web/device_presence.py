"""What each agent last said of itself: kept in memory only, as heartbeats never write to disk (design §13.14)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

# An agent beats each 1 to 1.5 s: one beat may get lost on the way.
LOST_AFTER_S = 4.0
# A PC on a bad cable is heard now and then; it is back when two beats came in a row.
BACK_AFTER = 2
# A complaint that comes and goes is told once.
SAME_COMPLAINT_S = 60.0


@dataclass(frozen=True)
class Trouble:
    """Something wrong on a PC, in the agent's words."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True)
class Work:
    """How far the work folder is behind, and where it lies on the PC."""

    attempt_id: int
    waiting: int
    waiting_bytes: int
    oldest_s: float
    folder: str = ""


@dataclass(frozen=True)
class Beat:
    """What one heartbeat says."""

    boot_id: str
    run_id: str
    orders: str
    is_locked: bool
    browser: str
    is_unlocked_by_code: bool
    unlock_code: str
    unlocked_s: float = 0.0
    troubles: tuple[Trouble, ...] = ()
    work: Work | None = None


@dataclass
class Heard:
    """The last beat of a device, and how steadily it is heard."""

    beat: Beat
    heard_at: datetime
    heard_s: float
    in_a_row: int = BACK_AFTER
    lost_since: datetime | None = None
    complained: dict[str, float] = field(default_factory=dict)


class DevicePresence:
    """The last beats by device id. `now_s` runs steadily, whatever the station's clock does."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._heard: dict[int, Heard] = {}
        self._lock = threading.Lock()

    def hear(self, device_id: int, beat: Beat, at: datetime) -> Beat | None:
        """Note a beat; gives the one before, None for the first since the station started."""
        now_s = self._now_s()
        with self._lock:
            known = self._heard.get(device_id)
            if known is None:
                self._heard[device_id] = Heard(beat, at, now_s)
                return None
            before = known.beat
            if now_s - known.heard_s > LOST_AFTER_S:
                known.in_a_row = 1
                known.lost_since = known.lost_since or known.heard_at
            else:
                known.in_a_row += 1
            if known.in_a_row >= BACK_AFTER:
                known.lost_since = None
            known.beat, known.heard_at, known.heard_s = beat, at, now_s
            return before

    def last(self, device_id: int) -> Heard | None:
        """Give what was heard last; None since the station started."""
        return self._heard.get(device_id)

    def is_lost(self, device_id: int) -> bool:
        """Say whether a device that was heard is not heard any more, or not steadily yet."""
        known = self._heard.get(device_id)
        if known is None:
            return False
        return self._now_s() - known.heard_s > LOST_AFTER_S or known.in_a_row < BACK_AFTER

    def is_silent(self, device_id: int) -> bool:
        """Say whether a device is lost, or was not heard since the station started."""
        return device_id not in self._heard or self.is_lost(device_id)

    def is_beating(self, device_id: int) -> bool:
        """Say whether a device is heard right now, be it unsteadily."""
        known = self._heard.get(device_id)
        return known is not None and self._now_s() - known.heard_s <= LOST_AFTER_S

    def lost_since(self, device_id: int) -> datetime | None:
        """Say since when a lost device is lost."""
        known = self._heard.get(device_id)
        if known is None or not self.is_lost(device_id):
            return None
        return known.lost_since or known.heard_at

    def new_troubles(self, device_id: int, troubles: Sequence[Trouble]) -> list[Trouble]:
        """Say which of a beat's complaints were not heard in the last minute."""
        known, now_s = self._heard.get(device_id), self._now_s()
        if known is None or not troubles:
            return []
        with self._lock:
            long_ago = now_s - SAME_COMPLAINT_S
            new = [one for one in troubles if known.complained.get(one.code, long_ago) <= long_ago]
            known.complained.update({one.code: now_s for one in troubles})
            return new

    def forget(self, device_id: int) -> None:
        """Forget a device that was taken away."""
        with self._lock:
            self._heard.pop(device_id, None)
