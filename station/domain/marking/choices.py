"""Scoring policies for chosen options: exact, subset_fixed, subset_per_option, proportional.

All of them: the whole key earns the item's points; one wrong option, or none chosen, earns nothing.
They differ in what a proper part of the key earns.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from station.domain.document import Node
from station.domain.item import Item
from station.domain.marking.comparison import shortened
from station.domain.marking.marks import ZERO, Marker, PartMark, rounded
from station.domain.marking.responses import Given, read_given

PART_NAME = "answer"


def exact(item: Item, key: Node) -> Marker:
    """Only the whole key earns points."""
    return _marker(item, key, lambda _right, _total: ZERO)


def subset_fixed(item: Item, key: Node) -> Marker:
    """A proper part of the key earns the fixed `partial`, however large (6/3/0)."""
    partial = key.points("partial")
    return _marker(item, key, lambda _right, _total: partial)


def subset_per_option(item: Item, key: Node) -> Marker:
    """Every right option earns `each`, together at most the item's points."""
    each = key.points("each")
    return _marker(item, key, lambda right, _total: min(right * each, item.points))


def proportional(item: Item, key: Node) -> Marker:
    """A part of the key earns its share of the item's points, rounded half up."""
    return _marker(item, key, lambda right, total: rounded(item.points * right / total))


def _marker(item: Item, key: Node, partly: Callable[[int, int], Decimal]) -> Marker:
    answer = read_given(item, dict(key.node("answer").fields)).options

    def mark(given: Given) -> tuple[PartMark, ...]:
        chosen = given.options
        is_right = chosen == answer
        if is_right:
            points = item.points
        elif chosen and chosen < answer:
            points = partly(len(chosen), len(answer))
        else:
            points = ZERO
        return (PartMark(PART_NAME, _shown(chosen), _shown(answer), points, is_right),)

    return mark


def _shown(options: frozenset[str]) -> str:
    return shortened(",".join(sorted(options)))
