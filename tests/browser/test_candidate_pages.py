"""What may happen to a candidate at the page besides the plain way, in a real browser."""

from __future__ import annotations

import itertools
import re

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from station.services import answering, invigilation, room_record
from station.store.models import Attempt, Revision
from tests.browser.pages import CandidatePc, leave_time, receipt_of, wait_for_answer, wait_until
from tests.web.seating import SeatedRoom

pytestmark = pytest.mark.browser


def test_an_option_can_be_cleared_and_an_earlier_version_taken_back(room: SeatedRoom, pc: CandidatePc) -> None:
    pc.item("c1").get_by_text("选项B").click()
    wait_for_answer(room, "c1", {"base": {"identifier": "B"}})
    pc.item("c1").get_by_role("button", name="清除选择").click()
    wait_for_answer(room, "c1", {"base": None})
    text = pc.item("w1").locator("textarea")
    for version in ("第一稿", "第二稿"):
        text.fill(version)
        text.blur()
        wait_for_answer(room, "w1", {"base": {"string": version}})
    pc.item("w1").get_by_role("button", name="历史版本").click()
    pc.page.locator(".versions li", has_text="第一稿").get_by_role("button", name="恢复此版").click()
    expect(text).to_have_value("第一稿")
    wait_for_answer(room, "w1", {"base": {"string": "第一稿"}})


def test_leaving_the_page_in_the_middle_of_a_word_keeps_the_word(room: SeatedRoom, pc: CandidatePc) -> None:
    pc.item("w1").locator("textarea").focus()
    pc.page.keyboard.type("just typed")
    pc.page.goto("about:blank")
    wait_for_answer(room, "w1", {"base": {"string": "just typed"}})


def test_a_second_tab_takes_over_and_the_first_can_take_it_back(room: SeatedRoom, pc: CandidatePc) -> None:
    pc.item("w1").locator("textarea").fill("第一页写的")
    second = pc.tab()
    second.goto(room.url)
    second.wait_for_selector(".item")
    cover = pc.page.locator("dialog.cover")
    expect(cover).to_contain_text("已在另一页面继续")
    assert pc.page.locator("main.paper").evaluate("element => element.inert")
    wait_for_answer(room, "w1", {"base": {"string": "第一页写的"}})
    pc.item("c1", second).get_by_text("选项A").click()
    wait_for_answer(room, "c1", {"base": {"identifier": "A"}})
    second.close()
    pc.page.get_by_role("button", name="在本页继续").click()
    pc.page.wait_for_selector(".item")
    expect(pc.item("c1").get_by_role("radio").first).to_be_checked()


def test_r_day_7_after_a_move_the_spare_pc_goes_on_where_it_was(
    room: SeatedRoom, pc: CandidatePc, chromium: Browser
) -> None:
    pc.item("w1").locator("textarea").fill("旧机器上写的")
    pc.item("w1").locator("textarea").blur()
    wait_for_answer(room, "w1", {"base": {"string": "旧机器上写的"}})
    room.move(4)
    expect(pc.page.locator("dialog.cover")).to_contain_text("本机考生已换到 4 号考位")
    spare_pc = CandidatePc(chromium, room, 4)
    spare_pc.log_in(room.tickets[0])
    spare_pc.page.wait_for_selector(".item")
    expect(spare_pc.item("w1").locator("textarea")).to_have_value("旧机器上写的")
    spare_pc.context.close()


def test_r_rost_2_at_a_wrong_seat_the_page_waits_for_the_release(room: SeatedRoom, chromium: Browser) -> None:
    room.admit()
    pc = CandidatePc(chromium, room, 2)
    pc.log_in(room.tickets[0])
    expect(pc.page.locator("main")).to_contain_text("您的考位是 1 号，这里是 2 号。")
    expect(pc.page.locator("main")).not_to_contain_text("考生1")
    pc.context.close()


def test_a_suspension_covers_the_paper_and_the_time_stands_still(room: SeatedRoom, pc: CandidatePc) -> None:
    room.act(invigilation.suspend_sitting, room.sitting(), reason="停电")
    cover = pc.page.locator("dialog.cover")
    expect(cover).to_contain_text(re.compile(r"剩余时间停在 [\d:]+，不会减少"))
    first = pc.page.locator(".countdown").inner_text()
    pc.page.wait_for_timeout(2500)
    assert pc.page.locator(".countdown").inner_text() == first
    room.act(invigilation.resume_sitting, room.sitting())
    expect(cover).to_have_count(0)


