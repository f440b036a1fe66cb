"""What browser tests share: Chromium, a page that fails on script errors, and a candidate at work in it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from installers.chrome109 import program_in
from station.services import answering
from station.store.models import Attempt
from tests.building import PASSWORD
from tests.conftest import skip_for_want_of
from tests.laws.sources import ROOT
from tests.web.seating import SeatedRoom

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 30_000
PATIENCE_S = 60.0  # for what is asked again and again; none of it is a promise of time
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


class Window:
    """A browser profile of its own, as each PC has; what the scripts of its pages throw is kept in `errors`.

    `address`: where paths without a host lead.
    """

    def __init__(self, browser: Browser, address: str = "", *, width: int = 1366, height: int = 768) -> None:
        self.context: BrowserContext = browser.new_context(
            base_url=address or None,
            viewport={"width": width, "height": height},
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
        )
        self.errors: list[str] = []
        self.page = self.tab()

    def tab(self) -> Page:
        """Open another page."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(PATIENCE_MS)
        return page

    def close(self) -> None:
        """End the browser; without a warning, as a PC that dies does."""
        self.context.close()

    def log_in(self, ticket: str) -> None:
        """Log a candidate in."""
        self.page.fill("#ticket", ticket)
        self.page.fill("#password", ticket[-6:])
        self.page.keyboard.press("Enter")

    def log_in_as(self, username: str, password: str = PASSWORD, *, address: str = "") -> None:
        """Log a member of the staff in, at the staff app of `address`."""
        self.page.goto(f"{address}/login")
        self.page.get_by_label("账号").fill(username)
        self.page.get_by_label("口令").fill(password)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: not url.endswith("/login"))

    def left_s(self) -> int:
        """The countdown on the page, in seconds."""
        parts = [int(part) for part in self.page.inner_text("strong.countdown").split()[0].split(":")]
        return sum(part * 60**power for power, part in enumerate(reversed(parts)))

    def ends_s(self) -> float:
        """When the countdown on the page is over, by this machine's counter."""
        return time.monotonic() + self.left_s()


@contextmanager
def staff_page(browser: Browser, address: str, username: str) -> Iterator[Page]:
    """Open a browser at the staff app and log in; an error of its scripts fails the test."""
    window = Window(browser, address)
    try:
        window.log_in_as(username)
        yield window.page
    finally:
        window.close()
    assert window.errors == []


class CandidatePc(Window):
    """One PC at a seat."""

    def __init__(self, browser: Browser, room: SeatedRoom, seat: int) -> None:
        super().__init__(browser, room.url)
        self.room = room
        self.page.goto(room.seat_path(room.seat_id(seat)))
        self.page.goto("/")

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


def wait_until(
    what: Callable[[], object], *, page: Page | None = None, within_s: float = PATIENCE_S, why: str = ""
) -> None:
    """Wait until something holds. `page`: what a test has routed there goes on meanwhile."""
    ends = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < ends, why or "it did not come"
        _pause(page)


def wait_for_answer(
    room: SeatedRoom, item_id: str, wanted: object, seconds: float = PATIENCE_S, *, page: Page | None = None
) -> None:
    """Wait until the station's current answer to an item is this one; `page` as above."""
    until = time.monotonic() + seconds
    while (found := answers(room).get(item_id)) != wanted:
        assert time.monotonic() < until, found
        _pause(page)


def leave_time(room: SeatedRoom, **left: float) -> None:
    """Move the station's clock to where so much is left to the first attempt, however long it has lasted by now."""
    with room.store.reading() as db:
        ends_at = db.get_one(Attempt, 1).deadline_at
    room.clock.move(seconds=(ends_at - timedelta(**left) - room.clock.now()).total_seconds())


def receipt_of(room: SeatedRoom) -> str:
    """Wait for the receipt code of the first attempt."""
    until = time.monotonic() + PATIENCE_S
    while True:
        with room.store.reading() as db:
            code = db.get_one(Attempt, 1).receipt_code
        if code:
            return code
        assert time.monotonic() < until, "no receipt"
        _pause(None)


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture for people to look at, where a folder for them is given."""
    folder = os.environ.get("EXAM_STATION_PICTURES")
    if not folder:
        return
    for width, height in ((1366, 768), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=f"{folder}/{name}-{width}.png")


def _pause(page: Page | None) -> None:
    if page is None:
        time.sleep(0.1)
    else:
        page.wait_for_timeout(100)
