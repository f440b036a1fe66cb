"""The console as staff use it: a room of 45 on one screen, trouble first, decisions by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect
from sqlalchemy import select

from station.importers.templates import roster_template
from station.services import admission, answering, staffing
from station.store.models import Candidate, Entry, SeatMove, Sitting
from tests.browser.pages import Window, keep_picture
from tests.building import PASSWORD, BuiltRoom, build_room
from tests.console.serving import served_staff_app
from tests.console.test_console_imports import roster_with_a_number_as_ticket
from tests.work_pc import pc_at

pytestmark = pytest.mark.browser

SEATS, SPARES = 45, 5
LONG_NAME = "阿卜杜热合曼·买买提依明江"


@pytest.fixture
def room(tmp_path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path, seats=SEATS, spares=SPARES)
    with built.changing() as db:
        db.scalars(select(Candidate).where(Candidate.ticket_number == built.tickets[2])).one().name = LONG_NAME
    yield built
    built.close()


class ConsolePage(Window):
    """A browser at the staff app; a script error fails the test."""

    def __init__(self, chromium: Browser, address: str) -> None:
        super().__init__(chromium, address)
        self.address = address

    def log_in(self, role: str) -> None:
        self.log_in_as(role)

    def open_board(self, sitting_id: int) -> None:
        self.page.goto(f"{self.address}/board/{sitting_id}")
        expect(self.page.locator(".tile")).to_have_count(SEATS + SPARES)

    def tile(self, seat: str):
        return self.page.locator(".tile").filter(has=self.page.locator(".head b", has_text=_whole(seat)))

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def confirm_as(self, role: str, password: str = PASSWORD) -> None:
        dialog = self.page.locator("dialog")
        dialog.locator("[name=second_username]").fill(role)
        dialog.locator("[name=second_password]").fill(password)
        dialog.get_by_role("button", name="确认延时").click()


@pytest.fixture(params=["1366x768", "1920x1080"])
def size(request) -> dict[str, int]:
    width, _, height = request.param.partition("x")
    return {"width": int(width), "height": int(height)}


@pytest.fixture
def console(chromium: Browser, address) -> Iterator[ConsolePage]:
    one = ConsolePage(chromium, address)
    yield one
    one.close()
    assert one.errors == []


def _whole(text: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(text)}$")


def begin(room: BuiltRoom, seats: int = 8) -> None:
    room.start()
    for ticket in room.tickets[:seats]:
        room.enter(ticket)
    with room.store.reading() as db:
        for candidate_id in db.scalars(select(Candidate.id)):
            room.edge.presence.mark(candidate_id, room.clock.now())


@pytest.mark.chrome109
def test_the_whole_room_fits_on_one_screen_in_calm_and_with_long_names(console, room, size):
    console.page.set_viewport_size(size)
    begin(room, SEATS)
    console.log_in("invigilator")
    console.open_board(room.theory)
    expect(console.tile("3")).to_contain_text("作答中")
    overflow = "box => box.scrollHeight - box.clientHeight"
    assert console.page.locator("#room").evaluate(overflow) <= 0
    assert console.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert console.tile("3").evaluate("tile => tile.scrollWidth - tile.clientWidth") <= 0


@pytest.mark.chrome109
def test_r_rost_2_trouble_stands_first_and_a_wrong_seat_is_released_from_there(console, room):
    begin(room)
    room.log_in(room.tickets[9], seat="46")
    with room.changing() as db:
        answering.ask_for_help(db, db.get_one(Entry, room.entry_id(room.tickets[1])), at=room.clock.now())
    console.log_in("invigilator")
    console.open_board(room.theory)
    line = console.page.locator("#trouble .line.alarm").filter(has_text="在考位 46 登录，等待放行")
    line.get_by_role("button", name="放行").click()
    expect(line).to_have_count(0)
    expect(console.tile("10")).to_contain_text("已登录")
    expect(console.page.locator("#trouble .line.alarm")).to_have_count(1)
    console.press("已应答")
    expect(console.page.locator("#trouble .line.alarm")).to_have_count(0)


def test_selection_and_focus_outlive_the_refresh_and_shift_takes_a_range(console, room):
    begin(room)
    console.log_in("invigilator")
    console.open_board(room.theory)
    console.tile("2").click()
    console.tile("5").click(modifiers=["Shift"])
    expect(console.page.locator("#chosen")).to_contain_text("已选 4 人")
    room.enter(room.tickets[20])
    expect(console.tile("21")).to_contain_text("作答中")
    expect(console.page.locator("#chosen")).to_contain_text("已选 4 人")
    expect(console.tile("5")).to_be_focused()
    console.page.keyboard.press("ArrowRight")
    console.page.keyboard.press("Space")
    expect(console.page.locator("#chosen")).to_contain_text("已选 5 人")
    console.press("全选")
    expect(console.page.locator("#chosen")).to_contain_text("已选 45 人")
    console.press("列表")
    expect(console.page.locator("#list tbody tr.chosen")).to_have_count(45)


def test_r_day_8_two_people_confirm_an_extension_at_one_screen(console, room):
    begin(room)
    before = room.attempt(room.tickets[2]).deadline_at
    console.log_in("invigilator")
    console.open_board(room.theory)
    console.tile("3").click()
    console.press("延长时间")
    dialog = console.page.locator("dialog")
    expect(dialog).to_contain_text(LONG_NAME)
    dialog.get_by_role("button", name="10", exact=True).click()
    dialog.get_by_label("说明").fill("黑屏重启")
    console.press("提出延时申请")
    expect(dialog).to_contain_text("主考确认延时")
    console.confirm_as("chief_examiner", "wrong-password")
    expect(dialog.get_by_role("alert")).to_contain_text("口令不正确")
    console.confirm_as("chief_examiner")
    expect(dialog).to_contain_text("第二人确认")
    console.confirm_as("inspector")
    expect(dialog).to_have_count(0)
    expect(console.tile("3")).to_contain_text("+10′")
    assert (room.attempt(room.tickets[2]).deadline_at - before).total_seconds() == 600


def test_an_extension_left_half_way_waits_in_the_list_of_those_to_confirm(console, room):
    begin(room)
    console.log_in("chief_examiner")
    console.open_board(room.theory)
    console.tile("1").click()
    console.press("延长时间")
    console.press("提出延时申请")
    expect(console.page.locator("dialog h2")).to_have_text("巡考员（或机构技术支持）确认延时")
    console.page.keyboard.press("Escape")
    request = console.page.locator(".request")
    expect(request).to_contain_text("✓ 主考")
    request.get_by_role("button", name="确认").click()
    console.confirm_as("inspector")
    expect(request).to_have_count(0)


def test_r_day_7_a_candidate_is_moved_to_a_spare_seat(console, room):
    begin(room)
    console.log_in("invigilator")
    console.open_board(room.theory)
    console.tile("4").click()
    console.press("换备用机")
    dialog = console.page.locator("dialog")
    expect(dialog).to_contain_text("考位 4 考生04")
    dialog.get_by_label("原因").fill("键盘失灵")
    console.press("更换考位")
    expect(console.tile("46")).to_contain_text("考生04")
    expect(console.tile("4")).to_be_disabled()
    with room.store.reading() as db:
        assert db.scalars(select(SeatMove.reason)).one() == "键盘失灵"


def test_r_day_15_the_start_counts_down_and_names_who_is_missing(console, room):
    room.clock.pass_time(minutes=-2)
    console.log_in("invigilator")
    console.open_board(room.theory)
    console.press("开放登录")
    console.page.locator("dialog").get_by_role("button", name="开放登录").click()
    start = console.page.locator('[data-act="start"]')
    expect(start).to_be_disabled()
    expect(start).to_contain_text("00:0")
    room.clock.pass_time(minutes=2)
    expect(start).to_be_enabled()
    start.click()
    expect(console.page.locator("dialog")).to_contain_text("未登录 45 人")
    console.page.locator("dialog").get_by_role("button", name="开始考试").click()
    expect(console.page.locator("#sitting-state")).to_have_text("考试中")


def test_a_station_that_is_away_is_told_with_since_when_and_found_again(chromium, room):
    begin(room)
    with served_staff_app(room) as address:
        one = ConsolePage(chromium, address)
        one.log_in("invigilator")
        one.open_board(room.theory)
    away = one.page.locator("#away")
    expect(away).to_contain_text("与服务器失去连接")
    expect(one.tile("1")).to_contain_text("作答中")
    with served_staff_app(room, port=urlsplit(address).port):
        expect(away).to_be_hidden()
    one.close()


def test_r_end_1_closing_asks_for_every_absence_and_then_closes(console, room):
    begin(room, SEATS - 1)
    console.log_in("chief_examiner")
    console.page.goto(f"{console.address}/closing/{room.theory}")
    expect(console.page.locator("#points")).to_contain_text("还有 44 名考生在作答")
    with room.changing() as db:
        attempts = [room.attempt(ticket) for ticket in room.tickets[: SEATS - 1]]
        answering.collect_attempts(db, [db.merge(one) for one in attempts], at=room.clock.now())
    point = console.page.locator(".point").filter(has_text="考生45")
    point.get_by_role("button", name="记为缺考").click()
    console.page.locator("dialog").get_by_role("button", name="记为缺考").click()
    expect(console.page.locator("#points")).to_contain_text("全部就绪")
    console.press("结束场次")
    console.page.locator("dialog").get_by_role("button", name="结束场次").click()
    expect(console.page.locator("#packages-card")).to_be_visible()
    with room.store.reading() as db:
        assert db.get_one(Sitting, room.theory).state == "closed"


def test_the_first_password_is_changed_on_the_way_in(console, room):
    with room.changing() as db:
        staffing.add_staff(db, username="new", name="新人", role="invigilator", password=PASSWORD, at=room.clock.now())
    page = console.page
    page.goto(f"{console.address}/login")
    page.get_by_label("账号").fill("new")
    page.get_by_label("口令").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/password")
    page.get_by_label("当前口令").fill(PASSWORD)
    page.get_by_label("新口令（至少 8 个字符）").fill("my own words")
    page.get_by_label("再输入一次新口令").fill("other words")
    console.press("保存新口令")
    expect(page.get_by_role("alert")).to_contain_text("不一致")
    page.get_by_label("再输入一次新口令").fill("my own words")
    console.press("保存新口令")
    expect(page.locator(".sitting").first).to_contain_text("网店运营推广")


def test_r_rost_2_a_wrong_roster_is_shown_by_place_and_a_right_one_comes_in(console, room):
    console.log_in("technician")
    page = console.page
    page.goto(f"{console.address}/imports")
    page.get_by_label("文件").set_input_files(
        {"name": "错.xlsx", "mimeType": "application/octet-stream", "buffer": roster_with_a_number_as_ticket()}
    )
    console.press("检查文件")
    expect(page.locator("#outcome tbody tr").first).to_contain_text("准考证号")
    page.get_by_label("文件").set_input_files(
        {"name": "对.xlsx", "mimeType": "application/octet-stream", "buffer": roster_template()}
    )
    console.press("检查文件")
    expect(page.locator("#outcome")).to_contain_text("检查通过")
    console.press("确认导入")
    expect(page.locator("#outcome")).to_contain_text("已导入")


def test_before_any_sitting_is_closed_nothing_is_said_to_be_packed(console, room):
    console.log_in("inspector")
    console.page.goto(f"{console.address}/packages")
    expect(console.page.locator("#packages")).to_contain_text("还没有成果包")
    expect(console.page.locator("#packages")).not_to_contain_text("正在评分")


def test_pages_that_are_not_encrypted_or_not_real_say_so(console, room):
    console.log_in("inspector")
    expect(console.page.locator(".badge-plain")).to_be_visible()
    expect(console.page.locator(".ribbon")).to_have_count(0)


def test_answers_that_came_late_are_decided_in_one_dialog_with_the_chief_examiners_name(console, room):
    begin(room)
    console.log_in("invigilator")
    room.clock.pass_time(minutes=60, seconds=20)
    for ticket in room.tickets[:5]:
        attempt = room.attempt(ticket)
        room.save(attempt.id, attempt.place, 1, "q1", '{"base":{"identifier":"A"}}')
    console.open_board(room.theory)
    line = console.page.locator("#trouble .line.warn").filter(has_text="截止后到达")
    expect(line).to_contain_text("5 人")
    line.get_by_role("button", name="裁定").click()
    dialog = console.page.locator("dialog")
    expect(dialog.locator("tbody tr").first).to_contain_text("考生01")
    expect(dialog.locator("tbody tr")).to_have_count(5)
    dialog.locator("[name=second_username]").fill("chief_examiner")
    dialog.locator("[name=second_password]").fill(PASSWORD)
    dialog.get_by_role("button", name="采纳迟到答案").click()
    expect(line).to_have_count(0)
    expect(console.tile("1")).to_contain_text("1/6")


def test_a_seats_details_show_the_work_files_and_what_is_missing(console, room):
    begin(room, 3)
    pc = pc_at(room, "3", room.attempt(room.tickets[2]).id)
    for number in range(1, 4):
        pc.save("06_上传方案/" + "库尔班江店铺周年庆主会场长图设计说明" * 3 + ".txt", b"x" * number * 500_000)
    pc.save("草稿/想法.md", b"ideas")
    console.log_in("invigilator")
    console.open_board(room.theory)
    console.tile("3").click()
    console.press("查看详情")
    dialog = console.page.locator("dialog.details")
    expect(dialog.locator("table.work tr")).to_contain_text("第 3 版")
    expect(dialog).to_contain_text("考试机未连接")
    dialog.get_by_text("全部文件（2 个）与历史版本").click()
    expect(dialog.locator(".work-all")).to_contain_text("想法.md")
    keep_picture(console.page, "work-details")


def test_r_end_1_closing_waits_for_the_last_state_of_the_work_folders(console, room):
    begin(room, 2)
    pc = pc_at(room, "1", room.attempt(room.tickets[0]).id)
    pc.save("草稿/想法.md", b"ideas")
    with room.changing() as db:
        both = [db.merge(room.attempt(ticket)) for ticket in room.tickets[:2]]
        answering.collect_attempts(db, both, at=room.clock.now())
        others = [room.entry_id(ticket) for ticket in room.tickets[2:]]
        admission.mark_absent(db, others, by=room.staff["invigilator"], at=room.clock.now())
    console.log_in("chief_examiner")
    console.page.goto(f"{console.address}/closing/{room.theory}")
    points = console.page.locator("#points")
    expect(points).to_contain_text("考位 1 考生01 的作品文件还在收取，请勿关机")
    expect(points).to_contain_text("考位 1 考生01 缺少应交文件：方案.txt")
    expect(console.page.get_by_role("button", name="还有 1 项必须先处理")).to_be_disabled()
    keep_picture(console.page, "work-closing")
    pc.settle_all()
    expect(console.page.get_by_role("button", name="结束场次")).to_be_enabled()


def test_a_button_pressed_before_its_script_has_come_is_not_lost(console):
    page = console.page
    late: list[Route] = []
    page.route("**/static/login.js", lambda route: late.append(route))
    page.goto(f"{console.address}/login", wait_until="commit")
    page.get_by_label("账号").fill("chief_examiner")
    page.get_by_label("口令").fill(PASSWORD)
    page.get_by_label("口令").press("Enter")
    assert PASSWORD not in page.url
    while not late:
        page.wait_for_timeout(10)
    late.pop().continue_()
    page.wait_for_url(f"{console.address}/")
