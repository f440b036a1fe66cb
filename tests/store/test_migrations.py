"""Migrations: they make exactly the models' tables, and go down and up again with rows in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from station.errors import Unsound
from station.store import migrations, open_store
from station.store.models import Base
from tests.building import build_room


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_database"))
    return f"sqlite:///{tmp_path / 'station.db'}"


def test_the_migrated_schema_is_the_models_schema(url: str, tmp_path: Path):
    store = open_store(url, tmp_path)
    migrations.upgrade(store.engine)
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert migrations.current(store.engine) == migrations.head()
    store.close()


def test_a_store_full_of_rows_goes_down_to_nothing_and_up_again(url: str, tmp_path: Path):
    room = build_room(tmp_path, url=url)
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    room.edge.saves.stop()
    migrations.downgrade(room.store.engine, "base")
    assert set(inspect(room.store.engine).get_table_names()) <= {"alembic_version"}
    migrations.upgrade(room.store.engine)
    assert set(Base.metadata.tables) <= set(inspect(room.store.engine).get_table_names())
    room.store.close()


def test_a_store_of_a_newer_program_is_refused_and_untouched(url: str, tmp_path: Path):
    store = open_store(url, tmp_path)
    migrations.upgrade(store.engine)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unsound) as refusal:
        migrations.upgrade(store.engine)
    assert refusal.value.code == "store_is_newer"
    store.close()
