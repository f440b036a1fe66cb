import json
import os
import threading
import time
from pathlib import Path

import pytest

import client_agent
from client_agent.checks import Item, Requirements, is_fit, load_requirements, parse_requirements, storage
from client_agent.checks.finding import WantedProgram
from client_agent.checks.probes import Adapter, Antivirus, Battery, Installed, RemoteWay, Screen, System
from client_agent.checks.run import CHECKS, check_and_report, run_checks
from client_agent.errors import AgentError
from client_agent.report import as_json, as_table
from tests.agent.checked_pc import NOT_TOLD, Pc, chrome

WANTED = load_requirements(Path(client_agent.__file__).with_name("wanted.json"))
# Whether the build machine reaches the Internet is no matter of these tests: test_internet.py asks that.
OFFLINE = Requirements(tuple(item for item in WANTED.items if item.check != "internet"))


@pytest.fixture
def pc(tmp_path):
    return Pc(tmp_path, chrome())


def check(pc, check, station=None, **wanted):
    """Run one check."""
    (finding,) = run_checks(Requirements((Item(check, **wanted),)), pc, station)
    return finding


def states(findings):
    return {finding.check: finding.state for finding in findings}


# --- the whole check -------------------------------------------------------------------------------------------------


def test_r_room_3_a_pc_that_has_everything_is_fit(station, pc):
    findings = run_checks(OFFLINE, pc, station.address)
    assert [finding.check for finding in findings] == [item.check for item in OFFLINE.items]
    short = {found: state for found, state in states(findings).items() if state != "ok"}
    # Of a disk that is reset nothing is known before the next start; a slow build machine may be slow.
    assert short.pop("restore_card") == "unknown"
    assert set(short) <= {"round_trip_ms", "write_mb_s", "loss_percent"}
    assert is_fit(findings)


def test_without_a_station_only_the_pc_is_checked(pc):
    found = states(run_checks(OFFLINE, pc, None))
    assert "station" not in found
    assert found["memory_gb"] == "ok"


def test_a_station_out_of_reach_is_a_finding_and_the_rest_is_measured(pc):
    found = states(run_checks(OFFLINE, pc, "http://127.0.0.1:1"))
    assert (found["station"], found["round_trip_ms"], found["memory_gb"]) == ("fail", "unknown", "ok")


def test_a_wrong_address_is_refused(pc):
    with pytest.raises(AgentError) as refusal:
        run_checks(OFFLINE, pc, "not an address")
    assert refusal.value.code == "bad_address"


@pytest.mark.parametrize("failure", [NOT_TOLD, OSError("no such file"), ZeroDivisionError("x"), MemoryError()])
def test_a_probe_that_fails_is_unknown_with_the_reason_and_the_others_are_measured(tmp_path, failure):
    pc = Pc(tmp_path, chrome(), memory_bytes=failure)
    findings = run_checks(OFFLINE, pc, None)
    (memory,) = [one for one in findings if one.check == "memory_gb"]
    assert memory.state == "unknown"
    assert all(memory.to_do)
    assert memory.wanted[0].startswith("≥ 8 GB")
    assert sum(one.state == "unknown" for one in findings) == 2  # and the disk that may be reset


@pytest.mark.parametrize("probe", [name for name in Pc(".").asked.answers if name != "system"])
def test_no_probe_that_fails_ends_the_check(tmp_path, probe):
    everything = Requirements(tuple(Item(name) for name in CHECKS if name != "internet"))
    findings = run_checks(everything, Pc(tmp_path, chrome(), **{probe: RuntimeError("broken")}), None)
    assert len(findings) == len(everything.items) - 4


def test_a_check_that_hangs_is_unknown_after_its_time(tmp_path):
    ending = threading.Event()
    pc = Pc(tmp_path, chrome(), screens=lambda: ending.wait(60))
    started = time.monotonic()
    (finding, other) = run_checks(Requirements((Item("screens"), Item("power"))), pc, None, within_s=0.5)
    ending.set()
    assert time.monotonic() - started < 30
    assert (finding.state, other.state) == ("unknown", "ok")
    assert "超时" in finding.to_do[0]


def test_a_check_that_this_agent_lacks_is_named_and_unknown(pc):
    finding = check(pc, "later_check")
    assert (finding.check, finding.state) == ("later_check", "unknown")
    assert "升级" in finding.to_do[0]


