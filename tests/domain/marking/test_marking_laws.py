"""What holds for every key and every response, found by trying many."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from station.domain.marking import Outcome, mark_item
from station.domain.marking.comparison import folded, mentions, number_in
from station.domain.marking.texts import assign

PAIRS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))["items"]
COMPUTED = sorted(name for name, pair in PAIRS.items() if pair["item"]["policy"] != "manual")
SUBSETS = ("all_or_nothing", "fixed", "per_option", "per_option_capped", "share", "share_half_up")
WORDS = (
    "首屏",
    "ROI",
    "流量",
    "访客数",
    "转化率",
    "客单价",
    "甲",
    "乙",
    "广泛匹配",
    "借",
    "贷",
    "1,000.00",
    "-250.5",
    "关键词",
    "5",
    "",
)

names = st.sampled_from(["b1", "b2", "b3", "r1.c2", "r1.c3", "r2.c1", "r2.c2", "r2.c3", "f1", "zz"])
texts = st.one_of(st.sampled_from(WORDS), st.text(max_size=12))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
entries = st.fixed_dictionaries({"name": names, "base": st.none() | st.fixed_dictionaries({"string": texts})})
likely = st.one_of(
    st.none(),
    st.just({"base": None}),
    st.fixed_dictionaries({"base": st.fixed_dictionaries({"identifier": st.sampled_from("ABCDE")})}),
    st.fixed_dictionaries({"base": st.fixed_dictionaries({"boolean": st.booleans()})}),
    st.fixed_dictionaries({"base": st.fixed_dictionaries({"string": texts})}),
    st.fixed_dictionaries({"list": st.fixed_dictionaries({"identifier": st.lists(st.sampled_from("ABCDE"))})}),
    st.fixed_dictionaries({"record": st.lists(entries, max_size=6)}),
)
shapes = st.one_of(
    likely,
    json_values,
    st.fixed_dictionaries({"base": json_values}),
    st.fixed_dictionaries({"list": st.fixed_dictionaries({"identifier": json_values})}),
    st.fixed_dictionaries(
        {"record": st.lists(json_values | st.fixed_dictionaries({"name": names, "base": json_values}))}
    ),
)


def marked(name: str, response: Any) -> Any:
    return mark_item(PAIRS[name]["item"], PAIRS[name]["key"], response)


def filled(values: dict[str, str]) -> dict[str, Any]:
    return {"record": [{"name": name, "base": {"string": text}} for name, text in values.items()]}


def chosen(options: Any) -> dict[str, Any]:
    return {"list": {"identifier": list(options)}}


@given(st.sampled_from(sorted(PAIRS)), shapes)
def test_no_response_is_refused_nor_earns_less_than_nothing_or_more_than_all(name: str, response: Any) -> None:
    mark = marked(name, response)
    if mark.outcome is Outcome.AWAITS_PERSON:
        assert mark.points is None
        return
    assert 0 <= mark.points <= mark.max_points
    assert mark.points == sum(part.points for part in mark.parts)
    assert mark.points.as_tuple().exponent == -2
    assert mark.outcome is Outcome.MARKED or mark.points == 0


@given(st.sampled_from(COMPUTED), likely)
def test_marking_twice_gives_the_same_mark(name: str, response: Any) -> None:
    assert marked(name, response) == marked(name, json.loads(json.dumps(response)))
    json.dumps(marked(name, response).document())


@given(st.sampled_from(SUBSETS), st.permutations("ABC"))
def test_the_order_of_a_list_does_not_matter(name: str, options: list[str]) -> None:
    assert marked(name, chosen(options)).points == marked(name, chosen(sorted(options))).points


@given(st.sampled_from(["blanks", "any_order", "any_order_uneven", "table"]), st.data())
def test_the_order_of_a_record_does_not_matter(name: str, drawn: st.DataObject) -> None:
    places = {"blanks": ["b1", "b2"], "any_order": ["b1", "b2", "b3"], "any_order_uneven": ["b1", "b2"]}
    wanted = places.get(name, ["r1.c3", "r2.c1", "r2.c3"])
    values = {place: drawn.draw(texts) for place in wanted}
    shuffled = {place: values[place] for place in drawn.draw(st.permutations(wanted))}
    assert marked(name, filled(values)) == marked(name, filled(shuffled))


@given(st.sampled_from(SUBSETS), st.sets(st.sampled_from("ABCDE")), st.sampled_from("ABCDE"))
def test_one_more_right_option_never_earns_less(name: str, options: set[str], added: str) -> None:
    right = set(PAIRS[name]["key"]["answer"]["list"]["identifier"])
    known = {option["id"] for option in PAIRS[name]["item"]["interaction"]["options"]}
    options &= known
    if added in right:
        assert marked(name, chosen(options | {added})).points >= marked(name, chosen(options)).points


@given(st.sampled_from(SUBSETS), st.sets(st.sampled_from("ABC")))
def test_one_wrong_option_earns_nothing_whatever_else_is_chosen(name: str, options: set[str]) -> None:
    right = set(PAIRS[name]["key"]["answer"]["list"]["identifier"])
    wrong = next(option["id"] for option in PAIRS[name]["item"]["interaction"]["options"] if option["id"] not in right)
    assert marked(name, chosen(options | {wrong})).points == 0


@given(st.permutations(["流量", "访客数", "转化率", "客单价", "好评", ""]), st.permutations(["b1", "b2", "b3"]))
def test_in_any_order_moving_the_answers_changes_nothing(values: list[str], moved: list[str]) -> None:
    straight = marked("any_order", filled(dict(zip(["b1", "b2", "b3"], values, strict=False))))
    turned = marked("any_order", filled(dict(zip(moved, values, strict=False))))
    assert straight.points == turned.points


@given(texts, texts)
def test_a_longer_text_never_mentions_fewer_points(text: str, more: str) -> None:
    alone = marked("points", {"base": {"string": text}}).points
    assert marked("points", {"base": {"string": f"{text}\n{more}"}}).points >= alone


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@given(st.text(min_size=1, max_size=8).filter(folded))
def test_a_text_that_is_the_keyword_mentions_it(keyword: str) -> None:
    assert mentions(folded(keyword), keyword)
    assert mentions(folded(f"，{keyword}。"), keyword)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12))
def test_a_number_reads_the_same_with_and_without_thousands_commas(number: Decimal) -> None:
    assert number_in(f"{number:,}") == number_in(f"{number}") == number


def test_a_character_that_nobody_sees_does_not_keep_an_accent_apart() -> None:
    assert folded("e\u200b\u0301") == folded("é")


def test_a_number_too_long_to_be_meant_is_no_number() -> None:
    assert number_in("9" * 40) == Decimal("9" * 40)
    assert number_in("9" * 41) is None


@given(st.lists(st.lists(st.integers(0, 4), unique=True, max_size=5), max_size=5))
def test_an_assignment_serves_as_many_as_any_way_of_trying_could(choices: list[list[int]]) -> None:
    def most(chooser: int, taken: frozenset[int]) -> int:
        if chooser == len(choices):
            return 0
        served = [1 + most(chooser + 1, taken | {choice}) for choice in choices[chooser] if choice not in taken]
        return max([most(chooser + 1, taken), *served])

    assignment = assign(choices)
    assert len(assignment) == len(set(assignment.values())) == most(0, frozenset())
    assert all(choice in choices[chooser] for chooser, choice in assignment.items())
