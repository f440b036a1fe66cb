"""What the room check asks of the system. One module per system answers (`linux.probes`, `windows.probes`).

A question that this PC cannot answer raises `Unreadable` with the reason; the check then says 'unknown'. Any other
failure of a probe is told the same way by the run, so a probe need not catch what it does not expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Sequence, Tuple

Text = Tuple[str, str]


class Unreadable(Exception):
    """Something about this PC cannot be found out; says why in Chinese and English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.text: Text = (zh, en)


@dataclass(frozen=True)
class System:
    """The operating system. `version` is comparable: 6.1 is Windows 7."""

    family: str
    name: str
    version: str


@dataclass(frozen=True)
class Adapter:
    """A network card. `kind` is wired, wireless, bluetooth or virtual; `speed_mbps` None if it is not told."""

    name: str
    kind: str
    is_up: bool
    speed_mbps: int | None = None
    addresses: Sequence[str] = ()


@dataclass(frozen=True)
class Network:
    """How this PC is set to reach others: default gateways, name servers, proxies as host:port."""

    gateways: Sequence[str] = ()
    name_servers: Sequence[str] = ()
    proxies: Sequence[str] = ()


@dataclass(frozen=True)
class Screen:
    width: int
    height: int


@dataclass(frozen=True)
class Installed:
    """An installed program; `version` is empty if it is not told."""

    name: str
    version: str = ""


@dataclass(frozen=True)
class Battery:
    """A battery or a UPS that the system knows. `percent` None if it is not told."""

    is_plugged_in: bool
    percent: float | None = None


@dataclass(frozen=True)
class Antivirus:
    """What the system says of its protection."""

    is_on: bool
    text: Text


@dataclass(frozen=True)
class RemoteWay:
    """A way to control this PC from elsewhere. `is_active` False: it is only allowed, and the lock bars it."""

    text: Text
    is_active: bool = True


class Probes(Protocol):
    """What the checks ask of the system they run on. Anything may raise `Unreadable` or OSError."""

    def system(self) -> System: ...

    def cores(self) -> int: ...

    def clock_ghz(self) -> float: ...

    def memory_bytes(self) -> int: ...

    def video_memory_bytes(self) -> int: ...

    def disk_bytes(self, folder: Path) -> tuple[int, int]:
        """Give size and free bytes of the disk that holds an existing folder."""
        ...

    def disks(self) -> Sequence[str]:
        """Name the disks and sticks that are there, each always in the same words."""
        ...

    def screens(self) -> Sequence[Screen]: ...

    def has_keyboard(self) -> bool: ...

    def has_mouse(self) -> bool: ...

    def input_languages(self) -> Sequence[str]:
        """List the languages that can be typed: zh, en."""
        ...

    def chinese_fonts(self) -> Sequence[str]: ...

    def installed(self) -> Sequence[Installed]: ...

    def find_program(self, name: str) -> Installed | None:
        """Look for a program by its file name, where programs are looked for when they are started."""
        ...

    def running(self) -> Sequence[str]:
        """List the file names of all running programs."""
        ...

    def windowed(self) -> Sequence[str]:
        """List the file names of running programs that show a window."""
        ...

    def remote_control(self) -> Sequence[RemoteWay]:
        """List by which ways somebody elsewhere sees or controls this PC, or could."""
        ...

    def virtual_machine(self) -> str:
        """Say what tells that this is a virtual machine, empty if nothing does."""
        ...

    def antivirus(self) -> Antivirus: ...

    def adapters(self) -> Sequence[Adapter]: ...

    def network(self) -> Network: ...

    def battery(self) -> Battery | None: ...

    def firewall(self) -> Sequence[str]:
        """Say how the firewall stands, in words that change only when somebody changes it."""
        ...
