"""What runs on this PC, read from /proc: names, owners and the way from a process to those it came from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, List, Set, Tuple

PROC = Path("/proc")
# Programs that run others: what they run counts, not they.
WINE = ("wine", "wine64", "wine-preloader", "wine64-preloader")


@dataclass(frozen=True)
class Process:
    """One process. `program` is its file's name; `names` is all that it may be called; lower case."""

    pid: int
    parent: int
    program: str
    names: FrozenSet[str]

    def is_called(self, wanted: Iterable[str]) -> bool:
        return any(matches(name, wanted) for name in self.names)


def matches(name: str, wanted: Iterable[str]) -> bool:
    """Compare with names of which some end in `*`."""
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in wanted)


def name_of(program: str) -> str:
    """Give the last part of a path of Linux or, under Wine, of Windows; lower case."""
    return program.replace("\\", "/").rpartition("/")[2].lower()


def read_process(pid: int, proc: Path = PROC) -> Process | None:
    """Read one process; None if it is gone or belongs to the kernel."""
    folder = proc / str(pid)
    try:
        stat = (folder / "stat").read_bytes().decode("utf-8", "replace")
        words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return None
    if not words[0]:
        return None
    # The name in brackets may hold spaces and brackets itself.
    called, _, rest = stat.partition("(")[2].rpartition(")")
    try:
        file = os.readlink(str(folder / "exe"))
    except OSError:
        file = ""
    file = file[: -len(" (deleted)")] if file.endswith(" (deleted)") else file
    program = name_of(file or words[0])
    if program in WINE:
        program = next((name_of(word) for word in words if word.lower().endswith(".exe")), program)
    names = {called.lower(), program, name_of(words[0])}
    if len(words) > 1 and "/" in words[1]:
        names.add(name_of(words[1]))  # a script: its interpreter is the program
    return Process(pid, int(rest.split()[1]), program, frozenset(names - {""}))


class Watched:
    """All processes, read anew where a process is new or calls itself otherwise than at the last look.

    Reading everything each second would cost a slow PC more than the rest of the agent; so that is done now and then.
    """

    WHOLE_EVERY = 5

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._known: Dict[int, Tuple[bytes, Process | None]] = {}
        self._looks = 0

    def look(self) -> List[Process]:
        self._looks += 1
        known = {} if self._looks % self.WHOLE_EVERY == 0 else self._known
        self._known = {}
        for entry in os.listdir(str(self._proc)):
            if not entry.isdigit():
                continue
            pid = int(entry)
            try:
                called = (self._proc / entry / "comm").read_bytes()
            except OSError:
                continue
            before = known.get(pid)
            if before is not None and before[0] == called:
                self._known[pid] = before
            else:
                self._known[pid] = (called, read_process(pid, self._proc))
        return [process for _called, process in self._known.values() if process is not None]


def with_ancestors(pid: int, processes: Dict[int, Process]) -> Set[int]:
    """Give a process and all it came from."""
    family: Set[int] = set()
    while pid > 0 and pid not in family:
        family.add(pid)
        pid = processes[pid].parent if pid in processes else 0
    return family


def with_descendants(pid: int, processes: Dict[int, Process]) -> Set[int]:
    """Give a process and all that came from it."""
    family = {pid}
    grown = True
    while grown:
        more = {one.pid for one in processes.values() if one.parent in family} - family
        family |= more
        grown = bool(more)
    return family
