"""What the agent says no to: a code, and a sentence in Chinese and in English that says what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A kind of refusal: stable `code` and sentence templates."""

    code: str
    zh: str
    en: str


CATALOGUE: dict[str, Problem] = {}


def problem(code: str, zh: str, en: str) -> Problem:
    """Declare a problem once; a second declaration of the same code is a programming error."""
    if code in CATALOGUE:
        raise ValueError(f"problem {code!r} is declared twice")
    CATALOGUE[code] = Problem(code, zh, en)
    return CATALOGUE[code]


class AgentError(Exception):
    """The agent cannot do what was asked; nothing on this PC was changed."""

    def __init__(self, kind: Problem, **details: object) -> None:
        super().__init__(kind.code)
        self.problem = kind
        self.details = details

    @property
    def code(self) -> str:
        return self.problem.code

    def sentence(self, language: str = "zh") -> str:
        """Say the problem in 'zh' or 'en'."""
        template = self.problem.en if language == "en" else self.problem.zh
        return template.format(**self.details)
