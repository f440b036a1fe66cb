"""Roles of the staff, and what each may do."""

from __future__ import annotations

from enum import StrEnum

from station.errors import problem

NOT_ALLOWED = problem(
    "not_allowed",
    "{role}无权进行此操作（{act}）。请由有权限的人员办理。",
    "A {role} may not do this ({act}). Ask someone who may.",
)


class Role(StrEnum):
    """Who somebody is at the site (R-DAY-13: one person may stand in for another by a second account)."""

    CHIEF_EXAMINER = "chief_examiner"
    DEPUTY_CHIEF_EXAMINER = "deputy_chief_examiner"
    INVIGILATOR = "invigilator"
    INSPECTOR = "inspector"
    TECHNICIAN = "technician"
    EXAM_OFFICER = "exam_officer"
    TECHNICAL_SUPPORT = "technical_support"


ROLE_NAMES: dict[Role, tuple[str, str]] = {
    Role.CHIEF_EXAMINER: ("主考", "chief examiner"),
    Role.DEPUTY_CHIEF_EXAMINER: ("副主考", "deputy chief examiner"),
    Role.INVIGILATOR: ("监考员", "invigilator"),
    Role.INSPECTOR: ("巡考员", "inspector"),
    Role.TECHNICIAN: ("考点技术人员", "site technician"),
    Role.EXAM_OFFICER: ("考务人员", "exam officer"),
    Role.TECHNICAL_SUPPORT: ("机构技术支持", "technical support"),
}

_CHIEFS = frozenset({Role.CHIEF_EXAMINER, Role.DEPUTY_CHIEF_EXAMINER})
_IN_ROOM = _CHIEFS | {Role.INVIGILATOR, Role.EXAM_OFFICER}
_EVERYONE = frozenset(Role)
_BODY_SIDE = frozenset({Role.INSPECTOR, Role.TECHNICAL_SUPPORT})

# Act → roles. R-DAY-8: chief examiner and inspector decide an extension; R-DAY-13: an exam officer stands
# in as invigilator, technical support for inspector or technician; R-END-0: the technician closes alone.
MAY: dict[str, frozenset[Role]] = {
    "see_board": _EVERYONE,
    "open_admission": _IN_ROOM,
    "start_sitting": _IN_ROOM,
    "postpone_sitting": _CHIEFS | {Role.TECHNICAL_SUPPORT},
    "suspend_attempts": _IN_ROOM,
    "resume_attempts": _IN_ROOM,
    "collect_attempts": _IN_ROOM,
    "send_message": _IN_ROOM,
    "propose_extension": _IN_ROOM | _BODY_SIDE,
    "decide_extension_site": _CHIEFS,
    "decide_extension_body": _BODY_SIDE,
    "move_to_spare": _IN_ROOM | {Role.TECHNICIAN},
    "release_login": _IN_ROOM,
    "record_attendance": _IN_ROOM,
    "record_incident": _EVERYONE,
    "decide_violation": _CHIEFS,
    "allow_early_leave": _CHIEFS,
    "record_leave": _IN_ROOM,
    "close_sitting": _IN_ROOM | {Role.TECHNICIAN, Role.TECHNICAL_SUPPORT},
    "deliver_results": _CHIEFS | {Role.TECHNICIAN, Role.TECHNICAL_SUPPORT, Role.EXAM_OFFICER},
    "import_material": frozenset({Role.TECHNICIAN, Role.EXAM_OFFICER, Role.TECHNICAL_SUPPORT}) | _CHIEFS,
    "set_up_seats": frozenset({Role.TECHNICIAN, Role.EXAM_OFFICER, Role.TECHNICAL_SUPPORT}) | _CHIEFS,
    "manage_staff": _CHIEFS | {Role.TECHNICIAN},
    "see_scores": _CHIEFS,
    "accept_late_saves": _CHIEFS | {Role.TECHNICAL_SUPPORT},
}


def may(role: Role, act: str) -> bool:
    """Say whether `role` may do `act`; an unknown act is an error of the program."""
    return role in MAY[act]
