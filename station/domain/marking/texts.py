"""Scoring policies for what is typed: blank_each, table_cells, points_list."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from station.domain.document import Node
from station.domain.interaction import Blanks, Table
from station.domain.item import Item
from station.domain.marking.comparison import folded, is_within, mentions, number_in, shortened
from station.domain.marking.marks import ZERO, Marker, PartMark
from station.domain.marking.responses import Given

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class _Expected:
    """What a blank or cell should hold, in words, what it is worth, and the test of a given text."""

    shown: str
    points: Decimal
    accepts: Callable[[str], bool]


def blank_each(item: Item, key: Node) -> Marker:
    """Every blank is marked by itself; with `in_any_order` the blanks may change places.

    In any order: a text given twice counts once, a blank of the key is used once, and of all ways to lay
    the given texts beside the key the one that earns most counts.
    """
    assert isinstance(item.interaction, Blanks)
    nodes = key.mapping("blanks")
    expected = {blank.id: _expected_text(nodes[blank.id]) for blank in item.interaction.blanks}
    if key.flag("in_any_order", False):
        return lambda given: _mark_in_any_order(expected, given.fields)
    return lambda given: _mark_fields(expected, given.fields)


def table_cells(item: Item, key: Node) -> Marker:
    """Every keyed cell is marked by itself, as text or as a number within its tolerance; others earn nothing."""
    assert isinstance(item.interaction, Table)
    nodes = key.mapping("cells")
    expected = {name: _expected_cell(nodes[name]) for name in item.interaction.inputs if name in nodes}
    return lambda given: _mark_fields(expected, given.fields)


def points_list(item: Item, key: Node) -> Marker:
    """Every point that the text mentions in one of its wordings earns its points, up to the item's points."""
    wanted = [(entry.texts("any"), entry.points("points")) for entry in key.nodes("points")]

    def mark(given: Given) -> tuple[PartMark, ...]:
        text, left, parts = folded(given.text), item.points, []
        for number, (wordings, worth) in enumerate(wanted, 1):
            found = next((wording for wording in wordings if text and mentions(text, wording)), None)
            points = ZERO if found is None else min(worth, left)
            left -= points
            parts.append(PartMark(str(number), shortened(found or ""), _shown(wordings), points, found is not None))
        return tuple(parts)

    return mark


def fullest_fields(item: Item, key: Node) -> dict[str, str]:
    """Fill in an item's blanks or cells as its key has them; in any order, no text twice if it can be helped."""
    if isinstance(item.interaction, Table):
        cells = key.mapping("cells")
        return {name: _first_accepted(cells[name]) for name in item.interaction.inputs if name in cells}
    assert isinstance(item.interaction, Blanks)
    nodes = key.mapping("blanks")
    first = {blank.id: _first_accepted(nodes[blank.id]) for blank in item.interaction.blanks}
    if not key.flag("in_any_order", False):
        return first
    wordings = {folded(text): text for node in nodes.values() for text in node.texts("accepted")}
    distinct = assign([[folded(text) for text in nodes[name].texts("accepted")] for name in first])
    return first | {name: wordings[distinct[number]] for number, name in enumerate(first) if number in distinct}


def assign(choices: Sequence[Sequence[T]]) -> dict[int, T]:
    """Give as many choosers as can be one of their choices each, no choice twice; the first come first.

    Whoever is served stays served, so choosers in falling order of worth make the assignment worth most.
    1. A chooser takes a free choice if there is one.
    2. Otherwise it takes a choice from another that can move to a further one.
    """
    holder: dict[T, int] = {}

    def serve(chooser: int, tried: set[T]) -> bool:
        for choice in choices[chooser]:
            if choice in tried:
                continue
            tried.add(choice)
            if choice not in holder or serve(holder[choice], tried):
                holder[choice] = chooser
                return True
        return False

    for chooser in range(len(choices)):
        serve(chooser, set())
    return {chooser: choice for choice, chooser in holder.items()}


def _expected_text(node: Node) -> _Expected:
    accepted = node.texts("accepted")
    wanted = frozenset(map(folded, accepted))
    return _Expected(_shown(accepted), node.points("points"), lambda text: folded(text) in wanted)


def _expected_cell(node: Node) -> _Expected:
    if not node.has("number"):
        return _expected_text(node)
    number, tolerance = node.number("number"), node.decimal("tolerance", "0")

    def accepts(text: str) -> bool:
        found = number_in(text)
        return found is not None and is_within(found, number, tolerance)

    shown = f"{number:f} ± {tolerance:f}" if tolerance else f"{number:f}"
    return _Expected(shown, node.points("points"), accepts)


def _first_accepted(node: Node) -> str:
    return f"{node.number('number'):f}" if node.has("number") else node.texts("accepted")[0]


def _mark_fields(expected: Mapping[str, _Expected], fields: Mapping[str, str]) -> tuple[PartMark, ...]:
    return tuple(
        _part(name, fields.get(name, ""), wanted, name in fields and wanted.accepts(fields[name]))
        for name, wanted in expected.items()
    )


def _mark_in_any_order(expected: Mapping[str, _Expected], fields: Mapping[str, str]) -> tuple[PartMark, ...]:
    """Lay the key's blanks beside the places so that they earn most; those left over explain the other places."""
    places: dict[str, str] = {}
    for place in expected:
        if place in fields:
            places.setdefault(folded(fields[place]), place)
    blanks = sorted(expected.values(), key=lambda blank: -blank.points)
    chosen = assign([[place for place in places.values() if blank.accepts(fields[place])] for blank in blanks])
    by_place = {place: blanks[number] for number, place in chosen.items()}
    left_over = iter(blank for number, blank in enumerate(blanks) if number not in chosen)
    return tuple(
        _part(place, fields.get(place, ""), by_place[place], True)
        if place in by_place
        else _part(place, fields.get(place, ""), next(left_over), False)
        for place in expected
    )


def _part(name: str, text: str, wanted: _Expected, is_right: bool) -> PartMark:
    return PartMark(name, shortened(text), wanted.shown, wanted.points if is_right else ZERO, is_right)


def _shown(wordings: Sequence[str]) -> str:
    return shortened(" / ".join(wordings))
