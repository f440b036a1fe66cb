"""The durable save path: many requests, one writer, one commit for all that wait (design §5).

A request thread puts its batch and sleeps; the writer takes everything that has come meanwhile, records it in
one transaction, commits once, and wakes each with its own outcome. The slower the disk, the larger the group.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from station.errors import Unsound, problem
from station.store import Store

SAVE_NOT_STORED = problem(
    "save_not_stored",
    "服务器暂时无法写入，答案仍保存在本机并会自动重发，请继续作答并报告监考员。",
    "The server cannot write at the moment. The answer stays on this PC and is sent again by itself.",
)
LARGEST_GROUP = 500

Batch = TypeVar("Batch")
Outcome = TypeVar("Outcome")


class SaveQueue(Generic[Batch, Outcome]):
    """Record batches durably, many in one commit.

    `record(db, batches)` gives one outcome a batch, in order; an outcome may be an exception, which is raised
    in the thread that put that batch. When a whole group fails, each batch is tried again by itself, so that
    one bad batch never fails its neighbours.
    """

    def __init__(self, store: Store, record: Callable[[Session, Sequence[Batch]], Sequence[Outcome | Exception]]):
        self._store = store
        self._record = record
        self._waiting: queue.SimpleQueue[_Ticket[Batch, Outcome] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="save-writer", daemon=True)
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def stop(self) -> None:
        """Write what still waits, then stop. Batches that come later are refused."""
        self._stopped.set()
        self._waiting.put(None)
        self._thread.join()

    def save(self, batch: Batch) -> Outcome:
        """Return once the batch is on disk; raise what its recording raised, or `save_not_stored`."""
        if self._stopped.is_set():
            raise Unsound(SAVE_NOT_STORED)
        ticket: _Ticket[Batch, Outcome] = _Ticket(batch)
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
        except Exception:
            for ticket in group:
                try:
                    self._commit([ticket])
                except Exception as failure:
                    ticket.outcome = Unsound(SAVE_NOT_STORED)
                    ticket.outcome.__cause__ = failure
        for ticket in group:
            ticket.done.release()

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
