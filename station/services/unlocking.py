"""Codes that free one PC once without the station, and the staff's word that frees a PC or holds it again.

A code is derived from the station's secret and its salt, so it need not be kept in clear and no PC can know it. Every
PC has one code on the printed sheet (for a dead station) and some that are shown one at a time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.domain.incident import check_text
from station.errors import Missing, Refused, problem
from station.services import journal
from station.store.device_freedom import is_freed_by_code, set_freed
from station.store.device_queries import seat_number_of
from station.store.locking import lock_row
from station.store.models import Device, Room, Seat, UnlockCode

NO_DEVICE_HERE = problem(
    "no_device_here",
    "考位 {seat} 没有登记考试机，不需要解锁码。",
    "No PC is registered at seat {seat}: it needs no unlock code.",
)
NOTHING_HELD = problem(
    "nothing_held",
    "本考场现在没有进行中的场次，考试机没有锁定。",
    "No sitting is held in this room now: its PCs are not locked.",
)

ITERATIONS = 120_000
DIGITS = 8
_CODE_ID = re.compile(r"k[0-9]{1,8}", re.ASCII)
# So many codes of a PC wait to be shown: should the station die after one, there is another.
IN_STOCK = 2


@dataclass(frozen=True)
class MadeCode:
    """A new code's salt and digest, in hexadecimal digits."""

    salt: str
    digest: str


@dataclass(frozen=True)
class SheetLine:
    """One PC on the printed sheet."""

    room: str
    seat: str
    is_spare: bool
    device: str
    code_id: str
    code: str


def code_of(secret: bytes, salt: str) -> str:
    """Derive the digits of the code with this salt."""
    number = int.from_bytes(hmac.new(secret, f"unlock-code {salt}".encode(), hashlib.sha256).digest(), "big")
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def make_codes(secret: bytes, count: int) -> list[MadeCode]:
    """Make new codes; takes some 50 ms each, so it is done before a transaction begins."""
    made = []
    for _ in range(count):
        salt = secrets.token_hex(16)
        digits = code_of(secret, salt).encode()
        digest = hashlib.pbkdf2_hmac("sha256", digits, bytes.fromhex(salt), ITERATIONS).hex()
        made.append(MadeCode(salt, digest))
    return made


def codes_wanted(db: Session, device_id: int) -> int:
    """Say how many codes a PC lacks: one for the sheet, `IN_STOCK` to show."""
    sheet, stock = _counts(db, device_id)
    return max(0, 1 - sheet) + max(0, IN_STOCK - stock)


def stock_up(db: Session, device_id: int, made: Sequence[MadeCode], *, at: datetime) -> None:
    """Give a PC the codes that it lacks, out of those made for it."""
    lock_row(db, Device, device_id)
    sheet, stock = _counts(db, device_id)
    number = db.scalar(select(func.max(UnlockCode.number)).where(UnlockCode.device_id == device_id)) or 0
    for code in made:
        for_sheet = sheet < 1
        if not for_sheet and stock >= IN_STOCK:
            break
        number += 1
        db.add(
            UnlockCode(
                device_id=device_id,
                number=number,
                salt=code.salt,
                iterations=ITERATIONS,
                digest=code.digest,
                for_sheet=for_sheet,
                made_at=at,
            )
        )
        sheet, stock = (sheet + 1, stock) if for_sheet else (sheet, stock + 1)
    db.flush()


def show_code(
    db: Session, seat_id: int, *, reason: str, secret: bytes, by: int, at: datetime
) -> tuple[Device, UnlockCode, str]:
    """Show one code for the PC of a seat, for an invigilator to type; each is shown once, recorded with the reason."""
    check_text(reason)
    seat, device = _device_at(db, seat_id)
    code = db.scalars(
        select(UnlockCode)
        .where(
            UnlockCode.device_id == device.id,
            UnlockCode.used_at.is_(None),
            UnlockCode.shown_at.is_(None),
            ~UnlockCode.for_sheet,
        )
        .order_by(UnlockCode.number)
    ).first()
    if code is None:
        raise Missing(NO_DEVICE_HERE, seat=seat.number)
    code.shown_at, code.shown_by = at, by
    journal.append(db, "unlock_code_shown", at=at, by=by, seat=seat.number, name=device.name, reason=reason)
    return device, code, code_of(secret, code.salt)


