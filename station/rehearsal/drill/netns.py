"""A room's network in this kernel: a switch and a network of its own for the server and for each seat (Linux, root).

Everything lies in namespaces that carry this program's process number; addresses and traffic stay inside them. What a
run that was killed has left behind is removed by the next one.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from station.errors import Unsound
from station.rehearsal.premises import CHILD_FAILED, START_TIMEOUT_S, Child, Premises

SERVER_HOST = "10.77.0.1"
TUN = Path("/dev/net/tun")
_PREFIX = "exam-drill"
_LEFT_BEHIND = re.compile(rf"{_PREFIX}-(\d+)-\w+")
_RUN_NETNS = Path("/run/netns")
_CLONE_NEWNET = 0x4000_0000

T = TypeVar("T")


def why_not() -> tuple[str, str]:
    """Say in Chinese and English why this system cannot make networks of its own; empty when it can."""
    if not sys.platform.startswith("linux"):
        return "本系统没有网络命名空间（仅 Linux 有）", "this system has no network namespaces (Linux has)"
    if os.geteuid() != 0:
        return "建立网络命名空间需要 root 权限", "making network namespaces needs root"
    if _program() is None:
        return "未安装 iproute2（ip 命令）", "iproute2 (the command ip) is not installed"
    name = f"{_PREFIX}-{os.getpid()}-try"
    tried = _ip("netns", "add", name, check=False)
    _ip("netns", "del", name, check=False)
    if tried.returncode != 0:
        reason = tried.stderr.strip()[:120]
        return f"无法建立网络命名空间：{reason}", f"a network namespace cannot be made: {reason}"
    return "", ""


@dataclass
class RoomNetwork:
    """A switch, a server and seats, numbered from 1. Close it, whatever happens."""

    _names: list[str] = field(default_factory=list)
    _ports: list[str] = field(default_factory=list)

    @classmethod
    def build(cls, seats: int) -> RoomNetwork:
        """Lay every cable: the server is 10.77.0.1, seat n is 10.77.1.n."""
        remove_left_behind()
        built = cls()
        try:
            built._add("switch")
            switch = built._named("switch")
            _ip("-n", switch, "link", "add", "br0", "type", "bridge", "forward_delay", "0", "stp_state", "0")
            _ip("-n", switch, "link", "set", "br0", "up")
            built._add("server")
            built._lay_cable("server", SERVER_HOST)
            for number in range(1, seats + 1):
                built._add(_seat(number))
                built._lay_cable(_seat(number), seat_host(number))
        except BaseException:
            built.close()
            raise
        return built

    def in_server(self) -> list[str]:
        """Give the words that start a program on the server."""
        return _inside(self._named("server"))

    def in_seat(self, number: int) -> list[str]:
        """Give the words that start a program at a seat."""
        return _inside(self._named(_seat(number)))

    def pull_cable(self, seat: int) -> None:
        """Cut a seat off: both ends of its cable lose their carrier."""
        self._set_port(_seat(seat), "down")

    def plug_in(self, seat: int) -> None:
        self._set_port(_seat(seat), "up")

    def switch_off(self) -> None:
        """Take the switch's power: every port is dead."""
        for name in self._ports:
            self._set_port(name, "down")

    def switch_on(self) -> None:
        for name in self._ports:
            self._set_port(name, "up")

    def remove_seat(self, number: int) -> None:
        """Take a seat's cable away for good: nothing that its programs still say reaches anybody."""
        _ip("-n", self._named("switch"), "link", "del", _seat(number))
        self._ports.remove(_seat(number))

    def add_addresses(self, seat: int, hosts: Sequence[str]) -> None:
        """Give a seat further addresses: it then speaks for many PCs."""
        for host in hosts:
            _ip("-n", self._named(_seat(seat)), "address", "add", f"{host}/16", "dev", "eth0")

    def spoil_cable(self, seat: int, premises: Premises, *, loss: float, doubled: float, late: float) -> Child:
        """Put a bad cable in the place of a seat's good one; ending its program ends the cable."""
        switch, near, far = self._named("switch"), f"bad{seat}", f"far{seat}"
        words = ["station.rehearsal.drill.bad_cable", near, far, *(str(one) for one in (loss, doubled, late))]
        child = premises.start(f"bad-cable-{seat}", words, before=_inside(switch))
        _wait_until_ready(child)
        _ip("-n", switch, "link", "del", _seat(seat))
        _ip("-n", switch, "link", "set", far, "netns", self._named(_seat(seat)), "name", "eth0")
        _ip("-n", switch, "link", "set", near, "master", "br0")
        _ip("-n", switch, "link", "set", near, "name", _seat(seat))
        self._set_port(_seat(seat), "up")
        self._address(_seat(seat), seat_host(seat))
        return child

    def connect(self, seat: int, port: int, *, source: str = "", timeout_s: float = 10.0) -> socket.socket:
        """Open a connection from a seat to the server, for this program's own use."""

        def made() -> socket.socket:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

        connection = _done_inside(self._named(_seat(seat)), made)
        connection.settimeout(timeout_s)
        if source:
            connection.bind((source, 0))
        connection.connect((SERVER_HOST, port))
        return connection

    def connections_at(self, port: int) -> int:
        """Count the connections that the server takes for established."""
        listed = _run([*self.in_server(), "ss", "-tnH", "state", "established", f"sport = :{port}"])
        return len(listed.stdout.splitlines())

    def close(self) -> None:
        """Remove every namespace, and with it what lies inside."""
        while self._names:
            _remove(self._names.pop())

    def _named(self, name: str) -> str:
        return f"{_PREFIX}-{os.getpid()}-{name}"

    def _add(self, name: str) -> None:
        full = self._named(name)
        _ip("netns", "add", full)
        self._names.append(full)
        _ip("-n", full, "link", "set", "lo", "up")

    def _lay_cable(self, name: str, host: str) -> None:
        switch = self._named("switch")
        _ip("-n", switch, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self._named(name))
        _ip("-n", switch, "link", "set", name, "master", "br0")
        self._ports.append(name)
        self._set_port(name, "up")
        self._address(name, host)

    def _address(self, name: str, host: str) -> None:
        _ip("-n", self._named(name), "address", "add", f"{host}/16", "dev", "eth0")
        _ip("-n", self._named(name), "link", "set", "eth0", "up")

    def _set_port(self, name: str, state: str) -> None:
        _ip("-n", self._named("switch"), "link", "set", name, state)


