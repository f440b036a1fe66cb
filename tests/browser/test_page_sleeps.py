"""A page that stood still (frozen by the browser, kept for the way back, the PC asleep) wakes and is soon right."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, Route, expect
from sqlalchemy import select

from station.services import answering, invigilation
from station.store.models import Attempt, Revision
from tests.browser.pages import CHROMIUM, CHROMIUM_109, FLAGS, CandidatePc, wait_for_answer, wait_until
from tests.browser.test_own_copy import text, write
from tests.conftest import skip_for_want_of
from tests.web.seating import SeatedRoom

pytestmark = pytest.mark.browser

BOTH = pytest.mark.parametrize(
    "program", [pytest.param(CHROMIUM, id="current"), pytest.param(CHROMIUM_109, id="chrome109")]
)

ASLEEP_S = 16  # longer than every patience of the page: 4 s for a poll, 8 s for its disk, 10 s for a save
# Whatever the page says of a station that is away, or of a disk that does not take, however shortly.
KEEP_ALARMS = """() => {
    window.alarms = [];
    const line = document.querySelector("p.away");
    const look = () => {
        if (!line.hidden && line.dataset.state !== "good") window.alarms.push(line.textContent);
    };
    new MutationObserver(look).observe(line, { attributes: true, childList: true, subtree: true });
    look();
}"""
# A disk that is busy and a clock of the PC that jumps, as the test says; and what has happened to the page.
SCRIPT = """{
    const { commit } = IDBTransaction.prototype;
    IDBTransaction.prototype.commit = function () {
        if (!window.diskIsBusy) commit.call(this);
    };
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (row) {
        const wait = () => {
            if (window.diskIsBusy) this.get([0, 0, 0]).onsuccess = wait;
        };
        wait();
        return put.call(this, row);
    };
    const clock = Date.now;
    window.sleptMs = 0;
    Date.now = () => clock() + window.sleptMs;
    window.happened = [];
    for (const name of ["freeze", "resume"]) document.addEventListener(name, () => window.happened.push(name));
    window.addEventListener("pageshow", (event) => event.persisted && window.happened.push("way back"));
}"""


class SleepingPc(CandidatePc):
    """One PC whose pages may be hidden, frozen, kept for the way back, and stopped: as no other browser of a test."""

    def __init__(self, browser: Browser, room: SeatedRoom, seat: int) -> None:
        self.context, self.room = browser.contexts[0], room
        self.context.add_init_script(SCRIPT)
        self.errors: list[str] = []
        self.page = self.tab()
        self.page.goto(room.url + room.seat_path(room.seat_id(seat)))
        self.page.goto(room.url)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the browser hide and freeze the page, and then let it go on in front."""
        control = self.context.new_cdp_session(self.page)
        control.send("Page.setWebLifecycleState", {"state": "frozen"})
        yield
        control.send("Page.setWebLifecycleState", {"state": "active"})
        self.page.bring_to_front()
        assert self.page.evaluate("window.happened") == ["freeze", "resume"]

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Stop every process of the browser, as a PC's sleep does, and let them run again."""
        processes = self.processes()
        try:
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def processes(self, kind: str = "") -> list[int]:
        """The ids of the browser's processes, of all or of one kind."""
        assert self.context.browser is not None
        found = self.context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        return [one["id"] for one in found if kind in ("", one["type"])]


@contextmanager
def free_browser(playwright: Playwright, program: Path, folder: Path) -> Iterator[Browser]:
    """Start a Chromium by itself: one that Playwright starts takes each of its pages for seen, so that none freezes."""
    if not program.exists():
        skip_for_want_of(f"Chromium ({program})")
    switches = ["--headless=chrome" if program == CHROMIUM_109 else "--headless=new", "--remote-debugging-port=0"]
    command = [str(program), *FLAGS, *switches, "--accept-lang=zh-CN", f"--user-data-dir={folder}", "about:blank"]
    folder.mkdir()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        port = _port_in(folder / "DevToolsActivePort")
        browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}", no_defaults=True)
        yield browser
        browser.close()
    finally:
        process.terminate()
        process.wait(timeout=30)


def _port_in(file: Path) -> str:
    wait_until(lambda: file.exists() and len(file.read_text("ascii").split()) == 2, why="the browser did not start")
    return file.read_text("ascii").split()[0]


