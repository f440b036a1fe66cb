"""The room at a glance: which PCs are fit, which are not heard, and what many have in common."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from station.domain.checks import MachineRole
from station.domain.readiness import REPORT_MALFORMED, seats_ready
from station.errors import StationError
from station.services import room_check, seat_links
from station.services.room_check import Machine, PcState
from station.store.models import DeviceCommand, ReadinessReport
from tests.building import PLAN, BuiltRoom, build_room, events
from tests.checking import add_agents, agents, check_server, hear, heard, picture, report, send_report


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path)
    yield built
    built.close()


def states(room: BuiltRoom) -> dict[str, PcState]:
    return {one.reading.number: one.state for one in picture(room).pcs}


def summary(room: BuiltRoom) -> str:
    return seats_ready(one.counted for one in picture(room).pcs)[0]


def test_r_room_1_spares_are_counted_apart(room):
    add_agents(room)
    hear(room)
    for number in ("1", "2", "3", "4", "5", "6"):
        send_report(room, number)
    assert summary(room) == "5 / 5 就绪，备用机 1 / 2"


def test_a_pc_is_fit_only_while_it_is_heard(room):
    add_agents(room)
    hear(room, ["1", "2"])
    for number in ("1", "2", "3"):
        send_report(room, number)
    assert [states(room)[one] for one in "123"] == [PcState.READY, PcState.READY, PcState.UNHEARD]
    assert summary(room).startswith("2 / 5 就绪")


def test_a_seat_says_what_is_missing_there(room):
    seat_id = room.seat_id("5")
    with room.changing() as db:
        code = seat_links.seat_link_code(room.edge.secret, seat_id)
        at = room.clock.now()
        seat_links.open_seat(db, seat_id, code=code, secret=room.edge.secret, address="192.168.1.105", at=at)
    add_agents(room, ["1", "2"])
    hear(room)
    send_report(room, "1")
    found = states(room)
    assert (found["1"], found["2"], found["4"], found["5"]) == (
        PcState.READY,
        PcState.UNCHECKED,
        PcState.NONE,
        PcState.LINK,
    )


def test_r_room_2_a_pc_that_reaches_the_internet_is_not_ready(room):
    add_agents(room)
    hear(room)
    send_report(room, "3", report(room, {"internet": ("fail", "可访问 www.example.com")}))
    pc = next(one for one in picture(room).pcs if one.reading.number == "3")
    assert (pc.state, [one.check for one in pc.faults]) == (PcState.NOT_READY, ["internet"])
    assert events(room, "readiness_worsened") == ["readiness_worsened"]
    send_report(room, "3")
    assert states(room)["3"] is PcState.READY
    assert events(room, "readiness_restored") == ["readiness_restored"]


def test_what_a_report_leaves_out_is_not_taken_for_well(room):
    add_agents(room)
    hear(room)
    document = report(room)
    document["findings"] = [one for one in document["findings"] if one["check"] != "internet"]
    send_report(room, "1", document)
    pc = picture(room).pcs[0]
    assert pc.state is PcState.WARNING
    assert [one.check for one in pc.faults] == ["internet"]


def test_the_same_fault_on_many_pcs_is_one_line_the_worst_first(room):
    add_agents(room)
    hear(room)
    for number in "1245":
        send_report(room, number, report(room, {"internet": ("fail", "可访问外网")}))
    send_report(room, "3", report(room, {"memory_gb": ("advice", "6 GB"), "screens": ("fail", "2")}))
    groups = room_check.group_faults(picture(room).pcs)
    told = [(one.finding.check, [pc.reading.number for pc in one.pcs]) for one in groups]
    assert told == [("internet", list("1245")), ("screens", ["3"]), ("memory_gb", ["3"])]


def test_r_room_3_when_what_is_wanted_changes_the_pcs_are_to_be_checked_again(room):
    add_agents(room)
    hear(room)
    send_report(room, "1", report(room, requirements="of yesterday"))
    assert states(room)["1"] is PcState.STALE
    send_report(room, "2", report(room, {"screens": ("fail", "2")}, requirements="of yesterday"))
    assert states(room)["2"] is PcState.NOT_READY


def test_r_room_3_wants_are_those_of_the_certificates_in_the_room(tmp_path):
    plan = copy.deepcopy(PLAN)
    wanted = [{"check": "memory_gb", "recommended": 32, "minimum": 16}]
    plan["certificates"][0]["requirements"] = {"candidate_pc": wanted, "server": wanted}
    built = build_room(tmp_path, plan=plan)
    with built.store.reading() as db:
        pc = room_check.items_for(db, Machine.pc(1, seat_number="1", room_id=built.room_id))
        server = room_check.items_for(db, Machine.server())
    built.close()
    assert [float(one.minimum) for one in (*pc, *server) if one.check == "memory_gb"] == [16.0, 16.0]


def test_one_report_of_each_machine_is_kept_the_last(room):
    add_agents(room)
    hear(room)
    for _ in range(3):
        send_report(room, "1")
        room.clock.pass_time(minutes=1)
    check_server(room)
    check_server(room, {"disk_budget": ("fail", "不足")})
    with room.store.reading() as db:
        assert db.scalar(select(func.count()).select_from(ReadinessReport)) == 2
    server = next(one for one in picture(room).machines if one.role == MachineRole.SERVER)
    assert server.state == "not_ready"


def test_a_report_that_is_no_report_is_refused_and_changes_nothing(room):
    add_agents(room)
    send_report(room, "1")
    for findings in (None, "all is well", [{"check": "internet"}], [{"check": "x" * 65, "state": "ok"}]):
        with pytest.raises(StationError) as refusal:
            send_report(room, "1", {"requirements": "", "findings": findings})
        assert refusal.value.problem is REPORT_MALFORMED
    hear(room)
    assert states(room)["1"] is PcState.READY


def test_a_machine_without_a_report_and_a_room_elsewhere_are_unknown(room):
    with room.store.reading() as db:
        for asked, code in (
            (lambda: room_check.read_report(db, "pc:99"), "report_unknown"),
            (lambda: room_check.room_of(db, 99), "room_not_here"),
        ):
            with pytest.raises(StationError) as refusal:
                asked()
            assert refusal.value.code == code


def test_a_check_is_under_way_until_the_report_comes_or_the_pc_stays_silent(room):
    device = add_agents(room)["1"]
    hear(room)
    asked_at = room.clock.now()
    with room.changing() as db:
        db.add(DeviceCommand(device_id=device.id, kind="check", given_at=asked_at))

    def is_checking(after: timedelta) -> bool:
        with room.store.reading() as db:
            at = asked_at + after
            return room_check.read_picture(db, room.room_id, heard=heard(room), at=at).pcs[0].is_checking

    assert is_checking(timedelta(seconds=5))
    assert not is_checking(timedelta(minutes=2))
    room.clock.pass_time(seconds=4)
    send_report(room, "1")
    assert not is_checking(timedelta(seconds=5))
    assert agents(room)["1"].id == device.id
