"""A room over real HTTP for every test of the candidate app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.seating import Browser, SeatedRoom, served_room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[SeatedRoom]:
    with served_room(tmp_path) as built:
        yield built


@pytest.fixture
def running(room: SeatedRoom) -> SeatedRoom:
    room.admit()
    room.start()
    return room


@pytest.fixture
def candidate(running: SeatedRoom) -> Browser:
    return running.answering(1)
