"""What one measure of the lockdown is: it changes something on this PC and knows how to put it back.

The sequence drives it: `read` → kept in the undo file → `perform` → `holds`. While locked `holds` is asked about
once a second, and `perform` again where it no longer does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Mapping, Protocol, Tuple

from client_agent.errors import AgentError, Problem, problem
from client_agent.lockdown.profile import LockProfile

# JSON values by name: what stood on the PC before. Kept in the undo file, so it must survive json.dumps.
Before = Mapping[str, Any]

LOCK_NOT_HELD = problem(
    "lock_not_held",
    "{zh}未生效：{reason}",
    "{en} does not hold: {reason}",
)
PROGRAM_RUNS = problem(
    "forbidden_program",
    "发现不允许的程序 {names}，已要求其关闭。",
    "A program that is not allowed runs: {names}. It is being ended.",
)


@dataclass(frozen=True)
class NotHeld:
    """Something of the lockdown that does not hold, in words for the invigilator.

    `mended`: it was found broken and stands again; said so that it is not lost (a forbidden program was ended).
    """

    code: str
    zh: str
    en: str
    mended: bool = False

    def as_mended(self) -> NotHeld:
        return replace(self, mended=True)

    def as_json(self) -> Dict[str, Any]:
        """Give the form of the heartbeat's `state.problems`."""
        return {"code": self.code, "zh": self.zh, "en": self.en, "mended": self.mended}


def not_held(kind: Problem, **details: object) -> NotHeld:
    """Fill a declared problem's sentences."""
    return NotHeld(kind.code, kind.zh.format(**details), kind.en.format(**details))


class Operation(Protocol):
    """One measure. Implementations keep what they need to revert in the undo file only, never in memory."""

    @property
    def name(self) -> str:
        """Stable id; stands in undo files, so it is never changed or used for something else."""
        ...

    @property
    def title(self) -> Tuple[str, str]:
        """Chinese and English name for people."""
        ...

    @property
    def needed(self) -> bool:
        """Without it the PC is not locked at all: `lock` refuses. Otherwise it is reported and tried again."""
        ...

    def wanted(self, profile: LockProfile) -> bool:
        """Say whether this profile asks for it; what it no longer asks for is reverted."""
        ...

    def read(self) -> Before:
        """Read the present state, all that `revert` needs. Changes nothing."""
        ...

    def perform(self, profile: LockProfile) -> None:
        """Make it so, whatever it is now. Called again while locked, also with another profile, also in a new process.

        Anything raised counts as failed; it may then be half done.
        """
        ...

    def revert(self, before: Before) -> None:
        """Put back what `read` found, and end what this process started for it (hooks, threads).

        Idempotent; may come without a perform before, after half of one, in another process, after a reboot.
        """
        ...

    def holds(self, profile: LockProfile) -> NotHeld | None:
        """Read the state back from the system; None if it is as the profile says. A return code is no proof."""
        ...


def describe_failure(operation: Operation, reason: object, reason_en: object = None) -> NotHeld:
    """Say that an operation does not hold: by a refusal, an exception, or a Chinese and an English reason."""
    zh, en = operation.title
    if isinstance(reason, AgentError):
        said, said_en = reason.sentence("zh"), reason.sentence("en")
    else:
        said = _one_line(reason)
        said_en = said if reason_en is None else _one_line(reason_en)
    in_chinese = LOCK_NOT_HELD.zh.format(zh=zh, reason=said)
    return NotHeld(LOCK_NOT_HELD.code, in_chinese, LOCK_NOT_HELD.en.format(en=en, reason=said_en))


def _one_line(reason: object) -> str:
    text = " ".join(str(reason).split())
    name = type(reason).__name__ if isinstance(reason, BaseException) else ""
    return f"{name}: {text}"[:300] if name and text else (text or name)[:300]
