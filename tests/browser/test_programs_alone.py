"""Items that name programs and want no file: their programs are a button away all the same."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from station.services import answering, closing_points
from station.store.models import Attempt, WorkFolder
from tests.browser.pages import CandidatePc, keep_picture
from tests.browser.test_work_programs import WHERE, OpeningPc
from tests.web.seated_paper import ASSETS, PAPER
from tests.web.seating import SeatedRoom, served_room

pytestmark = [pytest.mark.browser, pytest.mark.chrome109]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[SeatedRoom]:
    """A room whose paper wants no file at all: a table to fill in with Excel, a choice with a calculator."""
    paper: Any = copy.deepcopy(PAPER)
    items = {item["id"]: item for section in paper["sections"] for item in section["items"]}
    items["g1"]["programs"], items["g1"]["materials"] = ["EXCEL.exe", "et.exe"], items["f1"]["materials"]
    items["c1"]["programs"] = ["calc.exe"]
    items["c1"]["points"] = "20.00"
    paper["sections"][1]["items"].remove(items["f1"])
    with served_room(tmp_path, papers={"theory": (paper, ASSETS)}) as built:
        yield built


@pytest.fixture
def agent(room: SeatedRoom, pc: CandidatePc) -> Iterator[OpeningPc]:
    agent = OpeningPc(room, 1, 1)
    orders = agent.get(f"{room.url}/api/agent/orders", timeout=60).json()
    assert orders["work"] == {"attempt_id": 1, "state": "answering", "refresh": 0}
    told = agent.folder()
    assert [(one["item_id"], one["programs"], one["wanted"]) for one in told["items"]] == [
        ("c1", ["calc.exe"], []),
        ("g1", ["excel.exe", "et.exe"], []),
    ]
    with agent.beating():
        yield agent


def test_an_item_without_files_shows_its_programs_and_opens_them_with_its_materials(
    room: SeatedRoom, pc: CandidatePc, agent: OpeningPc
) -> None:
    panel = pc.item("g1").locator(".programs")
    expect(panel).to_contain_text(f"作品文件夹在本机：{WHERE}")
    panel.get_by_role("button", name="打开 Excel", exact=True).click()
    expect(panel.locator(".program-told")).to_have_text("Excel 已打开。")
    panel.get_by_role("button", name="用 Excel 打开作品文件夹中的 素材/投标素材.xlsx").click()
    expect(panel.locator(".program-told")).to_have_text("Excel 已打开。")
    wish = {"attempt_id": 1, "item_id": "g1", "program": "excel.exe"}
    assert agent.asked == [{**wish, "file": ""}, {**wish, "file": "07_填表/素材/投标素材.xlsx"}]
    panel.scroll_into_view_if_needed()
    keep_picture(pc.page, "programs-alone")
    choice = pc.item("c1").locator(".programs")
    expect(choice.get_by_role("button")).to_have_count(1)
    expect(pc.item("c2").locator(".programs")).to_have_count(0)


def test_nobody_is_asked_for_files_of_such_a_paper_at_hand_in_and_closing(
    room: SeatedRoom, pc: CandidatePc, agent: OpeningPc
) -> None:
    expect(pc.item("g1").locator(".programs")).to_be_visible()
    pc.page.get_by_role("button", name="交卷").first.click()
    dialog = pc.page.locator("dialog")
    expect(dialog).to_be_visible()
    expect(dialog).not_to_contain_text("作品文件")
    with room.store.transaction() as db:
        attempt = db.get_one(Attempt, 1)
        answering.collect_attempts(db, [attempt], at=room.clock.now(), by=room.staff_id, reason="到时")
    settled = agent.post(f"{room.url}/api/agent/folders/1/settled", json={"files": []}, timeout=60).json()
    assert settled == {"complete": True, "missing": []}
    with room.store.reading() as db:
        assert db.scalars(select(WorkFolder.settled_at)).one() is not None
        assert closing_points.work_points(db, room.sitting(), at=room.clock.now()) == []
