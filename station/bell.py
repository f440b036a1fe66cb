"""Rings a job at a fixed pace, for ever, whatever the system clock does and whatever the job raises.

A scheduler that works out its next turn from the system's time falls silent when that is set back by an hour:
deadlines would pass and nobody be collected. The bell waits on the monotonic counter instead.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Bell:
    """Calls `job` every so many seconds in a thread of its own, until stopped.

    What the job raises is logged once and told once to `alarm(name, error)`, until it goes well again or fails in
    another way; an alarm that fails itself (a full disk takes no journal) is repeated at the next turn.
    """

    def __init__(
        self, name: str, job: Callable[[], object], *, every_s: float, alarm: Callable[[str, Exception], None]
    ) -> None:
        self._name = name
        self._job = job
        self._every_s = every_s
        self._alarm = alarm
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ring, name=f"bell-{name}", daemon=True)
        self._trouble = ""
        self._untold: Exception | None = None

    @property
    def is_stopped(self) -> bool:
        """Say whether a long job should come to its end."""
        return self._stopped.is_set()

    def start(self) -> None:
        """Ring from now on."""
        self._thread.start()

    def stop(self, *, timeout_s: float) -> None:
        """Ring no more; wait so long for a job that is at work."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _ring(self) -> None:
        while not self._stopped.wait(self._every_s):
            try:
                self._job()
            except Exception as error:
                self._note(error)
            else:
                if self._trouble:
                    log.info("%s goes well again", self._name)
                self._trouble = ""
            self._tell()

    def _note(self, error: Exception) -> None:
        trouble = f"{type(error).__name__}: {error}"
        if trouble != self._trouble:
            log.error("%s failed; it is tried again", self._name, exc_info=error)
            self._trouble, self._untold = trouble, error

    def _tell(self) -> None:
        if self._untold is None:
            return
        try:
            self._alarm(self._name, self._untold)
        except Exception as failure:
            log.debug("the alarm of %s could not be given: %s", self._name, failure)
        else:
            self._untold = None
