"""The store: one database (SQLite file, PostgreSQL or SQL Server) and one folder for files.

SQLite runs in WAL with `synchronous=FULL`: a commit that returned is on disk. Every writing transaction
begins with BEGIN IMMEDIATE, so that a read followed by a write can never fail half-way on a lock.

After an I/O error the write-ahead log is in doubt: a kernel whose fsync has failed may call the pages clean and
never write them, although they can be read back. Were the log read anew then (its index lives in memory, and goes
with the last connection or with the process), such pages would pass for committed, a page that sends its answer
again would be told that it is stored, and all that follows in the log would hang on them. So before the next
transaction everything is copied into the database file, flushed there, and the log cut to nothing.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, String, Text, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_MS = 30_000
# So long the cutting of a log in doubt waits for who is still reading it, before saves are refused once more.
SETTLE_TIMEOUT_MS = 5_000
# So many pages of log (12 MB) are brought into the file, so that it starts anew; the disk's budget counts both figures.
LOG_PAGES = 3_000
PAGE_BYTES = 4096
# Where there is room, a commit does that itself only at 128 MB: it would hold everybody up for two more flushes.
LOG_PAGES_WITH_ROOM = 32_000
ROOM = 2**30


@dataclass
class Store:
    """An open store. `folder` holds assets, uploads, outgoing packages and, with SQLite, the database.

    `is_in_doubt`: the next writing transaction cuts SQLite's log first. Set after an I/O error, and by a station
    that starts, as nobody knows how the last one ended.
    """

    engine: Engine
    folder: Path
    is_in_doubt: bool = False
    _write_lock: threading.Lock = field(default_factory=threading.Lock)
    _reading_engine: Engine = field(init=False)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def __post_init__(self) -> None:
        options: dict[str, Any] = {"reading": True}
        if self.engine.dialect.name == "postgresql":  # else each statement would see a later moment
            options["isolation_level"] = "REPEATABLE READ"
        if self.is_sqlite:
            event.listen(self.engine, "handle_error", self._doubt_after_io_error)
        self._reading_engine = self.engine.execution_options(**options)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open one writing transaction; commit at the end, roll back on any exception.

        In one process SQLite's writers queue here, in turn, and not in SQLite's polling.
        """
        turn: AbstractContextManager[object] = self._write_lock if self.is_sqlite else nullcontext()
        with turn:
            if self.is_in_doubt and self.is_sqlite:
                self._settle()
            with Session(self.engine, expire_on_commit=False) as db, db.begin():
                yield db

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that sees one unmoving picture and writes nothing."""
        with Session(self._reading_engine, expire_on_commit=False) as db:
            yield db

    def checkpoint(self) -> None:
        """Bring SQLite's log into the database file beside whoever writes, so that no commit has to flush it there.

        What fails now (a full disk) is tried again next time; an I/O error puts the log in doubt as ever.
        """
        if not self.is_sqlite or self.is_in_doubt:
            return
        with suppress(OperationalError), self.engine.connect().execution_options(bare=True) as connection:
            _, pages, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()
            if pages > LOG_PAGES:  # under steady writing some of it always lies behind
                with self._write_lock:
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _doubt_after_io_error(self, context: ExceptionContext) -> None:
        """Give no connection back to the pool that has seen an I/O error."""
        code = getattr(context.original_exception, "sqlite_errorcode", 0)
        if code & 0xFF == sqlite3.SQLITE_IOERR:
            self.is_in_doubt = context.is_disconnect = True

    def _settle(self) -> None:
        """Bring the log into the database file and cut it; raises OperationalError while that is not possible."""
        with self.engine.connect().execution_options(bare=True) as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={SETTLE_TIMEOUT_MS}")
            try:
                question = "PRAGMA wal_checkpoint(TRUNCATE)"
                busy, _, _ = connection.exec_driver_sql(question).one()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if busy:
            raise OperationalError(question, None, sqlite3.OperationalError("the log is still being read"))
        self.is_in_doubt = False


def open_store(url: str, folder: Path, *, pool_size: int = 20) -> Store:
    """Open the store at a SQLAlchemy URL; the schema is the migrations' business (`migrations.upgrade`)."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, pool_size=pool_size, max_overflow=64)
        log_pages = LOG_PAGES_WITH_ROOM if shutil.disk_usage(folder).free > ROOM else LOG_PAGES
        event.listen(engine, "connect", partial(_prepare_sqlite, log_pages=log_pages))
        event.listen(engine, "begin", _begin_sqlite)
    elif parsed.get_backend_name() == "mssql":
        engine = create_engine(
            parsed, pool_size=pool_size, max_overflow=64, pool_pre_ping=True, deprecate_large_types=True
        )
    else:
        engine = create_engine(parsed, pool_size=pool_size, max_overflow=64, pool_pre_ping=True)
    return Store(engine, folder)


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry, *, log_pages: int) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"wal_autocheckpoint={log_pages}",
        f"journal_size_limit={LOG_PAGES * PAGE_BYTES}",  # what has grown beyond gives its place back
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("bare"):
        return
    reading = options.get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@compiles(String, "mssql")
def _wide_string(kind: String, compiler: Any, **options: Any) -> str:
    """Keep texts as NVARCHAR: SQL Server's VARCHAR holds only the signs of one code page, and names have more."""
    return str(compiler.visit_NVARCHAR(kind, **options))


@compiles(Text, "mssql")
def _wide_text(kind: Text, compiler: Any, **options: Any) -> str:
    """Keep long texts as NVARCHAR(max), for the same reason."""
    return "NVARCHAR(max)"
