"""What a seal freezes of a machine, and what then counts as broken (R-ROOM-7)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.domain.readiness import Finding, FindingState
from station.domain.room_seal import FACTS, differences, freeze, parse_facts, thaw
from station.errors import Invalid

FACTS_OF_A_PC = {
    "machine_id": "a1",
    "macs": ["00:1b:21:aa:bb:cc"],
    "disks": ["Kingston A400 240 GB"],
    "system": "Windows 7",
    "browser": "Google Chrome 109.0.5414.120",
    "programs": ["Adobe Photoshop 13.0"],
    "running": ["explorer.exe", "exam-agent.exe"],
    "network": [],
}


def finding(check, state):
    return Finding(check, FindingState(state), ("", ""), ("", ""), ("", ""))


def frozen(*findings, **facts):
    return freeze(FACTS_OF_A_PC | facts, findings)


def changes(now, *, sealed=None, allowed=()):
    return [one.text[0] for one in differences(sealed or frozen(), now, allowed=allowed)]


def test_r_room_7_an_unchanged_pc_keeps_its_seal():
    assert changes(frozen()) == []


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"machine_id": "b2"}, ["机器标识新出现：b2", "机器标识不见了：a1"]),
        ({"macs": ["00:1b:21:aa:bb:cc", "02:00:00:00:00:01"]}, ["网卡新出现：02:00:00:00:00:01"]),
        ({"disks": ["Kingston A400 240 GB", "U盘 16 GB"]}, ["硬盘或移动存储新出现：U盘 16 GB"]),
        ({"programs": []}, ["考试软件不见了：Adobe Photoshop 13.0"]),
        ({"running": ["explorer.exe", "qq.exe"]}, ["运行中的程序新出现：qq.exe"]),
        ({"network": ["gateway 192.168.1.1"]}, ["网络设置新出现：gateway 192.168.1.1"]),
    ],
)
def test_r_room_7_what_changed_after_sealing_is_named(facts, told):
    assert changes(frozen(**facts)) == told


def test_a_program_that_ended_or_that_the_test_allows_breaks_nothing():
    assert changes(frozen(running=["explorer.exe", "Photoshop.exe"]), allowed=["photoshop.EXE"]) == []


def test_r_room_2_the_internet_that_is_reached_after_sealing_breaks_the_seal():
    sealed = frozen(finding("internet", "ok"), finding("memory_gb", "ok"))
    assert changes(frozen(finding("internet", "fail"), finding("memory_gb", "fail")), sealed=sealed) == [
        "外网隔离：变为不合格"
    ]
    assert changes(frozen(finding("internet", "unknown")), sealed=sealed) == ["外网隔离：变为无法检测"]


def test_what_gets_better_or_was_never_frozen_breaks_nothing():
    sealed = frozen(finding("internet", "fail"))
    assert changes(frozen(finding("internet", "ok"), finding("screens", "fail")), sealed=sealed) == []


def test_what_one_side_could_not_read_is_no_difference():
    now = {name: value for name, value in FACTS_OF_A_PC.items() if name != "disks"}
    assert differences(frozen(), freeze(now, [])) == ()
    assert differences(freeze(now, []), frozen()) == ()


names = st.lists(st.text(max_size=5), max_size=4)


@given(st.dictionaries(st.sampled_from(sorted(FACTS)), names), st.dictionaries(st.sampled_from(sorted(FACTS)), names))
def test_a_seal_goes_through_json_and_differs_from_itself_in_nothing(one, other):
    sealed, now = freeze(one, []), freeze(other, [])
    kept = thaw(json.loads(json.dumps(sealed.as_json())))
    assert kept == sealed
    assert differences(kept, sealed) == ()
    both = set(sealed.facts) & set(now.facts)
    assert {found.what for found in differences(kept, now)} <= both


@pytest.mark.parametrize("facts", [[], "x", {"macs": 3}, {"macs": [3]}, {"macs": ["x" * 400]}, {"macs": ["x"] * 900}])
def test_facts_that_are_not_as_the_protocol_says_are_refused(facts):
    with pytest.raises(Invalid) as refusal:
        parse_facts(facts)
    assert refusal.value.code == "report_malformed"


def test_facts_that_a_later_agent_adds_are_passed_over():
    assert parse_facts({"later": ["x"], "system": "Windows 7"}) == {"system": ("Windows 7",)}
