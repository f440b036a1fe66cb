"""The programs of a practical item on the candidate's page, in a real browser, while an agent answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect
from sqlalchemy import select

from station.store.models import Attempt, CandidateLogin, Device, JournalEntry, Workstation
from tests.browser.pages import CandidatePc, keep_picture
from tests.browser.test_work_files import FOLDER, POSTER, box, practical_paper
from tests.web.folder_pc import FolderPc
from tests.web.seated_paper import ASSETS
from tests.web.seating import SeatedRoom, served_room

pytestmark = [pytest.mark.browser, pytest.mark.chrome109]

WHERE = r"D:\exam-work\理论_1_考生1"
NOT_HERE = "本机没有安装“dreamweaver.exe”，请举手更换考试机。"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[SeatedRoom]:
    paper: Any = practical_paper()
    item = next(one for section in paper["sections"] for one in section["items"] if one["id"] == "f1")
    item["programs"] = ["Photoshop.exe", "dreamweaver.exe"]
    with served_room(tmp_path, papers={"theory": (paper, ASSETS)}) as built:
        yield built


class OpeningPc(FolderPc):
    """An agent that opens what it is asked to, but for Dreamweaver, which is not installed."""

    def __init__(self, room: SeatedRoom, seat: int, attempt_id: int) -> None:
        super().__init__(room, seat, attempt_id)
        self.asked: list[dict[str, Any]] = []
        self.done: list[dict[str, Any]] = []
        self.is_deaf = threading.Event()
        with room.store.transaction() as db:
            db.get_one(Device, self.device_id).capabilities = '["work", "open"]'
            login = db.scalars(select(CandidateLogin).where(CandidateLogin.ended_at.is_(None))).first()
            assert login is not None
            db.get_one(Workstation, login.workstation_id).device_id = self.device_id
        room.edge.roll.look_again()

    def beat(self) -> None:
        work = {"attempt_id": self.attempt_id, "waiting": 0, "waiting_bytes": 0, "oldest_s": 0.0, "folder": WHERE}
        state = {"locked": True, "browser": "running", "problems": []}
        body = {"boot_id": "b", "run_id": "r", "sequence": 1, "state": state, "work": work, "done": self.done}
        headers = {"Authorization": str(self.headers["Authorization"])}
        reply = requests.post(f"{self.room.url}/api/agent/beat", json=body, headers=headers, timeout=60)
        assert reply.status_code == 200, reply.text
        for command in reply.json()["commands"] if not self.is_deaf.is_set() else ():
            if command["kind"] == "open" and command["id"] not in {one["command_id"] for one in self.done}:
                self.asked.append(command["arguments"])
                is_here = command["arguments"]["program"] != "dreamweaver.exe"
                self.done.append({"command_id": command["id"], "ok": is_here, "text": "" if is_here else NOT_HERE})


@pytest.fixture
def agent(room: SeatedRoom, pc: CandidatePc) -> Iterator[OpeningPc]:
    with room.store.reading() as db:
        attempt_id = db.get_one(Attempt, 1).id
    agent = OpeningPc(room, 1, attempt_id)
    agent.folder()
    with agent.beating():
        yield agent


def test_the_page_opens_programs_and_files_and_says_where_the_folder_lies(
    room: SeatedRoom, pc: CandidatePc, agent: OpeningPc
) -> None:
    agent.save(POSTER, b"8BPS" + bytes(1000))
    item = pc.item("f1")
    panel = item.locator(".programs")
    expect(panel).to_contain_text(f"作品文件夹在本机：{WHERE}")
    expect(panel).to_contain_text("切换：Ctrl+Alt+1 回到考试页面，Ctrl+Alt+2 回到软件。")
    name = POSTER.partition("/")[2]
    expect(panel.locator("li").first).to_contain_text(name)
    expect(panel.locator("li").nth(1)).to_contain_text("素材/投标素材.xlsx")
    panel.get_by_role("button", name="打开 Photoshop", exact=True).click()
    expect(panel.locator(".program-told")).to_have_text("Photoshop 已打开。")
    panel.get_by_role("button", name=f"用 Photoshop 打开作品文件夹中的 {name}").click()
    expect(panel.locator(".program-told")).to_have_text("Photoshop 已打开。")
    attempt = {"attempt_id": agent.attempt_id, "item_id": "f1", "program": "photoshop.exe"}
    expect(panel.locator(".program-told")).to_have_attribute("data-state", "fine")
    assert agent.asked == [{**attempt, "file": ""}, {**attempt, "file": POSTER}]
    assert POSTER.startswith(f"{FOLDER}/")
    panel.scroll_into_view_if_needed()
    keep_picture(pc.page, "work-programs")


def test_what_is_not_installed_is_told_to_candidate_and_staff_by_name(
    room: SeatedRoom, pc: CandidatePc, agent: OpeningPc
) -> None:
    panel = pc.item("f1").locator(".programs")
    panel.get_by_role("button", name="打开 Dreamweaver", exact=True).click()
    expect(panel.locator(".program-told")).to_have_text(NOT_HERE)
    expect(panel.locator(".program-told")).to_have_attribute("data-state", "bad")
    with room.store.reading() as db:
        events = db.scalars(select(JournalEntry).where(JournalEntry.event == "command_failed")).all()
    (told,) = [one.details for one in events]
    assert "打开 Dreamweaver" in told
    assert NOT_HERE in told
    panel.scroll_into_view_if_needed()
    keep_picture(pc.page, "work-programs-missing")


def test_a_pc_whose_agent_cannot_open_programs_shows_no_buttons(room: SeatedRoom, pc: CandidatePc) -> None:
    with FolderPc(room, 1, 1) as agent:
        agent.folder()
        with agent.beating():
            expect(pc.item("f1").locator(".work-line")).to_have_attribute("data-state", "fine")
            expect(box(pc, "预览图")).to_contain_text("还没有。请在软件中保存为“预览图.jpg”")
            expect(pc.item("f1").locator(".programs")).to_be_hidden()
