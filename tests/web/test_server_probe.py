"""The server measures itself for the room check (R-ROOM-2, R-ROOM-3, R-ROOM-10)."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import update

from station.clock import system_time
from station.domain.checks import CHECKS, MachineRole
from station.domain.disk_budget import Limits
from station.domain.readiness import Measured, parse_findings
from station.domain.requirements import digest_of
from station.domain.room_seal import freeze
from station.domain.sitting import SittingState
from station.rehearsal.premises import free_port
from station.services.room_check import Machine, items_for
from station.store.models import Sitting
from station.web import server_facts
from station.web.edge import ServerSettings
from station.web.server_facts import Address, NotTold, parse_addresses
from station.web.server_probe import (
    files_needed,
    fixed_address,
    measure_all,
    measure_server,
    open_files,
    probes_of,
    system_version,
)
from tests.building import build_room


@pytest.fixture
def room(tmp_path):
    built = build_room(tmp_path)
    yield built
    built.edge.saves.stop()
    built.store.close()


def with_settings(room, **settings):
    return dataclasses.replace(room.edge, server=ServerSettings(**settings))


def found(report):
    return {one.check: one for one in parse_findings(report["findings"])}


@contextmanager
def platform_with_clock(ahead: timedelta = timedelta(0), status: int = 404):
    """A central platform of which nothing is known but that it answers, with its clock."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response_only(status)
            self.send_header("Date", format_datetime(system_time() + ahead))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_r_room_3_the_server_is_measured_against_all_that_is_wanted_of_it(room):
    report = measure_server(room.edge)
    with room.store.reading() as db:
        items = items_for(db, Machine.server())
    assert list(found(report)) == [item.check for item in items]
    assert report["requirements"] == digest_of(items)
    assert json.loads(json.dumps(report)) == report
    for check in ("cpu_cores", "memory_gb", "disk_free_gb", "disk_budget", "write_mb_s", "open_files"):
        assert found(report)[check].state != "unknown", check
    assert not list(room.store.folder.glob(".speed-*"))


def test_what_the_server_is_can_be_frozen_by_a_seal(room):
    report = measure_server(room.edge)
    frozen = freeze(report["facts"], parse_findings(report["findings"]))
    assert frozen.facts["machine_id"]
    assert frozen.facts["system"]


def test_r_room_2_the_central_platform_is_reached_whatever_it_answers(room):
    with platform_with_clock(status=401) as url:
        report = measure_server(with_settings(room, central_url=url))
    assert found(report)["central_platform"].state == "ok"
    assert found(report)["clock_offset_s"].state == "ok"


def test_a_central_platform_out_of_reach_is_advised_about_and_no_obstacle(room):
    report = measure_server(with_settings(room, central_url="http://127.0.0.1:1"))
    assert found(report)["central_platform"].state == "advice"
    assert "127.0.0.1:1" in found(report)["central_platform"].measured[0]
    assert found(report)["clock_offset_s"].state == "unknown"


def test_a_site_that_only_exports_files_is_told_so(room):
    central = found(measure_server(room.edge))["central_platform"]
    assert (central.state, central.measured[0]) == ("unknown", "未设置上级平台，考后导出成果包")


@pytest.mark.parametrize(("ahead_s", "state"), [(0, "ok"), (-600, "advice"), (600, "advice")])
def test_r_day_15_the_servers_clock_is_held_against_the_central_platforms(room, ahead_s, state):
    with platform_with_clock(timedelta(seconds=ahead_s)) as url:
        offset = found(measure_server(with_settings(room, central_url=url)))["clock_offset_s"]
    assert offset.state == state
    assert abs(offset.value + ahead_s) <= 5  # a header's date has whole seconds, and the answer takes its time


def test_no_file_is_written_while_a_sitting_runs(room):
    with room.store.transaction() as db:
        db.execute(update(Sitting).values(state=SittingState.RUNNING))
    speed = found(measure_server(room.edge))["write_mb_s"]
    assert (speed.state, speed.measured[0]) == ("unknown", "考试进行中，不测写入速度")