def seat_host(number: int) -> str:
    """Give the address of a seat's PC."""
    return f"10.77.1.{number}"


def remove_left_behind() -> None:
    """Remove what a run has left whose program is gone, with the programs that run in there."""
    for found in _LEFT_BEHIND.finditer(_ip("netns", "list").stdout):
        if not psutil.pid_exists(int(found[1])):
            _remove(found[0])


def _wait_until_ready(child: Child) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while "ready" not in child.log.read_text("utf-8"):
        if child.process.poll() is not None or time.monotonic() > until:
            raise Unsound(CHILD_FAILED, name=child.name, log=child.log)
        time.sleep(0.02)


def _remove(name: str) -> None:
    for pid in _ip("netns", "pids", name, check=False).stdout.split():
        with suppress(psutil.NoSuchProcess):
            psutil.Process(int(pid)).kill()
    _ip("netns", "del", name, check=False)


def _seat(number: int) -> str:
    return f"seat{number}"


def _inside(namespace: str) -> list[str]:
    return [_program() or "ip", "netns", "exec", namespace]


def _program() -> str | None:
    return shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")


def _ip(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return _run([_program() or "ip", *words], check=check)


def _run(words: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done


def _done_inside(namespace: str, act: Callable[[], T]) -> T:
    """Do something with a namespace's network, in a thread that is at home there and ends afterwards."""
    results: list[T] = []
    failures: list[OSError] = []

    def work() -> None:
        try:
            with (_RUN_NETNS / namespace).open("rb") as file:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {namespace}")
            results.append(act())
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
