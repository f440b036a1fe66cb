"""The check as a table for a terminal and as JSON for a program."""

from __future__ import annotations

import json
import unicodedata
from typing import Sequence

from client_agent.checks import Finding, is_fit

HEADS = (("项目", "Item"), ("要求", "Wanted"), ("实测", "Measured"), ("结果", "Result"))
STATES = {
    "ok": ("合格", "ok"),
    "advice": ("建议改进", "could be better"),
    "fail": ("不合格", "not fit"),
    "unknown": ("未测", "unknown"),
}
VERDICTS = {
    True: ("本机可以用于考试。", "This PC is fit for a candidate."),
    False: ("本机暂不能用于考试，请先处理以上不合格项。", "This PC is not fit yet: put right what is marked."),
}


def as_table(findings: Sequence[Finding], language: str) -> str:
    """Lay the findings out in columns, what to do under each line that wants something done."""
    side = 1 if language == "en" else 0
    rows = [tuple(head[side] for head in HEADS)]
    rows += [
        (found.title[side], found.wanted[side], found.measured[side], STATES[found.state][side]) for found in findings
    ]
    widths = [max(_columns(row[place]) for row in rows) for place in range(len(HEADS))]
    lines = [_line(rows[0], widths), "  ".join("-" * width for width in widths)]
    for row, found in zip(rows[1:], findings):
        lines.append(_line(row, widths))
        if found.state != "ok" and found.to_do[side]:
            lines.append(f"  → {found.to_do[side]}")
    return "\n".join([*lines, "", VERDICTS[is_fit(findings)][side]])


def as_json(findings: Sequence[Finding]) -> str:
    """Give one line of JSON: `fit` and the findings, texts in both languages."""
    listed = [found.as_json() for found in findings]
    return json.dumps({"fit": is_fit(findings), "findings": listed}, ensure_ascii=False)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - _columns(cell)) for cell, width in zip(cells, widths)]
    return "  ".join(padded).rstrip()


def _columns(text: str) -> int:
    """Count terminal columns: a Chinese character fills two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