@pytest.fixture
def pc(room: SeatedRoom, playwright: Playwright, tmp_path: Path, program: Path) -> Iterator[SleepingPc]:
    """Candidate 1 at seat 1, with the paper open."""
    room.admit()
    room.start()
    with free_browser(playwright, program, tmp_path / "profile") as browser:
        pc = SleepingPc(browser, room, 1)
        pc.sit_down(room.tickets[0])
        yield pc
    assert pc.errors == []


@pytest.fixture
def program() -> Path:
    """The browser: Debian's, where a test does not name others."""
    return CHROMIUM


def wait_for_countdown(room: SeatedRoom, pc: SleepingPc) -> None:
    """Wait until the countdown is the station's."""
    for _ in range(150):
        with room.store.reading() as db:
            wanted = (db.get_one(Attempt, 1).deadline_at - room.clock.now()).total_seconds()
        shown = pc.left_s()
        if abs(shown - wanted) <= 2:
            return
        pc.page.wait_for_timeout(100)
    raise AssertionError((shown, wanted))


def items_saved(room: SeatedRoom) -> list[str]:
    """The items of all saves, in their order; the chain must hold."""
    with room.store.reading() as db:
        assert answering.check_chain(db, 1) is None
        return list(db.scalars(select(Revision.item_id).order_by(Revision.number)))


