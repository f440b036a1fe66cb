"""Rehearsals 压力演练 of a room: begin, take in what the players measured, judge, and remove what they left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from station.domain.rehearsal import (
    COUNTS_FOR,
    GRACE,
    JUDGING,
    RehearsalState,
    Server,
    Summary,
    Way,
    check_length,
    parse_report,
    spoken,
    sum_up,
)
from station.domain.sitting import SittingKind, SittingState
from station.errors import Missing, Refused, problem
from station.services import journal, practice
from station.services.practice import SeatTicket
from station.store.locking import lock_row
from station.store.models import (
    Attempt,
    Device,
    DeviceCommand,
    Rehearsal,
    RehearsalPlayer,
    Room,
    Seat,
    Sitting,
)

REHEARSAL_UNKNOWN = problem("rehearsal_unknown", "没有这次演练。", "There is no such rehearsal.")
NO_PLAYER = problem(
    "no_player",
    "没有可参加演练的考试机：须已登记、在线，且考试机程序支持演练。",
    "No PC can take part: it has to be registered, heard, and its agent must know how to rehearse.",
)
COMMAND = "rehearse"
_SUBJECT = "rehearsal"


@dataclass(frozen=True)
class Begun:
    """A rehearsal under way, with the tickets of its seats."""

    rehearsal_id: int
    ends_by: datetime
    tickets: Sequence[SeatTicket]


def begin(
    db: Session,
    room: Room,
    *,
    way: Way,
    minutes: int,
    players: int,
    devices: Sequence[tuple[int, str]] = (),
    by: int,
    at: datetime,
) -> Begun:
    """Begin a rehearsal at seats that are in no real room; refused while any room holds a real sitting.

    `devices`: the PCs that play by themselves with the number of their seat; `players` counts for the server alone.
    """
    numbers = [number for _, number in devices] if way is Way.AGENTS else [str(one + 1) for one in range(players)]
    if not numbers:
        raise Refused(NO_PLAYER)
    check_length(minutes, len(numbers) if way is Way.SERVER else 1)
    lasts = timedelta(minutes=minutes)
    end_overdue(db, at=at)
    practice.check_free(db, room_id=None, lasts=lasts, at=at)
    subject = practice.keep_subject(db, _SUBJECT, name="压力演练", duration_min=120, at=at)
    paper = practice.keep_builtin_paper(db, subject, at=at)
    hidden = _hidden_room(db, room)
    sitting = Sitting(
        room_id=hidden.id,
        subject_id=subject.id,
        paper_id=paper.id,
        planned_start_at=at,
        started_at=at,
        state=SittingState.RUNNING,
        kind=SittingKind.REHEARSAL,
    )
    db.add(sitting)
    db.flush()
    tickets = practice.place_candidates(db, sitting, _seats(db, hidden, numbers), by=by)
    rehearsal = Rehearsal(
        room_id=room.id,
        sitting_id=sitting.id,
        way=way,
        minutes=minutes,
        players=len(tickets),
        started_at=at,
        started_by=by,
        ends_by=at + lasts + GRACE,
    )
    db.add(rehearsal)
    db.flush()
    device_of = {number: device_id for device_id, number in devices}
    db.add_all(
        RehearsalPlayer(
            rehearsal_id=rehearsal.id, seat=one.seat, entry_id=one.entry_id, device_id=device_of.get(one.seat)
        )
        for one in tickets
    )
    db.flush()
    journal.append(
        db,
        "rehearsal_begun",
        at=at,
        by=by,
        sitting_id=sitting.id,
        room=room.name,
        minutes=minutes,
        players=len(tickets),
    )
    return Begun(rehearsal.id, rehearsal.ends_by, tickets)


def command_players(
    db: Session, begun: Begun, arguments: Mapping[str, Mapping[str, Any]], *, by: int, at: datetime
) -> None:
    """Tell every PC of a rehearsal what to play; `arguments` by seat number."""
    players = db.scalars(select(RehearsalPlayer).where(RehearsalPlayer.rehearsal_id == begun.rehearsal_id))
    for player in players:
        if player.device_id is not None:
            text = json.dumps(arguments[player.seat], ensure_ascii=False)
            db.add(DeviceCommand(device_id=player.device_id, kind=COMMAND, arguments=text, given_at=at, given_by=by))
    db.flush()


def able_devices(db: Session, room_id: int, heard: frozenset[int]) -> list[tuple[int, str]]:
    """List the PCs of a room that can play by themselves, with their seats' numbers."""
    rows = db.execute(
        select(Device.id, Seat.number, Device.capabilities)
        .join(Seat, Seat.id == Device.seat_id)
        .where(Seat.room_id == room_id, Device.ended_at.is_(None))
        .order_by(Device.id)
    )
    return [(row[0], row[1]) for row in rows if row[0] in heard and COMMAND in json.loads(row[2])]


