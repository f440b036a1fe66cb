"""Room sealing 封场 (R-ROOM-7): what must hold before, who signs, and when a person may set a point aside.

A point is what the station finds out by itself, a tick what somebody has looked at. The gate is closed while one
of them is open; the body's technical support alone may seal all the same, with a reason that stands on the form.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from station.errors import Invalid, Refused, problem

SEAL_NOT_READY = problem(
    "seal_not_ready",
    "还不能封场，以下 {count} 项未完成：{points_zh}。请处理后重试；确需封场的，由机构技术支持登录并填写原因。",
    "The room cannot be sealed yet, {count} points are open: {points_en}. See to them; to seal all the same, the "
    "body's technical support logs in and gives a reason.",
)
SEAL_IMPOSSIBLE = problem(
    "seal_impossible",
    "不能封场，机构技术支持也不能放行：{points_zh}。请先处理。",
    "The room cannot be sealed, and nobody can override it: {points_en}. See to it first.",
)
SIGNERS_MISSING = problem(
    "signers_missing",
    "请填写签字的技术人员和考务人员姓名，两人不能是同一人。",
    "Give the names of technician and exam officer who sign; they are two people.",
)
CONFIRMATION_MISSING = problem(
    "confirmation_missing",
    "请填写机构技术支持的姓名和确认方式。",
    "Give the name of the body's technical support and how the sealing was confirmed.",
)
ALREADY_SEALED = problem("already_sealed", "本考场已封场。", "This room is sealed already.")
NOT_SEALED = problem("not_sealed", "本考场没有封场。", "This room is not sealed.")
SEAL_CONFIRMED_ALREADY = problem(
    "seal_confirmed_already", "机构技术支持已确认（{name}）。", "Technical support has confirmed already ({name})."
)
SITTING_UNDER_WAY = problem(
    "sitting_under_way",
    "本考场正在考试，不能{act_zh}。请在考试结束后办理。",
    "A test is running in this room: it cannot be {act_en} now. Do it after the end.",
)

# A room check older than this says nothing of the room as it is.
CHECK_LASTS = timedelta(hours=12)


class PointState(StrEnum):
    """How a point stands: in order, in order but worth knowing, to be seen to, or out of anybody's hands."""

    OK = "ok"
    NOTE = "note"
    OPEN = "open"
    NEVER = "never"


@dataclass(frozen=True)
class Point:
    """One thing that the station looks at itself. `seats` names the places that are not in order."""

    code: str
    state: PointState
    zh: str
    en: str
    seats: tuple[str, ...] = ()

    @property
    def title(self) -> tuple[str, str]:
        return POINT_TITLES[self.code]

    @property
    def holds(self) -> bool:
        return self.state in {PointState.OK, PointState.NOTE}


POINT_TITLES: dict[str, tuple[str, str]] = {
    "candidate_pcs": ("考生机就绪", "Candidate PCs ready"),
    "paired": ("考生机已登记到考位", "Candidate PCs registered at their seats"),
    "heard": ("考生机在线", "Candidate PCs heard"),
    "internet": ("考生机不能访问外网", "Candidate PCs cannot reach the Internet"),
    "spares": ("备用机", "Spare PCs"),
    "server": ("服务器", "Server"),
    "invigilator_pc": ("监考机", "Invigilator PC"),
    "clock": ("服务器时间", "Server's clock"),
    "disk": ("磁盘空间", "Disk space"),
    "backups": ("自动备份", "Automatic backups"),
    "roster": ("名单已导入", "Roster imported"),
    "sign_in": ("签到表人数与名单一致", "Sign-in sheets agree with the roster"),
    "papers": ("试卷已到位", "Papers are there"),
    "trial_test": ("试考", "Trial test"),
}

