"""A question as an Excel row says it, and the key that is made of its answer column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from station.errors import Invalid, problem

ANSWER_MISSING = problem("answer_missing", "缺少答案。", "The answer is missing.")
ANSWER_UNREADABLE = problem(
    "answer_unreadable",
    "答案“{found}”无法识别：{wanted_zh}。",
    "The answer {found!r} cannot be read: {wanted_en}.",
)
ANSWER_OUTSIDE_OPTIONS = problem(
    "answer_outside_options",
    "答案 {found} 不在选项之中（选项到 {last} 为止）。",
    "The answer {found} is outside the options (they end at {last}).",
)
BLANKS_DIFFER = problem(
    "blanks_differ",
    "题干有 {places} 处填空，答案有 {answers} 处。多处答案请用“；”隔开。",
    "The stem has {places} blanks, the answer has {answers}. Part several answers by a semicolon.",
)
PARTIAL_WRONG = problem(
    "partial_wrong",
    "部分分“{found}”应为大于 0 且小于本题分值的数。",
    "The partial points {found!r} should be above 0 and below the item's points.",
)

TRUE_WORDS = frozenset({"对", "√", "✓", "✔", "正确", "T", "TRUE", "是", "Y", "YES"})
FALSE_WORDS = frozenset({"错", "×", "✗", "✘", "X", "错误", "F", "FALSE", "否", "N", "NO"})
LETTERS = "ABCDEFGH"
_SEPARATORS = re.compile(r"[\s、,;|/。.和]+")
_KEYWORD_LINE = re.compile(r"([^:：]{1,60})[:：]([0-9]{1,3}(?:\.[0-9]{1,2})?)")
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Question:
    """What one row says. `places` counts the blanks of the stem; `partial` is None where the sheet says nothing."""

    kind: str
    text: str
    options: tuple[str, ...]
    answer: str
    points: Decimal
    partial: Decimal | None
    difficulty: str
    explanation: str
    places: int
    row: int


def key_of(question: Question) -> dict[str, Any]:
    """Make an item's key of its answer column; raise Invalid by name for an answer that the kind cannot have."""
    kind, answer, points = question.kind, question.answer, question.points
    if not answer.strip() and kind not in {"short_answer", "long_answer"}:
        raise Invalid(ANSWER_MISSING)
    if kind in {"single", "multiple"}:
        key = choice_key(kind, answer, question.options, points=points, partial=question.partial)
    elif kind == "true_false":
        key = true_false_key(answer, question.options)
    elif kind == "fill_in":
        key = fill_in_key(answer, question.places, points=points)
    else:
        key = writing_key(answer, points=points)
    return {**key, "explanation": question.explanation} if question.explanation else key


def choice_key(
    kind: str, answer: str, options: Sequence[str], *, points: Decimal, partial: Decimal | None
) -> dict[str, Any]:
    """Make the key of a single or multiple choice from `A`, `ABC`, `A,B,C` or `A、B、C`.

    `partial` (multiple only): points of a right but incomplete choice.
    """
    letters = choice_letters(answer, len(options))
    if kind == "single":
        if len(letters) != 1:
            raise _unreadable(answer, "单选题只能有一个答案字母", "a single choice has one letter")
        return {"policy": "exact", "answer": {"base": {"identifier": letters[0]}}}
    chosen = {"list": {"identifier": letters}}
    if partial is None:
        return {"policy": "exact", "answer": chosen}
    if not 0 < partial < points:
        raise Invalid(PARTIAL_WRONG, found=str(partial))
    return {"policy": "subset_fixed", "answer": chosen, "partial": two_places(partial)}


def choice_letters(answer: str, count: int) -> list[str]:
    """Read option letters, sorted; refuse anything else, a letter twice, or one beyond the options."""
    letters = _SEPARATORS.sub("", _folded(answer))
    if not re.fullmatch(r"[A-Z]+", letters) or len(set(letters)) != len(letters):
        raise _unreadable(answer, "应为选项字母，如 A、ABC 或 A,B,C", "option letters such as A, ABC or A,B,C")
    outside = [letter for letter in letters if letter not in LETTERS[:count]]
    if outside:
        raise Invalid(ANSWER_OUTSIDE_OPTIONS, found="、".join(outside), last=LETTERS[count - 1])
    return sorted(letters)


def true_false_key(answer: str, options: Sequence[str]) -> dict[str, Any]:
    """Make the key of a true/false item; a letter counts where the options say 正确 and 错误."""
    word = _folded(answer)
    if word in LETTERS[: len(options)]:
        word = _folded(options[LETTERS.index(word)])
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise _unreadable(answer, "应为 对/错、√/×、正确/错误 或 T/F", "right or wrong (对/错, √/×, T/F)")
    return {"policy": "exact", "answer": {"base": {"boolean": word in TRUE_WORDS}}}


def fill_in_key(answer: str, places: int, *, points: Decimal) -> dict[str, Any]:
    """Make the key of a fill-in: blanks parted by `；`, accepted answers of one blank by `|`; points in equal parts.

    A stem without any place gets as many blanks below it as there are answers.
    """
    blanks = [
        [accepted.strip() for accepted in re.split(r"[|｜]", blank) if accepted.strip()]
        for blank in re.split(r"[;；\n]", answer.strip().rstrip(";；"))
    ]
    if not all(blanks):
        raise _unreadable(answer, "有一处填空没有答案", "one of the blanks has no answer")
    if places and places != len(blanks):
        raise Invalid(BLANKS_DIFFER, places=places, answers=len(blanks))
    shares = _shares(points, len(blanks))
    keyed = {
        f"b{number}": {"accepted": accepted, "points": two_places(share)}
        for number, (accepted, share) in enumerate(zip(blanks, shares, strict=True), 1)
    }
    return {"policy": "blank_each", "blanks": keyed, "in_any_order": False}


def writing_key(answer: str, *, points: Decimal) -> dict[str, Any]:
    """Make the key of a written answer: a guide for people, or keywords where every part is `关键词|同义词:分`.

    A part with the word 分 behind its number is a guide's: only bare numbers make a list of keywords, and only
    when they reach the item's points.
    """
    parts = [part.strip() for part in re.split(r"[;；\n]", answer) if part.strip()]
    matched = [_KEYWORD_LINE.fullmatch(part) for part in parts]
    keywords = [
        {"any": [word.strip() for word in re.split(r"[|｜]", match[1]) if word.strip()], "points": two_places(match[2])}
        for match in matched
        if match
    ]
    complete = bool(parts) and len(keywords) == len(parts) and all(word["any"] for word in keywords)
    if complete and sum(Decimal(str(word["points"])) for word in keywords) >= points:
        return {"policy": "points_list", "points": keywords}
    return {"policy": "manual", "guide": answer.strip()}


def two_places(points: Decimal | str) -> str:
    """Write points with two decimal places."""
    return str(Decimal(points).quantize(_CENT))


def _shares(points: Decimal, count: int) -> list[Decimal]:
    """Part points into equal cents; the first parts take what is left over."""
    cents, left = divmod(int(points * 100), count)
    return [Decimal(cents + (number < left)) / 100 for number in range(count)]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().upper()


def _unreadable(answer: str, zh: str, en: str) -> Invalid:
    return Invalid(ANSWER_UNREADABLE, found=answer.strip()[:40], wanted_zh=zh, wanted_en=en)
