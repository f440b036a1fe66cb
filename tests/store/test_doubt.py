"""After an I/O error nothing of SQLite's log is believed until it lies in the database file (see `station.store`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from station.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}", tmp_path)
    with opened.transaction() as db:
        db.execute(text("CREATE TABLE kept (body TEXT)"))
    yield opened
    opened.close()


def keep(store: Store, body: str) -> None:
    with store.transaction() as db:
        db.execute(text("INSERT INTO kept VALUES (:body)"), {"body": body})


def kept(store: Store) -> list[str]:
    with store.reading() as db:
        return list(db.scalars(text("SELECT body FROM kept ORDER BY rowid")))


def log_size(store: Store) -> int:
    return (store.folder / "s.db-wal").stat().st_size


def connections(store: Store) -> list[object]:
    """Every connection that is opened from now on."""
    opened: list[object] = []
    event.listen(store.engine, "connect", lambda connection, _: opened.append(connection))
    return opened


def fail_with_an_io_error(store: Store) -> None:
    """Let SQLite itself meet one: its log ends before what its index says."""
    path = store.folder / "s.db-wal"
    whole = path.read_bytes()
    path.write_bytes(b"")
    with store.transaction() as db:
        db.execute(text("PRAGMA shrink_memory"))  # else it would not look into the log at all
    with pytest.raises(OperationalError):
        keep(store, "refused")
    path.write_bytes(whole)


def test_a_log_in_doubt_is_cut_before_anything_else_is_written(store: Store):
    keep(store, "before")
    assert log_size(store) > 0
    store.is_in_doubt = True
    with store.transaction():
        assert log_size(store) == 0
        assert not store.is_in_doubt
    keep(store, "after")
    assert kept(store) == ["before", "after"]


def test_an_io_error_puts_the_log_in_doubt_and_its_connection_away(store: Store):
    keep(store, "before")
    opened = connections(store)
    fail_with_an_io_error(store)
    assert store.is_in_doubt
    keep(store, "after")
    assert opened
    assert not store.is_in_doubt
    assert kept(store) == ["before", "after"]


def test_while_somebody_reads_a_log_in_doubt_saves_are_refused_and_go_on_afterwards(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("station.store.SETTLE_TIMEOUT_MS", 50)
    keep(store, "before")
    store.is_in_doubt = True
    with store.reading() as db:
        assert db.scalars(text("SELECT body FROM kept")).all() == ["before"]
        with pytest.raises(OperationalError):
            keep(store, "refused")
    keep(store, "after")
    assert kept(store) == ["before", "after"]


def test_a_full_disk_puts_nothing_in_doubt(store: Store):
    keep(store, "before")
    with store.transaction() as db:
        db.execute(text("PRAGMA max_page_count = 2"))
    with pytest.raises(OperationalError):
        keep(store, "x" * 100_000)
    assert not store.is_in_doubt


def test_an_error_that_is_no_io_error_keeps_the_connection(store: Store):
    opened = connections(store)
    for _ in range(3):
        with pytest.raises(OperationalError), store.transaction() as db:
            db.execute(text("SELECT * FROM nothing"))
    assert not store.is_in_doubt
    assert len(opened) <= 1
