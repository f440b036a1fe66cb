"""Linux: browsers on PATH, state after the XDG base directories, hardware from /sys."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Sequence

import psutil

from client_agent.errors import AgentError
from client_agent.kiosk import start_process
from client_agent.linux.desktop import LinuxDesktop
from client_agent.linux.person import person_here
from client_agent.linux.probes import LinuxProbes
from client_agent.machine import Browser, Identity
from client_agent.update import INSTALLER_NOT_STARTED

PROGRAMS = (
    ("Google Chrome", "google-chrome-stable"),
    ("Google Chrome", "google-chrome"),
    ("Chromium", "chromium"),
    ("Chromium", "chromium-browser"),
    ("Microsoft Edge", "microsoft-edge-stable"),
    ("Microsoft Edge", "microsoft-edge"),
)
PROGRAM_FOLDERS = ("/usr/local/bin", "/usr/bin", "/usr/games", "/snap/bin")
VERSION_TIMEOUT_S = 10
SYSTEM_STATE = Path("/var/lib/exam-agent")
# A service's end takes with it what it started, unless that is a unit of its own.
APART = ("systemd-run", "--collect", "--quiet") if Path("/run/systemd/system").is_dir() else ("setsid",)
WORK_FILESYSTEMS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "jfs", "overlay")


class LinuxMachine:
    """A candidate PC with Linux. `root` is where the system's own files are looked up."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def find_browsers(self) -> Sequence[Browser]:
        """Look for the programs by name on PATH and ask each for its version."""
        found: dict[str, tuple[str, Path]] = {}
        for name, program in PROGRAMS:
            path = shutil.which(program)
            if path is not None:
                # Two names often point at one program.
                found.setdefault(os.path.realpath(path), (name, Path(path)))
        return [Browser(name, path, _read_version(path)) for name, path in found.values()]

    def find_program(self, name: str) -> Path | None:
        """Look on PATH and where Debian puts what is not for administrators; a name only, never a path."""
        if not name or "/" in name:
            return None
        path = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *PROGRAM_FOLDERS)))
        return Path(path) if path is not None else None

    def state_folder(self) -> Path:
        """The service's own folder for root, the person's for anybody else."""
        home = os.environ.get("XDG_STATE_HOME")
        if not home and sys.platform != "win32" and os.geteuid() == 0:
            return SYSTEM_STATE
        return Path(home or Path.home() / ".local" / "state") / "exam-agent"

    def identity(self) -> Identity:
        """Know the PC by firmware and network card: PCs of a room are often copies of one disk."""
        macs = self._macs()
        known_by = [self._read("etc/machine-id"), self._read("sys/class/dmi/id/product_uuid").lower(), *macs[:1]]
        return Identity(
            machine_id=hashlib.sha256("\n".join(known_by).encode("utf-8")).hexdigest()[:32],
            name=platform.node(),
            macs=macs,
            system=self._system(),
            maker=self._read("sys/class/dmi/id/sys_vendor"),
            model=self._read("sys/class/dmi/id/product_name"),
            cpu=self._cpu(),
            memory_bytes=psutil.virtual_memory().total,
        )

    def boot_id(self) -> str:
        return self._read("proc/sys/kernel/random/boot_id")

    def work_drives(self) -> Sequence[Path]:
        """List where work folders may lie, best first: near the home of who works here, then the local file systems.

        For root not in the home itself: its owner could rename the folder there and lay a link in its place, through
        which root would write, read and remove elsewhere.
        """
        mounts = [
            Path(part.mountpoint)
            for part in psutil.disk_partitions(all=False)
            if part.fstype in WORK_FILESYSTEMS and "rw" in part.opts.split(",")
        ]
        home = Path(os.path.expanduser(f"~{person_here()}"))
        places = [home.parent if person_here() else home, *mounts]
        return list(dict.fromkeys(place for place in places if place.is_dir() and os.access(str(place), os.W_OK)))

    def desktop(self) -> LinuxDesktop:
        return LinuxDesktop()

    def install(self, installer: Path) -> None:
        """Unpack the archive and start its `install.sh`, under systemd apart from the service that it replaces."""
        folder: Path | None = None
        try:
            folder = Path(tempfile.mkdtemp(prefix="exam-agent-update-"))
            subprocess.run(["tar", "-xzf", str(installer), "-C", str(folder)], check=True, timeout=120)
            script = next(iter(sorted(folder.glob("**/install.sh"))))
            start_process([*APART, "sh", str(script), "--silent"])
        except (OSError, subprocess.SubprocessError, StopIteration) as failure:
            if folder is not None:
                shutil.rmtree(str(folder), ignore_errors=True)
            raise AgentError(INSTALLER_NOT_STARTED, name=installer.name, reason=failure) from None

    def probes(self) -> LinuxProbes:
        return LinuxProbes(self._root)

    def _read(self, name: str) -> str:
        """Read a small file of the system; empty where there is none or it is kept from us."""
        try:
            return (self._root / name).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def _macs(self) -> list[str]:
        """List the addresses of real network cards, built-in ones first."""
        cards = []
        for card in (self._root / "sys" / "class" / "net").glob("*"):
            device = card / "device"
            if device.exists():
                is_plugged_in = "usb" in os.path.realpath(str(device))
                cards.append((is_plugged_in, self._read(f"sys/class/net/{card.name}/address")))
        found = [mac for _is_plugged_in, mac in sorted(cards) if mac]
        return found or sorted(
            address.address
            for name, addresses in psutil.net_if_addrs().items()
            for address in addresses
            if address.family == psutil.AF_LINK and name != "lo"
        )

    def _system(self) -> str:
        for line in self._read("etc/os-release").splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip('"')
        return platform.platform()

    def _cpu(self) -> str:
        match = re.search(r"^model name\s*:\s*(.+)$", self._read("proc/cpuinfo"), re.MULTILINE)
        return match.group(1) if match else platform.machine()


def _read_version(program: Path) -> str:
    try:
        answer = subprocess.run(
            [str(program), "--version"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\d+(?:\.\d+)+", answer.stdout.decode("utf-8", "replace"))
    return match.group() if match else ""
