"""A rehearsal and a trial in real browsers: 45 seats and 5 spares, from the console's page to the practice paper."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from invigilator_console.rehearsal_run import RehearsalRun, task_of
from station.clock import Clock
from station.domain.rehearsal import Way
from station.services import rehearsing
from station.store.models import Room
from station.web.trial_round import TrialRound
from tests.browser.pages import Window, staff_page
from tests.browser.test_room_check import pages_of
from tests.building import BuiltRoom, build_room
from tests.console.serving import served_candidate_app, served_staff_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    clock = Clock()
    built = build_room(tmp_path, seats=45, spares=5, planned_at=clock.now() + timedelta(days=1), clock=clock)
    yield built
    built.close()


@pytest.fixture
def candidates(room: BuiltRoom) -> Iterator[str]:
    with served_candidate_app(room) as url:
        room.edge = dataclasses.replace(room.edge, candidate_port=urlsplit(url).port or 0)
        yield url


@pytest.fixture
def console(room: BuiltRoom, candidates: str, chromium: Browser) -> Iterator[Page]:
    with served_staff_app(room) as address, staff_page(chromium, address, "technician") as page:
        yield page


def shoot(page: Page, name: str) -> None:
    """Keep pictures of a page where somebody wants to look at them."""
    folder = os.environ.get("EXAM_SHOTS", "")
    for width, height in ((1366, 768), (1920, 1080)) if folder else ():
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=f"{folder}/{name}-{width}.png")
    page.set_viewport_size({"width": 1366, "height": 768})


def play(room: BuiltRoom, players: int) -> None:
    with room.changing() as db:
        here, by, at = db.get_one(Room, room.room_id), room.staff["technician"], room.clock.now()
        begun = rehearsing.begin(db, here, way=Way.SERVER, minutes=1, players=players, by=by, at=at)
    RehearsalRun(room.edge, begun, task=task_of(room.edge, begun.tickets, minutes=1) | {"seconds": 6.0}).run()


def test_r_room_7_the_technician_begins_a_rehearsal_and_prints_its_result(room, console):
    page = console
    page.goto(f"/rooms/{room.room_id}")
    page.get_by_role("link", name="演练与试考").click()
    expect(page.locator("#never")).to_be_visible()
    shoot(page, "rehearsal-none")
    page.get_by_label("模拟考生（名）").fill("3")
    page.get_by_label("时长（分钟）").first.fill("1")
    page.get_by_role("button", name="开始演练").click()
    expect(page.locator("#running-text")).to_contain_text("3 名模拟考生")
    shoot(page, "rehearsal-running")
    page.get_by_role("button", name="中断演练").click()
    expect(page.locator(".verdict")).to_contain_text("中断，没有结果")
    play(room, 45)
    expect(page.locator("#figures tr")).to_have_count(14)
    expect(page.locator("#figures tr").first).to_contain_text("丢失的答案")
    expect(page.locator("#figures tr").first.locator("td").nth(1)).to_have_text("0")
    shoot(page, "rehearsal-result")
    page.locator("#print-link").click()
    expect(page.get_by_role("heading", name="考场压力演练结果")).to_be_visible()
    expect(page.locator(".pc-table tbody tr")).to_have_count(45)
    assert pages_of(page) == 1, "figures, seats and the signatures under them on one sheet"
    if folder := os.environ.get("EXAM_SHOTS", ""):
        page.pdf(path=f"{folder}/rehearsal.pdf", format="A4")


def test_r_room_6_a_trial_from_the_console_to_the_practice_paper_at_a_pc(room, console, candidates, chromium):
    page = console
    window = Window(chromium, candidates)
    pc = window.page
    pc.goto(room.seat_path("12"))
    pc.goto("/")
    page.goto(f"/rooms/{room.room_id}/rehearsal")
    page.get_by_role("button", name="开放试考").click()
    expect(page.locator("#trials li")).to_contain_text("候考登录中")
    expect(pc.locator(".trial-ticket")).to_contain_text(f"SK{room.room_id}-000012")
    shoot(pc, "trial-login")
    pc.get_by_role("button", name="填入试考号").click()
    pc.get_by_role("button", name="登录", exact=True).click()
    expect(pc.locator(".ribbon.trial")).to_contain_text("不是正式考试")
    shoot(pc, "trial-confirm")
    pc.get_by_role("button", name="信息无误").click()
    expect(pc.locator("body")).to_contain_text("各机都登录后自动开考")
    shoot(pc, "trial-waiting")
    TrialRound(room.edge)()
    pc.get_by_role("button", name="进入").or_(pc.get_by_role("button", name="开始")).first.click()
    expect(pc.locator("body")).to_contain_text("选择一个选项后")
    shoot(pc, "trial-paper")
    expect(page.locator("#trials li")).to_contain_text("考试中")
    shoot(page, "trial-console")
    page.get_by_role("link", name="监控").click()
    expect(page.locator(".ribbon.not-real")).to_be_visible()
    expect(page.locator("#alarms")).to_contain_text("试考")
    shoot(page, "trial-board")
    page.goto(f"/rooms/{room.room_id}/rehearsal")
    page.get_by_role("link", name="打印试考号").click()
    expect(page.locator(".pc-table tbody tr")).to_have_count(50)
    if folder := os.environ.get("EXAM_SHOTS", ""):
        page.pdf(path=f"{folder}/tickets.pdf", format="A4")
    page.go_back()
    page.get_by_role("button", name="结束试考").click()
    page.locator("dialog").get_by_role("button", name="结束试考").click()
    expect(pc.get_by_role("heading", name="考生登录")).to_be_visible()
    page.get_by_role("button", name="清除数据").click()
    page.locator("dialog").get_by_role("button", name="清除").click()
    expect(page.locator("#trials li")).to_contain_text("已清除")
    shoot(page, "trial-wiped")
    window.close()
    assert window.errors == []