def print_sheet(db: Session, room_id: int, *, secret: bytes, by: int, at: datetime) -> list[SheetLine]:
    """Give the codes of the sealed sheet, one a PC of the room; that it was printed is recorded."""
    room = db.get_one(Room, room_id)
    rows = db.execute(
        select(UnlockCode, Device, Seat)
        .join(Device, Device.id == UnlockCode.device_id)
        .join(Seat, Seat.id == Device.seat_id)
        .where(
            Seat.room_id == room_id,
            Device.ended_at.is_(None),
            UnlockCode.for_sheet,
            UnlockCode.used_at.is_(None),
        )
    ).all()
    for code, _, _ in rows:
        code.shown_at, code.shown_by = at, by
    journal.append(db, "unlock_sheet_printed", at=at, by=by, room=room.name, count=len(rows))
    return [
        SheetLine(room.name, seat.number, seat.is_spare, device.name, f"k{code.number}", code_of(secret, code.salt))
        for code, device, seat in rows
    ]


def note_unlocked(
    db: Session, device_id: int, *, code_id: str, sitting_id: int | None, used_at: datetime, at: datetime
) -> bool:
    """Note that a PC was freed by a code: it stays free while `sitting_id` is held. False: it was known already.

    Staff who ordered to lock it again after that moment, before anybody here knew of the code, are obeyed.
    """
    device = lock_row(db, Device, device_id)
    if device is None:
        return False
    number = int(code_id[1:]) if _CODE_ID.fullmatch(code_id) else -1
    code = db.scalars(
        select(UnlockCode).where(UnlockCode.device_id == device_id, UnlockCode.number == number)
    ).one_or_none()
    if code is not None and code.used_at is not None:
        return False
    if code is None and number >= 0:  # shown after the backup that this store comes from: its number is taken
        code = UnlockCode(device_id=device_id, number=number, salt="", iterations=ITERATIONS, digest="", made_at=at)
        db.add(code)
    if code is not None:
        code.used_at = used_at
    seat = seat_number_of(db, device) or "—"
    told = {"seat": seat, "name": device.name, "code": code_id or "—"}
    journal.append(db, "unlocked_by_code", at=at, sitting_id=sitting_id, **told)  # type: ignore[arg-type]
    if device.held_at is not None and device.held_at >= used_at:
        held = {"seat": seat, "name": device.name}
        journal.append(db, "device_held", at=at, by=device.held_by, sitting_id=sitting_id, **held)  # type: ignore[arg-type]
        return True
    set_freed(device, sitting_id, code=code_id, at=used_at)
    return True


def acknowledge_unlock(db: Session, device_id: int, *, by: int, at: datetime) -> bool:
    """Take note that a PC was freed by a code, so that the board calls nobody any more. False: nothing to note."""
    device = lock_row(db, Device, device_id)
    if device is None or not is_freed_by_code(device) or device.freed_seen_by is not None:
        return False
    device.freed_seen_by = by
    told = {"seat": seat_number_of(db, device) or "—", "name": device.name, "code": device.freed_code or "—"}
    sitting_id = device.freed_sitting_id
    journal.append(db, "unlock_acknowledged", at=at, by=by, sitting_id=sitting_id, **told)  # type: ignore[arg-type]
    return True


def free_device(db: Session, device: Device, *, sitting_id: int | None, reason: str, by: int, at: datetime) -> None:
    """Free a PC for as long as a sitting of its room is held."""
    check_text(reason)
    if sitting_id is None:
        raise Refused(NOTHING_HELD)
    set_freed(device, sitting_id, by=by, at=at)
    device.held_at, device.held_by = None, None
    seat = seat_number_of(db, device) or "—"
    journal.append(db, "device_freed", at=at, by=by, sitting_id=sitting_id, seat=seat, name=device.name, reason=reason)


def hold_device(db: Session, device_id: int, *, by: int, at: datetime) -> bool:
    """Lock a PC again that was freed: True. Of one that was not it is remembered that staff want it locked.

    A code that was used before this moment, and of which the PC has yet to tell, frees it no more then.
    """
    device = lock_row(db, Device, device_id)
    if device is None:
        return False
    device.held_at, device.held_by = at, by
    if device.freed_sitting_id is None:
        return False
    sitting_id = device.freed_sitting_id
    set_freed(device)
    seat = seat_number_of(db, device) or "—"
    journal.append(db, "device_held", at=at, by=by, sitting_id=sitting_id, seat=seat, name=device.name)
    return True


def _counts(db: Session, device_id: int) -> tuple[int, int]:
    """Count the codes of a PC that are left: for the sheet, and to be shown."""
    rows = db.execute(
        select(UnlockCode.for_sheet, UnlockCode.shown_at).where(
            UnlockCode.device_id == device_id, UnlockCode.used_at.is_(None)
        )
    ).all()
    return sum(row[0] for row in rows), sum(not row[0] and row[1] is None for row in rows)


def _device_at(db: Session, seat_id: int) -> tuple[Seat, Device]:
    seat = db.get(Seat, seat_id)
    device = db.scalars(select(Device).where(Device.seat_id == seat_id, Device.ended_at.is_(None))).first()
    if seat is None or device is None:
        raise Missing(NO_DEVICE_HERE, seat="—" if seat is None else seat.number)
    return seat, device
