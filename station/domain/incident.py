"""Incidents, violations and extensions: their kinds, their reasons, and who decides what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from station.domain.staff import Role
from station.errors import Invalid, Refused, problem

EXTENSION_NEEDS_BODY = problem(
    "extension_needs_body",
    "累计延时将达 {total_min} 分钟，超过考点可决定的 {limit_min} 分钟，须由认证机构批准并填写批准文号或批准人。",
    "Extensions would come to {total_min} minutes, above the {limit_min} that the site may decide: the "
    "certificate body decides; give its reference.",
)
EXTENSION_LENGTH = problem(
    "extension_length",
    "延时最短 {minimum_s} 秒，最长 {maximum_min} 分钟。",
    "An extension is {minimum_s} seconds to {maximum_min} minutes.",
)
REASON_MISSING = problem("reason_missing", "请填写原因。", "Please give the reason.")
SAME_PERSON_TWICE = problem(
    "same_person_twice",
    "延时须由主考与巡考员（或机构技术支持）两人分别确认，不能由同一人确认两次。",
    "An extension is decided by two people: chief examiner and inspector (or technical support).",
)
ALREADY_DECIDED = problem("already_decided", "该申请已处理，无需再次确认。", "This request has been decided already.")

NOBODY_CHOSEN = problem("nobody_chosen", "请先选择考生。", "Choose at least one candidate first.")
TEXT_MISSING = problem("text_missing", "请填写内容（不超过 500 字）。", "Please write the text (up to 500 characters).")

EXTENSION_MINIMUM_S = 60
EXTENSION_MAXIMUM_MIN = 240

EXTENSION_REASONS: dict[str, tuple[str, str]] = {
    "pc_fault": ("考生机故障", "candidate PC fault"),
    "server_fault": ("服务器或网络故障", "server or network fault"),
    "power": ("停电", "power cut"),
    "illness": ("突发疾病", "sudden illness"),
    "disturbance": ("考场秩序受干扰", "disturbance in the room"),
    "seat_move": ("更换备用机", "move to a spare seat"),
    "accessibility": ("合理便利", "reasonable accommodation"),
    "other": ("其他", "other"),
}

INCIDENT_KINDS: dict[str, tuple[str, str]] = {
    "equipment": ("设备故障", "equipment fault"),
    "network": ("网络故障", "network fault"),
    "power": ("停电", "power cut"),
    "item_report": ("试题疑问", "item reported as wrong"),
    "illness": ("突发疾病", "illness"),
    "identity": ("身份核验问题", "identity in doubt"),
    "violation": ("违纪", "violation"),
    "cheating": ("作弊", "cheating"),
    "staff": ("人员缺席或替岗", "staff missing or standing in"),
    "visit": ("巡考到场", "inspector's visit"),
    "other": ("其他情况", "other"),
}

MEASURES: dict[str, tuple[str, str]] = {
    "exhort": ("劝告", "exhort"),
    "warn": ("警告", "warn"),
    "terminate": ("终止考核", "terminate the test"),
    "void_score": ("宣布成绩无效", "declare the score void"),
}


class ExtensionState(StrEnum):
    """Whether an extension counts yet. Only `granted` moves a deadline."""

    PROPOSED = "proposed"
    GRANTED = "granted"
    REFUSED = "refused"


@dataclass(frozen=True)
class Decisions:
    """Who has said yes to an extension: staff ids, None while open."""

    site_by: int | None
    body_by: int | None
    body_reference: str


def check_text(text: str) -> None:
    """Refuse a reason, message or record that is empty or longer than 500 characters."""
    if not 0 < len(text.strip()) <= 500:
        raise Invalid(TEXT_MISSING)


def check_extension(*, seconds: int, reason_kind: str, reason: str, minimum_s: int = EXTENSION_MINIMUM_S) -> None:
    """Refuse a length outside 1 … 240 minutes, or an extension without a reason.

    What the station has measured (`minimum_s` 1) is given back as it is, however short.
    """
    if not minimum_s <= seconds <= EXTENSION_MAXIMUM_MIN * 60:
        raise Invalid(EXTENSION_LENGTH, minimum_s=minimum_s, maximum_min=EXTENSION_MAXIMUM_MIN)
    if reason_kind not in EXTENSION_REASONS or (reason_kind == "other" and not reason.strip()):
        raise Invalid(REASON_MISSING)


def needs_body(seconds: int, granted_before: Iterable[int], *, limit_min: int, scope: str) -> bool:
    """Say whether the certificate body must decide (R-DAY-8).

    `scope` "total" counts all extensions of the attempt together, "per_fault" each for itself. Exactly the
    limit is still the site's.
    """
    total = seconds + (sum(granted_before) if scope == "total" else 0)
    return total > limit_min * 60


def check_decisions(decisions: Decisions, *, body_needed: bool, total_s: int, limit_min: int) -> bool:
    """Say whether the extension is granted now: two people, and above the limit the body's reference.

    Refuses the same person in both parts.
    """
    if decisions.site_by is not None and decisions.site_by == decisions.body_by:
        raise Refused(SAME_PERSON_TWICE)
    complete = decisions.site_by is not None and decisions.body_by is not None
    if complete and body_needed and not decisions.body_reference.strip():
        raise Refused(EXTENSION_NEEDS_BODY, total_min=-(-total_s // 60), limit_min=limit_min)
    return complete


def side_of(role: Role) -> str:
    """Say which part of a two-person decision a role takes: 'site', 'body' or ''."""
    if role in {Role.CHIEF_EXAMINER, Role.DEPUTY_CHIEF_EXAMINER}:
        return "site"
    if role in {Role.INSPECTOR, Role.TECHNICAL_SUPPORT}:
        return "body"
    return ""
