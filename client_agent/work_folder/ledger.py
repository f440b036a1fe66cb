"""What the station has of each work folder, and which message it may not have got: kept over crashes and power cuts.

The ledger only saves work: without it the folder is compared with the station's list again, by hash. It never holds
contents. What still waits is not written down, since it follows from ledger and folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import uuid
from pathlib import Path
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from client_agent import clock
from client_agent.work_folder.files import Mark

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (id TEXT NOT NULL, sequence INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS folder (
  attempt_id INTEGER PRIMARY KEY, root TEXT NOT NULL, generation TEXT NOT NULL, aside TEXT NOT NULL,
  taken_back INTEGER NOT NULL, settled TEXT NOT NULL, largest INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS file (
  attempt_id INTEGER NOT NULL, path TEXT NOT NULL, local TEXT NOT NULL, sha256 TEXT, version INTEGER NOT NULL,
  size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, PRIMARY KEY (attempt_id, path));
CREATE TABLE IF NOT EXISTS message (
  attempt_id INTEGER NOT NULL, sequence INTEGER NOT NULL, body TEXT NOT NULL, marks TEXT NOT NULL,
  PRIMARY KEY (attempt_id, sequence));
"""
# A new ledger counts from the milliseconds since 2020, so that it never repeats what a lost one of the same boot said.
BEGINNING_OF_2020 = 1577836800
# More than could be told before the next start.
FAR_AHEAD = 1_000_000


class Held(NamedTuple):
    """A file as the station has it. `sha256` None: removed. `version` 0: a material as it was given out."""

    path: str
    local: str
    sha256: str | None
    version: int
    mark: Mark


class HeldFiles:
    """The files of one folder by their path at the station and by the one here. Unlike the ledger it is not kept."""

    def __init__(self, held: Iterable[Held] = ()) -> None:
        self._by_path: dict[str, Held] = {}
        self._by_local: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        for one in held:
            self.note(one)

    def note(self, held: Held) -> None:
        old = self._by_path.get(held.path)
        if old is not None and self._by_local.get(old.local) == held.path:
            del self._by_local[old.local]
        self._by_path[held.path] = held
        self._by_local[held.local] = held.path
        self._folded[held.local.casefold()] = held.path

    def get(self, path: str) -> Held | None:
        return self._by_path.get(path)

    def at(self, local: str) -> Held | None:
        """Give the file that lies there, or lay there last."""
        path = self._by_local.get(local)
        return self._by_path[path] if path is not None else None

    def is_taken(self, local: str, *, by_other_than: str) -> bool:
        """Say whether another file's name here differs from this one in letter case at most."""
        return self._folded.get(local.casefold(), by_other_than) != by_other_than

    def all(self) -> Iterable[Held]:
        return self._by_path.values()


class Kept(NamedTuple):
    """A work folder of this PC. `aside`: where it was moved to, out of sight, empty while it lies in its place."""

    attempt_id: int
    root: str
    generation: str
    aside: str
    taken_back: int
    settled: str
    largest: int


class Message(NamedTuple):
    """Versions told to the station whose answer did not come; `marks` by path: of the file that was sent."""

    sequence: int
    body: dict[str, Any]
    marks: dict[str, Any]