def test_messages_stay_until_they_are_read(room: SeatedRoom, pc: CandidatePc) -> None:
    room.act(room_record.send_message, room.sitting(), entries=None, text="请检查姓名")
    expect(pc.page.locator(".message")).to_contain_text("请检查姓名")
    with pc.page.expect_response("**/api/saves"):  # what was read travels alone
        pc.page.get_by_role("button", name="知道了").click()
        expect(pc.page.locator(".message")).to_be_hidden()
    pc.page.reload()
    pc.page.wait_for_selector(".item")
    expect(pc.page.locator(".message")).to_be_hidden()


def test_r_day_8_a_moved_deadline_shows_within_3_seconds(room: SeatedRoom, pc: CandidatePc) -> None:
    before = _seconds_left(pc.page)
    with room.store.transaction() as db:
        attempt = db.get_one(Attempt, 1)
        attempt.deadline_at = attempt.deadline_at.replace(hour=attempt.deadline_at.hour + 1)
    pc.page.wait_for_timeout(3000)
    assert _seconds_left(pc.page) > before + 3500
    expect(pc.page.locator(".away")).to_contain_text("已延长 1:00:00，结束时间改为")
    expect(pc.page.locator(".away")).to_have_attribute("data-state", "good")


@pytest.mark.parametrize("size", ["1024x768", "1093x614", "819x614"])
def test_what_is_saved_stands_uncovered_on_an_old_screen(room: SeatedRoom, pc: CandidatePc, size: str) -> None:
    width, _, height = size.partition("x")
    pc.page.set_viewport_size({"width": int(width), "height": int(height)})
    pc.page.get_by_role("button", name="English").click()
    pc.page.wait_for_selector("html[lang=en] .item")
    pc.item("c1").get_by_text("选项B").click()
    pc.wait_saved()
    parts = pc.page.locator(".paper-head > *").evaluate_all(
        "parts => parts.map(part => part.getBoundingClientRect()).filter(box => box.width)"
        ".map(box => [box.left, box.top, box.right, box.bottom])"
    )
    assert all(left >= 0 and right <= int(width) for left, _, right, _ in parts)
    for one, other in itertools.combinations(parts, 2):
        beside = one[2] <= other[0] or other[2] <= one[0]
        assert beside or one[3] <= other[1] or other[3] <= one[1], "nothing of the head lies on anything else"
    saved = pc.page.locator(".saved span").bounding_box()
    box = pc.page.locator(".saved").bounding_box()
    assert saved is not None
    assert box is not None
    assert saved["x"] + saved["width"] <= box["x"] + box["width"] + 1


def test_r_day_5_reminder_deadline_and_receipt(room: SeatedRoom, pc: CandidatePc) -> None:
    text = pc.item("w1").locator("textarea")
    text.fill("最后一")
    leave_time(room, minutes=10)
    expect(pc.page.locator(".reminder")).to_contain_text("15 分钟")
    leave_time(room, seconds=15)
    text.focus()
    pc.page.keyboard.press("End")
    pc.page.keyboard.type("句")
    expect(pc.page.locator("dialog.cover")).to_contain_text("考试时间到", timeout=60_000)
    wait_for_answer(room, "w1", {"base": {"string": "最后一句"}})
    room.clock.move(seconds=2)
    with room.store.transaction() as db:
        assert answering.collect_due(db, at=room.clock.now()) == 1
    receipt = pc.page.locator(".receipt")
    expect(receipt).to_have_text(receipt_of(room))
    expect(pc.page.locator("main")).to_contain_text("已收卷")
    wait_until(lambda: _rows_on_this_pc(pc.page) == 0, why="the queue is not emptied after the receipt")
    pc.page.get_by_role("button", name="退出登录").click()
    pc.page.locator("dialog").get_by_role("button", name="退出登录").click()
    pc.page.wait_for_selector("#ticket")
    assert pc.page.locator("body").inner_text().count("考生1") == 0


