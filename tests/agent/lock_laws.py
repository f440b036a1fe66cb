"""The laws of the lockdown, for operations of any system: whatever fails or dies, the PC is as before in the end.

`Pc` says how to make the operations anew (as a new process would), and how to take a snapshot of all that the lock
may change. Each law raises AssertionError with the place at which it was broken.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence, Tuple

from client_agent.errors import AgentError
from client_agent.lockdown.operation import NotHeld, Operation
from client_agent.lockdown.profile import LockProfile
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import UndoFile
from client_agent.machine import Browser

MOMENTS = ("before", "after")
CALLS = ("read", "perform", "holds", "revert")


def a_profile(**over: Any) -> LockProfile:
    values = {
        "station_url": "http://192.168.1.2:8080",
        "local_port": 8099,
        "browser": Browser("Chromium", Path("/usr/bin/chromium"), "109.0"),
        **over,
    }
    return LockProfile(**values)


class Died(BaseException):
    """The process ends here; nothing of it runs any more."""


class Tampered:
    """A real operation that raises before or after one of its calls."""

    def __init__(self, real: Operation, call: str, moment: str, failure: BaseException, times: int = 10**6) -> None:
        self.real, self.call, self.moment, self.failure, self.times = real, call, moment, failure, times
        self.name, self.title, self.needed = real.name, real.title, real.needed

    def wanted(self, profile):
        return self.real.wanted(profile)

    def read(self):
        return self._pass("read")

    def perform(self, profile):
        return self._pass("perform", profile)

    def revert(self, before):
        return self._pass("revert", before)

    def holds(self, profile):
        return self._pass("holds", profile)

    def _pass(self, call: str, *arguments):
        hit = call == self.call and self.times > 0
        if hit:
            self.times -= 1
        if hit and self.moment == "before":
            raise self.failure
        result = getattr(self.real, call)(*arguments)
        if hit and self.moment == "after":
            raise self.failure
        return result


@dataclass
class Pc:
    """`operations` makes them anew; `died` puts an end to what only lived in the process (hooks, threads)."""

    operations: Callable[[], Sequence[Operation]]
    snapshot: Callable[[], Any]
    profile: LockProfile
    undo_path: Path
    died: Callable[[], None] = lambda: None

    def lockdown(self, tamper: Optional[Tuple[str, str, str, BaseException]] = None) -> Lockdown:
        operations: List[Any] = list(self.operations())
        if tamper is not None:
            name, call, moment, failure = tamper
            operations = [Tampered(o, call, moment, failure) if o.name == name else o for o in operations]
        return Lockdown(operations, UndoFile(self.undo_path))

    def places(self) -> List[Tuple[str, str, str]]:
        """Every operation, each of its calls, before and after."""
        names = [one.name for one in self.operations() if one.wanted(self.profile)]
        return [(name, call, moment) for name in names for call in CALLS for moment in MOMENTS]

    def must_be(self, wanted: Any, where: object) -> None:
        assert self.snapshot() == wanted, f"the PC is not as before: {where}"
        assert not self.undo_path.exists(), f"the undo file is left: {where}"


def lock_changes_the_pc_and_unlock_puts_it_back(pc: Pc) -> None:
    before = pc.snapshot()
    lockdown = pc.lockdown()
    assert lockdown.lock(pc.profile) == []
    assert pc.snapshot() != before, "the lock changes nothing"
    assert lockdown.reapply() == []
    back = lockdown.unlock()
    assert back.is_complete, back
    pc.must_be(before, "unlock")
    assert pc.lockdown().restore().is_complete, "restore with nothing to do"
    pc.must_be(before, "restore after unlock")


def a_failure_anywhere_leaves_the_pc_as_before(pc: Pc) -> None:
    """Raise at every call of every operation: lock refuses or reports, and after the way back all is as before."""
    before = pc.snapshot()
    for name, call, moment in pc.places():
        where = (name, call, moment)
        lockdown = pc.lockdown((name, call, moment, OSError(28, "No space left on device")))
        needed = next(one.needed for one in pc.operations() if one.name == name)
        problems, refusal = _lock(lockdown, pc.profile)
        if refusal is not None:
            assert refusal.code == "lock_refused", (where, refusal.code)
            assert needed, where
            assert call != "revert", where
            assert lockdown.profile is None
            pc.must_be(before, where)
            continue
        assert call == "revert" or (not needed and problems), where
        back = lockdown.unlock()
        assert back.is_complete == (call != "revert"), where
        if call == "revert":
            assert [one.operation for one in UndoFile(pc.undo_path).entries()] == [name], where
            assert [one.code for one in back.left] == ["not_put_back"]
        assert pc.lockdown().restore().is_complete, where
        pc.must_be(before, where)


def a_failure_while_reverting_a_failure_is_told_and_mended_later(pc: Pc) -> None:
    """Perform fails at one operation and revert at another: the rest goes back at once, that one at the next start."""
    before = pc.snapshot()
    wanted = [one for one in pc.operations() if one.wanted(pc.profile)]
    pairs = [(last, failing) for place, last in enumerate(wanted) if last.needed for failing in wanted[:place]]
    for last, failing in pairs:
        operations: List[Any] = list(pc.operations())
        broken = OSError(5, "Input/output error")
        operations = [
            Tampered(one, "perform", "after", broken)
            if one.name == last.name
            else Tampered(one, "revert", "before", broken)
            if one.name == failing.name
            else one
            for one in operations
        ]
        where = (last.name, failing.name)
        _problems, refusal = _lock(Lockdown(operations, UndoFile(pc.undo_path)), pc.profile)
        assert refusal is not None, f"locked though a needed operation failed: {where}"
        assert refusal.code == "lock_half_reverted", where
        assert failing.title[0] in refusal.sentence("zh")
        assert failing.title[1] in refusal.sentence("en")
        assert [one.operation for one in UndoFile(pc.undo_path).entries()] == [failing.name], where
        assert pc.lockdown().restore().is_complete, where
        pc.must_be(before, where)


def death_anywhere_is_put_right_by_the_next_start(pc: Pc) -> None:
    """The process dies at every call of every operation, in lock and in unlock; also once more in the restore."""
    before = pc.snapshot()
    for name, call, moment in pc.places():
        where = (name, call, moment)
        lockdown = pc.lockdown((name, call, moment, Died()))
        try:
            lockdown.lock(pc.profile)
            lockdown.unlock()
        except Died:
            pc.died()
        for again in MOMENTS:
            try:
                pc.lockdown((name, "revert", again, Died())).restore()
            except Died:
                pc.died()
        assert pc.lockdown().restore().is_complete, where
        pc.must_be(before, where)


def a_later_start_of_the_same_boot_takes_the_lock_over(pc: Pc) -> None:
    """After a crash the next process locks over what stands, and still brings the first state back."""
    before = pc.snapshot()
    for name, call, moment in pc.places():
        if call == "revert":
            continue
        try:
            pc.lockdown((name, call, moment, Died())).lock(pc.profile)
        except Died:
            pc.died()
        taking_over = pc.lockdown()
        assert taking_over.lock(pc.profile) == [], (name, call, moment)
        assert taking_over.unlock().is_complete
        pc.must_be(before, (name, call, moment))


def _lock(lockdown: Lockdown, profile: LockProfile) -> Tuple[List[NotHeld], Optional[AgentError]]:
    try:
        return lockdown.lock(profile), None
    except AgentError as refusal:
        return [], refusal


ALL = (
    lock_changes_the_pc_and_unlock_puts_it_back,
    a_failure_anywhere_leaves_the_pc_as_before,
    a_failure_while_reverting_a_failure_is_told_and_mended_later,
    death_anywhere_is_put_right_by_the_next_start,
    a_later_start_of_the_same_boot_takes_the_lock_over,
)

can_fork = hasattr(os, "fork")
