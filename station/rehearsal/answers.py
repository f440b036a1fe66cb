"""The answers that simulated candidates give: right, partly right, wrong, or first one thing and then another."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

Document = Mapping[str, Any]
Response = dict[str, Any]

WRONG_TEXT = "我不确定"
WRONG_NUMBER = "987654.32"
# How often an item is answered rightly, partly and wrongly; what is left stays empty.
RIGHT, PARTLY, WRONG = 0.62, 0.16, 0.16
_FULL_WIDTH = str.maketrans("0123456789.", "０１２３４５６７８９．")
_ZIPPED = frozenset({".docx", ".xlsx", ".pptx", ".zip", ".odt", ".ods"})


def plan_item(item: Document, key: Document, random: Random, *, changes_mind: bool) -> list[Response]:
    """Give the responses that a candidate saves for an item, the last of which counts; [] leaves it open."""
    draw = random.random()
    if draw >= RIGHT + PARTLY + WRONG:
        return []
    quality = "right" if draw < RIGHT else "partly" if draw < RIGHT + PARTLY else "wrong"
    planned = [respond(item, key, quality, random)]
    if changes_mind and random.random() < 0.4:
        planned.insert(0, respond(item, key, random.choice(["wrong", "partly", "right"]), random))
    if changes_mind and random.random() < 0.05:
        planned.append({"base": None})
    return planned


def respond(item: Document, key: Document, quality: str, random: Random) -> Response:
    """Make one response of a quality to an item that is not a file item."""
    kind = item["kind"]
    if kind in {"single", "true_false", "multiple"}:
        return _choose(item, key, quality, random)
    if kind in {"short_answer", "long_answer"}:
        return {"base": {"string": _write(key, quality, random)[: item["interaction"].get("max_length", 20_000)]}}
    wanted = key.get("blanks") or key.get("cells") or {}
    options = _options_by_cell(item)
    record = [
        {"name": name, "base": {"string": _fill(field, options.get(name, ()), quality, random)}}
        for name, field in wanted.items()
    ]
    return {"record": record}


def make_file(extension: str, text: str) -> bytes:
    """Make a small file whose content is what its extension says."""
    if extension in _ZIPPED:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(zipfile.ZipInfo("content.xml", (2026, 1, 1, 0, 0, 0)), f"<text>{text}</text>")
        return packed.getvalue()
    head = b"%PDF-1.4\n%" if extension == ".pdf" else b""
    return head + text.encode()


def _choose(item: Document, key: Document, quality: str, random: Random) -> Response:
    if item["kind"] == "true_false":
        right = key["answer"]["base"]["boolean"]
        return {"base": {"boolean": right if quality == "right" else not right}}
    options = [option["id"] for option in item["interaction"]["options"]]
    if item["kind"] == "single":
        right = key["answer"]["base"]["identifier"]
        wrong = random.choice([option for option in options if option != right])
        return {"base": {"identifier": right if quality == "right" else wrong}}
    chosen: list[str] = list(key["answer"]["list"]["identifier"])
    others = [option for option in options if option not in chosen]
    if quality == "partly" and len(chosen) > 1:
        chosen = random.sample(chosen, random.randint(1, len(chosen) - 1))
    elif quality != "right":
        chosen = [*chosen[1:], random.choice(others)] if others else chosen[:1]
    random.shuffle(chosen)
    return {"list": {"identifier": chosen}}


def _write(key: Document, quality: str, random: Random) -> str:
    if key["policy"] != "points_list":
        return f"我的看法：先看数据，再找原因，最后逐项改进（第 {random.randint(1, 999)} 稿）。"
    wanted = [random.choice(point["any"]) for point in key["points"]]
    if quality == "partly":
        wanted = wanted[: max(1, len(wanted) // 2)]
    return WRONG_TEXT if quality == "wrong" else "主要看" + "，还有".join(wanted) + "。"


def _fill(field: Document, options: Sequence[str], quality: str, random: Random) -> str:
    if quality == "wrong" or (quality == "partly" and random.random() < 0.5):
        if options:
            return random.choice([option for option in options if option not in field.get("accepted", ())] or [""])
        return WRONG_NUMBER if "number" in field else WRONG_TEXT
    if options:
        return str(random.choice(field["accepted"]))
    if "number" in field:
        return str(field["number"]).translate(_FULL_WIDTH) if random.random() < 0.2 else str(field["number"])
    accepted: str = random.choice(field["accepted"])
    return random.choice([accepted, accepted, f" {accepted}　", accepted.upper(), accepted.translate(_FULL_WIDTH)])


def _options_by_cell(item: Document) -> dict[str, Sequence[str]]:
    interaction = item["interaction"]
    if item["kind"] != "table":
        return {}
    return {
        f"{row['id']}.{column['id']}": column["options"]
        for row in interaction["rows"]
        for column in interaction["columns"]
        if column.get("input") == "choice"
    }