def hold_first(pc: SleepingPc, address: str) -> list[Route]:
    """Keep the first request to an address on its way for ever; gives it once it was made."""
    held: list[Route] = []

    def answer(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    pc.page.route(address, answer)
    return held


def give_more_time(room: SeatedRoom) -> None:
    with room.store.transaction() as db:
        db.get_one(Attempt, 1).deadline_at += timedelta(minutes=7)


def suspend(room: SeatedRoom) -> None:
    room.act(invigilation.suspend_sitting, room.sitting(), reason="停电")


def collect(room: SeatedRoom) -> None:
    room.clock.move(minutes=61)
    with room.store.transaction() as db:
        assert answering.collect_due(db, at=room.clock.now()) == 1


def open_elsewhere(room: SeatedRoom) -> None:
    assert room.browser(1).log_in(room.tickets[0]).status_code == 200


def move_seat(room: SeatedRoom) -> None:
    room.move(4)


def start_again(room: SeatedRoom) -> None:
    room.hang_up()
    room.listen()


@BOTH
@pytest.mark.parametrize(
    ("happens", "where", "told"),
    [
        (give_more_time, "p.away", "已延长 07:00，结束时间改为"),
        (suspend, "dialog.cover", "监考员自"),
        (collect, "main", "已收卷"),
        (open_elsewhere, "dialog.cover", "已在另一处登录"),
        (move_seat, "dialog.cover", "已换考位"),
        (start_again, ".saved", "已保存"),
    ],
    ids=["more time", "suspended", "collected", "open elsewhere", "moved", "station started again"],
)
def test_a_frozen_page_wakes_to_what_has_happened_without_a_false_alarm_and_with_every_answer(
    room: SeatedRoom, pc: SleepingPc, happens: Callable[[SeatedRoom], None], where: str, told: str
) -> None:
    """What was typed in the instant before is at the station while the page stands still."""
    pc.page.evaluate(KEEP_ALARMS)
    pc.item("w1").locator("textarea").focus()
    pc.page.keyboard.type("typed at the last moment")
    with pc.frozen():
        wait_for_answer(room, "w1", text("typed at the last moment"))
        happens(room)
    expect(pc.page.locator(where).first).to_contain_text(told)
    assert pc.page.evaluate("window.alarms") == []
    if happens in (give_more_time, start_again):
        wait_for_countdown(room, pc)
        write(pc, "w2", "醒来以后写的")
        wait_for_answer(room, "w2", text("醒来以后写的"))
    assert items_saved(room)[0] == "w1"
    assert items_saved(room).count("w1") == 1


@BOTH
def test_what_a_frozen_page_could_not_send_goes_out_once_when_it_wakes(room: SeatedRoom, pc: SleepingPc) -> None:
    room.hang_up()
    write(pc, "w1", "断网时写的")
    expect(pc.page.locator(".saved")).to_contain_text("1 项待发送")
    pc.item("w2").locator("textarea").focus()
    pc.page.keyboard.type("and more")
    with pc.frozen():
        room.listen()
    wait_for_answer(room, "w1", text("断网时写的"))
    wait_for_answer(room, "w2", text("and more"))
    pc.wait_saved()
    assert items_saved(room) == ["w1", "w2"]


def test_a_frozen_page_that_the_browser_discards_leaves_its_answers_on_the_pc(room: SeatedRoom, pc: SleepingPc) -> None:
    """For want of memory the browser ends its process, whose disk had no time for it; then the page is opened anew."""
    beside = pc.tab()
    beside.goto(f"{room.url}/static/mark.svg")
    pc.page.bring_to_front()
    room.hang_up()
    pc.item("w1").locator("textarea").focus()
    pc.page.keyboard.type("typed before it was thrown away")
    pc.context.new_cdp_session(pc.page).send("Page.setWebLifecycleState", {"state": "frozen"})
    wait_until(lambda: beside.evaluate("Object.keys(localStorage).length"), page=beside)
    with pc.page.expect_event("crash"):
        for process in pc.processes("renderer"):
            os.kill(process, signal.SIGKILL)
    room.listen()
    pc.page = pc.tab()
    pc.page.goto(room.url)
    pc.page.wait_for_selector(".item")
    expect(pc.item("w1").locator("textarea")).to_have_value("typed before it was thrown away")
    wait_for_answer(room, "w1", text("typed before it was thrown away"))
    assert items_saved(room) == ["w1"]


def test_a_pc_that_slept_in_the_middle_of_everything_raises_no_false_alarm(room: SeatedRoom, pc: SleepingPc) -> None:
    """A poll, a save and a write to the disk were under way: their time was up in the sleep, which says nothing."""
    pc.page.evaluate(KEEP_ALARMS)
    pc.page.evaluate("window.diskIsBusy = true")
    saves = hold_first(pc, "**/api/saves")
    write(pc, "w1", "睡前写的")
    wait_until(lambda: saves, page=pc.page)
    pc.item("w2").locator("textarea").focus()
    pc.page.keyboard.type("half a wo")
    polls = hold_first(pc, "**/api/me*")
    wait_until(lambda: polls, page=pc.page)
    with pc.asleep():
        time.sleep(ASLEEP_S)
        give_more_time(room)
    pc.page.evaluate("window.diskIsBusy = false")
    expect(pc.page.locator("p.away")).to_contain_text("已延长 07:00")
    for item, words in (("w1", "睡前写的"), ("w2", "half a wo")):
        wait_for_answer(room, item, text(words), page=pc.page)
    pc.wait_saved()
    wait_for_countdown(room, pc)
    assert pc.page.evaluate("window.alarms") == []
    assert items_saved(room) == ["w1", "w2"]


@pytest.mark.parametrize("minutes", [10, -10], ids=["forward", "back"])
def test_the_countdown_after_a_sleep_is_the_stations_whatever_the_pcs_clock_says(
    room: SeatedRoom, pc: SleepingPc, minutes: int
) -> None:
    """Ten minutes have gone by: for the page its counter stood still, and its own clock may have jumped anywhere."""
    before = pc.left_s()
    room.clock.move(minutes=10)
    pc.page.evaluate("ms => { window.sleptMs = ms; }", minutes * 60_000)
    wait_for_countdown(room, pc)
    assert pc.left_s() < before - 9 * 60


def test_a_page_kept_for_the_way_back_goes_on_and_knows_what_has_happened_meanwhile(
    room: SeatedRoom, pc: SleepingPc
) -> None:
    pc.page.evaluate(KEEP_ALARMS)
    pc.item("w1").locator("textarea").focus()
    pc.page.keyboard.type("before")
    pc.page.goto(f"{room.url}/static/mark.svg")
    wait_for_answer(room, "w1", text("before"))
    suspend(room)
    pc.page.go_back(wait_until="commit")
    expect(pc.page.locator("dialog.cover")).to_contain_text("监考员自")
    assert pc.page.evaluate("[window.happened, window.alarms]") == [["freeze", "resume", "way back"], []]
    expect(pc.item("w1").locator("textarea")).to_have_value("before")
    room.act(invigilation.resume_sitting, room.sitting())
    expect(pc.page.locator("dialog.cover")).to_have_count(0)
    write(pc, "w1", "after")
    wait_for_answer(room, "w1", text("after"))
    pc.wait_saved()
    assert items_saved(room) == ["w1", "w1"]
