"""The rows of the journal, in the database driver's own words: nearly every act writes one."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Dialect
from sqlalchemy.orm import Session

from station.store.driver_rows import DriverRows
from station.store.models import JournalEntry, JournalHead, milliseconds


class JournalRow(NamedTuple):
    """A new entry of the journal, as it goes into its table."""

    number: int
    at: datetime
    event: str
    sitting_id: int | None
    entry_id: int | None
    staff_id: int | None
    details: str
    previous_hash: str
    hash: str


class JournalRows(DriverRows):
    """Reads and writes the end of the journal for one kind of database."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._read_sql = self._locked(JournalHead, ("number", "hash"), 1)
        self._entry_sql = self._insert(JournalEntry, JournalRow._fields)
        self._first_sql = self._insert(JournalHead, ("number", "hash", "id"))
        self._head_sql = self._update(JournalHead, ("number", "hash"), ("id",))

    def read_end(self, db: Session) -> tuple[int, str] | None:
        """Read number and hash of the last entry, locked until the transaction ends; None in a new store."""
        for number, last_hash in self._fetch(db, self._read_sql, (1,)):
            return number, last_hash
        return None

    def add(self, db: Session, row: JournalRow, *, is_first: bool) -> None:
        """Add an entry and move the end to it."""
        self._run(db, self._entry_sql, [(row.number, milliseconds(row.at), *row[2:])])
        self._run(db, self._first_sql if is_first else self._head_sql, [(row.number, row.hash, 1)])


@lru_cache
def journal_rows(dialect: Dialect) -> JournalRows:
    """Give the statements for a dialect, written once."""
    return JournalRows(dialect)
