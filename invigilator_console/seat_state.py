"""What one tile of the board says: state, connection, and what is wrong at this seat, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from invigilator_console.device_state import STATES as DEVICE_STATES
from invigilator_console.device_state import DeviceReading, device_problems
from invigilator_console.swaps import SwapsReading, returns_document, stopwatch_document
from station.clock import Clock
from station.domain.agent_orders import HOLDING
from station.domain.attempt import OPEN, AttemptState
from station.domain.attempt import STATE_NAMES as ATTEMPT_NAMES
from station.domain.incident import ExtensionState
from station.domain.sitting import SittingState
from station.domain.working_time import length_names
from station.services.seat_swap import Swap
from station.store.board_reading import ExtensionReading, LoginReading, SeatReading, Suspension
from station.store.models import Sitting, Subject
from station.web.guards import say
from station.web.presence import Presence

# A page that answers asks at least every 2 s; after 5 s of real time without a word it counts as lost.
LOST_AFTER_S = 5.0
# Where the agent is silent, too, a page that skipped one question is enough.
BOTH_SILENT_AFTER_S = 3.0
# Within so much of the deadline time should be made to stand still before it collects who has no PC.
DEADLINE_NEAR = timedelta(minutes=5)
# The station collects within a second; who is open this long past the deadline shows that it does not.
OVERDUE_AFTER_S = 10
_LEVELS = ("alarm", "warn", "note")

STATE_NAMES = {
    "free": ("空闲", "free"),
    "expected": ("未登录", "not logged in"),
    "waiting": ("等待放行", "waits for release"),
    "elsewhere": ("上一科目作答中", "in the subject before"),
    "logged_in": ("已登录", "logged in"),
    "confirmed": ("已确认身份", "identity confirmed"),
    "absent": ("缺考", "absent"),
    **{str(state): names for state, names in ATTEMPT_NAMES.items()},
}


@dataclass(frozen=True)
class Around:
    """What a seat's state depends on besides its own row."""

    sitting: Sitting
    subject: Subject
    item_count: int
    logins: dict[int, LoginReading]
    extensions: dict[int, list[ExtensionReading]]
    suspensions: dict[int | None, Suspension]
    swaps: SwapsReading
    presence: Presence
    clock: Clock
    at: datetime
    devices: dict[int, DeviceReading] = field(default_factory=dict)


def seat_document(seat: SeatReading, around: Around) -> dict[str, object]:
    """Describe one seat for the board; a free seat has no entry."""
    login = around.logins.get(seat.candidate_id) if seat.candidate_id is not None else None
    state = state_of(seat, login)
    last_seen_at = around.presence.last_seen(seat.candidate_id) if seat.candidate_id is not None else None
    connection = _connection(seat, login, last_seen_at, around)
    waits = login if _is_waiting(seat, login) else None
    given = around.extensions.get(seat.attempt_id, []) if seat.attempt_id is not None else []
    return {
        "seat_id": seat.seat_id,
        "seat": seat.number,
        "is_spare": seat.is_spare,
        "has_workstation": bool(seat.has_workstation),
        "entry_id": seat.entry_id,
        "attempt_id": seat.attempt_id,
        "name": seat.name,
        "ticket_tail": (seat.ticket_number or "")[-4:],
        "photo": f"/photos/{seat.photo_sha256}" if seat.photo_sha256 else None,
        "state": state,
        "state_name": say(*STATE_NAMES[state]),
        "attendance": seat.attendance,
        "late_min": seat.late_min,
        "answered": seat.answered,
        "items": around.item_count,
        "last_saved_at": moment(seat.last_saved_at),
        "last_seen_at": moment(last_seen_at) if connection == "lost" else None,
        "connection": connection,
        "device": _device_document(around.devices.get(seat.seat_id)),
        "deadline_at": moment(seat.deadline_at),
        "receipt": seat.receipt_code,
        "extension_s": sum(one.extension.seconds for one in given if one.extension.state == ExtensionState.GRANTED),
        "early_leave_allowed": seat.early_leave_allowed_by is not None,
        "waiting_login": {"login_id": waits.login_id, "seat": waits.seat} if waits else None,
        "swap": stopwatch_document(seat, around.swaps, is_lost=connection == "lost", last_seen_at=last_seen_at),
        "returns": returns_document(_unsettled(seat, around)),
        "problems": problems_of(seat, state, connection, last_seen_at, around),
    }


