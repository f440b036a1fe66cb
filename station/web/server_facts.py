"""What the server's system tells of itself: network cards, addresses, disks, listeners, limits."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PIECE = 2**20
WRITE_BYTES = 32 * PIECE
WRITE_WITHIN_S = 2.0
COMMAND_TIMEOUT_S = 5.0
# Services that every Windows or Linux server has and that are nobody's concern here.
USUAL_PORTS = frozenset(
    {22, 68, 111, 135, 137, 138, 139, 445, 546, 631, 3702, 5040, 5353, 5355, 5357, 5985, 7680, 47001}
)
FIRST_DYNAMIC_PORT = 49152
MOST_LISTENERS = 20


class NotTold(Exception):
    """The system does not tell something; says why in Chinese and English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.text = (zh, en)


@dataclass(frozen=True)
class Adapter:
    """A network card."""

    name: str
    is_up: bool
    is_radio: bool
    speed_mbps: int

    @property
    def text(self) -> str:
        return f"{self.name} {'wireless' if self.is_radio else 'wired'}"


@dataclass(frozen=True)
class Address:
    """An IPv4 address of this server; `is_dynamic`: given by DHCP."""

    address: str
    is_dynamic: bool


def adapters() -> list[Adapter]:
    """List the network cards; loopback is none."""
    found = []
    for name, told in psutil.net_if_stats().items():
        if "loopback" in told.flags.split(",") or name == "lo" or name.startswith("Loopback"):
            continue
        is_radio = _is_radio(name)
        speed = told.speed if 0 < told.speed < 65535 else 0
        found.append(Adapter(name, told.isup and _has_address(name), is_radio, speed))
    return found


def addresses() -> list[Address]:
    """List the server's IPv4 addresses and whether DHCP gave them; raises NotTold."""
    return _windows_addresses() if sys.platform == "win32" else _linux_addresses()


def other_listeners() -> list[str]:
    """List the ports on which other programs than this one listen for the network, with their names."""
    own = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    found: dict[int, str] = {}
    for one in psutil.net_connections(kind="tcp"):
        if one.status != psutil.CONN_LISTEN or one.pid in own or not one.laddr:
            continue
        if one.laddr.ip.startswith("127.") or one.laddr.ip == "::1":
            continue
        if one.laddr.port not in USUAL_PORTS and one.laddr.port < FIRST_DYNAMIC_PORT:
            found[one.laddr.port] = _program(one.pid)
    return [f"{port} ({name})" if name else str(port) for port, name in sorted(found.items())][:MOST_LISTENERS]


def open_files_limit() -> int | None:
    """Give how many files and sockets a process may have open; None where there is no such limit."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def windows_version() -> str | None:
    """Give the version of Windows (6.3 is Server 2012 R2); None elsewhere."""
    if sys.platform == "win32":
        told = sys.getwindowsversion()
        return f"{told.major}.{told.minor}.{told.build}"
    return None


def write_speed(folder: Path) -> float:
    """Write and flush a file of its own; gives bytes a second and leaves nothing behind."""
    piece = os.urandom(PIECE)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".speed-", buffering=0) as stream:
        started, written = time.monotonic(), 0
        while written < WRITE_BYTES and time.monotonic() - started < WRITE_WITHIN_S:
            written += stream.write(piece)
            os.fsync(stream.fileno())
        return written / max(time.monotonic() - started, 1e-6)


def read_facts() -> dict[str, Any]:
    """Say what this server is; sealing the room freezes it. What is not told is left out."""
    ways: dict[str, Callable[[], Iterable[str]]] = {
        "machine_id": lambda: [platform.node()],
        "macs": _macs,
        "system": lambda: [platform.platform(terse=True)],
        "adapters": lambda: [one.text for one in adapters() if one.is_up],
        "disks": lambda: [part.device for part in psutil.disk_partitions(all=False)],
        "addresses": lambda: [one.address for one in addresses()],
        "running": other_listeners,
    }
    facts: dict[str, Any] = {}
    for name, way in ways.items():
        with suppress(NotTold, OSError, ValueError, psutil.Error):
            facts[name] = sorted(set(way()))
    return facts


def _macs() -> list[str]:
    return [
        one.address.lower().replace("-", ":")
        for name, listed in psutil.net_if_addrs().items()
        for one in listed
        if one.family == psutil.AF_LINK and one.address.strip("0:-") and _has_address(name)
    ]


def _has_address(name: str) -> bool:
    return any(one.family == socket.AF_INET for one in psutil.net_if_addrs().get(name, ()))


def _is_radio(name: str) -> bool:
    if sys.platform == "win32":
        return any(word in name.casefold() for word in ("wlan", "wi-fi", "wifi", "无线", "bluetooth", "蓝牙"))
    card = Path("/sys/class/net") / name
    return (card / "wireless").exists() or (card / "phy80211").exists()


def _program(pid: int | None) -> str:
    try:
        return psutil.Process(pid).name() if pid else ""
    except psutil.Error:
        return ""


def _linux_addresses() -> list[Address]:
    program = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")
    if program is None:
        raise NotTold("没有 ip 程序，请人工确认是手动地址", "no program 'ip': look yourself")
    try:
        asked = subprocess.run(
            [program, "-j", "-4", "address", "show", "scope", "global"],
            capture_output=True, timeout=COMMAND_TIMEOUT_S, check=True,
        )  # fmt: skip
        return parse_addresses(json.loads(asked.stdout))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise NotTold(f"ip 程序没有给出结果（{error}）", f"'ip' gave no result ({error})") from error


def parse_addresses(links: list[dict[str, Any]]) -> list[Address]:
    """Read what `ip -j address` prints: DHCP clients mark what they set as dynamic."""
    return [
        Address(str(one["local"]), bool(one.get("dynamic")))
        for link in links
        for one in link.get("addr_info", ())
        if one.get("local")
    ]


def _windows_addresses() -> list[Address]:
    found: list[Address] = []
    if sys.platform == "win32":
        import winreg

        base = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces"
        living = {one.address for listed in psutil.net_if_addrs().values() for one in listed}
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, base) as interfaces:
            for place in range(winreg.QueryInfoKey(interfaces)[0]):
                with winreg.OpenKey(interfaces, winreg.EnumKey(interfaces, place)) as card:
                    is_dynamic = bool(_value(card, "EnableDHCP"))
                    told = _value(card, "DhcpIPAddress" if is_dynamic else "IPAddress") or []
                    listed = [told] if isinstance(told, str) else told
                    found += [Address(one, is_dynamic) for one in listed if one in living]
    return found


def _value(key: Any, name: str) -> Any:
    if sys.platform == "win32":
        import winreg

        try:
            return winreg.QueryValueEx(key, name)[0]
        except OSError:
            return None
    return None
