"""What came of one kind of fault."""

from __future__ import annotations

from dataclasses import dataclass

Bilingual = tuple[str, str]


@dataclass(frozen=True)
class FaultResult:
    """What was done, how often, and what came of it. Sentences are (Chinese, English).

    `recovery_s`: the worst time from the end of the fault to the next acknowledged save; None where the fault stops
    nobody. `done_zh`, `done_en`: one sentence on what was done. `notes`: figures worth printing. `wrong`: whatever
    else did not hold (order, a deadline, an alarm). `not_run`: why this system lacks the means; then all else is 0.
    """

    kind: str
    rounds: int = 0
    saves_acked: int = 0
    acked_lost: int = 0
    chain_broken: int = 0
    recovery_s: float | None = None
    done_zh: str = ""
    done_en: str = ""
    notes: tuple[Bilingual, ...] = ()
    wrong: tuple[str, ...] = ()
    not_run: str = ""

    @property
    def is_good(self) -> bool:
        """Say whether everything held; a fault that could not be tried is neither good nor bad and counts as good."""
        return not (self.acked_lost or self.chain_broken or self.wrong)