def test_short_of_a_minimum_that_is_only_advised_is_advice(pc):
    assert check(pc, "memory_gb", recommended=64, minimum=32).state == "fail"
    assert check(pc, "memory_gb", recommended=64, minimum=32, is_needed=False).state == "advice"
    assert check(pc, "memory_gb", recommended=64, minimum=4).state == "advice"


# --- hardware --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "answers", "recommended", "minimum", "state"),
    [
        ("cpu_cores", {"cores": 2}, 2, 2, "ok"),
        ("cpu_cores", {"cores": 1}, 2, 2, "fail"),
        ("cpu_ghz", {"clock_ghz": 2.99}, "3.0", "3.0", "ok"),
        ("cpu_ghz", {"clock_ghz": 2.4}, "3.0", "3.0", "fail"),
        ("memory_gb", {"memory_bytes": int(3.5 * 10**9)}, 8, 4, "advice"),
        ("memory_gb", {"memory_bytes": 2 * 10**9}, 8, 4, "fail"),
        ("disk_gb", {"disk_bytes": (465 * 10**9, 0)}, 500, 200, "ok"),
        ("disk_free_gb", {"disk_bytes": (500 * 10**9, 4 * 10**9)}, 20, 5, "fail"),
        ("video_memory_gb", {"video_memory_bytes": 10**9}, 2, 2, "fail"),
        ("screens", {"screens": [Screen(1920, 1080)] * 2}, 1, 1, "fail"),
        ("screen_width", {"screens": [Screen(1024, 768)]}, 1366, 1024, "advice"),
        ("screen_height", {"screens": [Screen(800, 600)]}, 768, 720, "fail"),
        ("link_speed_mbps", {"adapters": [Adapter("a", "wired", True, 100)]}, 1000, 100, "advice"),
        ("link_speed_mbps", {"adapters": [Adapter("a", "wired", True, None)]}, 1000, 100, "unknown"),
    ],
)
def test_r_room_3_each_figure_is_held_against_recommended_and_minimum(
    tmp_path, name, answers, recommended, minimum, state
):
    finding = check(Pc(tmp_path, chrome(), **answers), name, recommended=recommended, minimum=minimum)
    assert finding.state == state
    assert any(finding.to_do) == (state != "ok")
    assert finding.title == CHECKS[name].title


def test_free_disk_names_the_disk_to_clean(tmp_path):
    finding = check(Pc(tmp_path, disk_bytes=(1, 1)), "disk_free_gb", recommended=20, minimum=5)
    assert str(tmp_path) in finding.to_do[0]


@pytest.mark.parametrize(
    ("answers", "missing"),
    [({"has_keyboard": False}, "键盘"), ({"has_mouse": False}, "鼠标")],
)
def test_a_missing_keyboard_or_mouse_is_told_by_name(tmp_path, answers, missing):
    finding = check(Pc(tmp_path, **answers), "input_devices")
    assert finding.state == "fail"
    assert missing in finding.to_do[0]


@pytest.mark.parametrize(
    ("battery", "state"), [(None, "ok"), (Battery(True, 80.0), "ok"), (Battery(False, 35.0), "advice")]
)
def test_a_pc_on_battery_is_told(tmp_path, battery, state):
    finding = check(Pc(tmp_path, battery=battery), "power", is_needed=False)
    assert finding.state == state
    if battery:
        assert f"{battery.percent:.0f}%" in finding.measured[0]


# --- network ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("adapters", "state"),
    [
        ([Adapter("有线", "wired", True)], "ok"),
        ([Adapter("有线", "wired", True), Adapter("WLAN", "wireless", False)], "ok"),
        ([Adapter("有线", "wired", True), Adapter("WLAN", "wireless", True)], "fail"),
        ([Adapter("有线", "wired", True), Adapter("蓝牙", "bluetooth", True)], "fail"),
        ([Adapter("有线", "wired", False)], "fail"),
        ([], "fail"),
    ],
)
def test_r_room_9_a_pc_is_wired_and_its_radio_off(tmp_path, adapters, state):
    finding = check(Pc(tmp_path, adapters=adapters), "wired")
    assert finding.state == state
    for adapter in adapters:
        assert adapter.name in finding.measured[0] or not adapter.is_up or state == "fail"


def test_the_speed_of_the_card_towards_the_station_counts(station, tmp_path):
    cards = [Adapter("backup", "wired", True, 1000, ["10.0.0.1"]), Adapter("room", "wired", True, 100, ["127.0.0.1"])]
    finding = check(Pc(tmp_path, adapters=cards), "link_speed_mbps", station.address, recommended=1000, minimum=100)
    assert (finding.state, finding.value) == ("advice", 100)


