"""What every agent asks for each second or two, remembered: its device, its orders' version, its commands.

Everything that changes a device, its orders or its commands is written into the journal, so the journal's last
number is a cheap stamp: while it stands, memory is right. It is looked at twice a second however many agents ask.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from sqlalchemy import select

from station.store import Store
from station.store.device_queries import KnownDevice, device_by_token, living_devices
from station.store.models import JournalHead

REFRESH_S = 0.5


@dataclass(frozen=True)
class _Picture:
    """The roll at one moment; replaced as a whole."""

    stamp: int = -1
    devices: dict[str, KnownDevice] = field(default_factory=dict)


class DeviceRoll:
    """All living devices by the hash of their token; at most `REFRESH_S` behind the store."""

    REFRESH_S = REFRESH_S

    def __init__(self, store: Store) -> None:
        self._store = store
        self._picture = _Picture()
        self._looked_at = float("-inf")
        self._turn = threading.Lock()

    def device(self, hashed: str) -> KnownDevice | None:
        """Find who sends a token; a 'no' is asked of the store itself."""
        known = self._fresh().devices.get(hashed)
        if known is not None:
            return known
        with self._store.reading() as db:
            return device_by_token(db, hashed)

    def _fresh(self) -> _Picture:
        """Give a picture that is fresh enough; one thread looks while the others go on with what is there."""
        if time.monotonic() - self._looked_at < REFRESH_S or not self._turn.acquire(blocking=self._picture.stamp < 0):
            return self._picture
        try:
            if time.monotonic() - self._looked_at >= REFRESH_S:
                self._picture = self._read(self._picture)
                self._looked_at = time.monotonic()
            return self._picture
        finally:
            self._turn.release()

    def _read(self, before: _Picture) -> _Picture:
        with self._store.reading() as db:
            stamp = db.scalar(select(JournalHead.number)) or 0
            if stamp == before.stamp:
                return before
            return _Picture(stamp, {one.token_hash: one for one in living_devices(db)})
