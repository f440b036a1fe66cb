"""Ten minutes without the station in a real browser: hundreds of answers wait on the PC, through a dead browser too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, expect
from sqlalchemy import select

from station.rehearsal.premises import free_port
from station.services import answering
from station.store.models import Attempt
from tests.browser.pages import CHROMIUM, FLAGS, PATIENCE_S, wait_until
from tests.browser.test_own_copy import ON_DISK
from tests.chaos.stations import Station, station_of
from tests.conftest import skip_for_want_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
CUT = timedelta(minutes=10)
CHANGES = 300

# Choose one option after the other, as a hand would but without its pauses; gives what was chosen last, by item.
ANSWER = """async (changes) => {
    const items = [...document.querySelectorAll(".item")];
    const last = {};
    for (let change = 0; change < changes; change += 1) {
        const item = items[change % items.length];
        const options = item.querySelectorAll("input[type=radio]");
        const index = (change + Math.floor(change / items.length)) % options.length;
        options[index].click();
        last[item.id.replace("item-", "")] = "ABCD"[index];
        await new Promise((done) => setTimeout(done, 4));
    }
    return last;
}"""


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    """A sitting of twenty minutes of which three are left, at an address that stays the same after a restart."""
    settings = {"candidate_listener.port": free_port()}
    with station_of(
        tmp_path, candidates=1, minutes=20, outage_limit_s=900, seated=False, settings=settings, at=START
    ) as built:
        built.start(at=START + timedelta(minutes=17))
        yield built


def sit_down(page: Page, station: Station) -> None:
    """Open the page and go as far as the paper, from wherever this PC is."""
    page.set_default_timeout(60_000)
    page.goto(station.url)
    page.wait_for_selector("#ticket, .item")
    if page.locator("#ticket").count():
        ticket = station.ground.candidates[0].ticket_number
        page.fill("#ticket", ticket)
        page.fill("#password", ticket[-6:])
        page.keyboard.press("Enter")
        page.wait_for_selector(".identity, .item")
    if page.locator(".identity").count():
        page.get_by_role("button", name="信息无误").click()
        page.locator(".doors button").click()
    page.wait_for_selector(".item")


def attempt_of(station: Station) -> Attempt:
    with station.store.reading() as db:
        return db.scalars(select(Attempt)).one()


def stored(station: Station) -> dict[str, str]:
    with station.store.reading() as db:
        held = answering.current_answers(db, attempt_of(station).id)
    return {item: json.loads(response)["base"]["identifier"] for item, response in held.items()}


def test_hundreds_of_answers_given_while_the_station_was_dead_arrive_in_order_and_none_is_late(
    station: Station, chromium: Browser
) -> None:
    page = chromium.new_page(locale="zh-CN", timezone_id="Asia/Shanghai")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    sit_down(page, station)
    before = attempt_of(station).deadline_at
    station.kill()
    last = station.alive_at()
    chosen = page.evaluate(ANSWER, CHANGES)
    expect(page.locator(".away")).to_contain_text(f"{CHANGES} 项待发送", timeout=30_000)
    station.start(at=last + CUT)  # the deadline of before lies behind by now
    expect(page.locator(".away")).to_contain_text("答案都已送达", timeout=60_000)
    expect(page.locator(".away")).to_contain_text("已补回 10:")
    attempt = attempt_of(station)
    assert CUT <= attempt.deadline_at - before < CUT + timedelta(minutes=2)
    assert attempt.deadline_at - CUT < last + CUT, "without the time given back it would have been over"
    rows = station.revisions(attempt.id)
    assert [(row.sequence, row.is_late) for row in rows] == [(one, False) for one in range(1, CHANGES + 1)]
    assert stored(station) == chosen
    station.check_chains()
    assert errors == []
    page.close()


def test_what_was_answered_before_the_browser_died_too_arrives_from_the_disk(
    station: Station, playwright: Playwright, tmp_path: Path
) -> None:
    if not CHROMIUM.exists():
        skip_for_want_of("Chromium (Debian package chromium)")
    profile = tmp_path / "profile"

    def browser():  # type: ignore[no-untyped-def]
        return playwright.chromium.launch_persistent_context(
            str(profile), executable_path=str(CHROMIUM), args=FLAGS, locale="zh-CN"
        )

    context = browser()
    page = context.pages[0]
    sit_down(page, station)
    station.kill()
    last = station.alive_at()
    chosen = page.evaluate(ANSWER, CHANGES)
    expect(page.locator(".away")).to_contain_text(f"{CHANGES} 项待发送", timeout=30_000)
    expect(page.locator(".away")).to_contain_text("答案都已存在本机")
    wait_until(lambda: len(page.evaluate(ON_DISK, {})) == CHANGES, page=page, why="not on this PC's disk")
    with pytest.raises(Error):  # somebody presses F5: there is no page to load, but nothing is lost by it
        page.reload(timeout=5000)
    _kill_browser(profile)
    with suppress(Error):
        context.close()
    station.start(at=last + CUT)
    context = browser()
    sit_down(context.pages[0], station)
    wait_until(lambda: attempt_of(station).revision_count == CHANGES, page=context.pages[0])
    context.pages[0].wait_for_selector('.saved[data-state="good"]')
    rows = station.revisions(attempt_of(station).id)
    assert [(row.sequence, row.is_late) for row in rows] == [(one, False) for one in range(1, CHANGES + 1)]
    assert stored(station) == chosen
    station.check_chains()
    context.close()


def _kill_browser(profile: Path) -> None:
    """End every process of the browser at once, as the PC's power switch would."""
    ours = [
        one
        for one in psutil.process_iter(["cmdline"])
        if any(str(profile) in word for word in one.info["cmdline"] or ())
    ]
    assert ours
    for one in ours:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(ours, timeout=PATIENCE_S)
