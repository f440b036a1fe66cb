"""Whether the room's machines are ready: requirements against measurements (R-ROOM-3, R-ROOM-7).

Candidate PCs are measured and judged by their agents, which must be able to do so without a station; the server and
the invigilator's PC are measured at the edges and judged here. Either way the result is a report of findings in the
shape of PROTOCOL.md, and `judge_report` says what it means for the room.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NoReturn

from station.domain.checks import CHECKS, Check, Rule, Severity
from station.domain.requirements import Item, version_key
from station.errors import Invalid, problem

REPORT_MALFORMED = problem(
    "report_malformed",
    "检查报告有误：{where} 应为{wanted_zh}。请升级该考试机的程序后重新检查。",
    "The report is malformed: {where} should be {wanted}. Update the agent of this PC and check again.",
)

MOST_FINDINGS = 100
LONGEST_TEXT = 2000
# The graphics card and the firmware keep a part of the memory that was paid for.
MEMORY_KEPT_BACK = Decimal("0.15")
# A disk sold as 500 GB shows less once it is formatted and has its recovery partition.
DISK_KEPT_BACK = Decimal("0.1")
Text = tuple[str, str]
NO_TEXT: Text = ("", "")


class FindingState(StrEnum):
    """The result of one check. `unknown`: it could not be measured."""

    OK = "ok"
    ADVICE = "advice"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Readiness(StrEnum):
    """What a report means: fit, fit but somebody should look, not fit."""

    READY = "ready"
    WARNING = "warning"
    NOT_READY = "not_ready"


_GRAVITY = [FindingState.FAIL, FindingState.UNKNOWN, FindingState.ADVICE, FindingState.OK]


@dataclass(frozen=True)
class Finding:
    """One line of a report. Texts are (Chinese, English)."""

    check: str
    state: FindingState
    title: Text
    measured: Text
    wanted: Text
    to_do: Text = NO_TEXT
    value: object = None

    def as_json(self) -> dict[str, object]:
        """Write it as PROTOCOL.md describes."""
        texts = {"title": self.title, "measured": self.measured, "wanted": self.wanted, "to_do": self.to_do}
        pairs = {name: {"zh": text[0], "en": text[1]} for name, text in texts.items()}
        return {"check": self.check, "state": str(self.state), "value": self.value} | pairs


@dataclass(frozen=True)
class Measured:
    """What was measured at an edge.

    `value`: a number, a version, names that stand there, or whether all is well. None could not be measured;
    `shown` then says why. `is_advice`: short of what is wanted, but not so far that it fails.
    """

    value: Decimal | str | tuple[str, ...] | bool | None
    shown: Text = NO_TEXT
    to_do: Text = NO_TEXT
    is_advice: bool = False


@dataclass(frozen=True)
class Judgement:
    """What a report means. `to_fix` are the findings that need somebody, the worst first."""

    readiness: Readiness
    to_fix: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class SeatReport:
    """One seat of the room, for the summary; `readiness` is None where no report has come."""

    is_spare: bool
    readiness: Readiness | None


@dataclass(frozen=True)
class Count:
    """Seats of one sort: `fit` may be used, among them `warned`, of which somebody should look at something."""

    all: int = 0
    fit: int = 0
    warned: int = 0
    unheard: int = 0

    @property
    def not_ready(self) -> int:
        """Count the seats whose report says that they are not fit."""
        return self.all - self.fit - self.unheard


def judge_machine(items: Iterable[Item], measured: Mapping[str, Measured]) -> list[Finding]:
    """Hold what was measured at an edge against what is wanted; what was not measured is unknown."""
    missing = Measured(None, ("未检测", "not measured"))
    return [judge_item(item, measured.get(item.check, missing)) for item in items]


def judge_item(item: Item, measured: Measured) -> Finding:
    """Hold one measured value against one item."""
    check = CHECKS[item.check]
    state = _state(item, measured, check)
    to_do = NO_TEXT if state is FindingState.OK else (measured.to_do if any(measured.to_do) else check.to_do)
    value = measured.value
    plain = float(value) if isinstance(value, Decimal) else list(value) if isinstance(value, tuple) else value
    return Finding(item.check, state, check.title, _shown(measured, check), _wanted(item, check), to_do, plain)


def judge_report(
    findings: Iterable[Finding], items: Iterable[Item], *, is_outdated: bool = False, previous: object = None
) -> Judgement:
    """Say what a report means for the room.

    1. A wanted check that the report lacks is unknown: an agent too old for it, or one that left it out.
    2. A fail is not ready. What could not be measured is a warning where short of it would fail, else only told.
    3. Advice is a warning, but not where nothing else is to be had of it (severity advice and unknown).
    4. A report made for other requirements than today's is a warning: check again.

    `previous`: the value that the same PC's report gave for `restore_card` before its last start: a mark that was
    written then and is gone now tells that the disk is reset at each start.
    """
    wanted = {item.check: item for item in items}
    found = {one.check: one for one in findings}
    listed = [found.get(check, _left_out(item)) for check, item in wanted.items()]
    listed += [one for check, one in found.items() if check not in wanted]
    needed = {check for check, item in wanted.items() if item.severity is Severity.FAIL}
    listed = [_seen_over_a_restart(one, previous, is_needed=one.check in needed) for one in listed]
    warning = is_outdated or any(
        one.state is FindingState.ADVICE or (one.state is FindingState.UNKNOWN and one.check in needed)
        for one in listed
    )
    to_fix = sorted((one for one in listed if one.state is not FindingState.OK), key=lambda one: gravity(one.state))
    if any(one.state is FindingState.FAIL for one in listed):
        return Judgement(Readiness.NOT_READY, tuple(to_fix))
    return Judgement(Readiness.WARNING if warning else Readiness.READY, tuple(to_fix))


def gravity(state: FindingState) -> int:
    """Give the place of a state in a list that begins with the worst."""
    return _GRAVITY.index(state)


def count_seats(seats: Iterable[SeatReport]) -> tuple[Count, Count]:
    """Count the candidates' seats and the spares."""
    listed = list(seats)
    return _count(one for one in listed if not one.is_spare), _count(one for one in listed if one.is_spare)


