"""One candidate on two pages or two PCs, and a line that repeats requests, in a real browser."""

from __future__ import annotations

import socket

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import func, select

from station.rehearsal.drill.repeater import Habits, Repeater
from station.services import admission, answering
from station.store.models import CandidateLogin, Revision, SaveConflict
from tests.browser.pages import CandidatePc, answers, wait_for_answer
from tests.browser.test_own_copy import wait_for_rows
from tests.web.seating import SeatedRoom

pytestmark = pytest.mark.browser


def text(words: str) -> dict[str, object]:
    return {"base": {"string": words}}


def write(pc: CandidatePc, item: str, words: str, *, page=None) -> None:  # type: ignore[no-untyped-def]
    area = pc.item(item, page).locator("textarea")
    area.fill(words)
    area.blur()


def revisions(room: SeatedRoom) -> list[tuple[int, int]]:
    with room.store.reading() as db:
        assert answering.check_chain(db, 1) is None
        assert db.scalar(select(func.count()).select_from(SaveConflict)) == 0
        rows = db.execute(select(Revision.place, Revision.sequence).order_by(Revision.number))
        return [(place, sequence) for place, sequence in rows]


def test_a_pc_that_was_cut_off_is_told_of_the_other_pc_and_its_queue_comes_in_behind(
    room: SeatedRoom, pc: CandidatePc, chromium: Browser
) -> None:
    write(pc, "w1", "断线之前")
    wait_for_answer(room, "w1", text("断线之前"))
    pc.context.set_offline(True)
    write(pc, "w1", "断线后在旧机上写的")
    write(pc, "w2", "只在旧机上写的")
    expect(pc.page.locator(".saved")).to_contain_text("未连接，答案暂存本机")
    other = CandidatePc(chromium, room, 2)
    other.log_in(room.tickets[0])
    expect(other.page.locator("main")).to_contain_text("您的考位是 1 号")
    with room.store.reading() as db:
        waiting = db.scalars(select(CandidateLogin.id).where(CandidateLogin.released_at.is_(None))).one()
    room.act(admission.release_login, waiting)
    other.page.wait_for_selector(".item")
    expect(other.item("w1").locator("textarea")).to_have_value("断线之前")
    write(other, "w1", "在新机上写的")
    wait_for_answer(room, "w1", text("在新机上写的"))
    pc.context.set_offline(False)
    cover = pc.page.locator("dialog.cover")
    expect(cover).to_contain_text("已在另一台考生机登录")
    wait_for_answer(room, "w2", text("只在旧机上写的"))
    assert answers(room)["w1"] == text("在新机上写的"), "the newer PC's answer stays"
    other.page.reload()
    other.page.wait_for_selector(".item")
    expect(other.item("w2").locator("textarea")).to_have_value("只在旧机上写的")
    expect(other.item("w1").locator("textarea")).to_have_value("在新机上写的")
    assert revisions(room) == [(1, 1), (2, 1), (1, 2), (1, 3)], "each save once"
    assert other.errors == []
    other.context.close()


def test_what_an_older_tab_could_not_send_arrives_once_though_both_tabs_send_it(
    room: SeatedRoom, pc: CandidatePc
) -> None:
    pc.page.route("**/api/saves", lambda route: route.abort())
    write(pc, "w1", "旧页写的")
    write(pc, "w2", "也是旧页写的")
    wait_for_rows(pc, "w1", "w2")
    newer = pc.tab()
    newer.goto(room.url)
    newer.wait_for_selector(".item")
    expect(pc.item("w1", newer).locator("textarea")).to_have_value("旧页写的")
    write(pc, "w1", "新页写的", page=newer)
    wait_for_answer(room, "w1", text("新页写的"))
    pc.page.unroute("**/api/saves")
    expect(pc.page.locator("dialog.cover")).to_contain_text("已在另一页面继续")
    expect(pc.page.locator('.saved[data-state="good"]')).to_be_visible()
    assert answers(room) == {"w1": text("新页写的"), "w2": text("也是旧页写的")}
    found = revisions(room)
    assert sorted(found) == [(1, 1), (1, 2), (2, 1)], "each save once, under the page that wrote it"
    newer.close()


def test_a_line_that_doubles_requests_and_loses_replies_changes_nothing_for_the_page(
    room: SeatedRoom, pc: CandidatePc
) -> None:
    way = Repeater(
        lambda: socket.create_connection(("127.0.0.1", room.port), timeout=10),
        Habits(doubled=1.0, old=0.5, lost=0.4),
        seed=4,
    )
    try:
        pc.page.goto("http://{}:{}/".format(*way.address))
        pc.page.wait_for_selector(".item")
        for number in range(1, 9):
            write(pc, "w1", f"第{number}稿")
            wait_for_answer(room, "w1", text(f"第{number}稿"))
        pc.item("c1").get_by_text("选项B").click()
        wait_for_answer(room, "c1", {"base": {"identifier": "B"}})
        pc.wait_saved()
        pc.page.goto("about:blank")
    finally:
        way.close()
    done = way.repeated
    assert min(done.doubled, done.old, done.lost) > 0
    assert done.differing == 0
    assert revisions(room) == [(2, sequence) for sequence in range(1, 10)]
    assert answers(room) == {"w1": text("第8稿"), "c1": {"base": {"identifier": "B"}}}