def test_a_wrong_clock_never_makes_a_pc_unfit_for_the_server_keeps_the_time(station, pc):
    station.ahead_s = 3600
    finding = check(pc, "clock_offset_s", station.address, recommended=5, minimum=60)
    assert finding.state == "advice"
    assert finding.measured[0].startswith("-3600.")


def test_the_round_trip_is_measured(station, pc):
    assert check(pc, "round_trip_ms", station.address, recommended=5000, minimum=9000).state == "ok"
    assert check(pc, "round_trip_ms", station.address, recommended=0, minimum=0).state == "fail"


def test_a_way_that_loses_nothing_shows_no_loss(station, pc):
    finding = check(pc, "loss_percent", station.address, recommended=50, minimum=100)
    assert finding.state == "ok"
    assert finding.value < 50


def test_a_full_loss_is_counted():
    from client_agent.checks.network import lost_share

    assert lost_share("127.0.0.1", 1, connections=10, timeout_s=0.5) == 1.0


# --- software --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "state"),
    [
        (System("windows", "Windows XP", "5.1"), "fail"),
        (System("windows", "Windows 7", "6.1.7601"), "advice"),
        (System("windows", "Windows 10", "10.0.19045"), "ok"),
        (System("linux", "Debian 12", "12"), "ok"),
    ],
)
def test_windows_versions_are_compared_and_others_told(tmp_path, system, state):
    finding = check(Pc(tmp_path, system=system), "system_version", recommended="10.0", minimum="6.1")
    assert (finding.state, finding.measured[0]) == (state, system.name)


def test_r_room_10_the_agent_tells_an_old_room_server_that_it_is_too_old(tmp_path):
    old = Pc(tmp_path, system=System("windows", "Windows Server 2008 R2", "6.1.7601"))
    finding = check(old, "system_version", recommended="6.3", minimum="6.3")
    assert finding.state == "fail"
    assert finding.measured[0] == "Windows Server 2008 R2"


def test_a_pc_without_browser_is_not_fit(tmp_path):
    finding = check(Pc(tmp_path), "browser_version", recommended=109, minimum=109)
    assert (finding.state, finding.measured) == ("fail", ("未找到", "none found"))


@pytest.mark.parametrize(("version", "state"), [("109.0.5414.120", "ok"), ("86.0", "fail"), ("", "advice")])
def test_a_browser_too_old_fails_and_one_of_unknown_version_is_for_a_person_to_judge(tmp_path, version, state):
    finding = check(Pc(tmp_path, chrome(version)), "browser_version", recommended=109, minimum=109)
    assert finding.state == state


def test_a_missing_chinese_input_method_or_font_is_told(tmp_path):
    pc = Pc(tmp_path, input_languages=["en"], chinese_fonts=[])
    methods = check(pc, "input_methods", names=("zh", "en"))
    assert (methods.state, methods.to_do[0]) == ("fail", "安装中文输入法。")
    assert check(pc, "fonts", names=("zh",)).state == "fail"


def test_a_named_font_must_be_there_itself(pc):
    assert check(pc, "fonts", names=("simsun",)).state == "ok"
    finding = check(pc, "fonts", names=("KaiTi",))
    assert finding.state == "fail"
    assert "KaiTi" in finding.to_do[0]


CS6 = [
    Installed("Adobe Photoshop CS6 (64 Bit)", "13.0"),
    Installed("Adobe Photoshop CS4", "11.0"),
    Installed("Adobe Dreamweaver CS6"),
    Installed("Mozilla Firefox 115.0 ESR (x64 zh-CN)", "115.0"),
]


@pytest.mark.parametrize(
    ("name", "minimum", "state"),
    [
        ("Adobe Photoshop", "13.0", "ok"),
        ("photoshop", "13", "ok"),
        ("Adobe Photoshop", "14.0", "fail"),
        ("Adobe Dreamweaver", "12.0", "advice"),
        ("Firefox", "", "ok"),
        ("Adobe Fireworks", "12.0", "fail"),
        ("fire", "", "ok"),
        ("shop", "", "fail"),
    ],
)
def test_r_room_3_the_programs_of_the_certificate_are_found_by_name_and_version(tmp_path, name, minimum, state):
    finding = check(Pc(tmp_path, installed=CS6), "programs", wanted=(WantedProgram(name, minimum),))
    assert finding.state == state
    if state == "fail":
        assert name in finding.to_do[0]


