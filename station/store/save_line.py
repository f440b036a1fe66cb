"""One thread for all requests that save: they go up to that point, are written together, and are answered.

With a thread for each request most of the time went into handing over, from the server's loop to a worker, from the
worker to the writer and back, each time past the interpreter's lock. Here a group of requests costs what one thread
does in a row, and one flush.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from station.store.save_queue import HeldWork, SaveQueue, Ticket

# Of requests with many saves, as after an outage, so many bytes go into one group: single saves wait for no more.
LARGE_FROM = 8_000
LARGE_TOGETHER = 60_000
# Where a flush takes so long, it is worth a moment's waiting that more go along.
SLOW_FLUSH_S = 0.003
NOBODY_COMES_S = 0.001
GATHERS_FLUSHES = 3

Work = Callable[[], object]
_Held = tuple[HeldWork, Ticket[Any, Any]]
log = logging.getLogger(__name__)


class SaveLine:
    """Runs works in the order in which they come; a work that saves in `queue` is held until its batch is written.

    A work must not hold, while it saves, a lock that another work takes. `on_answered` is called, in the line's
    thread, whenever some works have come to their end.
    """

    def __init__(self, queue: SaveQueue[Any, Any], *, on_answered: Callable[[], object] = lambda: None) -> None:
        self._queue, self._on_answered = queue, on_answered
        self._small: deque[Work] = deque()
        self._large: deque[tuple[Work, int]] = deque()
        self._held: list[_Held] = []
        self._has_come = threading.Event()
        self._is_free = threading.Event()
        self._is_free.set()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="save-line", daemon=True)

    @property
    def is_here(self) -> bool:
        """Say whether the calling thread is the line's own."""
        return threading.get_ident() == self._thread.ident

    def wait_until_free(self, timeout_s: float) -> None:
        """Wait until the line has nothing to do but to wait itself: for works, or for a slow disk."""
        self._is_free.wait(timeout_s)

    def put(self, work: Work, *, size: int = 0) -> bool:
        """Let a work wait for its turn; `size` is how many bytes it brings. False: the line has been stopped."""
        if self._is_stopping:
            return False
        if size > LARGE_FROM:
            self._large.append((work, size))
        else:
            self._small.append(work)
        self._has_come.set()
        return True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what has come, then end."""
        self._is_stopping = True
        self._has_come.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._is_free.set()
            self._has_come.wait()
            self._is_free.clear()
            self._has_come.clear()
            try:
                while self._step():
                    pass
            except Exception:  # whatever it is, the next answers must be saved
                log.exception("unexpected error in the line of saves")
                self._has_come.set()
            if self._is_stopping:
                self._is_free.set()
                return

    def _step(self) -> bool:
        """Take up what has come, write what is held and answer it; False: nothing to do but wait for works."""
        has_taken = self._take_up()
        if not self._held:
            return has_taken
        if self._queue.flush_s >= SLOW_FLUSH_S:
            self._gather()
        group, self._held = self._held, []
        self._queue.write([ticket for _, ticket in group], on_recorded=self._is_free.set)
        self._is_free.clear()
        for work, _ in group:
            self._go_on(work)
        self._on_answered()
        return True

    def _take_up(self) -> bool:
        """Run all small works that wait, and of the larger ones, in turn, what may go with them."""
        has_taken, room = self._take_up_small(), LARGE_TOGETHER
        while self._large and room > 0:
            work, size = self._large.popleft()
            room -= size
            self._go_on(HeldWork(work))
            has_taken = True
        return has_taken

    def _take_up_small(self) -> bool:
        works = [self._small.popleft() for _ in range(len(self._small))]
        for work in works:
            self._go_on(HeldWork(work))
        return bool(works)

    def _gather(self) -> None:
        """Let those go along who have just been answered and save again, rather than wait for two flushes.

        Until nobody has come for a moment, and for no longer than some flushes take.
        """
        until = time.monotonic() + GATHERS_FLUSHES * self._queue.flush_s
        self._is_free.set()
        while time.monotonic() < until and self._has_come.wait(NOBODY_COMES_S):
            self._has_come.clear()
            self._take_up_small()
        self._is_free.clear()

    def _go_on(self, work: HeldWork) -> None:
        """Run a work until it saves or ends."""
        try:
            ticket = work.switch()
        except Exception:
            log.exception("unexpected error in a work that saves")
            return
        if not work.dead:
            self._held.append((work, ticket))
