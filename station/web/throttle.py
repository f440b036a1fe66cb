"""Slow down who guesses passwords, and nobody else: per ticket number and source, in memory, bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from station.errors import TooMany, problem

TOO_MANY_LOGINS = problem(
    "too_many_logins",
    "口令多次不正确，请 {wait_s} 秒后再试。如有疑问请举手。",
    "Too many wrong passwords. Try again in {wait_s} seconds, or raise your hand.",
)

FREE_TRIES = 3
LONGEST_WAIT_S = 60
FORGOTTEN_AFTER = timedelta(minutes=15)
LARGEST = 20_000


@dataclass
class _Tries:
    count: int
    last_at: datetime
    open_at: datetime


class LoginThrottle:
    """Waits of 2, 4, 8 … 60 s from the third wrong password on, for one ticket number from one source.

    A try counts as wrong from its beginning until `succeeded`, so that guesses sent side by side count each.
    """

    def __init__(self) -> None:
        self._tries: OrderedDict[tuple[str, str], _Tries] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, ticket_number: str, source: str, *, at: datetime) -> None:
        """Count a try, or refuse with `too_many_logins` while the wait lasts."""
        key = (ticket_number, source)
        with self._lock:
            tries = self._tries.get(key)
            if tries is not None and at - tries.last_at > FORGOTTEN_AFTER:
                tries = None
            if tries is not None and at < tries.open_at:
                wait_s = -(-(tries.open_at - at) // timedelta(seconds=1))
                raise TooMany(TOO_MANY_LOGINS, wait_s=wait_s)
            count = (tries.count if tries else 0) + 1
            wait = 0 if count < FREE_TRIES else min(LONGEST_WAIT_S, 2 ** min(count - FREE_TRIES + 1, 6))
            self._tries[key] = _Tries(count, at, at + timedelta(seconds=wait))
            self._tries.move_to_end(key)
            while len(self._tries) > LARGEST:
                self._tries.popitem(last=False)

    def succeeded(self, ticket_number: str, source: str) -> None:
        """Forget the wrong tries once the right password has come."""
        with self._lock:
            self._tries.pop((ticket_number, source), None)
