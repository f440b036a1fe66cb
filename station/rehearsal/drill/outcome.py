"""What came of a whole drill, and how it is said to a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from station import __version__
from station.rehearsal.drill.machine import Machine
from station.rehearsal.drill.result import FaultResult
from station.rehearsal.drill.times import BUSY


@dataclass
class Outcome:
    """Results in the order of the faults. `began_at` is aware, in the machine's own zone.

    `load`: the most programs a core that were seen; above `times.BUSY` recovery times were told, not judged.
    """

    machine: Machine
    began_at: datetime
    is_long: bool
    results: list[FaultResult] = field(default_factory=list)
    seconds: float = 0.0
    load: float = 0.0

    @property
    def tried(self) -> Sequence[FaultResult]:
        return [one for one in self.results if not one.not_run]

    @property
    def is_good(self) -> bool:
        """Say whether something was tried and all of it held."""
        return bool(self.tried) and all(one.is_good for one in self.results)

    @property
    def is_machine_busy(self) -> bool:
        return self.load > BUSY

    @property
    def saves_acked(self) -> int:
        return sum(one.saves_acked for one in self.results)

    @property
    def acked_lost(self) -> int:
        return sum(one.acked_lost for one in self.results)

    @property
    def chain_broken(self) -> int:
        return sum(one.chain_broken for one in self.results)

    @property
    def rounds(self) -> int:
        return sum(one.rounds for one in self.results)

    def document(self) -> dict[str, Any]:
        """Give the one JSON object that the command prints last."""
        return {
            "good": self.is_good,
            "form": "long" if self.is_long else "short",
            "faults": [one.kind for one in self.tried],
            "rounds": self.rounds,
            "saves_acked": self.saves_acked,
            "acked_lost": self.acked_lost,
            "chain_broken": self.chain_broken,
            "recovery_s": {one.kind: one.recovery_s for one in self.tried if one.recovery_s is not None},
            "rounds_of": {one.kind: one.rounds for one in self.tried},
            "not_run": {one.kind: one.not_run for one in self.results if one.not_run},
            "wrong": [f"{one.kind}: {text}" for one in self.results for text in one.wrong],
            "load": round(self.load, 1),
            "seconds": round(self.seconds, 1),
            "version": __version__,
        }
