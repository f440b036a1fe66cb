"""The exam plan: certificates, their subjects and policies. What differs between certificates is data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from station.domain.document import Node, check_unique
from station.domain.lockdown import LockPolicy, parse_lockdown
from station.domain.requirements import Requirements, parse_requirements
from station.errors import Invalid, Missing, problem

CERTIFICATE_UNKNOWN = problem(
    "certificate_unknown",
    "考试计划中没有证书“{name}”（等级：{level}）。计划中有：{known}。请核对名单表头。",
    "The plan has no certificate {name!r} (level: {level}). It has: {known}. Check the head of the list.",
)
SUBJECT_UNKNOWN = problem(
    "subject_unknown",
    "证书“{certificate}”没有科目“{name}”。科目有：{known}。请核对名单表头。",
    "{certificate} has no subject {name!r}. It has: {known}. Check the head of the list.",
)
WEIGHTS_WRONG = problem(
    "weights_wrong",
    "{where}：各科目权重须与科目一一对应且合计为 1，实际合计 {found}。",
    "{where}: the weights must name every subject once and come to 1; they come to {found}.",
)
PARTS_NEED_ONE_SUBJECT = problem(
    "parts_need_one_subject",
    "{where}：“分部分合计”的合格规则只适用于一个科目的证书。",
    "{where}: the pass rule 'parts' is for a certificate with one subject.",
)

PASS_RULE_KINDS = frozenset({"each", "weighted", "parts", "all_passed"})
SUBJECT_KINDS = frozenset({"theory", "practical", "both"})
EXTENSION_SCOPES = frozenset({"total", "per_fault"})
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "theory": ("理论", "理论知识", "理论机考", "机考", "笔试", "theory"),
    "practical": ("实操", "实践", "技能", "操作技能", "技能操作", "实务", "practical"),
    "both": ("机考+实操", "理论+实操", "理论与实操", "理论和实操", "理论实操", "综合", "both"),
}
_ENDINGS = re.compile(r"(职业技能等级)?(证书|标准)?(考试|考核|测试|科目)?$")
_CERTIFICATE_ENDINGS = re.compile(r"(职业技能)?(等级)?(证书|标准)?(考试|考核)?$")


@dataclass(frozen=True)
class PassRule:
    """When a certificate is earned (R-SCORE-1). `document` is the rule as read."""

    kind: str
    minimum: Decimal
    weights: Mapping[str, Decimal]
    document: Mapping[str, object] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Policy:
    """What a certificate body allows on the day. Minutes, seconds and days as the names say."""

    extension_limit_min: int
    extension_scope: str
    outage_limit_s: int
    outage_ask_min: int
    scores_shown_on_site: bool
    keep_until_days: int
    rules: tuple[str, ...]
    misconduct_rules: tuple[str, ...]
    lockdown: LockPolicy


@dataclass(frozen=True)
class SubjectPlan:
    """One scored test of a certificate, with the minutes that bind its sitting."""

    code: str
    name: str
    kind: str
    duration_min: int
    entry_cutoff_min: int
    early_leave_min: int
    remind_min: int
    full_score: Decimal


@dataclass(frozen=True)
class CertificatePlan:
    """One certificate at one level. `word` is what it calls a test: 考试 or 考核; `requirements` of the machines.

    `technician_word`: what its forms call the site's technician (考点技术人员, 系统管理员).
    """

    code: str
    name: str
    level: str
    word: str
    pass_rule: PassRule
    policy: Policy
    subjects: tuple[SubjectPlan, ...]
    requirements: Requirements = field(default_factory=Requirements, compare=False)
    technician_word: str = "考点技术人员"

    def subject(self, name: str) -> SubjectPlan:
        """Find a subject by code, name or a usual synonym (理论考试, 实操考核, 机考+实操); unknown is Missing.

        A synonym counts only where one subject alone is of its kind.
        """
        wanted = _folded(name)
        for subject in self.subjects:
            if wanted in {_folded(subject.code), _folded(subject.name)}:
                return subject
        short = _ENDINGS.sub("", wanted)
        named = [subject for subject in self.subjects if short and short == _ENDINGS.sub("", _folded(subject.name))]
        kind = next((kind for kind, words in _SYNONYMS.items() if short in words), None)
        alike = named or [subject for subject in self.subjects if subject.kind == kind]
        if len(alike) != 1:
            known = "、".join(subject.name for subject in self.subjects)
            raise Missing(SUBJECT_UNKNOWN, certificate=self.name, name=name, known=known)
        return alike[0]


@dataclass(frozen=True)
class ExamPlan:
    """One national run. `document` is the plan as read."""

    code: str
    title: str
    organisation: str
    certificates: tuple[CertificatePlan, ...]
    document: Mapping[str, object] = field(repr=False, compare=False)

    def certificate(self, name: str, level: str = "") -> CertificatePlan:
        """Find a certificate by code or name, with or without its level in the name; unknown is Missing.

        `网店运营推广（初级）`, `网店运营推广职业技能等级证书` + `初级` and `wdyy` + `初级` are the same.
        """
        wanted, wanted_level = _split_level(name)
        wanted_level = _level(level) or wanted_level
        found = [
            certificate
            for certificate in self.certificates
            if wanted in {_folded(certificate.code), _split_level(certificate.name)[0]}
            and wanted_level in {"", _level(certificate.level)}
        ]
        if len(found) != 1:
            known = "、".join(f"{certificate.name}（{certificate.level}）" for certificate in self.certificates)
            raise Missing(CERTIFICATE_UNKNOWN, name=name, level=level or "—", known=known)
        return found[0]


def parse_plan(document: Mapping[str, object]) -> ExamPlan:
    """Read and check an exam plan."""
    node = Node(document, "plan.json")
    node.check_format("exam-plan/1")
    certificates = tuple(_certificate(entry) for entry in node.nodes("certificates"))
    check_unique((f"{certificate.code}/{certificate.level}" for certificate in certificates), node.at("certificates"))
    return ExamPlan(
        code=node.text("code", maximum=64),
        title=node.text("title", maximum=200),
        organisation=node.text("organisation", "", maximum=200),
        certificates=certificates,
        document=document,
    )


def _certificate(node: Node) -> CertificatePlan:
    subjects = tuple(_subject(entry) for entry in node.nodes("subjects"))
    check_unique((subject.code for subject in subjects), node.at("subjects"))
    return CertificatePlan(
        code=node.identifier("code"),
        name=node.text("name", maximum=100),
        level=node.text("level", "", maximum=16),
        word=node.text("word", "考试", maximum=16),
        pass_rule=_pass_rule(node.node("pass_rule"), subjects),
        policy=_policy(node.node("policy")),
        subjects=subjects,
        requirements=parse_requirements(node.node("requirements") if node.has("requirements") else None),
        technician_word=node.text("technician_word", "考点技术人员", maximum=16),
    )


def _subject(node: Node) -> SubjectPlan:
    duration = node.integer("duration_min", minimum=1, maximum=600)
    return SubjectPlan(
        code=node.identifier("code"),
        name=node.text("name", maximum=100),
        kind=node.one_of("kind", SUBJECT_KINDS),
        duration_min=duration,
        entry_cutoff_min=node.integer("entry_cutoff_min", 30, minimum=0, maximum=600),
        early_leave_min=node.integer("early_leave_min", 0, minimum=0, maximum=duration),
        remind_min=node.integer("remind_min", 15, minimum=0, maximum=600),
        full_score=node.decimal("full_score", "100"),
    )


def _policy(node: Node) -> Policy:
    return Policy(
        extension_limit_min=node.integer("extension_limit_min", 15, minimum=0, maximum=240),
        extension_scope=node.one_of("extension_scope", EXTENSION_SCOPES, "total"),
        outage_limit_s=node.integer("outage_limit_s", 120, minimum=0, maximum=3600),
        outage_ask_min=node.integer("outage_ask_min", 60, minimum=1, maximum=600),
        scores_shown_on_site=node.flag("scores_shown_on_site", False),
        keep_until_days=node.integer("keep_until_days", 365, minimum=0, maximum=36500),
        rules=node.texts("rules", optional=True),
        misconduct_rules=node.texts("misconduct_rules", optional=True),
        lockdown=parse_lockdown(node.node("lockdown")) if node.has("lockdown") else LockPolicy(),
    )


def _pass_rule(node: Node, subjects: tuple[SubjectPlan, ...]) -> PassRule:
    kind = node.one_of("kind", PASS_RULE_KINDS)
    if kind == "parts" and len(subjects) != 1:
        raise Invalid(PARTS_NEED_ONE_SUBJECT, where=node.where)
    weights: dict[str, Decimal] = {}
    if kind == "weighted":
        table = node.node("weights")
        weights = {code: table.decimal(code) for code in table.fields}
        total = sum(weights.values(), Decimal())
        if total != 1 or weights.keys() != {subject.code for subject in subjects}:
            raise Invalid(WEIGHTS_WRONG, where=node.where, found=total)
    return PassRule(kind, node.decimal("minimum", "60"), weights, node.fields)


def _folded(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold()


def _level(text: str) -> str:
    found = re.search(r"[初中高]级", text)
    return found.group() if found else _folded(text)


def _split_level(name: str) -> tuple[str, str]:
    """Take a level written into a certificate's name apart from it: (name, level or '')."""
    folded = _folded(name)
    found = re.search(r"[(\[【]?([初中高]级)[)\]】]?", folded)
    if not found:
        return _CERTIFICATE_ENDINGS.sub("", folded), ""
    return _CERTIFICATE_ENDINGS.sub("", folded[: found.start()] + folded[found.end() :]), found.group(1)
