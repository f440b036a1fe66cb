"""The arithmetic of expected scores, against cases worked out by hand: it must not lean on the marking code."""

import ast
import inspect
from decimal import Decimal
from random import Random

import pytest

from station.domain.answer_keys import parse_keys
from station.domain.marking import mark_responses
from station.domain.paper import check_response, parse_paper
from station.rehearsal import answers, expected, proof
from station.rehearsal.answers import plan_item, respond
from station.rehearsal.expected import expected_points, expected_score, items_of
from station.sample.practical import practical_assets, practical_documents

FULL = {"points": "2.00"}
CHOICE = {"answer": {"list": {"identifier": ["A", "B", "C"]}}}
BLANKS = {
    "policy": "blank_each",
    "blanks": {
        "b1": {"accepted": ["ROI", "投产比"], "points": "1.00"},
        "b2": {"accepted": ["2.5%"], "points": "0.50"},
    },
}
CELLS = {
    "policy": "table_cells",
    "cells": {
        "r1.c1": {"accepted": ["销售费用"], "points": "1.00"},
        "r1.c2": {"number": "17442.00", "tolerance": "0.01", "points": "2.00"},
    },
}
MENTIONED = {
    "policy": "points_list",
    "points": [{"any": ["相关性", "相关度"], "points": "1.50"}, {"any": ["ROI"], "points": "1.00"}],
}


def chosen(*options):
    return {"list": {"identifier": list(options)}}


def filled(**texts):
    return {"record": [{"name": name.replace("_", "."), "base": {"string": text}} for name, text in texts.items()]}


@pytest.mark.parametrize(
    ("policy", "response", "points"),
    [
        ({"policy": "exact"}, chosen("C", "A", "B"), "2.00"),
        ({"policy": "exact"}, chosen("A", "B"), "0.00"),
        ({"policy": "exact"}, None, "0.00"),
        ({"policy": "subset_fixed", "partial": "1.00"}, chosen("A"), "1.00"),
        ({"policy": "subset_fixed", "partial": "1.00"}, chosen("A", "D"), "0.00"),
        ({"policy": "subset_fixed", "partial": "1.00"}, chosen(), "0.00"),
        ({"policy": "subset_per_option", "each": "0.50"}, chosen("A", "C"), "1.00"),
        ({"policy": "subset_per_option", "each": "0.50"}, chosen("A", "B", "C"), "2.00"),
        ({"policy": "subset_per_option", "each": "0.50"}, chosen("A", "B", "C", "D"), "0.00"),
        ({"policy": "proportional"}, chosen("A"), "0.67"),
        ({"policy": "proportional"}, chosen("A", "B"), "1.33"),
    ],
)
def test_chosen_options_earn_what_their_policy_says(policy, response, points):
    assert expected_points(FULL, CHOICE | policy, response) == Decimal(points)


@pytest.mark.parametrize(("given", "points"), [(True, "2.00"), (False, "0.00")])
def test_right_or_wrong_earns_all_or_nothing(given, points):
    key = {"policy": "exact", "answer": {"base": {"boolean": True}}}
    assert expected_points(FULL, key, {"base": {"boolean": given}}) == Decimal(points)


@pytest.mark.parametrize(
    ("response", "points"),
    [
        (filled(b1=" roi　", b2="２．５％"), "1.50"),
        (filled(b1="投产比", b2="25%"), "1.00"),
        (filled(b2="2.5%"), "0.50"),
        ({"base": None}, "0.00"),
    ],
)
def test_blanks_earn_each_by_itself_whatever_the_width_and_case(response, points):
    assert expected_points(FULL, BLANKS, response) == Decimal(points)


def test_blanks_in_any_order_earn_the_most_that_any_order_gives_and_a_text_counts_once():
    key = BLANKS | {"in_any_order": True}
    assert expected_points(FULL, key, filled(b1="2.5%", b2="ROI")) == Decimal("1.50")
    assert expected_points(FULL, key, filled(b1="ROI", b2="roi")) == Decimal("1.00")


@pytest.mark.parametrize(
    ("response", "points"),
    [
        (filled(r1_c1="销售费用", r1_c2="17,442.01"), "3.00"),
        (filled(r1_c1="主营业务收入", r1_c2="１７４４２"), "2.00"),
        (filled(r1_c1="销售费用", r1_c2="17442.02"), "1.00"),
        (filled(r1_c1="", r1_c2="约 17442"), "0.00"),
    ],
)
def test_cells_earn_as_texts_or_as_numbers_within_their_tolerance(response, points):
    assert expected_points(FULL, CELLS, response) == Decimal(points)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("看相关度，还有 roi。", "2.00"),
        ("相关性和相关度都高", "1.50"),
        ("他很 heroic", "0.00"),
        ("", "0.00"),
    ],
)
def test_a_text_earns_each_point_once_and_no_more_than_the_item(text, points):
    assert expected_points(FULL, MENTIONED, {"base": {"string": text}}) == Decimal(points)


def test_what_people_mark_has_no_points_and_adds_nothing():
    paper = {"sections": [{"items": [FULL | {"id": "q1"}, FULL | {"id": "q2"}]}]}
    keys = {"keys": {"q1": CHOICE | {"policy": "exact"}, "q2": {"policy": "manual", "guide": "…"}}}
    answers = {"q1": chosen("A", "B", "C"), "q2": {"base": {"string": "方案"}}}
    assert expected_points(FULL, keys["keys"]["q2"], answers["q2"]) is None
    assert expected_score(paper, keys, answers) == Decimal("2.00")


@pytest.mark.parametrize("module", [expected, proof, answers])
def test_the_expected_scores_and_the_proof_use_nothing_of_the_station(module):
    imported = [
        node.module
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("station")
    ]
    assert all(name.startswith("station.rehearsal.") for name in imported)


def test_r_score_2_marking_and_the_apart_arithmetic_agree_on_a_thousand_simulated_answers():
    paper, keys = practical_documents(practical_assets())
    parsed = parse_paper(paper)
    parsed_keys, random = parse_keys(keys, parsed), Random(2026)
    for _ in range(150):
        given = {}
        for item in items_of(paper):
            planned = plan_item(item, keys["keys"][item["id"]], random, changes_mind=True) if is_typed(item) else []
            for response in planned:
                check_response(parsed.item(item["id"]), response)
            if planned:
                given[item["id"]] = planned[-1]
        assert mark_responses(parsed, parsed_keys, given).objective_points == expected_score(paper, keys, given)


def is_typed(item):
    return item["kind"] != "file"


@pytest.mark.parametrize(("quality", "earns"), [("right", "full"), ("wrong", "nothing")])
def test_a_simulated_answer_is_as_right_or_wrong_as_it_is_meant(quality, earns):
    paper, keys = practical_documents(practical_assets())
    for item in items_of(paper):
        key = keys["keys"][item["id"]]
        if key["policy"] == "manual":
            continue
        points = expected_points(item, key, respond(item, key, quality, Random(7)))
        assert points == (Decimal(item["points"]) if earns == "full" else 0), item["id"]
