"""What is wanted of a PC, and what was found: the words of PROTOCOL.md as values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence, Tuple

from client_agent.checks.probes import Text
from client_agent.errors import AgentError, problem

BAD_WANTED_FILE = problem(
    "bad_wanted_file",
    "要求文件 {path} 读不懂：{reason}。请参照随程序附带的 wanted.json 修改。",
    "The file of requirements {path} cannot be read: {reason}. Compare it with the wanted.json that came along.",
)
BAD_REQUIREMENTS = problem(
    "bad_requirements",
    "考站给出的检查要求读不懂：{reason}。请升级本机程序。",
    "The station's requirements cannot be read: {reason}. Update the agent.",
)

OK, ADVICE, FAIL, UNKNOWN = "ok", "advice", "fail", "unknown"
NO_TEXT: Text = ("", "")


@dataclass(frozen=True)
class WantedProgram:
    name: str
    minimum: str = ""


@dataclass(frozen=True)
class Item:
    """What is wanted of one check. Bounds are numbers, or versions as text."""

    check: str
    is_needed: bool = True
    recommended: Any = None
    minimum: Any = None
    wanted: Tuple[WantedProgram, ...] = ()
    names: Tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The state of what falls short of the minimum."""
        return FAIL if self.is_needed else ADVICE


@dataclass(frozen=True)
class Requirements:
    items: Tuple[Item, ...]
    digest: str = ""


@dataclass(frozen=True)
class Finding:
    """One line of the check. `state` is ok, advice, fail or unknown; texts are (Chinese, English)."""

    check: str
    state: str
    title: Text
    measured: Text
    wanted: Text
    to_do: Text = NO_TEXT
    value: Any = None

    def as_json(self) -> dict[str, Any]:
        """Write it as PROTOCOL.md describes."""
        pairs = {
            name: {"zh": text[0], "en": text[1]}
            for name, text in (
                ("title", self.title),
                ("measured", self.measured),
                ("wanted", self.wanted),
                ("to_do", self.to_do),
            )
        }
        return {"check": self.check, "state": self.state, "value": self.value, **pairs}


def is_fit(findings: Sequence[Finding]) -> bool:
    """Say whether nothing falls short of a minimum."""
    return all(finding.state != FAIL for finding in findings)


def load_requirements(path: Path) -> Requirements:
    """Read a file of requirements; refuses by name one that is not as wanted.json."""
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8-sig")))
    except KeyError as missing:
        raise AgentError(BAD_WANTED_FILE, path=path, reason=f"{missing} is missing") from None
    except (OSError, ValueError, TypeError, AttributeError) as failure:
        raise AgentError(BAD_WANTED_FILE, path=path, reason=failure) from None


def parse_requirements(answer: Mapping[str, Any]) -> Requirements:
    """Read what the station answers when it is asked for requirements."""
    try:
        return _parse(answer)
    except (KeyError, ValueError, TypeError, AttributeError) as failure:
        raise AgentError(BAD_REQUIREMENTS, reason=failure) from None


def version_key(version: str) -> tuple[int, ...]:
    """Make versions comparable: 6.1 < 10.0 = 10; what is no number ends it."""
    numbers = []
    for part in version.split("."):
        found = re.match(r"\d+", part)
        if found is None:
            break
        numbers.append(int(found.group()))
        if found.group() != part:
            break
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def both(text: str) -> Text:
    return text, text


def joined(names: Sequence[str]) -> str:
    return "、".join(names)


def _parse(document: Mapping[str, Any]) -> Requirements:
    items = tuple(_item(entry) for entry in document["items"])
    return Requirements(items, str(document.get("digest", "")))


def _item(entry: Mapping[str, Any]) -> Item:
    recommended, minimum = entry.get("recommended"), entry.get("minimum")
    if (recommended is None) != (minimum is None):
        raise ValueError(f"{entry['check']}: recommended and minimum go together")
    programs = tuple(WantedProgram(str(one["name"]), str(one.get("minimum", ""))) for one in entry.get("wanted", ()))
    return Item(
        check=str(entry["check"]),
        is_needed=entry.get("severity", FAIL) != ADVICE,
        recommended=_bound(recommended),
        minimum=_bound(minimum),
        wanted=programs,
        names=tuple(str(name) for name in entry.get("names", ())),
    )


def _bound(value: Any) -> Any:
    """A number, or a version as text; a plan may write a number as text, too."""
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    if isinstance(value, str) and version_key(value):
        return value
    raise ValueError(f"{value!r} is no number")
