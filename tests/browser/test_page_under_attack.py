"""A candidate's page when PC or station fail in the ways that lose answers elsewhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Route, expect
from sqlalchemy import select

from station.services import admission, answering
from station.store.models import Attempt, Candidate, CandidateLogin, CurrentAnswer, Place, Revision
from tests.browser.pages import CandidatePc, answers, keep_picture, wait_for_answer, wait_until
from tests.browser.test_own_copy import wait_for_rows
from tests.web.seating import SeatedRoom

pytestmark = pytest.mark.browser

NO_SPACE = "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };"
NEVER_OPENS = "indexedDB.open = () => ({});"
# A dead battery: the PC's clock stands in the year 2000, or a day ahead.
CLOCK_WRONG = "{ const shift = %d; const now = Date.now.bind(Date); Date.now = () => now() + shift; }"


def restore_from_before_the_paper_was_answered(room: SeatedRoom, *, place_for: int | None = None) -> None:
    """Stop the station, take places and saves away as a restore from a backup does, and start it again.

    `place_for`: the attempt that gets the first place that is given out anew.
    """
    room.hang_up()
    with room.store.transaction() as db:
        for table in (CurrentAnswer, Revision, Place):
            for row in db.scalars(select(table)):
                db.delete(row)
            db.flush()
        db.connection().exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'place'")
        for attempt in db.scalars(select(Attempt)):
            attempt.revision_count, attempt.head_hash, attempt.place = 0, "0" * 64, 0
            attempt.answered_count, attempt.last_saved_at = 0, None
        if place_for is not None:
            login = db.scalars(select(CandidateLogin).order_by(CandidateLogin.id.desc())).first()
            assert login is not None
            place = answering.issue_place(db, db.get_one(Attempt, place_for), login, at=room.clock.now())
            assert place.id == 1, "the number of before is given out again"
    room.listen()


def test_a_page_that_stays_open_sends_a_restored_station_everything_again(room: SeatedRoom, pc: CandidatePc) -> None:
    pc.item("c1").get_by_text("选项B").click()
    pc.item("w1").locator("textarea").fill("第一稿")
    pc.item("w1").locator("textarea").blur()
    wait_for_answer(room, "w1", {"base": {"string": "第一稿"}})
    pc.page.wait_for_timeout(2500)  # a poll has seen the chain at its length
    restore_from_before_the_paper_was_answered(room)
    wait_for_answer(room, "c1", {"base": {"identifier": "B"}})
    wait_for_answer(room, "w1", {"base": {"string": "第一稿"}})
    pc.item("w1").locator("textarea").fill("第二稿")
    wait_for_answer(room, "w1", {"base": {"string": "第二稿"}})
    pc.wait_saved()


def test_a_place_given_out_to_somebody_else_by_a_restored_station_costs_nothing(
    room: SeatedRoom, pc: CandidatePc
) -> None:
    other = room.answering(2)
    pc.item("c1").get_by_text("选项B").click()
    pc.item("w1").locator("textarea").fill("先写的")
    pc.item("w1").locator("textarea").blur()
    wait_for_answer(room, "w1", {"base": {"string": "先写的"}})
    restore_from_before_the_paper_was_answered(room, place_for=other.attempt_id)
    pc.item("w1").locator("textarea").fill("后写的")
    wait_for_answer(room, "w1", {"base": {"string": "后写的"}})
    wait_for_answer(room, "c1", {"base": {"identifier": "B"}})
    pc.wait_saved()
    pc.page.reload()
    pc.page.wait_for_selector(".item")
    expect(pc.item("w1").locator("textarea")).to_have_value("后写的")
    with room.store.reading() as db:
        assert {row.attempt_id for row in db.scalars(select(Revision))} == {1}
        assert answering.check_chain(db, 1) is None


@pytest.mark.parametrize("fault", [NO_SPACE, NEVER_OPENS], ids=["disk full", "database never opens"])
def test_a_browser_that_keeps_nothing_on_disk_still_saves_and_says_so(
    room: SeatedRoom, chromium: Browser, fault: str
) -> None:
    room.admit()
    room.start()
    pc = CandidatePc(chromium, room, 1)
    pc.context.add_init_script(fault)
    pc.page.reload()
    pc.sit_down(room.tickets[0])
    pc.item("c1").get_by_text("选项B").click()
    wait_for_answer(room, "c1", {"base": {"identifier": "B"}})
    room.hang_up()
    pc.item("c1").get_by_text("选项C").click()
    expect(pc.page.locator(".saved")).to_contain_text("请勿关闭本页")
    room.listen()
    wait_for_answer(room, "c1", {"base": {"identifier": "C"}})
    pc.context.close()


@pytest.mark.parametrize("shift_ms", [-26 * 365 * 86_400_000, 10 * 3_600_000], ids=["year 2000", "10 h ahead"])
def test_a_wrong_clock_of_the_pc_costs_neither_time_nor_answers(
    room: SeatedRoom, pc: CandidatePc, shift_ms: int
) -> None:
    room.hang_up()
    pc.item("c1").get_by_text("选项C").click()
    wait_for_rows(pc, "c1")
    pc.page.close()
    pc.context.add_init_script(CLOCK_WRONG % shift_ms)
    pc.page = pc.tab()
    room.listen()
    pc.page.goto(room.url)
    pc.page.wait_for_selector(".item")
    wait_for_answer(room, "c1", {"base": {"identifier": "C"}})
    minutes, seconds = pc.page.locator(".countdown").inner_text().split(":")[-2:]
    with room.store.reading() as db:
        left_s = (db.get_one(Attempt, 1).deadline_at - room.clock.now()).total_seconds()
    assert abs(int(minutes) * 60 + int(seconds) - left_s) < 5


def test_handing_in_waits_for_a_file_that_is_still_on_its_way(room: SeatedRoom, pc: CandidatePc) -> None:
    held: list[Route] = []
    pc.page.route("**/api/files?*", lambda route: held.append(route))
    file = {"name": "方案.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 " + b"x" * 500}
    pc.item("f1").locator("input[type=file]").set_input_files([file])  # type: ignore[list-item]
    expect(pc.item("f1").locator(".file-told")).to_contain_text("正在上传")
    pc.page.get_by_role("button", name="交卷", exact=True).click()
    dialog = pc.page.locator("dialog")
    dialog.get_by_role("button", name="确认交卷").click()
    expect(dialog.get_by_role("alert")).to_contain_text("第 8 题的文件还在上传")
    wait_until(lambda: held, page=pc.page)
    held[0].continue_()
    expect(pc.item("f1").locator(".file-told")).to_contain_text("已上传")
    pc.page.unroute("**/api/files?*")
    dialog.get_by_role("button", name="确认交卷").click()
    expect(dialog.get_by_role("alert")).to_contain_text("且须主考同意")
    assert "f1" in answers(room)


def test_r_rost_2_a_log_in_elsewhere_is_told_and_ends_this_page_only_when_released(
    room: SeatedRoom, pc: CandidatePc, chromium: Browser
) -> None:
    other = CandidatePc(chromium, room, 2)
    other.log_in(room.tickets[0])
    expect(other.page.locator("main")).to_contain_text("您的考位是 1 号")
    expect(pc.page.locator(".tried")).to_contain_text("考位 2")
    pc.item("c1").get_by_text("选项B").click()
    wait_for_answer(room, "c1", {"base": {"identifier": "B"}})
    with room.store.reading() as db:
        waiting = db.scalars(select(CandidateLogin.id).where(CandidateLogin.released_at.is_(None))).one()
    room.act(admission.release_login, waiting)
    cover = pc.page.locator("dialog.cover")
    expect(cover).to_contain_text("已在另一台考生机登录")
    pc.page.wait_for_timeout(1000)
    expect(cover).to_have_count(1)
    cover.get_by_role("button", name="返回登录页").click()
    pc.page.wait_for_selector("#ticket")
    expect(other.item("c1").get_by_role("radio").nth(1)).to_be_checked()
    other.context.close()


def test_r_day_7_a_page_left_behind_by_a_move_names_the_new_seat_and_still_brings_what_it_holds(
    room: SeatedRoom, pc: CandidatePc
) -> None:
    pc.page.context.set_offline(True)
    pc.item("c1").get_by_text("选项B").click()
    expect(pc.page.locator(".saved")).to_contain_text("待发送")
    room.move(4, "网线断了")
    pc.page.context.set_offline(False)
    cover = pc.page.locator("dialog.cover")
    expect(cover).to_contain_text("本机考生已换到 4 号考位，请到该考位继续考试。")
    wait_for_answer(room, "c1", {"base": {"identifier": "B"}})
    expect(cover).to_contain_text("您在这里作答的答案都已送达服务器")
    keep_picture(pc.page, "moved-away")
    cover.get_by_role("button", name="返回登录页").click()
    expect(pc.page.locator("#ticket")).to_be_visible()
    expect(pc.page.locator("main")).to_contain_text("本机考生已换到 4 号考位")
    keep_picture(pc.page, "moved-away-login")


@pytest.mark.parametrize("size", ["1366x768", "1920x1080"])
def test_nothing_leaves_the_head_with_a_long_name_large_text_and_the_server_away(
    room: SeatedRoom, pc: CandidatePc, size: str
) -> None:
    width, _, height = size.partition("x")
    pc.page.set_viewport_size({"width": int(width), "height": int(height)})
    with room.store.transaction() as db:
        for one in db.scalars(select(Candidate)):
            one.name = "吾木提江·阿卜杜外力·买合木提尼亚孜"
    pc.page.reload()
    pc.page.wait_for_selector(".item")
    for size_of_text in ("大字", "小字"):
        pc.page.get_by_label(size_of_text).click()
        room.hang_up()
        pc.item("c1").get_by_text("选项B").click()
        expect(pc.page.locator(".away")).to_contain_text("连不上考试服务器")
        assert pc.page.locator(".seat-here").evaluate("seat => seat.getClientRects().length") == 1
        assert pc.page.locator(".seat-here").bounding_box()["height"] < 30  # type: ignore[index]
        expect(pc.page.get_by_role("button", name="交卷", exact=True)).to_be_in_viewport(ratio=1)
        assert pc.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        expect(pc.page.locator(".overview .place").first).to_be_in_viewport(ratio=1)
        room.listen()
        expect(pc.page.locator(".away")).to_have_attribute("data-state", "good")
