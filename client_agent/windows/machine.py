"""Windows 7 and later: browsers by the registry's "App Paths", state under the machine's application folder.

Not tried on a real Windows 7; the rules are tested with a registry given as a function.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Callable, Sequence

import psutil

from client_agent.errors import AgentError
from client_agent.machine import Browser, Identity
from client_agent.update import INSTALLER_NOT_STARTED
from client_agent.windows.api import system_program
from client_agent.windows.desktop import WindowsDesktop, system_calls
from client_agent.windows.desktop_calls import DesktopCalls
from client_agent.windows.native import this_windows
from client_agent.windows.probes import WindowsProbes

APP_PATHS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths"
APP_PATHS_32 = r"SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\App Paths"
PROGRAMS = (("Google Chrome", "chrome.exe"), ("Microsoft Edge", "msedge.exe"))
MACHINE_GUID = (r"SOFTWARE\Microsoft\Cryptography", "MachineGuid")
BIOS = r"HARDWARE\DESCRIPTION\System\BIOS"
PROCESSOR = (r"HARDWARE\DESCRIPTION\System\CentralProcessor\0", "ProcessorNameString")


def read_registry(key: str) -> str | None:
    """Read a key's default value, the person's own first and then the machine's; None if there is none."""
    if sys.platform == "win32":
        import winreg

        for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
            try:
                return str(winreg.QueryValue(root, key)) or None
            except OSError:
                continue
    return None


def read_machine_value(key: str, name: str) -> str:
    """Read a named text of the machine's registry, as a 64-bit program sees it; empty if there is none."""
    if sys.platform == "win32":
        import winreg

        try:
            access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, access) as opened:
                return str(winreg.QueryValueEx(opened, name)[0]).strip()
        except OSError:
            return ""
    else:
        return ""


class WindowsMachine:
    """A candidate PC with Windows."""

    def __init__(
        self,
        registry: Callable[[str], str | None] = read_registry,
        values: Callable[[str, str], str] = read_machine_value,
        calls: Callable[[], DesktopCalls] = system_calls,
    ) -> None:
        self._registry = registry
        self._values = values
        self._calls = calls

    def find_browsers(self) -> Sequence[Browser]:
        """Look up each program's registered place; a registered program that is gone does not count."""
        found = []
        for name, program in PROGRAMS:
            registered = self._registry(f"{APP_PATHS}\\{program}")
            path = Path(registered.strip('"')) if registered else None
            if path is not None and path.is_file():
                found.append(Browser(name, path, _read_version(path)))
        return found

    def find_program(self, name: str) -> Path | None:
        """Look in the machine's "App Paths" and on the system's PATH. What a person registered for himself counts not:
        the candidate could have."""
        if not name or any(sign in name for sign in "/\\:"):
            return None
        for key in (APP_PATHS, APP_PATHS_32):
            registered = self._values(f"{key}\\{name}", "").strip('"')
            if registered and Path(os.path.expandvars(registered)).is_file():
                return Path(os.path.expandvars(registered))
        found = shutil.which(name)
        return Path(found) if found is not None else None

    def state_folder(self) -> Path:
        """One folder for service and desktop part alike; the installer lets only the system and administrators in."""
        home = os.environ.get("EXAM_AGENT_STATE")
        return Path(home) if home else Path(os.environ.get("PROGRAMDATA") or r"C:\ProgramData") / "exam-agent"

    def identity(self) -> Identity:
        """Know the PC by installation, firmware and network card: PCs of a room are often copies of one disk."""
        macs = _macs()
        maker, model = (self._values(BIOS, name) for name in ("SystemManufacturer", "SystemProductName"))
        known_by = [self._values(*MACHINE_GUID), maker, model, *macs[:1]]
        return Identity(
            machine_id=hashlib.sha256("\n".join(known_by).encode("utf-8")).hexdigest()[:32],
            name=platform.node(),
            macs=macs,
            system=" ".join(part for part in ("Windows", platform.release(), platform.version()) if part),
            maker=maker,
            model=model,
            cpu=self._values(*PROCESSOR),
            memory_bytes=psutil.virtual_memory().total,
        )

    def boot_id(self) -> str:
        return self._calls().volatile_id()

    def work_drives(self) -> Sequence[Path]:
        """Fixed drives, the largest free space first; a restore card usually keeps the others than the system's."""
        drives = []
        for part in psutil.disk_partitions(all=False):
            if "fixed" in part.opts and "rw" in part.opts:
                drives.append((psutil.disk_usage(part.mountpoint).free, Path(part.mountpoint)))
        return [drive for _free, drive in sorted(drives, reverse=True)]

    def desktop(self) -> WindowsDesktop:
        return WindowsDesktop(self._calls())

    def probes(self) -> WindowsProbes:
        return WindowsProbes(this_windows())

    def install(self, installer: Path) -> None:
        """Start it through `start`: the service's end takes its children with it, and this is then none of them."""
        try:
            status = self._calls().run(system_program("cmd.exe"), "/c", "start", "", str(installer), "/S")
        except OSError as failure:
            raise AgentError(INSTALLER_NOT_STARTED, name=installer.name, reason=failure) from None
        if status:
            raise AgentError(INSTALLER_NOT_STARTED, name=installer.name, reason=status)


def _read_version(program: Path) -> str:
    """Read the version from the folder beside the program: chrome.exe has no --version on Windows."""
    versions = [
        tuple(int(part) for part in folder.name.split("."))
        for folder in program.parent.iterdir()
        if folder.is_dir() and re.fullmatch(r"\d+(\.\d+){3}", folder.name)
    ]
    return ".".join(str(part) for part in max(versions)) if versions else ""


def _macs() -> list[str]:
    """List the cards' own addresses; made-up ones (virtual cards, tunnels) have the second lowest bit set."""
    found = {
        address.address.replace("-", ":").lower()
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == psutil.AF_LINK
    }
    return sorted(mac for mac in found if re.match(r"[0-9a-f][048c]:", mac) and mac != "00:00:00:00:00:00")
