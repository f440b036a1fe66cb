"""The keys that work whatever is shown: help, test page and program for the candidate, the status for staff."""

from __future__ import annotations

from typing import Callable, Mapping

from client_agent import clock
from client_agent.errors import AgentError
from client_agent.machine import Desktop
from client_agent.orders import Orders

STATUS_KEY = "Ctrl+Alt+Shift+U"
HELP_KEY = "F1"
# Programs of a practical test have their own help behind F1.
HELP_KEY_WITH_PROGRAMS = "Ctrl+Alt+H"
PAGE_KEY, PROGRAM_KEY = "Ctrl+Alt+1", "Ctrl+Alt+2"
TRY_AGAIN_S = 10.0


def help_key(orders: Orders | None) -> str:
    """Name the key by which a candidate calls for help under these orders."""
    return HELP_KEY_WITH_PROGRAMS if _has_programs(orders) else HELP_KEY


class HotKeys:
    """Keeps the right keys watched. Used by one thread; what the keys do runs in the watch's own."""

    def __init__(
        self,
        desktop: Callable[[], Desktop],
        *,
        help_asked: Callable[[], None],
        status_asked: Callable[[], None],
        switching: Mapping[str, Callable[[], None]],
    ) -> None:
        """`switching`: what is watched besides where the work needs programs."""
        self._make_desktop = desktop
        self._help_asked, self._status_asked = help_asked, status_asked
        self._switching = switching
        self._watched: tuple[bool, str] | None = None
        self._end: Callable[[], None] | None = None
        self._again_at = 0.0

    def watch(self, *, is_locked: bool, orders: Orders | None) -> None:
        """Watch the keys that hold now. They are taken anew when the PC is locked: a kiosk has a desktop of its own."""
        wanted = (is_locked, help_key(orders) if orders is not None else "")
        if wanted == self._watched or clock.monotonic() < self._again_at:
            return
        self.end()
        keys = {STATUS_KEY: self._status_asked}
        if wanted[1]:
            keys[wanted[1]] = self._help_asked
        if wanted[1] == HELP_KEY_WITH_PROGRAMS:
            keys.update(self._switching)
        try:
            self._end = self._make_desktop().watch_hot_keys(keys)
            self._watched = wanted
        except AgentError:
            # No screen yet, as right after the system's start: somebody will log in.
            self._again_at = clock.monotonic() + TRY_AGAIN_S

    def end(self) -> None:
        if self._end is not None:
            self._end()
        self._end = self._watched = None


def _has_programs(orders: Orders | None) -> bool:
    return orders is not None and bool((orders.lock or {}).get("programs_allowed"))
