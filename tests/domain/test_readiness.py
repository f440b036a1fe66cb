"""Requirements as data, merged and judged (R-ROOM-3), and what a report means for the room."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.domain.checks import CHECKS, DEFAULTS, MachineRole, Rule, Severity
from station.domain.document import Node
from station.domain.plan import parse_plan
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
    Item,
    Requirements,
    as_answer,
    digest_of,
    merge_items,
    parse_requirements,
    room_requirements,
    version_key,
    with_defaults,
)
from station.errors import Invalid

SAMPLE = Path(__file__).parents[2] / "station" / "sample" / "plan.json"
PC = MachineRole.CANDIDATE_PC
SERVER = MachineRole.SERVER
# The handbook of 数字化管理会计 for candidate PCs (R-ROOM-3).
ACCOUNTING = [
    {"check": "cpu_cores", "recommended": 2, "minimum": 2},
    {"check": "cpu_ghz", "recommended": "3.0", "minimum": "3.0"},
    {"check": "memory_gb", "recommended": 8, "minimum": 4},
    {"check": "disk_gb", "recommended": 500, "minimum": 200},
    {"check": "system_version", "recommended": "6.1", "minimum": "6.1"},
]
MARKETING = [
    {"check": "memory_gb", "recommended": 8, "minimum": 4},
    {"check": "disk_gb", "recommended": 100, "minimum": 100},
    {"check": "programs", "wanted": [{"name": "Adobe Photoshop", "minimum": "13.0"}]},
    {"check": "forbidden_programs", "names": ["Chat.exe"]},
]


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


# --- requirements are data -----------------------------------------------------------------------------------------


def test_r_room_3_the_sample_plan_holds_the_handbooks_table():
    certificate = parse_plan(json.loads(SAMPLE.read_text("utf-8"))).certificates[0]
    room = certificate.requirements.room
    assert (room.candidate_pcs, room.powered_hours) == (40, 5)
    server = by_check(certificate.requirements.of(SERVER))
    assert (server["cpu_cores"].recommended, server["cpu_cores"].minimum) == (16, 8)
    assert (server["memory_gb"].recommended, server["memory_gb"].minimum) == (32, 16)
    pc = by_check(certificate.requirements.of(PC))
    assert (pc["memory_gb"].recommended, pc["memory_gb"].minimum) == (8, 4)
    assert pc["video_memory_gb"].minimum == 2
    wanted = {program.name: program.minimum for program in pc["programs"].programs}
    assert wanted["Adobe Photoshop"] == "13.0"
    assert {"Adobe Dreamweaver", "Adobe Fireworks", "Firefox"} <= set(wanted)


def test_r_room_1_a_room_needs_the_larger_number_of_pcs_and_the_longer_power():
    one = requirements(room={"candidate_pcs": 45, "powered_hours": 4})
    other = requirements(room={"candidate_pcs": 40, "powered_hours": 5})
    room = room_requirements([one, other]).room
    assert (room.candidate_pcs, room.powered_hours) == (45, 5)


def test_r_room_3_of_two_certificates_in_a_room_the_highest_counts():
    merged = by_check(
        room_requirements([requirements(candidate_pc=ACCOUNTING), requirements(candidate_pc=MARKETING)]).of(PC)
    )
    assert (merged["disk_gb"].recommended, merged["disk_gb"].minimum) == (500, 200)
    assert [program.name for program in merged["programs"].programs] == ["Adobe Photoshop"]
    assert {"chat.exe", "qq.exe"} <= set(merged["forbidden_programs"].names)


def test_a_certificates_bounds_stand_before_the_stations_own():
    own = requirements(candidate_pc=[{"check": "disk_free_gb", "recommended": 2, "minimum": 1}])
    assert by_check(room_requirements([own]).of(PC))["disk_free_gb"].minimum == 1


def test_a_room_without_a_plan_has_the_stations_own_wishes():
    found = room_requirements([])
    for role in MachineRole:
        assert [one.check for one in found.of(role)] == sorted(
            (entry["check"] for entry in DEFAULTS[role]), key=list(CHECKS).index
        )


def test_a_higher_version_of_the_same_program_counts():
    one = items({"check": "programs", "wanted": [{"name": "Adobe Photoshop", "minimum": "9.0"}]})
    other = items({"check": "programs", "wanted": [{"name": "adobe  photoshop", "minimum": "13.0"}]})
    (merged,) = merge_items(one, other)
    assert [program.minimum for program in merged.programs] == ["13.0"]


def test_a_check_that_the_station_lacks_is_refused_by_name_at_import():
    with pytest.raises(Invalid) as refusal:
        items({"check": "quantum_bits", "recommended": 1, "minimum": 1})
    assert refusal.value.code == "check_unknown"
    assert "quantum_bits" in refusal.value.sentence()


def test_a_check_of_another_machine_is_refused():
    with pytest.raises(Invalid) as refusal:
        items({"check": "fixed_address"}, role=PC)
    assert refusal.value.code == "check_unknown"


@pytest.mark.parametrize(
    "entry",
    [
        {"check": "memory_gb", "recommended": 4, "minimum": 8},
        {"check": "round_trip_ms", "recommended": 1000, "minimum": 50},
        {"check": "system_version", "recommended": "6.1", "minimum": "10.0"},
    ],
)
def test_a_recommendation_laxer_than_the_minimum_is_refused(entry):
    with pytest.raises(Invalid) as refusal:
        items(entry)
    assert refusal.value.code == "bounds_crossed"


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"check": "memory_gb", "recommended": 8}, "document_field_missing"),
        ({"check": "memory_gb", "recommended": "much", "minimum": 4}, "document_field_wrong"),
        ({"check": "memory_gb", "recommended": 8, "minimum": 4, "severity": "fatal"}, "document_field_wrong"),
        ({"check": "programs", "wanted": []}, "document_field_missing"),
        ({"check": "programs", "wanted": [{"name": "Photoshop", "minimum": "CS6"}]}, "document_field_wrong"),
        ({"check": "forbidden_programs", "names": [3]}, "document_field_wrong"),
    ],
)
def test_a_malformed_requirement_is_refused_with_its_place(entry, code):
    with pytest.raises(Invalid) as refusal:
        items(entry)
    assert refusal.value.code == code
    assert "candidate_pc[1]" in refusal.value.sentence()


def test_a_check_named_twice_is_refused():
    with pytest.raises(Invalid) as refusal:
        items(*ACCOUNTING, ACCOUNTING[0])
    assert refusal.value.code == "id_twice"


def test_the_digest_changes_with_what_is_wanted_and_with_nothing_else():
    one, other = items(*ACCOUNTING), items(*reversed(ACCOUNTING))
    assert digest_of(merge_items(one)) == digest_of(merge_items(other))
    changed = [*ACCOUNTING[:-1], {"check": "system_version", "recommended": "10.0", "minimum": "6.1"}]
    assert digest_of(items(*changed)) != digest_of(one)


def test_what_agents_are_answered_is_plain_json_that_is_read_back_the_same():
    merged = room_requirements([requirements(candidate_pc=[*ACCOUNTING, *MARKETING[2:]])]).of(PC)
    answer = json.loads(json.dumps(as_answer(merged)))
    assert answer["digest"] == digest_of(merged)
    assert {"check": "memory_gb", "severity": "fail", "recommended": 8, "minimum": 4} in answer["items"]
    text = [
        {name: str(value) if isinstance(value, float) else value for name, value in entry.items()}
        for entry in answer["items"]
    ]
    assert items(*text) == merged


def test_versions_are_compared_by_their_numbers():
    assert version_key("6.1") < version_key("6.3") < version_key("10.0") == version_key("10")
    assert version_key("13.0.1") > version_key("13.0")
    assert version_key("12b.9") == version_key("12")
    assert version_key("") == ()


bounds = st.integers(0, 64)


@st.composite
def item_lists(draw):
    """Draw a certificate's list of items."""
    entries = []
    for check in draw(st.lists(st.sampled_from(sorted(CHECKS)), unique=True)):
        rule, entry = CHECKS[check].rule, {"check": check, "severity": draw(st.sampled_from(list(Severity)))}
        low, high = sorted([draw(bounds), draw(bounds)])
        if rule is Rule.AT_LEAST:
            entry |= {"recommended": high, "minimum": low}
        elif rule is Rule.AT_MOST:
            entry |= {"recommended": low, "minimum": high}
        elif rule is Rule.VERSION:
            entry |= {"recommended": f"{high}.0", "minimum": f"{low}.0"}
        elif rule is Rule.PROGRAMS:
            entry["wanted"] = [{"name": draw(st.sampled_from(["A", "a", "B c"])), "minimum": str(low)}]
        else:
            entry["names"] = draw(st.lists(st.sampled_from(["x.exe", "X.EXE", "y"])))
        role = sorted(CHECKS[check].roles)[0]
        entries.append(items(entry, role=role)[0])
    return tuple(entries)


