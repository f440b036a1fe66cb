"""A whole store copied while it is at work: into one SQLite file, and from one into any database.

SQLite copies its file by its own online backup in one step: one read transaction, and writers go on. Every other
database is read table by table in one transaction that sees one picture, so it is the same to all of them.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, func, insert, select, text

from station.errors import Refused, Unsound, problem
from station.store import Store, migrations, open_store
from station.store.models import Base

COPY_UNSOUND = problem(
    "copy_unsound",
    "数据库副本未通过完整性检查：{reason}。",
    "The copy of the database does not pass its integrity check: {reason}.",
)
DATABASE_NOT_EMPTY = problem(
    "database_not_empty",
    "目标数据库中已有数据（表 {table}），不会覆盖。请换一个空数据库。",
    "There are rows in the database already (table {table}); they are not replaced. Name an empty one.",
)

ROWS_AT_ONCE = 500
# What a restored station leaves free above every number that the backup holds; the real distance is mostly larger.
GAP = 1_000_000
NUMBERS_A_SECOND = 1000


def copy_to_file(store: Store, target: Path) -> None:
    """Copy the store as it is at one moment into a new SQLite file, while others go on writing."""
    target.unlink(missing_ok=True)
    if store.is_sqlite:
        database = store.engine.url.database
        assert database is not None
        with closing(sqlite3.connect(database, timeout=30)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode=DELETE")
        return
    with opened_file(target) as copy_store:
        migrations.upgrade(copy_store.engine)
        _copy_tables(_one_picture(store.engine), copy_store.engine)


def copy_from_file(source: Path, store: Store) -> None:
    """Fill an empty database with the rows of a SQLite file, after both were brought to this program's schema."""
    migrations.upgrade(store.engine)
    with store.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            if connection.execute(select(table).limit(1)).first() is not None:
                raise Refused(DATABASE_NOT_EMPTY, table=table.name)
    with opened_file(source) as copy_store:
        migrations.upgrade(copy_store.engine)
        _copy_tables(copy_store.engine, store.engine)


def check_file(path: Path) -> None:
    """Refuse a SQLite file that its own program finds damaged, or in which a row refers to none."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()
            orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        raise Unsound(COPY_UNSOUND, reason=error) from error
    if found != ("ok",):
        raise Unsound(COPY_UNSOUND, reason=found[0])
    if orphan is not None:
        raise Unsound(COPY_UNSOUND, reason=f"{orphan[0]} → {orphan[2]}")


@contextmanager
def opened_file(path: Path) -> Iterator[Store]:
    """Open a SQLite file as a store, and leave nothing beside it."""
    store = open_store(f"sqlite:///{path.as_posix()}", path.parent, pool_size=1)
    try:
        yield store
    finally:
        store.close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")


def leave_gap(store: Store, *, at: datetime) -> None:
    """Let a new or restored store give out numbers that no other server has given to the same PCs before.

    Places, attempts, log-ins, extensions and messages stand on pages that outlive a server: a number given out anew
    would make one candidate's old page speak for another. The new numbers begin with the present second, so that even
    two restores from the same backup stay apart; a clock that stands too low is helped by chance. Where the
    database counts apart from its rows, every other table goes on after its last row.
    """
    floor = int(at.timestamp()) * NUMBERS_A_SECOND
    with store.engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            key = table.autoincrement_column
            if key is None:
                continue
            number = connection.execute(select(func.max(key))).scalar() or 0
            if table.dialect_options["sqlite"]["autoincrement"]:
                number = max(number + GAP + secrets.randbelow(GAP), floor)
            if number:
                _continue_at(connection, table, key.name, number)


def _continue_at(connection: Connection, table: Table, key: str, number: int) -> None:
    name = connection.dialect.name
    if name == "sqlite":
        if not table.dialect_options["sqlite"]["autoincrement"]:
            return  # SQLite counts on from the highest row
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        row = {"name": table.name, "number": number}
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), row)
    elif name == "postgresql":
        sequence = {"table": table.name, "key": key, "number": number}
        connection.execute(text("SELECT setval(pg_get_serial_sequence(:table, :key), :number)"), sequence)
    else:
        connection.exec_driver_sql(f"DBCC CHECKIDENT ('{table.name}', RESEED, {number})")


def _one_picture(engine: Engine) -> Engine:
    """Make every statement of a connection see the same moment, without holding up who writes.

    SQL Server has to allow it once: ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON.
    """
    level = "SNAPSHOT" if engine.dialect.name == "mssql" else "REPEATABLE READ"
    return engine.execution_options(isolation_level=level) if engine.dialect.name != "sqlite" else engine


def _copy_tables(source: Engine, target: Engine) -> None:
    with source.connect() as reading, target.begin() as writing:
        for table in Base.metadata.sorted_tables:
            rows = reading.execution_options(yield_per=ROWS_AT_ONCE).execute(select(table))
            for group in rows.mappings().partitions():
                writing.execute(insert(table), [dict(row) for row in group])