def test_a_program_in_no_list_is_looked_for_by_its_file(tmp_path):
    pc = Pc(tmp_path, installed=[], find_program=Installed("gimp", "2.10"))
    assert check(pc, "programs", wanted=(WantedProgram("gimp", "2.8"),)).state == "ok"


def test_r_room_7_a_forbidden_program_that_runs_is_named(tmp_path):
    pc = Pc(tmp_path, running=["explorer.exe", "QQ.exe"])
    finding = check(pc, "forbidden_programs", names=("qq.exe", "wechat.exe"))
    assert (finding.state, finding.value) == ("fail", ["QQ.exe"])


def test_r_room_7_an_unrelated_program_with_a_window_is_told_and_the_systems_own_are_not(tmp_path):
    pc = Pc(tmp_path, windowed=["explorer.exe", "chrome.exe", "notepad.exe", "Photoshop.exe"])
    finding = check(pc, "other_programs", names=("photoshop.exe",), is_needed=False)
    assert (finding.state, finding.value) == ("advice", ["notepad.exe"])


def test_a_remote_session_or_program_fails(tmp_path):
    way = ("远程桌面", "remote desktop")
    assert check(Pc(tmp_path, remote_control=[RemoteWay(way)]), "remote_desktop").state == "fail"
    allowed = check(Pc(tmp_path, remote_control=[RemoteWay(way, is_active=False)]), "remote_desktop")
    assert (allowed.state, allowed.measured) == ("advice", way)
    finding = check(Pc(tmp_path, running=["ToDesk.exe"]), "remote_desktop")
    assert finding.state == "fail"
    assert "ToDesk.exe" in finding.measured[0]


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({}, "ok"),
        ({"maker": "VMware, Inc.", "model": "VMware Virtual Platform"}, "advice"),
        ({"maker": "innotek GmbH", "model": "VirtualBox"}, "advice"),
        ({"virtual_machine": "kvm"}, "advice"),
    ],
)
def test_a_virtual_machine_is_told_and_no_obstacle(tmp_path, settings, state):
    finding = check(Pc(tmp_path, **settings), "virtual_machine", is_needed=False)
    assert finding.state == state


def test_antivirus_off_is_advised_against(tmp_path):
    off = Antivirus(False, ("已关闭", "off"))
    finding = check(Pc(tmp_path, antivirus=off), "antivirus", is_needed=False)
    assert (finding.state, finding.measured[0]) == ("advice", "已关闭")


# --- storage ---------------------------------------------------------------------------------------------------------


def test_the_write_speed_is_measured_and_nothing_is_left_behind(pc):
    finding = check(pc, "write_mb_s", recommended=0, minimum=0)
    assert finding.state == "ok"
    assert finding.value > 0
    assert list(pc.folder.iterdir()) == []


def test_a_disk_that_cannot_be_written_is_told(tmp_path):
    finding = check(Pc(tmp_path / "gone", chrome()), "write_mb_s", recommended=1, minimum=1)
    assert finding.state == "unknown"
    assert "不能写入" in finding.to_do[0]


def test_a_mark_that_survives_a_restart_tells_that_the_disk_is_kept(pc):
    first = check(pc, "restore_card", is_needed=False)
    assert (first.state, first.value) == ("unknown", {"boot_id": "monday", "survived": False})
    again = check(pc, "restore_card", is_needed=False)
    assert again.state == "unknown"
    pc.boot = "tuesday"
    after = check(pc, "restore_card", is_needed=False)
    assert (after.state, after.value) == ("ok", {"boot_id": "tuesday", "survived": True})


def test_a_disk_that_is_reset_reports_a_new_start_without_the_mark(pc):
    check(pc, "restore_card")
    (pc.state_folder() / storage.MARK).unlink()
    pc.boot = "tuesday"
    assert check(pc, "restore_card").value == {"boot_id": "tuesday", "survived": False}


def test_a_damaged_mark_is_written_anew(pc):
    check(pc, "restore_card")
    (pc.state_folder() / storage.MARK).write_text("{", encoding="utf-8")
    pc.boot = "tuesday"
    assert check(pc, "restore_card").value["survived"] is False
    pc.boot = "wednesday"
    assert check(pc, "restore_card").state == "ok"


def test_a_restore_program_that_runs_is_told(tmp_path):
    finding = check(Pc(tmp_path, running=["DFServ.exe"]), "restore_card", is_needed=False)
    assert finding.state == "advice"
    assert "DFServ.exe" in finding.measured[0]


# --- report and files ------------------------------------------------------------------------------------------------


