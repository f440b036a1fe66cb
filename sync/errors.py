"""Named refusals of sync: each has a stable code and a sentence in Chinese and in English.

Sync knows nothing of the station, so it has a catalogue of its own. A problem is declared once, beside the
rule that raises it; the edge (station, command line, reference platform) turns it into a page or JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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


class SyncError(Exception):
    """Something of a package, a key or a transfer was refused; `details` fill the sentence."""

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

    def to_json(self) -> dict[str, object]:
        """Return what `from_json` needs to make the same error again, in this or another process."""
        details = {name: str(value) for name, value in self.details.items()}
        return {"kind": type(self).__name__, "code": self.code, "details": details}

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence('en')}"


class ContainerRefused(SyncError):
    """A package does not keep the format, is damaged, not signed by who may sign, or not for this reader."""


class KeyRefused(SyncError):
    """A key, code or key file cannot be used."""


class TransferFailed(SyncError):
    """A conversation with the central platform did not end as it should."""


class JobFailed(SyncError):
    """A child process did not finish its job."""


KINDS: dict[str, type[SyncError]] = {
    kind.__name__: kind for kind in (SyncError, ContainerRefused, KeyRefused, TransferFailed, JobFailed)
}


def from_json(document: Mapping[str, object]) -> SyncError:
    """Make an error again that `to_json` wrote; an unknown kind or code is a KeyError."""
    details = document["details"]
    assert isinstance(details, dict)
    return KINDS[str(document["kind"])](CATALOGUE[str(document["code"])], **details)
