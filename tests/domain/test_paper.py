"""The canonical paper, its keys, and what a response may be."""

from __future__ import annotations

import copy
import json
import time

import pytest

from station.domain.paper import (
    KNOWN_CAPABILITIES,
    canonical_bytes,
    capabilities,
    check_response,
    is_answered,
    paper_sha256,
    parse_keys,
    parse_paper,
    unanswered_parts,
)
from station.errors import Invalid, Missing

OPTIONS = [{"id": name, "html": f"选项{name}"} for name in "ABCD"]


def item(item_id, kind, interaction, policy, points="1.00", body="<p>题干</p>", **more):
    return {
        "id": item_id,
        "kind": kind,
        "points": points,
        "body": body,
        "policy": policy,
        "interaction": interaction,
    } | more


ITEMS = [
    item("t1", "single", {"options": OPTIONS}, "exact", body='<p>图 <img src="asset:a&amp;b.png" alt="图"></p>'),
    item("t2", "multiple", {"options": OPTIONS, "shuffle": True}, "subset_fixed", "2.00"),
    item("t3", "true_false", {}, "exact"),
    item("t4", "fill_in", {"blanks": [{"id": "b1"}, {"id": "b2", "width": 8}]}, "blank_each", "2.00",
         body='<p>填 <span data-blank="b1"></span></p>'),
    item("t5", "short_answer", {"lines": 4, "max_length": 10}, "points_list", "2.00"),
    item("t6", "long_answer", {}, "manual", "5.00"),
    item("t7", "table", {
        "columns": [{"id": "c1", "title": "科目", "input": "text"}, {"id": "c2", "title": "金额", "input": "number"},
                    {"id": "c3", "title": "方向", "input": "choice", "options": ["借", "贷"]}],
        "rows": [{"id": "r1", "cells": {"c1": {"text": "库存现金"}}}, {"id": "r2"}],
    }, "table_cells", "4.00"),
    item("t8", "file", {"files": [
        {"id": "f1", "label": "方案", "extensions": [".docx", ".PDF"], "max_bytes": 100},
        {"id": "f2", "label": "附件", "extensions": [".zip"], "max_bytes": 100, "required": False},
    ]}, "manual", "3.00", materials=[{"asset": "a&b.png", "name": "素材.png"}]),
]  # fmt: skip
KEYS = {
    "t1": {"policy": "exact", "answer": {"base": {"identifier": "A"}}},
    "t2": {"policy": "subset_fixed", "answer": {"list": {"identifier": ["A", "C"]}}, "partial": "1.00"},
    "t3": {"policy": "exact", "answer": {"base": {"boolean": True}}},
    "t4": {"policy": "blank_each", "blanks": {
        "b1": {"accepted": ["首屏"], "points": "1.00"}, "b2": {"accepted": ["点击"], "points": "1.00"}}},
    "t5": {"policy": "points_list", "points": [{"any": ["主图"], "points": "2.00"}]},
    "t6": {"policy": "manual", "guide": "要点"},
    "t7": {"policy": "table_cells", "cells": {
        "r1.c2": {"number": "-100.00", "tolerance": "0.01", "points": "2.00"},
        "r1.c3": {"accepted": ["借"], "points": "2.00"}}},
    "t8": {"policy": "manual"},
}  # fmt: skip


def paper_document(**changes):
    return {
        "format": "exam-paper/1", "code": "X-1", "title": "示例", "certificate": "示例", "level": "初级",
        "subject": "theory", "full_points": "20.00",
        "sections": [
            {"id": "s1", "title": "一", "instructions": "<p>说明</p>", "items": copy.deepcopy(ITEMS[:4])},
            {"id": "s2", "title": "二", "items": copy.deepcopy(ITEMS[4:])},
        ],
        "assets": {"a&b.png": {"sha256": "0" * 64, "media_type": "image/png", "size": 3}},
    } | changes  # fmt: skip


def keys_document(paper, **keys):
    return {
        "format": "exam-keys/1",
        "paper_code": paper["code"],
        "paper_sha256": paper_sha256(paper),
        "keys": copy.deepcopy(KEYS) | keys,
    }


