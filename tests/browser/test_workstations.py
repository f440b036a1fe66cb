"""PCs with an agent in a real browser: the staff's page 考试机, and the page that an agent opens on its PC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.agent_pc import AgentPc
from tests.browser.pages import Window, staff_page
from tests.building import BuiltRoom, build_room
from tests.console.serving import served_candidate_app, served_staff_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path, seats=8)
    built.keep_heard()
    yield built
    built.close()


@pytest.fixture
def pc(room: BuiltRoom) -> Iterator[AgentPc]:
    with served_candidate_app(room) as address, AgentPc(room, address) as one:
        one.register("5")
        yield one


@pytest.fixture
def console(room: BuiltRoom, chromium: Browser) -> Iterator[Page]:
    """The chief examiner's browser at the page of PCs."""
    with served_staff_app(room) as address, staff_page(chromium, address, "chief_examiner") as page:
        page.goto("/workstations")
        yield page


def row(page: Page, seat: str):
    return page.locator("#pc-rows tr").filter(has=page.locator(f"td:nth-child(2) b:text-is('{seat}')"))


def test_a_screen_is_locked_and_released_and_the_row_says_so(room: BuiltRoom, pc: AgentPc, console: Page):
    room.start()
    pc.beat(orders=pc.orders()["version"], state={"locked": True})
    expect(row(console, "5")).to_contain_text("已锁定")
    expect(row(console, "1")).to_contain_text("未登记")
    row(console, "5").locator("td").nth(2).click()
    console.get_by_role("button", name="锁屏并提示").click()
    console.get_by_label("提示内容").fill("请停止操作")
    console.get_by_role("button", name="锁屏", exact=True).click()
    expect(row(console, "5")).to_contain_text("已锁屏")
    assert pc.orders()["screen"]["text"] == "请停止操作"
    console.get_by_role("button", name="恢复屏幕").click()
    console.get_by_role("dialog").get_by_role("button", name="恢复屏幕").click()
    expect(row(console, "5")).not_to_contain_text("已锁屏")
    assert pc.orders()["screen"]["kind"] == "page"


def test_a_seat_is_given_only_when_one_was_chosen(pc: AgentPc, console: Page):
    expect(row(console, "5")).to_contain_text("PC-12")
    row(console, "5").get_by_role("button", name="换考位").click()
    dialog = console.get_by_role("dialog")
    expect(dialog.get_by_label("考位")).to_have_value("")
    console.keyboard.press("Enter")
    dialog.get_by_role("button", name="指定考位").click()
    expect(dialog.get_by_role("alert")).to_contain_text("请选择考位")
    expect(row(console, "5")).to_contain_text("PC-12")
    dialog.get_by_label("考位").select_option(label="3")
    dialog.get_by_role("button", name="指定考位").click()
    expect(row(console, "3")).to_contain_text("PC-12")
    expect(row(console, "5")).to_contain_text("未登记")


def test_what_a_filter_hides_is_no_longer_chosen(pc: AgentPc, console: Page):
    expect(row(console, "5")).to_contain_text("未连接")
    row(console, "5").locator("td").nth(2).click()
    expect(console.locator("#pc-chosen")).to_have_text("已选 1 台")
    console.get_by_role("button", name=re.compile("^未登记")).click()
    expect(console.locator("#pc-chosen")).to_have_text("未选考试机")
    expect(console.locator("#pc-none")).to_be_hidden()
    console.get_by_role("button", name=re.compile("^需处理")).click()
    expect(console.locator("#pc-none")).to_contain_text("没有这样的考试机")


def test_one_code_is_shown_for_one_pc_and_the_sheet_can_be_printed(pc: AgentPc, console: Page):
    expect(row(console, "5")).to_contain_text("未连接")
    row(console, "5").locator("td").nth(2).click()
    console.get_by_role("button", name="解锁码", exact=True).click()
    console.get_by_label("原因").fill("网口故障")
    console.get_by_role("dialog").get_by_role("button", name="查看解锁码").click()
    expect(console.locator(".big-code")).to_have_text(re.compile(r"^\d{4} \d{4}$"))
    console.get_by_role("dialog").get_by_role("button", name="关闭").click()
    console.add_init_script("window.print = () => { document.body.dataset.printed = 'yes'; }")
    console.get_by_role("button", name="打印解锁码密封单").click()
    console.get_by_role("button", name="生成并打印").click()
    expect(console.locator("#codes li")).to_have_count(1)
    expect(console.locator("body")).to_have_attribute("data-printed", "yes")


@pytest.mark.chrome109
def test_the_page_that_an_agent_opens_is_its_seats_and_brings_the_candidate_back(
    room: BuiltRoom, pc: AgentPc, chromium: Browser
):
    room.start()
    window = Window(chromium)
    page = window.page
    page.goto(pc.say("page", boot_id="boot-1").json()["url"])
    page.wait_for_url(re.compile(r"/$"))
    ticket = room.tickets[4]
    page.locator("input").first.fill(ticket)
    page.locator("input[type=password]").fill(ticket[-6:])
    page.locator("button[type=submit]").first.click()
    expect(page.get_by_text("考生05").first).to_be_visible()
    window.close()
    pc.open_browser().sit_down(room, ticket)
    again = Window(chromium)
    page = again.page
    page.goto(pc.say("page", boot_id="boot-2").json()["url"])
    page.wait_for_url(re.compile(r"/$"))
    expect(page.get_by_text("点击率等于").first).to_be_visible()
    again.close()
    assert window.errors == again.errors == []