def seats_ready(seats: Iterable[SeatReport]) -> Text:
    """Say how many are ready, spares apart: '40 of 40 ready, 4 of 5 spares'."""
    own, spare = count_seats(seats)
    zh = f"{own.fit} / {own.all} 就绪"
    en = f"{own.fit} of {own.all} ready"
    if own.warned:
        zh, en = f"{zh}（{own.warned} 台有提示）", f"{en} ({own.warned} with a warning)"
    if spare.all:
        zh, en = f"{zh}，备用机 {spare.fit} / {spare.all}", f"{en}, {spare.fit} of {spare.all} spares"
    return zh, en


def parse_findings(entries: object) -> tuple[Finding, ...]:
    """Read the findings of an agent's report; what is not as PROTOCOL.md says is refused."""
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes) or len(entries) > MOST_FINDINGS:
        _refuse("findings", f"不超过 {MOST_FINDINGS} 项的列表", f"a list of up to {MOST_FINDINGS}")
    findings = tuple(_finding(entry, f"findings[{place}]") for place, entry in enumerate(entries, 1))
    twice = len({one.check for one in findings}) != len(findings)
    if twice:
        _refuse("findings", "每个检查项一条", "one of each check")
    return findings


def _state(item: Item, measured: Measured, check: Check) -> FindingState:
    value = measured.value
    is_needed = item.severity is Severity.FAIL and not measured.is_advice
    short = FindingState.FAIL if is_needed else FindingState.ADVICE
    if value is None:
        return FindingState.UNKNOWN
    if isinstance(value, bool):
        return FindingState.OK if value else short
    if isinstance(value, tuple):
        # The station itself looks only for what should not be there.
        return short if value else FindingState.OK
    if check.rule is Rule.VERSION:
        if version_key(str(value)) < version_key(str(item.minimum)):
            return short
        enough = version_key(str(value)) >= version_key(str(item.recommended))
        return FindingState.OK if enough else FindingState.ADVICE
    if item.minimum is None or item.recommended is None or isinstance(value, str):
        return FindingState.OK
    return _against_bounds(_allowed_for(value, item.check), item, short, at_most=check.rule is Rule.AT_MOST)


def _against_bounds(value: Decimal, item: Item, short: FindingState, *, at_most: bool) -> FindingState:
    sign = -1 if at_most else 1
    minimum, recommended = Decimal(str(item.minimum)), Decimal(str(item.recommended))
    if sign * value < sign * minimum:
        return short
    return FindingState.OK if sign * value >= sign * recommended else FindingState.ADVICE


