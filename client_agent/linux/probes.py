"""Linux: what the room check asks, read from /proc, /sys, the package list, fontconfig and the X screen."""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
from pathlib import Path
from typing import List, Mapping, Sequence
from urllib.parse import urlsplit

import psutil

from client_agent.checks.common_probes import CommonProbes
from client_agent.checks.probes import (
    Adapter,
    Antivirus,
    Installed,
    Network,
    RemoteWay,
    Screen,
    System,
    Unreadable,
)
from client_agent.linux import x11

COMMAND_TIMEOUT_S = 5
OWN_TABLE = "exam_station"
DISKS = re.compile(r"(sd|hd|vd|xvd|nvme|mmcblk)[a-z0-9]+")
SECTOR = 512
REMOTE_PORTS = {3389: "RDP", 5900: "VNC", 5901: "VNC"}
LISTENING = "0A"


class LinuxProbes(CommonProbes):
    """`root` and `environment` are the system's own; a test may give others."""

    def __init__(self, root: Path = Path("/"), environment: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._environment = os.environ if environment is None else environment

    def system(self) -> System:
        fields = dict(
            line.partition("=")[::2] for line in self._read("etc/os-release").splitlines() if "=" in line
        )  # fmt: skip
        name = fields.get("PRETTY_NAME", "Linux").strip('"')
        return System("linux", name, fields.get("VERSION_ID", "").strip('"'))

    def video_memory_bytes(self) -> int:
        told = [self._read_number(path) for path in self._glob("sys/class/drm/card*/device/mem_info_vram_total")]
        if not any(told):
            raise Unreadable("显卡没有报告显存。", "The graphics card does not tell its memory.")
        return max(told)

    def disks(self) -> Sequence[str]:
        found = []
        for block in self._glob("sys/block/*"):
            if DISKS.fullmatch(block.name):
                size = self._read_number(block / "size") * SECTOR // 10**9
                model = self._read(block / "device" / "model") or block.name
                serial = self._read(block / "device" / "serial")
                found.append(" ".join(part for part in (model, serial, f"{size} GB") if part))
        return found

    def screens(self) -> Sequence[Screen]:
        with x11.Screen() as screen:
            return [Screen(width, height) for width, height in screen.monitors()]

    def has_keyboard(self) -> bool:
        return self._has_input_device("kbd", needs_keys=True)

    def has_mouse(self) -> bool:
        return self._has_input_device("mouse")

    def input_languages(self) -> Sequence[str]:
        """English is what keyboards type; Chinese comes with an engine of ibus or fcitx."""
        engines = [*self._glob("usr/share/ibus/component/*.xml"), *self._glob("usr/share/fcitx*/inputmethod/*.conf")]
        is_chinese = any(
            re.search(r"<language>\s*zh|^LangCode=zh", self._read(engine), re.MULTILINE) for engine in engines
        )
        return ["en", "zh"] if is_chinese else ["en"]

    def chinese_fonts(self) -> Sequence[str]:
        listed = self._ask("fc-list", ":lang=zh", "family")
        return sorted({line.partition(",")[0].strip() for line in listed.splitlines() if line.strip()})

    def installed(self) -> Sequence[Installed]:
        """List the entries of the desktop's menu, and the packages with their versions."""
        packages = []
        if shutil.which("dpkg-query"):
            for line in self._ask("dpkg-query", "-W", "-f", "${Package}\t${Version}\n").splitlines():
                name, _tab, version = line.partition("\t")
                packages.append(Installed(name, version.rpartition(":")[2]))
        menu = [re.search(r"^Name=(.+)$", self._read(entry), re.MULTILINE) for entry in self._menu()]
        return [*packages, *(Installed(name.group(1)) for name in menu if name)]

    def find_program(self, name: str) -> Installed | None:
        for file_name in (name, name.lower(), name.lower().replace(" ", "-"), name.lower().replace(" ", "")):
            path = shutil.which(file_name)
            if path:
                return Installed(name, _version_of(path))
        return None

    def windowed(self) -> Sequence[str]:
        names = set()
        with x11.Screen() as screen:
            for pid in screen.processes_with_windows():
                try:
                    names.add(psutil.Process(pid).name())
                except psutil.Error:
                    continue
        return sorted(names)

    def remote_control(self) -> Sequence[RemoteWay]:
        ways = []
        if self._environment.get("XRDP_SESSION"):
            ways.append(RemoteWay(("本会话来自远程桌面（xrdp）", "this session is a remote desktop (xrdp)")))
        elif self._environment.get("SSH_CONNECTION"):
            ways.append(RemoteWay(("本会话来自 SSH", "this session comes over SSH")))
        for port in sorted(self._listening_ports() & set(REMOTE_PORTS)):
            name = REMOTE_PORTS[port]
            ways.append(RemoteWay((f"{name} 服务（端口 {port}）", f"{name} on port {port}")))
        return ways

    def virtual_machine(self) -> str:
        if not shutil.which("systemd-detect-virt"):
            return ""
        told = self._ask("systemd-detect-virt", "--vm", check=False).strip()
        return "" if told in ("", "none") else told

    def antivirus(self) -> Antivirus:
        raise Unreadable("Linux 上不检测防病毒软件。", "Antivirus programs are not looked for on Linux.")

    def adapters(self) -> Sequence[Adapter]:
        stats, addresses = psutil.net_if_stats(), psutil.net_if_addrs()
        found = []
        for card in self._glob("sys/class/net/*"):
            if card.name == "lo" or not (card / "address").exists():
                continue
            kind = self._kind(card)
            told = stats.get(card.name)
            speed = told.speed if told is not None and 0 < told.speed < 65535 else None
            carried = [
                one.address
                for one in addresses.get(card.name, ())
                if one.family in (socket.AF_INET, socket.AF_INET6)
            ]  # fmt: skip
            is_up = self._read(card / "operstate") == "up"
            found.append(Adapter(card.name, kind, is_up, speed, carried))
        bluetooth = [
            Adapter(card.name, "bluetooth", self._is_bluetooth_on()) for card in self._glob("sys/class/bluetooth/hci*")
        ]
        return [one for one in found if one.kind != "virtual" or one.addresses] + bluetooth

    def network(self) -> Network:
        gateways = [
            socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
            for fields in (line.split() for line in self._read("proc/net/route").splitlines()[1:])
            if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000"
        ]
        servers = re.findall(r"^\s*nameserver\s+(\S+)", self._read("etc/resolv.conf"), re.MULTILINE)
        proxies = set()
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            address = self._environment.get(name) or self._environment.get(name.upper()) or ""
            parts = urlsplit(address if "//" in address else f"//{address}")
            if parts.hostname:
                proxies.add(f"{parts.hostname}:{parts.port or 80}")
        return Network(gateways, servers, sorted(proxies))

    def firewall(self) -> Sequence[str]:
        """Name the tables of nftables; the agent's own comes and goes with the lock."""
        listed = self._ask("nft", "list", "tables")
        return [line.strip() for line in listed.splitlines() if line.strip() and OWN_TABLE not in line]

    def _kind(self, card: Path) -> str:
        if (card / "wireless").exists() or (card / "phy80211").exists():
            return "wireless"
        is_real = (card / "device").exists()
        # A PC whose cards are all made up (a container) has at least one that is its way out.
        return "wired" if is_real or (self._read(card / "type") == "1" and self._is_only_way(card)) else "virtual"

    def _is_only_way(self, card: Path) -> bool:
        real = [one for one in self._glob("sys/class/net/*") if (one / "device").exists()]
        return not real and self._read(card / "operstate") == "up"

    def _is_bluetooth_on(self) -> bool:
        for switch in self._glob("sys/class/rfkill/rfkill*"):
            if self._read(switch / "type") == "bluetooth" and self._read(switch / "state") == "1":
                return True
        return False

    def _has_input_device(self, handler: str, *, needs_keys: bool = False) -> bool:
        """Power buttons have a keyboard handler, too: a keyboard has the letter keys (bits 16 to 25 of KEY)."""
        devices = self._read("proc/bus/input/devices")
        if not devices:
            raise Unreadable("系统没有列出输入设备。", "The system lists no input devices.")
        for device in devices.split("\n\n"):
            handlers = re.search(r"^H: Handlers=(.*)$", device, re.MULTILINE)
            if handlers and re.search(rf"\b{handler}\d*\b", handlers.group(1)):
                keys = re.search(r"^B: KEY=(.+)$", device, re.MULTILINE)
                if not needs_keys or (keys and int(keys.group(1).split()[-1], 16) & 0x3FF0000 == 0x3FF0000):
                    return True
        return False

    def _listening_ports(self) -> set[int]:
        ports = set()
        for table in ("proc/net/tcp", "proc/net/tcp6"):
            for line in self._read(table).splitlines()[1:]:
                fields = line.split()
                address, _colon, port = fields[1].rpartition(":")
                is_local = address in ("0100007F", "00000000000000000000000001000000")
                if fields[3] == LISTENING and not is_local:
                    ports.add(int(port, 16))
        return ports

    def _menu(self) -> List[Path]:
        return self._glob("usr/share/applications/*.desktop") + self._glob("usr/local/share/applications/*.desktop")

    def _glob(self, pattern: str) -> List[Path]:
        return sorted(self._root.glob(pattern))

    def _read(self, place: str | Path) -> str:
        """Read a small file of the system; empty where there is none or it is kept from us."""
        try:
            return (self._root / place).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def _read_number(self, place: Path) -> int:
        text = self._read(place)
        return int(text) if text.isdigit() else 0

    def _ask(self, *command: str, check: bool = True) -> str:
        """Run a program of the system and give what it prints; one that is missing or fails is unreadable."""
        name = command[0]
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=COMMAND_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            raise Unreadable(f"没有程序 {name}，无法检测。", f"The program {name} is missing.") from None
        if check and done.returncode:
            raise Unreadable(f"{name} 没有给出结果（可能没有权限）。", f"{name} gave no result (perhaps no right to).")
        return done.stdout.decode("utf-8", "replace")


def _version_of(path: str) -> str:
    """Ask a program for its version; many desktop programs open a window instead, so it is not waited for long."""
    try:
        done = subprocess.run(
            [path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            timeout=COMMAND_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\d+(?:\.\d+)+", done.stdout.decode("utf-8", "replace"))
    return match.group() if match else ""
