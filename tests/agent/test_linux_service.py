"""On Linux the service finds who is at the screen, keeps the agent there, and puts the PC back when nobody else can."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from client_agent.linux.service import Seat, Supervisor, find_seat
from client_agent.restarts import GONE_FOR_GOOD_AFTER
from tests.agent.desk import until

WITHIN_S = 30


def program(proc, number, uid, **told):
    folder = proc / str(number)
    folder.mkdir()
    (folder / "status").write_text(f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
    (folder / "environ").write_bytes(b"".join(f"{name}={value}\0".encode() for name, value in told.items()))


@pytest.fixture
def proc(tmp_path):
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    return folder


def test_the_oldest_program_of_who_is_at_the_screen_tells_the_display(proc):
    program(proc, 900, 0, DISPLAY=":0", XAUTHORITY="/run/greeter")
    program(proc, 1200, 4001, DISPLAY=":1", XAUTHORITY="/run/1/auth", XMODIFIERS="@im=fcitx", LD_PRELOAD="evil.so")
    program(proc, 1100, 4002, DISPLAY=":2")
    program(proc, 2000, 4001, DISPLAY=":7")
    seat = find_seat(proc, lambda: 4001)
    assert seat == Seat("4001", ":1")
    environment = seat.environment()
    assert environment["XAUTHORITY"] == "/run/1/auth"
    assert environment["XMODIFIERS"] == "@im=fcitx"
    assert environment["EXAM_AGENT_PERSON"] == "4001"
    assert environment.get("LD_PRELOAD", "") != "evil.so"


def test_without_a_person_at_the_screen_nothing_is_started_there(proc):
    program(proc, 1200, 4001, DISPLAY=":1")
    assert find_seat(proc, lambda: None) is None
    assert find_seat(proc, lambda: 4002) is None


def test_a_display_of_another_pc_is_not_this_screen(proc):
    program(proc, 1200, 4001, DISPLAY="192.168.1.9:0")
    program(proc, 1201, 4001, HOME="/x")
    assert find_seat(proc, lambda: 4001) is None


def test_without_logind_the_first_ordinary_account_counts(proc):
    program(proc, 800, 112, DISPLAY=":0")
    program(proc, 1200, 4001, DISPLAY=":1")
    seat = find_seat(proc, lambda: 0)
    assert seat is not None
    assert seat.display == ":1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a program as another person")
def test_it_reads_the_programs_of_this_very_pc():
    told = {**os.environ, "DISPLAY": ":4711"}
    with subprocess.Popen(["sleep", "60"], env=told, preexec_fn=lambda: os.setuid(4711)) as sleeper:
        try:
            # A program that has just begun has told the system nothing yet.
            seat = until(lambda: find_seat(Path("/proc"), lambda: 4711))
        finally:
            sleeper.kill()
    assert seat == Seat("4711", ":4711")


class Ground:
    """An agent that writes down what it was started for and with what; `run` lives, unless it is told to die."""

    def __init__(self, folder):
        self.folder, self.seat, self.said = folder, None, []
        self.dies = folder / "dies"
        self.written = folder / "written"
        script = folder / "agent.py"
        script.write_text(
            "import json, os, signal, sys, time\n"
            f"with open({str(self.written)!r}, 'a') as file:\n"
            "    names = ('DISPLAY', 'EXAM_AGENT_PERSON')\n"
            "    file.write(json.dumps([sys.argv[1], [os.environ.get(name) for name in names]]) + '\\n')\n"
            f"if sys.argv[1] == 'restore': os.unlink({str(folder / 'undo.json')!r})\n"
            f"elif not os.path.exists({str(self.dies)!r}):\n"
            "    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
            "    time.sleep(600)\n",
            encoding="utf-8",
        )
        self.clock = 0.0
        self.service = Supervisor(
            folder, agent=[sys.executable, str(script)], say=lambda zh, en: self.said.append(en),
            find=lambda: self.seat, monotonic=lambda: self.clock,
        )  # fmt: skip

    def acts(self):
        text = self.written.read_text() if self.written.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def turn_until(self, number):
        """Turn until so many acts were written down."""
        ends = time.monotonic() + WITHIN_S
        while len(self.acts()) < number:
            assert time.monotonic() < ends, self.acts()
            self.clock += 20
            self.service.turn()
            time.sleep(0.02)


@pytest.fixture
def ground(tmp_path):
    ground = Ground(tmp_path)
    yield ground
    ground.seat = None
    ground.service.end()


AT_1 = Seat("li", ":1", {"DISPLAY": ":1"})
AT_2 = Seat("wang", ":2", {"DISPLAY": ":2"})


def test_the_agent_runs_on_the_display_of_who_logs_in_and_moves_with_the_next(ground):
    ground.service.turn()
    assert ground.acts() == []
    ground.seat = AT_1
    ground.turn_until(1)
    ground.seat = None  # the log-in screen alone ends nothing
    ground.service.turn()
    ground.seat = AT_2
    ground.turn_until(2)
    assert ground.acts() == [["run", [":1", "li"]], ["run", [":2", "wang"]]]


def test_what_a_power_cut_left_is_put_back_before_anybody_logs_in(ground):
    (ground.folder / "undo.json").write_text("{}")
    ending = threading.Event()
    ending.set()
    ground.service.run(ending)
    assert [act for act, _told in ground.acts()] == ["restore"]
    assert not (ground.folder / "undo.json").exists()


def test_the_end_of_the_service_leaves_no_agent_and_nothing_to_put_back(ground):
    ground.seat = AT_1
    ground.turn_until(1)
    (ground.folder / "undo.json").write_text("{}")
    ground.service.end()
    assert ground.acts()[-1] == ["restore", [":1", "li"]]
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # also one that has ended and was not waited for
            assert "agent.py" not in " ".join(one.cmdline())


def test_an_agent_that_keeps_dying_locks_nobody_in(ground):
    ground.dies.write_text("")
    (ground.folder / "undo.json").write_text("{}")
    ground.seat = AT_1
    ends = time.monotonic() + WITHIN_S
    while (ground.folder / "undo.json").exists():
        assert time.monotonic() < ends, ground.said
        if ground.service._part is None:  # however long a slow machine takes to start it, it dies at once
            ground.clock += 0.2
        ground.service.turn()
        time.sleep(0.02)
    assert [act for act, _told in ground.acts()] == ["run"] * GONE_FOR_GOOD_AFTER + ["restore"]
