"""What is installed on the PC and what runs on it (R-ROOM-3, R-ROOM-7)."""

import pytest

from client_agent.checks.finding import WantedProgram
from client_agent.checks.probes import Antivirus, Installed, RemoteWay, System
from tests.agent.checked_pc import Pc, check, chrome


@pytest.fixture
def pc(tmp_path):
    return Pc(tmp_path, chrome())


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
