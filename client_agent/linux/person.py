"""The person at the desktop while the agent itself runs as root, and starting the browser as that person."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Callable, Sequence

from client_agent.kiosk import start_process


def person_here() -> str:
    """Name who works at this PC while the agent runs as root; empty when the agent runs as that person itself."""
    is_root = sys.platform != "win32" and os.geteuid() == 0
    return os.environ.get("EXAM_AGENT_PERSON", "") if is_root else ""


def starter_for(person: str, folder: Path) -> Callable[[Sequence[str]], int]:
    """Give what starts a program as `person`, and let them have `folder`, in which browsers keep their profiles."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.chown(str(folder), person)
    folder.chmod(0o700)

    def start(command: Sequence[str]) -> int:
        for profile in folder.iterdir():
            if sys.platform != "win32" and profile.stat().st_uid == os.getuid():
                shutil.chown(str(profile), person)
        return start_process(["runuser", "-u", person, "--", *command])

    return start
