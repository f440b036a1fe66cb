"""A PC dies under a candidate: spare, everything there, the time back by two people, all in real browsers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from station.clock import Clock
from station.domain.incident import ExtensionState
from station.services import answering
from station.store.models import Attempt, Extension, Incident, Place, SeatMove
from tests.browser.pages import Window
from tests.building import PASSWORD, BuiltRoom, SetClock, build_room
from tests.console.pcs import Pc as SimulatedPc
from tests.console.serving import served_candidate_app, served_staff_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEXT = "先看点击率，再看转化率，最后调整标题。"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    """A room whose sitting has just started, by a clock that runs."""
    clock = Clock()
    built = build_room(tmp_path, planned_at=clock.now(), clock=clock)
    built.start()
    yield built
    built.close()


def at_seat(chromium: Browser, room: BuiltRoom, address: str, seat: str, ticket: str) -> Window:
    """Open a seat's PC and log in."""
    pc = Window(chromium, address)
    pc.page.goto(room.seat_path(seat))
    pc.page.goto("/")
    pc.log_in(ticket)
    return pc


def at_console(chromium: Browser, room: BuiltRoom, address: str, role: str = "invigilator") -> Window:
    console = Window(chromium, address)
    console.log_in_as(role)
    console.page.goto(f"/board/{room.theory}")
    return console


def answer(pc: Window) -> None:
    pc.page.get_by_role("button", name="信息无误").click()
    pc.page.locator(".doors button").click()
    pc.page.wait_for_selector(".item")
    pc.page.locator("#item-q1 label:has(input)").first.click()
    pc.page.locator("#item-q5 textarea").fill(TEXT)
    pc.page.locator("#item-q5 textarea").blur()
    pc.page.wait_for_selector('.saved[data-state="good"]:has(svg)')


def confirm_by(console: Window, who: str, role: str) -> None:
    box = console.page.locator("dialog", has=console.page.get_by_role("heading", name=who))
    expect(box).to_be_visible()
    box.locator("[name=second_username]").fill(role)
    box.locator("[name=second_password]").fill(PASSWORD)
    box.get_by_role("button", name="确认延时", exact=True).click()
    expect(box).to_be_hidden()


def line(console: Window, text: str):  # type: ignore[no-untyped-def]
    return console.page.locator("#trouble .line", has_text=re.compile(text))


def test_r_day_7_r_day_8_a_dead_pc_costs_no_answer_no_second_and_three_clicks(
    room: BuiltRoom, chromium: Browser
) -> None:
    ticket = room.tickets[0]
    with served_staff_app(room) as staff, served_candidate_app(room) as candidates:
        console = at_console(chromium, room, staff)
        pc = at_seat(chromium, room, candidates, "1", ticket)
        answer(pc)
        pc.close()
        died_at = room.clock.now()

        expect(line(console, "断线")).to_be_visible()
        expect(console.page.locator("#tiles .tile", has_text="考生01")).to_contain_text(re.compile(r"断线 \d+:\d\d"))
        line(console, "断线").get_by_role("button", name="换备用机").click()
        expect(console.page.locator("dialog [name=reason]")).to_have_value("计算机故障")
        console.page.keyboard.press("Enter")
        expect(console.page.locator("#tiles .tile", has_text="考生01")).to_contain_text(re.compile(r"换机中 \d+:\d\d"))
        # A return within ten seconds would be a page that was loaded again, at the same PC; the move counts always.
        spare = at_seat(chromium, room, candidates, "6", ticket)
        spare.page.wait_for_selector(".item")
        with room.store.reading() as db:
            back_at = db.scalars(select(Place.opened_at).order_by(Place.id.desc())).first()
        assert back_at is not None
        lost_s = (back_at - died_at).total_seconds()
        expect(spare.page.locator("#item-q5 textarea")).to_have_value(TEXT)
        expect(spare.page.locator("#item-q1 input").first).to_be_checked()

        before_s = spare.ends_s()
        line(console, "已恢复，损失").get_by_role("button", name="申请补时").click()
        confirm_by(console, "主考确认延时", "chief_examiner")
        confirm_by(console, "巡考员（或机构技术支持）确认延时", "inspector")
        until = time.monotonic() + 3  # design §13.13: a changed deadline shows within 3 s
        with room.store.reading() as db:
            given = db.scalars(select(Extension)).one()
        while spare.ends_s() < before_s + given.seconds - 5:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert given.state == ExtensionState.GRANTED
        # The last act lies a little before the PC's death: that of the last acknowledged save.
        assert lost_s <= given.seconds <= lost_s + 15
        expect(line(console, "已恢复")).to_have_count(0)

        console.page.get_by_role("button", name="时间核对").click()
        expect(console.page.locator(".verdict")).to_contain_text("都不少于应有")
        expect(console.page.locator("tbody", has_text="考生01")).to_contain_text("由考位 1 换至 6")
        assert console.errors == spare.errors == []
        with room.store.reading() as db:
            assert db.scalars(select(SeatMove.reason)).one() == "计算机故障"
            assert re.fullmatch(
                r"考位 1 计算机故障，换至 6 号备用机，\d\d:\d\d:\d\d–\d\d:\d\d:\d\d 共 .*(秒|分钟).*",
                db.scalars(select(Incident.text)).one(),
            )
            attempt = room.attempt(ticket)
            assert answering.check_chain(db, attempt.id) is None
            assert set(answering.current_answers(db, attempt.id)) == {"q1", "q5"}
        for window in (console, spare):
            window.close()


