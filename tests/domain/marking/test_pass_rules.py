"""Pass rules (R-SCORE-1), at their bounds and with scores still open."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.domain.marking import judge
from station.errors import Invalid, Unsound

EACH = {"kind": "each", "minimum": "60"}
THIRTY_SEVENTY = {"kind": "weighted", "weights": {"theory": "0.3", "practical": "0.7"}, "minimum": "60"}
LOGISTICS = {"kind": "weighted", "weights": {"basic": "0.4", "applied": "0.3", "practical": "0.3"}, "minimum": "60"}
PARTS = {"kind": "parts", "parts": ["theory", "practical"], "minimum": "60"}
ALL_PASSED = {"kind": "all_passed", "minimum": "60", "minimums": {"practical": "70"}}

scores_of_100 = st.decimals(min_value=0, max_value=100, places=2)


def scored(**scores: str | None) -> dict[str, Decimal | None]:
    return {code: None if score is None else Decimal(score) for code, score in scores.items()}


@pytest.mark.parametrize(
    ("rule", "scores", "passed", "score"),
    [
        (EACH, scored(theory="60", practical="60"), True, None),
        (EACH, scored(theory="60.00", practical="59.99"), False, None),
        (EACH, scored(theory="59.995", practical="60"), True, None),
        (EACH, scored(theory="59.994", practical="100"), False, None),
        (EACH, scored(theory="80", practical=None), None, None),
        (EACH, scored(theory="40", practical=None), False, None),
        (EACH, scored(theory=None, practical=None), None, None),
        (EACH, scored(theory="100", practical="0"), False, None),
        ({"kind": "each"}, scored(theory="60"), True, None),
        (THIRTY_SEVENTY, scored(theory="60", practical="60"), True, "60.00"),
        (THIRTY_SEVENTY, scored(theory="100", practical="42.85"), True, "60.00"),
        (THIRTY_SEVENTY, scored(theory="100", practical="42.84"), False, "59.99"),
        (THIRTY_SEVENTY, scored(theory="0", practical="85.71"), True, "60.00"),
        (THIRTY_SEVENTY, scored(theory="0", practical="85.70"), False, "59.99"),
        (THIRTY_SEVENTY, scored(theory="90", practical=None), None, None),
        (LOGISTICS, scored(basic="50", applied="60", practical="73.33"), True, "60.00"),
        (LOGISTICS, scored(basic="50", applied="60", practical="73.31"), False, "59.99"),
        (LOGISTICS, scored(basic="100", applied="100", practical="100"), True, "100.00"),
        (PARTS, scored(theory="25.00", practical="35.00"), True, "60.00"),
        (PARTS, scored(theory="25.00", practical="34.99"), False, "59.99"),
        (PARTS, scored(theory="60", practical="0"), True, "60.00"),
        (PARTS, scored(theory="100"), False, None),
        (PARTS, scored(theory="40", practical=None), None, None),
        ({"kind": "parts", "minimum": "60"}, scored(theory="30", practical="30"), True, "60.00"),
        (ALL_PASSED, scored(theory="60", practical="70"), True, None),
        (ALL_PASSED, scored(theory="60", practical="69.99"), False, None),
        (ALL_PASSED, scored(theory="59.99", practical=None), False, None),
        (ALL_PASSED, scored(theory="60", practical=None), None, None),
    ],
)
def test_r_score_1_a_pass_rule_judges(
    rule: dict[str, Any], scores: dict[str, Decimal | None], passed: bool | None, score: str | None
) -> None:
    result = judge(rule, scores)
    assert result.passed is passed
    assert result.score == (None if score is None else Decimal(score))


def test_r_score_1_every_condition_is_explained_in_both_languages() -> None:
    result = judge(EACH, scored(theory="59.99", practical=None))
    assert [condition.sentence("en") for condition in result.conditions] == [
        "theory: 59.99, at least 60.00 needed: not met.",
        "practical: —, at least 60.00 needed: open.",
    ]
    (total,) = judge(THIRTY_SEVENTY, scored(theory="70", practical="80")).conditions
    assert total.sentence() == "总分：theory 70 × 0.3 + practical 80 × 0.7 = 77.00，须达到 60.00：达到。"
    assert total.sentence("en") == "total: theory 70 × 0.3 + practical 80 × 0.7 = 77.00, at least 60.00 needed: met."


def test_r_score_1_a_part_that_was_not_kept_fails_by_name() -> None:
    lost, total = judge(PARTS, scored(theory="100")).conditions
    assert (lost.name, lost.met, total.met) == ("practical", False, False)


@pytest.mark.parametrize(
    ("rule", "scores", "code"),
    [
        (EACH, {}, "scores_do_not_fit"),
        (THIRTY_SEVENTY, scored(theory="60"), "scores_do_not_fit"),
        (THIRTY_SEVENTY, scored(theory="60", practical="60", oral="60"), "scores_do_not_fit"),
        (PARTS, scored(theory="60", oral="60"), "scores_do_not_fit"),
        (EACH, {"theory": 60.0}, "score_not_a_number"),
        (EACH, {"theory": 60}, "score_not_a_number"),
        (EACH, scored(theory="-0.01"), "score_not_a_number"),
        (EACH, scored(theory="NaN"), "score_not_a_number"),
        (EACH, scored(theory="Infinity"), "score_not_a_number"),
    ],
)
def test_scores_that_do_not_fit_the_rule_are_refused_by_name(rule: Any, scores: Any, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        judge(rule, scores)
    assert refusal.value.code == code
    assert refusal.value.sentence("zh")


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"kind": "best_of"},
        {"kind": "each", "minimum": "sixty"},
        {"kind": "weighted", "minimum": "60"},
        {"kind": "weighted", "weights": {"theory": "0.5", "practical": "0.4"}},
        {"kind": "weighted", "weights": {"theory": 0.3, "practical": 0.7}},
    ],
)
def test_a_broken_pass_rule_is_unsound(rule: dict[str, Any]) -> None:
    with pytest.raises(Unsound):
        judge(rule, scored(theory="60", practical="60"))


@given(scores_of_100, scores_of_100, scores_of_100)
def test_a_higher_score_never_turns_a_pass_into_a_failure(theory: Decimal, practical: Decimal, more: Decimal) -> None:
    for rule in (EACH, THIRTY_SEVENTY, PARTS, ALL_PASSED):
        before = judge(rule, {"theory": theory, "practical": practical}).passed
        after = judge(rule, {"theory": theory + more, "practical": practical}).passed
        assert after or not before


@given(scores_of_100, scores_of_100)
def test_what_is_judged_with_a_score_open_holds_when_it_is_known(theory: Decimal, practical: Decimal) -> None:
    for rule in (EACH, THIRTY_SEVENTY, PARTS, ALL_PASSED):
        early = judge(rule, {"theory": theory, "practical": None}).passed
        assert early in (None, judge(rule, {"theory": theory, "practical": practical}).passed)
