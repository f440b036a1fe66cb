"""Rings a job at a fixed pace, for ever, whatever the system clock does and whatever the job raises.

A scheduler that works out its next turn from the system's time falls silent when that is set back by an hour:
deadlines would pass and nobody be collected. The bell waits on the monotonic counter instead. What may wait a
moment (delivery) stays with the scheduler, which the bell's job puts right after a jump of the clock.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

# So many real seconds without a sign of life in the store are an outage, though the program lives.
STALLED_FROM_S = 10.0
WITH_SAVE_S = 1.0
log = logging.getLogger(__name__)


class Watched:
    """A job whose failures end nothing.

    What it raises is logged once and told once to `alarm(name, error)`, until it goes well again or fails in
    another way; an alarm that fails itself (a full disk takes no journal) is repeated at the next call.
    """

    def __init__(self, name: str, job: Callable[[], object], *, alarm: Callable[[str, Exception], None]) -> None:
        self._name = name
        self._job = job
        self._alarm = alarm
        self._trouble = ""
        self._untold: Exception | None = None

    def __call__(self) -> None:
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


class Bell:
    """Calls a job, watched, every so many seconds in a thread of its own, until stopped."""

    def __init__(
        self, name: str, job: Callable[[], object], *, every_s: float, alarm: Callable[[str, Exception], None]
    ) -> None:
        self._watched = Watched(name, job, alarm=alarm)
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ring, name=f"bell-{name}", daemon=True)

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
            self._watched()


class Pulse:
    """When this process could last note that it is alive, by the monotonic counter.

    Disk full, database away, the whole machine frozen: the first who can write again gives the time back, before
    any answer is judged late.
    """

    def __init__(self) -> None:
        self._beat_at = time.monotonic()
        self._is_missed = False
        self._with_save_at = -math.inf

    def beat(self) -> None:
        """Note a sign of life that has come through."""
        self._beat_at = time.monotonic()
        self._is_missed = False

    def is_first_missed(self) -> bool:
        """Say whether nobody has asked this since the last sign of life: for an alarm that is given once."""
        is_first, self._is_missed = not self._is_missed, True
        return is_first

    def goes_with_save(self) -> bool:
        """Say once a second that a save may carry the sign of life, which then costs no flush of its own."""
        now = time.monotonic()
        if now - self._with_save_at < WITH_SAVE_S:
            return False
        self._with_save_at = now
        return True

    def came_with_save(self, written_at: float) -> bool:
        """Say whether a save that is on disk since `written_at` has carried the sign of life within the last second."""
        return written_at > self._with_save_at > time.monotonic() - WITH_SAVE_S

    @property
    def has_stalled(self) -> bool:
        return time.monotonic() - self._beat_at > STALLED_FROM_S
