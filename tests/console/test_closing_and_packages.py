"""The end of a sitting at the console: what is not in order, closing, and where the results are."""

from __future__ import annotations

import hashlib

import pytest

from station.services import packages
from station.store.models import ResultPackage
from tests.console.serving import refusal


@pytest.fixture
def closed(room, console):
    """The theory, with nobody there, closed by a lone technician."""
    room.start()
    console("invigilator").act("/api/entries/absent", all=True, sitting_id=room.theory)
    technician = console("technician")
    assert technician.act(f"/api/sittings/{room.theory}/close").status_code == 200
    return technician


@pytest.fixture
def package_id(room, closed):
    content = b"a sealed package"
    with room.changing() as db:
        package = packages.queue_result_package(db, room.theory, at=room.clock.now())
        package.sha256, package.size = hashlib.sha256(content).hexdigest(), len(content)
        (room.store.folder / "outbox").mkdir(exist_ok=True)
        (room.store.folder / "outbox" / package.file_name).write_bytes(content)
        return package.id


def test_r_end_1_the_list_says_what_must_be_settled_before_closing(console, room):
    one = console("invigilator")
    room.start()
    room.enter(room.tickets[0])
    listed = one.get(f"/api/sittings/{room.theory}/closing_list").json()
    assert listed["may_close"] is False
    assert [point["code"] for point in listed["points"]].count("absence_open") == 4
    assert refusal(one.act(f"/api/sittings/{room.theory}/close")) == (409, "not_in_order")
    one.act("/api/attempts/collect", all=True, sitting_id=room.theory, reason="结束")
    open_ones = [seat["entry_id"] for seat in one.board(room.theory)["seats"] if seat["state"] == "expected"]
    one.act("/api/entries/absent", entry_ids=open_ones)
    assert one.get(f"/api/sittings/{room.theory}/closing_list").json() == {"may_close": True, "points": []}
    assert one.act(f"/api/sittings/{room.theory}/close").status_code == 200


def test_r_end_0_a_lone_technician_closes_once_the_decisions_are_in(closed, room):
    assert closed.board(room.theory)["sitting"]["state"] == "closed"


def test_an_inspector_does_not_close(console, room):
    room.start()
    assert refusal(console("inspector").act(f"/api/sittings/{room.theory}/close")) == (403, "not_allowed")


def test_packages_are_listed_with_state_and_receipt(closed, room, package_id):
    with room.changing() as db:
        db.get_one(ResultPackage, package_id).receipt_code = "AB12-CD34"
    listed = closed.get(f"/api/sittings/{room.theory}/packages").json()
    assert [(one["state"], one["receipt_code"]) for one in listed] == [("waiting", "AB12-CD34")]
    assert closed.get("/api/packages").json()[0]["sitting"] == "网店运营推广 理论 第一机房"


def test_r_end_2_a_package_is_exported_to_a_file_and_that_is_recorded(closed, room, package_id):
    made = closed.act(f"/api/packages/{package_id}/export").json()
    content = closed.get(made["url"]).content
    assert hashlib.sha256(content).hexdigest() == made["sha256"]
    assert closed.board(room.theory)["events"][0]["event"] == "package_exported"


def test_an_invigilator_cannot_take_a_package_out(console, closed, package_id):
    one = console("invigilator")
    assert refusal(one.act(f"/api/packages/{package_id}/export")) == (403, "not_allowed")
    assert one.get(f"/packages/{package_id}/file").status_code == 403


def test_a_package_in_trouble_is_an_alarm_and_can_be_sent_again(closed, room, package_id):
    with room.changing() as db:
        db.get_one(ResultPackage, package_id).state = "needs_attention"
    assert "package_troubled" in [one["code"] for one in closed.board(room.theory)["alarms"]]
    assert closed.act(f"/api/packages/{package_id}/retry").status_code == 200
    assert closed.get("/api/packages").json()[0]["state"] == "waiting"


def test_an_unknown_package_is_missing(closed):
    assert refusal(closed.act("/api/packages/99/retry")) == (404, "package_unknown")