# What nobody but a person can see (R-ROOM-4, R-ROOM-7, R-ROOM-9). `trial_test` is asked for only where the station
# holds no result of a rehearsal.
TICKS: dict[str, tuple[str, str]] = {
    "power": ("供电正常，考试全程有保障（含 UPS）", "Power is on and will last for the test (UPS)"),
    "cameras": ("不少于两路摄像头画面正常、正在录像", "At least two cameras work and record"),
    "antivirus": ("服务器、监考机、考生机均已查杀病毒", "Server, invigilator PC and candidate PCs are free of viruses"),
    "unrelated": ("各机没有运行与考试无关的软件", "No machine runs unrelated software"),
    "sign_in_sheet": ("纸质签到表与系统名单逐人核对一致", "The paper sign-in sheets name whom the roster names"),
    "labels": ("考场门贴、座位标签与系统考位一致", "Door and seat labels agree with the seats in the system"),
    "identity_device": ("身份核验设备可用", "The identity device works"),
    "radio": ("无线信号已屏蔽，考场外电话可用", "Radio is jammed; the telephone outside the room works"),
}
TRIAL_TICK = "trial_test"
TRIAL_TICK_NAMES = (
    "已用全部考生机试考一遍，登录、答题、交卷正常",
    "A trial test on all PCs went well from log-in to hand-in",
)


def ticks_wanted(points: Iterable[Point]) -> dict[str, tuple[str, str]]:
    """List what has to be ticked by hand, in the order of the page."""
    trial = next((one for one in points if one.code == "trial_test"), None)
    if trial is None or trial.state is PointState.NOTE:
        return {TRIAL_TICK: TRIAL_TICK_NAMES} | TICKS
    return dict(TICKS)


def check_signers(technician: str, exam_officer: str) -> None:
    """Refuse a sealing that two people do not sign."""
    names = {technician.strip(), exam_officer.strip()}
    if "" in names or len(names) < 2:
        raise Invalid(SIGNERS_MISSING)


def check_gate(points: Sequence[Point], ticks: Collection[str], *, is_forced: bool) -> list[tuple[str, str]]:
    """Refuse while something is open, naming it; gives what a forced sealing leaves open.

    1. What is out of anybody's hands (no room on the disk for the answers) refuses in any case.
    2. Everything else that is open, and every tick that is missing, refuses unless it is forced.
    """
    never = [_named(one) for one in points if one.state is PointState.NEVER]
    if never:
        raise Refused(SEAL_IMPOSSIBLE, points_zh=_listed(never, 0), points_en=_listed(never, 1))
    left = [_named(one) for one in points if not one.holds]
    left += [names for code, names in ticks_wanted(points).items() if code not in ticks]
    if left and not is_forced:
        raise Refused(SEAL_NOT_READY, count=len(left), points_zh=_listed(left, 0), points_en=_listed(left, 1))
    return left


def sign_in_point(sheets: Iterable[tuple[str, int, int | None]]) -> Point:
    """Compare the paper sign-in sheets with the roster: (name of the sitting, on the roster, counted on paper)."""
    listed = list(sheets)
    apart = [one for one in listed if one[1] != one[2]]
    if not apart:
        numbers = " + ".join(str(wanted) for _, wanted, _ in listed)
        return Point("sign_in", PointState.OK, f"{numbers} 人，一致", f"{numbers}, they agree")
    zh = "；".join(f"{name}名单 {wanted} 人，签到表 {_or(seen, '未填')}" for name, wanted, seen in apart)
    en = "; ".join(f"{name} {wanted} on the roster, {_or(seen, 'nothing')} on paper" for name, wanted, seen in apart)
    return Point("sign_in", PointState.OPEN, zh, en)


def seats_text(seats: Sequence[str], *, most: int = 12) -> tuple[str, str]:
    """Write seat numbers in Chinese and English so that a sentence stays one."""
    zh, en = "、".join(seats[:most]), ", ".join(seats[:most])
    return (zh, en) if len(seats) <= most else (f"{zh} 等 {len(seats)} 台", f"{en} … ({len(seats)} in all)")


def _named(point: Point) -> tuple[str, str]:
    zh, en = point.title
    return f"{zh}（{point.zh}）", f"{en} ({point.en})"


def _listed(texts: Sequence[tuple[str, str]], language: int) -> str:
    return "；".join(text[language] for text in texts)


def _or(number: int | None, nothing: str) -> str:
    return nothing if number is None else str(number)
