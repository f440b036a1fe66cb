"""The exam plan: what is read, what is refused, and how certificates and subjects are found."""

from __future__ import annotations

import copy
from decimal import Decimal

import pytest

from station.domain.plan import parse_plan
from station.errors import Invalid, Missing

THEORY = {"code": "theory", "name": "理论", "kind": "theory", "duration_min": 60, "early_leave_min": 15}
PRACTICAL = {"code": "practical", "name": "实操", "kind": "practical", "duration_min": 150, "early_leave_min": 30}
BOTH = {"code": "both", "name": "机考+实操", "kind": "both", "duration_min": 180}
POLICY = {"rules": ["守则一"], "misconduct_rules": ["规定一"], "keep_until_days": 365}


def certificate(code="wdyy", name="网店运营推广", level="初级", subjects=(THEORY, PRACTICAL), rule=None):
    rule = rule or {"kind": "each", "minimum": "60"}
    return {
        "code": code,
        "name": name,
        "level": level,
        "word": "考核",
        "pass_rule": rule,
        "policy": POLICY,
        "subjects": copy.deepcopy(list(subjects)),
    }


def plan(*certificates):
    return {
        "format": "exam-plan/1",
        "code": "2026-4",
        "title": "2026年第4次考试",
        "organisation": "示例",
        "certificates": list(certificates) or [certificate()],
    }


def test_policy_defaults_are_those_of_the_handbooks():
    found = parse_plan(plan()).certificate("wdyy", "初级")
    assert (found.policy.extension_limit_min, found.policy.extension_scope) == (15, "total")
    assert (found.policy.outage_limit_s, found.policy.outage_ask_min) == (120, 60)
    assert found.policy.scores_shown_on_site is False
    assert found.subjects[0].entry_cutoff_min == 30
    assert found.subjects[0].full_score == Decimal(100)
    assert found.pass_rule.minimum == Decimal(60)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("wdyy", "初级"),
        ("网店运营推广", "初级"),
        ("网店运营推广（初级）", ""),
        ("网店运营推广初级", ""),
        ("网店运营推广职业技能等级证书", "初级"),
        ("网店运营推广职业技能等级证书（初级）", "初级"),
        (" 网店 运营推广 ", "初级证书"),
    ],
)
def test_a_certificate_is_found_however_a_list_names_it(name, level):
    document = plan(certificate(), certificate(level="中级"))
    assert parse_plan(document).certificate(name, level).level == "初级"


@pytest.mark.parametrize(
    ("name", "level"), [("网店运营推广", ""), ("网店运营推广", "高级"), ("别的", "初级"), ("", "")]
)
def test_a_certificate_that_is_not_the_plans_or_not_one_is_refused_with_what_there_is(name, level):
    document = plan(certificate(), certificate(level="中级"))
    with pytest.raises(Missing) as refused:
        parse_plan(document).certificate(name, level)
    assert refused.value.code == "certificate_unknown"
    assert "网店运营推广（中级）" in refused.value.sentence()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("理论", "theory"),
        ("理论考试", "theory"),
        ("理论考核", "theory"),
        ("THEORY", "theory"),
        ("理论知识考试", "theory"),
        ("实操", "practical"),
        ("实操考核", "practical"),
        ("实践", "practical"),
        ("技能操作", "practical"),
    ],
)
def test_r_day_18_a_subject_is_found_by_its_usual_names(name, code):
    assert parse_plan(plan()).certificates[0].subject(name).code == code


def test_a_subject_held_in_one_go_is_found_by_its_usual_names():
    found = parse_plan(plan(certificate(subjects=[BOTH]))).certificates[0]
    assert {found.subject(name).code for name in ("机考+实操", "机考＋实操", "both", "理论+实操")} == {"both"}


def test_three_subjects_of_one_kind_are_told_apart_by_name_only():
    subjects = [
        PRACTICAL | {"code": f"s{n}", "name": name} for n, name in enumerate(("基础考核", "综合应用考核", "实操考核"))
    ]
    rule = {"kind": "weighted", "weights": {"s0": "0.4", "s1": "0.3", "s2": "0.3"}, "minimum": "60"}
    found = parse_plan(plan(certificate(subjects=subjects, rule=rule))).certificates[0]
    assert found.subject("综合应用考核").code == "s1"
    assert found.subject("综合应用").code == "s1"
    assert found.subject("实操").code == "s2"
    with pytest.raises(Missing) as refused:
        found.subject("实践")
    assert refused.value.code == "subject_unknown"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (plan() | {"format": "exam-plan/2"}, "document_format_unknown"),
        (plan() | {"certificates": []}, "document_field_missing"),
        (plan(certificate(), certificate()), "id_twice"),
        (plan(certificate(subjects=[THEORY, THEORY])), "id_twice"),
        (plan(certificate(subjects=[THEORY | {"duration_min": 0}])), "document_field_wrong"),
        (plan(certificate(subjects=[THEORY | {"duration_min": "60"}])), "document_field_wrong"),
        (plan(certificate(subjects=[THEORY | {"early_leave_min": 61}])), "document_field_wrong"),
        (plan(certificate(subjects=[THEORY | {"kind": "oral"}])), "document_field_wrong"),
        (plan(certificate(rule={"kind": "best"})), "document_field_wrong"),
        (plan(certificate(rule={"kind": "each", "minimum": "-1"})), "document_field_wrong"),
        (plan(certificate(rule={"kind": "parts", "minimum": "60"})), "parts_need_one_subject"),
        (
            plan(certificate(rule={"kind": "weighted", "weights": {"theory": "0.3", "practical": "0.6"}})),
            "weights_wrong",
        ),
        (plan(certificate(rule={"kind": "weighted", "weights": {"theory": "1"}})), "weights_wrong"),
    ],
)
def test_r_score_1_a_plan_that_is_not_in_order_is_refused_by_name(changed, code):
    with pytest.raises(Invalid) as refused:
        parse_plan(changed)
    assert refused.value.code == code
