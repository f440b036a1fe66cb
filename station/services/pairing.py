"""Let candidate PCs with an agent in: open the registration, register, give seats, take PCs away."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from station.domain.agent_orders import HOLDING
from station.domain.tokens import new_token, token_hash
from station.errors import Missing, Refused, problem
from station.services import journal
from station.store.device_freedom import set_freed
from station.store.device_queries import seat_number_of
from station.store.locking import lock_row
from station.store.models import Device, Room, Seat, Sitting, Workstation, WorkstationState

PAIRING_CLOSED = problem(
    "pairing_closed",
    "考试机登记未开放。请技术人员在监考台“考试机”页打开登记，再试一次。",
    "Registration of PCs is closed. The technician opens it at the console, page PCs; then try again.",
)
NO_SUCH_SEAT = problem(
    "seat_not_here",
    "没有考位“{seat}”，请核对座位标签上的编号。",
    "There is no seat {seat}: compare the label on the desk.",
)
SEAT_AMBIGUOUS = problem(
    "seat_ambiguous",
    "有几个考场都有考位“{seat}”（{rooms}），请同时选定考场。",
    "Several rooms have a seat {seat} ({rooms}): name the room, too.",
)
SEAT_HELD = problem(
    "seat_has_device",
    "考位 {seat} 已登记给考试机“{name}”。如确需更换，请在监考台“考试机”页指定。",
    "Seat {seat} belongs to the PC {name}. If that is wrong, give the seat at the console, page PCs.",
)
ROOM_UNKNOWN = problem("room_unknown", "没有这个考场。", "There is no such room.")
DEVICE_GONE = problem("device_gone", "没有这台考试机，或它已被移除。", "There is no such PC, or it was taken away.")

TOO_MANY_WAITING = problem(
    "too_many_devices",
    "等待指定考位的考试机已有 {count} 台。请先在监考台“考试机”页指定考位或移除多余的，再登记。",
    "{count} PCs wait for a seat already: give them seats or take them away at the console, then register more.",
)

DEVICE_IS_BEATING = problem(
    "device_is_beating",
    "考试机“{name}”（考位 {seat}）正在连线，不能再登记一次。本机就是它的，等 5 秒再试；"
    "要用本机换下它的，请先关闭那台，或在监考台“考试机”页移除它。",
    "The PC {name} (seat {seat}) is connected right now and is not registered twice. If this is that PC, try again in "
    "5 s; to put this one in its place, switch that one off or take it away at the console, page PCs.",
)
DEVICE_DIFFERS = problem(
    "device_differs",
    "本机与已登记的考试机“{name}”（考位 {seat}）硬件不同（{differences_zh}），考试进行中不能顶替。"
    "请在监考台“考试机”页核对，移除原登记后再登记本机。",
    "This PC is not like {name}, which is registered (seat {seat}): {differences_en}. It is not put in its place while "
    "a sitting is held: look at the console, page PCs, take that one away, then register this one.",
)

# What makes a PC another one under the same id; its address and its name change by themselves.
DIFFERENCES = {
    "macs": ("网卡", "network cards"),
    "system": ("操作系统", "system"),
    "maker": ("厂商", "maker"),
    "model": ("型号", "model"),
    "cpu": ("处理器", "processor"),
}
PAIRING_LASTS = timedelta(hours=12)
# More than any site has: who floods the registration fills no store.
MOST_WITHOUT_SEAT = 200
_HARDWARE = ("maker", "model", "cpu")


@dataclass(frozen=True)
class Machine:
    """What an agent says of its PC when it registers."""

    machine_id: str
    name: str
    macs: tuple[str, ...]
    system: str
    version: str
    capabilities: tuple[str, ...]
    hardware: dict[str, object]


def open_pairing(db: Session, room_id: int, *, by: int, at: datetime) -> datetime:
    """Let PCs of a room register from now on; closed by itself after 12 hours. Gives that moment."""
    room = _room(db, room_id)
    room.pairing_until = at + PAIRING_LASTS
    journal.append(db, "pairing_opened", at=at, by=by, room=room.name)
    return room.pairing_until


def close_pairing(db: Session, room_id: int, *, by: int | None, at: datetime) -> None:
    """Let no PC of a room register any more; closing again changes nothing. `by` None: the room was sealed."""
    room = _room(db, room_id)
    if is_open(room, at):
        journal.append(db, "pairing_closed", at=at, by=by, room=room.name)
    room.pairing_until = None


def is_open(room: Room, at: datetime) -> bool:
    """Say whether PCs of a room may register."""
    return room.pairing_until is not None and at < room.pairing_until


def is_any_open(db: Session, at: datetime) -> bool:
    """Say whether PCs of any room may register."""
    return db.scalars(select(Room.id).where(Room.pairing_until > at).limit(1)).one_or_none() is not None


def register(
    db: Session, machine: Machine, *, seat_number: str, room_name: str, address: str, at: datetime
) -> tuple[Device, str]:
    """Register a PC and give its new token; the same PC again ends its token of before.

    With a seat number it takes that seat; without, it keeps the one it had, or waits for the technician's word: so a
    PC whose disk is reset at each start comes back by itself. One that is not like the PC it says it is (`differences`)
    is refused while a sitting is held there; else it is in doubt until the technician has confirmed it.
    """
    seat = _seat_to_take(db, seat_number, room_name, at) if seat_number else None
    if seat is None and not is_any_open(db, at):
        raise Refused(PAIRING_CLOSED)
    device = db.scalars(select(Device).where(Device.machine_id == machine.machine_id)).one_or_none()
    if seat is not None:
        _check_free(db, seat, besides=device)
    token = new_token()
    differing: list[str] = []
    if device is None:
        _check_crowd(db)
        device = Device(machine_id=machine.machine_id, seat_id=None)
        db.add(device)
    elif device.ended_at is not None:
        device.seat_id, device.doubt = None, ""
    else:
        differing = differences(device, machine)
        _check_like_before(db, device, differing)
    device.token_hash, device.ended_at = token_hash(token), None
    device.name, device.system, device.version = machine.name, machine.system, machine.version
    device.macs, device.capabilities = json.dumps(machine.macs), json.dumps(machine.capabilities)
    device.hardware = json.dumps(machine.hardware, ensure_ascii=False)
    device.address, device.registered_at = address, at
    db.flush()
    if seat is not None:
        _sit(db, device, seat, at=at)
    number = seat_number_of(db, device)
    journal.append(db, "device_registered", at=at, name=device.name, seat=number or "—", address=address)
    if differing:
        device.doubt = " ".join(differing)
        zh, en = difference_names(device.doubt)
        told = {"name": device.name, "seat": number or "—", "differences_zh": zh, "differences_en": en}
        journal.append(db, "device_doubted", at=at, address=address, **told)  # type: ignore[arg-type]
    return device, token


def registered_as(db: Session, machine_id: str) -> Device | None:
    """Find the living device with this id."""
    return db.scalars(select(Device).where(Device.machine_id == machine_id, Device.ended_at.is_(None))).one_or_none()


def copy_refusal(db: Session, device: Device) -> Refused:
    """Say why nobody else is registered as a PC that is heard right now."""
    return Refused(DEVICE_IS_BEATING, name=device.name, seat=seat_number_of(db, device) or "—")


def note_copy_refused(db: Session, device_id: int, *, address: str, at: datetime) -> None:
    """Put into the journal that somebody wanted to be registered as a PC that is heard right now."""
    device = db.get_one(Device, device_id)
    seat = seat_number_of(db, device) or "—"
    journal.append(db, "device_copy_refused", at=at, name=device.name, seat=seat, address=address)


def differences(device: Device, machine: Machine) -> list[str]:
    """Name in what a PC differs from the one that registered with its id before; what is unknown differs in nothing."""
    kept, found = json.loads(device.hardware), machine.hardware
    macs = set(json.loads(device.macs))
    is_so = {
        "macs": bool(macs) and bool(machine.macs) and not macs & set(machine.macs),
        "system": device.system != machine.system,
    } | {name: bool(kept.get(name)) and bool(found.get(name)) and kept[name] != found[name] for name in _HARDWARE}
    return [name for name in DIFFERENCES if is_so[name]]


def difference_names(doubt: str) -> tuple[str, str]:
    """Say a device's doubt in Chinese and English."""
    named = [DIFFERENCES[name] for name in doubt.split() if name in DIFFERENCES]
    return "、".join(zh for zh, _ in named), ", ".join(en for _, en in named)


