"""Who plays what on a rehearsed day, written into one file that the simulated candidates' process reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

from station.rehearsal.answers import Document, Response, plan_item
from station.rehearsal.expected import items_of

FEWEST_CANDIDATES = 14
LATE_BY_MIN = 12
OFFLINE_FROM_MIN, OFFLINE_UNTIL_MIN = 15, 26
PC_DIES_AFTER_MIN = 18
EXTENSION_MIN = 15
SUSPENDED_FROM_MIN, SUSPENDED_UNTIL_MIN = 20, 26


class Part(StrEnum):
    """What a candidate is there to show, besides sitting both subjects."""

    STEADY = "steady"
    LATE = "late"
    REPEATS = "repeats"
    RAISES_HAND = "raises_hand"
    EXTENDED = "extended"
    OFFLINE = "offline"
    MOVED = "moved"
    WRONG_SEAT = "wrong_seat"
    ABSENT = "absent"


@dataclass(frozen=True)
class PlannedSitting:
    """One subject of the day, as candidates know it beforehand."""

    subject: str
    name: str
    planned_start_at: datetime
    duration_min: int


@dataclass(frozen=True)
class CastMember:
    """One candidate: where to sit, what to play, what to answer (subject → item → responses in order)."""

    ticket_number: str
    name: str
    seat: str
    part: Part
    leaves_early: bool
    answers: dict[str, dict[str, list[Response]]] = field(repr=False)
    seat_path: str = ""
    spare_path: str = ""


@dataclass(frozen=True)
class Script:
    """The whole day for the simulated candidates. `papers`: subject → paper.json; `scale`: of the station's clock."""

    sittings: list[PlannedSitting]
    papers: dict[str, Any] = field(repr=False)
    cast: list[CastMember] = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 0
    scale: float = 1.0

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, default=str), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Script:
        document = json.loads(path.read_text(encoding="utf-8"))
        for sitting in document["sittings"]:
            sitting["planned_start_at"] = datetime.fromisoformat(sitting["planned_start_at"])
        for member in document["cast"]:
            member["part"] = Part(member["part"])
        sittings = [PlannedSitting(**one) for one in document.pop("sittings")]
        return cls(sittings=sittings, cast=[CastMember(**one) for one in document.pop("cast")], **document)


def fast_parts(count: int) -> list[Part]:
    """Give the parts of a day on which simulated staff act, in seat order; at least `FEWEST_CANDIDATES`."""
    special = {
        3: Part.LATE,
        5: Part.REPEATS,
        6: Part.RAISES_HAND,
        7: Part.EXTENDED,
        9: Part.OFFLINE,
        12: Part.MOVED,
        count - 1: Part.ABSENT,
        count: Part.ABSENT,
    }
    return [special.get(number, Part.STEADY) for number in range(1, count + 1)]


def open_parts(count: int) -> list[Part]:
    """Give the parts of a day among which persons sit: nothing waits for a planned act of the staff."""
    special = {5: Part.REPEATS, 6: Part.RAISES_HAND, 9: Part.OFFLINE, 12: Part.WRONG_SEAT}
    return [special.get(number, Part.STEADY) for number in range(1, count + 1)]


def plan_answers(
    papers: Mapping[str, Document], keys: Mapping[str, Document], ticket_number: str, *, changes_mind: bool
) -> dict[str, dict[str, list[Response]]]:
    """Plan all answers of one candidate; the same ticket number plans the same."""
    random = Random(ticket_number)
    planned: dict[str, dict[str, list[Response]]] = {}
    for subject, paper in papers.items():
        planned[subject] = {
            item["id"]: _plan_files(item, ticket_number, random)
            if item["kind"] == "file"
            else plan_item(item, keys[subject]["keys"][item["id"]], random, changes_mind=changes_mind)
            for item in items_of(paper)
        }
    return planned


def _plan_files(item: Document, ticket_number: str, random: Random) -> list[Response]:
    """Plan uploads: `{"upload": [{part, name, text}]}` stands for the response that names the files."""
    versions = 2 if random.random() < 0.3 else 1
    wanted: Sequence[Document] = [
        file for file in item["interaction"]["files"] if file.get("required", True) or random.random() < 0.5
    ]
    return [
        {
            "upload": [
                {
                    "part": file["id"],
                    "name": f"{file['label']}{_extension(file['extensions'])}",
                    "text": f"{ticket_number} {file['label']} 第 {version} 稿",
                }
                for file in wanted
            ]
        }
        for version in range(1, versions + 1)
    ]


def _extension(extensions: Sequence[str]) -> str:
    usual = [extension for extension in (".docx", ".xlsx", ".pdf", ".txt") if extension in extensions]
    return usual[0] if usual else extensions[0]
