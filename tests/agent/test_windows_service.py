"""The service keeps the agent running where somebody is logged in, and puts the PC back when it cannot."""

from __future__ import annotations

import json
import os
import threading

import psutil
import pytest

from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import UndoFile
from client_agent.windows.lock import operations
from client_agent.windows.service import STOP_FILE, Supervisor, end_when_asked
from tests.agent.lock_laws import a_profile
from tests.agent.windows_fake import FakeWindows, InMemory

WINDOWS_10 = (10, 0, 19045)


class Room:
    """A PC with the service on it, and a clock that the test sets on."""

    def __init__(self, folder):
        self.folder = folder
        self.windows = FakeWindows(InMemory(), WINDOWS_10)
        self.now = 1000.0
        self.told = []
        self.supervisor = Supervisor(
            self.windows, self.lockdown, folder, agent=["exam-agent"], monotonic=self.monotonic,
            say=lambda _zh, en: self.told.append(en),
        )  # fmt: skip

    def monotonic(self):
        self.now += 0.5
        return self.now

    def lockdown(self):
        return Lockdown(operations(self.windows, self.folder), UndoFile(self.folder / "undo.json"))

    def turn(self, seconds=1.0):
        self.now += seconds
        self.supervisor.turn()

    @property
    def commands(self):
        return [command for command, _session in self.windows.started_as_system]

    def agents(self):
        return [one["pid"] for one in self.windows.pc["processes"] if one["name"] == "exam-agent.exe"]

    def end_agent(self):
        for pid in self.agents():
            self.windows.forget(pid)


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)


def leave_locked(room):
    """An agent locks this PC and is gone without a word, as after a power cut."""
    before = room.windows.snapshot()
    room.lockdown().lock(a_profile())
    room.windows.hook = None
    assert room.windows.snapshot() != before
    return before


def test_at_the_start_of_the_pc_what_a_power_cut_left_is_put_back_before_anything_is_started(room):
    before = leave_locked(room)
    room.windows.reboot()
    room.windows.session = 0
    room.supervisor.begin()
    assert room.windows.snapshot() == before
    assert room.windows.started_as_system == []


def test_the_agent_is_started_once_in_the_session_at_the_screen(room):
    for _one in range(3):
        room.turn()
    assert room.windows.started_as_system == [("run", 1)]


def test_at_the_log_in_screen_nothing_is_started_and_putting_back_is_tried_again(room):
    before = leave_locked(room)
    room.windows.reboot()
    room.windows.session = 0
    room.windows.pc["loaded"] = False
    room.supervisor.begin()
    assert (room.folder / "undo.json").exists()
    room.turn(6)
    assert room.windows.started_as_system == []
    room.windows.pc["loaded"] = True
    room.turn()
    assert room.commands == ["run"], "the agent puts the rest back at its own start"
    assert room.lockdown().restore().is_complete
    assert room.windows.snapshot() == before


def test_an_agent_that_dies_is_started_again_and_the_lock_is_left_to_it(room):
    """A candidate's PC is not opened because the agent was killed: the next one takes the lock over."""
    room.turn()
    leave_locked(room)
    locked = room.windows.snapshot()
    room.now += 60
    room.end_agent()
    room.turn()
    room.turn()
    assert room.commands == ["run", "run"]
    assert room.windows.snapshot() == locked


def test_an_agent_that_keeps_dying_is_given_longer_and_the_pc_is_put_back(room):
    before = leave_locked(room)
    room.windows.on_start = lambda _command, pid: room.windows.forget(pid)
    for _one in range(200):
        room.turn(0.5)
    assert room.commands.count("run") < 12
    assert "restore" in room.commands
    assert room.windows.snapshot() == before, "nobody is locked in by a broken installation"


def test_the_end_of_the_service_ends_the_agent_and_puts_the_pc_back(room):
    room.turn()
    before = leave_locked(room)
    room.supervisor.end()
    assert room.commands == ["run", "restore"]
    assert not set(room.agents()) - {room.agents()[-1]}, "an agent that does not listen is made to end"
    assert room.windows.snapshot() == before
    assert not (room.folder / STOP_FILE).exists(), "the next agent would end at once"


def test_when_another_session_comes_to_the_screen_the_agent_moves_there(room):
    room.turn()
    room.windows.console = 2
    room.turn()
    room.turn()
    assert room.windows.started_as_system == [("run", 1), ("run", 2)]


def test_while_windows_changes_between_sessions_nothing_is_done(room):
    room.turn()
    room.windows.console = None
    room.turn()
    assert len(room.agents()) == 1


def test_an_agent_that_outlived_the_service_is_left_alone(room):
    me = psutil.Process()
    (room.folder / "running.json").write_text(json.dumps({"pid": os.getpid(), "started": me.create_time()}))
    leave_locked(room)
    locked = room.windows.snapshot()
    room.supervisor.begin()
    room.turn()
    assert room.windows.snapshot() == locked
    assert room.windows.started_as_system == []


def test_windows_that_refuses_is_asked_again_later(room):
    room.windows.broken = {"start_as_system"}
    ending = threading.Event()
    room.supervisor._say = lambda _zh, en: (room.told.append(en), ending.set() if "refused" in en else None)
    room.supervisor.run(ending)
    assert any(told.startswith("Windows refused") for told in room.told)


def test_the_user_part_ends_when_the_service_asks_for_it(tmp_path):
    ending = threading.Event()
    end_when_asked(tmp_path, ending)
    assert not ending.is_set()
    (tmp_path / STOP_FILE).write_text("")
    assert ending.wait(20)
