"""The room check and the sealing in a real browser: 45 PCs and 5 spares, from the first look to the signed form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from station.clock import Clock
from station.store.models import Room
from tests.browser.pages import staff_page
from tests.building import PASSWORD, BuiltRoom, build_room
from tests.checking import FACTS, add_agents, agents, check_server, hear, report, send_report
from tests.console.serving import served_staff_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OUT = {"internet": ("fail", "可访问 www.example.com:443")}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    """A full room, its PCs registered, none checked."""
    clock = Clock()
    built = build_room(tmp_path, seats=45, spares=5, planned_at=clock.now(), clock=clock)
    object.__setattr__(built.edge, "has_backups", True)
    built.keep_heard()
    add_agents(built)
    hear(built)
    yield built
    built.close()


@pytest.fixture
def console(room: BuiltRoom, chromium: Browser) -> Iterator[Page]:
    """The technician's browser at the console."""
    with served_staff_app(room) as address, staff_page(chromium, address, "technician") as page:
        yield page


def check_all(room: BuiltRoom, wrong: dict[str, dict[str, tuple[str, str]]]) -> None:
    for seat in agents(room):
        send_report(room, seat, report(room, wrong.get(seat)))


def tile(page: Page, seat: str):  # type: ignore[no-untyped-def]
    return page.locator(".pc").filter(has=page.locator(f".head b:text-is('{seat}')"))


def test_r_room_1_the_room_at_a_glance_what_to_do_and_one_seat_checked_again(room, console):
    page = console
    page.goto(f"/rooms/{room.room_id}")
    expect(page.locator("#figures")).to_contain_text("0 / 45")
    page.get_by_role("button", name="检查全部考试机").click()
    expect(page.locator(".pc.checking")).to_have_count(50)
    check_all(room, dict.fromkeys(("3", "12", "21"), OUT) | {"48": {"screens": ("fail", "2")}})
    expect(page.locator("#figures")).to_contain_text("42 / 45")
    expect(page.locator("#figures")).to_contain_text("4 / 5")
    expect(page.locator("#fault-list li").first).to_contain_text("3 台：外网隔离")
    page.get_by_role("button", name=re.compile("未就绪")).first.click()
    expect(page.locator(".pc")).to_have_count(4)
    tile(page, "12").click()
    dialog = page.locator("dialog.check")
    expect(dialog.locator("tbody tr").first).to_contain_text("可访问 www.example.com:443")
    with page.expect_response(lambda answer: answer.request.method == "POST" and answer.url.endswith("/check")):
        dialog.get_by_role("button", name="重新检查").click()
    send_report(room, "12")
    expect(dialog.locator("tbody tr.fail")).to_have_count(0)
    dialog.get_by_role("button", name="关闭").click()
    expect(page.locator("#figures")).to_contain_text("43 / 45")
    expect(page.locator("#machines .machine").first).to_contain_text("服务器")
    expect(page.locator("#machines")).to_contain_text("监考机 127.0.0.1（本机）")


def test_the_whole_room_is_seen_without_scrolling(room, console):
    page = console
    check_all(room, dict.fromkeys(("1", "2", "3", "4", "5"), OUT))
    page.goto(f"/rooms/{room.room_id}")
    expect(page.locator(".pc")).to_have_count(50)
    bottom = page.locator(".pc").last.evaluate("pc => pc.getBoundingClientRect().bottom")
    assert bottom <= 768
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_r_room_7_from_an_open_point_to_the_sealed_room_and_a_change_that_is_accepted(room, console):
    page = console
    check_all(room, {"7": OUT})
    check_server(room)
    page.goto(f"/rooms/{room.room_id}/seal")
    expect(page.locator(".point.open")).to_have_count(2)
    expect(page.locator("#left")).to_contain_text("考生机就绪")
    for box in page.locator("#ticks input").all():
        box.check()
    for number in page.locator("#sheets input").all():
        number.fill("45")
    page.fill("#technician", "王技术")
    page.fill("#exam_officer", "李考务")
    page.click("#seal-now")
    expect(page.locator("#fault")).to_contain_text("须处理：7")
    send_report(room, "7")
    expect(page.locator("#left")).to_contain_text("全部完成")
    page.click("#seal-now")
    expect(page.locator("#standing")).to_contain_text("已封场")
    page.get_by_role("button", name="登记电话确认").click()
    page.fill('dialog [name="name"]', "赵工")
    page.locator("dialog").get_by_role("button", name="登记确认").click()
    expect(page.locator("#standing")).to_contain_text("赵工 已确认")
    send_report(room, "9", report(room, facts=FACTS | {"running": ["explorer.exe", "qq.exe"]}))
    expect(page.locator("#standing .break.open")).to_contain_text("考位 9 运行中的程序新出现：qq.exe")
    page.get_by_role("button", name="认可…").click()
    page.fill('dialog [name="reason"]', "已关闭，重新检查通过")
    page.fill('dialog [name="second_username"]', "chief_examiner")
    page.fill('dialog [name="second_password"]', PASSWORD)
    page.locator("dialog").get_by_role("button", name="认可").click()
    expect(page.locator("#standing .break.accepted")).to_contain_text("已关闭，重新检查通过")


def test_the_sealing_form_of_one_room_is_one_page_of_a4(room, console):
    page = console
    check_all(room, {})
    check_server(room)
    page.goto(f"/rooms/{room.room_id}/seal")
    page.locator("#ticks input").first.wait_for()
    for box in page.locator("#ticks input").all():
        box.check()
    for number in page.locator("#sheets input").all():
        number.fill("45")
    page.click("#seal-now")
    expect(page.locator("#standing")).to_contain_text("已封场")
    page.goto("/forms/sealing")
    assert pages_of(page) == 1
    page.goto(f"/rooms/{room.room_id}/report")
    assert pages_of(page) == 1


def test_the_sealing_form_of_four_rooms_is_one_page_with_its_signatures(room, console):
    with room.changing() as db:
        for name in ("二楼 201 机房（第二考场）", "二楼 202 机房（第三考场）", "行政楼 101（备用隔离考场）"):
            db.add(Room(name=name, site_name="测试考点"))
    console.goto("/forms/sealing")
    expect(console.locator("thead th")).to_have_count(5)
    assert pages_of(console) == 1


def pages_of(page: Page) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