def take_report(
    db: Session, rehearsal_id: int, document: Mapping[str, Any], *, device_id: int | None, seat: str = "", at: datetime
) -> None:
    """Keep what one player measured; a PC reports for its own seat only, and the last word counts."""
    query = select(RehearsalPlayer).where(RehearsalPlayer.rehearsal_id == rehearsal_id)
    query = query.where(
        RehearsalPlayer.device_id == device_id if device_id is not None else RehearsalPlayer.seat == seat
    )
    player = db.scalars(query).one_or_none()
    if player is None or db.get_one(Rehearsal, rehearsal_id).state != RehearsalState.RUNNING:
        raise Missing(REHEARSAL_UNKNOWN)
    player.report, player.reported_at = json.dumps(parse_report(document).as_document()), at


def is_running(db: Session, rehearsal_id: int) -> bool:
    """Say whether a rehearsal goes on; somebody may have broken it off."""
    return db.get_one(Rehearsal, rehearsal_id).state == RehearsalState.RUNNING


def is_complete(db: Session, rehearsal_id: int) -> bool:
    """Say whether every player has reported, or its PC has said that it will not."""
    query = select(RehearsalPlayer.seat).where(
        RehearsalPlayer.rehearsal_id == rehearsal_id, RehearsalPlayer.report == ""
    )
    waiting = set(db.scalars(query))
    return not waiting or waiting <= _refusals(db, db.get_one(Rehearsal, rehearsal_id)).keys()


def finish(db: Session, rehearsal_id: int, *, server: Server, at: datetime) -> list[str]:
    """Judge a rehearsal by what the players told and what the store holds, and remove its answers.

    Returns the files that nobody needs any more. One that has ended already is left as it is.
    """
    rehearsal = lock_row(db, Rehearsal, rehearsal_id)
    if rehearsal is None:
        raise Missing(REHEARSAL_UNKNOWN)
    if rehearsal.state != RehearsalState.RUNNING:
        return []
    players = list(db.scalars(select(RehearsalPlayer).where(RehearsalPlayer.rehearsal_id == rehearsal_id)))
    reports = {one.seat: parse_report(json.loads(one.report)) if one.report else None for one in players}
    refusals = _refusals(db, rehearsal)
    summary = sum_up(reports, stored=_stored(db, players), server=server, refusals=refusals)
    any_told = any(one is not None for one in reports.values())
    state = RehearsalState.PASSED if summary.is_passed else RehearsalState.FAILED
    return _end(db, rehearsal, state if any_told else RehearsalState.BROKEN, summary, at=at)


def break_off(db: Session, rehearsal_id: int, *, by: int, at: datetime) -> list[str]:
    """Stop a rehearsal without a result."""
    rehearsal = lock_row(db, Rehearsal, rehearsal_id)
    if rehearsal is None:
        raise Missing(REHEARSAL_UNKNOWN)
    if rehearsal.state != RehearsalState.RUNNING:
        return []
    return _end(db, rehearsal, RehearsalState.BROKEN, None, by=by, at=at)


def break_off_all(db: Session, *, by: int, at: datetime) -> list[str]:
    """Stop every rehearsal: a real sitting opens."""
    running = db.scalars(select(Rehearsal.id).where(Rehearsal.state == RehearsalState.RUNNING)).all()
    return [file for one in running for file in break_off(db, one, by=by, at=at)]


def is_any_overdue(db: Session, *, at: datetime) -> bool:
    """Say cheaply whether a stop of the station has left a rehearsal unfinished."""
    return db.scalars(select(Rehearsal.id).where(*_overdue(at)).limit(1)).first() is not None


def end_overdue(db: Session, *, at: datetime) -> list[str]:
    """Break off what a stop of the station left unfinished."""
    files: list[str] = []
    for one in db.scalars(select(Rehearsal).where(*_overdue(at))).all():
        files += _end(db, one, RehearsalState.BROKEN, None, at=at)
    return files


