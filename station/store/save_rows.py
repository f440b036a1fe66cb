"""The rows that a save touches, in the database driver's own words: every save goes through here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Dialect
from sqlalchemy.orm import Session

from station.store.driver_rows import DriverRows
from station.store.models import Attempt, CurrentAnswer, Revision, from_milliseconds, milliseconds

_READ_AT_ONCE = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class AttemptRow(NamedTuple):
    """Where an attempt stands: what decides over a save, and the end of its chain."""

    id: int
    state: str
    deadline_at: datetime
    place: int
    number: int
    hash: str
    answered: int
    late: int
    saved_at: datetime | None
    ended_at: datetime | None


class RevisionRow(NamedTuple):
    """A new revision, as it goes into its table."""

    attempt_id: int
    number: int
    place: int
    sequence: int
    item_id: str
    response: str
    saved_at: datetime
    workstation_id: int | None
    is_late: bool
    is_answered: bool
    previous_hash: str
    hash: str


class AnswerRow(NamedTuple):
    """Which revision of an item counts from now on."""

    place: int
    sequence: int
    revision_number: int
    is_answered: bool
    attempt_id: int
    item_id: str


class ChangedAttempt(NamedTuple):
    """The new end of an attempt's chain; `view` None leaves the page's view as it was."""

    revision_count: int
    head_hash: str
    answered_count: int
    late_count: int
    last_saved_at: datetime | None
    view: str | None
    id: int


class SaveRows(DriverRows):
    """Reads and writes of the save path for one kind of database."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._head_sql: dict[int, str] = {}
        self._revision_sql = self._insert(Revision, RevisionRow._fields)
        self._new_answer_sql = self._insert(CurrentAnswer, AnswerRow._fields)
        self._changed_answer_sql = self._update(CurrentAnswer, AnswerRow._fields[:4], AnswerRow._fields[4:])
        self._attempt_sql = self._update(Attempt, ChangedAttempt._fields[:-1], ("id",)).replace(
            f"{self._name(Attempt, 'view')}={self._mark}",
            f"{self._name(Attempt, 'view')}=COALESCE({self._mark}, {self._name(Attempt, 'view')})",
        )

    def read_attempts(self, db: Session, attempt_ids: Sequence[int]) -> list[AttemptRow]:
        """Read where attempts stand, locked until the transaction ends; those that are not there are left out."""
        rows: list[AttemptRow] = []
        for start in range(0, len(attempt_ids), _READ_AT_ONCE[-1]):
            wanted = sorted(attempt_ids[start : start + _READ_AT_ONCE[-1]])
            size = next(one for one in _READ_AT_ONCE if one >= len(wanted))
            wanted += wanted[-1:] * (size - len(wanted))
            rows += map(_attempt_row, self._fetch(db, self._select(size), wanted))
        return rows

    def add_revisions(self, db: Session, rows: Sequence[RevisionRow]) -> None:
        """Add revisions to their chains."""
        self._run(db, self._revision_sql, [(*row[:6], milliseconds(row.saved_at), *row[7:]) for row in rows])

    def put_answers(self, db: Session, new: Sequence[AnswerRow], changed: Sequence[AnswerRow]) -> None:
        """Let revisions count: of items that had no answer yet, and of those that had."""
        self._run(db, self._new_answer_sql, new)
        self._run(db, self._changed_answer_sql, changed)

    def change_attempts(self, db: Session, rows: Sequence[ChangedAttempt]) -> None:
        """Move the ends of chains."""
        kept = [
            row if row.last_saved_at is None else (*row[:4], milliseconds(row.last_saved_at), *row[5:]) for row in rows
        ]
        self._run(db, self._attempt_sql, kept)

    def _select(self, size: int) -> str:
        """Write the reading of attempts, locked as `store.locking` does."""
        if size not in self._head_sql:
            self._head_sql[size] = self._locked(Attempt, _ATTEMPT_COLUMNS, size)
        return self._head_sql[size]


_ATTEMPT_COLUMNS = (
    "id",
    "state",
    "deadline_at",
    "place",
    "revision_count",
    "head_hash",
    "answered_count",
    "late_count",
    "last_saved_at",
    "ended_at",
)


def _attempt_row(row: Sequence[Any]) -> AttemptRow:
    key, state, deadline_at, place, number, head_hash, answered, late, saved_at, ended_at = row
    return AttemptRow(
        key,
        state,
        from_milliseconds(deadline_at),
        place,
        number,
        head_hash,
        answered,
        late,
        None if saved_at is None else from_milliseconds(saved_at),
        None if ended_at is None else from_milliseconds(ended_at),
    )
