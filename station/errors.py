"""Named refusals and failures: every one has a code and a sentence in Chinese and in English.

A problem is declared once, as a module constant beside the rule that raises it::

    SEAT_TAKEN = problem("seat_taken", "座位 {seat} 已安排考生。", "Seat {seat} is taken.")
    raise Refused(SEAT_TAKEN, seat="12")

The edge turns a raised problem into one JSON shape or one page; the code is stable, the text may change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """A kind of refusal: stable `code`, and sentence templates that say what is wrong and what to do."""

    code: str
    zh: str
    en: str


CATALOGUE: dict[str, Problem] = {}


def problem(code: str, zh: str, en: str) -> Problem:
    """Declare a problem once; a second declaration of the same code is a programming error."""
    if code in CATALOGUE:
        raise ValueError(f"problem {code!r} is declared twice")
    declared = Problem(code, zh, en)
    CATALOGUE[code] = declared
    return declared


class StationError(Exception):
    """Base of everything that the station says no to. `details` fill the sentence and go into the JSON."""

    status = 500

    def __init__(self, kind: Problem, **details: object) -> None:
        super().__init__(kind.code)
        self.problem = kind
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        """Come whole out of a child process."""
        return _again, (type(self), self.problem, self.details)

    @property
    def code(self) -> str:
        return self.problem.code

    def sentence(self, language: str = "zh") -> str:
        """Say the problem in 'zh' or 'en'."""
        template = self.problem.en if language == "en" else self.problem.zh
        return template.format(**self.details)

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence('en')}"


class Refused(StationError):
    """What was asked is against a rule or not valid now; nothing was changed."""

    status = 409


class Invalid(Refused):
    """What was sent cannot be understood or is outside its bounds; nothing was changed."""

    status = 400


class Forbidden(Refused):
    """This person or this PC may not do that."""

    status = 403


class Unauthenticated(Refused):
    """Nobody is logged in here."""

    status = 401


class TooMany(Refused):
    """Asked too often: wait as long as `details['wait_s']` says."""

    status = 429


class Missing(StationError):
    """What was asked for is not here (or not this person's to know of)."""

    status = 404


class Unsound(StationError):
    """The station itself is not in order: a file damaged, a secret absent, a chain broken."""

    status = 500


def _again(kind: type[StationError], what: Problem, details: dict[str, Any]) -> StationError:
    return kind(what, **details)
