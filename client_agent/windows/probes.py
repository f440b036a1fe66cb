"""Windows: what the room check asks, mostly from the registry, which needs no service to answer.

The calls are those of the lockdown's interface; `probe_calls` has the few besides. Not run on a real Windows yet: the
rules are tested against the written model of a PC.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any, List, Mapping, Sequence, Set

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
from client_agent.windows.api import WindowsApi
from client_agent.windows.probe_calls import ProbeCalls, RealCalls

CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control"
SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
CURRENT = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
CARDS = CONTROL + r"\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
ADAPTERS = CONTROL + r"\Class\{4d36e972-e325-11ce-bfc1-08002be10318}"
CONNECTIONS = CONTROL + r"\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}"
INTERFACES = SERVICES + r"\Tcpip\Parameters\Interfaces"
PROFILES = SERVICES + r"\SharedAccess\Parameters\FirewallPolicy"
REMOTE_DESKTOP = CONTROL + r"\Terminal Server"
UNINSTALL = (
    r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
)
APP_PATHS = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths"
# Media that network cards name themselves by (NDIS).
WIRELESS, BLUETOOTH, ETHERNET = 9, 10, 14
CHINESE_FONTS = {
    "simsun": "宋体", "msyh": "微软雅黑", "simhei": "黑体", "simkai": "楷体", "simfang": "仿宋", "deng": "等线",
    "mingliu": "細明體", "msjh": "微軟正黑體", "noto sans cjk": "Noto Sans CJK", "sourcehansans": "思源黑体",
}  # fmt: skip
CHINESE, ENGLISH = (0x0804, 0x0404, 0x0C04, 0x1004), 0x09
HEALTH = {
    0: ("已开启", "on"),
    1: ("没有防病毒软件", "none"),
    2: ("已关闭或病毒库过期", "off or out of date"),
    3: ("已暂停", "paused"),
}
INTERNET_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class WindowsProbes(CommonProbes):
    """This PC by the calls of the lockdown's interface."""

    def __init__(self, windows: WindowsApi, calls: ProbeCalls | None = None) -> None:
        self._windows = windows
        self._calls = calls or RealCalls()

    def system(self) -> System:
        told = self._values(CURRENT)
        version = ".".join(str(part) for part in self._windows.version())
        name = str(told.get("ProductName", "")) or "Windows"
        if self._windows.version() >= (10, 0, 22000):  # Windows 11 still calls itself 10 there
            name = name.replace("Windows 10", "Windows 11")
        service_pack = str(told.get("CSDVersion", ""))
        return System("windows", " ".join(part for part in (name, service_pack, version) if part), version)

    def video_memory_bytes(self) -> int:
        sizes = [_size(self._values(f"{CARDS}\\{card}")) for card in self._windows.subkeys(CARDS)]
        if not any(sizes):
            raise Unreadable("显卡没有报告显存。", "The graphics card does not tell its memory.")
        return max(sizes)

    def disks(self) -> Sequence[str]:
        told = self._values(f"{SERVICES}\\Disk\\Enum")
        return [str(told[name]) for name in sorted(told) if name.isdigit()]

    def screens(self) -> Sequence[Screen]:
        """Twins show one picture on two screens: they count, though only one has a size."""
        sizes = [Screen(width, height) for width, height in self._calls.screen_sizes()]
        more = self._windows.screens() - len(sizes)
        return [*sizes, *(sizes[:1] * more)] if sizes else []

    def has_keyboard(self) -> bool:
        return int(self._values(f"{SERVICES}\\kbdclass\\Enum").get("Count", 0)) > 0

    def has_mouse(self) -> bool:
        return int(self._values(f"{SERVICES}\\mouclass\\Enum").get("Count", 0)) > 0

    def input_languages(self) -> Sequence[str]:
        """Read the keyboard layouts of who is logged in. A Chinese input method types English, too."""
        layouts = self._values(f"{self._person()}\\Keyboard Layout\\Preload").values()
        numbers = [int(str(one), 16) & 0xFFFF for one in layouts if re.fullmatch(r"[0-9A-Fa-f]{8}", str(one))]
        is_chinese = any(number in CHINESE for number in numbers)
        is_english = is_chinese or any(number & 0xFF == ENGLISH for number in numbers)
        return [name for name, is_there in (("en", is_english), ("zh", is_chinese)) if is_there]

    def chinese_fonts(self) -> Sequence[str]:
        found = set()
        for name, file in self._values(f"{CURRENT}\\Fonts").items():
            known = [font for mark, font in CHINESE_FONTS.items() if mark in f"{name} {file}".casefold()]
            if not known and re.search(r"[\u4e00-\u9fff]", name):
                known = [name.partition(" (")[0]]
            found.update(known)
        return sorted(found)

    def installed(self) -> Sequence[Installed]:
        lists = [*UNINSTALL, *self._of_person(r"Software\Microsoft\Windows\CurrentVersion\Uninstall")]
        found = []
        for place in lists:
            for key in self._windows.subkeys(place):
                told = self._values(f"{place}\\{key}")
                if told.get("DisplayName"):
                    found.append(Installed(str(told["DisplayName"]), str(told.get("DisplayVersion", ""))))
        return found

    def find_program(self, name: str) -> Installed | None:
        file_name = name if name.casefold().endswith(".exe") else f"{name}.exe"
        path = str(self._values(f"{APP_PATHS}\\{file_name}").get("", "")).strip('"')
        return Installed(name) if path and Path(path).is_file() else None

    def running(self) -> Sequence[str]:
        return [process.name for process in self._windows.processes()]

    def windowed(self) -> Sequence[str]:
        shown = set(self._windows.processes_with_windows())
        return sorted({process.name for process in self._windows.processes() if process.pid in shown})

    def remote_control(self) -> Sequence[RemoteWay]:
        ways = []
        if self._windows.is_remote_session():
            ways.append(RemoteWay(("本会话是远程桌面", "this session is a remote desktop")))
        if self._values(REMOTE_DESKTOP).get("fDenyTSConnections") == 0:
            allowed = ("已允许远程桌面连接", "remote desktop connections are allowed")
            ways.append(RemoteWay(allowed, is_active=False))
        return ways

    def virtual_machine(self) -> str:
        """Maker and model tell it, which the check reads; a hypervisor alone is on many a real PC."""
        return ""

    def antivirus(self) -> Antivirus:
        health = self._calls.antivirus_health()
        if health is None or health not in HEALTH:
            raise Unreadable("Windows 安全中心没有应答，请人工确认。", "The Security Center gave no answer.")
        return Antivirus(health == 0, HEALTH[health])

    def adapters(self) -> Sequence[Adapter]:
        stats, addresses = psutil.net_if_stats(), psutil.net_if_addrs()
        kinds = self._kinds()
        found = []
        for name, told in stats.items():
            carried = [one.address for one in addresses.get(name, ()) if one.family in INTERNET_FAMILIES]
            if name.startswith("Loopback") or "127.0.0.1" in carried:
                continue
            speed = told.speed if 0 < told.speed < 10**6 else None
            found.append(Adapter(name, kinds.get(name, "virtual"), told.isup, speed, carried))
        return [one for one in found if one.kind != "virtual" or one.is_up]

    def network(self) -> Network:
        gateways: Set[str] = set()
        servers: Set[str] = set()
        living = {one.address for listed in psutil.net_if_addrs().values() for one in listed}
        for card in self._windows.subkeys(INTERFACES):
            told = self._values(f"{INTERFACES}\\{card}")
            own = {*_listed(told.get("IPAddress")), *_listed(told.get("DhcpIPAddress"))}
            if own & living:  # settings of cards that were taken out stay in the registry
                gateways.update(_listed(told.get("DefaultGateway")) or _listed(told.get("DhcpDefaultGateway")))
                servers.update(_listed(told.get("NameServer")) or _listed(told.get("DhcpNameServer")))
        return Network(sorted(gateways), sorted(servers), self._proxies())

    def firewall(self) -> Sequence[str]:
        names = (("DomainProfile", "domain"), ("PublicProfile", "public"), ("StandardProfile", "private"))
        told = [(short, self._values(f"{PROFILES}\\{key}").get("EnableFirewall")) for key, short in names]
        return [f"{short} {'on' if value else 'off'}" for short, value in told if value is not None]

    def _kinds(self) -> Mapping[str, str]:
        """Say of each connection by its name in Windows what carries it."""
        kinds = {}
        for number in self._windows.subkeys(ADAPTERS):
            told = self._values(f"{ADAPTERS}\\{number}")
            place = f"{CONNECTIONS}\\{told.get('NetCfgInstanceId', '')}\\Connection"
            name = self._values(place).get("Name")
            if name:
                kinds[str(name)] = _kind(told)
        return kinds

    def _proxies(self) -> List[str]:
        found = set()
        for place in self._of_person(r"Software\Microsoft\Windows\CurrentVersion\Internet Settings"):
            told = self._values(place)
            if told.get("ProxyEnable"):
                for one in str(told.get("ProxyServer", "")).split(";"):
                    address = one.rpartition("=")[2].rpartition("/")[2].strip()
                    if address:
                        found.add(address if ":" in address else f"{address}:80")
        return sorted(found)

    def _person(self) -> str:
        person = self._windows.person()
        if person is None:
            raise Unreadable("没有人登录 Windows，无法检测。", "Nobody is logged in to Windows.")
        return f"HKU\\{person}"

    def _of_person(self, key: str) -> List[str]:
        person = self._windows.person()
        return [f"HKU\\{person}\\{key}"] if person else []

    def _values(self, key: str) -> Mapping[str, Any]:
        return {name: value.content for name, value in (self._windows.values(key) or {}).items()}


