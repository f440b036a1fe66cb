"""Candidate PCs without a screen on this machine: each a network of its own, on it the agent's own program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

IP = shutil.which("ip", path=os.environ["PATH"] + ":/usr/sbin:/sbin") or ""
ROOT = Path(__file__).resolve().parent.parent.parent


class ProgramPc:
    """A PC at the other end of a wire of its own. It is known by its network card, as the PCs of a room are.

    It has neither browser nor screen, so nothing of this machine can be locked.
    """

    def __init__(self, folder: Path, number: int, port: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.seat = str(number)
        net = f"10.{128 + os.getpid() % 64}.{number}"
        self.station, self._host, self._own = f"http://{net}.1:{port}", f"{net}.1/30", f"{net}.2/30"
        self._name, self._wire = f"exam-{os.getpid()}-{number}", f"x{os.getpid()}-{number}"
        self.program: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        _ip("netns", "add", self._name)
        _ip("link", "add", self._wire, "type", "veth", "peer", "name", "eth0", "netns", self._name)
        _ip("address", "add", self._host, "dev", self._wire)
        _ip("link", "set", self._wire, "up")
        _ip("-n", self._name, "address", "add", self._own, "dev", "eth0")
        for link in ("lo", "eth0"):
            _ip("-n", self._name, "link", "set", link, "up")

    def exam_agent(self, *words: str) -> str:
        """Run a command of the agent and give what it said."""
        done = subprocess.run(
            self._command(*words), env=self._environment, cwd=self.folder, capture_output=True, timeout=60
        )
        return (done.stdout + done.stderr).decode("utf-8", "replace").strip()

    def run(self) -> None:
        """Start `exam-agent run`, as the service does."""
        with (self.folder / "agent.log").open("ab") as log:
            words = self._command("run")
            self.program = subprocess.Popen(words, env=self._environment, cwd=self.folder, stdout=log, stderr=log)

    def memory_mb(self) -> float:
        assert self.program is not None
        return float(psutil.Process(self.program.pid).memory_info().rss) / 2**20

    def used_s(self) -> float:
        assert self.program is not None
        times = psutil.Process(self.program.pid).cpu_times()
        return float(times.user + times.system)

    def kill(self) -> None:
        """End the program without a word."""
        assert self.program is not None
        self.program.kill()
        self.program.wait(timeout=20)
        self.program = None

    def close(self) -> None:
        if self.program is not None:
            self.program.terminate()
            self.program.wait(timeout=60)
        subprocess.run([IP, "netns", "delete", self._name], check=False, timeout=20, capture_output=True)

    def _command(self, *words: str) -> list[str]:
        # `ip netns exec` becomes the program itself, so that its number is the agent's.
        return [IP, "netns", "exec", self._name, sys.executable, "-m", "client_agent", *words]

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": str(self.folder), "HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder / "state"),
            "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
        }  # fmt: skip


@contextmanager
def program_pc(folder: Path, number: int, port: int) -> Iterator[ProgramPc]:
    """Give a PC with its wire plugged in; its program ends with it."""
    pc = ProgramPc(folder, number, port)
    try:
        pc.connect()
        yield pc
    finally:
        pc.close()


def _ip(*words: str) -> None:
    subprocess.run([IP, *words], check=True, timeout=20, stdout=subprocess.DEVNULL)
