"""Windows 7 and later: browsers by the registry's "App Paths", state under the local application folder.

Not tried on a real Windows 7; the rules are tested with a registry given as a function.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Callable, Sequence

from client_agent.machine import Browser

APP_PATHS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths"
PROGRAMS = (("Google Chrome", "chrome.exe"), ("Microsoft Edge", "msedge.exe"))


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


class WindowsMachine:
    """A candidate PC with Windows."""

    def __init__(self, registry: Callable[[str], str | None] = read_registry) -> None:
        self._registry = registry

    def find_browsers(self) -> Sequence[Browser]:
        """Look up each program's registered place; a registered program that is gone does not count."""
        found = []
        for name, program in PROGRAMS:
            registered = self._registry(f"{APP_PATHS}\\{program}")
            path = Path(registered.strip('"')) if registered else None
            if path is not None and path.is_file():
                found.append(Browser(name, path, _read_version(path)))
        return found

    def state_folder(self) -> Path:
        home = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(home) / "exam-agent"


def _read_version(program: Path) -> str:
    """Read the version from the folder beside the program: chrome.exe has no --version on Windows."""
    versions = [
        tuple(int(part) for part in folder.name.split("."))
        for folder in program.parent.iterdir()
        if folder.is_dir() and re.fullmatch(r"\d+(\.\d+){3}", folder.name)
    ]
    return ".".join(str(part) for part in max(versions)) if versions else ""