def confirm_device(db: Session, device_id: int, *, by: int, at: datetime) -> None:
    """Say that a PC in doubt is the right one at its place; one that is in no doubt is left alone."""
    device = _device(db, device_id)
    if device.doubt:
        device.doubt = ""
        seat = seat_number_of(db, device) or "—"
        journal.append(db, "device_confirmed", at=at, by=by, name=device.name, seat=seat)


def take_seat(db: Session, device_id: int, *, seat_number: str, room_name: str, at: datetime) -> Seat:
    """Take the seat that was typed at the PC; one that another PC holds is given at the console only."""
    seat = _seat_to_take(db, seat_number, room_name, at)
    device = _device(db, device_id)
    _check_free(db, seat, besides=device)
    if device.seat_id != seat.id:
        _sit(db, device, seat, at=at)
        journal.append(db, "device_seated", at=at, name=device.name, seat=seat.number)
    return seat


def give_seat(db: Session, device_id: int, seat_id: int, *, by: int, at: datetime) -> None:
    """Give a PC a seat at the console; a PC that held it stands without a seat from now on."""
    device, seat = _device(db, device_id), lock_row(db, Seat, seat_id)
    if seat is None:
        raise Missing(NO_SUCH_SEAT, seat="—")
    if device.seat_id == seat.id:
        return
    for other in db.scalars(select(Device).where(Device.seat_id == seat.id, Device.ended_at.is_(None))):
        _leave_seat(db, other, at=at)
    _sit(db, device, seat, at=at)
    journal.append(db, "device_given_seat", at=at, by=by, name=device.name, seat=seat.number)


