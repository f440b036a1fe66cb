"""A PC that a person freed against its orders: by a code, a command or as the technician; and what ends it."""

from __future__ import annotations

from typing import Any, Mapping

from client_agent import clock
from client_agent.orders import Orders
from client_agent.store import Freed, Store


class Freedom:
    """Whether this PC is freed. What a person decided holds over restarts and power cuts, until the station ends it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.freed: Freed | None = None
        self._since_s = 0.0
        self.look(None)

    def take(self, freed: Freed) -> None:
        """Free the PC now; raises where that cannot be written: it is free all the same, but a restart forgets it."""
        self._set(freed)
        self._store.keep_freed(freed)

    def look(self, orders: Orders | None) -> bool:
        """Take up what `exam-agent unlock` or `restore` wrote: True. `orders`: the station's own of this run.

        They end it where they lock no longer, or lock again in spite of the code that was used here.
        """
        if self.freed is None:
            self._set(self._store.freed())
            return self.freed is not None
        is_locked_again = orders is not None and self.freed.by == "code" and self.freed.code_id in orders.lock_again
        if orders is not None and (orders.lock is None or is_locked_again):
            self._store.keep_freed(None)
            self.freed = None
        return False

    def as_told(self) -> Mapping[str, Any]:
        """Give what the heartbeat says of it; `unlocked_s`: how long ago, whatever the two clocks say."""
        is_by_code = self.freed is not None and self.freed.by == "code"
        return {
            "unlocked_by_code": is_by_code,
            "unlock_code": self.freed.code_id if self.freed is not None else "",
            "unlocked_s": round(clock.monotonic() - self._since_s, 1) if is_by_code else 0.0,
        }

    def _set(self, freed: Freed | None) -> None:
        self.freed = freed
        written_at = clock.parse(freed.at) if freed is not None else None
        # A clock that was set back meanwhile says less than nothing: then it counts from now.
        ago_s = (clock.now() - written_at).total_seconds() if written_at is not None else 0.0
        self._since_s = clock.monotonic() - max(0.0, ago_s)
