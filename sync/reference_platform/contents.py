"""What the desk's page shows of an opened package; a package of another station version may lack any of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Contents:
    """A package's contents as far as they could be read."""

    sitting: dict[str, Any] = field(default_factory=dict)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    absent: list[dict[str, Any]] = field(default_factory=list)
    revision_count: int = 0
    journal_length: int = 0
    marked_count: int = 0
    files: tuple[tuple[str, int], ...] = ()


def read_contents(opened: Path) -> Contents:
    """Read `result.json`, count the lines of the chains, list the files."""
    result = _read_json(opened / "result.json")
    result = result if isinstance(result, dict) else {}
    sitting = result.get("sitting")
    return Contents(
        sitting=sitting if isinstance(sitting, dict) else {},
        attempts=_rows(result.get("attempts")),
        absent=_rows(result.get("absent")),
        revision_count=_count_lines(opened / "revisions.jsonl"),
        journal_length=_count_lines(opened / "journal.jsonl"),
        marked_count=_count_marks(_read_json(opened / "marks.json")),
        files=tuple(
            (path.relative_to(opened).as_posix(), path.stat().st_size)
            for path in sorted(opened.rglob("*"))
            if path.is_file()
        ),
    )


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _rows(value: object) -> list[dict[str, Any]]:
    """Return a list's objects; a bare text stands for a ticket number."""
    rows = value if isinstance(value, list) else []
    return [row if isinstance(row, dict) else {"ticket_number": row} for row in rows]


def _count_lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as stream:
        return sum(1 for line in stream if line.strip())


def _count_marks(marks: object) -> int:
    """Return how many items have been marked, over all attempts."""
    attempts = _rows(marks.get("attempts")) if isinstance(marks, dict) else []
    return sum(len(_rows(attempt.get("marks"))) for attempt in attempts)
