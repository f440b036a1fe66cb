"""Lock this PC and bring it back: one operation after the other, the way back on disk before each.

1. `lock`: read → push to the undo file → perform → read back. A needed operation that fails reverts all in reverse
   order, and goes on reverting when one revert fails.
2. `reapply`, about once a second while locked: what no longer holds is performed again and reported.
3. `unlock`, and `restore` in another process or after a reboot: revert from the undo file alone, in reverse order.
   What cannot be put back stays in the file, is reported, and is tried again with the next `restore`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

from client_agent.errors import AgentError, problem
from client_agent.lockdown.operation import NotHeld, Operation, describe_failure, not_held
from client_agent.lockdown.profile import LockProfile
from client_agent.lockdown.undo import Entry, UndoFile

LOCK_REFUSED = problem(
    "lock_refused",
    "无法锁定本机：{zh}（{reason}）。本机已恢复原状。",
    "This PC cannot be locked: {en} ({reason_en}). It is as it was before.",
)
LOCK_HALF_REVERTED = problem(
    "lock_half_reverted",
    "无法锁定本机：{zh}（{reason}）。尚未恢复：{left_zh}；程序会继续尝试恢复。",
    "This PC cannot be locked: {en} ({reason_en}). Not put back yet: {left_en}; it is tried again.",
)
NOT_PUT_BACK = problem(
    "not_put_back",
    "{zh}未能恢复原状：{reason}。程序每 5 秒再试一次。",
    "{en} could not be put back: {reason}. It is tried again every 5 s.",
)
UNDO_UNKNOWN = problem(
    "undo_operation_unknown",
    "还原文件含本版本不认识的项目“{name}”，请用写下它的程序版本运行 exam-agent restore。",
    "The undo file names {name}, which this version does not know. "
    "Run exam-agent restore of the version that wrote it.",
)


@dataclass(frozen=True)
class WayBack:
    """What a restore did: titles (zh, en) of what was put back, and what is left to be tried again."""

    put_back: Tuple[Tuple[str, str], ...] = ()
    left: Tuple[NotHeld, ...] = ()

    @property
    def is_complete(self) -> bool:
        return not self.left


class Lockdown:
    """The operations of this PC and its undo file. Its methods may be called from several threads."""

    def __init__(self, operations: Sequence[Operation], undo: UndoFile) -> None:
        self._operations: Dict[str, Operation] = {one.name: one for one in operations}
        if len(self._operations) != len(operations):
            raise ValueError("two operations have one name")
        self._undo = undo
        self._alone = threading.RLock()
        self._profile: LockProfile | None = None

    @property
    def profile(self) -> LockProfile | None:
        """What this process holds the PC to; None when it is free."""
        return self._profile

    def has_something_to_restore(self) -> bool:
        """Say whether the undo file names changes, of this process or an earlier one; refuses an unreadable file."""
        return bool(self._undo.entries())

    def lock(self, profile: LockProfile) -> List[NotHeld]:
        """Lock, or change what is locked, or take over what an earlier process of this boot has locked.

        Gives what does not hold though it is not needed. A PC that was free is locked as a whole or not at all
        (`lock_refused`); one that is locked already stays locked, and what fails then is only reported.
        """
        with self._alone:
            entries = self._undo.entries()
            is_fresh = not entries
            problems = self._drop_unwanted(profile, entries)
            for operation in self._operations.values():
                if not operation.wanted(profile):
                    continue
                try:
                    failure = self._perform(operation, profile)
                except AgentError as refusal:
                    # Without a way back this operation changed nothing.
                    if is_fresh:
                        self._give_up(operation, _as_not_held(refusal), refusal)
                    failure = _as_not_held(refusal)
                if failure is not None and operation.needed and is_fresh:
                    self._give_up(operation, failure, None)
                if failure is not None:
                    problems.append(failure)
            self._profile = profile
            return problems

    def reapply(self) -> List[NotHeld]:
        """Look at every operation once; perform again what does not hold. Gives what was found, mended or not.

        A free PC is left alone.
        """
        with self._alone:
            profile = self._profile
            if profile is None:
                return []
            found = []
            for operation in self._operations.values():
                if operation.wanted(profile):
                    found.extend(self._look(operation, profile))
            return found

    def unlock(self) -> WayBack:
        """Put everything back; the PC counts as free from now on, whatever could not be put back yet."""
        with self._alone:
            self._profile = None
            return self._revert(self._undo.entries())

    def restore(self) -> WayBack:
        """Put back what the undo file says an earlier process, or this one, has changed. Nothing to do is complete.

        Refuses an undo file that it cannot read (`undo_unreadable`) and leaves it untouched.
        """
        return self.unlock()

    def restore_left_over(self) -> WayBack:
        """Try again what could not be put back; does nothing while the PC is locked."""
        with self._alone:
            return WayBack() if self._profile is not None else self._revert(self._undo.entries())

    def _perform(self, operation: Operation, profile: LockProfile) -> NotHeld | None:
        """Push what stands now unless an entry is there already, then perform and read back.

        Raises an AgentError if the way back could not be written: nothing was changed then.
        """
        if all(one.operation != operation.name for one in self._undo.entries()):
            try:
                before = operation.read()
            except Exception as failure:
                return describe_failure(operation, failure)
            self._undo.push(Entry(operation.name, before))
        return _make_hold(operation, profile)

    def _look(self, operation: Operation, profile: LockProfile) -> List[NotHeld]:
        found = _ask(operation, profile)
        if found is None:
            return []
        try:
            still = self._perform(operation, profile)
        except AgentError as refusal:
            return [_as_not_held(refusal)]
        return [found.as_mended()] if still is None else [still]

    def _drop_unwanted(self, profile: LockProfile, entries: Sequence[Entry]) -> List[NotHeld]:
        """Revert what an earlier profile asked for and this one does not."""
        known = self._operations
        unwanted = [e for e in entries if e.operation in known and not known[e.operation].wanted(profile)]
        return list(self._revert(unwanted).left)

    def _give_up(self, operation: Operation, reason: NotHeld, cause: AgentError | None) -> None:
        zh, en = operation.title
        back = self._revert(self._undo.entries())
        self._profile = None
        if back.left:
            left_zh, left_en = "；".join(one.zh for one in back.left), "; ".join(one.en for one in back.left)
            raise AgentError(
                LOCK_HALF_REVERTED,
                zh=zh,
                en=en,
                reason=reason.zh,
                reason_en=reason.en,
                left_zh=left_zh,
                left_en=left_en,
            ) from cause
        if cause is not None:
            raise cause
        raise AgentError(LOCK_REFUSED, zh=zh, en=en, reason=reason.zh, reason_en=reason.en)

    def _revert(self, entries: Sequence[Entry]) -> WayBack:
        """Revert entries, the last first, and strike each out of the file; what raises stays in it.

        When the file cannot be written (full disk) the reverting goes on: the file then still names what is put
        back already, and reverting that once more later does no harm. Removing the file at the end needs no space.
        """
        remaining = list(self._undo.entries())
        put_back: List[Tuple[str, str]] = []
        left: List[NotHeld] = []
        not_written: List[NotHeld] = []
        for entry in reversed(entries):
            problem_left = self._revert_one(entry)
            if problem_left is not None:
                left.append(problem_left)
                continue
            put_back.append(self._operations[entry.operation].title)
            remaining.remove(entry)
            try:
                self._undo.keep_only(remaining)
                not_written = []
            except AgentError as refusal:
                not_written = [_as_not_held(refusal)]
        return WayBack(tuple(put_back), tuple(left + not_written))

    def _revert_one(self, entry: Entry) -> NotHeld | None:
        operation = self._operations.get(entry.operation)
        if operation is None:
            return not_held(UNDO_UNKNOWN, name=entry.operation)
        try:
            operation.revert(entry.before)
        except Exception as failure:
            zh, en = operation.title
            reason_zh, reason_en = _words(failure)
            return NotHeld(NOT_PUT_BACK.code, NOT_PUT_BACK.zh.format(zh=zh, reason=reason_zh),
                           NOT_PUT_BACK.en.format(en=en, reason=reason_en))  # fmt: skip
        return None


def _make_hold(operation: Operation, profile: LockProfile) -> NotHeld | None:
    try:
        operation.perform(profile)
    except Exception as failure:
        return describe_failure(operation, failure)
    return _ask(operation, profile)


def _ask(operation: Operation, profile: LockProfile) -> NotHeld | None:
    """Ask whether it holds; what cannot be read back does not."""
    try:
        return operation.holds(profile)
    except Exception as failure:
        return describe_failure(operation, failure)


def _as_not_held(refusal: AgentError) -> NotHeld:
    return NotHeld(refusal.code, refusal.sentence("zh"), refusal.sentence("en"))


def _words(failure: Exception) -> Tuple[str, str]:
    if isinstance(failure, AgentError):
        return failure.sentence("zh"), failure.sentence("en")
    text = " ".join(f"{type(failure).__name__}: {failure}".split())[:300]
    return text, text
