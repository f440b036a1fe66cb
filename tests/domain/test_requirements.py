"""Requirements of the machines as data, and how those of several certificates are merged (R-ROOM-3)."""

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
    FindingState,
    Measured,
    judge_machine,
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


def by_check(found):
    return {one.check: one for one in found}


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


def test_requirements_of_nothing_are_empty():
    assert parse_requirements(None) == Requirements()
    assert Requirements().of(PC) == ()
    assert Item("memory_gb").as_json() == {"check": "memory_gb", "severity": "fail"}
