"""The disk on the console: seen at import and on the board, asked at the start. The bounds are moved, not the disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from sqlalchemy import select

from station.domain.disk_budget import MIB, Limits
from station.services import invigilation
from station.store.models import JournalEntry
from station.web.disk_round import DiskRound
from tests.building import PLAN, BuiltRoom
from tests.console.serving import Console, refusal, second

# The log alone may take more than any disk has: answers fit, the whole does not.
TIGHT = Limits(floor=MIB, ballast=0, log=2**60)
LOW = Limits(floor=2**60, ballast=0)


@pytest.fixture
def tight(room: BuiltRoom) -> BuiltRoom:
    """A room that waits for its start, on a tight disk."""
    room.edge.disk.limits = TIGHT
    DiskRound(room.edge)()
    with room.changing() as db:
        invigilation.open_admission(db, room.theory, by=room.staff["invigilator"], at=room.clock.now())
    return room


def start(console: Console, room: BuiltRoom) -> object:
    return console.act(f"/api/sittings/{room.theory}/start")


def test_a_start_on_a_tight_disk_waits_for_the_chief_examiner(tight: BuiltRoom, console: Callable[[str], Console]):
    invigilator = console("invigilator")
    accept = f"/api/sittings/{tight.theory}/accept_tight_disk"
    assert "空闲" in invigilator.board(tight.theory)["disk_to_confirm"]
    assert refusal(start(invigilator, tight)) == (409, "disk_tight")
    assert invigilator.board(tight.theory)["sitting"]["state"] == "admitting"
    assert refusal(invigilator.act(accept)) == (403, "not_allowed")
    assert invigilator.act(accept, second=second("chief_examiner")).status_code == 200
    assert invigilator.board(tight.theory)["disk_to_confirm"] is None
    assert start(invigilator, tight).status_code == 200
    with tight.store.reading() as db:
        entry = db.scalars(select(JournalEntry).where(JournalEntry.event == "disk_tight_accepted")).one()
    assert entry.staff_id == tight.staff["chief_examiner"]


def test_before_the_start_the_board_says_that_space_is_tight_and_afterwards_only_its_foot_does(
    tight: BuiltRoom, console: Callable[[str], Console]
):
    chief = console("chief_examiner")
    assert ("disk_budget", "warn") in alarms(chief, tight)
    chief.act(f"/api/sittings/{tight.theory}/accept_tight_disk")
    start(chief, tight)
    assert alarms(chief, tight) == []
    assert line_of(chief, tight)["level"] == "warn"


def alarms(console: Console, room: BuiltRoom) -> list[tuple[str, str]]:
    found = console.board(room.theory)["alarms"]
    return [(one["code"], one["level"]) for one in found if one["code"] != "seats_not_opened"]


def line_of(console: Console, room: BuiltRoom) -> dict[str, str]:
    """What the foot of the board says of the disk."""
    (line,) = [one for one in console.board(room.theory)["status"] if one["code"] == "disk"]
    return line


def test_on_a_roomy_disk_nobody_is_asked(room: BuiltRoom, console: Callable[[str], Console]):
    room.edge.disk.limits = Limits(floor=MIB, ballast=0)
    DiskRound(room.edge)()
    invigilator = console("invigilator")
    invigilator.act(f"/api/sittings/{room.theory}/open_admission")
    assert invigilator.board(room.theory)["disk_to_confirm"] is None
    assert start(invigilator, room).status_code == 200
    line = line_of(invigilator, room)
    assert (line["level"], line["text"][:4]) == ("ok", "磁盘空闲")


def test_a_disk_below_its_floor_alarms_and_takes_no_import(room: BuiltRoom, console: Callable[[str], Console]):
    room.edge.disk.limits = LOW
    DiskRound(room.edge)()
    technician = console("technician")
    assert ("disk_low", "alarm") in alarms(technician, room)
    answer = technician.post("/api/imports", params={"kind": "plan", "name": "plan.json"}, data=b"{}")
    assert refusal(answer) == (503, "no_space_for_files")


def test_an_import_says_what_the_day_may_need_on_this_server(room: BuiltRoom, console: Callable[[str], Console]):
    technician = console("technician")
    document = json.dumps(PLAN | {"code": "T-2"}, ensure_ascii=False).encode()
    job = technician.post("/api/imports", params={"kind": "plan", "name": "plan.json"}, data=document).json()
    until = time.monotonic() + 30
    while job["state"] == "reading":
        assert time.monotonic() < until
        job = technician.get(f"/api/imports/{job['id']}").json()
    assert job["state"] == "ready", job
    assert "本机需要约" in job["disk"]["text"]
    done = technician.act(f"/api/imports/{job['id']}/confirm").json()
    assert done["disk"]["space"] in {"enough", "tight", "short"}
