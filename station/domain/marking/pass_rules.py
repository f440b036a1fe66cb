"""Whether a certificate is earned (R-SCORE-1): each subject by itself, a weighted sum, or parts in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from station.domain.document import Node, refuse
from station.domain.marking.marks import rounded
from station.domain.plan import PASS_RULE_KINDS
from station.errors import Invalid, Unsound, problem

SCORES_DO_NOT_FIT = problem(
    "scores_do_not_fit",
    "合格规则须有科目 {wanted} 的成绩，实际为 {found}。请核对考试计划与成绩。",
    "The pass rule needs the scores of {wanted}, found {found}. Check the exam plan and the scores.",
)
SCORE_NOT_A_NUMBER = problem(
    "score_not_a_number",
    "科目 {subject} 的成绩“{found}”不是非负十进制数，不能判定是否合格。",
    "The score {found} of {subject} is not a decimal number from 0 up: whether it passes cannot be judged.",
)

DEFAULT_MINIMUM = "60"
Scores = Mapping[str, Decimal | None]


@dataclass(frozen=True)
class Condition:
    """One thing that a pass rule asks. `score` is rounded to two places; `met` is None until it is known.

    `name` is a subject's or part's code, or 'total'; `sum` says how a total came about.
    """

    name: str
    score: Decimal | None
    minimum: Decimal
    met: bool | None
    sum: str = ""

    def sentence(self, language: str = "zh") -> str:
        """Say in 'zh' or 'en' what was asked and what there is."""
        english = language == "en"
        words = ("open", "met", "not met") if english else ("待定", "达到", "未达到")
        verdict = words[0] if self.met is None else words[1] if self.met else words[2]
        score = "—" if self.score is None else str(self.score)
        shown = f"{self.sum} = {score}" if self.sum else score
        if english:
            return f"{self.name}: {shown}, at least {self.minimum} needed: {verdict}."
        return f"{'总分' if self.name == TOTAL else self.name}：{shown}，须达到 {self.minimum}：{verdict}。"


@dataclass(frozen=True)
class PassResult:
    """The judgement: `passed` is None while it still hangs on a score that awaits a person.

    `score` is the certificate's one score where the rule makes one (weighted, parts).
    """

    passed: bool | None
    score: Decimal | None
    conditions: tuple[Condition, ...]


TOTAL = "total"


def judge(pass_rule: Mapping[str, object], scores: Scores) -> PassResult:
    """Judge a candidate's scores, by subject code, against a certificate's pass rule (as in plan.json).

    `scores` names every subject that the candidate has to pass: None awaits a person, not sat is 0. For
    the kind `parts` it names the parts of the one subject; a part that the rule names in `parts` and that
    has no entry was not kept, which fails. Sums are rounded half up to two places and then compared, so
    that what is published is what was judged; 60.00 passes 60. One condition that fails settles it,
    whatever is still open. A broken rule raises Unsound, scores that do not fit the rule raise Invalid.
    """
    try:
        rule = Node(pass_rule, "pass_rule")
        kind = rule.one_of("kind", PASS_RULE_KINDS)
        conditions, score = _KINDS[kind](rule, _checked(scores))
    except Invalid as fault:
        if fault.problem in (SCORES_DO_NOT_FIT, SCORE_NOT_A_NUMBER):
            raise
        raise Unsound(fault.problem, **fault.details) from fault
    return PassResult(_all(conditions), score, conditions)


Judged = tuple[tuple[Condition, ...], Decimal | None]


def _each(rule: Node, scores: Scores) -> Judged:
    minimum = rounded(rule.decimal("minimum", DEFAULT_MINIMUM))
    return tuple(_condition(code, score, minimum) for code, score in scores.items()), None


def _all_passed(rule: Node, scores: Scores) -> Judged:
    """Ask of each subject its own minimum out of `minimums`, or else the common one."""
    common = rule.decimal("minimum", DEFAULT_MINIMUM)
    own = rule.node("minimums") if rule.has("minimums") else None
    return tuple(
        _condition(code, score, rounded(own.decimal(code, str(common)) if own else common))
        for code, score in scores.items()
    ), None


def _weighted(rule: Node, scores: Scores) -> Judged:
    table = rule.node("weights")
    weights = {code: table.decimal(code) for code in table.fields}
    if sum(weights.values()) != 1:
        refuse(table.where, "合计为 1 的权重", "weights that come to 1", str(sum(weights.values())))
    if weights.keys() != scores.keys():
        raise Invalid(SCORES_DO_NOT_FIT, wanted=", ".join(weights), found=", ".join(scores))
    total = _sum({code: _times(scores[code], weight) for code, weight in weights.items()})
    shown = " + ".join(f"{code} {_shown(scores[code])} × {weight}" for code, weight in weights.items())
    return (_condition(TOTAL, total, rounded(rule.decimal("minimum", DEFAULT_MINIMUM)), shown),), total


def _parts(rule: Node, scores: Scores) -> Judged:
    named = rule.texts("parts", optional=True)
    if named and scores.keys() - set(named):
        raise Invalid(SCORES_DO_NOT_FIT, wanted=", ".join(named), found=", ".join(scores))
    minimum = rounded(rule.decimal("minimum", DEFAULT_MINIMUM))
    lost = tuple(Condition(part, None, rounded(Decimal()), False) for part in named if part not in scores)
    total = None if lost else _sum(scores)
    shown = " + ".join(f"{part} {_shown(scores.get(part))}" for part in named or scores)
    whole = Condition(TOTAL, None, minimum, False, shown) if lost else _condition(TOTAL, total, minimum, shown)
    return (*lost, whole), total


_KINDS: dict[str, Callable[[Node, Scores], Judged]] = {
    "each": _each,
    "weighted": _weighted,
    "parts": _parts,
    "all_passed": _all_passed,
}


def _checked(scores: Scores) -> Scores:
    if not scores:
        raise Invalid(SCORES_DO_NOT_FIT, wanted="≥ 1", found="—")
    for code, score in scores.items():
        if score is not None and not (isinstance(score, Decimal) and score.is_finite() and score >= 0):
            raise Invalid(SCORE_NOT_A_NUMBER, subject=code, found=repr(score))
    return scores


def _condition(name: str, score: Decimal | None, minimum: Decimal, shown: str = "") -> Condition:
    if score is None:
        return Condition(name, None, minimum, None, shown)
    score = rounded(score)
    return Condition(name, score, minimum, score >= minimum, shown)


def _all(conditions: tuple[Condition, ...]) -> bool | None:
    verdicts = {condition.met for condition in conditions}
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _times(score: Decimal | None, weight: Decimal) -> Decimal | None:
    return None if score is None else score * weight


def _sum(scores: Scores) -> Decimal | None:
    known = [score for score in scores.values() if score is not None]
    return rounded(sum(known, Decimal())) if len(known) == len(scores) else None


def _shown(score: Decimal | None) -> str:
    return "—" if score is None else str(score)
