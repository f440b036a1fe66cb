"""What wears a candidate's page at its edges: refused saves, input methods, stores that come and go, a way back."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect
from sqlalchemy import select

from station.services import answering, invigilation
from station.store.models import Revision
from tests.browser.pages import CandidatePc, answers, wait_for_answer, wait_until
from tests.browser.test_own_copy import choice, rows_on, text, write
from tests.web.seated_paper import ASSETS, PAPER
from tests.web.seating import SeatedRoom, served_room

pytestmark = pytest.mark.browser

# A disk that is full for as long as the page says so.
SOMETIMES_FULL = """{
    const put = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = function (row) {
        if (window.diskIsFull) throw new DOMException("full", "QuotaExceededError");
        return put.call(this, row);
    };
}"""


def refusing(status: int, code: str, sentence: str) -> dict[str, Any]:
    return {"status": status, "json": {"error": {"code": code, "sentence": sentence, "details": {}}}}


def saves_in(route: Route) -> list[dict[str, Any]]:
    return list(json.loads(route.request.post_data or "{}").get("saves", []))


def test_a_save_that_the_station_will_not_take_holds_up_no_other_and_the_candidate_is_told(
    room: SeatedRoom, pc: CandidatePc
) -> None:
    def answer(route: Route) -> None:
        if any(save["item_id"] == "w1" for save in saves_in(route)):
            route.fulfill(**refusing(400, "field_wrong", "这个答案存不了。"))
        else:
            route.continue_()

    room.hang_up()
    pc.item("c1").get_by_text("选项B").click()
    write(pc, "w1", "中间的一个")
    pc.item("c3").get_by_text("错误").click()
    expect(pc.page.locator(".away")).to_contain_text("3 项待发送")
    pc.page.route("**/api/saves", answer)
    room.listen()
    wait_for_answer(room, "c3", {"base": {"boolean": False}}, page=pc.page)
    number = pc.item("w1").locator(".item-number").inner_text()
    expect(pc.page.locator(".saved")).to_have_text(f"第 {number} 题没有保存成功，请查看")
    assert answers(room) == {"c1": choice("B"), "c3": {"base": {"boolean": False}}}
    expect(pc.item("w1").get_by_role("alert")).to_have_text("这个答案存不了。")
    pc.page.get_by_role("button", name="交卷", exact=True).click()
    told = pc.page.locator("dialog .jumps").first
    expect(told).to_contain_text("最后的作答没有保存成功")
    assert told.get_by_role("button").all_inner_texts() == [number]
    pc.page.get_by_role("button", name="继续作答").click()
    pc.page.unroute("**/api/saves")
    write(pc, "w1", "改过以后")
    wait_for_answer(room, "w1", text("改过以后"))
    expect(pc.item("w1").get_by_role("alert")).to_be_hidden()
    pc.wait_saved()


def test_a_view_that_the_station_will_not_take_costs_no_answer(room: SeatedRoom, pc: CandidatePc) -> None:
    """Where somebody reads and what is flagged travels with the answers; it must not drag them down."""

    def spoil(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        if body["view"] is not None:
            body["view"] = {"flags": ["x" * 30_000]}
        route.continue_(post_data=json.dumps(body))

    pc.page.route("**/api/saves", spoil)
    pc.item("c1").get_by_text("选项B").click()
    write(pc, "w1", "答案比位置要紧")
    wait_for_answer(room, "c1", choice("B"), page=pc.page)
    wait_for_answer(room, "w1", text("答案比位置要紧"), page=pc.page)
    pc.wait_saved()
    expect(pc.item("c1").get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize(("status", "code"), [(429, "too_many"), (400, "request_wrong")])
def test_a_refused_poll_takes_nobodys_paper_away(room: SeatedRoom, pc: CandidatePc, status: int, code: str) -> None:
    pc.page.route("**/api/me*", lambda route: route.fulfill(**refusing(status, code, "现在不行。")))
    expect(pc.page.locator(".away")).to_be_visible()
    write(pc, "w1", "照样作答")
    wait_for_answer(room, "w1", text("照样作答"), page=pc.page)
    assert pc.page.locator("#ticket").count() == 0
    pc.page.unroute("**/api/me*")
    expect(pc.page.locator(".away")).to_have_attribute("data-state", "good")
    with room.store.reading() as db:
        assert set(db.scalars(select(Revision.place))) == {1}, "the page was not opened anew"


@pytest.mark.chrome109
def test_a_word_in_the_making_is_saved_and_its_input_method_closed_when_the_paper_is_covered(
    room: SeatedRoom, pc: CandidatePc
) -> None:
    """The letters typed so far count, and no window of the input method goes on over the cover."""
    area = pc.item("w1").locator("textarea")
    area.focus()
    area.evaluate("area => area.addEventListener('compositionend', () => { window.ended = area.value; })")
    typing = pc.page.context.new_cdp_session(pc.page)
    for letters in ("y", "yi", "yi j", "yi ju"):
        at = len(letters)
        typing.send("Input.imeSetComposition", {"text": letters, "selectionStart": at, "selectionEnd": at})
    room.act(invigilation.suspend_sitting, room.sitting(), reason="停电")
    expect(pc.page.locator("dialog.cover")).to_contain_text("考试暂停")
    assert pc.page.evaluate("window.ended") == "yi ju"
    wait_for_answer(room, "w1", text("yi ju"))
    room.act(invigilation.resume_sitting, room.sitting())
    expect(pc.page.locator("dialog.cover")).to_have_count(0)
    expect(area).to_have_value("yi ju")


def test_logging_out_waits_until_it_is_known_that_nothing_lies_here_unsent(room: SeatedRoom, pc: CandidatePc) -> None:
    pc.page.route("**/api/saves", lambda route: route.abort())
    write(pc, "w1", "收卷时还没送出")
    expect(pc.page.locator(".saved")).to_contain_text("1 项待发送")
    pc.page.evaluate(
        """() => new MutationObserver(() => {
            const leave = [...document.querySelectorAll("button")].find((one) => one.textContent === "退出登录");
            if (leave) window.couldLeave ||= !leave.disabled;
        }).observe(document, { subtree: true, childList: true, attributes: true })"""
    )
    room.clock.move(minutes=61)
    with room.store.transaction() as db:
        assert answering.collect_due(db, at=room.clock.now()) == 1
    expect(pc.page.locator("main")).to_contain_text("还有 1 次保存正在补交，请勿关机")
    leave = pc.page.get_by_role("button", name="退出登录").first
    expect(leave).to_be_disabled()
    assert not pc.page.evaluate("Boolean(window.couldLeave)")
    pc.page.unroute("**/api/saves")
    expect(leave).to_be_enabled()
    with room.store.reading() as db:
        assert [json.loads(one) for one in db.scalars(select(Revision.response))] == [text("收卷时还没送出")]


def test_a_disk_that_takes_again_gets_what_it_had_refused(room: SeatedRoom, chromium: Browser) -> None:
    room.admit()
    room.start()
    pc = CandidatePc(chromium, room, 1)
    pc.context.add_init_script(SOMETIMES_FULL)
    pc.page.goto(room.url)
    pc.sit_down(room.tickets[0])
    line = pc.page.locator(".away")
    pc.page.evaluate("window.diskIsFull = true")
    write(pc, "w1", "盘满时写的")
    wait_for_answer(room, "w1", text("盘满时写的"))
    expect(line).to_contain_text("本机不能暂存答案")
    assert rows_on(pc) == []
    pc.page.evaluate("window.diskIsFull = false")
    pc.item("c1").get_by_text("选项B").click()
    wait_for_answer(room, "c1", choice("B"))
    expect(line).to_be_hidden()
    pc.wait_saved()
    assert [(row["item_id"], row["acknowledged"]) for row in rows_on(pc)] == [("w1", True), ("c1", True)]
    assert pc.errors == []
    pc.context.close()


def test_a_store_that_the_browser_has_closed_is_opened_again(room: SeatedRoom, pc: CandidatePc) -> None:
    """Its files failed, or somebody cleared the browser's data in the middle of the test."""
    write(pc, "w1", "之前写的")
    wait_for_answer(room, "w1", text("之前写的"))
    pc.wait_saved()
    browser = pc.page.context.new_cdp_session(pc.page)
    browser.send("Storage.clearDataForOrigin", {"origin": room.url, "storageTypes": "indexeddb"})
    line = pc.page.locator(".away")
    expect(line).to_contain_text("本机不能暂存答案")
    for number in range(30):
        write(pc, "w1", f"之后写的{number}")
        pc.page.wait_for_timeout(1000)
        if line.is_hidden():
            break
    expect(line).to_be_hidden()
    pc.wait_saved()
    room.hang_up()
    write(pc, "w2", "断网时写的")
    expect(line).to_contain_text("答案都已存在本机，1 项待发送")
    assert [row["item_id"] for row in rows_on(pc)][-1] == "w2"
    room.listen()
    wait_for_answer(room, "w2", text("断网时写的"))


