"""While something is wrong the candidate reads what, since when, that answers are safe, and what time is given back."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select, text

from station.services import answering, due_work, invigilation
from station.store.models import Attempt, Revision
from tests.browser.pages import CandidatePc, answers, leave_time, wait_for_answer
from tests.web.seating import SeatedRoom

pytestmark = pytest.mark.browser

SINCE = re.compile(r"（\d\d:\d\d:\d\d 起")
DISK_FULL = "CREATE TRIGGER full_disk BEFORE INSERT ON revision BEGIN SELECT RAISE(ABORT, 'disk full'); END"
NO_DISK = "IDBDatabase.prototype.transaction = () => { throw new DOMException('full', 'QuotaExceededError'); };"
NO_DATABASE = "indexedDB.open = () => { throw new DOMException('private', 'SecurityError'); };"
STUCK_DISK = """IDBTransaction.prototype.commit = () => {};
IDBObjectStore.prototype.put = function () {
    const again = () => { this.get(0).onsuccess = again; };
    again();
};"""


def lived(room: SeatedRoom) -> None:
    """Note that the station is alive now; begin its life the first time."""
    with room.store.transaction() as db:
        due_work.begin_life(db, room.clock.now(), version="t", is_beside=due_work.alive_at(db) is not None)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")


def start_again(room: SeatedRoom, after: timedelta) -> None:
    """What a start of the program does after so long an outage."""
    room.clock.move(seconds=after.total_seconds())
    with room.store.transaction() as db:
        due_work.begin_life(db, room.clock.now(), version="t")
    room.listen()


def deadline(room: SeatedRoom):  # type: ignore[no-untyped-def]
    with room.store.reading() as db:
        return db.get_one(Attempt, 1).deadline_at


def write(pc: CandidatePc, item: str, words: str) -> None:
    box = pc.item(item).locator("textarea")
    box.fill(words)
    box.blur()


def test_a_station_that_is_away_is_named_with_since_when_how_many_wait_and_what_was_given_back(
    room: SeatedRoom, pc: CandidatePc
) -> None:
    before, died = deadline(room), time.monotonic()
    lived(room)
    room.hang_up()
    write(pc, "w1", "断网时写的")
    pc.item("c1").get_by_text("选项D").click()
    line = pc.page.locator(".away")
    expect(line).to_contain_text("连不上考试服务器")
    expect(line).to_contain_text(SINCE)
    expect(line).to_contain_text("答案都已存在本机，2 项待发送")
    expect(line).to_contain_text("耽误的时间按规定补回")
    start_again(room, timedelta(seconds=65))
    took_s = 65 + time.monotonic() - died
    wait_for_answer(room, "c1", {"base": {"identifier": "D"}})
    seconds = int((deadline(room) - before).total_seconds())
    assert 65 <= seconds <= took_s + 1, "no longer than the outage took"
    expect(line).to_contain_text("答案都已送达")
    told = "|".join(f"{one // 60:02d}:{one % 60:02d}" for one in (seconds, seconds + 1))
    expect(line).to_contain_text(re.compile(rf"已补回 ({told})，结束时间改为"))


def test_a_long_outage_ends_on_a_calm_cover_until_the_invigilator_goes_on(room: SeatedRoom, pc: CandidatePc) -> None:
    lived(room)
    room.hang_up()
    write(pc, "w1", "长时间断网时写的")
    expect(pc.page.locator(".away")).to_contain_text("1 项待发送")
    start_again(room, timedelta(minutes=12))
    cover = pc.page.locator("dialog.cover")
    expect(cover).to_contain_text("考试暂停")
    expect(cover).to_contain_text(re.compile(r"考试服务器自 \d\d:\d\d:\d\d 中断，正在等监考员宣布继续"))
    expect(cover).to_contain_text("您的答案都已保存")
    expect(cover).to_contain_text(re.compile(r"剩余时间停在 [\d:]+，不会减少"))
    assert answers(room)["w1"] == {"base": {"string": "长时间断网时写的"}}, "what was typed meanwhile is in time"
    room.clock.move(minutes=3)
    room.act(invigilation.resume_sitting, room.sitting())
    expect(cover).to_have_count(0)
    expect(pc.page.locator(".away")).to_contain_text(re.compile(r"已补回 1[56]:\d\d"))
    with room.store.reading() as db:
        assert db.get_one(Attempt, 1).late_count == 0


def test_who_was_suspended_alone_reads_that_and_not_that_the_room_was(room: SeatedRoom, pc: CandidatePc) -> None:
    with room.store.transaction() as db:
        one = db.get_one(Attempt, 1)
        invigilation.suspend_attempts(db, [one], reason="核对身份", by=room.staff_id, at=room.clock.now())
    cover = pc.page.locator("dialog.cover")
    expect(cover).to_contain_text("暂停了您的作答")
    assert "核对身份" not in pc.page.content(), "staff's words are for staff"
    room.hang_up()
    expect(cover).to_contain_text("目前连不上考试服务器，正在自动重连")
    room.listen()
    expect(cover).not_to_contain_text("目前连不上")


def test_a_station_that_cannot_write_is_told_apart_from_one_that_is_away(room: SeatedRoom, pc: CandidatePc) -> None:
    with room.store.transaction() as db:
        db.execute(text(DISK_FULL))
    write(pc, "w1", "写满了")
    line = pc.page.locator(".away")
    expect(line).to_contain_text("考试服务器暂时存不了答案")
    expect(line).to_contain_text(SINCE)
    expect(line).to_contain_text("1 项待发送")
    expect(pc.page.locator(".saved")).to_contain_text("服务器存不了")
    write(pc, "w1", "写满了，还在写")
    with room.store.transaction() as db:
        db.execute(text("DROP TRIGGER full_disk"))
    wait_for_answer(room, "w1", {"base": {"string": "写满了，还在写"}})
    expect(line).to_contain_text("答案都已送达")


def test_a_pc_that_was_replaced_says_since_when_and_that_its_answers_have_arrived(
    room: SeatedRoom, pc: CandidatePc, chromium: Browser
) -> None:
    with room.store.transaction() as db:
        db.execute(text(DISK_FULL))
    write(pc, "w1", "旧机器上最后写的")
    expect(pc.page.locator(".saved")).to_contain_text("1 项待发送")
    other = CandidatePc(chromium, room, 1)
    other.log_in(room.tickets[0])
    other.page.wait_for_selector(".item")
    cover = pc.page.locator("dialog.cover")
    expect(cover).to_contain_text("已在另一处登录")
    expect(cover).to_contain_text(re.compile(r"本页自 \d\d:\d\d:\d\d 起停止作答"))
    expect(cover).to_contain_text("还有 1 项答案正在从这里送往服务器")
    with room.store.transaction() as db:
        db.execute(text("DROP TRIGGER full_disk"))
    expect(cover).to_contain_text("您在这里作答的答案都已送达服务器")
    wait_for_answer(room, "w1", {"base": {"string": "旧机器上最后写的"}})
    other.context.close()


def test_past_its_own_zero_the_page_says_that_one_may_go_on_and_given_back_first_nothing_is_late(
    room: SeatedRoom, pc: CandidatePc
) -> None:
    leave_time(room, seconds=25)
    expect(pc.page.locator(".reminder")).to_be_visible()
    lived(room)
    room.hang_up()
    expect(pc.page.locator(".countdown")).to_contain_text("时间到", timeout=60_000)
    expect(pc.page.locator(".away")).to_contain_text("时间显示已到，恢复之前仍可作答")
    write(pc, "w1", "时间到以后断网中写的")
    start_again(room, timedelta(seconds=60))
    wait_for_answer(room, "w1", {"base": {"string": "时间到以后断网中写的"}})
    with room.store.reading() as db:
        assert db.get_one(Attempt, 1).late_count == 0
        assert answering.due_attempts(db, at=room.clock.now()) == []


@pytest.fixture
def diskless(request: pytest.FixtureRequest, room: SeatedRoom, chromium: Browser) -> Iterator[CandidatePc]:
    """A PC whose browser keeps nothing: private mode, a full disk, a profile that is held."""
    room.admit()
    room.start()
    pc = CandidatePc(chromium, room, 1)
    pc.context.add_init_script(request.param)
    pc.page.goto(room.url)
    pc.sit_down(room.tickets[0])
    yield pc
    assert pc.errors == []
    pc.context.close()


@pytest.mark.parametrize("diskless", [NO_DATABASE, NO_DISK], ids=["no database", "disk full"], indirect=True)
def test_a_browser_that_keeps_nothing_says_so_and_goes_on_from_memory(room: SeatedRoom, diskless: CandidatePc) -> None:
    pc = diskless
    write(pc, "w1", "内存里的答案")
    wait_for_answer(room, "w1", {"base": {"string": "内存里的答案"}})
    line = pc.page.locator(".away")
    expect(line).to_contain_text("本机不能暂存答案：答案照常保存到服务器，请勿关闭或刷新本页")
    room.hang_up()
    write(pc, "w1", "断网时内存里的答案")
    expect(line).to_contain_text("1 项答案暂存在本页，请勿关闭或刷新")
    expect(pc.page.locator(".saved")).to_contain_text("请勿关闭本页")
    room.listen()
    wait_for_answer(room, "w1", {"base": {"string": "断网时内存里的答案"}})


@pytest.mark.parametrize("diskless", [STUCK_DISK], ids=["a put that never ends"], indirect=True)
def test_a_disk_that_neither_takes_nor_refuses_holds_up_no_save(room: SeatedRoom, diskless: CandidatePc) -> None:
    for words in ("第一次", "第二次"):
        write(diskless, "w1", words)
        wait_for_answer(room, "w1", {"base": {"string": words}})


def test_earlier_versions_can_be_taken_back_while_the_station_is_away(room: SeatedRoom, pc: CandidatePc) -> None:
    write(pc, "w1", "断网前的一稿")
    wait_for_answer(room, "w1", {"base": {"string": "断网前的一稿"}})
    room.hang_up()
    write(pc, "w1", "断网后的一稿")
    expect(pc.page.locator(".away")).to_contain_text("1 项待发送")
    pc.item("w1").get_by_role("button", name="历史版本").click()
    dialog = pc.page.locator("dialog")
    expect(dialog).to_contain_text("目前未连接服务器，只能看到本机上的版本")
    expect(dialog.locator("li")).to_have_count(2)
    dialog.locator("li", has_text="断网前的一稿").get_by_role("button", name="恢复此版").click()
    expect(pc.item("w1").locator("textarea")).to_have_value("断网前的一稿")
    room.listen()
    expect(pc.page.locator(".away")).to_contain_text("答案都已送达")
    with room.store.reading() as db:
        rows = db.scalars(select(Revision.response).where(Revision.item_id == "w1").order_by(Revision.number)).all()
    assert [row[19:-3] for row in rows] == ["断网前的一稿", "断网后的一稿", "断网前的一稿"], (
        "each version is kept, in order"
    )
    pc.item("w1").get_by_role("button", name="历史版本").click()
    expect(dialog.locator("li")).to_have_count(3)
    dialog.locator("li", has_text="断网后的一稿").get_by_role("button", name="恢复此版").click()
    wait_for_answer(room, "w1", {"base": {"string": "断网后的一稿"}})


def test_the_outage_speaks_english_too(room: SeatedRoom, pc: CandidatePc) -> None:
    pc.page.get_by_role("button", name="English").click()
    pc.page.wait_for_selector("html[lang=en] .item")
    room.hang_up()
    write(pc, "w1", "written without a server")
    line = pc.page.locator(".away")
    expect(line).to_contain_text("The exam server cannot be reached")
    expect(line).to_contain_text("Your answers are safe on this PC, 1 wait to be sent")
    assert not re.search(r"[\u4e00-\u9fff]", line.inner_text())
