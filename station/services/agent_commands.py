"""What staff tell candidate PCs to do, what came of it, locked screens, and pictures of screens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from station.domain.agent_orders import HOLDING
from station.domain.attempt import OPEN
from station.domain.incident import check_text
from station.domain.program_names import OPEN_PROGRAM, program_title
from station.domain.sitting import SittingState
from station.errors import Forbidden, Invalid, Missing, Refused, problem
from station.services import journal
from station.store.locking import lock_row
from station.store.models import (
    Attempt,
    Device,
    DeviceCommand,
    Entry,
    ScreenPicture,
    Seat,
    Sitting,
)
from station.store.orders_reading import read_rooms

COMMAND_UNKNOWN = problem("command_unknown", "没有这个操作：{named}。", "There is no such command: {named}.")
DEVICES_MISSING = problem(
    "devices_missing", "没有选中考试机，或其中有的已被移除。", "No PC was chosen, or one of them was taken away."
)
DEVICE_LACKS = problem(
    "device_lacks",
    "考试机“{name}”的程序版本较旧，不支持“{act_zh}”。请先更新考试机程序。",
    "The agent of {name} is too old to {act_en}: update it first.",
)
DEVICE_ANSWERING = problem(
    "device_answering",
    "考位 {seat} 正在作答，不能{act_zh}。如确需进行，请先暂停该考生或换备用机。",
    "Somebody is answering at seat {seat}: not the moment to {act_en}. Suspend or move the candidate first.",
)
PICTURES_NOT_ALLOWED = problem(
    "pictures_not_allowed",
    "考位 {seat}：考试计划未允许查看屏幕画面，或该考场没有进行中的场次。",
    "Seat {seat}: the plan allows no pictures of screens, or nothing is held in its room.",
)
PICTURE_NOT_ASKED = problem(
    "picture_not_asked", "没有要求过这张屏幕画面，未接收。", "This picture was not asked for and not taken in."
)
PICTURE_UNREADABLE = problem(
    "picture_unreadable", "屏幕画面不是 PNG 或 JPEG 图片。", "The picture is neither PNG nor JPEG."
)
PICTURE_MISSING = problem("picture_missing", "没有这张屏幕画面，或已删除。", "There is no such picture any more.")

# kind: what staff call it; whether it needs somebody's answering to be over. Only a candidate asks for `open`.
KINDS: dict[str, tuple[str, str, bool]] = {
    "restart_browser": ("重启考试页面", "restart the test page", False),
    "show_message": ("显示消息", "show a message", False),
    "picture": ("查看屏幕", "look at the screen", False),
    "check": ("重新检查", "check again", False),
    "update": ("更新程序", "update the agent", True),
    "log_out": ("注销", "log out", True),
    "shut_down": ("关机", "shut down", True),
    OPEN_PROGRAM: ("打开软件", "open a program", False),
}
# Commands that an agent must have named to be asked for.
_NEEDS = {"picture": "picture", "check": "check"}
PICTURE_KINDS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))
LONGEST_MESSAGE = 500


def chosen_devices(db: Session, device_ids: Sequence[int]) -> list[Device]:
    """Find living devices by id: all of them, or `devices_missing`."""
    found = list(
        db.scalars(select(Device).where(Device.id.in_(set(device_ids)), Device.ended_at.is_(None)).order_by(Device.id))
    )
    if not found or len(found) != len(set(device_ids)):
        raise Missing(DEVICES_MISSING)
    return found


def give_command(
    db: Session, devices: Sequence[Device], kind: str, *, text: str = "", by: int, at: datetime
) -> list[DeviceCommand]:
    """Tell PCs to do something; refused for all where one of them must not. One that waits already is not doubled.

    `text` is the message, or for a picture the reason.
    """
    if kind not in KINDS or kind == OPEN_PROGRAM:
        raise Invalid(COMMAND_UNKNOWN, named=kind[:40])
    act_zh, act_en, needs_rest = KINDS[kind]
    if kind in {"show_message", "picture"}:
        check_text(text)
    for device in devices:
        needed = _NEEDS.get(kind)
        if needed is not None and needed not in json.loads(device.capabilities):
            raise Refused(DEVICE_LACKS, name=device.name, act_zh=act_zh, act_en=act_en)
        if needs_rest and _is_answered_at(db, device.seat_id):
            raise Refused(DEVICE_ANSWERING, seat=_seat(db, device), act_zh=act_zh, act_en=act_en)
        if kind == "picture":
            _check_pictures(db, device)
    given = []
    arguments = json.dumps({"text": text} if kind == "show_message" else {}, ensure_ascii=False)
    for device in devices:
        waiting = select(DeviceCommand).where(
            DeviceCommand.device_id == device.id,
            DeviceCommand.kind == kind,
            DeviceCommand.done_at.is_(None),
            DeviceCommand.arguments == arguments,
        )
        command = db.scalars(waiting).first()
        if command is None:
            command = DeviceCommand(device_id=device.id, kind=kind, arguments=arguments, given_at=at, given_by=by)
            db.add(command)
        given.append(command)
    db.flush()
    told = {"act_zh": act_zh, "act_en": act_en, "seats": _seats(db, devices), "text": text or "—"}
    journal.append(db, "devices_commanded", at=at, by=by, **told)  # type: ignore[arg-type]
    return given


def withdraw_command(db: Session, command_id: int, *, by: int, at: datetime) -> None:
    """Take back a command that was not done yet."""
    command = lock_row(db, DeviceCommand, command_id)
    if command is None or command.done_at is not None:
        raise Missing(COMMAND_UNKNOWN, named=str(command_id))
    command.done_at, command.is_ok, command.text = at, False, "withdrawn"
    act_zh, act_en, _ = KINDS.get(command.kind, (command.kind, command.kind, False))
    device = db.get_one(Device, command.device_id)
    journal.append(db, "command_withdrawn", at=at, by=by, act_zh=act_zh, act_en=act_en, seat=_seat(db, device))


def note_done(db: Session, device_id: int, done: Sequence[tuple[int, bool, str]], *, at: datetime) -> int:
    """Note what a PC says of commands: id, whether it went well, its words. What is not its own is passed over."""
    results = {command_id: (is_ok, text) for command_id, is_ok, text in done}
    rows = db.scalars(
        select(DeviceCommand).where(
            DeviceCommand.id.in_(results), DeviceCommand.device_id == device_id, DeviceCommand.done_at.is_(None)
        )
    ).all()
    for row in rows:
        row.done_at, (row.is_ok, row.text) = at, results[row.id]
        if not row.is_ok:
            act_zh, act_en = _act_names(row)
            device = db.get_one(Device, device_id)
            told = {"act_zh": act_zh, "act_en": act_en, "seat": _seat(db, device), "text": row.text or "—"}
            journal.append(db, "command_failed", at=at, **told)  # type: ignore[arg-type]
    return len(rows)


def note_trouble(db: Session, sitting_id: int, *, seat: str, zh: str, en: str, at: datetime) -> None:
    """Put into the journal what a PC complains of during a sitting."""
    journal.append(db, "device_troubled", at=at, sitting_id=sitting_id, seat=seat, text_zh=zh, text_en=en)


def lock_screens(db: Session, devices: Sequence[Device], *, text: str, by: int, at: datetime) -> None:
    """Show a message instead of the test page on these PCs until the screens are released; time runs on."""
    check_text(text)
    for device in devices:
        device.screen_text, device.screen_since = text, at
    journal.append(db, "screens_locked", at=at, by=by, seats=_seats(db, devices), text=text)


def release_screens(db: Session, devices: Sequence[Device], *, by: int, at: datetime) -> int:
    """Show the test page again; PCs whose screen is not locked are left alone. Returns how many."""
    locked = [device for device in devices if device.screen_since is not None]
    for device in locked:
        device.screen_text, device.screen_since = "", None
    if locked:
        journal.append(db, "screens_released", at=at, by=by, seats=_seats(db, locked))
    return len(locked)


def check_picture_asked(db: Session, device_id: int, command_id: int) -> None:
    """Refuse a picture that no waiting command of this PC asks for."""
    command = db.get(DeviceCommand, command_id)
    if (
        command is None
        or command.device_id != device_id
        or command.kind != "picture"
        or command.done_at is not None
        or db.get(ScreenPicture, command_id) is not None
    ):
        raise Forbidden(PICTURE_NOT_ASKED)


def picture_kind(content: bytes) -> str:
    """Say what kind of picture the bytes begin like; anything but PNG and JPEG is refused."""
    for beginning, media_type in PICTURE_KINDS:
        if content.startswith(beginning):
            return media_type
    raise Invalid(PICTURE_UNREADABLE)


def keep_picture(db: Session, device_id: int, command_id: int, content: bytes, *, at: datetime) -> ScreenPicture:
    """Keep a picture that was asked for; its bytes lie on the disk already (`edge.pictures`)."""
    check_picture_asked(db, device_id, command_id)
    device = db.get_one(Device, device_id)
    picture = ScreenPicture(
        command_id=command_id,
        seat_id=device.seat_id,
        sha256=hashlib.sha256(content).hexdigest(),
        media_type=picture_kind(content),
        size=len(content),
        taken_at=at,
    )
    db.add(picture)
    journal.append(db, "picture_came", at=at, seat=_seat(db, device), size_kb=max(1, len(content) // 1024))
    return picture


def old_pictures(db: Session) -> dict[int, str]:
    """Name the pictures of rooms that hold nothing and wait for no delivery: SHA-256 by command."""
    open_rooms = select(Sitting.room_id).where(Sitting.state.in_((*HOLDING, SittingState.CLOSED)))
    rows = db.execute(
        select(ScreenPicture.command_id, ScreenPicture.sha256)
        .outerjoin(Seat, Seat.id == ScreenPicture.seat_id)
        .where(ScreenPicture.seat_id.is_(None) | Seat.room_id.not_in(open_rooms))
    )
    return {row.command_id: row.sha256 for row in rows}


def forget_pictures(db: Session, command_ids: Collection[int]) -> None:
    """Forget pictures whose files have been removed."""
    db.execute(delete(ScreenPicture).where(ScreenPicture.command_id.in_(command_ids)))


def _check_pictures(db: Session, device: Device) -> None:
    seat = db.get(Seat, device.seat_id) if device.seat_id is not None else None
    room = read_rooms(db).get(seat.room_id) if seat is not None else None
    policy = room.ruling(device.seat_id) if room is not None else None
    if policy is None or not policy.pictures:
        raise Forbidden(PICTURES_NOT_ALLOWED, seat=_seat(db, device))


def _is_answered_at(db: Session, seat_id: int | None) -> bool:
    if seat_id is None:
        return False
    found = db.execute(
        select(Attempt.id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .where(Entry.seat_id == seat_id, Attempt.state.in_(OPEN))
    )
    return found.first() is not None


def _act_names(command: DeviceCommand) -> tuple[str, str]:
    """Say what was to be done; of a program also which."""
    if command.kind == OPEN_PROGRAM:
        program = program_title(str(json.loads(command.arguments)["program"]))
        return f"打开 {program}", f"open {program}"
    zh, en, _ = KINDS.get(command.kind, (command.kind, command.kind, False))
    return zh, en


def _seat(db: Session, device: Device) -> str:
    return db.get_one(Seat, device.seat_id).number if device.seat_id is not None else device.name


def _seats(db: Session, devices: Sequence[Device]) -> str:
    named = [_seat(db, device) for device in devices]
    return "、".join(named[:12]) + (f"…（{len(named)}）" if len(named) > 12 else "")
