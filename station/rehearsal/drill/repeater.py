"""A line that repeats itself: saves reach the station twice, old ones again later, and replies get lost.

Stands between pages and station. Of a request to save a copy goes out at the same time over another connection; now
and then an old request is sent once more; now and then the page's connection ends before the reply reaches it, so that
the page must send again. It compares all replies to the same request. Other requests pass as they are.
"""

from __future__ import annotations

import hashlib
import json
import operator
import random
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass

_HOST = "127.0.0.1"
_SAVES = b"POST /api/saves "
_OLD_KEPT = 400
_PATIENCE_S = 30.0
_COPIES_AT_ONCE = 8


@dataclass(frozen=True)
class Habits:
    """How often, as parts of 1, a request is doubled, an old one sent along, a reply lost. All 0: a plain line."""

    doubled: float = 0.0
    old: float = 0.0
    lost: float = 0.0


@dataclass
class Repeated:
    """What was done. `differing` counts replies that acknowledged something else than the first of its kind did."""

    requests: int = 0
    doubled: int = 0
    old: int = 0
    lost: int = 0
    differing: int = 0

    def __add__(self, other: Repeated) -> Repeated:
        return Repeated(*map(operator.add, astuple(self), astuple(other)))


class Repeater:
    """Forwards what comes to `port` of this PC, more often than it should. `connect` opens a way to the station."""

    def __init__(self, connect: Callable[[], socket.socket], habits: Habits, *, seed: int = 0) -> None:
        self.repeated = Repeated()
        self._connect, self._habits, self._chance = connect, habits, random.Random(seed)
        self._old: deque[bytes] = deque(maxlen=_OLD_KEPT)
        self._told: dict[bytes, str] = {}
        self._lock = threading.Lock()
        self._is_ended = threading.Event()
        self._copies = ThreadPoolExecutor(_COPIES_AT_ONCE)
        self._listening = socket.create_server((_HOST, 0), backlog=256)
        self._listening.settimeout(0.1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        return _HOST, int(self._listening.getsockname()[1])

    def close(self) -> None:
        """Take no more connections, and wait for the copies under way."""
        self._is_ended.set()
        self._thread.join()
        self._copies.shutdown()

    def _serve(self) -> None:
        with self._listening:
            while not self._is_ended.is_set():
                try:
                    page, _ = self._listening.accept()
                except TimeoutError:
                    continue
                threading.Thread(target=self._forward, args=(page,), daemon=True).start()

    def _forward(self, page: socket.socket) -> None:
        page.settimeout(_PATIENCE_S)
        with page, suppress(OSError), self._connect() as station:
            for request in _messages(page):
                if not self._pass_on(page, station, request):
                    return

    def _pass_on(self, page: socket.socket, station: socket.socket, request: bytes) -> bool:
        if not request.startswith(_SAVES):
            station.sendall(request)
            page.sendall(next(_messages(station)))
            return True
        copy, old, is_lost = self._chosen(request)
        station.sendall(request)
        reply = next(_messages(station))
        self._compare(request, reply)
        with self._lock:
            self._old.append(request)
        if old is not None:
            self._copies.submit(self._send_apart, old)
        if copy is not None:
            copy.result()
        if not is_lost:
            page.sendall(reply)
        return not is_lost

    def _chosen(self, request: bytes) -> tuple[Future[None] | None, bytes | None, bool]:
        """Throw the dice for a request: its copy (which is under way), an old one to send along, reply lost."""
        with self._lock:
            doubled, old, lost = (
                self._chance.random() < part for part in (self._habits.doubled, self._habits.old, self._habits.lost)
            )
            chosen = self._chance.choice(self._old) if old and self._old else None
            self.repeated.requests += 1
            self.repeated.doubled += doubled
            self.repeated.old += chosen is not None
            self.repeated.lost += lost
        return self._copies.submit(self._send_apart, request) if doubled else None, chosen, lost

    def _send_apart(self, request: bytes) -> None:
        with suppress(OSError), self._connect() as station:
            station.sendall(request)
            self._compare(request, next(_messages(station)))

    def _compare(self, request: bytes, reply: bytes) -> None:
        told, key = _acknowledged(reply), hashlib.sha256(request).digest()
        with self._lock:
            self.repeated.differing += self._told.setdefault(key, told) != told


def _acknowledged(reply: bytes) -> str:
    """Give what a reply acknowledges; of any other reply the status."""
    head, _, body = reply.partition(b"\r\n\r\n")
    try:
        document = json.loads(body)
        return json.dumps([document["acknowledged"], document["conflicts"], document["refused"]])
    except (ValueError, KeyError, TypeError):
        return head[9:12].decode(errors="replace")


def _messages(connection: socket.socket) -> Iterator[bytes]:
    """Read requests or replies, each with its body, until the other side ends."""
    held = b""
    while True:
        while b"\r\n\r\n" not in held or len(held) < _length(held):
            content = connection.recv(1 << 16)
            if not content:
                raise ConnectionResetError
            held += content
        length = _length(held)
        yield held[:length]
        held = held[length:]


def _length(message: bytes) -> int:
    head, mark, _ = message.partition(b"\r\n\r\n")
    body = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(head) + len(mark) + int(body or 0)
