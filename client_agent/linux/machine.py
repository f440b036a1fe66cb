"""Linux: browsers on PATH, state after the XDG base directories."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Sequence

from client_agent.machine import Browser

PROGRAMS = (
    ("Google Chrome", "google-chrome-stable"),
    ("Google Chrome", "google-chrome"),
    ("Chromium", "chromium"),
    ("Chromium", "chromium-browser"),
    ("Microsoft Edge", "microsoft-edge-stable"),
    ("Microsoft Edge", "microsoft-edge"),
)
VERSION_TIMEOUT_S = 10


class LinuxMachine:
    """A candidate PC with Linux."""

    def find_browsers(self) -> Sequence[Browser]:
        """Look for the programs by name on PATH and ask each for its version."""
        found: dict[str, tuple[str, Path]] = {}
        for name, program in PROGRAMS:
            path = shutil.which(program)
            if path is not None:
                # Two names often point at one program.
                found.setdefault(os.path.realpath(path), (name, Path(path)))
        return [Browser(name, path, _read_version(path)) for name, path in found.values()]

    def state_folder(self) -> Path:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return Path(home) / "exam-agent"


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
