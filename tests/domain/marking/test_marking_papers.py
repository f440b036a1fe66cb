"""Marking whole papers, broken keys, and the test that keys pass before they are used."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from station.domain.document import Node
from station.domain.marking import Mark, Outcome, check_keys_against_themselves, mark_item, mark_paper, mark_responses
from station.domain.marking.key_test import full_response
from station.domain.marking.marks import ZERO
from station.domain.paper import paper_sha256, parse_keys, parse_paper
from station.errors import Refused, StationError, Unsound

PAIRS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))["items"]
COMPUTED = [name for name, pair in PAIRS.items() if pair["item"]["policy"] != "manual"]


def paper_of(*items: dict[str, Any], code: str = "P-A") -> dict[str, Any]:
    full = sum((Decimal(item["points"]) for item in items), Decimal())
    return {
        "format": "exam-paper/1",
        "code": code,
        "title": "理论试卷",
        "certificate": "网店运营推广",
        "level": "初级",
        "subject": "theory",
        "full_points": str(full),
        "sections": [{"id": "s1", "title": "一", "instructions": "", "items": list(items)}],
        "assets": {},
    }


def keys_of(paper: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    return {"format": "exam-keys/1", "paper_code": paper["code"], "paper_sha256": paper_sha256(paper), "keys": keys}


def pair_of(*names: str) -> tuple[dict[str, Any], dict[str, Any]]:
    pairs = copy.deepcopy({name: PAIRS[name] for name in names or PAIRS})
    paper = paper_of(*(pair["item"] for pair in pairs.values()))
    return paper, keys_of(paper, {name: pair["key"] for name, pair in pairs.items()})


def changed(name: str, **fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(PAIRS[name]["key"]), **fields}


def findings_of(name: str, key: dict[str, Any]) -> list[str]:
    paper = paper_of(copy.deepcopy(PAIRS[name]["item"]))
    return [finding.code for finding in check_keys_against_themselves(paper, keys_of(paper, {name: key}))]


class TestPapers:
    def test_r_score_2_computer_marked_and_manual_items_are_summed_apart(self) -> None:
        paper, keys = pair_of("single", "fixed", "blanks", "essay")
        mark = mark_paper(
            paper,
            keys,
            {
                "single": {"base": {"identifier": "B"}},
                "fixed": {"list": {"identifier": ["A"]}},
                "essay": {"base": {"string": "方案"}},
            },
        )
        assert mark.objective_points == Decimal("4.00")
        assert mark.objective_max == Decimal("10.00")
        assert mark.manual_items == ("essay",)
        assert mark.score is None
        assert [entry.item_id for entry in mark.marks] == ["single", "fixed", "blanks", "essay"]
        assert mark.marks[2].outcome is Outcome.EMPTY

    def test_r_score_2_how_it_was_marked_can_be_written_down(self) -> None:
        paper, keys = pair_of("blanks")
        mark = mark_paper(paper, keys, {"blanks": {"record": [{"name": "b1", "base": {"string": "首屏"}}]}})
        assert mark.score == Decimal("1.00")
        assert json.loads(json.dumps(mark.document())) == {
            "objective_points": "1.00",
            "objective_max": "3.00",
            "manual_items": [],
            "marks": [
                {
                    "item": "blanks",
                    "policy": "blank_each",
                    "points": "1.00",
                    "max_points": "3.00",
                    "outcome": "marked",
                    "parts": [
                        {"name": "b1", "given": "首屏", "expected": "首屏 / 首页首屏", "points": "1.00", "right": True},
                        {
                            "name": "b2",
                            "given": "",
                            "expected": "ROI / Return on Investment",
                            "points": "0.00",
                            "right": False,
                        },
                    ],
                }
            ],
        }
        assert mark.marks[0].sentence() == "已由计算机评分。"
        assert mark.marks[0].sentence("en") == "Marked by computer."

    def test_a_long_answer_is_shortened_where_it_is_explained(self) -> None:
        mark = mark_item(
            PAIRS["blanks"]["item"],
            PAIRS["blanks"]["key"],
            {"record": [{"name": "b1", "base": {"string": "长" * 500}}]},
        )
        assert len(mark.parts[0].given) == 60

    def test_keys_of_another_paper_are_refused_by_name(self) -> None:
        paper, keys = pair_of("single", "true")
        other = copy.deepcopy(paper)
        other["sections"][0]["items"][0]["interaction"]["options"].reverse()
        with pytest.raises(Unsound) as refusal:
            mark_paper(other, keys, {})
        assert refusal.value.code == "keys_of_another_paper"
        with pytest.raises(Unsound) as refusal:
            mark_responses(parse_paper(other), parse_keys(keys, parse_paper(paper)), {})
        assert refusal.value.code == "keys_of_another_paper"

    def test_a_paper_read_once_marks_like_the_documents(self) -> None:
        paper, keys = pair_of()
        parsed = parse_paper(paper)
        responses = {"single": {"base": {"identifier": "B"}}, "true": {"base": {"boolean": True}}}
        assert mark_responses(parsed, parse_keys(keys, parsed), responses) == mark_paper(paper, keys, responses)

    def test_an_item_without_a_key_stops_the_marking(self) -> None:
        paper, keys = pair_of("single", "true")
        del keys["keys"]["true"]
        with pytest.raises(Unsound) as refusal:
            mark_paper(paper, keys, {})
        assert refusal.value.code == "key_missing"

    @pytest.mark.parametrize("policy", ["qti_map", "qti_rules"])
    def test_a_policy_that_is_not_built_is_refused_as_a_missing_capability(self, policy: str) -> None:
        item = {**PAIRS["single"]["item"], "policy": policy}
        paper = paper_of(item)
        key = changed("single", policy=policy)
        with pytest.raises(Refused) as refusal:
            mark_item(item, key, None)
        assert refusal.value.code == "capability_missing"
        assert f"policy:{policy}" in refusal.value.sentence()
        with pytest.raises(Refused, match=policy):
            mark_paper(paper, keys_of(paper, {"single": key}), {})
        (finding,) = check_keys_against_themselves(paper, keys_of(paper, {"single": key}))
        assert finding.code == "capability_missing"


BROKEN = [
    ("single", {"policy": "proportional"}, "key_policy_differs"),
    ("single", {"policy": None}, "document_field_missing"),
    ("single", {"answer": None}, "document_field_missing"),
    ("single", {"answer": {"base": {"identifier": "E"}}}, "key_outside_options"),
    ("single", {"answer": {"base": None}}, "key_empty"),
    ("single", {"answer": {"list": {"identifier": ["A"]}}}, "response_malformed"),
    ("fixed", {"answer": {"list": {"identifier": []}}}, "key_empty"),
    ("fixed", {"partial": "6.00"}, "document_field_wrong"),
    ("fixed", {"partial": 3}, "document_field_wrong"),
    ("per_option", {"each": "-0.50"}, "document_field_wrong"),
    ("blanks", {"blanks": {"b1": {"accepted": ["首屏"], "points": "3.00"}}}, "key_part_unknown"),
    ("table", {"cells": {"r1.c1": {"accepted": ["银行存款"], "points": "10.00"}}}, "key_part_unknown"),
    ("table", {"cells": {"r1.c2": {"accepted": ["左"], "points": "10.00"}}}, "key_outside_options"),
    ("table", {"cells": {"r1.c3": {"number": "viel", "points": "10.00"}}}, "document_field_wrong"),
    ("table", {"cells": {"r1.c3": {"number": "1", "points": "9.00"}}}, "key_points_differ"),
    ("points", {"points": [{"any": ["关键词"], "points": "2.00"}]}, "key_points_differ"),
    ("points", {"points": []}, "document_field_missing"),
]


@pytest.mark.parametrize(("name", "fields", "code"), BROKEN)
def test_a_broken_key_is_unsound_even_where_nothing_was_answered(name: str, fields: dict[str, Any], code: str) -> None:
    key = changed(name, **fields)
    with pytest.raises(Unsound) as refusal:
        mark_item(PAIRS[name]["item"], key, None)
    assert refusal.value.code == code
    assert findings_of(name, key) == [code]


class TestKeysAgainstThemselves:
    def test_sound_keys_have_no_findings(self) -> None:
        assert check_keys_against_themselves(*pair_of()) == ()

    @pytest.mark.parametrize("name", COMPUTED)
    def test_the_answer_made_from_a_key_is_right_in_every_part_that_it_fills(self, name: str) -> None:
        item = next(iter(parse_paper(paper_of(PAIRS[name]["item"])).items))
        mark = mark_item(PAIRS[name]["item"], PAIRS[name]["key"], full_response(item, Node(PAIRS[name]["key"], "key")))
        assert mark.points == mark.max_points
        assert all(part.right for part in mark.parts)

    def test_an_answer_twice_in_any_order_cannot_be_given_and_is_found(self) -> None:
        blank = {"accepted": ["流量"], "points": "2.00"}
        assert findings_of("any_order", changed("any_order", blanks=dict.fromkeys(("b1", "b2", "b3"), blank))) == [
            "key_not_full"
        ]

    def test_a_blank_that_is_worth_nothing_lets_a_wrong_answer_earn_full_points(self) -> None:
        blanks = {
            "b1": {"accepted": ["首屏"], "points": "0.00"},
            "b2": {"accepted": ["ROI"], "points": "3.00"},
        }
        assert findings_of("blanks", changed("blanks", blanks=blanks)) == ["wrong_earns_full"]

    def test_a_keyword_of_white_space_would_pay_for_any_text(self) -> None:
        key = changed("points", points=[{"any": [" "], "points": "5.00"}])
        assert "wrong_earns_full" in findings_of("points", key)

    def test_a_key_for_no_item_and_an_item_without_key_are_found(self) -> None:
        paper, keys = pair_of("single", "true")
        keys["keys"]["t999"] = keys["keys"].pop("true")
        findings = check_keys_against_themselves(paper, keys)
        assert [(finding.item_id, finding.code) for finding in findings] == [
            ("t999", "key_without_item"),
            ("true", "key_missing"),
        ]

    def test_keys_of_another_paper_are_one_finding(self) -> None:
        paper, keys = pair_of("single")
        (finding,) = check_keys_against_themselves(paper, {**keys, "paper_sha256": "0" * 64})
        assert (finding.item_id, finding.code) == (None, "keys_of_another_paper")
        assert "P-A" in finding.sentence("zh")
        assert "P-A" in finding.sentence("en")

    @pytest.mark.parametrize("broken", [{}, {"format": "exam-keys/2"}, {"format": "exam-keys/1", "keys": []}])
    def test_keys_that_cannot_be_read_are_one_finding(self, broken: dict[str, Any]) -> None:
        (finding,) = check_keys_against_themselves(pair_of("single")[0], broken)
        assert finding.item_id is None
        assert finding.sentence()

    @pytest.mark.parametrize("name", ["all_or_nothing", "blanks", "points"])
    def test_a_marking_that_pays_for_nothing_is_caught(self, name: str) -> None:
        def generous(item: Any, key: Any, response: Any) -> Mark:
            return paying(mark_item(item, key, response), Decimal("0.50"))

        assert "empty_earns_points" in self.codes(name, generous)

    def test_a_marking_that_looks_at_the_order_is_caught(self) -> None:
        def positional(item: Any, key: Any, response: Any) -> Mark:
            mark = mark_item(item, key, response)
            is_moved = response is not None and response.get("list", {}).get("identifier") == ["D", "C", "A"]
            return paying(mark, ZERO) if is_moved else mark

        assert self.codes("all_or_nothing", positional) == ["order_changes_points"]

    def test_a_marking_that_ignores_a_wrong_option_is_caught(self) -> None:
        def lenient(item: Any, key: Any, response: Any) -> Mark:
            mark = mark_item(item, key, response)
            chosen = (response or {}).get("list", {}).get("identifier", [])
            return paying(mark, mark.max_points) if {"A", "C", "D"} <= set(chosen) else mark

        assert self.codes("all_or_nothing", lenient) == ["wrong_earns_full"]

    def test_a_mark_that_is_not_the_sum_of_its_parts_is_caught(self) -> None:
        def careless(item: Any, key: Any, response: Any) -> Mark:
            mark = mark_item(item, key, response)
            return replace(mark, parts=())

        assert self.codes("single", careless) == ["parts_differ"]

    @staticmethod
    def codes(name: str, marking: Any) -> list[str]:
        findings = check_keys_against_themselves(*pair_of(name), mark=marking)
        assert all(finding.sentence("zh") and finding.sentence("en") for finding in findings)
        return [finding.code for finding in findings]


def paying(mark: Mark, points: Decimal) -> Mark:
    part = replace(mark.parts[0], points=points)
    return replace(mark, points=points, parts=(part,))


def test_a_station_error_is_the_only_thing_that_a_broken_item_raises() -> None:
    for broken in ({}, {"id": "x"}, {**PAIRS["single"]["item"], "interaction": {"options": 5}}):
        with pytest.raises(StationError):
            mark_item(broken, PAIRS["single"]["key"], None)