def refusal(document):
    with pytest.raises(Invalid) as refused:
        parse_paper(document)
    assert refused.value.sentence("zh")
    assert refused.value.sentence("en")
    return refused.value


def with_item(position, **changes):
    document = paper_document()
    section, place = (0, position) if position < 4 else (1, position - 4)
    document["sections"][section]["items"][place] |= changes
    return document


def test_a_paper_of_all_kinds_is_read_in_order():
    paper = parse_paper(paper_document())
    assert [found.id for found in paper.items] == ["t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"]
    assert paper.item("t7").interaction.inputs.keys() == {"r1.c2", "r1.c3", "r2.c1", "r2.c2", "r2.c3"}
    assert paper.item("t8").interaction.by_id["f1"].extensions == (".docx", ".pdf")
    assert capabilities(paper) <= KNOWN_CAPABILITIES
    assert {"item:table", "policy:exact"} <= capabilities(paper)
    with pytest.raises(Missing) as refused:
        paper.item("t9")
    assert refused.value.code == "item_unknown"


def test_canonical_bytes_do_not_depend_on_the_order_of_fields():
    document = paper_document()
    turned = dict(reversed(document.items()))
    assert canonical_bytes(document) == canonical_bytes(turned)
    assert parse_paper(document).sha256 == paper_sha256(json.loads(json.dumps(turned)))


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (paper_document(format="exam-paper/2"), "document_format_unknown"),
        (paper_document(sections=[]), "document_field_missing"),
        (paper_document(sections={}), "document_field_wrong"),
        (paper_document(full_points="21.00"), "points_do_not_add_up"),
        (paper_document(full_points="21"), "document_field_wrong"),
        (paper_document(assets={}), "asset_missing"),
        (paper_document(assets={"../x": {"sha256": "0" * 64, "media_type": "x", "size": 1}}), "document_field_wrong"),
        (with_item(0, kind="hotspot", policy="qti_map"), "capability_missing"),
        (with_item(0, policy="qti_rules"), "capability_missing"),
        (with_item(0, policy="blank_each"), "policy_unfit"),
        (with_item(0, id="t2"), "id_twice"),
        (with_item(0, id="a b"), "id_malformed"),
        (with_item(0, points="0.00"), "document_field_wrong"),
        (with_item(0, answer="A"), "keys_in_paper"),
        (with_item(0, interaction={"options": OPTIONS, "correct": "A"}), "keys_in_paper"),
        (with_item(0, interaction={"options": [*OPTIONS, {"id": "E", "html": "x", "correct": True}]}), "keys_in_paper"),
        (with_item(0, interaction={"options": OPTIONS[:1]}), "options_too_few"),
        (with_item(0, interaction={"options": [OPTIONS[0], OPTIONS[0]]}), "id_twice"),
        (with_item(0, body="\ud800"), "document_field_wrong"),
        (with_item(3, body='<span data-blank="b9"></span>'), "blank_unknown"),
        (with_item(3, body='<span data-blank="b1"></span><span data-blank="b1"></span>'), "blank_unknown"),
        (
            with_item(
                6, interaction={"columns": [{"id": "c1"}], "rows": [{"id": "r1", "cells": {"c1": {"text": "x"}}}]}
            ),
            "table_without_input",
        ),
        (
            with_item(6, interaction={"columns": [{"id": "c1"}], "rows": [{"id": "r1", "cells": {"c9": {}}}]}),
            "document_field_wrong",
        ),
        (with_item(7, materials=[{"asset": "gone.xlsx", "name": "x"}]), "asset_missing"),
        ([], "document_field_wrong"),
    ],
)
def test_a_paper_that_is_not_in_order_is_refused_by_name(document, code):
    assert refusal(document).code == code


def test_everything_that_the_station_lacks_is_named_at_once():
    document = with_item(0, kind="hotspot", policy="qti_map")
    document["sections"][1]["items"][0]["policy"] = "qti_rules"
    assert refusal(document).details["names"] == "item:hotspot, policy:qti_map, policy:qti_rules"


