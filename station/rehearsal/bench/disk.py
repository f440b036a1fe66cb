"""What the disk under a folder can do: the floor below every durable save."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

RECORD = b"x" * 512


def flushes_per_s(folder: Path, *, seconds: float) -> float:
    """Count appends of 512 bytes, each flushed to the disk."""
    path = folder / "flushes"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
    try:
        began, count = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds:
            os.write(descriptor, RECORD)
            os.fsync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
        path.unlink()
    return count / passed


def sqlite_commits_per_s(folder: Path, *, seconds: float) -> float:
    """Count commits of one row in a database as the station's: WAL, synchronous=FULL."""
    path = folder / "commits.db"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, body TEXT)")
        began, count = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO kept (body) VALUES (?)", (f"row {count}",))
            connection.execute("COMMIT")
            count += 1
    finally:
        connection.close()
        for ending in ("", "-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
    return count / passed


def main() -> None:
    """Print the median time of a flush in milliseconds: `python -m station.rehearsal.bench.disk FOLDER`."""
    import sys

    print(1000 / flushes_per_s(Path(sys.argv[1]), seconds=1.0))


if __name__ == "__main__":
    main()
