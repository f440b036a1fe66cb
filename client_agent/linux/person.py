"""The person at the desktop while the agent itself runs as root, and starting the browser as that person."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Sequence

from client_agent.kiosk import PREFERENCES, start_process

MAKE_PROFILE = (
    'umask 077; mkdir -p "$1/Default" && '
    '{ [ -e "$1/Default/Preferences" ] || printf %s "$2" > "$1/Default/Preferences"; }'
)
RUNUSER_TIMEOUT_S = 20


def person_here() -> str:
    """Name who works at this PC while the agent runs as root; empty when the agent runs as that person itself."""
    is_root = sys.platform != "win32" and os.geteuid() == 0
    return os.environ.get("EXAM_AGENT_PERSON", "") if is_root else ""


def starter_for(person: str, folder: Path) -> Callable[[Sequence[str]], int]:
    """Give what starts a program as `person`, and let them have `folder`, in which browsers keep their profiles."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.chown(str(folder), person)
    folder.chmod(0o700)

    return lambda command: start_process([*_as_person(person), *command])


def preparer_for(person: str) -> Callable[[Path], None]:
    """Give what makes a browser's profile as `person`.

    In a folder of theirs they may have laid a link to anywhere: root itself writes and gives away nothing there.
    """

    def prepare(profile: Path) -> None:
        words = [*_as_person(person), "sh", "-c", MAKE_PROFILE, "sh", str(profile), PREFERENCES]
        subprocess.run(words, check=True, timeout=RUNUSER_TIMEOUT_S, stdout=subprocess.DEVNULL)

    return prepare


def _as_person(person: str) -> list[str]:
    """Give the words before a program's own. runuser leaves root's home, in which the program could write nothing."""
    home = os.path.expanduser("~" + person)
    return ["runuser", "-u", person, "--", "env", f"HOME={home}", f"USER={person}", f"LOGNAME={person}"]
