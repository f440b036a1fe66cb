"""Programs: forbidden ones are ended wherever they run, and no window stays open that the test does not need.

1. Never touched: what `programs.json` names (system, desktop, input methods), the agent, what it came from, and the
   browser that it, or the agent before it, started.
2. Ended: what the orders forbid by name.
3. Ended: whatever shows a window and is neither the test's browser, nor allowed by the orders, nor an aid of the
   candidate's profile.
A program is first asked to end; after some seconds it is made to.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Tuple

import psutil

from client_agent import clock
from client_agent.errors import AgentError
from client_agent.linux.processes import Process, Watched, matches, with_ancestors, with_descendants
from client_agent.linux.x11 import Screen
from client_agent.lockdown.operation import PROGRAM_RUNS, Before, NotHeld, not_held
from client_agent.lockdown.profile import LockProfile

NAMES: Dict[str, Any] = json.loads(Path(__file__).with_name("programs.json").read_text(encoding="utf-8"))
NEVER_ENDED: Tuple[str, ...] = tuple(NAMES["never_ended"])
BROWSERS: Tuple[str, ...] = tuple(NAMES["browsers"])
AIDS: Dict[str, List[str]] = NAMES["accessibility"]
PATIENCE_S = 4.0
# Panels, desktops, menus and the like belong to the desktop, whatever program shows them.
NO_PROGRAM_WINDOWS = ("_NET_WM_WINDOW_TYPE_DOCK", "_NET_WM_WINDOW_TYPE_DESKTOP", "_NET_WM_WINDOW_TYPE_NOTIFICATION")


class Programs:
    """What was ended is not started again at the unlock: whoever had it open opens it again."""

    name, needed = "programs", False
    title = ("禁用程序", "Forbidden programs")

    def __init__(self) -> None:
        self._watched = Watched()
        self._asked_at: Dict[int, float] = {}

    def wanted(self, _profile: LockProfile) -> bool:
        return True

    def read(self) -> Before:
        return {}

    def perform(self, profile: LockProfile) -> None:
        """Ask what runs and should not to end; what was asked some seconds ago is ended."""
        at = clock.monotonic()
        found = self._find(profile)
        self._asked_at = {pid: asked for pid, asked in self._asked_at.items() if pid in {one.pid for one in found}}
        for one in found:
            asked = self._asked_at.setdefault(one.pid, at)
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(one.pid)
                (process.terminate if at - asked < PATIENCE_S else process.kill)()

    def revert(self, _before: Before) -> None:
        self._asked_at = {}

    def holds(self, profile: LockProfile) -> NotHeld | None:
        found = self._find(profile)
        names = ", ".join(sorted({one.program for one in found}))
        return not_held(PROGRAM_RUNS, names=names) if found else None

    def _find(self, profile: LockProfile) -> List[Process]:
        running = {one.pid: one for one in self._watched.look()}
        started = with_descendants(os.getpid(), running)
        ours = with_ancestors(os.getpid(), running)
        ours |= {pid for pid in started if pid in running and matches(running[pid].program, BROWSERS)}
        windows = self._pids_with_windows()
        allowed = (*profile.programs_allowed, *aids_of(profile))
        return [
            one
            for one in running.values()
            if one.pid not in ours
            and not (one.pid in windows and _is_of_the_test(one, profile.browser_folder))
            and one.pid != 1
            and not matches(one.program, NEVER_ENDED)
            and (
                one.is_called(profile.programs_forbidden)
                # A name that a program gives itself allows nothing: only that of its file does.
                or (one.pid in windows and not matches(one.program, allowed))
            )
        ]

    def _pids_with_windows(self) -> List[int]:
        """List the processes that show windows; none where there is no screen to ask."""
        try:
            with Screen() as screen:
                return _window_owners(screen)
        except AgentError:
            return []


def _is_of_the_test(process: Process, folder: Path | None) -> bool:
    """Say whether it is a browser with a profile of the agent's: one that was killed has left its page open."""
    if folder is None or not matches(process.program, BROWSERS):
        return False
    with contextlib.suppress(psutil.Error):
        return any(
            word.startswith(f"--user-data-dir={folder}{os.sep}") for word in psutil.Process(process.pid).cmdline()
        )
    return False


def aids_of(profile: LockProfile) -> List[str]:
    """List the programs that the candidate's accessibility profile needs."""
    return [name for aid in sorted(profile.accessibility) for name in AIDS.get(aid, [])]


def _window_owners(screen: Screen) -> List[int]:
    kinds = {screen.x.XInternAtom(screen.display, name.encode("ascii"), 0) for name in NO_PROGRAM_WINDOWS}
    owners = []
    for window in screen.numbers(screen.root, "_NET_CLIENT_LIST"):
        if not kinds.intersection(screen.numbers(window, "_NET_WM_WINDOW_TYPE")):
            owners.extend(screen.numbers(window, "_NET_WM_PID"))
    return owners
