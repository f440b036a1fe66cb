"""Which files of a work folder changed, and which of them rest.

Files are looked at, not listened to: that is alike on every system, misses nothing while the agent was away, and
costs little, as a large folder is looked at less often. Time is measured by a clock that never jumps.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from dataclasses import dataclass
from typing import Callable, Iterator, Mapping, NamedTuple

from client_agent import clock
from client_agent.errors import AgentError, problem
from client_agent.work_folder.files import Files, Mark, leads_elsewhere
from client_agent.work_folder.names import is_passed_over, is_temporary
from client_agent.work_folder.nolinks import DEEPEST

WORK_TOO_MANY_FILES = problem(
    "work_too_many_files",
    "作品文件夹中的文件超过 {most} 个，多出的不会保存到服务器。请删除不需要的文件。",
    "There are more than {most} files in the work folder: those beyond do not go to the station. Delete some.",
)

REST_S = 2.0
EMPTY_RESTS_S = 10.0  # truncated in place: what it shall hold is about to come
ABSENT_S = 5.0  # deleted and written anew is one save
RESTLESS_S = 20.0
SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 8.0
PAUSE_BY_COST = 150.0  # a look may take 1/150 of the time
TRUE_LOOKS = 200
# More than any candidate makes: a program that ran wild must not take the PC's memory, nor the station's disk.
MOST_FILES = 10_000


class Change(NamedTuple):
    """A file that differs from what was last taken. `for_s`: since when it was not taken; `rests_s`: since its last
    change; both in seconds."""

    local: str
    mark: Mark
    rests_s: float
    for_s: float

    @property
    def rests(self) -> bool:
        return self.rests_s >= (REST_S if self.mark.size else EMPTY_RESTS_S)

    @property
    def is_restless(self) -> bool:
        return self.for_s >= RESTLESS_S


@dataclass
class _Seen:
    mark: Mark
    since: float
    changed_since: float | None


class Watcher:
    """Looks after one folder; used by one thread.

    `taken`: the files as they were last taken, by their path below `root`, from an earlier run.
    """

    def __init__(
        self,
        root: str,
        files: Files,
        taken: Mapping[str, Mark],
        *,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self.root = root
        self._files = files
        self._monotonic = monotonic
        self._taken = dict(taken)
        self._seen: dict[str, _Seen] = {}
        self._absent: dict[str, float] = {}
        self._next_look = 0.0
        self._true_looks: list[str] = []
        self._temporary: dict[str, Mark] | None = None
        self._written_at = -REST_S
        self.is_there = True
        self._has_too_many = False

    def look(self, *, at_once: bool = False) -> bool:
        """Look at all files if it is time, else at those that changed lately; says whether it looked at all."""
        now = self._monotonic()
        if not at_once and now < self._next_look:
            for local in [local for local, seen in self._seen.items() if seen.changed_since is not None]:
                self.look_at(local)
            return False
        self._look_at_all(now)
        ended = self._monotonic()
        self._next_look = ended + min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, (ended - now) * PAUSE_BY_COST))
        return True

    def look_at(self, local: str) -> None:
        """Look at one file now."""
        try:
            status = os.lstat(os.path.join(self.root, local))
        except FileNotFoundError:
            self._seen.pop(local, None)
            if local in self._taken:
                self._absent.setdefault(local, self._monotonic())
        except OSError:
            return
        else:
            if self._is_work(status):
                self._note(local, self._files.mark(status), self._monotonic())
                self._absent.pop(local, None)

    def take(self, local: str, mark: Mark | None) -> None:
        """Say that this state of a file is taken care of; None: that it is gone."""
        self._absent.pop(local, None)
        if mark is None:
            self._taken.pop(local, None)
            self._seen.pop(local, None)
            return
        self._taken[local] = mark
        now = self._monotonic()
        seen = self._seen.setdefault(local, _Seen(mark, now, None))
        seen.changed_since = None if seen.mark.fits(mark) else now

    def forget(self, local: str) -> None:
        """Take a file for changed that was taken before."""
        self._taken[local] = Mark(-1, 0)
        if local in self._seen:
            self._seen[local].changed_since = self._monotonic()

    def mark_of(self, local: str) -> Mark | None:
        """Give a file's mark as it was last seen; None: it is not there."""
        seen = self._seen.get(local)
        return seen.mark if seen else None

    def locals(self) -> list[str]:
        return list(self._seen)

    def is_changed(self, local: str) -> bool:
        """Say whether a file is there and differs from what was taken."""
        seen = self._seen.get(local)
        return seen is not None and seen.changed_since is not None

    def changes(self) -> list[Change]:
        """List the files that differ from what was taken, the smallest first."""
        now = self._monotonic()
        found = [
            Change(local, seen.mark, now - seen.since, now - seen.changed_since)
            for local, seen in self._seen.items()
            if seen.changed_since is not None
        ]
        return sorted(found, key=lambda change: change.mark.size)

    def going(self) -> list[str]:
        """List the files that were taken and were not seen any more when last looked for."""
        return list(self._absent)

    def is_being_written(self) -> bool:
        """Say whether a program writes a temporary file: what it saves is about to take its name."""
        return self._monotonic() - self._written_at < REST_S

    def problems(self) -> list[AgentError]:
        """List what keeps files from being looked after."""
        return [AgentError(WORK_TOO_MANY_FILES, most=MOST_FILES)] if self._has_too_many else []

    def removed(self, *, absent_s: float = ABSENT_S) -> list[str]:
        """List the files that were taken and are not there any more, for at least so long."""
        now = self._monotonic()
        return [local for local, since in self._absent.items() if now - since >= absent_s]

    def _look_at_all(self, now: float) -> None:
        unreadable: list[str] = []
        temporary: dict[str, Mark] = {}
        found: dict[str, Mark] = {}
        if leads_elsewhere(self.root):
            unreadable.append("")
        else:
            found = dict(itertools.islice(self._walk(self.root, "", unreadable, temporary), MOST_FILES + 1))
        self.is_there = "" not in unreadable
        if not self.is_there:
            return
        self._has_too_many = len(found) > MOST_FILES
        if self._files.listing_may_lag:
            self._correct(found)
        if self._temporary is not None and temporary != self._temporary:
            self._written_at = now
        self._temporary = temporary
        for local, mark in found.items():
            self._note(local, mark, now)
        if self._has_too_many:
            return  # what was not reached is not known: it is not gone
        # What lies under a folder that cannot be read just now is not known: it is not gone.
        blind = tuple(folder + os.sep for folder in unreadable)
        for local in [known for known in self._seen if known not in found and not known.startswith(blind)]:
            del self._seen[local]
        for local in self._taken:
            if local in found or local.startswith(blind):
                self._absent.pop(local, None)
            else:
                self._absent.setdefault(local, now)

    def _note(self, local: str, mark: Mark, now: float) -> None:
        seen, taken = self._seen.get(local), self._taken.get(local)
        is_taken = taken is not None and taken.fits(mark)
        if seen is None:
            self._seen[local] = _Seen(mark, now, None if is_taken else now)
            return
        if not seen.mark.fits(mark):
            seen.since = now
        seen.mark = mark
        if is_taken:
            seen.changed_since = None
        elif seen.changed_since is None:
            seen.changed_since = now

    def _walk(
        self, folder: str, below: str, unreadable: list[str], temporary: dict[str, Mark]
    ) -> Iterator[tuple[str, Mark]]:
        deeper = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    local = os.path.join(below, entry.name)
                    if self._files.is_link(entry):
                        continue  # it leads out of the folder, or to what is in it anyway
                    if entry.is_dir(follow_symlinks=False):
                        if not is_passed_over(entry.name) and local.count(os.sep) < DEEPEST:
                            deeper.append((entry.path, local))
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if is_temporary(entry.name):
                            if len(temporary) < MOST_FILES:
                                temporary[local] = self._files.mark(status)
                        elif self._is_work(status):
                            yield local, self._files.mark(status)
        except FileNotFoundError:
            if not below:
                unreadable.append(below)
            return
        except OSError:
            unreadable.append(below)
            return
        for path, local in deeper:
            yield from self._walk(path, local, unreadable, temporary)

    def _is_work(self, status: os.stat_result) -> bool:
        return stat.S_ISREG(status.st_mode) and not self._files.is_foreign(status)

    def _correct(self, found: dict[str, Mark]) -> None:
        """Ask the files themselves: those that changed, and some of the others in turn."""
        if not self._true_looks:
            self._true_looks = list(found)
        turn, self._true_looks = self._true_looks[:TRUE_LOOKS], self._true_looks[TRUE_LOOKS:]
        changed = [local for local, seen in self._seen.items() if seen.changed_since is not None]
        for local in {*turn, *changed} & set(found):
            with contextlib.suppress(OSError):
                found[local] = self._files.mark(os.lstat(os.path.join(self.root, local)))
