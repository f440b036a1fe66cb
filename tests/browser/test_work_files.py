"""The work folder on the candidate's page and on the console, while an agent brings files, in a real browser."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from station.store.models import Attempt, Entry
from tests.browser.pages import CandidatePc, keep_picture, receipt_of
from tests.web.folder_pc import FolderPc
from tests.web.seated_paper import ASSETS, PAPER
from tests.web.seating import SeatedRoom, served_room

pytestmark = [pytest.mark.browser, pytest.mark.chrome109]

LONG = "库尔班江·热合曼买买提艾力店铺周年庆主会场移动端长图海报设计源文件（含全部图层，分辨率 300 dpi）"
FOLDER = "08_制作店铺周年庆海报"
POSTER = f"{FOLDER}/库尔班江·热合曼买买提艾力店铺周年庆主会场移动端长图海报设计源文件.psd"
PREVIEW = f"{FOLDER}/预览图.jpg"


def practical_paper() -> dict[str, object]:
    paper = copy.deepcopy(PAPER)
    item = next(one for section in paper["sections"] for one in section["items"] if one["id"] == "f1")
    item["body"] = "<p>制作店铺周年庆海报，素材见文件夹。完成后保存源文件和预览图。</p>"
    item["interaction"]["files"] = [
        {"id": "psd", "label": LONG, "extensions": [".psd"], "max_bytes": 104_857_600, "required": True},
        {"id": "jpg", "label": "预览图", "extensions": [".jpg", ".png"], "max_bytes": 5_000_000, "required": True},
        {"id": "doc", "label": "设计说明", "extensions": [".docx"], "max_bytes": 5_000_000, "required": False},
    ]
    return paper


@pytest.fixture
def room(tmp_path: Path) -> Iterator[SeatedRoom]:
    with served_room(tmp_path, papers={"theory": (practical_paper(), ASSETS)}) as built:
        yield built


@pytest.fixture
def agent(room: SeatedRoom, pc: CandidatePc) -> Iterator[FolderPc]:
    """The agent of the PC on which the page is open; it beats all the time."""
    with room.store.reading() as db:
        attempt_id = db.get_one(Attempt, 1).id
    agent = FolderPc(room, 1, attempt_id)
    agent.folder()
    with agent.beating():
        yield agent


def box(pc: CandidatePc, label: str):  # type: ignore[no-untyped-def]
    named = pc.page.locator(".file-label", has_text=label)
    return pc.item("f1").locator(".file-box").filter(has=named)


def test_each_wanted_file_shows_when_it_was_saved_and_what_is_not_there_yet(
    room: SeatedRoom, pc: CandidatePc, agent: FolderPc
) -> None:
    item = pc.item("f1")
    expect(item.locator(".work-line")).to_contain_text("已连接")
    expect(box(pc, "预览图")).to_contain_text("还没有。请在软件中保存为“预览图.jpg”")
    agent.save(POSTER, b"8BPS" + bytes(3_000_000))
    expect(box(pc, "周年庆")).to_contain_text(re.compile(r"第 1 版，\d\d:\d\d:\d\d 已保存"))
    expect(item).to_have_attribute("data-state", "part")
    agent.waiting = (2, 52_428_800)
    expect(item.locator(".work-line")).to_contain_text("正在把 2 个文件保存到服务器（50.0 MB）")
    item.scroll_into_view_if_needed()
    keep_picture(pc.page, "work-part")
    agent.save(PREVIEW, b"\xff\xd8\xff" + bytes(200_000))
    agent.waiting = (0, 0)
    expect(item).to_have_attribute("data-state", "answered")
    expect(pc.page.locator(".overview .place", has_text="8")).to_have_attribute("data-state", "answered")


def test_an_earlier_version_is_taken_back_and_the_folder_is_told(
    room: SeatedRoom, pc: CandidatePc, agent: FolderPc
) -> None:
    for number in range(1, 4):
        agent.save(POSTER, b"8BPS" + bytes(number * 1000))
    agent.save(f"{FOLDER}/草稿/很长的文件名" + "长" * 60 + ".psd", b"8BPS draft")
    expect(box(pc, "周年庆")).to_contain_text("第 3 版")
    box(pc, "周年庆").get_by_role("button", name="历史版本").click()
    dialog = pc.page.locator("dialog.wide")
    keep_picture(pc.page, "work-versions")
    first = dialog.locator("details[open] li", has_text="第 1 版")
    first.get_by_role("button", name="恢复此版").click()
    expect(dialog.locator("details[open] li").first).to_contain_text("第 4 版")
    expect(dialog.locator("details[open] li").first).to_contain_text("由第 1 版恢复")
    expect(dialog).to_contain_text("已恢复第 1 版")
    (taken,) = agent.folder()["taken_back"]
    assert (taken["from_version"], taken["version"], taken["size"]) == (1, 4, 1004)
    dialog.get_by_role("button", name="关闭").click()
    expect(box(pc, "周年庆")).to_contain_text("第 4 版")


def test_an_upload_still_goes_and_the_newest_counts(room: SeatedRoom, pc: CandidatePc, agent: FolderPc) -> None:
    agent.save(PREVIEW, b"\xff\xd8\xff" + bytes(100))
    expect(box(pc, "预览图")).to_contain_text("第 1 版")
    file = {"name": "另一张.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff" + bytes(50)}
    box(pc, "预览图").locator("input").set_input_files(file)  # type: ignore[arg-type]
    pc.wait_saved()
    agent.save(POSTER, b"8BPS x")  # the list is asked for anew
    expect(box(pc, "预览图")).to_contain_text("另一张.jpg")
    room.clock.move(seconds=1)
    agent.save(PREVIEW, b"\xff\xd8\xff" + bytes(120))
    expect(box(pc, "预览图")).to_contain_text("第 2 版")


def test_before_the_hand_in_the_page_says_what_is_missing_and_waits_for_files_on_their_way(
    room: SeatedRoom, pc: CandidatePc, agent: FolderPc
) -> None:
    allow_early_hand_in(room)
    agent.save(POSTER, b"8BPS" + bytes(1000))
    expect(box(pc, "周年庆")).to_contain_text("第 1 版")
    pc.page.get_by_role("button", name="交卷", exact=True).first.click()
    dialog = pc.page.locator("dialog", has_text="确认交卷？")
    expect(dialog.locator("li[data-state=missing]")).to_contain_text("预览图.jpg")
    expect(dialog).to_contain_text("作品文件还缺 1 个")
    keep_picture(pc.page, "work-hand-in")
    agent.waiting = (1, 1000)
    expect(pc.item("f1").locator(".work-line")).to_contain_text("正在把 1 个文件")
    dialog.get_by_role("button", name="确认交卷").click()
    expect(dialog).to_contain_text("还有 1 个作品文件正在保存到服务器")
    agent.save(PREVIEW, b"\xff\xd8\xff" + bytes(100))
    agent.waiting = (0, 0)
    expect(pc.item("f1").locator(".work-line")).to_contain_text("已连接")
    dialog.get_by_role("button", name="确认交卷").click()
    expect(pc.page.locator(".done")).to_contain_text("正在收取作品文件的最后状态，请勿关机")
    assert receipt_of(room)
    keep_picture(pc.page, "work-done-awaited")
    assert agent.settle(**{POSTER: b"8BPS" + bytes(1000)})["complete"]
    expect(pc.page.locator(".done")).to_contain_text("作品文件已全部收齐")


def test_the_page_says_when_the_folder_was_last_heard(room: SeatedRoom, pc: CandidatePc) -> None:
    agent = FolderPc(room, 1, 1)
    agent.folder()
    line = pc.item("f1").locator(".work-line")
    expect(line).to_contain_text("作品文件夹暂时没有连上服务器")
    with agent.beating():
        expect(line).to_have_attribute("data-state", "fine")
    expect(line).to_contain_text(re.compile(r"暂时没有连上服务器（最近 \d\d:\d\d:\d\d）"))
    expect(line).to_have_attribute("data-state", "lost")
    agent.save(POSTER, b"8BPS" + bytes(1000))
    expect(box(pc, "周年庆")).to_contain_text("第 1 版")
    pc.item("f1").scroll_into_view_if_needed()
    keep_picture(pc.page, "work-lost")


def test_without_an_agent_the_boxes_are_for_uploads_as_before(room: SeatedRoom, pc: CandidatePc) -> None:
    expect(box(pc, "预览图")).to_contain_text("尚未上传")
    expect(pc.item("f1").locator(".work-line")).to_be_hidden()
    assert (
        json.loads(pc.page.evaluate("async () => JSON.stringify((await (await fetch('/api/me')).json()).work)")) is None
    )


def allow_early_hand_in(room: SeatedRoom) -> None:
    """Let candidate 1 hand in now: the last minutes have come, and the chief examiner agrees."""
    room.clock.move(minutes=50)
    with room.store.transaction() as db:
        db.get_one(Entry, db.get_one(Attempt, 1).entry_id).early_leave_allowed_by = room.staff_id