def remove_device(db: Session, device_id: int, *, by: int, at: datetime) -> None:
    """Take a PC away: its token ends, its seat is free."""
    device = _device(db, device_id)
    number = seat_number_of(db, device)
    _leave_seat(db, device, at=at)
    device.ended_at, device.screen_text, device.screen_since, device.doubt = at, "", None, ""
    journal.append(db, "device_removed", at=at, by=by, name=device.name, seat=number or "—")


def note_version(db: Session, device_id: int, *, version: str, at: datetime) -> None:
    """Note which version the agent has after an update."""
    device = _device(db, device_id)
    if device.version != version:
        device.version = version
        journal.append(db, "device_updated", at=at, name=device.name, version=version)


def _room(db: Session, room_id: int) -> Room:
    room = db.get(Room, room_id)
    if room is None or room.is_rehearsal:
        raise Missing(ROOM_UNKNOWN)
    return room


def _device(db: Session, device_id: int) -> Device:
    device = lock_row(db, Device, device_id)
    if device is None or device.ended_at is not None:
        raise Missing(DEVICE_GONE)
    return device


def _seat_to_take(db: Session, number: str, room_name: str, at: datetime) -> Seat:
    """Find the seat that was typed, in a room whose registration is open."""
    if not is_any_open(db, at):
        raise Refused(PAIRING_CLOSED)
    rows = db.execute(
        select(Seat, Room)
        .join(Room, Room.id == Seat.room_id)
        .where(Seat.number == number, Room.is_rehearsal.is_(False))
    ).all()
    found = [(seat, room) for seat, room in rows if room_name in {"", room.name}]
    if not found:
        raise Missing(NO_SUCH_SEAT, seat=number)
    is_open_there = [(seat, room) for seat, room in found if is_open(room, at)]
    if not is_open_there:
        raise Refused(PAIRING_CLOSED)
    if len(is_open_there) > 1:
        raise Refused(SEAT_AMBIGUOUS, seat=number, rooms="、".join(room.name for _, room in is_open_there))
    seat = lock_row(db, Seat, is_open_there[0][0].id)  # of two PCs that type one number the second is refused
    assert seat is not None
    return seat


def _check_free(db: Session, seat: Seat, *, besides: Device | None) -> None:
    for holder in db.scalars(select(Device).where(Device.seat_id == seat.id, Device.ended_at.is_(None))):
        if besides is None or holder.id != besides.id:
            raise Refused(SEAT_HELD, seat=seat.number, name=holder.name)


def _check_like_before(db: Session, device: Device, differing: list[str]) -> None:
    """Refuse another PC in place of a registered one while a sitting is held in its room."""
    seat = db.get(Seat, device.seat_id) if differing and device.seat_id is not None else None
    if seat is None:
        return
    held = select(Sitting.id).where(Sitting.room_id == seat.room_id, Sitting.state.in_(HOLDING)).limit(1)
    if db.scalars(held).first() is not None:
        zh, en = difference_names(" ".join(differing))
        raise Refused(DEVICE_DIFFERS, name=device.name, seat=seat.number, differences_zh=zh, differences_en=en)


def _check_crowd(db: Session) -> None:
    count = db.scalar(select(func.count()).where(Device.seat_id.is_(None), Device.ended_at.is_(None))) or 0
    if count >= MOST_WITHOUT_SEAT:
        raise Refused(TOO_MANY_WAITING, count=count)


def _sit(db: Session, device: Device, seat: Seat, *, at: datetime) -> None:
    if device.seat_id != seat.id:
        _leave_seat(db, device, at=at)
        device.seat_id = seat.id


def _leave_seat(db: Session, device: Device, *, at: datetime) -> None:
    """End what made the PC the workstation of its seat, so that its browser is none any more."""
    db.execute(
        update(Workstation)
        .where(Workstation.device_id == device.id, Workstation.replaced_at.is_(None))
        .values(replaced_at=at, state=WorkstationState.RELEASED)
    )
    set_freed(device)
    device.seat_id, device.held_at, device.held_by = None, None, None
