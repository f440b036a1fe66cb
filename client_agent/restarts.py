"""When a service starts the agent once more that has ended: the same on every system."""

from __future__ import annotations

from typing import Callable

from client_agent.browser import QUICK_DEATH_S, pause_after

GONE_FOR_GOOD_AFTER = 5
PAUSE_WHEN_GONE_S = 60.0


class Restarts:
    """Counts how the part that a service keeps running starts and ends."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._started_at = self._not_before = 0.0
        self._quick_deaths = 0
        self.pause_s = 0.0

    @property
    def may_start(self) -> bool:
        return self._monotonic() >= self._not_before

    @property
    def is_gone_for_good(self) -> bool:
        """Say whether it has died so often right after its start that it will not come to put anything back."""
        return self._quick_deaths >= GONE_FOR_GOOD_AFTER

    def note_start(self) -> None:
        self._started_at = self._monotonic()

    def note_end(self) -> None:
        """Work out `pause_s`; a part that is gone for good is left alone for a minute."""
        lived_s = self._monotonic() - self._started_at
        self.pause_s = pause_after(lived_s, self.pause_s)
        self._quick_deaths = self._quick_deaths + 1 if lived_s < QUICK_DEATH_S else 0
        self.hold_off(PAUSE_WHEN_GONE_S if self.is_gone_for_good else self.pause_s)

    def hold_off(self, seconds: float) -> None:
        """Start nothing for so long."""
        self._not_before = self._monotonic() + seconds
