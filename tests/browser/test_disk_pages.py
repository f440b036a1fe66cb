"""A disk that fills, as candidate and invigilator see it. The bounds are moved instead of the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from station.domain.disk_budget import MIB, Limits
from station.services import invigilation
from station.web.disk_round import DiskRound
from tests.browser.pages import CandidatePc, staff_page, wait_for_answer
from tests.building import PASSWORD, BuiltRoom, build_room
from tests.console.serving import served_staff_app
from tests.web.seated_paper import A
from tests.web.seating import SeatedRoom

pytestmark = pytest.mark.browser

PLENTY = Limits(floor=MIB, ballast=0)
LOW = Limits(floor=2**60, ballast=0)
TIGHT = Limits(floor=MIB, ballast=0, log=2**60)
RETRY_MS = 31_000
OFFICE_FILE = {"name": "推广方案.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7\n" + b"x" * 100}


@pytest.mark.chrome109
def test_a_file_waits_for_room_and_goes_out_by_itself_while_answers_are_saved(room: SeatedRoom, pc: CandidatePc):
    pc.page.clock.install()
    room.edge.disk.limits = LOW
    box = pc.item("f1")
    box.locator("input[type=file]").set_input_files([OFFICE_FILE])  # type: ignore[list-item]
    expect(box.get_by_role("alert")).to_contain_text("磁盘空间不足，文件还没有上传；答案照常保存")
    pc.item("c1").locator("input").first.check()
    wait_for_answer(room, "c1", A)
    room.edge.disk.limits = PLENTY
    pc.page.clock.fast_forward(RETRY_MS)
    expect(box.locator(".file-told")).to_contain_text("已上传：推广方案.pdf")
    expect(box.get_by_role("alert")).to_be_hidden()


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[BuiltRoom]:
    """A room that waits for its start, on a tight disk."""
    built = build_room(tmp_path)
    built.edge.disk.limits = TIGHT
    DiskRound(built.edge)()
    with built.changing() as db:
        invigilation.open_admission(db, built.theory, by=built.staff["invigilator"], at=built.clock.now())
    yield built
    built.close()


@pytest.fixture
def board(waiting: BuiltRoom, chromium: Browser) -> Iterator[Page]:
    """The board of that room, opened by an invigilator."""
    with served_staff_app(waiting) as address, staff_page(chromium, address, "invigilator") as page:
        page.goto(f"/board/{waiting.theory}")
        yield page


def test_to_start_on_a_tight_disk_the_chief_examiner_confirms_at_the_same_screen(waiting: BuiltRoom, board: Page):
    expect(board.locator("#alarms")).to_contain_text("偏紧")
    expect(board.locator("#status .warn[data-key=disk]")).to_contain_text("磁盘空闲")
    board.get_by_role("button", name="开始考试", exact=True).click()
    dialog = board.locator("dialog")
    expect(dialog).to_contain_text("磁盘空间偏紧仍要开考，须主考确认")
    confirm = dialog.get_by_role("button", name="确认磁盘情况并开始考试")
    confirm.click()
    expect(dialog.get_by_role("alert")).to_contain_text("无权")
    dialog.locator("[name=second_username]").fill("chief_examiner")
    dialog.locator("[name=second_password]").fill(PASSWORD)
    confirm.click()
    expect(dialog).to_have_count(0)
    expect(board.locator("#sitting-state")).to_have_text("考试中")
    expect(board.locator("#event-list")).to_contain_text("确认磁盘空间偏紧仍开考")


def test_a_disk_that_is_nearly_full_alarms_on_the_board_and_stops_when_there_is_room(waiting: BuiltRoom, board: Page):
    waiting.edge.disk.limits = LOW
    DiskRound(waiting.edge)()
    expect(board.locator("#alarms .alarm")).to_contain_text("已停写运行日志、暂停接收考生文件，答案照常保存")
    expect(board.locator("#event-list .alarm").first).to_contain_text("磁盘空闲仅")
    waiting.edge.disk.limits = PLENTY
    waiting.edge.disk.budget = type(waiting.edge.disk.budget)()
    DiskRound(waiting.edge)()
    expect(board.locator("#alarms .alarm")).to_have_count(0)
    expect(board.locator("#status .ok[data-key=disk]")).to_contain_text("磁盘空闲")
