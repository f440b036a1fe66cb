"""One Chromium of each version for all browser tests of a run; each PC in it has a profile of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.browser.pages import CHROMIUM, CHROMIUM_109, PATIENCE_MS, CandidatePc, launched
from tests.building import BuiltRoom
from tests.console.serving import served_staff_app
from tests.web.seating import SeatedRoom, served_room

expect.set_options(timeout=PATIENCE_MS)  # what is expected comes late on a busy machine, but it comes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked `chrome109` twice: the candidate's way must work on the browser of Windows 7."""
    if metafunc.definition.get_closest_marker("chrome109"):
        versions = [pytest.param("current_chromium", id="current"), pytest.param("chromium_109", id="chrome109")]
        metafunc.parametrize("chromium", versions, indirect=True)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[SeatedRoom]:
    with served_room(tmp_path) as built:
        yield built


@pytest.fixture
def address(room: BuiltRoom) -> Iterator[str]:
    """The staff app of a room that the test file builds itself."""
    with served_staff_app(room) as url:
        yield url


@pytest.fixture
def pc(room: SeatedRoom, chromium: Browser) -> Iterator[CandidatePc]:
    """Candidate 1 at seat 1, with the paper open."""
    room.admit()
    room.start()
    pc = CandidatePc(chromium, room, 1)
    pc.sit_down(room.tickets[0])
    yield pc
    pc.context.close()
    assert pc.errors == []


@pytest.fixture
def chromium(request: pytest.FixtureRequest) -> Browser:
    """Debian's current Chromium, or the version a test marked `chrome109` is run with."""
    return request.getfixturevalue(getattr(request, "param", "current_chromium"))


@pytest.fixture(scope="session")
def current_chromium(playwright: Playwright) -> Iterator[Browser]:
    with launched(playwright, CHROMIUM, "Chromium (Debian package chromium)") as browser:
        yield browser


@pytest.fixture(scope="session")
def chromium_109(playwright: Playwright) -> Iterator[Browser]:
    with launched(playwright, CHROMIUM_109, "Chromium 109 (bootstrap.py test fetches it where npm is)") as browser:
        assert browser.version.startswith("109."), browser.version
        yield browser


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running
