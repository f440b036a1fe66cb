"""A PC with an agent at a station on PostgreSQL: registration, orders, codes, commands, the way back."""

from __future__ import annotations

import pytest

from tests.building import build_room
from tests.console.serving import Console, served_staff_app

pytestmark = pytest.mark.postgresql


@pytest.fixture
def room(postgresql_database, tmp_path):
    built = build_room(tmp_path, url=postgresql_database)
    yield built
    built.close()


@pytest.fixture
def pc(pc):
    """The PC of seat 3."""
    pc.register("3")
    return pc


@pytest.fixture
def chief(room):
    with served_staff_app(room) as url, Console(url) as one:
        one.log_in("chief_examiner")
        yield one


def test_a_pcs_day_from_the_lock_to_the_way_back(room, pc):
    room.start()
    pc.open_browser().sit_down(room, room.tickets[2])
    orders = pc.orders()
    assert orders["lock"] is not None
    assert orders["work"]["state"] == "answering"
    assert pc.beat(orders=orders["version"], state={"locked": True})["orders"] == orders["version"]
    pc.boot_id = "boot-2"
    assert pc.open_browser().view() == "paper"


def test_codes_commands_and_decisions_of_the_staff(room, pc, chief):
    room.start()
    pc.beat(orders=pc.orders()["version"])
    assert chief.act("/api/unlock_codes/show", seat_id=room.seat_id("3"), reason="断网").ok
    assert len(chief.act("/api/unlock_codes/sheet", room_id=room.room_id).json()["lines"]) == 1
    assert chief.act("/api/devices/command", device_ids=[pc.device_id], kind="check").ok
    room.edge.roll.look_again()
    command = pc.beat()["commands"][0]
    pc.beat(done=[{"command_id": command["id"], "ok": False, "text": "没有权限"}])
    assert chief.act("/api/devices/free", device_ids=[pc.device_id], reason="重装").ok
    assert pc.orders()["lock"] is None
    seat = next(one for one in chief.get("/api/workstations").json()["rooms"][0]["seats"] if one["seat"] == "3")
    assert (seat["device"]["state"], seat["device"]["commands"][0]["text"]) == ("freed", "没有权限")
