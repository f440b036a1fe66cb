"""The one writer: it never dies, it never makes many wait for what cannot be, and nobody waits behind its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from station.errors import Unsound
from station.store import Store, open_store
from station.store.save_queue import HOPELESS_AFTER, SaveQueue


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}", tmp_path)
    with opened.transaction() as db:
        db.execute(text("CREATE TABLE kept (body TEXT CHECK (length(body) < 1000000))"))
    yield opened
    opened.close()


def record(db: Session, batches: Sequence[str]) -> list[int | Exception]:
    for body in batches:
        db.execute(text("INSERT INTO kept VALUES (:body)"), {"body": body})
    return [len(body) for body in batches]


def all_at_once(count: int, act: Callable[[int], object]) -> list[str]:
    """Run an act in many threads; give what each was refused with, '' for none."""
    outcomes: list[str] = []

    def run(number: int) -> None:
        try:
            act(number)
            outcomes.append("")
        except Unsound as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(outcomes) == count
    return outcomes


def test_a_full_disk_is_refused_soon_and_for_all_and_the_writer_goes_on_when_there_is_room(store: Store):
    tries: list[int] = []

    def counted(db: Session, batches: Sequence[str]) -> list[int | Exception]:
        tries.append(len(batches))
        time.sleep(0.05)
        if batches != ["room again"]:
            db.execute(text("PRAGMA max_page_count = 3"))
        outcomes = record(db, batches)
        db.execute(text("PRAGMA max_page_count = 1000000"))
        return outcomes

    saves: SaveQueue[str, int] = SaveQueue(store, counted)
    outcomes = all_at_once(20, lambda number: saves.save("x" * 20_000))
    assert outcomes == ["save_not_stored"] * 20
    assert saves.refused == 20
    assert len(tries) <= 4 * (1 + HOPELESS_AFTER)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert saves.save("room again") == 10
    saves.stop()


def test_one_batch_that_the_store_refuses_fails_alone(store: Store):
    saves: SaveQueue[str, int] = SaveQueue(store, record)
    bodies = ["good"] * 8 + ["x" * 1_000_001] + ["good"] * 8
    gate = store._write_lock
    with gate:  # so that all are waiting when the writer begins
        waiting = threading.Thread(target=lambda: results.extend(all_at_once(17, lambda one: saves.save(bodies[one]))))
        results: list[str] = []
        waiting.start()
        time.sleep(0.2)
    waiting.join()
    assert sorted(results) == [""] * 16 + ["save_not_stored"]
    saves.stop()


def test_nobody_waits_for_ever_behind_a_queue_that_has_stopped(store: Store):
    saves: SaveQueue[str, int] = SaveQueue(store, record)
    stopper = threading.Thread(target=lambda: (time.sleep(0.02), saves.stop()))
    stopper.start()

    def save_on(number: int) -> None:
        for _ in range(200):
            saves.save("x")

    assert set(all_at_once(8, save_on)) <= {"", "save_not_stored"}
    stopper.join(timeout=10)
    with pytest.raises(Unsound):
        saves.save("late")


def test_a_queue_that_was_never_used_can_be_stopped(store: Store):
    SaveQueue(store, record).stop()
