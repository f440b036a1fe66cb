"""Removable drives: what is mounted is unmounted, what is plugged in gets no driver. Mice and keyboards stay.

`unmount` waits for what is still written and fails while a program uses the drive; nothing is forced, it is reported.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any, Dict, List

from client_agent.errors import AgentError
from client_agent.linux.lock_files import missing_folders, remove_with_folders, run, write_whole
from client_agent.lockdown.operation import Before, NotHeld, describe_failure
from client_agent.lockdown.profile import LockProfile

MODPROBE = "etc/modprobe.d/exam-station.conf"
# /run is empty after a restart: a rule there cannot outlive a PC that lost its power.
UDEV = "run/udev/rules.d/00-exam-station.rules"
# Where a system that runs from a stick or a disc keeps its own medium.
SYSTEM_MOUNTS = ("/", "/boot", "/boot/efi", "/usr", "/run/live/medium", "/run/archiso/bootmnt", "/cdrom", "/isodevice")
NO_DRIVERS = "install usb-storage /bin/false\ninstall uas /bin/false\n"
# Class 08 is storage, 06 cameras and telephones. `authorized` keeps every driver away, also one that is loaded.
NO_INTERFACES = "".join(
    f'ACTION=="add", SUBSYSTEM=="usb", ENV{{DEVTYPE}}=="usb_interface", ATTR{{bInterfaceClass}}=="{number}", '
    'ATTR{authorized}="0"\n'
    for number in ("08", "06")
)
ESCAPED = re.compile(r"\\([0-7]{3})")


class RemovableDrives:
    """Needs root. `root` is where the system's files are looked up."""

    name, needed = "removable_drives", False
    title = ("移动存储（U 盘）", "Removable drives")

    def __init__(self, root: Path = Path("/"), *, mounts: Path = Path("/proc/self/mounts")) -> None:
        self._files = {root / MODPROBE: NO_DRIVERS, root / UDEV: NO_INTERFACES}
        self._blocks = root / "sys" / "class" / "block"
        self._udev = root / "run" / "udev" / "control"
        self._mounts = mounts
        self._root = root

    def wanted(self, profile: LockProfile) -> bool:
        return not profile.removable_drives

    def read(self) -> Before:
        return {
            "files": {str(file): missing_folders(file.parent) for file in self._files},
            "mounted": self._removable_mounts(),
        }

    def perform(self, _profile: LockProfile) -> None:
        for file, content in self._files.items():
            write_whole(file, content)
        self._tell_udev()
        failed = []
        for mount in self._removable_mounts()[::-1]:
            try:
                run("umount", mount["at"])
            except AgentError as refusal:
                failed.append(refusal)
        if failed:
            raise failed[0]

    def revert(self, before: Before) -> None:
        """Mount again what was mounted, if it is still plugged in; a drive taken out meanwhile is no failure."""
        for file, folders in before["files"].items():
            remove_with_folders(Path(file), folders)
        self._tell_udev()
        mounted = [mount["at"] for mount in self._removable_mounts()]
        for mount in before["mounted"]:
            if mount["at"] not in mounted and Path(mount["device"]).exists():
                Path(mount["at"]).mkdir(parents=True, exist_ok=True)
                run("mount", "-t", mount["kind"], "-o", mount["options"], mount["device"], mount["at"])

    def holds(self, _profile: LockProfile) -> NotHeld | None:
        mounted = self._removable_mounts()
        if mounted:
            names = ", ".join(f"{mount['device']} → {mount['at']}" for mount in mounted)
            return describe_failure(self, f"仍挂载着 {names}", f"still mounted: {names}")
        for file, content in self._files.items():
            if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != content:
                return describe_failure(self, file)
        return None

    def _tell_udev(self) -> None:
        if self._udev.exists():
            run("udevadm", "control", "--reload")

    def _removable_mounts(self) -> List[Dict[str, Any]]:
        """List mounts of drives that can be taken out, but for one that this system itself runs from."""
        all_mounts = [_mount(line) for line in self._mounts.read_text("utf-8", "surrogateescape").splitlines()]
        by_drive = [(self._drive_of(mount["device"]), mount) for mount in all_mounts]
        systems = {drive for drive, mount in by_drive if drive and mount["at"] in SYSTEM_MOUNTS}
        return [mount for drive, mount in by_drive if drive and drive not in systems and self._is_removable(drive)]

    def _drive_of(self, device: str) -> str:
        """Give the folder of the whole drive that a device (`/dev/sdb1`) is a part of; empty for what is none."""
        if not device.startswith("/dev/"):
            return ""
        place = self._blocks / os.path.basename(os.path.realpath(device))
        if not place.exists():
            return ""
        real = Path(os.path.realpath(str(place)))
        return str(real.parent if (real / "partition").exists() else real)

    def _is_removable(self, drive: str) -> bool:
        """On the USB bus, in a slot for cards, or flagged by the kernel; an optical drive is one, too."""
        below = drive[len(str(self._root)) :] if drive.startswith(str(self._root)) else drive
        flag = kind = ""
        with contextlib.suppress(OSError):
            flag = (Path(drive) / "removable").read_text(encoding="ascii").strip()
        with contextlib.suppress(OSError):
            kind = (Path(drive) / "device" / "type").read_text(encoding="ascii").strip()
        return flag == "1" or "/usb" in below or kind == "SD"


def _mount(line: str) -> Dict[str, Any]:
    device, at, kind, options = (ESCAPED.sub(lambda code: chr(int(code.group(1), 8)), one) for one in line.split()[:4])
    return {"device": device, "at": at, "kind": kind, "options": options}


class SystemKeys:
    """Alt+SysRq reaches the kernel past every window system: restart, end programs. Needs root."""

    name, needed = "system_keys", False
    title = ("SysRq 组合键", "SysRq keys")

    def __init__(self, root: Path = Path("/")) -> None:
        self._switch = root / "proc" / "sys" / "kernel" / "sysrq"

    def wanted(self, _profile: LockProfile) -> bool:
        return self._switch.exists()

    def read(self) -> Before:
        return {"sysrq": self._switch.read_text(encoding="ascii").strip()}

    def perform(self, _profile: LockProfile) -> None:
        self._switch.write_text("0\n", encoding="ascii")

    def revert(self, before: Before) -> None:
        self._switch.write_text(before["sysrq"] + "\n", encoding="ascii")

    def holds(self, _profile: LockProfile) -> NotHeld | None:
        found = self._switch.read_text(encoding="ascii").strip()
        return None if found == "0" else describe_failure(self, f"sysrq = {found}")