class Ledger:
    """The ledger of this PC; used by one thread.

    When its disk takes no more it goes on in memory (`is_durable` is then False): sending matters more.
    """

    def __init__(self, folder: Path) -> None:
        self.is_durable = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = _open(folder / "work.sqlite3")
        except (OSError, sqlite3.Error):
            self.is_durable = False
            self._db = _connect(":memory:")

    def close(self) -> None:
        self._db.close()

    def kept_folders(self) -> list[Kept]:
        return [Kept(*row) for row in self._db.execute("SELECT * FROM folder ORDER BY attempt_id")]

    def kept_folder(self, attempt_id: int) -> Kept | None:
        return next((kept for kept in self.kept_folders() if kept.attempt_id == attempt_id), None)

    def keep_folder(self, kept: Kept) -> None:
        self._write([("INSERT OR REPLACE INTO folder VALUES (?,?,?,?,?,?,?)", kept)])

    def forget_folder(self, attempt_id: int) -> None:
        tables = ("folder", "file", "message")
        self._write([(f"DELETE FROM {table} WHERE attempt_id = ?", (attempt_id,)) for table in tables])

    def forget_files(self, attempt_id: int) -> None:
        self._write([("DELETE FROM file WHERE attempt_id = ?", (attempt_id,))])

    def files(self, attempt_id: int) -> HeldFiles:
        """Give the files of one folder."""
        rows = self._db.execute(
            "SELECT path, local, sha256, version, size, mtime_ns FROM file WHERE attempt_id = ?", (attempt_id,)
        )
        return HeldFiles(Held(row[0], row[1], row[2], row[3], Mark(row[4], row[5])) for row in rows)

    def hold(self, attempt_id: int, held: Sequence[Held], *, answered: int | None = None) -> None:
        """Note what the station has; with `answered` the message of that sequence is done in the same step."""
        steps: list[tuple[str, Sequence[Any]]] = [
            (
                "INSERT OR REPLACE INTO file VALUES (?,?,?,?,?,?,?)",
                (attempt_id, one.path, one.local, one.sha256, one.version, one.mark.size, one.mark.mtime_ns),
            )
            for one in held
        ]
        if answered is not None:
            steps.append(("DELETE FROM message WHERE attempt_id = ? AND sequence = ?", (attempt_id, answered)))
        self._write(steps)

    def begin_message(self, attempt_id: int, body: Mapping[str, Any], marks: Mapping[str, Any]) -> Message:
        """Give a message its number and keep it until it is answered."""
        number = int(self._db.execute("SELECT sequence FROM ledger").fetchone()[0]) + 1
        numbered = {**body, "sequence": number}
        insert = "INSERT INTO message VALUES (?,?,?,?)"
        row = (attempt_id, number, json.dumps(numbered), json.dumps(marks))
        if not self._write([("UPDATE ledger SET sequence = ?", (number,)), (insert, row)]):
            return self.begin_message(attempt_id, body, marks)
        return Message(number, numbered, dict(marks))

    def messages(self, attempt_id: int) -> list[Message]:
        rows = self._db.execute(
            "SELECT sequence, body, marks FROM message WHERE attempt_id = ? ORDER BY sequence", (attempt_id,)
        )
        return [Message(row[0], json.loads(row[1]), json.loads(row[2])) for row in rows]

    def _write(self, steps: Sequence[tuple[str, Sequence[Any]]]) -> bool:
        """Do all steps or none. False: they were not done, as the ledger had just to be taken into memory."""
        try:
            _together(self._db, steps)
        except sqlite3.Error:
            if not self.is_durable:
                raise
            self._go_on_in_memory()
            if steps and "INSERT INTO message" in steps[-1][0]:
                return False
            _together(self._db, steps)
        return True

    def _go_on_in_memory(self) -> None:
        """Leave the file as it is. Numbers go on far ahead: a later start counts on from those of the file."""
        memory = _connect(":memory:")
        with contextlib.suppress(sqlite3.Error):
            self._db.backup(memory)
        memory.executescript(SCHEMA)
        _begin(memory)
        memory.execute("UPDATE ledger SET sequence = sequence + ?", (FAR_AHEAD,))
        self._db.close()
        self._db, self.is_durable = memory, False


def _together(db: sqlite3.Connection, steps: Sequence[tuple[str, Sequence[Any]]]) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement, values in steps:
            db.execute(statement, tuple(values))
        db.execute("COMMIT")
    except sqlite3.Error:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _open(path: Path) -> sqlite3.Connection:
    """Open the file; one that cannot be read is put aside, not overwritten."""
    try:
        return _connect(str(path))
    except sqlite3.OperationalError:
        raise  # full, or held by another process: that damages nothing
    except sqlite3.DatabaseError:
        number = len(list(path.parent.glob(f"{path.name}.broken*"))) + 1
        os.replace(path, path.with_name(f"{path.name}.broken{number}"))
        for rest in ("-wal", "-shm"):
            with contextlib.suppress(OSError):
                path.with_name(path.name + rest).unlink()
        return _connect(str(path))


def _connect(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, isolation_level=None, timeout=2.0, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")
        db.executescript(SCHEMA)
        _begin(db)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _begin(db: sqlite3.Connection) -> None:
    if db.execute("SELECT COUNT(*) FROM ledger").fetchone()[0] == 0:
        first = int((clock.now().timestamp() - BEGINNING_OF_2020) * 1000)
        db.execute("INSERT INTO ledger VALUES (?, ?)", (uuid.uuid4().hex, max(0, first)))
