"""The invigilator's board after a long outage, and when the server's time cannot be believed, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from station.clock import Clock, system_time
from station.services import due_work
from tests.browser.pages import staff_page
from tests.building import BuiltRoom, build_room
from tests.console.serving import served_staff_app

pytestmark = pytest.mark.browser


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    """A sitting that began half an hour ago by a true clock, and whose station died ten minutes later."""
    now = system_time().replace(microsecond=0)
    built = build_room(tmp_path, planned_at=now - timedelta(minutes=30), clock=Clock(starts_at=now))
    built.edge.clock.set_to(now - timedelta(minutes=30))
    built.start()
    built.enter(built.tickets[0])
    with built.changing() as db:
        due_work.begin_life(db, now - timedelta(minutes=20), version="t")
    built.edge.clock.set_to(now)
    yield built
    built.close()


@pytest.fixture
def board(room: BuiltRoom, chromium: Browser) -> Iterator[Page]:
    with served_staff_app(room) as url, staff_page(chromium, url, "invigilator") as page:
        page.goto(f"/board/{room.theory}")
        yield page


def start_again(room: BuiltRoom, **later: float) -> None:
    room.edge.clock.set_to(room.edge.clock.now() + timedelta(**later))
    with room.changing() as db:
        due_work.begin_life(db, room.edge.clock.now(), version="t")


def go_on(page: Page) -> None:
    page.get_by_role("button", name="继续考试").first.click()


def test_r_day_9_the_board_counts_the_outage_and_what_is_left_of_the_60_minutes(room: BuiltRoom, board: Page) -> None:
    start_again(room)
    halt = board.locator("#halt")
    expect(halt).to_contain_text(re.compile(r"考站自 \d\d:\d\d:\d\d 中断，至今 00:2\d:\d\d"))
    expect(halt).to_contain_text(re.compile(r"距须请示认证机构（60 分钟，\d\d:\d\d）还有 00:[34]\d:\d\d"))
    expect(halt).to_contain_text("若现在继续，本场约")
    expect(halt).to_contain_text(re.compile(r"后续“实操”原定 \d\d:\d\d 开考，将晚 \d+ 分钟"))
    go_on(board)
    dialog = board.locator("dialog")
    expect(dialog).to_be_visible()
    assert dialog.locator("textarea").count() == 0
    dialog.get_by_role("button", name="继续考试").click()
    expect(halt).to_be_hidden()
    assert room.attempt(room.tickets[0]).state == "answering"


def test_r_day_9_above_60_minutes_the_dialog_asks_for_the_bodys_answer(room: BuiltRoom, board: Page) -> None:
    start_again(room, minutes=45)
    expect(board.locator("#halt")).to_contain_text("中断已超过 60 分钟：须先请示认证机构")
    go_on(board)
    dialog = board.locator("dialog")
    dialog.get_by_role("button", name="继续考试").click()
    expect(dialog.get_by_role("alert")).to_contain_text("填写机构的答复")
    dialog.locator("textarea").fill("机构王老师 10:40 电话同意继续")
    dialog.get_by_role("button", name="继续考试").click()
    expect(board.locator("#halt")).to_be_hidden()
    expect(board.locator("#event-list")).to_contain_text("机构王老师 10:40 电话同意继续")


def test_a_time_that_cannot_be_believed_is_shown_and_this_pcs_time_taken_instead(room: BuiltRoom, board: Page) -> None:
    start_again(room, days=-9000)
    expect(board.locator("#alarms")).to_contain_text("服务器时间不可信")
    expect(board.locator("#halt")).to_contain_text("服务器时间 200")
    go_on(board)
    dialog = board.locator("dialog")
    dialog.get_by_role("button", name="继续考试").click()
    expect(dialog.get_by_role("alert")).to_contain_text("确认时间")
    dialog.get_by_role("button", name="取消").click()
    board.get_by_role("button", name="确认时间").click()
    expect(dialog).to_contain_text("请对照手表或电话")
    dialog.get_by_role("button", name="按此时间").click()
    expect(board.locator("#alarms")).not_to_contain_text("不可信")
    assert abs(room.edge.clock.now() - system_time()) < timedelta(seconds=30)
    go_on(board)
    dialog.get_by_role("button", name="继续考试").click()
    expect(board.locator("#halt")).to_be_hidden()