@given(st.lists(item_lists(), min_size=1, max_size=3))
def test_merging_does_not_depend_on_order_or_grouping_or_repetition(lists):
    merged = merge_items(*lists)
    assert all(merge_items(*order) == merged for order in permutations(lists))
    assert merge_items(lists[0], merge_items(*lists[1:])) == merged
    assert merge_items(merged, *lists) == merged


@given(item_lists(), item_lists(), st.dictionaries(st.sampled_from(sorted(CHECKS)), bounds))
def test_what_is_fit_for_the_merged_requirements_is_fit_for_each_certificate(one, other, values):
    def states(listed):
        measured = {
            check: Measured(f"{value}.0" if CHECKS[check].rule is Rule.VERSION else Decimal(value))
            for check, value in values.items()
        }
        return {
            found.check: found.state
            for found in judge_machine(listed, measured)
            if CHECKS[found.check].rule in (Rule.AT_LEAST, Rule.AT_MOST, Rule.VERSION)
        }

    merged = states(merge_items(one, other))
    for apart in (states(one), states(other)):
        for check, state in apart.items():
            assert merged[check] is not FindingState.OK or state is FindingState.OK
            assert state is not FindingState.FAIL or merged[check] is FindingState.FAIL


# --- judging what an edge measured ---------------------------------------------------------------------------------


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


# --- what a report means for the room ------------------------------------------------------------------------------


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


def test_requirements_of_nothing_are_empty():
    assert parse_requirements(None) == Requirements()
    assert Requirements().of(PC) == ()
    assert Item("memory_gb").as_json() == {"check": "memory_gb", "severity": "fail"}
