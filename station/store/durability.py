"""Whether the database keeps what it has confirmed: settings without which an acknowledged answer can be lost.

SQLite is set by the store itself (WAL, `synchronous=FULL`). A database server has an administrator, so it is asked.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from station.errors import Unsound, problem

DATABASE_FORGETS = problem(
    "database_forgets",
    "数据库设置 {setting} = {found}，断电可能丢失已确认的答案，不能启动。请数据库管理员改为 {wanted}。",
    "The database has {setting} = {found}: a power cut could lose acknowledged answers, so the station does not "
    "start. The administrator must set {wanted}.",
)

# PostgreSQL: setting → the values with which a commit that returned is on this server's disk.
_POSTGRESQL = {
    "fsync": ("on",),
    "synchronous_commit": ("on", "remote_apply", "remote_write", "local"),
    "full_page_writes": ("on",),
}
# SQL Server before 2014 has no such setting and always waits for the disk.
_HAS_DELAYED_DURABILITY = (
    "SELECT COUNT(*) FROM sys.all_columns "
    "WHERE object_id = OBJECT_ID('sys.databases') AND name = 'delayed_durability_desc'"
)
_DELAYED_DURABILITY = "SELECT delayed_durability_desc FROM sys.databases WHERE name = DB_NAME()"


def check_durability(engine: Engine) -> None:
    """Refuse a database that confirms what is not on disk yet."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            for setting, good in _POSTGRESQL.items():
                _check(setting, _ask(connection, f"SHOW {setting}"), good)
        elif engine.dialect.name == "mssql" and int(_ask(connection, _HAS_DELAYED_DURABILITY)):
            _check("DELAYED_DURABILITY", _ask(connection, _DELAYED_DURABILITY), ("DISABLED",))


def _ask(connection: Connection, question: str) -> str:
    return str(connection.exec_driver_sql(question).scalar_one())


def _check(setting: str, found: str, good: tuple[str, ...]) -> None:
    if found not in good:
        raise Unsound(DATABASE_FORGETS, setting=setting, found=found, wanted=" / ".join(good))