def test_past_the_local_end_nobody_is_locked_out_while_the_server_is_away(room: SeatedRoom, pc: CandidatePc) -> None:
    leave_time(room, seconds=25)
    expect(pc.page.locator(".reminder")).to_be_visible()
    room.hang_up()
    expect(pc.page.locator(".away")).to_be_visible()
    expect(pc.page.locator(".countdown")).to_contain_text("时间到", timeout=60_000)
    assert pc.page.locator("dialog.cover").count() == 0
    pc.item("w1").locator("textarea").fill("断网超时后写的")
    with room.store.transaction() as db:
        attempt = db.get_one(Attempt, 1)
        attempt.deadline_at = attempt.deadline_at.replace(hour=attempt.deadline_at.hour + 1)
    room.listen()
    wait_for_answer(room, "w1", {"base": {"string": "断网超时后写的"}})
    with room.store.reading() as db:
        assert db.get_one(Attempt, 1).late_count == 0


def test_acknowledged_saves_are_sent_again_to_a_station_that_was_restored(room: SeatedRoom, pc: CandidatePc) -> None:
    pc.item("c1").get_by_text("选项B").click()
    pc.item("c3").get_by_text("错误").click()
    wait_for_answer(room, "c3", {"base": {"boolean": False}})
    with room.store.transaction() as db:  # what a restore from an older backup looks like: the page's saves are gone
        for table in ("current_answer", "revision"):
            db.connection().exec_driver_sql(f"DELETE FROM {table}")
        db.connection().exec_driver_sql(f"UPDATE attempt SET revision_count = 0, head_hash = '{'0' * 64}'")
    pc.page.reload()
    pc.page.wait_for_selector(".item")
    wait_for_answer(room, "c1", {"base": {"identifier": "B"}})
    wait_for_answer(room, "c3", {"base": {"boolean": False}})
    expect(pc.item("c1").get_by_role("radio").nth(1)).to_be_checked()


def test_the_next_candidate_finds_nothing_of_the_one_before(
    room: SeatedRoom, pc: CandidatePc, chromium: Browser
) -> None:
    pc.item("w1").locator("textarea").fill("前一位考生的答案")
    pc.item("w1").locator("textarea").blur()
    wait_for_answer(room, "w1", {"base": {"string": "前一位考生的答案"}})
    pc.page.context.clear_cookies(name="station_candidate")
    pc.page.reload()
    pc.log_in(room.tickets[1])
    expect(pc.page.locator("main")).to_contain_text("您的考位是 2 号，这里是 1 号。")
    assert "前一位考生的答案" not in pc.page.content()
    with room.store.reading() as db:
        assert set(db.scalars(select(Revision.attempt_id))) == {1}


def test_pictures_open_large_and_close_with_any_key(pc: CandidatePc) -> None:
    pc.item("c1").locator("img").click()
    expect(pc.page.locator("dialog.zoom")).to_be_visible()
    pc.page.keyboard.press("Escape")
    expect(pc.page.locator("dialog.zoom")).to_have_count(0)


def test_the_page_speaks_english_when_asked(pc: CandidatePc) -> None:
    pc.page.get_by_role("button", name="English").click()
    pc.page.wait_for_selector(".item")
    expect(pc.page.get_by_role("button", name="Hand in", exact=True)).to_be_visible()
    expect(pc.page.locator(".overview h2")).to_have_text("Overview")


def test_the_way_to_the_first_item_weighs_less_than_150_kb(pc: CandidatePc) -> None:
    sizes = pc.page.evaluate(
        """() => performance.getEntriesByType("resource")
            .filter((one) => !one.name.includes("/api/assets/")).map((one) => one.transferSize)"""
    )
    assert sum(sizes) < 150_000


def _seconds_left(page: Page) -> int:
    parts = [int(part) for part in page.locator(".countdown").inner_text().split(":")]
    return sum(part * 60**place for place, part in enumerate(reversed(parts)))


def _rows_on_this_pc(page: Page) -> int:
    return page.evaluate(
        """() => new Promise((resolve) => {
            const opened = indexedDB.open("exam-station-queue");
            opened.onsuccess = () => {
                const count = opened.result.transaction("saves").objectStore("saves").count();
                count.onsuccess = () => resolve(count.result);
            };
        })"""
    )
