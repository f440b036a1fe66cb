"""A room of five behind a served staff app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.building import BuiltRoom, build_room
from tests.console.serving import Console, served_staff_app


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path)
    yield built
    built.close()


@pytest.fixture
def address(room: BuiltRoom) -> Iterator[str]:
    with served_staff_app(room) as url:
        yield url


@pytest.fixture
def console(address: str) -> Iterator[Callable[[str], Console]]:
    opened = []

    def log_in(role: str) -> Console:
        one = Console(address)
        opened.append(one)
        assert one.log_in(role).status_code == 200
        return one

    yield log_in
    for one in opened:
        one.close()


@pytest.fixture
def stranger(address: str) -> Iterator[Console]:
    with Console(address) as one:
        yield one
