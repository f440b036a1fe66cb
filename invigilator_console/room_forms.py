"""The forms of the room check, to print: sealing form with all rooms of the site, a room's check report (R-FORM-1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, render_template
from sqlalchemy import select
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_only
from invigilator_console.pages import page_frame
from invigilator_console.room import FINDING_NAMES, MACHINE_STATE_NAMES, heard_devices
from station.domain.readiness import FindingState, Readiness, seats_ready
from station.domain.sealing import POINT_TITLES, TICKS, TRIAL_TICK, TRIAL_TICK_NAMES, PointState
from station.services import room_check, room_sealing, seal_points
from station.services.room_check import PC_STATE_NAMES, PcState
from station.store.models import Room, Staff
from station.store.room_reading import SealReading, list_rooms, read_seal
from station.web.edge import Edge
from station.web.guards import say

# As many columns as an A4 page holds beside the items' names.
ROOMS_A_TABLE = 4
_MARKS = {PointState.OK: "✓", PointState.NOTE: "△", PointState.OPEN: "×", PointState.NEVER: "×"}


@dataclass(frozen=True)
class FormRoom:
    """One room's column on the form; `seal` None where the room is not sealed."""

    room: Room
    seal: SealReading | None
    points: dict[str, dict[str, Any]]
    ticks: frozenset[str]
    sheets: Sequence[tuple[str, int | None, int]]

    def point(self, code: str) -> tuple[str, str]:
        """Give the mark of a point and what was found, as it was at the sealing."""
        found = self.points.get(code)
        if found is None:
            return "—", ""
        return _MARKS[PointState(found["state"])], say(found["zh"], found["en"])

    def tick(self, code: str) -> str:
        if self.seal is None:
            return "—"
        if code == TRIAL_TICK and code not in self.ticks and self.points.get(code, {}).get("state") == PointState.OK:
            return "✓"
        return "✓" if code in self.ticks else "×"


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    def clock(at: datetime | None) -> str:
        return at.astimezone(edge.zone).strftime("%m-%d %H:%M") if at is not None else "—"

    @routes.get("/forms/sealing")
    @staff_only(edge, "see_board")
    def sealing_form(db: Session, person: Staff, at: datetime) -> str:
        rooms = list_rooms(db)
        columns = [_form_room(db, edge, room) for room in rooms]
        certificates = room_check.certificates_in(db, [room.id for room in rooms])
        words = {one.word for one in certificates}
        technicians = {one.technician_word for one in certificates}
        return render_template(
            "form_sealing.html",
            tables=[columns[start : start + ROOMS_A_TABLE] for start in range(0, len(columns), ROOMS_A_TABLE)],
            columns=columns,
            points=[(code, say(*names)) for code, names in POINT_TITLES.items()],
            ticks=[(code, say(*names)) for code, names in {TRIAL_TICK: TRIAL_TICK_NAMES, **TICKS}.items()],
            certificates=sorted({f"{one.name}（{one.level}）" for one in certificates}),
            word=words.pop() if len(words) == 1 else "考试",
            technician_word=technicians.pop() if len(technicians) == 1 else "考点技术人员",
            names={one.id: one.name for one in db.scalars(select(Staff))},
            changes=_changes,
            clock=clock,
            printed_at=at.astimezone(edge.zone),
            **page_frame(edge),
        )

    @routes.get("/rooms/<int:room_id>/report")
    @staff_only(edge, "see_board")
    def report(db: Session, person: Staff, at: datetime, room_id: int) -> str:
        picture = room_check.read_picture(db, room_id, heard=heard_devices(edge, db, room_id), at=at)
        return render_template(
            "form_room_report.html",
            picture=picture,
            summary=say(*seats_ready(one.counted for one in picture.pcs)),
            groups=room_check.group_faults(picture.pcs),
            pc_states={state: say(*names) for state, names in PC_STATE_NAMES.items()},
            machine_states={state: say(*names) for state, names in MACHINE_STATE_NAMES.items()},
            finding_states={state: say(*names) for state, names in FINDING_NAMES.items()},
            faults_of=room_check.faults_of,
            is_fail=lambda one: one.state is FindingState.FAIL,
            warning=Readiness.WARNING,
            fit=room_check.FIT,
            unheard=PcState.UNHEARD,
            clock=clock,
            printed_at=at.astimezone(edge.zone),
            **page_frame(edge),
        )


def _form_room(db: Session, edge: Edge, room: Room) -> FormRoom:
    seal = read_seal(db, room.id)
    if seal is None:
        return FormRoom(room, None, {}, frozenset(), ())
    counted = json.loads(seal.seal.sheets)
    sheets = [
        (one.name, counted.get(str(one.sitting_id)), one.expected)
        for one in seal_points.sheets_of(db, room.id, zone=edge.zone)
    ]
    points = {one["code"]: one for one in json.loads(seal.seal.points)}
    return FormRoom(room, seal, points, frozenset(json.loads(seal.seal.ticks)), sheets)


def _changes(seal: SealReading) -> list[tuple[str, str, datetime, Any]]:
    """List what changed after a sealing: the machine, the sentence, when, and the row."""
    return [
        (
            say(*room_sealing.machine_title(one.machine, one.seat)),
            "；".join(say(change["zh"], change["en"]) for change in json.loads(one.differences)),
            one.found_at,
            one,
        )
        for one in seal.breaks
    ]