def test_the_table_has_straight_columns_in_both_languages(tmp_path):
    wanted = Requirements((Item("cpu_cores", recommended=10**6, minimum=10**6), Item("power")))
    findings = run_checks(wanted, Pc(tmp_path), None)
    chinese, english = as_table(findings, "zh"), as_table(findings, "en")
    assert "→ 换用配置更高的考试机。" in chinese
    assert "本机暂不能用于考试" in chinese
    assert "→ Use a PC with more cores." in english
    starts = {line.index("not fit") for line in english.splitlines()[:-1] if line.endswith("not fit")}
    assert starts == {english.splitlines()[0].index("Result")}


def test_the_json_is_one_line_with_both_languages(pc):
    document = json.loads(as_json(run_checks(Requirements((Item("power"),)), pc, None)))
    assert document["fit"] is True
    assert document["findings"][0]["title"] == {"zh": "供电", "en": "Power"}


def test_the_requirements_that_come_along_can_be_read_and_every_check_is_known():
    memory = next(item for item in WANTED.items if item.check == "memory_gb")
    assert (memory.recommended, memory.minimum, memory.is_needed) == (8, 4, True)
    assert {item.check for item in WANTED.items} <= set(CHECKS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"items": [{}]}',
        '{"items": [{"check": "memory_gb", "recommended": "many", "minimum": 1}]}',
        '{"items": [{"check": "memory_gb", "minimum": 1}]}',
        '{"items": [3]}',
    ],
)
def test_a_file_of_requirements_that_cannot_be_used_is_refused_by_name(tmp_path, text):
    path = tmp_path / "wanted.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AgentError) as refusal:
        load_requirements(path)
    assert refusal.value.code == "bad_wanted_file"
    assert str(path) in refusal.value.sentence()


def test_requirements_of_the_station_that_cannot_be_read_are_refused_by_name():
    with pytest.raises(AgentError) as refusal:
        parse_requirements({"digest": "x"})
    assert refusal.value.code == "bad_requirements"


def test_unknown_members_of_a_requirement_are_passed_over():
    (item,) = parse_requirements({"items": [{"check": "power", "later": 1}], "later": 2}).items
    assert (item.check, item.is_needed) == ("power", True)


class Asked:
    """A station's link that gives requirements and keeps what is posted."""

    def __init__(self, origin):
        self.origin = origin
        self.posted = {}

    def get(self, path):
        assert path == "/api/agent/requirements"
        return {
            "digest": "d1",
            "items": [
                {"check": "memory_gb", "severity": "fail", "recommended": 8, "minimum": 4},
                {"check": "programs", "wanted": [{"name": "Adobe Photoshop", "minimum": "13.0"}]},
            ],
        }

    def post(self, path, body):
        self.posted[path] = json.loads(json.dumps(body))
        return {"kept": True}


def test_a_report_says_what_was_found_and_what_the_pc_is(station, pc):
    link = Asked(station.address)
    findings = check_and_report(link, pc)
    body = link.posted["/api/agent/report"]
    assert (body["requirements"], body["boot_id"]) == ("d1", "monday")
    assert body["findings"] == [finding.as_json() for finding in findings]
    assert body["findings"][0]["value"] == 8
    assert body["facts"] == {
        "machine_id": ["m1"],
        "macs": ["00:1b:21:aa:bb:cc"],
        "disks": ["KINGSTON 240 GB"],
        "system": ["Windows 7 6.1.7601"],
        "browser": ["Google Chrome 109.0.5414.120"],
        "programs": ["Adobe Photoshop CS6 13.0"],
        "running": [],
        "adapters": ["本地连接 wired"],
        "network": [],
        "firewall": ["public on"],
    }


def test_a_fact_that_cannot_be_read_is_left_out_of_the_report(station, tmp_path):
    link = Asked(station.address)
    check_and_report(link, Pc(tmp_path, disks=NOT_TOLD, firewall=OSError("no")))
    assert not {"disks", "firewall"} & set(link.posted["/api/agent/report"]["facts"])


@pytest.mark.skipif(os.name != "posix", reason="the real probes of this system")
def test_the_whole_check_of_a_real_pc_takes_less_than_its_bound(station):
    from client_agent.linux.machine import LinuxMachine

    started = time.monotonic()
    findings = run_checks(WANTED, LinuxMachine(), station.address)
    assert time.monotonic() - started < 20  # 9 s, and a slow machine's share
    found = {finding.check: finding for finding in findings}
    assert found["cpu_cores"].value >= 1
    assert found["memory_gb"].value > 0
    assert found["station"].state == "ok"
