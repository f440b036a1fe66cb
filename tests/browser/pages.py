"""What browser tests share: Chromium, a page that fails on script errors, and a candidate at work in it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from installers.chrome109 import program_in
from station.services import answering
from station.store.models import Attempt
from tests.conftest import skip_for_want_of
from tests.laws.sources import ROOT
from tests.web.seating import SeatedRoom

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_109 = program_in(ROOT / ".venv")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def launched(playwright: Playwright, program: Path, name: str) -> Iterator[Browser]:
    """Start a Chromium without a window."""
    if not program.exists():
        skip_for_want_of(name)
    browser = playwright.chromium.launch(executable_path=str(program), args=FLAGS)
    try:
        yield browser
    finally:
        browser.close()


class CandidatePc:
    """One PC at a seat: a browser profile of its own."""

    def __init__(self, browser: Browser, room: SeatedRoom, seat: int) -> None:
        self.room = room
        self.context: BrowserContext = browser.new_context(
            viewport={"width": 1366, "height": 768}, locale="zh-CN", timezone_id="Asia/Shanghai"
        )
        self.errors: list[str] = []
        self.page = self.tab()
        self.page.goto(room.url + room.seat_path(room.seat_id(seat)))
        self.page.goto(room.url)

    def tab(self) -> Page:
        """Open another page; what its scripts throw is kept in `errors`."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(15_000)
        return page

    def log_in(self, ticket: str) -> None:
        self.page.fill("#ticket", ticket)
        self.page.fill("#password", ticket[-6:])
        self.page.keyboard.press("Enter")

    def confirm(self) -> None:
        self.page.get_by_role("button", name="信息无误").click()
        self.page.wait_for_selector(".waiting")

    def enter(self) -> None:
        self.page.locator(".doors button").click()
        self.page.wait_for_selector(".item")

    def sit_down(self, ticket: str) -> None:
        """Log in, confirm, enter; the sitting must run."""
        self.log_in(ticket)
        self.confirm()
        self.enter()

    def item(self, item_id: str, page: Page | None = None):  # type: ignore[no-untyped-def]
        return (page or self.page).locator(f"#item-{item_id}")

    def wait_saved(self, page: Page | None = None) -> None:
        (page or self.page).wait_for_selector('.saved[data-state="good"]:has(svg)')


def answers(room: SeatedRoom, attempt_id: int = 1) -> dict[str, object]:
    """The current answers as the station has them."""
    with room.store.reading() as db:
        return {item: json.loads(text) for item, text in answering.current_answers(db, attempt_id).items()}


def wait_for_answer(room: SeatedRoom, item_id: str, wanted: object, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while answers(room).get(item_id) != wanted:
        assert time.monotonic() < until, answers(room).get(item_id)
        time.sleep(0.1)


def receipt_of(room: SeatedRoom) -> str:
    until = time.monotonic() + 10
    while True:
        with room.store.reading() as db:
            code = db.get_one(Attempt, 1).receipt_code
        if code or time.monotonic() > until:
            return code
        time.sleep(0.1)


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture for people to look at, where a folder for them is given."""
    folder = os.environ.get("EXAM_STATION_PICTURES")
    if not folder:
        return
    for width, height in ((1366, 768), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=f"{folder}/{name}-{width}.png")
