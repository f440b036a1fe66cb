"""Every scoring policy against points that were worked out by hand."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from station.domain.item import POLICY_KINDS
from station.domain.marking import mark_item

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", VECTORS["rows"], ids=lambda row: f"{row['item']}: {row['says']}")
def test_r_score_2_a_response_earns_what_was_worked_out_by_hand(row: dict[str, Any]) -> None:
    pair = VECTORS["items"][row["item"]]
    mark = mark_item(pair["item"], pair["key"], row["response"])
    assert mark.points == (None if row["points"] is None else Decimal(row["points"]))
    assert mark.outcome == row.get("outcome", "marked")
    if "parts" in row:
        assert [part.name for part in mark.parts if part.right] == row["parts"]


def test_the_vectors_cover_every_policy_with_at_least_80_rows() -> None:
    used = {VECTORS["items"][row["item"]]["item"]["policy"] for row in VECTORS["rows"]}
    assert used == POLICY_KINDS.keys()
    assert len(VECTORS["rows"]) >= 80


def test_marking_changes_neither_item_nor_key_nor_response() -> None:
    before = copy.deepcopy(VECTORS)
    for row in VECTORS["rows"]:
        pair = VECTORS["items"][row["item"]]
        mark_item(pair["item"], pair["key"], row["response"])
    assert before == VECTORS
