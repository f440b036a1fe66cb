"""The line of requests that save: together on the disk, each with its own answer, nobody for ever behind another."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from station.errors import Unsound
from station.store import Store, open_store
from station.store.save_line import LARGE_FROM, LARGE_TOGETHER, SaveLine
from station.store.save_queue import SaveQueue


class Room:
    """A store with a line; remembers which batches were written together and which works came to their end."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.groups: list[list[str]] = []
        self.answered: list[str] = []
        self.refused: list[str] = []
        self.saves: SaveQueue[str, int] = SaveQueue(store, self.record)
        self.line = SaveLine(self.saves)
        self.changed = threading.Condition()

    def record(self, db: Session, batches: Sequence[str]) -> list[int | Exception]:
        self.groups.append(list(batches))
        for body in batches:
            db.execute(text("INSERT INTO kept VALUES (:body)"), {"body": body})
        return [len(body) for body in batches]

    def work(self, body: str) -> None:
        """Save a text, as a request does, and note what came of it."""
        try:
            assert self.saves.save(body) == len(body)
            self.answered.append(body)
        except Unsound as refusal:
            self.refused.append(refusal.code)
        with self.changed:
            self.changed.notify_all()

    def put(self, *bodies: str, size: int = 0) -> None:
        for body in bodies:
            assert self.line.put(lambda body=body: self.work(body), size=size)  # type: ignore[misc]

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.answered) + len(self.refused) >= count, timeout=30)

    def kept(self) -> list[str]:
        with self.store.reading() as db:
            return list(db.scalars(text("SELECT body FROM kept ORDER BY rowid")))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}", tmp_path)
    with opened.transaction() as db:
        db.execute(text("CREATE TABLE kept (body TEXT CHECK (length(body) < 1000))"))
    yield opened
    opened.close()


@pytest.fixture
def room(store: Store) -> Iterator[Room]:
    made = Room(store)
    yield made
    made.line.stop()
    made.saves.stop()


def test_what_waits_is_written_in_one_commit_and_answered_in_order(room: Room):
    bodies = [f"answer {number}" for number in range(30)]
    room.put(*bodies)
    room.line.start()
    room.wait_for(30)
    assert room.groups == [bodies]
    assert room.answered == bodies == room.kept()


def test_one_that_the_store_refuses_fails_alone(room: Room):
    room.put("good 1", "x" * 2000, "good 2")
    room.line.start()
    room.wait_for(3)
    assert (room.answered, room.refused) == (["good 1", "good 2"], ["save_not_stored"])
    assert room.kept() == ["good 1", "good 2"]


def test_a_work_that_breaks_harms_neither_its_company_nor_those_who_come_later(
    room: Room, caplog: pytest.LogCaptureFixture
):
    def breaks_before() -> None:
        raise ValueError("before")

    def breaks_after() -> None:
        room.saves.save("saved, then broken")
        raise ValueError("after")

    room.line.put(breaks_before)
    room.put("good 1")
    room.line.put(breaks_after)
    room.line.start()
    room.wait_for(1)
    room.put("good 2")
    room.wait_for(2)
    assert room.kept() == ["good 1", "saved, then broken", "good 2"]
    assert caplog.text.count("unexpected error in a work that saves") == 2


def test_a_work_may_save_more_than_once_and_a_work_that_saves_nothing_is_done_at_once(room: Room):
    def twice() -> None:
        assert room.saves.save("first") == 5
        room.work("second")

    done: list[str] = []
    room.line.put(twice)
    room.line.put(lambda: done.append("nothing saved"))
    room.line.start()
    room.wait_for(1)
    assert room.kept() == ["first", "second"]
    assert done == ["nothing saved"]


def test_single_saves_wait_for_no_more_than_a_few_of_the_large_requests_after_an_outage(room: Room):
    many = [f"large {number}" for number in range(40)]
    room.put(*many, size=LARGE_TOGETHER // 3)
    room.put("single", size=LARGE_FROM)
    room.line.start()
    room.wait_for(41)
    assert room.groups[0] == ["single", *many[:3]]
    assert [body for body in room.answered if body != "single"] == many


def test_while_a_slow_disk_writes_the_line_counts_as_free_and_who_comes_then_goes_next(store: Store):
    room = Room(store)
    flushes, flushed = threading.Event(), threading.Event()
    event.listen(store.engine, "commit", lambda _: (flushes.set(), flushed.wait(10)))
    room.saves.flush_s = 0.01  # what a slow disk has shown before
    room.put("first")
    room.line.start()
    assert flushes.wait(30)
    room.line.wait_until_free(30)
    assert room.answered == [], "the flush goes on"
    room.put("late comer", "another")
    flushed.set()
    room.wait_for(3)
    assert room.groups == [["first"], ["late comer", "another"]]
    room.line.stop()
    room.saves.stop()


def test_on_a_slow_disk_who_comes_within_a_moment_goes_along(store: Store):
    room = Room(store)
    room.saves.flush_s = 10.0  # what a very slow disk has shown before
    chain = [f"save {number}" for number in range(20)]

    def come(number: int) -> None:
        if number + 1 < len(chain):
            room.line.put(lambda: come(number + 1))
        room.work(chain[number])

    room.line.put(lambda: come(0))
    room.line.start()
    room.wait_for(len(chain))
    assert room.groups == [chain]
    room.line.stop()
    room.saves.stop()


def test_threads_beside_the_line_save_too_and_everything_is_kept_once(room: Room):
    room.line.start()
    threads = [threading.Thread(target=room.work, args=(f"thread {number}",)) for number in range(40)]
    for number, thread in enumerate(threads):
        thread.start()
        room.put(f"line {number}")
    for thread in threads:
        thread.join(timeout=30)
    room.wait_for(80)
    assert sorted(room.kept()) == sorted(room.answered)
    assert len(set(room.kept())) == 80


def test_a_line_that_stops_answers_what_has_come_and_takes_no_more(room: Room):
    room.put("before the end")
    room.line.start()
    room.line.stop()
    assert room.answered == ["before the end"]
    assert not room.line.put(lambda: room.work("after the end"))


def test_a_queue_that_has_stopped_refuses_what_the_line_holds(room: Room):
    room.saves.stop()
    room.put("too late")
    room.line.start()
    room.wait_for(1)
    assert (room.refused, room.kept()) == (["save_not_stored"], [])
