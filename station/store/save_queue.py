"""The durable save path: many requests, one writer, one commit for all that wait (design §5).

A request thread puts its batch and sleeps; the writer takes everything that has come meanwhile, records it in
one transaction, commits once, and wakes each with its own outcome. The slower the disk, the larger the group.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

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
    in the thread that put that batch. When a whole group fails, each batch is tried again by itself, so that
    one bad batch never fails its neighbours. A full disk or a store that is held by another program is
    refused as `save_not_stored`, soon and for the whole group; the writer goes on. `refused` counts such batches.
    """

    def __init__(self, store: Store, record: Callable[[Session, Sequence[Batch]], Sequence[Outcome | Exception]]):
        self._store = store
        self._record = record
        self._waiting: queue.SimpleQueue[_Ticket[Batch, Outcome] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="save-writer", daemon=True)
        self._door = threading.Lock()
        self._is_stopped = False
        self._is_failing = False
        self.refused = 0

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def stop(self) -> None:
        """Write what still waits, then stop. Batches that come later are refused."""
        with self._door:
            self._is_stopped = True
            self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def save(self, batch: Batch) -> Outcome:
        """Return once the batch is on disk; raise what its recording raised, or `save_not_stored`."""
        ticket: _Ticket[Batch, Outcome] = _Ticket(batch)
        with self._door:  # nothing may come to wait behind the writer's end
            if self._is_stopped:
                raise Unsound(SAVE_NOT_STORED)
            self._waiting.put(ticket)
        ticket.done.acquire()
        if isinstance(ticket.outcome, Exception):
            raise ticket.outcome
        assert ticket.outcome is not None
        return ticket.outcome

    def _write(self) -> None:
        running = True
        while running:
            first = self._waiting.get()
            if first is None:
                break
            group = [first]
            while len(group) < LARGEST_GROUP:
                try:
                    following = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    running = False
                    break
                group.append(following)
            self._write_group(group)

    def _write_group(self, group: list[_Ticket[Batch, Outcome]]) -> None:
        try:
            self._commit(group)
        except Exception as failure:
            self._write_singly(group, failure)
        else:
            self._is_failing = False
        for ticket in group:
            ticket.done.release()

    def _write_singly(self, group: list[_Ticket[Batch, Outcome]], failure: Exception) -> None:
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

    def _commit(self, tickets: list[_Ticket[Batch, Outcome]]) -> None:
        with self._store.transaction() as db:
            outcomes = self._record(db, [ticket.batch for ticket in tickets])
        for ticket, outcome in zip(tickets, outcomes, strict=True):
            ticket.outcome = outcome


class _Ticket(Generic[Batch, Outcome]):
    """One batch, the lock that its thread sleeps on, and what came of it."""

    __slots__ = ("batch", "done", "outcome")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.done = threading.Lock()
        self.done.acquire()
        self.outcome: Outcome | Exception | None = None