def _allowed_for(value: Decimal, check: str) -> Decimal:
    if check == "memory_gb":
        return value / (1 - MEMORY_KEPT_BACK)
    if check == "disk_gb":
        return value / (1 - DISK_KEPT_BACK)
    return abs(value) if check == "clock_offset_s" else value


def _shown(measured: Measured, check: Check) -> Text:
    if any(measured.shown):
        return measured.shown
    value = measured.value
    if isinstance(value, tuple):
        listed = ", ".join(value)
        return (listed or "无", listed or "none")
    text = f"{float(value):g}{check.unit}" if isinstance(value, Decimal) else str(value)
    return text, text


def _wanted(item: Item, check: Check) -> Text:
    if item.minimum is None or item.recommended is None:
        return ("无", "none") if check.rule is Rule.NAMES else ("正常", "in order")
    sign = "≤" if check.rule is Rule.AT_MOST else "≥"
    minimum, recommended = (f"{_bare(bound)}{check.unit}" for bound in (item.minimum, item.recommended))
    if minimum == recommended:
        return f"{sign} {minimum}", f"{sign} {minimum}"
    return f"{sign} {recommended}（最低要求 {minimum}）", f"{sign} {recommended} (required: {minimum})"


def _bare(bound: Decimal | str) -> str:
    return bound if isinstance(bound, str) else f"{float(bound):g}"


def _left_out(item: Item) -> Finding:
    check = CHECKS[item.check]
    return Finding(
        item.check,
        FindingState.UNKNOWN,
        check.title,
        ("未检测", "not measured"),
        _wanted(item, check),
        ("升级该考试机的程序后重新检查。", "Update the agent of this PC and check again."),
    )


def _seen_over_a_restart(finding: Finding, previous: object, *, is_needed: bool) -> Finding:
    """Judge the mark of `restore_card`: what was written before the last start must be there after it."""
    now = finding.value
    if finding.check != "restore_card" or not isinstance(now, Mapping) or not isinstance(previous, Mapping):
        return finding
    was_written = previous.get("boot_id") and previous.get("boot_id") != now.get("boot_id")
    if not was_written or now.get("survived"):
        return finding
    return Finding(
        finding.check,
        FindingState.FAIL if is_needed else FindingState.ADVICE,
        finding.title,
        ("重启后硬盘被还原", "the disk is reset at each start"),
        finding.wanted,
        (
            "在还原软件中放行考试程序和作答文件夹所在的盘，否则断电重启后本机未上传的作答文件会丢失。",
            "Exempt the drive of the agent and the work folder from the reset: files not yet sent would be lost.",
        ),
        finding.value,
    )


def _count(seats: Iterable[SeatReport]) -> Count:
    states = [one.readiness for one in seats]
    warned = states.count(Readiness.WARNING)
    return Count(len(states), states.count(Readiness.READY) + warned, warned, states.count(None))


def _finding(entry: object, where: str) -> Finding:
    if not isinstance(entry, Mapping):
        _refuse(where, "对象", "an object")
    check, state = entry.get("check"), entry.get("state")
    if not isinstance(check, str) or not 0 < len(check) <= 64:
        _refuse(f"{where}.check", "检查项名称", "the name of a check")
    if state not in set(FindingState):
        _refuse(f"{where}.state", "ok / advice / fail / unknown", "ok / advice / fail / unknown")
    title, measured, wanted, to_do = (
        _text(entry.get(name), f"{where}.{name}") for name in ("title", "measured", "wanted", "to_do")
    )
    return Finding(check, FindingState(str(state)), title, measured, wanted, to_do, entry.get("value"))


def _text(value: object, where: str) -> Text:
    if value is None:
        return NO_TEXT
    zh, en = (value.get("zh", ""), value.get("en", "")) if isinstance(value, Mapping) else (None, None)
    if not isinstance(zh, str) or not isinstance(en, str) or max(len(zh), len(en)) > LONGEST_TEXT:
        _refuse(where, "中英文文字", "text in Chinese and English")
    return zh, en


def _refuse(where: str, wanted_zh: str, wanted: str) -> NoReturn:
    raise Invalid(REPORT_MALFORMED, where=where, wanted_zh=wanted_zh, wanted=wanted)