def test_going_away_and_back_by_the_browsers_own_buttons_goes_on(room: SeatedRoom, pc: CandidatePc) -> None:
    pc.item("w1").locator("textarea").focus()
    pc.page.keyboard.type("before")
    pc.page.goto(f"{room.url}/static/mark.svg")
    wait_for_answer(room, "w1", text("before"))
    pc.page.go_back()
    pc.page.wait_for_selector(".item")
    area = pc.item("w1").locator("textarea")
    expect(area).to_have_value("before")
    write(pc, "w1", "after")
    wait_for_answer(room, "w1", text("after"))


def test_a_reload_while_a_save_is_on_its_way_saves_it_once(room: SeatedRoom, pc: CandidatePc) -> None:
    """The station has taken it, and the page that goes never hears of that."""
    unheard: list[Route] = []

    def lose_the_first_reply(route: Route) -> None:
        if unheard:
            route.continue_()
            return
        unheard.append(route)
        route.fetch()

    pc.page.route("**/api/saves", lose_the_first_reply)
    pc.item("c1").get_by_text("选项B").click()
    wait_for_answer(room, "c1", choice("B"), page=pc.page)
    pc.page.reload()
    pc.page.wait_for_selector(".item")
    expect(pc.item("c1").get_by_role("radio").nth(1)).to_be_checked()
    write(pc, "w1", "之后写的")
    wait_for_answer(room, "w1", text("之后写的"), page=pc.page)
    pc.wait_saved()
    with room.store.reading() as db:
        saved = db.execute(select(Revision.place, Revision.sequence).order_by(Revision.number))
        assert [tuple(row) for row in saved] == [(1, 1), (2, 1)]


