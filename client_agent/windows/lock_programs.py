"""Programs: forbidden ones are ended wherever they run, and no window stays open that the test does not need."""

from __future__ import annotations

import json
import ntpath
import os
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Sequence, Set, Tuple

from client_agent.lockdown.operation import LOCK_NOT_HELD, PROGRAM_RUNS, Before, NotHeld, not_held
from client_agent.lockdown.profile import LockProfile
from client_agent.windows.api import RunningProcess, WindowsApi, windows_folder
from client_agent.windows.lock_kiosk import OfOneLogin

NAMES: Dict[str, Any] = json.loads(Path(__file__).with_name("programs.json").read_text(encoding="utf-8"))
UNTOUCHABLE: FrozenSet[str] = frozenset(NAMES["untouchable"])
NEVER_ALLOWED: FrozenSet[str] = frozenset(NAMES["never_allowed"])
AIDS: Dict[str, List[str]] = NAMES["accessibility"]
AID_PROGRAMS = frozenset(name for names in AIDS.values() for name in names)


class Programs(OfOneLogin):
    """Only what the test allows runs in the session. Nothing is put back: what was ended stays ended.

    The first rule that fits decides. A copy under another name goes by the name inside it as well.

    1. Another session, untouchable by `programs.json`: left.
    2. Named in the forbidden list, or one that could undo the lock (unless allowed by name): ended.
    3. Allowed by name, the browser, the agent, and what these started: left.
    4. An aid of the candidate's profile: left; of no profile: ended.
    5. Shows no window and ran before the lock, or belongs to Windows: left (drivers, virus scanners).
    6. Anything else: ended.
    """

    name = "windows.programs"
    title = ("程序限制", "Programs")
    needed = False

    def __init__(self, api: WindowsApi) -> None:
        super().__init__(api)
        self._known: Set[Tuple[int, int]] | None = None

    def read(self) -> Before:
        return {}

    def perform(self, profile: LockProfile) -> None:
        if self._known is None:
            self._known = {(one.pid, one.started) for one in self._api.processes()}
        refused = []
        for process in self._not_allowed(profile):
            try:
                self._api.end_process(process)
            except OSError as failure:
                refused.append(f"{process.name}: {failure}")
        if refused:
            raise OSError("; ".join(refused))

    def revert(self, before: Before) -> None:
        self._known = None

    def holds(self, profile: LockProfile) -> NotHeld | None:
        if self._known is None:
            return not_held(LOCK_NOT_HELD, zh=self.title[0], en=self.title[1], reason="-")
        found = sorted({process.name for process in self._not_allowed(profile)})
        return not_held(PROGRAM_RUNS, names=", ".join(found)) if found else None

    def _not_allowed(self, profile: LockProfile) -> List[RunningProcess]:
        session = self._api.own_session()
        processes = [one for one in self._api.processes() if one.session == session]
        ours = self._numbers_of_the_test(processes, profile)
        shown = set(self._api.processes_with_windows())
        return [one for one in processes if not self._may_run(one, profile, ours=ours, shown=shown)]

    def _may_run(self, process: RunningProcess, profile: LockProfile, *, ours: Set[int], shown: Set[int]) -> bool:
        if process.name.lower() in UNTOUCHABLE:
            return True
        names = self._names_of(process)
        if names & _forbidden(profile):
            return False
        if process.pid in ours:
            return True
        if names & AID_PROGRAMS:
            return any(names & set(AIDS.get(aid, ())) for aid in profile.accessibility)
        if process.pid in shown:
            return False
        is_known = (process.pid, process.started) in (self._known or set())
        return is_known or process.path.lower().startswith(windows_folder().lower() + "\\")

    def _numbers_of_the_test(self, processes: Sequence[RunningProcess], profile: LockProfile) -> Set[int]:
        """Number the agent, the browser, what is allowed by name, and all that these have started."""
        names = {*profile.programs_allowed, ntpath.basename(str(profile.browser.path)).lower()}
        ours = {os.getpid(), os.getppid()}
        # A parent starts before its children: a process that was given a dead parent's number comes later.
        for process in sorted(processes, key=lambda one: one.started):
            if process.parent in ours or self._names_of(process) & names:
                ours.add(process.pid)
        return ours

    def _names_of(self, process: RunningProcess) -> Set[str]:
        original = self._api.original_name(process.path) if process.path else ""
        return {process.name.lower(), original} - {""}


def _forbidden(profile: LockProfile) -> Set[str]:
    return {*profile.programs_forbidden, *(NEVER_ALLOWED - set(profile.programs_allowed))}
