"""What marking says: the points of an item and of a paper, and how they came about (R-SCORE-2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from station.domain.marking.responses import Given

ZERO = Decimal("0.00")
_CENT = Decimal("0.01")


def rounded(points: Decimal) -> Decimal:
    """Round to two places, half up."""
    return points.quantize(_CENT, ROUND_HALF_UP)


class Outcome(StrEnum):
    """Why an item has the points it has, or has none yet."""

    MARKED = "marked"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    AWAITS_PERSON = "awaits_person"


OUTCOME_SENTENCES: dict[Outcome, tuple[str, str]] = {
    Outcome.MARKED: ("已由计算机评分。", "Marked by computer."),
    Outcome.EMPTY: ("未作答，得 0 分。", "Not answered: 0 points."),
    Outcome.UNREADABLE: (
        "作答内容不符合该题型的格式，计算机计 0 分，请人工复核。",
        "The response does not have the form of this kind of item: 0 points by computer; a person should look at it.",
    ),
    Outcome.AWAITS_PERSON: ("由认证机构人工评分。", "Marked by people at the certificate body."),
}


@dataclass(frozen=True)
class PartMark:
    """How one part did: `given` and `expected` are shortened to be read, not to be marked again."""

    name: str
    given: str
    expected: str
    points: Decimal
    right: bool

    def document(self) -> dict[str, object]:
        """Write as JSON values."""
        return {
            "name": self.name,
            "given": self.given,
            "expected": self.expected,
            "points": str(self.points),
            "right": self.right,
        }


# A policy makes one of these from an item and its key: it says how each part of what was given did.
Marker = Callable[[Given], tuple[PartMark, ...]]


@dataclass(frozen=True)
class Mark:
    """The mark of one item. `points` is None where a person marks; else it is the sum of the parts."""

    item_id: str
    policy: str
    points: Decimal | None
    max_points: Decimal
    parts: tuple[PartMark, ...]
    outcome: Outcome

    def sentence(self, language: str = "zh") -> str:
        """Say in 'zh' or 'en' how the points came about."""
        chinese, english = OUTCOME_SENTENCES[self.outcome]
        return english if language == "en" else chinese

    def document(self) -> dict[str, object]:
        """Write as JSON values; points are text with two places."""
        return {
            "item": self.item_id,
            "policy": self.policy,
            "points": None if self.points is None else str(self.points),
            "max_points": str(self.max_points),
            "outcome": self.outcome.value,
            "parts": [part.document() for part in self.parts],
        }


@dataclass(frozen=True)
class PaperMark:
    """The marks of one attempt, in the paper's order. Items that people mark are in neither sum."""

    marks: tuple[Mark, ...]

    @property
    def objective_points(self) -> Decimal:
        return sum((mark.points for mark in self.marks if mark.points is not None), ZERO)

    @property
    def objective_max(self) -> Decimal:
        return sum((mark.max_points for mark in self.marks if mark.points is not None), ZERO)

    @property
    def manual_items(self) -> tuple[str, ...]:
        return tuple(mark.item_id for mark in self.marks if mark.points is None)

    @property
    def score(self) -> Decimal | None:
        """The score of the whole paper; None as long as an item awaits a person."""
        return None if self.manual_items else self.objective_points

    def document(self) -> dict[str, object]:
        """Write as JSON values."""
        return {
            "objective_points": str(self.objective_points),
            "objective_max": str(self.objective_max),
            "manual_items": list(self.manual_items),
            "marks": [mark.document() for mark in self.marks],
        }