def _overdue(at: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Rehearsal.state == RehearsalState.RUNNING, Rehearsal.ends_by < at - JUDGING


def count_reported(db: Session, rehearsal_id: int) -> int:
    """Count the players who have reported."""
    told = (RehearsalPlayer.rehearsal_id == rehearsal_id, RehearsalPlayer.report != "")
    return db.scalar(select(func.count()).select_from(RehearsalPlayer).where(*told)) or 0


def count_seats(db: Session, room_id: int) -> int:
    """Count the seats of a room, spares too."""
    return db.scalar(select(func.count()).select_from(Seat).where(Seat.room_id == room_id)) or 0


def list_rehearsals(db: Session, room_id: int, *, at: datetime) -> list[tuple[Rehearsal, RehearsalState]]:
    """List a room's last rehearsals, the newest first, each with its state at this moment."""
    rows = db.scalars(select(Rehearsal).where(Rehearsal.room_id == room_id).order_by(Rehearsal.id.desc()).limit(20))
    return [(one, state_of(one, at)) for one in rows]


def state_of(rehearsal: Rehearsal, at: datetime) -> RehearsalState:
    """Say how a rehearsal stands: one of which nothing came in time is broken off."""
    state = RehearsalState(rehearsal.state)
    is_overdue = state is RehearsalState.RUNNING and at > rehearsal.ends_by + JUDGING
    return RehearsalState.BROKEN if is_overdue else state


def rehearsal_of(db: Session, rehearsal_id: int) -> Rehearsal:
    """Find a rehearsal."""
    found = db.get(Rehearsal, rehearsal_id)
    if found is None:
        raise Missing(REHEARSAL_UNKNOWN)
    return found


def last_result(db: Session, room_id: int, *, at: datetime) -> tuple[bool, datetime, str, str] | None:
    """Give the newest result of a room that still counts: passed or not, when, and in words."""
    query = select(Rehearsal).where(
        Rehearsal.room_id == room_id,
        Rehearsal.state.in_((RehearsalState.PASSED, RehearsalState.FAILED)),
        Rehearsal.ended_at >= at - COUNTS_FOR,
    )
    found = db.scalars(query.order_by(Rehearsal.id.desc()).limit(1)).one_or_none()
    if found is None or found.ended_at is None:
        return None
    zh, en = spoken(json.loads(found.result)["figures"])
    return found.state == RehearsalState.PASSED, found.ended_at, zh, en


def _end(
    db: Session,
    rehearsal: Rehearsal,
    state: RehearsalState,
    summary: Summary | None,
    *,
    by: int | None = None,
    at: datetime,
) -> list[str]:
    sitting = db.get_one(Sitting, rehearsal.sitting_id)
    practice.end_attempts(db, sitting.id, by=by, at=at)
    practice.close(db, sitting, at=at)
    rehearsal.state, rehearsal.ended_at = state, at
    told: dict[str, Any] = summary.as_document() if summary is not None else {}
    rehearsal.result = json.dumps(told, ensure_ascii=False)
    _withdraw(db, rehearsal.id, at)
    files = practice.wipe(db, sitting, at=at)
    room = db.get_one(Room, rehearsal.room_id)
    zh, en = spoken(told["figures"]) if told else ("中断，没有结果", "broken off, no result")
    event = {RehearsalState.PASSED: "rehearsal_passed", RehearsalState.FAILED: "rehearsal_failed"}.get(
        state, "rehearsal_broken"
    )
    journal.append(db, event, at=at, by=by, sitting_id=sitting.id, room=room.name, text_zh=zh, text_en=en)
    return files


def _withdraw(db: Session, rehearsal_id: int, at: datetime) -> None:
    """Take back commands that no PC has done yet."""
    players = select(RehearsalPlayer.device_id).where(RehearsalPlayer.rehearsal_id == rehearsal_id)
    waiting = select(DeviceCommand).where(
        DeviceCommand.device_id.in_(players), DeviceCommand.kind == COMMAND, DeviceCommand.done_at.is_(None)
    )
    for command in db.scalars(waiting).all():
        command.done_at, command.is_ok, command.text = at, False, "withdrawn"


def _refusals(db: Session, rehearsal: Rehearsal) -> dict[str, str]:
    """Give what the PCs say that would or could not play, by seat: locked, restarted, too old."""
    rows = db.execute(
        select(RehearsalPlayer.seat, DeviceCommand.text)
        .join(DeviceCommand, DeviceCommand.device_id == RehearsalPlayer.device_id)
        .where(
            RehearsalPlayer.rehearsal_id == rehearsal.id,
            DeviceCommand.kind == COMMAND,
            DeviceCommand.given_at >= rehearsal.started_at,
            DeviceCommand.done_at.is_not(None),
            DeviceCommand.is_ok.is_(False),
        )
    )
    return {row[0]: row[1] for row in rows}


def _stored(db: Session, players: Sequence[RehearsalPlayer]) -> dict[str, int]:
    rows = db.execute(
        select(RehearsalPlayer.seat, Attempt.revision_count)
        .join(Attempt, Attempt.entry_id == RehearsalPlayer.entry_id)
        .where(RehearsalPlayer.rehearsal_id == players[0].rehearsal_id)
    )
    return {row[0]: row[1] for row in rows}


def _hidden_room(db: Session, room: Room) -> Room:
    name = f"压力演练 {room.id}"
    hidden = db.scalars(select(Room).where(Room.name == name)).one_or_none()
    if hidden is None:
        hidden = Room(name=name, site_name=room.site_name, is_rehearsal=True)
        db.add(hidden)
        db.flush()
    return hidden


def _seats(db: Session, room: Room, numbers: Sequence[str]) -> list[Seat]:
    known = {seat.number: seat for seat in db.scalars(select(Seat).where(Seat.room_id == room.id))}
    for number in numbers:
        if number not in known:
            known[number] = Seat(room_id=room.id, number=number)
            db.add(known[number])
    db.flush()
    return [known[number] for number in numbers]
