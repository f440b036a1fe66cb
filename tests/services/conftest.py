"""The same room on SQLite and on PostgreSQL: what services promise holds on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.building import BuiltRoom, build_room


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BuiltRoom]:
    """A room of 5 seats and 2 spares; the clock stands at the planned start of its theory."""
    url = request.getfixturevalue("postgresql_database") if request.param == "postgresql" else ""
    built = build_room(tmp_path, url=url)
    yield built
    built.close()
