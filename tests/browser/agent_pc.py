"""A candidate PC of its own on this machine: network, processes, /etc and kernel switches that are nobody else's.

Its first process is the PC: killing it is a power cut.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from tests.agent.x_ground import XScreen, until

ROOT = Path(__file__).resolve().parent.parent.parent
PERSON, NUMBER = "kaosheng", 20_401
SYSRQ = "/proc/sys/kernel/sysrq"
CHROMIUM = "/usr/bin/chromium"
SWITCHES = "--no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic"
READ_SCREEN = """
from client_agent.linux.lock_screen import ScreenSaver
read = ScreenSaver().read()
print(read["saver"], read["dpms"])
"""
# Takes in processes whose parents have ended, as the first process of a system does.
FIRST = """
import os, time
while True:
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(0.1)
"""


class AgentPc:
    """A PC at the other end of a wire; `station_host` is this machine's address there, `url` names its port 80."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        net = 64 + os.getpid() % 64
        self.station_host, self.address = f"10.{net}.78.1", f"10.{net}.78.2"
        self._name, self._wire = f"exam-pc-{os.getpid()}", f"exam{os.getpid() % 10**8}"
        self._make_files()
        self._make_network()
        self.screen = XScreen(folder, "-ac")
        self._first: subprocess.Popen[bytes] | None = None
        self.agent: subprocess.Popen[bytes] | None = None
        self.boots = 0
        self.start()

    def _make_files(self) -> None:
        for name in ("home", "run-udev", "bin"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        shutil.copytree("/etc", self.folder / "etc", symlinks=True)
        with (self.folder / "etc" / "passwd").open("a", encoding="utf-8") as file:
            file.write(f"{PERSON}:x:{NUMBER}:{NUMBER}::{self.folder}/home:/bin/sh\n")
        with (self.folder / "etc" / "group").open("a", encoding="utf-8") as file:
            file.write(f"{PERSON}:x:{NUMBER}:\n")
        os.chown(self.folder / "home", NUMBER, NUMBER)
        (self.folder / "sysrq").write_text("176\n", encoding="ascii")
        browser = self.folder / "bin" / "chromium"
        browser.write_text(f'#!/bin/sh\nexec {CHROMIUM} {SWITCHES} "$@"\n', encoding="ascii")
        browser.chmod(0o755)

    def _make_network(self) -> None:
        ip("netns", "add", self._name)
        ip("link", "add", self._wire, "type", "veth", "peer", "name", "eth0", "netns", self._name)
        ip("address", "add", f"{self.station_host}/24", "dev", self._wire)
        ip("link", "set", self._wire, "up")
        ip("-n", self._name, "address", "add", f"{self.address}/24", "broadcast", "+", "dev", "eth0")
        for link in ("lo", "eth0"):
            ip("-n", self._name, "link", "set", link, "up")

    def start(self) -> None:
        """Switch the PC on."""
        self.boots += 1
        (self.folder / "boot_id").write_text(f"0000000{self.boots}-1111-2222-3333-444444444444\n", encoding="ascii")
        binds = {"etc": "/etc", "run-udev": "/run/udev"}
        if Path(SYSRQ).exists():
            binds["sysrq"] = SYSRQ
        binds["boot_id"] = "/proc/sys/kernel/random/boot_id"  # last: with it the PC is up
        lines = ["mkdir -p /run/udev", *(f"mount --bind {self.folder}/{one} {at}" for one, at in binds.items())]
        script = " && ".join([*lines, f"exec {sys.executable} -c '{FIRST}'"])
        apart = ["unshare", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child=KILL", "sh", "-c", script]
        self._first = subprocess.Popen(["ip", "netns", "exec", self._name, *apart])
        assert until(self._is_up), "the PC does not come up"

    def _is_up(self) -> bool:
        boot = self.says("cat", "/proc/sys/kernel/random/boot_id") if self._pid() is not None else ""
        return boot.startswith(f"0000000{self.boots}")

    def cut_power(self) -> None:
        """End everything on the PC at once; its screen is dark."""
        assert self._first is not None
        pid = self._pid()
        if pid is not None:
            psutil.Process(pid).kill()
        self._first.wait(timeout=20)
        self._first = None
        if self.agent is not None:
            self.agent.wait(timeout=20)
        self.screen.close()

    def boot_again(self) -> None:
        self.screen = XScreen(self.folder, "-ac")
        self.start()

    def command(self, *words: str) -> list[str]:
        return ["nsenter", "-t", str(self._pid()), "-n", "-m", "-p", "-C", "--", *words]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.screen.environment, "PATH": f"{self.folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin",
            "HOME": str(self.folder / "home"), "XDG_STATE_HOME": str(self.folder / "state"),
            "EXAM_AGENT_PERSON": PERSON, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
        }  # fmt: skip

    def says(self, *words: str) -> str:
        done = subprocess.run(
            self.command(*words), env=self.environment, cwd=self.folder / "home", capture_output=True, timeout=90
        )
        return (done.stdout + done.stderr).decode("utf-8", "replace").strip()

    def exam_agent(self, *words: str) -> str:
        """Run a command of the agent as the technician does."""
        return self.says(sys.executable, "-m", "client_agent", *words)

    def run_agent(self) -> None:
        """Start `exam-agent run`, as the service does."""
        with self.log.open("ab") as log:
            words = self.command(sys.executable, "-m", "client_agent", "run")
            self.agent = subprocess.Popen(words, env=self.environment, cwd=self.folder, stdout=log, stderr=log)

    @property
    def log(self) -> Path:
        return self.folder / "agent.log"

    def kill_agent(self) -> None:
        """End the agent as the kernel would: no word, no cleaning up."""
        assert self.agent is not None
        for process in psutil.Process(self.agent.pid).children():
            process.kill()
        self.agent.wait(timeout=20)

    def end_agent(self) -> None:
        """Stop the agent's service."""
        assert self.agent is not None
        for process in psutil.Process(self.agent.pid).children():
            process.terminate()
        self.agent.wait(timeout=60)

    def snapshot(self) -> dict[str, str]:
        """Say how the PC stands: every file of /etc and the rules for devices, network rules, keys, screen, SysRq."""
        files: dict[str, str] = {}
        folders: list[str] = []
        for place in ("etc", "run-udev"):
            for folder, _, names in os.walk(self.folder / place):  # passes over what vanishes while it walks
                folders.append(folder)
                for path in (Path(folder) / name for name in names):
                    if path.is_file() and not path.is_symlink():
                        with contextlib.suppress(FileNotFoundError):
                            files[str(path.relative_to(self.folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return {
            **files,
            "folders": "\n".join(sorted(folders)),
            "nft": self.says("nft", "list", "ruleset"),
            "keys": self.screen.says("xkbcomp", "-xkb", self.screen.name, "-"),
            "screen": self.says(sys.executable, "-c", READ_SCREEN),
            "sysrq": (self.folder / "sysrq").read_text(encoding="ascii"),
        }

    def _pid(self) -> int | None:
        """Number the PC's first process as this machine does."""
        assert self._first is not None
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self._first.pid).children():
                return process.pid
        return None

    def close(self) -> None:
        if self._first is not None:
            self.cut_power()
        ip("netns", "delete", self._name)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=20, stdout=subprocess.DEVNULL)
