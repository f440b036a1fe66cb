"""A room over real HTTP for every test of the candidate app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.seating import SeatedRoom, served_room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[SeatedRoom]:
    with served_room(tmp_path) as built:
        yield built
