"""Roles of the staff, and what each may do."""

from __future__ import annotations

from enum import StrEnum

from station.errors import Forbidden, problem

NOT_ALLOWED = problem(
    "not_allowed",
    "您的角色（{role}）无权{act_zh}，请由有权限的人员办理。",
    "Your role ({role}) may not {act_en}. Ask someone who may.",
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

ACT_NAMES: dict[str, tuple[str, str]] = {
    "see_board": ("查看考场", "see the board"),
    "open_admission": ("开放登录", "open the log-in"),
    "start_sitting": ("开考", "start the test"),
    "postpone_sitting": ("推迟开考", "postpone the start"),
    "accept_tight_disk": ("确认磁盘空间偏紧仍开考", "start on a tight disk"),
    "suspend_attempts": ("暂停作答", "suspend"),
    "resume_attempts": ("恢复作答", "resume"),
    "collect_attempts": ("收取答卷", "collect"),
    "send_message": ("发送消息", "send messages"),
    "propose_extension": ("申请延时", "propose an extension"),
    "decide_extension": ("批准延时", "decide an extension"),
    "decide_extension_site": ("批准延时（考点方）", "decide an extension for the site"),
    "decide_extension_body": ("批准延时（机构方）", "decide an extension for the body"),
    "move_to_spare": ("更换考位", "move a candidate"),
    "release_login": ("放行登录", "release a log-in"),
    "record_attendance": ("登记缺考", "record attendance"),
    "record_incident": ("记录考场情况", "record an incident"),
    "decide_violation": ("裁定违纪", "decide a violation"),
    "allow_early_leave": ("同意提前交卷", "allow early hand-in"),
    "record_leave": ("登记临时离场", "record a leave"),
    "close_sitting": ("结束场次", "close the sitting"),
    "deliver_results": ("上报成果", "deliver results"),
    "import_material": ("导入资料", "import"),
    "set_up_seats": ("设置考位", "set up seats"),
    "manage_staff": ("管理账号", "manage accounts"),
    "see_scores": ("查看成绩", "see scores"),
    "accept_late_saves": ("采纳迟到答案", "accept late answers"),
    "command_devices": ("操作考试机", "command PCs"),
    "free_devices": ("解除考试机锁定", "unlock PCs"),
    "show_unlock_code": ("查看解锁码", "see unlock codes"),
    "print_unlock_sheet": ("打印解锁码密封单", "print the sheet of unlock codes"),
    "see_screens": ("查看考生屏幕", "look at screens"),
    "set_accessibility": ("设置无障碍", "set accessibility"),
    "check_room": ("检查考场", "check the room"),
    "rehearse": ("做压力演练和试考", "hold rehearsals and trials"),
    "seal_room": ("封场", "seal the room"),
    "force_seal": ("在有未完成项时封场", "seal a room with open points"),
    "confirm_seal": ("代表机构确认封场", "confirm the sealing for the body"),
    "accept_seal_break": ("认可封场后的变化", "accept a change after the sealing"),
}

# Act → roles. R-DAY-8: chief examiner and inspector decide an extension; R-DAY-13: an exam officer stands
# in as invigilator, technical support for inspector or technician; R-END-0: the technician closes alone.
MAY: dict[str, frozenset[Role]] = {
    "see_board": _EVERYONE,
    "open_admission": _IN_ROOM,
    "start_sitting": _IN_ROOM,
    "postpone_sitting": _CHIEFS | {Role.TECHNICAL_SUPPORT},
    "accept_tight_disk": _CHIEFS | {Role.TECHNICAL_SUPPORT},
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
    "manage_staff": _CHIEFS,
    "see_scores": _CHIEFS,
    "accept_late_saves": _CHIEFS | {Role.TECHNICAL_SUPPORT},
    "command_devices": _IN_ROOM | {Role.TECHNICIAN, Role.TECHNICAL_SUPPORT},
    "free_devices": _IN_ROOM | {Role.TECHNICAL_SUPPORT},
    "show_unlock_code": _IN_ROOM | {Role.TECHNICAL_SUPPORT},
    "print_unlock_sheet": _CHIEFS,
    "see_screens": _IN_ROOM,
    "set_accessibility": _IN_ROOM,
    # R-ROOM-7, R-DAY-1: technician and exam officer check and seal; at T-30 those in the room check again.
    "check_room": _IN_ROOM | {Role.TECHNICIAN, Role.TECHNICAL_SUPPORT},
    "rehearse": _CHIEFS | {Role.TECHNICIAN, Role.EXAM_OFFICER, Role.TECHNICAL_SUPPORT},
    "seal_room": _CHIEFS | {Role.TECHNICIAN, Role.EXAM_OFFICER, Role.TECHNICAL_SUPPORT},
    "force_seal": frozenset({Role.TECHNICAL_SUPPORT}),
    "confirm_seal": frozenset({Role.TECHNICAL_SUPPORT}),
    "accept_seal_break": _CHIEFS | {Role.TECHNICAL_SUPPORT},
}


def not_allowed(role: Role, act: str) -> Forbidden:
    """Make the refusal of an act, in words."""
    role_zh, role_en = ROLE_NAMES[role]
    act_zh, act_en = ACT_NAMES[act]
    return Forbidden(NOT_ALLOWED, role=f"{role_zh} {role_en}", act_zh=act_zh, act_en=act_en)


def may(role: Role, act: str) -> bool:
    """Say whether `role` may do `act`; an unknown act is an error of the program."""
    return role in MAY[act]
