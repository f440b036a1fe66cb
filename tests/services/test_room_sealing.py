"""Sealing a room: the gate, who may pass it, what the body says, and what changes afterwards (R-ROOM-7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from station.domain.disk_budget import DISK_SHORT, DISK_TIGHT
from station.domain.sealing import TICKS, PointState
from station.errors import Refused
from station.services import invigilation, pairing, room_sealing
from station.services.seal_points import Trial
from station.store.models import Device, RoomSeal, SealBreak, Sitting, StationLife
from tests.building import BuiltRoom, build_room
from tests.checking import (
    FACTS,
    add_agents,
    agents,
    check_server,
    hear,
    make_ready,
    report,
    send_report,
)
from tests.sealing import ALL_TICKS, changes, events, order, points, refusal_of, seal, standing


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path)
    yield built
    built.close()


def test_r_room_7_a_room_that_is_ready_is_sealed_by_two_people(room):
    make_ready(room)
    seal(room)
    reading = standing(room)
    assert (reading.seal.technician, reading.seal.exam_officer) == ("王技术", "李考务")
    assert reading.seal.forced_by is None
    assert reading.open_breaks == []
    assert events(room) == ["room_sealed"]
    assert len(json.loads(reading.seal.frozen)) == 8  # seven PCs and the server


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("candidate_pcs", lambda room: send_report(room, "3", report(room, {"screens": ("fail", "2")}))),
        ("internet", lambda room: send_report(room, "3", report(room, {"internet": ("fail", "可访问外网")}))),
        ("internet", lambda room: send_report(room, "3", report(room, {"internet": ("unknown", "没有试成")}))),
        ("heard", lambda room: room.edge.devices.forget(agents(room)["3"].id)),
        ("server", lambda room: check_server(room, {"disk_budget": ("fail", "不足")})),
        ("clock", lambda room: check_server(room, {"clock_offset_s": ("fail", "慢 95 s")})),
        ("candidate_pcs", lambda room: room.clock.pass_time(hours=13)),
    ],
)
def test_r_room_7_the_gate_is_closed_while_something_is_open_and_names_it(room, code, spoil):
    make_ready(room)
    spoil(room)
    assert not points(room)[code].holds
    refusal = refusal_of(lambda: seal(room))
    assert refusal.code == "seal_not_ready"
    assert points(room)[code].title[0] in refusal.sentence()
    assert standing(room) is None


def test_a_pc_that_the_technician_has_yet_to_confirm_keeps_the_gate_closed(room):
    make_ready(room)
    with room.changing() as db:
        db.get_one(Device, agents(room)["3"].id).doubt = "macs"
    assert points(room)["paired"].seats == ("3",)
    assert refusal_of(lambda: seal(room)).code == "seal_not_ready"
    with room.changing() as db:
        pairing.confirm_device(db, agents(room)["3"].id, by=room.staff["technician"], at=room.clock.now())
    seal(room)


def test_the_gate_names_the_seats(room):
    make_ready(room)
    for number in "24":
        send_report(room, number, report(room, {"internet": ("fail", "可访问外网")}))
    point = points(room)["internet"]
    assert (point.seats, point.zh) == (("2", "4"), "3 / 5 已确认不通，须处理：2、4")
    assert "2、4" in refusal_of(lambda: seal(room)).sentence()


def test_a_room_without_agents_is_not_taken_for_ready(room):
    found = points(room)
    assert [code for code in ("candidate_pcs", "paired", "heard", "internet", "server") if found[code].holds] == []
    assert found["heard"].zh.startswith("0 / 5")


def test_r_room_1_spares_do_not_hold_the_sealing_up(room):
    make_ready(room)
    send_report(room, "6", report(room, {"screens": ("fail", "2")}))
    found = points(room)["spares"]
    assert (found.state, found.zh) == (PointState.NOTE, "1 / 2 就绪")
    seal(room)


def test_r_room_2_a_spare_that_reaches_the_internet_closes_the_gate(room):
    make_ready(room)
    send_report(room, "7", report(room, {"internet": ("fail", "可访问外网")}))
    assert points(room)["internet"].seats == ("7",)
    assert refusal_of(lambda: seal(room)).code == "seal_not_ready"


def test_r_room_7_the_sign_in_sheet_must_count_whom_the_roster_counts(room):
    make_ready(room)
    wrong = {room.theory: 5, room.practical: 4}
    refusal = refusal_of(lambda: seal(room, order(room, sheets=wrong), facts={"sheets": wrong}))
    assert "实操名单 5 人，签到表 4" in refusal.sentence()
    assert not points(room, sheets={room.theory: 5})["sign_in"].holds


def test_r_room_7_what_only_people_can_see_is_ticked(room):
    make_ready(room)
    refusal = refusal_of(lambda: seal(room, order(room, ticks=ALL_TICKS - {"cameras", "power"})))
    assert "摄像头" in refusal.sentence()
    assert refusal.details["count"] == 2


def test_r_room_7_a_trial_test_that_is_on_record_needs_no_tick_and_one_that_failed_closes_the_gate(room):
    make_ready(room)
    trial = Trial(True, room.clock.now(), "45 人全部交卷", "all 45 handed in")
    untold = order(room, ticks=frozenset(TICKS))
    assert refusal_of(lambda: seal(room, untold)).details["count"] == 1
    assert refusal_of(lambda: seal(room, facts={"trial": replace(trial, is_passed=False)})).code == "seal_not_ready"
    seal(room, untold, facts={"trial": trial})


def test_no_backups_and_no_paper_close_the_gate(room):
    make_ready(room)
    assert not points(room, has_backups=False)["backups"].holds
    with room.changing() as db:
        db.add(StationLife(id=1, alive_at=room.clock.now(), started_at=room.clock.now(), backup_trouble="U 盘已满"))
        db.execute(update(Sitting).where(Sitting.id == room.practical).values(paper_id=None))
    found = points(room)
    assert (found["backups"].holds, found["backups"].zh) == (False, "U 盘已满")
    assert not found["papers"].holds
    assert "实操" in found["papers"].zh


def test_a_backup_that_was_made_is_told_and_a_clock_in_doubt_closes_the_gate(room):
    make_ready(room)
    at = room.clock.now()
    with room.changing() as db:
        db.add(StationLife(id=1, alive_at=at, started_at=at, backed_up_at=at, clock_in_doubt=True))
    found = points(room)
    assert found["backups"].state is PointState.OK
    assert not found["clock"].holds
    with room.changing() as db:
        db.get_one(StationLife, 1).backup_on_same_disk = True
    assert points(room)["backups"].state is PointState.NOTE


def test_a_tight_disk_closes_the_gate_and_too_small_a_one_cannot_be_overridden(room):
    make_ready(room)
    tight = Refused(DISK_TIGHT, full="9 GB", free="8 GB")
    assert refusal_of(lambda: seal(room, facts={"disk": [tight]})).code == "seal_not_ready"
    short = Refused(DISK_SHORT, minimum="9 GB", free="1 GB", folder="D:")
    given = order(room, reason="机构同意")
    refusal = refusal_of(
        lambda: seal(room, given, by="technical_support", is_forced=True, facts={"disk": [tight, short]})
    )
    assert refusal.code == "seal_impossible"
    assert standing(room) is None


def test_r_room_7_technical_support_may_let_a_room_pass_with_a_reason_that_is_kept(room):
    make_ready(room)
    send_report(room, "3", report(room, {"memory_gb": ("fail", "2 GB")}))
    nothing = order(room)
    assert refusal_of(lambda: seal(room, nothing, by="technical_support", is_forced=True)).code == "text_missing"
    seal(room, order(room, reason="3 号机不安排考生"), by="technical_support", is_forced=True)
    kept = standing(room).seal
    assert (kept.forced_by, kept.force_reason) == (room.staff["technical_support"], "3 号机不安排考生")
    assert events(room) == ["room_sealed", "room_seal_forced"]


def test_forcing_a_room_that_is_ready_forces_nothing(room):
    make_ready(room)
    seal(room, order(room, reason="机构同意"), by="technical_support", is_forced=True)
    assert standing(room).seal.forced_by is None
    assert events(room) == ["room_sealed"]


def test_r_room_7_the_body_confirms_once_who_and_when(room):
    make_ready(room)
    by, at = room.staff["technician"], room.clock.now()

    def confirm(name: str = "赵工", way: str = "电话") -> None:
        with room.changing() as db:
            room_sealing.confirm_seal(db, room.room_id, name=name, way=way, by=by, at=at)

    assert refusal_of(confirm).code == "not_sealed"
    seal(room)
    assert refusal_of(lambda: confirm(name=" ")).code == "confirmation_missing"
    confirm()
    kept = standing(room).seal
    assert (kept.confirmed_name, kept.confirmed_way, kept.confirmed_at, kept.confirmed_by) == ("赵工", "电话", at, None)
    assert refusal_of(confirm).code == "seal_confirmed_already"
    assert events(room) == ["room_sealed", "room_seal_confirmed"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"facts": FACTS | {"running": ["explorer.exe", "qq.exe"]}}, "运行中的程序新出现：qq.exe"),
        ({"facts": FACTS | {"disks": ["KINGSTON SA400 240 GB", "USB DISK 32 GB"]}}, "USB DISK 32 GB"),
        ({"wrong": {"internet": ("fail", "可访问外网")}}, "外网隔离：变为不合格"),
        ({"facts": FACTS | {"machine_id": "another"}}, "机器标识新出现：another"),
    ],
)
def test_r_room_7_what_changes_after_the_sealing_breaks_the_seal(room, changed, told):
    make_ready(room)
    seal(room)
    send_report(room, "2", report(room, **changed))
    found = changes(room)
    assert [seat for seat, _ in found] == ["2"] * len(found)
    assert any(told in text for _, text in found), found
    assert events(room) == ["room_sealed", "room_seal_broken"]


def test_the_same_change_is_told_once_and_a_further_one_apart(room):
    make_ready(room)
    seal(room)
    running = FACTS | {"running": ["explorer.exe", "qq.exe"]}
    for _ in range(3):
        send_report(room, "2", report(room, facts=running))
    send_report(room, "2", report(room, {"internet": ("fail", "可访问外网")}, facts=running))
    assert [text for _, text in changes(room)] == ["运行中的程序新出现：qq.exe", "外网隔离：变为不合格"]
    assert events(room).count("room_seal_broken") == 2


def test_figures_that_move_by_themselves_and_programs_of_the_test_break_nothing(room):
    make_ready(room)
    seal(room)
    room.clock.pass_time(hours=2)
    moved = report(
        room, {"disk_free_gb": ("advice", "18 GB")}, facts=FACTS | {"running": ["explorer.exe", "chrome.exe"]}
    )
    send_report(room, "2", moved)
    assert changes(room) == []


def test_another_pc_at_a_seat_and_a_pc_that_changed_seats_break_the_seal(room):
    make_ready(room)
    seal(room)
    known = agents(room)
    with room.changing() as db:
        db.get_one(Device, known["3"].id).seat_id = None
        db.get_one(Device, known["6"].id).seat_id = room.seat_id("3")
        room_sealing.hold_against_seal(db, room.room_id, at=room.clock.now())
    assert sorted(changes(room)) == [("3", "由考位 6 换到 3"), ("3", "考试机被换下或移除")]


def test_a_pc_registered_after_the_sealing_breaks_the_seal(room):
    add_agents(room, ["1", "2", "3", "4", "5", "6"])
    hear(room)
    for number in "123456":
        send_report(room, number)
    check_server(room)
    seal(room)
    add_agents(room, ["7"])
    with room.changing() as db:
        room_sealing.hold_against_seal(db, room.room_id, at=room.clock.now())
    assert changes(room) == [("7", "封场后新登记的考试机")]


def test_what_was_accepted_with_a_reason_breaks_the_seal_no_more(room):
    make_ready(room)
    seal(room)
    swapped = report(room, facts=FACTS | {"disks": ["WD BLUE 500 GB"]})
    send_report(room, "2", swapped)
    (found,) = standing(room).open_breaks
    chief, at = room.staff["chief_examiner"], room.clock.now()

    def accept(reason: str) -> None:
        with room.changing() as db:
            room_sealing.accept_break(db, found.id, reason=reason, by=chief, at=at)

    assert refusal_of(lambda: accept(" ")).code == "text_missing"
    accept("硬盘故障，已更换")
    assert refusal_of(lambda: accept("再次")).code == "break_unknown"
    send_report(room, "2", swapped)
    assert changes(room) == []
    send_report(room, "2")
    assert ("2", "硬盘或移动存储新出现：KINGSTON SA400 240 GB") in changes(room)
    assert "room_seal_accepted" in events(room)


def test_sealing_anew_takes_the_changes_over_and_keeps_the_seal_before(room):
    make_ready(room)
    seal(room)
    send_report(room, "2", report(room, facts=FACTS | {"disks": ["WD BLUE 500 GB"]}))
    assert refusal_of(lambda: seal(room)).code == "already_sealed"
    seal(room, again=True)
    assert changes(room) == []
    with room.store.reading() as db:
        assert [one.ended_at is None for one in db.scalars(select(RoomSeal).order_by(RoomSeal.id))] == [False, True]


def test_unsealing_takes_a_reason_and_ends_the_watch(room):
    make_ready(room)
    by, at = room.staff["technician"], room.clock.now()

    def unseal(reason: str) -> None:
        with room.changing() as db:
            room_sealing.unseal_room(db, room.room_id, reason=reason, by=by, at=at)

    assert refusal_of(lambda: unseal("换机")).code == "not_sealed"
    seal(room)
    assert refusal_of(lambda: unseal("")).code == "text_missing"
    unseal("换机")
    assert standing(room) is None
    send_report(room, "2", report(room, {"internet": ("fail", "可访问外网")}))
    with room.store.reading() as db:
        assert db.scalars(select(SealBreak)).all() == []
    assert events(room) == ["room_sealed", "room_unsealed"]


def test_a_room_is_neither_sealed_nor_unsealed_while_a_test_runs(room):
    make_ready(room)
    seal(room)
    with room.changing() as db:
        invigilation.open_admission(db, room.theory, by=room.staff["invigilator"], at=room.clock.now())
        invigilation.start_sitting(db, room.theory, by=room.staff["invigilator"], at=room.clock.now())
    by = room.staff["technician"]
    with room.changing() as db:
        refusal = refusal_of(
            lambda: room_sealing.unseal_room(db, room.room_id, reason="换机", by=by, at=room.clock.now())
        )
    assert refusal.code == "sitting_under_way"
    assert refusal_of(lambda: seal(room, again=True)).code == "sitting_under_way"


def test_a_break_cannot_be_accepted_on_a_seal_that_has_ended(room):
    make_ready(room)
    seal(room)
    send_report(room, "2", report(room, {"internet": ("fail", "可访问外网")}))
    (found,) = standing(room).open_breaks
    with room.changing() as db:
        by, at = room.staff["technical_support"], room.clock.now() + timedelta(minutes=1)
        room_sealing.unseal_room(db, room.room_id, reason="重做", by=by, at=at)
        refusal = refusal_of(lambda: room_sealing.accept_break(db, found.id, reason="换机", by=by, at=at))
    assert refusal.code == "break_unknown"


@pytest.mark.postgresql
def test_sealing_is_the_same_on_postgresql(tmp_path, postgresql_database):
    room = build_room(tmp_path, url=postgresql_database)
    make_ready(room)
    seal(room)
    send_report(room, "2", report(room, {"internet": ("fail", "可访问外网")}))
    assert changes(room) == [("2", "外网隔离：变为不合格")]
    assert points(room)["internet"].seats == ("2",)
    room.close()
