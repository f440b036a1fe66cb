"""The store: one database (SQLite file, PostgreSQL or SQL Server) and one folder for files.

SQLite runs in WAL with `synchronous=FULL`: a commit that returned is on disk. Every writing transaction
begins with BEGIN IMMEDIATE, so that a read followed by a write can never fail half-way on a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, String, Text, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_MS = 30_000


@dataclass
class Store:
    """An open store. `folder` holds assets, uploads, outgoing packages and, with SQLite, the database."""

    engine: Engine
    folder: Path
    _write_lock: threading.Lock = field(default_factory=threading.Lock)
    _reading_engine: Engine = field(init=False)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def __post_init__(self) -> None:
        options: dict[str, Any] = {"reading": True}
        if self.engine.dialect.name == "postgresql":  # else each statement would see a later moment
            options["isolation_level"] = "REPEATABLE READ"
        self._reading_engine = self.engine.execution_options(**options)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open one writing transaction; commit at the end, roll back on any exception.

        In one process SQLite's writers queue here, in turn, and not in SQLite's polling.
        """
        turn: AbstractContextManager[object] = self._write_lock if self.is_sqlite else nullcontext()
        with turn, Session(self.engine, expire_on_commit=False) as db, db.begin():
            yield db

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that sees one unmoving picture and writes nothing."""
        with Session(self._reading_engine, expire_on_commit=False) as db:
            yield db

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_store(url: str, folder: Path, *, pool_size: int = 20) -> Store:
    """Open the store at a SQLAlchemy URL; the schema is the migrations' business (`migrations.upgrade`)."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, pool_size=pool_size, max_overflow=64)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif parsed.get_backend_name() == "mssql":
        engine = create_engine(
            parsed, pool_size=pool_size, max_overflow=64, pool_pre_ping=True, deprecate_large_types=True
        )
    else:
        engine = create_engine(parsed, pool_size=pool_size, max_overflow=64, pool_pre_ping=True)
    return Store(engine, folder)


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@compiles(String, "mssql")
def _wide_string(kind: String, compiler: Any, **options: Any) -> str:
    """Keep texts as NVARCHAR: SQL Server's VARCHAR holds only the signs of one code page, and names have more."""
    return str(compiler.visit_NVARCHAR(kind, **options))


@compiles(Text, "mssql")
def _wide_text(kind: Text, compiler: Any, **options: Any) -> str:
    """Keep long texts as NVARCHAR(max), for the same reason."""
    return "NVARCHAR(max)"
