"""Marking one item, and all items of a paper, by their scoring policies. The same input marks the same, always."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from station.domain.answer_keys import KEYS_OF_ANOTHER_PAPER, AnswerKeys, check_key, parse_keys
from station.domain.document import Node
from station.domain.item import CAPABILITY_MISSING, Item, missing_capabilities, parse_item
from station.domain.marking.choices import exact, proportional, subset_fixed, subset_per_option
from station.domain.marking.marks import ZERO, Mark, Marker, Outcome, PaperMark
from station.domain.marking.responses import Given, read_given
from station.domain.marking.texts import blank_each, points_list, table_cells
from station.domain.paper import Paper, parse_paper
from station.errors import Invalid, Refused, Unsound

Response = Mapping[str, Any] | None

MANUAL = "manual"
_MARKERS: dict[str, Callable[[Item, Node], Marker]] = {
    "exact": exact,
    "subset_fixed": subset_fixed,
    "subset_per_option": subset_per_option,
    "proportional": proportional,
    "blank_each": blank_each,
    "table_cells": table_cells,
    "points_list": points_list,
}


def mark_item(item: Mapping[str, Any], key: Mapping[str, Any], response: Response) -> Mark:
    """Mark a response to an item (as in paper.json) by its key (as in keys.json).

    No response is refused: one that the item cannot hold earns 0 and the mark says so. An item that people
    mark has no points yet, answered or not. A broken item or key raises Unsound by name, whatever was
    answered; a policy that this station does not have is Refused as a missing capability.
    """
    try:
        node = Node(item, "paper.json")
        missing = missing_capabilities(node)
        if missing:
            raise Refused(CAPABILITY_MISSING, names=", ".join(sorted(missing)))
        parsed = parse_item(node)
        key_node = Node(key, f"keys.json.{parsed.id}")
        check_key(parsed, key_node)
        return _mark(parsed, key_node, response)
    except Invalid as fault:
        raise Unsound(fault.problem, **fault.details) from fault


def mark_paper(paper: Mapping[str, Any], keys: Mapping[str, Any], responses: Mapping[str, Response]) -> PaperMark:
    """Mark the responses (by item id) to paper.json by keys.json.

    Keys made for another paper, or for another version of it, are refused by name: they are bound to the
    paper's hash. What is broken raises Unsound before anything is marked.
    """
    try:
        parsed = parse_paper(paper)
        return mark_responses(parsed, parse_keys(keys, parsed), responses)
    except Invalid as fault:
        if fault.problem is CAPABILITY_MISSING:
            raise Refused(fault.problem, **fault.details) from fault
        raise Unsound(fault.problem, **fault.details) from fault


def mark_responses(paper: Paper, keys: AnswerKeys, responses: Mapping[str, Response]) -> PaperMark:
    """Mark the responses of one attempt when paper and keys are read already, as for a whole room."""
    if keys.paper_sha256 != paper.sha256:
        raise Unsound(
            KEYS_OF_ANOTHER_PAPER,
            found=f"{keys.paper_code} ({keys.paper_sha256[:12]})",
            wanted=f"{paper.code} ({paper.sha256[:12]})",
        )
    return PaperMark(
        tuple(
            _mark(item, Node(keys.keys[item.id], f"keys.json.{item.id}"), responses.get(item.id))
            for item in paper.items
        )
    )


def _mark(item: Item, key: Node, response: Response) -> Mark:
    """Mark by a key that has been checked."""
    if item.policy == MANUAL:
        return Mark(item.id, item.policy, None, item.points, (), Outcome.AWAITS_PERSON)
    marker = _MARKERS[item.policy](item, key)
    given, outcome = _read(item, response)
    parts = marker(given)
    points = sum((part.points for part in parts), ZERO)
    return Mark(item.id, item.policy, points, item.points, parts, outcome)


def _read(item: Item, response: Response) -> tuple[Given, Outcome]:
    try:
        given = read_given(item, response)
    except Invalid:
        return Given(), Outcome.UNREADABLE
    return given, Outcome.EMPTY if given.is_empty else Outcome.MARKED
