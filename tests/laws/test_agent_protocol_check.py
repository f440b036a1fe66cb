"""The room check of both sides: what the station wants the agent can measure, and its reports are understood."""

import json
from pathlib import Path

import pytest

import client_agent
from client_agent.checks import parse_requirements as read_by_agent
from client_agent.checks.check import Pc as CheckedPc
from client_agent.checks.facts import read_facts
from client_agent.checks.finding import version_key as agents_version_key
from client_agent.checks.run import CHECKS as MEASURED
from client_agent.checks.run import make_report
from station.domain.checks import CHECKS, MachineRole, Rule
from station.domain.plan import parse_plan
from station.domain.readiness import Readiness, judge_report, parse_findings
from station.domain.requirements import as_answer, room_requirements, version_key
from station.domain.room_seal import FACTS, differences, freeze
from tests.agent.checked_pc import Pc, chrome
from tests.laws.sources import ROOT

SAMPLE = json.loads((ROOT / "station" / "sample" / "plan.json").read_text("utf-8"))
ITEMS = room_requirements([one.requirements for one in parse_plan(SAMPLE).certificates]).of(MachineRole.CANDIDATE_PC)


def over_the_wire(document):
    return json.loads(json.dumps(document))


def report_of(pc):
    requirements = read_by_agent(over_the_wire(as_answer(ITEMS)))
    # Whether the build machine reaches the Internet, and a station, is no matter of this test.
    here = [item for item in requirements.items if item.check != "internet"]
    body = make_report(type(requirements)(tuple(here), requirements.digest), pc, None, probes=pc.probes()).body
    return over_the_wire(body)


def test_every_check_that_a_plan_may_want_of_a_candidate_pc_is_measured_by_the_agent():
    wanted = {name for name, check in CHECKS.items() if MachineRole.CANDIDATE_PC in check.roles}
    assert wanted == set(MEASURED)


def test_both_sides_call_a_check_the_same():
    assert {name: check.title for name, check in MEASURED.items()} == {name: CHECKS[name].title for name in MEASURED}


def test_what_comes_along_with_the_agent_is_what_the_station_wants_by_itself():
    own = json.loads(Path(client_agent.__file__).with_name("wanted.json").read_text("utf-8"))
    assert own["items"] == over_the_wire(as_answer(room_requirements([]).of(MachineRole.CANDIDATE_PC)))["items"]


def test_the_agent_reads_all_that_the_station_answers():
    read = {item.check: item for item in read_by_agent(over_the_wire(as_answer(ITEMS))).items}
    assert list(read) == [item.check for item in ITEMS]
    for item in ITEMS:
        assert (read[item.check].recommended is None) == (item.recommended is None)
        assert [one.name for one in read[item.check].wanted] == [one.name for one in item.programs]
        assert read[item.check].names == item.names
        if CHECKS[item.check].rule in (Rule.AT_LEAST, Rule.AT_MOST):
            assert read[item.check].minimum == float(item.minimum)


def test_r_day_1_a_report_of_the_agent_is_judged_and_frozen_by_the_station(tmp_path):
    report = report_of(Pc(tmp_path, chrome()))
    findings = parse_findings(report["findings"])
    judged = judge_report(findings, ITEMS)
    fixes = {one.check for one in judged.to_fix}
    assert judged.readiness is Readiness.NOT_READY
    assert "programs" in fixes  # this PC has Photoshop only
    assert "memory_gb" not in fixes
    frozen = freeze(report["facts"], findings)
    assert differences(frozen, freeze(report_of(Pc(tmp_path, chrome()))["facts"], findings)) == ()
    changed = freeze(report_of(Pc(tmp_path, chrome(), windowed=["qq.exe"]))["facts"], findings)
    assert [one.text[0] for one in differences(frozen, changed)] == ["运行中的程序新出现：qq.exe"]


def test_every_fact_that_the_agent_sends_is_one_that_the_station_freezes(tmp_path):
    pc = Pc(tmp_path, chrome())
    sent = read_facts(read_by_agent(as_answer(ITEMS)), CheckedPc(pc, pc.probes(), None))
    assert set(sent) <= set(FACTS)
    assert set(FACTS) - set(sent) == {"addresses"}  # of the server only: PCs may get theirs from DHCP


@pytest.mark.parametrize("version", ["", "6.1", "10.0", "10", "13.0.1", "12b.9", "x", "115.0 ESR", "6.1.7601"])
def test_both_sides_read_versions_the_same_way(version):
    assert agents_version_key(version) == version_key(version)
