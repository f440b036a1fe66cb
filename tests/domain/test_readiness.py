"""Measurements and reports judged against requirements (R-ROOM-3), and what they mean for the room."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.domain.checks import CHECKS, MachineRole
from station.domain.document import Node
from station.domain.readiness import (
    Finding,
    FindingState,
    Measured,
    Readiness,
    SeatReport,
    count_seats,
    judge_item,
    judge_machine,
    judge_report,
    parse_findings,
    seats_ready,
)
from station.domain.requirements import (
    parse_requirements,
    room_requirements,
    with_defaults,
)
from station.errors import Invalid

SERVER = MachineRole.SERVER
PC = MachineRole.CANDIDATE_PC


def requirements(**machines):
    return parse_requirements(Node(machines, "plan.json.requirements"))


def items(*entries, role=PC):
    return requirements(**{role: list(entries)}).of(role)


def item(check, **fields):
    role = next(iter(sorted(CHECKS[check].roles)))
    return items({"check": check, **fields}, role=role)[0]


def finding(check="memory_gb", state="ok", value=None):
    texts = ("", "")
    return Finding(check, FindingState(state), ("内存", "Memory"), texts, texts, texts, value)


def by_check(found):
    return {one.check: one for one in found}


@pytest.mark.parametrize(
    ("check", "recommended", "minimum", "value", "state"),
    [
        ("cpu_cores", 16, 8, 16, "ok"),
        ("cpu_cores", 16, 8, 8, "advice"),
        ("cpu_cores", 16, 8, 7, "fail"),
        ("round_trip_ms", 50, 1000, 50, "ok"),
        ("round_trip_ms", 50, 1000, 51, "advice"),
        ("round_trip_ms", 50, 1000, 1001, "fail"),
        ("clock_offset_s", 5, 60, -61, "advice"),
        ("cpu_ghz", 3, 3, 1, "advice"),
    ],
)
def test_r_room_3_recommended_minimum_and_below(check, recommended, minimum, value, state):
    found = judge_item(item(check, recommended=recommended, minimum=minimum), Measured(Decimal(value)))
    assert found.state == state
    assert any(found.to_do) == (state != "ok")


def test_memory_that_graphics_and_firmware_keep_back_counts_as_there():
    wanted = item("memory_gb", recommended=32, minimum=16)
    assert judge_item(wanted, Measured(Decimal("27.3"))).state is FindingState.OK
    assert judge_item(wanted, Measured(Decimal("13.5"))).state is FindingState.FAIL


@pytest.mark.parametrize(("version", "state"), [("6.1", "fail"), ("6.2", "fail"), ("6.3", "ok"), ("10.0.17763", "ok")])
def test_r_room_10_a_server_2008_r2_is_told_that_it_is_too_old_and_what_it_can_still_serve_for(version, state):
    wanted = next(one for one in room_requirements([]).of(SERVER) if one.check == "system_version")
    found = judge_item(wanted, Measured(version))
    assert found.state == state
    assert ("2008 R2" in found.to_do[0]) == (state == "fail")
    assert ("SQL Server" in found.to_do[1]) == (state == "fail")


def test_r_room_2_a_server_without_a_fixed_address_is_not_fit():
    wanted = room_requirements([]).of(SERVER)
    found = by_check(judge_machine(wanted, {"fixed_address": Measured(value=False)}))
    assert found["fixed_address"].state is FindingState.FAIL
    assert found["cpu_cores"].state is FindingState.UNKNOWN


def test_other_services_on_the_server_are_told_and_no_obstacle():
    found = judge_item(item("ports"), Measured(("80 (httpd)",)))
    assert (found.state, found.measured) == (FindingState.ADVICE, ("80 (httpd)", "80 (httpd)"))
    assert judge_item(item("ports"), Measured(())).state is FindingState.OK


def test_findings_go_through_json_and_back():
    wanted = room_requirements([]).of(SERVER)
    made = judge_machine(wanted, {"cpu_cores": Measured(Decimal(8)), "ports": Measured(("80",))})
    assert parse_findings(json.loads(json.dumps([one.as_json() for one in made]))) == tuple(made)


@pytest.mark.parametrize(
    "entries",
    [
        None,
        "ok",
        [{"check": "a", "state": "fine"}],
        [{"check": "", "state": "ok"}],
        [{"check": "a", "state": "ok", "title": "text"}],
        [{"check": "a", "state": "ok", "to_do": {"zh": "x" * 3000}}],
        [{"check": "a", "state": "ok"}] * 2,
        [7],
        [{"check": str(number), "state": "ok"} for number in range(200)],
    ],
)
def test_a_report_that_is_not_as_the_protocol_says_is_refused(entries):
    with pytest.raises(Invalid) as refusal:
        parse_findings(entries)
    assert refusal.value.code == "report_malformed"


WANTED = with_defaults((), PC)


def everything(**states):
    return [finding(one.check, states.get(one.check, "ok")) for one in WANTED]


@pytest.mark.parametrize(
    ("states", "readiness"),
    [
        ({}, "ready"),
        ({"memory_gb": "advice"}, "warning"),
        ({"memory_gb": "fail"}, "not_ready"),
        ({"memory_gb": "advice", "internet": "fail"}, "not_ready"),
        ({"internet": "unknown"}, "warning"),
        ({"antivirus": "unknown"}, "ready"),
    ],
)
def test_r_room_7_a_pc_is_ready_ready_with_a_warning_or_not(states, readiness):
    judged = judge_report(everything(**states), WANTED)
    assert judged.readiness == readiness
    assert {one.check for one in judged.to_fix} == set(states)


def test_what_to_fix_begins_with_the_worst():
    judged = judge_report(everything(memory_gb="advice", wired="fail", fonts="unknown"), WANTED)
    assert [one.check for one in judged.to_fix] == ["wired", "fonts", "memory_gb"]


def test_an_agent_that_leaves_out_a_check_is_a_warning_and_told_by_name():
    judged = judge_report([one for one in everything() if one.check != "internet"], WANTED)
    assert judged.readiness is Readiness.WARNING
    assert [one.check for one in judged.to_fix] == ["internet"]
    assert "升级" in judged.to_fix[0].to_do[0]


def test_a_failed_check_that_nobody_asked_for_counts_all_the_same():
    assert judge_report([*everything(), finding("later", "fail")], WANTED).readiness is Readiness.NOT_READY


def test_a_report_for_older_requirements_is_a_warning():
    assert judge_report(everything(), WANTED, is_outdated=True).readiness is Readiness.WARNING


def test_a_mark_that_is_gone_after_a_restart_tells_that_the_disk_is_reset():
    def judged(now, before):
        made = [one for one in everything() if one.check != "restore_card"]
        return judge_report([*made, finding("restore_card", "unknown", now)], WANTED, previous=before)

    before = {"boot_id": "monday", "survived": False}
    assert judged({"boot_id": "monday", "survived": False}, before).readiness is Readiness.READY
    reset = judged({"boot_id": "tuesday", "survived": False}, before)
    assert reset.readiness is Readiness.WARNING
    assert reset.to_fix[0].measured[0] == "重启后硬盘被还原"
    assert judged({"boot_id": "tuesday", "survived": True}, before).readiness is Readiness.READY


def test_r_room_1_the_room_is_summed_up_with_spares_apart():
    seats = [SeatReport(False, Readiness.READY)] * 38 + [SeatReport(False, Readiness.WARNING)] * 2
    seats += [SeatReport(True, Readiness.READY)] * 4 + [SeatReport(True, None)]
    assert seats_ready(seats) == (
        "40 / 40 就绪（2 台有提示），备用机 4 / 5",
        "40 of 40 ready (2 with a warning), 4 of 5 spares",
    )
    assert seats_ready(seats[:38]) == ("38 / 38 就绪", "38 of 38 ready")


@given(st.lists(st.builds(SeatReport, st.booleans(), st.none() | st.sampled_from(Readiness))))
def test_every_seat_is_counted_once(seats):
    for count in count_seats(seats):
        assert count.fit + count.not_ready + count.unheard == count.all
        assert 0 <= count.warned <= count.fit
    own, spare = count_seats(seats)
    assert own.all + spare.all == len(seats)
