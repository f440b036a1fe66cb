"""What the PC is made of, its network and its disk (R-ROOM-3, R-ROOM-9)."""

import socket
import time

import pytest

from client_agent.checks import storage
from client_agent.checks.network import lost_share
from client_agent.checks.probes import Adapter, Battery, Screen
from client_agent.checks.run import CHECKS
from tests.agent.checked_pc import Pc, check, chrome


@pytest.fixture
def pc(tmp_path):
    return Pc(tmp_path, chrome())


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
    offset, unit = finding.measured[0].split()
    assert (float(offset), unit) == (pytest.approx(-3600, abs=5), "s")


def test_the_round_trip_is_measured(station, pc):
    assert check(pc, "round_trip_ms", station.address, recommended=5000, minimum=9000).state == "ok"
    assert check(pc, "round_trip_ms", station.address, recommended=0, minimum=0).state == "fail"


def test_a_way_that_loses_nothing_shows_no_loss(station, pc):
    finding = check(pc, "loss_percent", station.address, recommended=50, minimum=100)
    assert finding.state == "ok"
    assert finding.value < 50


def test_a_full_loss_is_counted():
    assert lost_share("127.0.0.1", 1, connections=10, timeout_s=0.5) == 1.0


def test_a_way_that_swallows_everything_is_told_in_bounded_time():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = [socket.create_connection(full.getsockname())]
        started = time.monotonic()
        share = lost_share("127.0.0.1", full.getsockname()[1], connections=400, timeout_s=0.3, within_s=1.0)
        assert time.monotonic() - started < 20  # one after another they would take two minutes
        held[0].close()
    assert share > 0.5


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
