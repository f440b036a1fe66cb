"""Seal a room 封场, confirm it, see what changes afterwards, and open it again (R-ROOM-7).

The seal freezes what the last check of each machine said. Whatever a later check says otherwise is a break of the
seal, which stands on the board until a person accepts it with a reason or the room is sealed anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.agent_orders import programs_of
from station.domain.incident import check_text
from station.domain.room_seal import Difference, Frozen, differences, thaw
from station.domain.sealing import (
    ALREADY_SEALED,
    CONFIRMATION_MISSING,
    NOT_SEALED,
    SEAL_CONFIRMED_ALREADY,
    SITTING_UNDER_WAY,
    Point,
    check_gate,
    check_signers,
)
from station.domain.sitting import SittingKind, SittingState
from station.errors import Invalid, Missing, Refused, problem
from station.services import journal
from station.services.room_check import Machine, room_of
from station.store.locking import lock_row
from station.store.models import (
    Device,
    Paper,
    ReadinessReport,
    Room,
    RoomSeal,
    SealBreak,
    Seat,
    Sitting,
    Staff,
    Subject,
)
from station.store.room_reading import SealReading, read_seal

BREAK_UNKNOWN = problem(
    "break_unknown", "没有这条封场后的变化，或已处理。", "There is no such change, or it was seen to."
)
_UNDER_WAY = (SittingState.RUNNING, SittingState.SUSPENDED)
# What the agent itself starts shows no test machine that somebody has touched.
BROWSERS = frozenset({"chrome.exe", "chrome", "chromium", "msedge.exe", "firefox.exe", "firefox"})
_programs: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True)
class SealOrder:
    """What staff enter to seal: who signs, what they looked at, and the numbers on the paper sign-in sheets.

    `sheets`: by sitting id. `reason`: why technical support seals although points are open, else ''.
    """

    technician: str
    exam_officer: str
    ticks: frozenset[str] = frozenset()
    sheets: Mapping[int, int] = field(default_factory=dict)
    reason: str = ""


def seal_room(
    db: Session,
    room_id: int,
    order: SealOrder,
    *,
    points: Sequence[Point],
    by: int,
    at: datetime,
    is_forced: bool = False,
    again: bool = False,
) -> RoomSeal:
    """Seal a room: two people sign, every point holds, or the body's technical support answers for what does not.

    `by` seals; with `is_forced` it is technical support, and `order.reason` says why. `again`: in place of the seal in
    force, whose changes are thereby taken over.
    """
    room = _locked(db, room_id)
    _check_nothing_runs(db, room, ("封场", "sealed"))
    check_signers(order.technician, order.exam_officer)
    if is_forced:
        check_text(order.reason)
    left = check_gate(points, order.ticks, is_forced=is_forced)
    before = read_seal(db, room_id)
    if before is not None:
        if not again:
            raise Refused(ALREADY_SEALED)
        before.seal.ended_at, before.seal.ended_by, before.seal.ended_reason = at, by, "重新封场 / sealed anew"
    was_forced = bool(left)
    seal = RoomSeal(
        room_id=room_id,
        sealed_at=at,
        sealed_by=by,
        technician=order.technician.strip(),
        exam_officer=order.exam_officer.strip(),
        points=_text([_point_json(one) for one in points]),
        ticks=_text(sorted(order.ticks)),
        sheets=_text({str(sitting): count for sitting, count in order.sheets.items()}),
        frozen=_text(_frozen_now(db, room_id)),
        forced_by=by if was_forced else None,
        force_reason=order.reason.strip() if was_forced else "",
    )
    db.add(seal)
    db.flush()
    _note_sealed(db, room, seal, left=left, by=by, at=at)
    return seal


def confirm_seal(
    db: Session, room_id: int, *, name: str, way: str, by: int, at: datetime, is_support: bool = False
) -> None:
    """Note that the body's technical support has confirmed the sealing: only then may the technician leave.

    `is_support`: `by` is technical support in person; else somebody of the site writes down who said so, and how.
    """
    room = _locked(db, room_id)
    seal = _seal_in_force(db, room_id).seal
    if seal.confirmed_at is not None:
        raise Refused(SEAL_CONFIRMED_ALREADY, name=seal.confirmed_name)
    if not name.strip() or not way.strip():
        raise Invalid(CONFIRMATION_MISSING)
    seal.confirmed_at, seal.confirmed_name, seal.confirmed_way = at, name.strip()[:100], way.strip()[:200]
    seal.confirmed_by = by if is_support else None
    journal.append(
        db, "room_seal_confirmed", at=at, by=by, room=room.name, name=seal.confirmed_name, way=seal.confirmed_way
    )


def unseal_room(db: Session, room_id: int, *, reason: str, by: int, at: datetime) -> None:
    """Take the seal off, with a reason; not while a test runs."""
    room = _locked(db, room_id)
    check_text(reason)
    _check_nothing_runs(db, room, ("解除封场", "unsealed"))
    seal = _seal_in_force(db, room_id).seal
    seal.ended_at, seal.ended_by, seal.ended_reason = at, by, reason.strip()
    journal.append(db, "room_unsealed", at=at, by=by, room=room.name, reason=reason.strip())


def accept_break(db: Session, break_id: int, *, reason: str, by: int, at: datetime) -> None:
    """Accept a change: from here on the machine is held against what it is now."""
    check_text(reason)
    found = db.get(SealBreak, break_id)
    if found is None or found.accepted_at is not None:
        raise Missing(BREAK_UNKNOWN)
    seal = db.get_one(RoomSeal, found.seal_id)
    room = _locked(db, seal.room_id)
    if seal.ended_at is not None:
        raise Missing(BREAK_UNKNOWN)
    found.accepted_at, found.accepted_by, found.accepted_reason = at, by, reason.strip()
    frozen = json.loads(seal.frozen)
    now = _frozen_now(db, seal.room_id)
    if found.machine in now:
        frozen[found.machine] = now[found.machine]
    else:
        frozen.pop(found.machine, None)
    seal.frozen = _text(frozen)
    changes = changes_of(found)
    journal.append(
        db, "room_seal_accepted", at=at, by=by, room=room.name, reason=reason.strip(), **_said(found, changes)
    )


def hold_against_seal(db: Session, room_id: int, *, at: datetime) -> list[SealBreak]:
    """Hold every machine of a sealed room against what was frozen; gives the breaks that are new.

    A change that is known and not yet seen to is not told again. Programs that items of the room's papers name may
    run: they are started by the test itself.
    """
    reading = read_seal(db, room_id)
    if reading is None:
        return []
    fresh = _fresh_changes(db, reading)
    return [_note_break(db, reading.seal, machine, seat, changes, at) for machine, seat, changes in fresh]


def has_changed(db: Session, room_id: int) -> bool:
    """Say whether `hold_against_seal` would find anything, without writing."""
    reading = read_seal(db, room_id)
    return reading is not None and bool(_fresh_changes(db, reading))


def seal_of(db: Session, room_id: int) -> SealReading | None:
    """Read the seal in force."""
    room_of(db, room_id)
    return read_seal(db, room_id)


def sealed_rooms(db: Session) -> list[int]:
    """List the rooms whose seal is in force."""
    return list(db.scalars(select(RoomSeal.room_id).where(RoomSeal.ended_at.is_(None)).distinct()))


def _fresh_changes(db: Session, reading: SealReading) -> list[tuple[str, str, list[Difference]]]:
    """List what is new per machine: its name, its seat, the changes that nobody was told of."""
    room_id = reading.seal.room_id
    frozen, now = json.loads(reading.seal.frozen), _frozen_now(db, room_id)
    allowed = _programs_of(db, room_id)
    found = []
    for machine in sorted(frozen.keys() | now.keys()):
        known = {
            (one["what"], one["zh"])
            for kept in reading.open_breaks
            if kept.machine == machine
            for one in json.loads(kept.differences)
        }
        changes = _changes(frozen.get(machine), now.get(machine), allowed)
        fresh = [one for one in changes if (one.what, one.text[0]) not in known]
        if fresh:
            found.append((machine, (now.get(machine) or frozen[machine])["seat"], fresh))
    return found


def _frozen_now(db: Session, room_id: int) -> dict[str, dict[str, Any]]:
    """Give what each machine of a room is at this moment: its seat, its identity, and what its last check froze."""
    rows = db.execute(
        select(Device, Seat.number, ReadinessReport.fingerprint)
        .join(Seat, Seat.id == Device.seat_id)
        .outerjoin(ReadinessReport, ReadinessReport.device_id == Device.id)
        .where(Seat.room_id == room_id, Device.ended_at.is_(None))
    )
    found = {f"pc:{device.id}": _as_it_is(device, seat, fingerprint) for device, seat, fingerprint in rows}
    server = db.scalars(select(ReadinessReport).where(ReadinessReport.machine == Machine.server().name)).one_or_none()
    if server is not None:
        found["server"] = {"seat": "", **json.loads(server.fingerprint)}
    return found


def _as_it_is(device: Device, seat: str, fingerprint: str | None) -> dict[str, Any]:
    """Put what the agent registered with its last check; what it registered is known without a check, too."""
    known: dict[str, Any] = json.loads(fingerprint) if fingerprint else {"facts": {}, "states": {}}
    own = {"machine_id": [device.machine_id], "macs": sorted(json.loads(device.macs))}
    return {"seat": seat, "facts": own | known["facts"], "states": known["states"]}


def _changes(
    before: Mapping[str, Any] | None, now: Mapping[str, Any] | None, allowed: Sequence[str]
) -> list[Difference]:
    """Name what changed on one machine; one that came or went is one change."""
    if before is None:
        return [Difference("new_machine", ("封场后新登记的考试机", "a PC registered after the sealing"))]
    if now is None:
        return [Difference("machine_gone", ("考试机被换下或移除", "the PC was taken away from the seat"))]
    found = list(differences(_thawed(before), _thawed(now), allowed=allowed))
    if before["seat"] != now["seat"]:
        text = (f"由考位 {before['seat']} 换到 {now['seat']}", f"moved from seat {before['seat']} to {now['seat']}")
        found.insert(0, Difference("seat", text))
    return found


def _thawed(document: Mapping[str, Any]) -> Frozen:
    return thaw({"facts": document["facts"], "states": document["states"]})


def _programs_of(db: Session, room_id: int) -> list[str]:
    """List what the test itself starts: the browser, what the plans allow, and what practical items name."""
    rows = db.execute(
        select(Sitting.paper_id, Subject.lockdown)
        .join(Subject, Subject.id == Sitting.subject_id)
        .where(Sitting.room_id == room_id, Sitting.kind == SittingKind.REAL)
    ).all()
    papers = select(Paper.sha256, Paper.id).where(Paper.id.in_({one.paper_id for one in rows}))
    named = {name for sha256, paper_id in db.execute(papers) for name in _programs_in(db, paper_id, sha256)}
    allowed = {name for one in rows for name in json.loads(one.lockdown).get("programs_allowed", ())}
    return sorted(named | allowed | BROWSERS)


def _programs_in(db: Session, paper_id: int, sha256: str) -> tuple[str, ...]:
    """Give the programs of a paper; remembered, as papers are large and never change under their hash."""
    if sha256 not in _programs:
        document = db.scalars(select(Paper.document).where(Paper.id == paper_id)).one()
        _programs[sha256] = programs_of(json.loads(document))
    return _programs[sha256]


def _note_break(
    db: Session, seal: RoomSeal, machine: str, seat: str, changes: Sequence[Difference], at: datetime
) -> SealBreak:
    differences = _text([{"what": one.what, "zh": one.text[0], "en": one.text[1]} for one in changes])
    one = SealBreak(seal_id=seal.id, machine=machine, seat=seat, differences=differences, found_at=at)
    db.add(one)
    db.flush()
    room = db.get_one(Room, seal.room_id)
    journal.append(db, "room_seal_broken", at=at, room=room.name, **_said(one, changes))
    return one


def _said(one: SealBreak, changes: Sequence[Difference]) -> dict[str, Any]:
    zh, en = machine_title(one.machine, one.seat)
    return {
        "machine_zh": zh,
        "machine_en": en,
        "differences_zh": "；".join(change.text[0] for change in changes),
        "differences_en": "; ".join(change.text[1] for change in changes),
    }


def changes_of(one: SealBreak) -> list[Difference]:
    """Read what a break tells."""
    return [Difference(change["what"], (change["zh"], change["en"])) for change in json.loads(one.differences)]


def machine_title(machine: str, seat: str) -> tuple[str, str]:
    """Say which machine a break is about."""
    return ("服务器", "server") if machine == "server" else (f"考位 {seat}", f"seat {seat}")


def _note_sealed(
    db: Session, room: Room, seal: RoomSeal, *, left: Sequence[tuple[str, str]], by: int, at: datetime
) -> None:
    journal.append(
        db, "room_sealed", at=at, by=by, room=room.name, technician=seal.technician, exam_officer=seal.exam_officer
    )
    if left:
        journal.append(
            db,
            "room_seal_forced",
            at=at,
            by=by,
            room=room.name,
            count=len(left),
            name=db.get_one(Staff, by).name,
            reason=seal.force_reason,
            points_zh="；".join(zh for zh, _ in left),
            points_en="; ".join(en for _, en in left),
        )


def _locked(db: Session, room_id: int) -> Room:
    room_of(db, room_id)
    room = lock_row(db, Room, room_id)
    assert room is not None
    return room


def _seal_in_force(db: Session, room_id: int) -> SealReading:
    reading = read_seal(db, room_id)
    if reading is None:
        raise Refused(NOT_SEALED)
    return reading


def _check_nothing_runs(db: Session, room: Room, act: tuple[str, str]) -> None:
    running = select(Sitting.id).where(Sitting.room_id == room.id, Sitting.state.in_(_UNDER_WAY)).limit(1)
    if db.scalars(running).first() is not None:
        raise Refused(SITTING_UNDER_WAY, act_zh=act[0], act_en=act[1])


def _point_json(point: Point) -> dict[str, object]:
    return {"code": point.code, "state": str(point.state), "zh": point.zh, "en": point.en, "seats": list(point.seats)}


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