@pytest.mark.chrome109
@pytest.mark.parametrize("is_away", [True, False], ids=["station away", "station there"])
def test_a_very_long_text_is_kept_when_the_page_goes_in_the_same_instant(
    tmp_path: Path, chromium: Browser, is_away: bool
) -> None:
    """Too long for the last request of a page that goes, and the browser drops what it was writing to its disk then."""
    long = "论" * 20_000
    paper = copy.deepcopy(PAPER)
    for section in paper["sections"]:
        for item in section["items"]:
            if item["id"] == "w2":
                item["interaction"]["max_length"] = len(long)
    with served_room(tmp_path, papers={"theory": (paper, ASSETS)}) as room:
        room.admit()
        room.start()
        pc = CandidatePc(chromium, room, 1)
        pc.sit_down(room.tickets[0])
        _write_and_go(room, pc, long, is_away=is_away)
        assert pc.errors == []
        pc.context.close()


def _write_and_go(room: SeatedRoom, pc: CandidatePc, long: str, *, is_away: bool) -> None:
    if is_away:
        room.hang_up()
    area = pc.item("w2").locator("textarea")
    area.evaluate(
        """(area, words) => {
            area.value = words;
            area.dispatchEvent(new InputEvent("input", { bubbles: true }));
            location.href = "about:blank";
        }""",
        long,
    )
    pc.page.wait_for_url("about:blank")
    if is_away:
        room.listen()
    pc.page.goto(room.url)
    pc.page.wait_for_selector(".item")
    expect(pc.item("w2").locator("textarea")).to_have_value(long)
    wait_for_answer(room, "w2", text(long))
    has_left, why = "Object.keys(localStorage).length", "what the disk has by now still lies elsewhere"
    wait_until(lambda: not pc.page.evaluate(has_left), page=pc.page, why=why)
