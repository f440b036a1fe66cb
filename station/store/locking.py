"""Rows that a transaction means to change: locked first, in one order, and read as they are now.

Everybody locks in this order, so that no two wait for each other: sitting, entries, attempts (each by id),
then the journal's head. SQLite has one writer at a time and needs none of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Select, bindparam, inspect, select
from sqlalchemy.orm import Session

from station.store.models import Attempt, Base, Entry, Sitting, Subject

_Query = TypeVar("_Query", bound="Select[*tuple[Any, ...]]")
_Model = TypeVar("_Model", bound=Base)


def to_change(statement: _Query, model: type[Base]) -> _Query:
    """Make a query lock the rows of a model until the transaction ends, and read them afresh.

    Not so hard that rows which refer to them (journal, revisions) would wait. SQL Server knows no FOR UPDATE; its
    table hint says the same.
    """
    return (
        statement.with_for_update(of=model, key_share=True)
        .with_hint(model, "WITH (UPDLOCK, ROWLOCK)", "mssql")
        .execution_options(populate_existing=True)
    )


def lock_row(db: Session, model: type[_Model], row_id: int) -> _Model | None:
    """Lock one row by its id; None when there is none."""
    return db.scalars(_by_id(model), {"row_id": row_id}).one_or_none()


def lock_sitting(db: Session, sitting_id: int) -> tuple[Sitting, Subject]:
    """Lock a sitting, and read its subject with it."""
    sitting, subject = db.execute(_SITTING_BY_ID, {"row_id": sitting_id}).one()
    return sitting, subject


def lock_attempts(db: Session, attempts: Iterable[Attempt]) -> list[Attempt]:
    """Lock attempts that were read before; their states are those of this moment from here on."""
    wanted = {attempt.id for attempt in attempts}
    return list(db.scalars(to_change(select(Attempt).where(Attempt.id.in_(wanted)).order_by(Attempt.id), Attempt)))


def lock_attempts_of(db: Session, sitting_id: int) -> list[Attempt]:
    """Lock every attempt of a sitting."""
    of_sitting = select(Attempt).join(Entry, Entry.id == Attempt.entry_id).where(Entry.sitting_id == sitting_id)
    return list(db.scalars(to_change(of_sitting.order_by(Attempt.id), Attempt)))


def lock_entries(db: Session, entry_ids: Iterable[int]) -> list[Entry]:
    """Lock entries by id; those that are not there are left out."""
    return list(db.scalars(to_change(select(Entry).where(Entry.id.in_(set(entry_ids))).order_by(Entry.id), Entry)))


@lru_cache
def _by_id(model: type[_Model]) -> Select[_Model]:
    """Write the query for one row once a table: building it anew takes longer than running it."""
    key = inspect(model).primary_key[0]
    return to_change(select(model).where(key == bindparam("row_id")), model)


_SITTING_BY_ID = to_change(
    select(Sitting, Subject).join(Subject, Subject.id == Sitting.subject_id).where(Sitting.id == bindparam("row_id")),
    Sitting,
)
