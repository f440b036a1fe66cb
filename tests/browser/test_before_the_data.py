"""A staff page is there before the station's first answer: what is pressed meanwhile must not do the wrong thing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.building import PASSWORD, BuiltRoom, build_room
from tests.console.serving import served_staff_app

pytestmark = pytest.mark.browser


@pytest.fixture
def room(tmp_path) -> Iterator[BuiltRoom]:  # type: ignore[no-untyped-def]
    built = build_room(tmp_path, seats=3, spares=1)
    yield built
    built.close()


@pytest.fixture
def console(room: BuiltRoom, chromium: Browser) -> Iterator[Page]:
    with served_staff_app(room) as address:
        context = chromium.new_context(base_url=address, viewport={"width": 1366, "height": 768}, locale="zh-CN")
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        log_in(page, "technician")
        yield page
        context.close()
        assert errors == []


def log_in(page: Page, role: str) -> None:
    page.goto("about:blank")  # a page that finds itself logged out goes to the log-in by itself
    page.context.clear_cookies()
    page.goto("/login")
    page.fill("[name=username]", role)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: not url.endswith("/login"))


class Late:
    """Answers to one question are held until `come`."""

    def __init__(self, page: Page, path: str) -> None:
        self.page, self.path = page, path
        self.held: list[Route] = []
        self.posts = 0  # acts at the same address, held or not
        page.on("request", self._count)
        page.route(path, lambda route: self.held.append(route))

    def wait(self) -> None:
        """Wait until the page, with its scripts, has asked."""
        while not self.held:
            self.page.wait_for_timeout(10)

    def come(self) -> None:
        for route in self.held:
            route.continue_()
        self.page.unroute(self.path)

    def _count(self, request: Request) -> None:
        self.posts += request.method == "POST" and request.url.endswith(self.path.removeprefix("**"))


def test_a_room_is_sealed_only_once_it_is_known_what_would_be_sealed(room: BuiltRoom, console: Page) -> None:
    late = Late(console, f"**/api/rooms/{room.room_id}/seal")
    console.goto(f"/rooms/{room.room_id}/seal")
    late.wait()
    seal = console.get_by_role("button", name="封场", exact=True)
    expect(seal).to_be_disabled()
    expect(console.locator("#force")).to_be_hidden()
    console.locator("#technician").press("Enter")
    expect(console.locator("#fault")).to_be_hidden()
    late.come()
    expect(seal).to_be_enabled()
    assert late.posts == 0
    seal.click()
    expect(console.locator("#fault")).to_be_visible()


def test_a_trial_opens_only_once_its_subjects_are_known(room: BuiltRoom, console: Page) -> None:
    """Before, it would have been held without the subject's rules for the lock."""
    late = Late(console, f"**/api/rooms/{room.room_id}/trials")
    console.goto(f"/rooms/{room.room_id}/rehearsal")
    late.wait()
    begin = console.get_by_role("button", name="开放试考")
    expect(begin).to_be_disabled()
    late.come()
    expect(begin).to_be_enabled()
    assert console.locator("[name=subject_id]").input_value() != "0"


def test_all_pcs_are_chosen_only_once_they_are_known(room: BuiltRoom, console: Page) -> None:
    late = Late(console, "**/api/workstations")
    console.goto("/workstations")
    late.wait()
    every = console.locator("#choose-all")
    expect(every).to_be_disabled()
    late.come()
    expect(every).to_be_enabled()


def test_two_clicks_make_one_sheet_of_unlock_codes(room: BuiltRoom, console: Page) -> None:
    """Each making is recorded, and each printing is one more sheet in the world."""
    log_in(console, "chief_examiner")
    late = Late(console, "**/api/unlock_codes/sheet")
    console.add_init_script("window.print = () => {};")
    console.goto(f"/unlock_sheet/{room.room_id}")
    make = console.locator("#make")
    make.click()
    late.wait()
    expect(make).to_be_disabled()
    make.evaluate("button => button.click()")
    late.come()
    expect(console.locator("#paper, #fault:not([hidden])").first).to_be_visible()
    assert late.posts == 1