def state_of(seat: SeatReading, login: LoginReading | None) -> str:
    """Name the seat's state; what the attempt says goes before what the log-in says."""
    if seat.entry_id is None:
        return "free"
    waits = login is not None and login.released_at is None and not login.is_beside
    if waits and seat.attempt_state not in _ENDED_OR_NONE:
        return "waiting"
    if seat.attempt_state is not None:
        return seat.attempt_state
    if seat.attendance == "absent":
        return "absent"
    if seat.busy_subject is not None:
        return "elsewhere"
    if login is None:
        return "expected"
    if waits:
        return "waiting"
    return "confirmed" if seat.confirmed_at is not None else "logged_in"


def problems_of(
    seat: SeatReading, state: str, connection: str, last_seen_at: datetime | None, around: Around
) -> list[dict[str, object]]:
    """List what is wrong at a seat, worst first; `since` lets the page count the age itself."""
    if seat.entry_id is None:
        return []
    found = [*_alarms(seat, connection, last_seen_at, around), *_notes(seat, state, around)]
    found += _of_device(seat, connection, around)
    return sorted(found, key=lambda one: _LEVELS.index(str(one["level"])))


def moment(at: datetime | None) -> str | None:
    """Write a moment for the page, in UTC to the millisecond."""
    return None if at is None else at.isoformat(timespec="milliseconds")


_ENDED = {AttemptState.HANDED_IN, AttemptState.COLLECTED, AttemptState.CANCELLED}
_ENDED_OR_NONE = {None, AttemptState.HANDED_IN, AttemptState.COLLECTED, AttemptState.CANCELLED}


def _is_waiting(seat: SeatReading, login: LoginReading | None) -> bool:
    """Say whether somebody waits for release, were it beside the one who works under the same ticket number."""
    if login is None or login.released_at is not None or seat.attendance == "absent":
        return False
    if seat.attempt_state is None:
        return seat.busy_subject is None
    return seat.attempt_state not in _ENDED_OR_NONE


def _connection(seat: SeatReading, login: LoginReading | None, last_seen_at: datetime | None, around: Around) -> str:
    if login is None and seat.attempt_state not in OPEN:
        return "never"
    if last_seen_at is None:
        return "lost" if seat.attempt_state in OPEN else "never"
    silent_s = around.clock.real_seconds((around.at - last_seen_at).total_seconds())
    device = around.devices.get(seat.seat_id)
    bound_s = BOTH_SILENT_AFTER_S if device is not None and device.state == "lost" else LOST_AFTER_S
    return "lost" if silent_s > bound_s else "online"


def _alarms(
    seat: SeatReading, connection: str, last_seen_at: datetime | None, around: Around
) -> Sequence[dict[str, object]]:
    found = []
    login = around.logins.get(seat.candidate_id) if seat.candidate_id is not None else None
    if login is not None and _is_waiting(seat, login):
        place = login.seat or say("未登记的电脑", "a PC without a seat")
        text = say(f"在考位 {place} 登录，等待放行", f"logged in at {place}, waits for release")
        found.append(_problem("waiting_release", text, "alarm", login.created_at))
    if seat.help_asked_at is not None:
        found.append(_problem("help", say("举手", "hand raised"), "alarm", seat.help_asked_at))
    if seat.attempt_state in OPEN:
        found.extend(_without_pc(seat, connection, last_seen_at, around))
    if seat.is_disputed:
        text = say("考生报告身份信息有误", "says the identity shown is wrong")
        found.append(_problem("identity_disputed", text, "alarm", None))
    overdue_at = seat.deadline_at + timedelta(seconds=OVERDUE_AFTER_S) if seat.deadline_at else None
    if seat.attempt_state == AttemptState.ANSWERING and overdue_at is not None and around.at > overdue_at:
        text = say("已过截止时间仍未收卷", "past the deadline and not collected")
        found.append(_problem("overdue", text, "alarm", seat.deadline_at))
    if seat.late_saves:
        text = say(f"{seat.late_saves} 条答案或作品截止后到达，待裁定", f"{seat.late_saves} answers or files came late")
        found.append(_problem("late_saves", text, "warn", None))
    if seat.conflicts:
        text = say(f"{seat.conflicts} 次保存冲突，已留存", f"{seat.conflicts} conflicting saves kept")
        found.append(_problem("save_conflict", text, "warn", None))
    return found


