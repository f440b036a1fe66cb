"""The programs that were opened for a candidate, as the agent remembers them over its own restart.

A process is known again by its number and its start: by the clock (Windows), or since the system's start where a
clock that was set moves the former (Linux).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, Mapping

import psutil

from client_agent.errors import AgentError
from client_agent.store import Store

SAME_START_S = 2.0


@dataclass
class Opened:
    """What was opened for `attempt_id`: processes, and by the program's name when it was opened; and whose they are."""

    attempt_id: int = 0
    started: list[psutil.Process] = field(default_factory=list)
    names: dict[str, float] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)


class OpenedFile:
    """Where it is kept, for one start of the system. Without `store` nothing is kept."""

    def __init__(self, store: Store | None, boot_id: str) -> None:
        self._store, self._boot_id = store, boot_id

    def keep(self, opened: Opened) -> None:
        """Write it; what cannot be written is not known after a restart, and the program is open all the same."""
        if self._store is None:
            return
        document = {
            "boot_id": self._boot_id,
            "booted_at": psutil.boot_time(),
            "attempt_id": opened.attempt_id,
            "started": [mark for mark in map(_mark, opened.started) if mark is not None],
            "names": opened.names,
            "users": sorted(opened.users),
        }
        with contextlib.suppress(AgentError):
            self._store.keep_programs(document)

    def forget(self) -> None:
        if self._store is not None:
            self._store.keep_programs(None)

    def read(self) -> Opened:
        """Give what an earlier run of this start of the system opened; nothing where that cannot be read."""
        kept = self._store.programs() if self._store is not None else {}
        if kept.get("boot_id") != self._boot_id:
            return Opened()
        try:
            return _read(kept)
        except (KeyError, TypeError, ValueError):
            return Opened()


def _mark(process: psutil.Process) -> tuple[int, float] | None:
    try:
        return process.pid, process.create_time()
    except psutil.Error:
        return None


def _read(kept: Mapping[str, Any]) -> Opened:
    moved_s = 0.0
    opened = Opened(int(kept["attempt_id"]), users={str(user) for user in kept["users"]})
    for pid, started_at in kept["started"]:
        process = _known(int(pid), float(started_at), float(kept["booted_at"]))
        if process is not None:
            opened.started.append(process)
            moved_s = process.create_time() - float(started_at)
    opened.names = {str(name): float(at) + moved_s for name, at in dict(kept["names"]).items()}
    return opened


def _known(pid: int, started_at: float, booted_at: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        later_s = process.create_time() - started_at
    except psutil.Error:
        return None
    since_start_s = later_s - (psutil.boot_time() - booted_at)
    return process if min(abs(later_s), abs(since_start_s)) < SAME_START_S else None