def test_a_disk_too_small_for_the_sittings_is_not_fit_and_a_tight_one_is_advised_about(room):
    tight = dataclasses.replace(room.edge, disk_limits=Limits(floor=10**15))
    assert found(measure_server(tight))["disk_budget"].state == "advice"
    assert found(measure_server(tight))["write_mb_s"].state == "unknown"


def test_the_limit_of_open_files_is_held_against_the_connections_of_the_settings():
    limit = server_facts.open_files_limit()
    if limit is None:
        pytest.skip("this system has no limit of open files")
    assert open_files(limit - files_needed(0)).value == limit
    assert open_files(limit).value is False
    assert str(files_needed(limit)) in open_files(limit).shown[0]


def test_another_program_that_listens_is_named_and_this_one_is_not(room):
    wanted = free_port()  # below the range that is passed over
    program = (
        f"import socket, sys, time; s = socket.socket(); s.bind(('0.0.0.0', {wanted})); s.listen();"
        "print(s.getsockname()[1], flush=True); time.sleep(60)"
    )
    # A child of this process is the station's own; one that is not is started in a process between.
    between = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {program!r}])"
    own = socket.create_server(("0.0.0.0", 0))
    with subprocess.Popen([sys.executable, "-c", between], stdout=subprocess.PIPE, encoding="utf-8") as started:
        port = int(started.stdout.readline())
        try:
            listed = server_facts.other_listeners()
        finally:
            own_port = own.getsockname()[1]
            own.close()
            end_listener(port)
    assert any(one.startswith(f"{port} (python") for one in listed)
    assert not any(one.startswith(f"{own_port} ") for one in listed)


def end_listener(port):
    import psutil

    for one in psutil.net_connections(kind="tcp"):
        if one.laddr and one.laddr.port == port and one.status == psutil.CONN_LISTEN and one.pid:
            psutil.Process(one.pid).kill()


def test_r_room_2_an_address_from_dhcp_is_told_from_a_manual_one():
    links = [
        {"ifname": "eth0", "addr_info": [{"local": "192.168.1.2"}]},
        {"ifname": "eth1", "addr_info": [{"local": "10.0.0.7", "dynamic": True}]},
        {"ifname": "eth2"},
    ]
    assert parse_addresses(links) == [Address("192.168.1.2", False), Address("10.0.0.7", True)]


@pytest.mark.parametrize(
    ("addresses", "value", "said"),
    [
        ([Address("192.168.1.2", False)], True, "手动设置：192.168.1.2"),
        ([Address("192.168.1.2", False), Address("10.0.0.7", True)], False, "自动获取（DHCP）：10.0.0.7"),
        ([], False, "没有 IP 地址"),
    ],
)
def test_r_room_2_the_server_has_a_fixed_address(addresses, value, said):
    measured = fixed_address(addresses)
    assert (measured.value, measured.shown[0]) == (value, said)


def test_r_room_10_a_windows_server_tells_its_version_and_another_system_its_name():
    assert system_version("6.1.7601").value == "6.1.7601"
    told = system_version(None)
    assert (told.value, bool(told.shown[0])) == (True, True)


def test_what_cannot_be_measured_is_a_finding_with_its_reason():
    def not_told():
        raise NotTold("没有 ip 程序", "no program")

    def broken():
        raise OSError("disk is gone")

    measured = measure_all({"fixed_address": not_told, "wired": broken, "power": lambda: Measured(True)})
    assert measured["fixed_address"] == Measured(None, ("没有 ip 程序", "no program"))
    assert "disk is gone" in measured["wired"].shown[0]
    assert measured["power"].value is True


def test_every_check_of_a_server_is_measured(room):
    probes = {*probes_of(room.edge, is_running=False), "disk_budget", "clock_offset_s"}
    assert probes == {name for name, check in CHECKS.items() if MachineRole.SERVER in check.roles}
