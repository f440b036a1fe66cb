"""The durable save path: many requests, one writer, one commit for all that wait (design §5).

Requests put their batches; one writer takes everything that has come meanwhile, records it in one transaction,
commits once, and lets each go on with its own outcome. The slower the disk, the larger the group.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import greenlet
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from station.errors import Unsound, problem
from station.store import Store

SAVE_NOT_STORED = problem(
    "save_not_stored",
    "服务器暂时无法写入，答案仍保存在本机并会自动重发，请继续作答并报告监考员。",
    "The server cannot write at the moment. The answer stays on this PC and is sent again by itself.",
)
LARGEST_GROUP = 500
# After so many batches in a row that the disk or the database did not take, the rest of a group is not tried.
HOPELESS_AFTER = 2

Batch = TypeVar("Batch")
Outcome = TypeVar("Outcome")
log = logging.getLogger(__name__)


class SaveQueue(Generic[Batch, Outcome]):
    """Record batches durably, many in one commit.

    `record(db, batches)` gives one outcome a batch, in order; an outcome may be an exception, which is raised
    where that batch was put. When a whole group fails, each batch is tried again by itself, so that one bad batch
    never fails its neighbours. A full disk or a store that is held by another program is refused as
    `save_not_stored`, soon and for the whole group; the next group is tried anew. `refused` counts such batches;
    `flush_s` is how long the last commit took to reach the disk, `written_at` when, by the monotonic counter.
    """

    def __init__(self, store: Store, record: Callable[[Session, Sequence[Batch]], Sequence[Outcome | Exception]]):
        self._store = store
        self._record = record
        self._waiting: deque[Ticket[Batch, Outcome]] = deque()
        self._turn = threading.Lock()
        self._is_stopped = False
        self._is_failing = False
        self.refused = 0
        self.flush_s = 0.0
        self.written_at = -math.inf

    def stop(self) -> None:
        """Let what is being written be finished. Batches that come later are refused."""
        self._is_stopped = True
        with self._turn:
            pass

    def save(self, batch: Batch) -> Outcome:
        """Return once the batch is on disk; raise what its recording raised, or `save_not_stored`.

        Of several threads one writes for all that wait. On a `SaveLine` the batch waits there for its company.
        """
        ticket: Ticket[Batch, Outcome] = Ticket(batch)
        current = greenlet.getcurrent()
        if isinstance(current, HeldWork):
            current.parent.switch(ticket)
        else:
            self._waiting.append(ticket)
            while ticket.outcome is None:
                with self._turn:
                    if ticket.outcome is None:
                        self._write([self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_GROUP))])
        if isinstance(ticket.outcome, Exception):
            raise ticket.outcome
        assert ticket.outcome is not None
        return ticket.outcome

    def write(self, tickets: Sequence[Ticket[Batch, Outcome]], *, on_recorded: Callable[[], object]) -> None:
        """Write batches in one commit and give each its outcome; `on_recorded`: only the disk is waited for."""
        with self._turn:
            self._write(tickets, on_recorded)

    def _write(self, group: Sequence[Ticket[Batch, Outcome]], on_recorded: Callable[[], object] = int) -> None:
        if self._is_stopped:
            for ticket in group:
                ticket.outcome = Unsound(SAVE_NOT_STORED)
            return
        try:
            self._commit(group, on_recorded)
        except Exception as failure:
            self._write_singly(group, failure)
        else:
            self._is_failing = False

    def _write_singly(self, group: Sequence[Ticket[Batch, Outcome]], failure: Exception) -> None:
        in_a_row = 0
        for ticket in group:
            if in_a_row < HOPELESS_AFTER and (len(group) > 1 or not isinstance(failure, OperationalError)):
                try:
                    self._commit([ticket])
                except Exception as own:
                    failure = own
                    in_a_row = in_a_row + 1 if isinstance(own, OperationalError) else 0
                else:
                    in_a_row = 0
                    continue
            ticket.outcome = Unsound(SAVE_NOT_STORED)
            ticket.outcome.__cause__ = failure
            self._count_refused(failure)

    def _count_refused(self, failure: Exception) -> None:
        self.refused += 1
        if not self._is_failing:
            log.error("a save could not be written", exc_info=failure)
        self._is_failing = True

    def _commit(self, tickets: Sequence[Ticket[Batch, Outcome]], on_recorded: Callable[[], object] = int) -> None:
        with self._store.transaction() as db:
            outcomes = self._record(db, [ticket.batch for ticket in tickets])
            on_recorded()
            recorded_at = time.perf_counter()
        self.flush_s = time.perf_counter() - recorded_at
        self.written_at = time.monotonic()
        for ticket, outcome in zip(tickets, outcomes, strict=True):
            ticket.outcome = outcome


class Ticket(Generic[Batch, Outcome]):
    """One batch, and what came of it."""

    __slots__ = ("batch", "outcome")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.outcome: Outcome | Exception | None = None


class HeldWork(greenlet.greenlet):  # type: ignore[misc]
    """A work that is held at the point where it saves, as if it ran in a thread of its own."""
