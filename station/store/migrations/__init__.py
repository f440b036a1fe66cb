"""Numbered revisions of the schema, run by Alembic without any file besides this package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from station.errors import Unsound, problem

STORE_IS_NEWER = problem(
    "store_is_newer",
    "数据库版本（{found}）比本程序新。请安装新版程序，不要用旧版打开。",
    "The store ({found}) is newer than this program: install the newer version.",
)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to a revision; a store of a newer program is refused."""
    found = current(engine)
    if found is not None and found not in {one.revision for one in _scripts().walk_revisions()}:
        raise Unsound(STORE_IS_NEWER, found=found)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the schema back to a revision ('base': nothing)."""
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def current(engine: Engine) -> str | None:
    """Say which revision the store is at; None for an empty one."""
    if not inspect(engine).has_table("alembic_version"):
        return None
    with engine.connect() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def head() -> str:
    """Say which revision this program wants."""
    revision = _scripts().get_current_head()
    assert revision is not None
    return revision


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
