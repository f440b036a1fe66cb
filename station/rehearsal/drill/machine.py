"""What machine a drill was held on: for the report, which somebody reads who was not there."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})


@dataclass(frozen=True)
class Machine:
    """Name, system, processor, memory, and the disk that the drill's folder lies on."""

    name: str
    system: str
    processor: str
    cores: int
    memory_gib: float
    disk: str
    file_system: str
    free_gib: float

    @property
    def is_disk_real(self) -> bool:
        """Say whether what is written survives the power's going: a folder in memory shows nothing about the disk."""
        return self.file_system not in _IN_MEMORY


def this_machine(folder: Path) -> Machine:
    """Describe the machine and the disk of an existing folder."""
    device, file_system = _disk_of(folder.resolve())
    return Machine(
        name=socket.gethostname(),
        system=_system(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        disk=device,
        file_system=file_system,
        free_gib=round(psutil.disk_usage(str(folder)).free / 2**30, 1),
    )


def _disk_of(folder: Path) -> tuple[str, str]:
    """Find the partition that is mounted nearest above the folder; the last one mounted there counts."""
    nearest, found = -1, ("?", "?")
    for one in psutil.disk_partitions(all=True):
        mounted = Path(one.mountpoint)
        if folder.is_relative_to(mounted) and len(mounted.parts) >= nearest:
            nearest, found = len(mounted.parts), (one.device, one.fstype.lower())
    return found


def _system() -> str:
    if os.name == "nt":
        return f"Windows {platform.release()} {platform.version()}"
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        name = platform.system()
    return f"{name}, {platform.system()} {platform.release()}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