def _size(card: Mapping[str, Any]) -> int:
    """Read a graphics card's memory: 64 bits on newer drivers, a number or four bytes on older ones."""
    for name in ("HardwareInformation.qwMemorySize", "HardwareInformation.MemorySize"):
        told = card.get(name)
        if isinstance(told, int) and told:
            return told
        if isinstance(told, str) and re.fullmatch(r"([0-9a-f]{2})+", told):
            return int.from_bytes(bytes.fromhex(told), "little")
    return 0


def _kind(card: Mapping[str, Any]) -> str:
    """Say what a card is. Old drivers leave the medium out: then a real card counts as wired."""
    medium = card.get("*PhysicalMediaType")
    text = f"{card.get('DriverDesc', '')} {card.get('ComponentId', '')}".casefold()
    if medium == WIRELESS or re.search(r"wi-?fi|wireless|802\.11|wlan", text):
        return "wireless"
    if medium == BLUETOOTH or "bluetooth" in text:
        return "bluetooth"
    # NCF_PHYSICAL: a card that somebody can touch.
    is_real = bool(int(card.get("Characteristics", 0)) & 0x4)
    return "wired" if is_real and medium in (ETHERNET, 0, None) else "virtual"


def _listed(value: Any) -> List[str]:
    """Read a list that the registry holds as several values, or as one with blanks or commas."""
    parts = value if isinstance(value, list) else re.split(r"[,\s]+", str(value or ""))
    return [part for part in parts if part and part != "0.0.0.0"]
