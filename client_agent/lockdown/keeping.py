"""Hold the lock while it lasts, and keep trying to put back what could not be put back at once.

One thread, which looks about once a second. What it finds is said without flapping: a problem that comes and goes
within seconds is one problem.
"""

from __future__ import annotations

import threading
from typing import Callable, Dict, List, Sequence, Tuple

from client_agent import clock
from client_agent.errors import AgentError
from client_agent.lockdown.operation import NotHeld
from client_agent.lockdown.sequence import Lockdown

LOOK_S = 1.0
TRY_AGAIN_S = 5.0
# Two beats at the least, so that the station hears of what was mended at once.
SHOWN_S = 6.0


class Steady:
    """The problems to report now: each from the moment it is found until it was not found for some seconds."""

    def __init__(self, shown_s: float = SHOWN_S) -> None:
        self._shown_s = shown_s
        self._last: Dict[Tuple[str, str], Tuple[float, NotHeld]] = {}

    def take(self, found: List[NotHeld], at: float) -> List[NotHeld]:
        """Take what one look found; `at` is monotonic seconds. Gives what is to be shown, the oldest first."""
        for one in found:
            key = (one.code, one.zh)
            before = self._last.get(key)
            # What stays broken and is mended in turn counts as broken, as long as both are shown.
            if before is not None and one.mended and not before[1].mended and at - before[0] <= self._shown_s:
                one = before[1]
            self._last[key] = (at, one)
        self._last = {key: seen for key, seen in self._last.items() if at - seen[0] <= self._shown_s}
        return [problem for _at, problem in self._last.values()]


class Keeping:
    """The thread. `problems` may be asked by any other.

    Start it when it is decided whether this process takes over what an earlier one locked (`Lockdown.lock`): of a PC
    that is not locked it restores what it finds.
    """

    def __init__(self, lockdown: Lockdown, report: Callable[[List[NotHeld]], None] | None = None) -> None:
        """`report` is called in the thread whenever the problems to show are others than before."""
        self._lockdown = lockdown
        self._report = report
        self._steady = Steady()
        self._problems: List[NotHeld] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeping the lock", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it; the lock stays as it is."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def note(self, left: Sequence[NotHeld]) -> None:
        """Take what an unlock could not put back: it is shown until the next try says otherwise."""
        self._problems = [*(one for one in self._problems if one not in left), *left]

    @property
    def problems(self) -> List[NotHeld]:
        """What does not hold now or did not some seconds ago."""
        return list(self._problems)

    def _keep(self) -> None:
        tried_at = clock.monotonic()
        while not self._ending.wait(LOOK_S):
            at = clock.monotonic()
            if self._lockdown.profile is not None:
                self._show(self._steady.take(self._lockdown.reapply(), at))
            elif at - tried_at >= TRY_AGAIN_S:
                tried_at = at
                self._show(self._put_back())
                self._steady = Steady()

    def _put_back(self) -> List[NotHeld]:
        try:
            return list(self._lockdown.restore_left_over().left)
        except AgentError as refusal:
            return [NotHeld(refusal.code, refusal.sentence("zh"), refusal.sentence("en"))]

    def _show(self, problems: List[NotHeld]) -> None:
        if problems != self._problems:
            self._problems = problems
            if self._report is not None:
                self._report(problems)