def test_a_refusal_says_where():
    assert "sections[2].items[1]" in refusal(with_item(4, interaction={"max_length": 0})).sentence()


def test_keys_of_all_policies_are_read():
    document = paper_document()
    keys = parse_keys(keys_document(document), parse_paper(document))
    assert keys.keys["t1"]["answer"] == {"base": {"identifier": "A"}}
    assert keys.keys.keys() == KEYS.keys()


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"t9": {"policy": "exact"}}, "key_without_item"),
        ({"t1": {"policy": "manual"}}, "key_policy_differs"),
        ({"t1": {"policy": "exact", "answer": {"base": {"identifier": "E"}}}}, "key_outside_options"),
        ({"t1": {"policy": "exact", "answer": {"base": None}}}, "key_empty"),
        ({"t1": {"policy": "exact", "answer": {"base": {"boolean": True}}}}, "response_malformed"),
        ({"t2": KEYS["t2"] | {"partial": "2.00"}}, "document_field_wrong"),
        ({"t4": {"policy": "blank_each", "blanks": {"b1": {"accepted": ["x"], "points": "2.00"}}}}, "key_part_unknown"),
        (
            {
                "t4": {
                    "policy": "blank_each",
                    "blanks": {
                        "b1": {"accepted": ["x"], "points": "1.00"},
                        "b2": {"accepted": ["y"], "points": "0.50"},
                    },
                }
            },
            "key_points_differ",
        ),
        (
            {
                "t4": {
                    "policy": "blank_each",
                    "blanks": {
                        "b1": {"accepted": [" "], "points": "1.00"},
                        "b2": {"accepted": ["y"], "points": "1.00"},
                    },
                }
            },
            "key_empty",
        ),
        ({"t5": {"policy": "points_list", "points": [{"any": ["x"], "points": "1.00"}]}}, "key_points_differ"),
        (
            {"t7": {"policy": "table_cells", "cells": {"r1.c1": {"accepted": ["x"], "points": "4.00"}}}},
            "key_part_unknown",
        ),
        (
            {"t7": {"policy": "table_cells", "cells": {"r1.c3": {"accepted": ["平"], "points": "4.00"}}}},
            "key_outside_options",
        ),
        (
            {"t7": {"policy": "table_cells", "cells": {"r1.c2": {"number": "NaN", "points": "4.00"}}}},
            "document_field_wrong",
        ),
    ],
)
def test_keys_that_do_not_fit_are_refused_by_name(keys, code):
    document = paper_document()
    with pytest.raises(Invalid) as refused:
        parse_keys(keys_document(document, **keys), parse_paper(document))
    assert refused.value.code == code


def test_an_item_without_a_key_and_the_keys_of_another_paper_are_refused():
    document = paper_document()
    paper = parse_paper(document)
    lacking = keys_document(document)
    del lacking["keys"]["t3"]
    for keys, code in (
        (lacking, "key_missing"),
        (keys_document(document | {"title": "另一"}), "keys_of_another_paper"),
    ):
        with pytest.raises(Invalid) as refused:
            parse_keys(keys, paper)
        assert refused.value.code == code


def text(value):
    return {"base": {"string": value}}


def record(**parts):
    return {"record": [{"name": name.replace("_", "."), "base": base} for name, base in parts.items()]}


