"""Slow down guessing of passwords: per user name and address, so that nobody can lock anybody else out."""

from __future__ import annotations

from datetime import datetime, timedelta

from station.errors import TooMany, problem

LOGIN_TOO_OFTEN = problem(
    "staff_login_too_often",
    "口令多次错误，请等待 {wait_s} 秒后再试。",
    "Too many wrong passwords: wait {wait_s} seconds and try again.",
)
FREE_TRIES = 3
LONGEST_WAIT_S = 60
_MOST_KEYS = 1000

Key = tuple[str, str]


class Slowdown:
    """Count failures in memory; each one above `FREE_TRIES` doubles the wait, up to a minute."""

    def __init__(self) -> None:
        self._failures: dict[Key, tuple[int, datetime]] = {}

    def check(self, key: Key, at: datetime) -> None:
        """Refuse with `staff_login_too_often` while the wait of this key runs."""
        count, last = self._failures.get(key, (0, at))
        if count < FREE_TRIES:
            return
        wait_s = min(2.0 ** (count - FREE_TRIES), LONGEST_WAIT_S)
        remaining = (last + timedelta(seconds=wait_s) - at).total_seconds()
        if remaining > 0:
            raise TooMany(LOGIN_TOO_OFTEN, wait_s=int(remaining) + 1)

    def failed(self, key: Key, at: datetime) -> None:
        """Count a wrong password."""
        count, _ = self._failures.pop(key, (0, at))
        self._failures[key] = (count + 1, at)
        while len(self._failures) > _MOST_KEYS:
            self._failures.pop(next(iter(self._failures)))

    def succeeded(self, key: Key) -> None:
        """Forget the failures of a key after the right password."""
        self._failures.pop(key, None)
