"""A candidate PC made of a folder: its browser is a script, its screen notes what is done, its lock is a file."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from client_agent.agent_run import Agent, Parts
from client_agent.errors import AgentError
from client_agent.kiosk import start_process
from client_agent.lockdown.operation import describe_failure
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import UndoFile
from client_agent.machine import Browser, Identity
from client_agent.store import Store
from client_agent.technician import NOT_FREED_YET


def until(happened, within_s=20, what=""):
    """Wait for something to come true; a slow machine may take its time."""
    give_up = time.monotonic() + within_s
    while True:
        found = happened()
        if found:
            return found
        assert time.monotonic() < give_up, what or "it never happened"
        time.sleep(0.02)


class Notes:
    """A desktop that notes what is done at it."""

    def __init__(self):
        self.keys = {}
        self.awake = False
        self.ended = []
        self.forward = []
        self.shows = True

    def picture(self):
        return b"\x89PNG picture"

    def watch_hot_keys(self, keys):
        self.keys = dict(keys)
        return self.keys.clear

    def keep_awake(self, on):
        self.awake = on

    def bring_forward(self, pid):
        self.forward.append(pid)
        return self.shows

    def shut_down(self):
        self.ended.append("shut_down")

    def log_out(self):
        self.ended.append("log_out")


class InAFile:
    """An operation whose effect is a file of the PC."""

    name = "in_a_file"
    title = ("文件锁", "the lock in a file")
    needed = True

    def __init__(self, path):
        self.path = path
        self.fails = self.stays = False

    def wanted(self, _profile):
        return True

    def read(self):
        return {"text": self.path.read_text() if self.path.exists() else None}

    def perform(self, profile):
        if self.fails:
            raise OSError("the disk is gone")
        self._write(f"locked to {profile.station_url}")

    def revert(self, before):
        if self.stays:
            raise OSError("the disk is gone")
        if before["text"] is not None:
            self._write(before["text"])
        elif self.path.exists():
            self.path.unlink()

    def holds(self, profile):
        if self.path.exists() and self.path.read_text().startswith("locked"):
            return None
        return describe_failure(self, "the file is not as it was written")

    def _write(self, text):
        """Write it at one blow: a test looks at it at any moment."""
        fresh = self.path.with_name("lock.new")
        fresh.write_text(text)
        fresh.replace(self.path)


class Desk:
    """The PC. `agent` starts a run in a thread; `end` ends it in order, `crash` leaves all as a kill would."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.boot = "boot-1"
        self.notes = Notes()
        self.lock_file = folder / "lock"
        self.lock_file.write_text("free")
        self.operation = InAFile(self.lock_file)
        self.store = Store(folder / "state")
        self.opened = folder / "opened"
        self.said = []
        self.installed = []
        self.programs = {}
        self.browsers = [self.script("sleep 300")]
        self.ending = None
        self.thread = None

    def script(self, then):
        path = self.folder / "browser"
        path.write_text(f'#!/bin/sh\necho "$@" >> {self.opened}\nexec {then}\n', encoding="utf-8")
        path.chmod(0o755)
        return Browser("Chromium", path, "109.0")

    # What the agent asks of its machine.
    def find_program(self, name):
        return self.programs.get(name)

    def find_browsers(self):
        return self.browsers

    def state_folder(self):
        return self.store.folder

    def identity(self):
        return Identity("machine-1", "PC-12", ["00:1b:21:aa:bb:cc"], "Linux", "maker", "model", "cpu", 8 << 30)

    def boot_id(self):
        return self.boot

    def work_drives(self):
        return [self.folder]

    def desktop(self):
        return self.notes

    def install(self, installer):
        self.installed.append(installer.read_bytes())

    def probes(self):
        raise AgentError(NOT_FREED_YET, pid=0, within_s=0)

    # What a test does with it.
    def lockdown(self):
        return Lockdown([self.operation], UndoFile(self.store.folder / "undo.json"))

    def agent(self, address="", **parts):
        self.ending = threading.Event()
        made_of = Parts(self.lockdown, **{"start": self.start, **parts})
        agent = Agent(self, self.store, made_of, say=self.say, address=address)
        self.thread = threading.Thread(target=agent.run, args=(self.ending,))
        self.thread.start()
        self.running = agent
        return agent

    def start(self, command):
        """Start a program. The stand-in browser is given time to note its page: a test may end it the next moment."""
        noted = len(self.pages())
        pid = start_process(command)
        if command[0] == str(self.folder / "browser"):
            until(lambda: len(self.pages()) > noted, what="the browser did not begin")
        return pid

    def end(self):
        if self.thread is not None:
            self.ending.set()
            self.thread.join(timeout=30)
            assert not self.thread.is_alive()
            self.thread = None

    def restart(self, *, boot):
        self.boot = boot

    def say(self, _zh, en):
        self.said.append(en)

    def pages(self):
        """List the addresses that browsers were opened with."""
        lines = self.opened.read_text().splitlines() if self.opened.exists() else []
        return [word[6:] for line in lines for word in line.split() if word.startswith("--app=")]

    @property
    def is_locked(self):
        return self.lock_file.read_text().startswith("locked")