FILE = {"name": "方案.docx", "sha256": "a" * 64, "size": 100, "media_type": "x"}
GOOD = [
    ("t1", {"base": {"identifier": "D"}}, True, ()),
    ("t1", {"base": None}, False, ()),
    ("t2", {"list": {"identifier": ["C", "A"]}}, True, ()),
    ("t2", {"list": {"identifier": []}}, False, ()),
    ("t3", {"base": {"boolean": False}}, True, ()),
    ("t4", record(b1={"string": "首屏"}), True, ("b2",)),
    ("t4", record(b1={"string": " "}, b2=None), False, ("b1", "b2")),
    ("t4", {"record": []}, False, ("b1", "b2")),
    ("t5", text("十个字以内的回答"), True, ()),
    ("t5", text(" \n"), False, ()),
    ("t7", record(r1_c2={"string": "12."}, r1_c3={"string": "贷"}), True, ("r2.c1", "r2.c2", "r2.c3")),
    ("t7", record(r1_c3={"string": ""}), False, ("r1.c2", "r1.c3", "r2.c1", "r2.c2", "r2.c3")),
    ("t8", record(f2={"file": FILE | {"name": "a.zip"}}), True, ("f1",)),
    ("t8", record(f1={"file": FILE}), True, ()),
    ("t8", {"base": None}, False, ("f1",)),
]
BAD = [
    ("t1", {"base": {"identifier": "E"}}, "response_option_unknown"),
    ("t1", {"base": {"identifier": ["A"]}}, "response_malformed"),
    ("t1", {"base": {"identifier": "A", "x": 1}}, "response_malformed"),
    ("t1", {"list": {"identifier": ["A"]}}, "response_malformed"),
    ("t1", {}, "response_malformed"),
    ("t1", None, "response_malformed"),
    ("t1", [], "response_malformed"),
    ("t1", {"base": None, "list": None}, "response_malformed"),
    ("t2", {"list": {"identifier": ["A", "Z"]}}, "response_option_unknown"),
    ("t2", {"list": {"identifier": ["A", "A"]}}, "response_malformed"),
    ("t2", {"list": {"identifier": "A"}}, "response_malformed"),
    ("t2", {"base": {"identifier": "A"}}, "response_malformed"),
    ("t3", {"base": {"boolean": 1}}, "response_malformed"),
    ("t4", record(b3={"string": "x"}), "response_part_unknown"),
    ("t4", {"record": [{"name": "b1", "base": None}] * 2}, "response_part_unknown"),
    ("t4", {"record": [{"name": "b1"}]}, "response_malformed"),
    ("t4", record(b1={"string": "x" * 20_001}), "response_too_long"),
    ("t4", text("x"), "response_malformed"),
    ("t5", text("十一个字的回答十一个字"), "response_too_long"),
    ("t5", text("\ud800"), "response_malformed"),
    ("t5", text(5), "response_malformed"),
    ("t7", record(r1_c1={"string": "x"}), "response_part_unknown"),
    ("t7", record(r1_c3={"string": "平"}), "response_option_unknown"),
    ("t8", record(f1={"file": {"name": "a.docx", "size": 1}}), "response_file_unproven"),
    ("t8", record(f1={"file": FILE | {"name": "a.exe"}}), "response_file_wrong"),
    ("t8", record(f1={"file": FILE | {"name": "../a.docx"}}), "response_file_wrong"),
    ("t8", record(f1={"file": FILE | {"size": 101}}), "response_file_wrong"),
    ("t8", record(f1={"file": FILE | {"path": "/"}}), "response_malformed"),
    ("t8", record(f9={"file": FILE}), "response_part_unknown"),
]


@pytest.mark.parametrize(("item_id", "response", "answered", "open_parts"), GOOD)
def test_a_response_that_the_item_can_hold_is_accepted(item_id, response, answered, open_parts):
    found = parse_paper(paper_document()).item(item_id)
    check_response(found, response)
    assert is_answered(found, response) is answered
    assert unanswered_parts(found, response) == open_parts


@pytest.mark.parametrize(("item_id", "response", "code"), BAD)
def test_a_response_that_the_item_cannot_hold_is_refused_by_name(item_id, response, code):
    found = parse_paper(paper_document()).item(item_id)
    with pytest.raises(Invalid) as refused:
        check_response(found, response)
    assert refused.value.code == code
    assert refused.value.sentence("zh").count("{") == 0


def test_nothing_at_all_is_not_answered():
    found = parse_paper(paper_document()).item("t4")
    assert not is_answered(found, None)
    assert unanswered_parts(found, None) == ("b1", "b2")


def test_checking_a_response_is_fast_enough_for_the_save_path():
    paper = parse_paper(paper_document())
    pairs = [(paper.item(item_id), response) for item_id, response, _, _ in GOOD]
    began = time.process_time()
    for _ in range(1000):
        for found, response in pairs:
            check_response(found, response)
    assert (time.process_time() - began) / (1000 * len(pairs)) < 100e-6
