"""What a set of answers is worth, worked out apart from the station's marking code, from the paper and its keys.

Two programs that add up differently would show a mistake in either; so nothing of `station.domain.marking`
is used here, and the rules are written down a second time, as plainly as possible.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import permutations
from typing import Any

Document = Mapping[str, Any]
CENT = Decimal("0.01")
ZERO = Decimal("0.00")


def items_of(paper: Document) -> list[Document]:
    """List the items of a paper.json in their order."""
    return [item for section in paper["sections"] for item in section["items"]]


def expected_points(item: Document, key: Document, response: Document | None) -> Decimal | None:
    """Say what a response earns; None for an item that people mark."""
    policy, full = key["policy"], Decimal(item["points"])
    if policy == "manual":
        return None
    if policy == "blank_each":
        points = _blanks(key, _texts(response))
    elif policy == "table_cells":
        points = _fields(key["cells"], _texts(response))
    elif policy == "points_list":
        points = min(full, _mentioned(key["points"], _text(response)))
    else:
        points = _chosen(policy, key, full, _options(response))
    return points.quantize(CENT, ROUND_HALF_UP)


def expected_score(paper: Document, keys: Document, answers: Mapping[str, Document]) -> Decimal:
    """Add up what the computer-marked items earn; an item without an answer earns nothing."""
    earned = (expected_points(item, keys["keys"][item["id"]], answers.get(item["id"])) for item in items_of(paper))
    return sum((points for points in earned if points is not None), ZERO)


def _chosen(policy: str, key: Document, full: Decimal, chosen: frozenset[str]) -> Decimal:
    right = _options(key["answer"])
    if not chosen or chosen - right:
        return ZERO
    if chosen == right:
        return full
    if policy == "subset_fixed":
        return Decimal(key["partial"])
    if policy == "subset_per_option":
        return min(full, len(chosen) * Decimal(key["each"]))
    if policy == "proportional":
        return full * len(chosen) / len(right)
    return ZERO


def _blanks(key: Document, given: Mapping[str, str]) -> Decimal:
    blanks = key["blanks"]
    if not key.get("in_any_order"):
        return _fields(blanks, given)
    # Every way to lay the blanks beside the places is tried; a text given twice counts once.
    places = list({_folded(text): place for place, text in given.items()}.values())
    best = ZERO
    for order in permutations(blanks):
        laid = zip(places, order, strict=False)
        best = max(best, sum((_field(blanks[blank], given[place]) for place, blank in laid), ZERO))
    return best


def _fields(wanted: Mapping[str, Document], given: Mapping[str, str]) -> Decimal:
    return sum((_field(field, given.get(name, "")) for name, field in wanted.items()), ZERO)


def _field(wanted: Document, text: str) -> Decimal:
    if "number" in wanted:
        number = _number(text)
        near = number is not None and abs(number - Decimal(wanted["number"])) <= Decimal(wanted.get("tolerance", "0"))
        return Decimal(wanted["points"]) if near else ZERO
    return Decimal(wanted["points"]) if _folded(text) in map(_folded, wanted["accepted"]) else ZERO


def _mentioned(points: Sequence[Document], text: str) -> Decimal:
    return sum((Decimal(one["points"]) for one in points if _holds(text, one["any"])), ZERO)


def _holds(text: str, wordings: Iterable[str]) -> bool:
    """Say whether a text holds one of the wordings; Latin words and numbers only as a whole."""
    for wording in map(_folded, wordings):
        for found in re.finditer(re.escape(wording), _folded(text)):
            before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
            if not (_is_latin(wording[0]) and _is_latin(before)) and not (_is_latin(wording[-1]) and _is_latin(after)):
                return True
    return False


def _is_latin(sign: str) -> bool:
    return sign.isascii() and sign.isalnum()


def _options(response: Document | None) -> frozenset[str]:
    if response is None:
        return frozenset()
    if "list" in response:
        return frozenset(response["list"]["identifier"])
    base = response.get("base") or {}
    if "boolean" in base:
        return frozenset({str(base["boolean"]).lower()})
    return frozenset({base["identifier"]}) if "identifier" in base else frozenset()


def _text(response: Document | None) -> str:
    base = (response or {}).get("base") or {}
    return str(base.get("string", ""))


def _texts(response: Document | None) -> dict[str, str]:
    record = (response or {}).get("record") or []
    texts = {entry["name"]: entry["base"]["string"] for entry in record if entry["base"]}
    return {name: text for name, text in texts.items() if _folded(text)}


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _number(text: str) -> Decimal | None:
    plain = unicodedata.normalize("NFKC", text).strip()
    if not re.fullmatch(r"[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?", plain):
        return None
    return Decimal(plain.replace(",", ""))
