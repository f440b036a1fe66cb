"""`exam-agent check`: against what the station of this PC wants, or against the file that came along."""

import json
from pathlib import Path

import pytest

from client_agent.checks.command import check_by_hand
from client_agent.store import Pairing, Store
from tests.agent.checked_pc import Pc, chrome
from tests.agent.paired_station import refusal, reply

REQUIREMENTS = {"digest": "d7", "items": [{"check": "memory_gb", "recommended": 64, "minimum": 32}]}
MAC = "00:1b:21:aa:bb:cc"


@pytest.fixture
def pc(tmp_path):
    return Pc(tmp_path, chrome())


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "state")
    made.make_folder()
    return made


@pytest.fixture
def wanted(tmp_path):
    path = tmp_path / "wanted.json"
    path.write_text(json.dumps({"items": [{"check": "power"}, {"check": "station"}]}), encoding="utf-8")
    return path


def pair_with(station, store, **changed):
    kept = {
        "address": station.address, "public_key": station.key.public, "token": "token-1", "device_id": 7,
        "machine_id": "m1", "macs": (MAC,),
    }  # fmt: skip
    station.tokens["token-1"] = {}
    store.keep_pairing(Pairing(**{**kept, **changed}))


def check(pc, store, wanted, *, station=None, is_own=True):
    told = []
    findings = check_by_hand(
        pc, store, station=station, wanted=Path(wanted), is_own=is_own, say=lambda zh, _en: told.append(zh)
    )
    return [finding.check for finding in findings], told


def test_a_paired_pc_is_checked_against_what_its_station_wants_and_reports_it(paired, pc, store, wanted):
    pair_with(paired, store)
    paired.wrong["/api/agent/requirements"] = reply(REQUIREMENTS)
    assert check(pc, store, wanted) == (["memory_gb"], [])
    (asked,) = [one for one in paired.asked if one["path"] == "/api/agent/report"]
    report = json.loads(asked["body"])
    assert asked["headers"]["Authorization"] == "Bearer token-1"
    assert (report["requirements"], report["findings"][0]["state"]) == ("d7", "fail")


def test_a_station_that_cannot_be_asked_is_told_and_the_pc_checked_all_the_same(paired, pc, store, wanted):
    pair_with(paired, store)
    paired.wrong["/api/agent/requirements"] = refusal(503, "busy", "正忙")
    checks, told = check(pc, store, wanted)
    assert checks == ["power", "station"]
    assert len(told) == 1
    assert "没有取得考站的要求" in told[0]


def test_the_token_goes_to_no_other_station_than_that_of_the_pairing(paired, station, pc, store, wanted):
    pair_with(paired, store)
    assert check(pc, store, wanted, station=station.address)[0] == ["power", "station"]
    assert paired.asked == []


@pytest.mark.parametrize("changed", [{"token": ""}, {"macs": ("02:00:00:00:00:01",), "machine_id": "another"}])
def test_a_pc_that_is_not_registered_is_checked_against_the_file(paired, pc, store, wanted, changed):
    pair_with(paired, store, **changed)
    assert check(pc, store, wanted)[0] == ["power"]
    assert paired.asked == []


def test_a_file_that_is_named_counts_more_than_the_station(paired, pc, store, wanted):
    pair_with(paired, store)
    assert check(pc, store, wanted, is_own=False)[0] == ["power"]
    assert paired.asked == []
