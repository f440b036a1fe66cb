"""The candidate's way from log-in to hand-in, in the current browser and in the last one for Windows 7."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from station.services import room_record
from station.store.models import Attempt, Entry, Revision
from tests.browser.pages import CandidatePc, answers, receipt_of, wait_for_answer, wait_until
from tests.browser.test_own_copy import wait_for_rows
from tests.web.seating import SeatedRoom

pytestmark = [pytest.mark.browser, pytest.mark.chrome109]


def workbook() -> dict[str, object]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>" * 50)
    return {"name": "推广方案.xlsx", "mimeType": "application/octet-stream", "buffer": content.getvalue()}


def view_of(room: SeatedRoom) -> object:
    """What the station has of where the candidate is on the page."""
    with room.store.reading() as db:
        return json.loads(db.get_one(Attempt, 1).view)


def test_r_day_2_from_log_in_to_the_paper(room: SeatedRoom, chromium: Browser) -> None:
    room.admit()
    pc = CandidatePc(chromium, room, 1)
    expect(pc.page.locator(".seat")).to_have_text("考位 1")
    pc.page.fill("#ticket", room.tickets[0])
    expect(pc.page.locator(".grouped")).to_have_text("3708 0120 2611 0000 0001")
    pc.page.fill("#password", "123")
    pc.page.keyboard.press("Enter")
    expect(pc.page.get_by_role("alert")).to_contain_text("口令不正确")
    pc.log_in(room.tickets[0])
    expect(pc.page.locator(".identity")).to_contain_text("考生1")
    expect(pc.page.locator(".identity")).to_contain_text("370285********0001")
    pc.page.get_by_role("button", name="信息有误").click()
    expect(pc.page.get_by_role("status")).to_contain_text("已通知监考员")
    pc.confirm()
    expect(pc.page.locator(".rules")).to_contain_text("保持安静")
    expect(pc.page.locator(".countdown")).to_contain_text("距开考")
    assert pc.page.locator(".doors button").count() == 0
    room.start()
    pc.page.wait_for_selector(".doors button")
    pc.page.keyboard.press("Enter")  # the button has the focus
    pc.page.wait_for_selector(".item")
    assert pc.page.locator(".item").count() == 8
    assert pc.errors == []
    pc.context.close()


def test_every_kind_of_item_is_answered_and_the_same_after_a_reload(room: SeatedRoom, pc: CandidatePc) -> None:
    page = pc.page
    pc.item("c1").get_by_text("选项B").click()
    pc.item("c2").get_by_text("选项A").click()
    pc.item("c2").get_by_text("选项C").click()
    pc.item("c3").get_by_text("正确").click()
    pc.item("b1").locator(".body input").fill("24")
    pc.item("w1").locator("textarea").fill("四月要做的三件事")
    pc.item("w2").locator("textarea").fill("一段长文字。" * 40)
    pc.item("g1").get_by_label("金额 · 第1行").fill("100.00")
    pc.item("g1").get_by_label("方向 · 第1行").select_option("借")
    pc.item("f1").locator("input[type=file]").set_input_files([workbook()])  # type: ignore[list-item]
    expect(pc.item("f1").locator(".file-told")).to_contain_text("已上传：推广方案.xlsx")
    page.locator("#item-w1 .flag").click()
    page.get_by_label("大字").click()
    expect(page.locator(".counts")).to_contain_text("6 / 8")
    pc.wait_saved()
    held = answers(room)
    assert held["c1"] == {"base": {"identifier": "B"}}
    assert held["c2"] == {"list": {"identifier": ["A", "C"]}}
    assert held["c3"] == {"base": {"boolean": True}}
    assert held["b1"] == {"record": [{"name": "h", "base": {"string": "24"}}]}
    assert held["g1"] == {
        "record": [{"name": "r1.b", "base": {"string": "100.00"}}, {"name": "r1.c", "base": {"string": "借"}}]
    }
    wait_until(lambda: view_of(room) == {"item": "w1", "flags": ["w1"], "font": "larger", "read": 0})
    page.reload()
    page.wait_for_selector(".item")
    expect(pc.item("c1").get_by_role("radio").nth(1)).to_be_checked()
    expect(pc.item("b1").locator(".body input")).to_have_value("24")
    expect(pc.item("w2").locator("textarea")).to_have_value("一段长文字。" * 40)
    expect(pc.item("g1").get_by_label("方向 · 第1行")).to_have_value("借")
    expect(pc.item("f1").locator(".file-told")).to_have_text(re.compile(r"\d\d:\d\d:\d\d 已上传：推广方案\.xlsx"))
    assert pc.item("w1").get_attribute("data-flagged") == "yes"
    assert page.evaluate("document.documentElement.dataset.font") == "larger"
    assert page.evaluate("document.activeElement.id") == "item-w1"
    assert answers(room) == held


def test_the_keyboard_alone_answers_flags_and_moves(room: SeatedRoom, pc: CandidatePc) -> None:
    page = pc.page
    page.keyboard.press("Alt+n")
    page.keyboard.press("b")
    page.keyboard.press("Alt+n")
    page.keyboard.press("1")
    page.keyboard.press("4")
    page.keyboard.press("Alt+m")
    page.keyboard.press("Control+ArrowDown")
    page.keyboard.press("2")
    wait_for_answer(room, "c1", {"base": {"identifier": "B"}})
    wait_for_answer(room, "c2", {"list": {"identifier": ["A", "D"]}})
    wait_for_answer(room, "c3", {"base": {"boolean": False}})
    assert pc.item("c2").get_attribute("data-flagged") == "yes"
    cell = pc.item("g1").get_by_label("科目 · 第2行")
    cell.focus()
    page.keyboard.type("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("7")
    page.keyboard.press("ArrowUp")
    expect(pc.item("g1").get_by_label("金额 · 第1行")).to_be_focused()


def test_with_the_server_away_editing_goes_on_and_the_queue_follows(room: SeatedRoom, pc: CandidatePc) -> None:
    text = pc.item("w2").locator("textarea")
    text.fill("断网之前")
    wait_for_answer(room, "w2", {"base": {"string": "断网之前"}})
    room.hang_up()
    text.fill("断网之后仍在写")
    pc.item("c1").get_by_text("选项D").click()
    expect(pc.page.locator(".away")).to_contain_text("请继续作答")
    expect(pc.page.locator(".saved")).to_contain_text("未连接，答案暂存本机")
    pc.page.wait_for_timeout(5000)
    room.listen()
    wait_for_answer(room, "w2", {"base": {"string": "断网之后仍在写"}})
    wait_for_answer(room, "c1", {"base": {"identifier": "D"}})
    expect(pc.page.locator(".away")).to_contain_text("答案都已送达")
    pc.wait_saved()


def test_what_was_queued_when_the_browser_died_is_sent_by_the_next_load(room: SeatedRoom, pc: CandidatePc) -> None:
    room.hang_up()
    pc.item("c1").get_by_text("选项C").click()
    pc.item("w1").locator("textarea").fill("崩溃之前写的")
    pc.item("w1").locator("textarea").blur()
    wait_for_rows(pc, "c1", "w1")
    pc.page.close()
    room.listen()
    pc.page = pc.tab()
    pc.page.goto(room.url)
    pc.page.wait_for_selector(".item")
    expect(pc.item("w1").locator("textarea")).to_have_value("崩溃之前写的")
    wait_for_answer(room, "c1", {"base": {"identifier": "C"}})
    with room.store.reading() as db:
        places = set(db.scalars(select(Revision.place)))
    assert places == {1}, "sent under the place of the page that died"


def test_r_day_4_the_hand_in_dialog_lists_what_is_open_and_says_why_not_yet(room: SeatedRoom, pc: CandidatePc) -> None:
    pc.item("c1").get_by_text("选项A").click()
    pc.item("c2").get_by_role("button", name="标记").click()
    pc.page.get_by_role("button", name="交卷", exact=True).click()
    dialog = pc.page.locator("dialog")
    expect(dialog).to_contain_text("共 8 题，已答 1 题。")
    expect(dialog).to_contain_text("不能再查看或修改")
    dialog.get_by_role("button", name="确认交卷").click()
    expect(dialog.get_by_role("alert")).to_contain_text("且须主考同意")
    dialog.locator(".jumps").first.get_by_role("button", name="4").click()
    assert pc.page.evaluate("document.activeElement.id") == "item-b1"
    room.clock.move(minutes=50)
    with room.store.transaction() as db:
        entry = db.get_one(Entry, room.entries["theory"][0])
        room_record.allow_early_leave(db, [entry], by=room.staff_id, at=room.clock.now())
    pc.page.get_by_role("button", name="交卷", exact=True).click()
    dialog.get_by_role("button", name="确认交卷").click()
    expect(pc.page.locator(".receipt")).to_have_text(receipt_of(room))
    expect(pc.page.locator("main")).to_contain_text("已交卷")
