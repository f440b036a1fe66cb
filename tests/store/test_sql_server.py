"""What SQL Server 2008 R2 and later is sent, looked at without a server."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import Table, select
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateTable

import station.store  # noqa: F401  (teaches the dialect wide texts)
from station.store.locking import to_change
from station.store.models import Attempt, Base
from station.store.save_rows import SaveRows

DIALECT = mssql.dialect(deprecate_large_types=True)


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_texts_hold_every_sign_and_keys_stay_within_900_bytes(table: Table):
    created = str(CreateTable(table).compile(dialect=DIALECT))
    assert " VARCHAR" not in created
    assert " TEXT" not in created
    keys = [list(index.columns) for index in table.indexes] + [
        list(constraint.columns) for constraint in table.constraints if hasattr(constraint, "columns")
    ]
    for columns in keys:
        bounded = [column for column in columns if getattr(column.type, "length", None)]
        if "CHECK" not in str(columns):
            assert sum(2 * column.type.length for column in bounded) + 8 * (len(columns) - len(bounded)) <= 900


def test_rows_to_change_are_locked_by_a_table_hint():
    statement = str(to_change(select(Attempt.id), Attempt).compile(dialect=DIALECT))
    assert "WITH (UPDLOCK, ROWLOCK)" in statement


def test_what_a_save_writes_is_in_words_of_sql_server():
    rows = SaveRows(mssql.dialect(dbapi=sqlite3, paramstyle="qmark"))  # any driver: only the texts are looked at
    assert "FROM attempt WITH (UPDLOCK, ROWLOCK) WHERE id IN (?, ?)" in rows._select(2)
    assert rows._attempt_sql.endswith("[view]=COALESCE(?, [view]) WHERE id=?")
    assert rows._revision_sql.startswith(
        "INSERT INTO revision (attempt_id, number, place, sequence, item_id, response,"
    )
