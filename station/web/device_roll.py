"""What every agent asks for each second or two, remembered: its device, its orders, its commands.

All that changes orders or commands moves a stamp that is read in one short query (`store.orders_reading`); while it
stands, memory is right. It is looked at twice a second however many agents ask.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from station.store import Store
from station.store.device_queries import KnownDevice, device_by_token, living_devices
from station.store.orders_reading import Command, read_stamp
from station.web.agent_orders import Situation, compose

REFRESH_S = 0.5
# What depends on time alone (a code that was shown expires) is read again so often.
ANEW_S = 10.0


@dataclass(frozen=True)
class _Picture:
    """The roll at one moment; replaced as a whole."""

    stamp: tuple[int, ...] = ()
    read_at: float = float("-inf")
    devices: Mapping[str, KnownDevice] = field(default_factory=dict)
    situation: Situation = field(default_factory=Situation)


class DeviceRoll:
    """All living devices by the hash of their token, and what each shall be; at most `REFRESH_S` behind the store."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._picture = _Picture()
        self._looked_at = float("-inf")
        self._turn = threading.Lock()

    def device(self, hashed: str) -> KnownDevice | None:
        """Find who sends a token; a 'no' is asked of the store itself."""
        known = self._fresh().devices.get(hashed)
        if known is not None:
            return known
        with self._store.reading() as db:
            found = device_by_token(db, hashed)
        if found is not None:
            self.look_again()
        return found

    def devices(self) -> list[KnownDevice]:
        """List every living device."""
        return list(self._fresh().devices.values())

    def orders(self, device_id: int) -> Mapping[str, object] | None:
        """Give a device's orders as they stand in the store now or did half a second ago; None for an unknown one."""
        return self._fresh().situation.orders.get(device_id)

    def commands(self, device_id: int) -> Sequence[Command]:
        """List what a device is still to do."""
        return self._fresh().situation.commands.get(device_id, ())

    def situation(self) -> Situation:
        """Give all orders and what is held in the rooms."""
        return self._fresh().situation

    def look_again(self) -> None:
        """Let the next question look into the store, whenever the last look was."""
        self._looked_at = float("-inf")

    def _fresh(self) -> _Picture:
        """Give a picture that is fresh enough; one thread looks while the others go on with what is there."""
        if time.monotonic() - self._looked_at < REFRESH_S or not self._turn.acquire(blocking=not self._picture.stamp):
            return self._picture
        try:
            now_s = time.monotonic()
            if now_s - self._looked_at >= REFRESH_S:
                self._looked_at = now_s
                self._picture = self._read(self._picture, now_s)
            return self._picture
        finally:
            self._turn.release()

    def _read(self, before: _Picture, now_s: float) -> _Picture:
        with self._store.reading() as db:
            stamp = read_stamp(db)
            if stamp == before.stamp and now_s - before.read_at < ANEW_S:
                return before
            devices = living_devices(db)
            situation = compose(db, devices, self._now()) if devices else Situation()
            return _Picture(stamp, now_s, {one.token_hash: one for one in devices}, situation)