def _notes(seat: SeatReading, state: str, around: Around) -> Sequence[dict[str, object]]:
    found = []
    own = around.suspensions.get(seat.attempt_id) if seat.attempt_id is not None else None
    if own is not None:
        text = say(f"已暂停：{own.reason}", f"suspended: {own.reason}")
        found.append(_problem("suspended", text, "warn", own.began_at))
    pending = around.extensions.get(seat.attempt_id, []) if seat.attempt_id is not None else []
    if any(one.extension.state == ExtensionState.PROPOSED for one in pending):
        found.append(_problem("extension_pending", say("延时待确认", "extension undecided"), "warn", None))
    if unsettled := _unsettled(seat, around):  # one at a time: the next shows when this one is proposed
        length_zh, length_en = length_names(unsettled[0].from_act.seconds)
        text = say(f"已恢复，损失 {length_zh}", f"is back: {length_en} lost")
        found.append(_problem("time_lost", text, "warn", None))
    if seat.leave_began_at is not None:
        found.append(_problem("out", say("临时离场", "out of the room"), "note", seat.leave_began_at))
    if state == "elsewhere":
        text = say(f"仍在作答“{seat.busy_subject}”", f"still answering {seat.busy_subject}")
        found.append(_problem("elsewhere", text, "note", None))
    found.extend(_missing(seat, state, around))
    return found


def _without_pc(
    seat: SeatReading, connection: str, last_seen_at: datetime | None, around: Around
) -> list[dict[str, object]]:
    """Tell of who answers and has no PC, and of a deadline that would collect them before they have one."""
    watch = stopwatch_document(seat, around.swaps, is_lost=connection == "lost", last_seen_at=last_seen_at)
    if watch is None:
        return []
    if watch["from_seat"] is not None:
        found = [_problem("moving", say("已换考位，等候登录", "moved, not logged in yet"), "warn", last_seen_at)]
    else:
        found = [_problem("lost", _why_lost(around.devices.get(seat.seat_id)), "alarm", last_seen_at)]
    left = None if seat.deadline_at is None else seat.deadline_at - around.at
    if seat.attempt_state == AttemptState.ANSWERING and left is not None and left <= DEADLINE_NEAR:
        text = say("未在机且临近截止，请先暂停该考生", "has no PC and little time: suspend first")
        found.append(_problem("deadline_near", text, "alarm", None))
    return found


def _why_lost(device: DeviceReading | None) -> str:
    """Say what is lost: the PC, or only the page on it."""
    if device is None or device.state == "unheard":
        return say("失去连接", "connection lost")
    if device.is_silent:
        return say("失去连接：考试机断电或断网", "connection lost: PC off or network cut")
    return say("页面无应答，考试机在线", "page silent, PC is there")


def _of_device(seat: SeatReading, connection: str, around: Around) -> list[dict[str, object]]:
    """Tell of the seat's PC while its sitting is held; that it is lost only where the page does not say so."""
    device = around.devices.get(seat.seat_id)
    if device is None or around.sitting.state not in HOLDING:
        return []
    found = [_problem(*_calmer(one, seat)) for one in device_problems(device)]
    if device.state == "lost" and connection != "lost" and seat.attempt_state not in _ENDED:
        text = say("考试机程序无应答", "agent silent")
        if connection == "never":
            text = say("考试机离线", "PC is off")
        found.append(_problem("device_lost", text, "warn", device.since))
    return found


def _calmer(problem: tuple[str, str, str, datetime | None], seat: SeatReading) -> tuple[str, str, str, datetime | None]:
    """Call nobody to a PC that is unlocked once its candidate has ended or is absent: it is still said."""
    code, text, level, since = problem
    has_ended = seat.attempt_state in _ENDED or (seat.attempt_state is None and seat.attendance == "absent")
    return (code, text, "note" if has_ended and code in {"device_code", "device_freed"} else level, since)


def _device_document(device: DeviceReading | None) -> dict[str, object] | None:
    if device is None:
        return None
    return {
        "id": device.device.id,
        "state": device.state,
        "state_name": say(*DEVICE_STATES[device.state]),
        "level": device.level,
    }


def _unsettled(seat: SeatReading, around: Around) -> Sequence[Swap]:
    if seat.entry_id is None or seat.attempt_state not in OPEN:
        return ()
    return around.swaps.unsettled.get(seat.entry_id, ())


def _missing(seat: SeatReading, state: str, around: Around) -> list[dict[str, object]]:
    """Tell of those who are not in after the start (R-DAY-3)."""
    started_at = around.sitting.started_at
    if around.sitting.state != SittingState.RUNNING or started_at is None:
        return []
    if state not in {"expected", "logged_in", "confirmed"}:
        return []
    if around.at > started_at + timedelta(minutes=around.subject.entry_cutoff_min):
        text = say("已过入场时限，请记缺考", "entry is closed: record as absent")
        return [_problem("absence_open", text, "warn", None)]
    if state == "expected":
        return [_problem("not_in", say("开考后未登录", "not logged in since the start"), "note", started_at)]
    return [_problem("not_opened", say("已登录，未开卷", "logged in, paper not opened"), "note", started_at)]


def _problem(code: str, text: str, level: str, since: datetime | None) -> dict[str, object]:
    return {"code": code, "text": text, "level": level, "since": moment(since)}
