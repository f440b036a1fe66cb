"""A candidate's wish to open a program of an item: who may, what for, and how it comes to the PC and back."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from station.domain.program_names import program_title
from station.services import agent_commands, answering
from station.store.models import Attempt, Device, DeviceCommand, Workstation
from tests.web.folder_pc import FolderPc
from tests.web.seated_paper import ASSETS, PAPER
from tests.web.seating import Browser, SeatedRoom, refusal, served_room

PATH = "08_提交文件/推广方案.xlsx"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[SeatedRoom]:
    paper: Any = copy.deepcopy(PAPER)
    for item in (item for section in paper["sections"] for item in section["items"]):
        if item["id"] == "f1":
            item["programs"] = ["EXCEL.exe"]
    with served_room(tmp_path, papers={"theory": (paper, ASSETS)}) as built:
        yield built


@pytest.fixture
def pc(room: SeatedRoom, candidate: Browser) -> FolderPc:
    """The PC at which the candidate is logged in; its agent opens programs."""
    pc = FolderPc(room, 1, candidate.attempt_id)
    with room.store.transaction() as db:
        db.get_one(Device, pc.device_id).capabilities = '["work", "open"]'
        db.query(Workstation).filter(Workstation.seat_id == room.seat_id(1)).one().device_id = pc.device_id
    room.edge.roll.look_again()
    pc.folder()
    return pc


def wish(browser: Browser, program: str = "excel.exe", file: str = "", item: str = "f1") -> requests.Response:
    return browser.post(f"/api/work_programs/{browser.attempt_id}", item_id=item, program=program, file=file)


def commands(pc: FolderPc, *done: dict[str, Any]) -> list[dict[str, Any]]:
    body = {"boot_id": "b", "run_id": "r", "sequence": 1, "state": {}, "done": list(done)}
    reply = pc.post(f"{pc.room.url}/api/agent/beat", json=body, timeout=60)
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["commands"]
    return found


def test_a_wish_comes_with_the_next_beat_and_the_page_hears_what_came_of_it(
    pc: FolderPc, candidate: Browser, room: SeatedRoom
) -> None:
    commands(pc)
    asked = wish(candidate, file=PATH).json()
    (command,) = commands(pc)  # at once: beats come each 1 to 1.5 s
    assert command["kind"] == "open"
    attempt = {"attempt_id": candidate.attempt_id, "item_id": "f1"}
    assert command["arguments"] == {**attempt, "program": "excel.exe", "file": PATH}
    assert asked == {"command_id": command["id"], "state": "waiting", "text": "", "title": "Excel"}
    assert wish(candidate, file=PATH).json() == asked, "pressed twice it is one wish"
    assert commands(pc, {"command_id": command["id"], "ok": True, "text": ""}) == []
    told = candidate.get(f"/api/work_programs/{candidate.attempt_id}/{command['id']}").json()
    assert (told["state"], told["text"]) == ("opened", "")
    # One done and another asked between two looks at the store is no standstill.
    another = wish(candidate).json()
    assert [one["id"] for one in commands(pc)] == [another["command_id"]]
    commands(pc, {"command_id": another["command_id"], "ok": False, "text": "没有安装"})
    told = candidate.get(f"/api/work_programs/{candidate.attempt_id}/{another['command_id']}").json()
    assert (told["state"], told["text"]) == ("failed", "没有安装")


def test_only_the_items_programs_and_only_who_answers_here(pc: FolderPc, candidate: Browser, room: SeatedRoom) -> None:
    assert refusal(wish(candidate, "cmd.exe")) == (409, "program_not_of_item")
    assert refusal(wish(candidate, item="s1")) == (409, "program_not_of_item")
    assert refusal(wish(candidate, file="../../secret")) == (400, "path_unusable")
    other = room.answering(2)
    mine = candidate.attempt_id
    stranger = other.post(f"/api/work_programs/{mine}", item_id="f1", program="excel.exe", file="")
    assert refusal(stranger)[0] == 404
    assert refusal(wish(other)) == (409, "program_not_here"), "a seat link without an agent"
    asked = wish(candidate).json()["command_id"]
    assert refusal(other.get(f"/api/work_programs/{other.attempt_id}/{asked}"))[0] == 404
    with room.store.transaction() as db:
        device, by = db.get_one(Device, pc.device_id), room.staff_id
        with pytest.raises(Exception, match="command_unknown"):
            agent_commands.give_command(db, [device], "open", by=by, at=room.clock.now())
    with room.store.transaction() as db:
        attempt = db.get_one(Attempt, mine)
        answering.collect_attempts(db, [attempt], at=room.clock.now(), by=room.staff_id, reason="到时")
    assert refusal(wish(candidate)) == (409, "not_answering")


def test_a_pc_that_was_away_opens_nothing_that_was_asked_long_ago(
    pc: FolderPc, candidate: Browser, room: SeatedRoom
) -> None:
    old = wish(candidate).json()["command_id"]
    room.clock.move(seconds=31)
    assert commands(pc) == []
    new = wish(candidate).json()["command_id"]
    assert new != old
    assert [one["id"] for one in commands(pc)] == [new]
    with room.store.reading() as db:
        assert db.get_one(DeviceCommand, old).done_at is not None


def test_the_page_gets_programs_materials_and_the_place_of_the_folder(pc: FolderPc, candidate: Browser) -> None:
    work = {
        "attempt_id": pc.attempt_id,
        "waiting": 0,
        "waiting_bytes": 0,
        "oldest_s": 0.0,
        "folder": "D:\\exam-work\\x",
    }
    body = {"boot_id": "b", "run_id": "r", "sequence": 1, "state": {}, "work": work}
    assert pc.post(f"{pc.room.url}/api/agent/beat", json=body, timeout=60).status_code == 200
    shown = candidate.get(f"/api/work_files/{candidate.attempt_id}").json()
    (item,) = shown["programs"]
    assert item["programs"] == [{"name": "excel.exe", "title": "Excel"}]
    assert item["materials"] == ["08_提交文件/素材/投标素材.xlsx"]
    assert (shown["facts"]["agent"]["folder"], shown["facts"]["agent"]["opens"]) == ("D:\\exam-work\\x", True)


def test_programs_are_called_as_people_call_them() -> None:
    named = {"Photoshop.exe": "Photoshop", "gimp*": "GIMP", "Odd Name.exe": "Odd Name", "soffice.bin": "LibreOffice"}
    assert {name: program_title(name) for name in named} == named
