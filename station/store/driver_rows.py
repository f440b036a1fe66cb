"""Rows in the database driver's own words, for the few statements that run again and again.

At some thousand saves a second most of the time would go into building and compiling statements that never change.
So these few are written once and given to the driver; all else is SQLAlchemy's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from sqlalchemy import Column, Connection, Dialect, Table
from sqlalchemy.orm import Session

from station.store.models import Base


class DriverRows:
    """Statements for one kind of database; driver errors come as SQLAlchemy's."""

    def __init__(self, dialect: Dialect) -> None:
        assert dialect.dbapi is not None
        self._dialect, self._error = dialect, dialect.dbapi.Error
        self._mark = "?" if dialect.paramstyle == "qmark" else "%s"

    def _run(self, db: Session, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        connection, cursor = _driver(db)
        try:
            if len(rows) == 1:
                cursor.execute(sql, rows[0])
            else:
                cursor.executemany(sql, rows)
        except self._error as error:
            _refuse(connection, error, sql, cursor)
        finally:
            cursor.close()

    def _fetch(self, db: Session, sql: str, values: Sequence[Any]) -> list[Any]:
        connection, cursor = _driver(db)
        try:
            cursor.execute(sql, values)
            return list(cursor.fetchall())
        except self._error as error:
            _refuse(connection, error, sql, cursor)
        finally:
            cursor.close()

    def _locked(self, model: type[Base], columns: Sequence[str], size: int) -> str:
        """Write the reading of so many rows by id, locked as `store.locking` does."""
        listed = ", ".join(self._name(model, column) for column in columns)
        hint = " WITH (UPDLOCK, ROWLOCK)" if self._dialect.name == "mssql" else ""
        locked = " FOR NO KEY UPDATE" if self._dialect.name == "postgresql" else ""
        marks, key = ", ".join([self._mark] * size), self._name(model, "id")
        return f"SELECT {listed} FROM {self._table(model)}{hint} WHERE {key} IN ({marks}) ORDER BY {key}{locked}"

    def _insert(self, model: type[Base], fields: Sequence[str]) -> str:
        columns = ", ".join(self._name(model, field) for field in fields)
        return f"INSERT INTO {self._table(model)} ({columns}) VALUES ({', '.join([self._mark] * len(fields))})"

    def _update(self, model: type[Base], fields: Sequence[str], keys: Sequence[str]) -> str:
        values = ", ".join(f"{self._name(model, field)}={self._mark}" for field in fields)
        found = " AND ".join(f"{self._name(model, key)}={self._mark}" for key in keys)
        return f"UPDATE {self._table(model)} SET {values} WHERE {found}"

    def _name(self, model: type[Base], field: str) -> str:
        column = model.__table__.columns[field]
        assert isinstance(column, Column)
        return self._dialect.identifier_preparer.format_column(column)

    def _table(self, model: type[Base]) -> str:
        table = model.__table__
        assert isinstance(table, Table)
        return self._dialect.identifier_preparer.format_table(table)


def _driver(db: Session) -> tuple[Connection, Any]:
    connection = db.connection()
    return connection, connection.connection.cursor()


def _refuse(connection: Connection, error: Exception, sql: str, cursor: Any) -> NoReturn:
    """Raise a driver's error as SQLAlchemy would have, whose listeners hear of it (Store: I/O errors)."""
    connection._handle_dbapi_exception(error, sql, None, cursor, None)
