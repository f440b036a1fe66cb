"""Theory and practical of the sample day through the pages, while an invigilator's browser runs the room."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect
from sqlalchemy import select

from station.services import answering
from station.store import Store, open_store
from station.store.models import Attempt, Candidate, Entry, JournalEntry, ResultPackage, Sitting
from tests.browser.day import PASSWORD, ConsolePc, Pc, RunningDay, prepare_day

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

OUTAGE_S = 20


@pytest.fixture
def day(tmp_path: Path) -> Iterator[RunningDay]:
    prepared = prepare_day(tmp_path)
    prepared.start()
    yield prepared
    prepared.stop()


@pytest.fixture
def store(day: RunningDay) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{day.home / 'data' / 'station.db'}", day.home / "data")
    yield opened
    opened.close()


def test_a_candidate_sits_theory_and_practical_while_an_invigilator_starts_extends_moves_and_collects(
    day: RunningDay, store: Store, chromium: Browser
) -> None:
    ticket = day.sample.candidates[6].ticket_number
    pc, console = Pc(chromium), ConsolePc(chromium)
    theory, practical = sittings(store)

    console.log_in_staff(day, "xunkao")
    console.log_in_staff(day, "zhukao")
    open_and_start(console, day, theory, lambda: admit(pc, day, ticket, "7"))
    pc.enter()
    expect(pc.page.locator(".item")).to_have_count(60)

    given = answer_theory(pc, first=0, last=30)
    pc.wait_saved()
    before = pc.ends_s()
    began = time.monotonic()
    day.kill()
    expect(pc.page.locator('.saved[data-state="away"]')).to_be_visible()
    given |= answer_theory(pc, first=30, last=45)
    expect(pc.page.locator(".saved")).to_contain_text("待发送")
    time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - began)))
    day.start()
    away_s = time.monotonic() - began
    pc.wait_saved()
    expect(console.page.locator("#event-list")).to_contain_text("考站中断")
    gained = pc.ends_s() - before
    assert OUTAGE_S - 2 <= gained <= away_s + 10  # the outage is given back, down to the start of the program

    before = pc.ends_s()
    extend(console, "7", minutes="5")
    until = time.monotonic() + 3  # design §13.13: a changed deadline shows within 3 s
    while pc.ends_s() < before + 5 * 60 - 5:
        assert time.monotonic() < until
        time.sleep(0.1)
    ends = pc.ends_s()

    spare = Pc(chromium)
    move(console, "7", "46")
    expect(pc.page.locator("dialog.cover")).to_contain_text("本机考生已换到 46 号考位")
    spare.sit_down(day, ticket, "46")
    spare.page.wait_for_selector(".item, .waiting, .identity")
    if spare.page.locator(".identity").count():
        spare.confirm()
    if spare.page.locator(".item").count() == 0:
        spare.enter()
    expect(spare.page.locator(".counts")).to_contain_text("45 / 60")
    assert abs(spare.ends_s() - ends) < 5, "the time goes along"
    given |= answer_theory(spare, first=45, last=60)
    spare.wait_saved()

    console.choose("46")
    console.page.locator('[data-act="collect"]').click()
    console.confirm_dialog("收取答卷", "收取答卷", reason="浏览器测试收卷")
    expect(spare.page.locator(".receipt")).to_be_visible()
    assert re.fullmatch(r"[2-9A-Z]{4}-[2-9A-Z]{4}", spare.page.inner_text(".receipt"))
    assert stored_answers(store, ticket, theory) == given

    spare.page.get_by_role("button", name="退出登录").first.click()
    spare.page.locator("dialog").get_by_role("button", name="退出登录").click()
    open_and_start(console, day, practical, lambda: admit(pc, day, ticket, "7"))
    pc.enter()
    sit_practical(pc)
    allow_early(console, "7")
    hand_in(pc)
    held = stored_answers(store, ticket, practical)
    assert len(held) == 7
    assert held["p06"]["record"][0]["base"]["file"]["name"] == "推广方案.xlsx"
    close_both(console, day, [theory, practical])
    expect_receipts(console, store, day, [theory, practical])
    assert pc.errors == spare.errors == console.errors == []
    with store.reading() as db:
        for attempt_id in db.scalars(select(Attempt.id)):
            assert answering.check_chain(db, attempt_id) is None
        seen = set(db.scalars(select(JournalEntry.event)))
    assert {"outage_found", "extension_granted", "seat_moved", "collected_by_staff", "handed_in"} <= seen


def sittings(store: Store) -> list[int]:
    with store.reading() as db:
        return list(db.scalars(select(Sitting.id).order_by(Sitting.id)))


def admit(pc: Pc, day: RunningDay, ticket: str, seat: str) -> None:
    pc.sit_down(day, ticket, seat)
    pc.confirm()


def open_and_start(console: ConsolePc, day: RunningDay, sitting_id: int, when_open: Any) -> None:
    console.page.goto(f"{day.staff_url}/board/{sitting_id}")
    console.page.locator('#course-acts [data-act="open_admission"]').click()
    console.confirm_dialog("开放考生登录", "开放登录")
    when_open()
    console.page.locator('#course-acts [data-act="start"]').click()
    console.confirm_dialog("开始考试", "开始考试")
    expect(console.page.locator("#sitting-state")).to_have_text("考试中")


def answer_theory(pc: Pc, *, first: int, last: int) -> dict[str, Any]:
    """Answer items by kind, as a candidate would click and type; gives what must be stored."""
    items = pc.page.locator(".item").all()
    given: dict[str, Any] = {}
    for item in items[first:last]:
        item_id = (item.get_attribute("id") or "").removeprefix("item-")
        item.scroll_into_view_if_needed()
        given[item_id] = answer_one(item, len(given))
    return given


def answer_one(item: Locator, number: int) -> dict[str, Any]:
    checks, radios = item.locator("input[type=checkbox]"), item.locator("input[type=radio]")
    if checks.count():
        item.locator("label:has(input)").nth(0).click()
        item.locator("label:has(input)").nth(2).click()
        return {"list": {"identifier": ["A", "C"]}}
    if radios.count():
        which = number % radios.count()
        item.locator("label:has(input)").nth(which).click()
        if radios.count() == 2:
            return {"base": {"boolean": which == 0}}
        return {"base": {"identifier": "ABCD"[which]}}
    if item.locator("textarea").count():
        text = f"第 {number} 题的简答：标题、主图、详情页。"
        item.locator("textarea").fill(text)
        item.locator("textarea").blur()
        return {"base": {"string": text}}
    blanks = item.locator("input[type=text], input:not([type])").all()
    for at, blank in enumerate(blanks):
        blank.fill(f"答{number}-{at}")
        blank.blur()
    return {"record": [{"name": f"b{at + 1}", "base": {"string": f"答{number}-{at}"}} for at in range(len(blanks))]}


def sit_practical(pc: Pc) -> None:
    """Fill the bid sheet and the settlement, download the materials, upload a plan, write the long answer."""
    page = pc.page
    expect(page.locator(".item")).to_have_count(7)
    for item in page.locator(".item").all():
        item.scroll_into_view_if_needed()
        for cell in item.locator("td input").all():
            cell.fill("12.50")
        for choice in item.locator("td select").all():
            choice.select_option(index=1)
        for blank in item.locator(".body input").all():
            blank.fill("25")
        if item.locator("input[type=checkbox]").count():
            item.locator("label:has(input)").first.click()
        for area in item.locator("textarea").all():
            area.fill("先整理关键词，再调整出价，最后复盘投入产出。" * 5)
            area.blur()
    with page.expect_download() as download:
        page.locator("a[href*='/api/assets/']").first.click()
    assert download.value.suggested_filename
    picker = page.locator("input[type=file]").first
    picker.set_input_files([{"name": "病毒.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"}])
    expect(page.locator("#item-p06")).to_contain_text("“病毒.exe”的格式不符")
    picker.set_input_files([{"name": "推广方案.xlsx", "mimeType": "application/octet-stream", "buffer": workbook()}])
    expect(page.locator("#item-p06")).to_contain_text("已上传：推广方案.xlsx")
    pc.wait_saved()


def extend(console: ConsolePc, seat: str, *, minutes: str) -> None:
    """Two people at one screen: the chief examiner is logged in, the inspector confirms (R-DAY-8)."""
    console.choose(seat)
    console.page.locator('[data-act="extend"]').click()
    console.confirm_dialog("延长时间", "提出延时申请", minutes=minutes, reason="黑屏重启")
    console.confirm_dialog("巡考员", "确认延时", second_username="xunkao", second_password=PASSWORD)
    expect(console.page.locator("#event-list")).to_contain_text("延时 5 分钟生效")


def move(console: ConsolePc, seat: str, spare: str) -> None:
    console.choose(seat)
    console.page.locator('[data-act="move"]').click()
    box = console.dialog("更换考位")
    option = box.locator("[name=seat] option", has_text=re.compile(f"^{spare}")).get_attribute("value")
    box.locator("[name=seat]").select_option(option)
    box.locator("[name=reason]").fill("主机黑屏")
    box.get_by_role("button", name="更换考位").click()
    expect(box).to_be_hidden()


def allow_early(console: ConsolePc, seat: str) -> None:
    console.choose(seat)
    console.page.locator('[data-act="early"]').click()
    console.confirm_dialog("同意提前交卷", "同意提前交卷")


def hand_in(pc: Pc) -> None:
    pc.page.get_by_role("button", name="交卷", exact=True).click()
    pc.page.get_by_role("button", name="确认交卷").click()
    expect(pc.page.locator(".receipt")).to_be_visible()


def close_both(console: ConsolePc, day: RunningDay, both: list[int]) -> None:
    """Record the absences through the board, then close through the closing page."""
    for sitting_id in both:
        console.page.goto(f"{day.staff_url}/board/{sitting_id}")
        console.page.get_by_role("button", name="全选").click()
        console.page.locator('[data-act="absent"]').click()
        console.confirm_dialog("记为缺考", "记为缺考")
        console.page.goto(f"{day.staff_url}/closing/{sitting_id}")
        console.page.locator("#closing-acts button").click()
        console.confirm_dialog("结束场次", "结束场次")
        expect(console.page.locator("#packages-card")).to_be_visible()


def expect_receipts(console: ConsolePc, store: Store, day: RunningDay, both: list[int]) -> None:
    """Marked, packed, sent: the closing page shows the receipt that the station has checked (R-END-1)."""
    for sitting_id in both:
        console.page.goto(f"{day.staff_url}/closing/{sitting_id}")
        packages = console.page.locator("#packages")
        expect(packages).to_contain_text(re.compile("[A-Z2-7]{4}-[A-Z2-7]{4}"), timeout=180_000)
        with store.reading() as db:
            package = db.scalars(select(ResultPackage).where(ResultPackage.sitting_id == sitting_id)).one()
        assert package.receipt_code
        expect(packages).to_contain_text(package.receipt_code)


def stored_answers(store: Store, ticket: str, sitting_id: int) -> dict[str, Any]:
    with store.reading() as db:
        attempt_id = db.scalars(
            select(Attempt.id)
            .join(Entry, Entry.id == Attempt.entry_id)
            .join(Candidate, Candidate.id == Entry.candidate_id)
            .where(Candidate.ticket_number == ticket, Entry.sitting_id == sitting_id)
        ).one()
        return {item: json.loads(text) for item, text in answering.current_answers(db, attempt_id).items()}


def workbook() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>" * 50)
    return content.getvalue()