def test_r_day_7_who_sits_down_at_the_spare_first_is_moved_there_by_one_click(
    room: BuiltRoom, chromium: Browser
) -> None:
    ticket = room.tickets[0]
    with served_staff_app(room) as staff, served_candidate_app(room) as candidates:
        console = at_console(chromium, room, staff)
        pc = at_seat(chromium, room, candidates, "1", ticket)
        answer(pc)
        pc.close()
        spare = at_seat(chromium, room, candidates, "6", ticket)
        expect(line(console, "在考位 6 登录").get_by_role("button")).to_have_text("换至 6")
        expect(line(console, "断线")).to_have_count(0)
        line(console, "在考位 6 登录").get_by_role("button").click()
        expect(spare.page.locator("#item-q5 textarea")).to_have_value(TEXT)
        with room.store.reading() as db:
            assert db.scalars(select(SeatMove)).one().new_seat_id == room.seat_id("6")
        assert console.errors == spare.errors == []
        for window in (console, spare):
            window.close()


def test_r_day_7_a_browser_that_is_opened_again_on_the_same_pc_goes_on_without_anybody(
    room: BuiltRoom, chromium: Browser
) -> None:
    with served_candidate_app(room) as candidates:
        pc = at_seat(chromium, room, candidates, "1", room.tickets[0])
        answer(pc)
        pc.page.close()
        page = pc.context.new_page()
        page.goto(candidates)
        expect(page.locator("#item-q5 textarea")).to_have_value(TEXT)
        pc.close()


def test_r_day_8_a_row_of_pcs_that_lost_power_is_made_up_for_in_one_go(tmp_path: Path, chromium: Browser) -> None:
    room = build_room(tmp_path)
    assert isinstance(room.clock, SetClock)
    room.start()
    with served_staff_app(room) as staff, served_candidate_app(room) as candidates:
        row = [SimulatedPc(room, candidates, str(seat)) for seat in range(1, 5)]
        for pc, ticket in zip(row, room.tickets, strict=False):
            pc.sit_down(ticket)
        for pc in row:
            room.clock.pass_time(seconds=61)
            pc.open_paper()
        console = at_console(chromium, room, staff)
        together = line(console, "已恢复，损失待申请补时")
        expect(together.locator("b")).to_have_text("4 人")
        together.get_by_role("button", name="申请补时").click()
        confirm_by(console, "主考确认延时", "chief_examiner")
        confirm_by(console, "巡考员（或机构技术支持）确认延时", "inspector")
        expect(together).to_have_count(0)
        with room.store.reading() as db:
            given = db.scalars(select(Extension.seconds).where(Extension.state == ExtensionState.GRANTED)).all()
        assert sorted(given) == [61, 122, 183, 244]
        assert console.errors == []
        console.close()
    room.close()


def test_the_board_asks_to_make_time_stand_still_when_the_deadline_comes_near_without_a_pc(
    room: BuiltRoom, chromium: Browser
) -> None:
    with served_staff_app(room) as staff, served_candidate_app(room) as candidates:
        pc = at_seat(chromium, room, candidates, "1", room.tickets[0])
        answer(pc)
        pc.close()
        with room.changing() as db:
            attempt = db.get_one(Attempt, room.attempt(room.tickets[0]).id)
            attempt.deadline_at = room.clock.now() + timedelta(minutes=4)
        console = at_console(chromium, room, staff)
        expect(line(console, "临近截止")).to_be_visible()
        line(console, "临近截止").get_by_role("button", name="暂停").click()
        expect(line(console, "临近截止")).to_have_count(0)
        expect(line(console, "已暂停：计算机故障，等待换机")).to_be_visible()
        assert console.errors == []
        console.close()
