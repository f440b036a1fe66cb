"""A bad cable between two network interfaces: frames get lost, come twice, come late and so in another order.

    python -m station.rehearsal.drill.bad_cable NEAR FAR LOSS DOUBLED LATE

Makes the interfaces NEAR and FAR (Linux, root) and carries frames between them until it is ended; then it says in
one JSON line what became of them. The last three are parts of 1. In user space, as few kernels bring `netem`.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import random
import selectors
import signal
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_FRAME = 65_600
_LATE_S = (0.005, 0.060)


@dataclass(frozen=True)
class Badness:
    """Which part of the frames is lost, comes twice, comes late."""

    loss: float
    doubled: float
    late: float


@dataclass
class Carried:
    """What became of the frames."""

    frames: int = 0
    lost: int = 0
    doubled: int = 0
    late: int = 0


class BadCable:
    """Carries frames between two open interfaces."""

    def __init__(self, ends: tuple[int, int], badness: Badness, *, seed: int) -> None:
        self.carried = Carried()
        self.is_ended = False
        self._badness = badness
        self._random = random.Random(seed)
        self._late: list[tuple[float, int, int, bytes]] = []
        self._count = itertools.count()
        self._chosen = selectors.DefaultSelector()
        for here, there in (ends, ends[::-1]):
            os.set_blocking(here, False)
            self._chosen.register(here, selectors.EVENT_READ, there)

    def carry(self) -> None:
        """Carry until `is_ended`."""
        while not self.is_ended:
            wait_s = self._late[0][0] - time.monotonic() if self._late else 0.2
            for key, _ in self._chosen.select(min(0.2, max(0.0, wait_s))):
                self._take(key.fd, key.data)
            self._send_late()

    def _take(self, here: int, there: int) -> None:
        for _ in range(64):
            try:
                frame = os.read(here, _FRAME)
            except OSError:  # nothing more to read, or the interface is down
                return
            self._decide(there, frame)

    def _decide(self, there: int, frame: bytes) -> None:
        self.carried.frames += 1
        if self._random.random() < self._badness.loss:
            self.carried.lost += 1
            return
        copies = 1
        if self._random.random() < self._badness.doubled:
            self.carried.doubled += 1
            copies = 2
        for _ in range(copies):
            if self._random.random() < self._badness.late:
                self.carried.late += 1
                due = time.monotonic() + self._random.uniform(*_LATE_S)
                heapq.heappush(self._late, (due, next(self._count), there, frame))
            else:
                _write(there, frame)

    def _send_late(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            _, _, there, frame = heapq.heappop(self._late)
            _write(there, frame)


def read_carried(log: Path) -> Carried:
    """Read what a cable's program has said at its end."""
    return Carried(**json.loads(log.read_text("utf-8").splitlines()[-1]))


def _write(there: int, frame: bytes) -> None:
    try:
        os.write(there, frame)
    except OSError:  # the interface is down or full: the frame is lost, as on any cable
        return


def _interface(name: str) -> int:
    import fcntl  # not on Windows, where nobody calls this

    opened = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(opened, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return opened


def main() -> None:
    near, far, *parts = sys.argv[1:]
    cable = BadCable((_interface(near), _interface(far)), Badness(*map(float, parts)), seed=len(near) + ord(near[-1]))

    def end(_signal: int, _frame: FrameType | None) -> None:
        cable.is_ended = True

    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    cable.carry()
    print(json.dumps(asdict(cable.carried)), flush=True)


if __name__ == "__main__":
    main()
