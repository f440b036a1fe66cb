"""Sealing a room at the console: what must hold, who signs, the body's word, and what changed since (R-ROOM-7)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, render_template
from sqlalchemy import select
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_body, staff_only
from invigilator_console.pages import page_frame
from invigilator_console.room import heard_devices
from invigilator_console.seat_state import moment
from station.domain.sealing import Point, ticks_wanted
from station.domain.sitting import SittingKind, SittingState
from station.domain.staff import Role
from station.errors import Invalid, StationError
from station.services import disk_space, pairing, rehearsing, room_check, room_sealing, seal_points, trial
from station.services.room_sealing import SealOrder
from station.services.seal_points import Facts, Trial
from station.store.models import Sitting, Staff
from station.store.room_reading import SealReading
from station.web.edge import Edge
from station.web.guards import FIELD_WRONG, json_response, say, text_field

_TO_START = (SittingState.PLANNED, SittingState.ADMITTING)


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""
    _register_page(routes, edge)
    _register_acts(routes, edge)
    _register_afterwards(routes, edge)


def _register_page(routes: Blueprint, edge: Edge) -> None:
    @routes.get("/rooms/<int:room_id>/seal")
    @staff_only(edge, "seal_room")
    def page(db: Session, person: Staff, at: datetime, room_id: int) -> str:
        room = room_check.room_of(db, room_id)
        return render_template("seal.html", room=room, **page_frame(edge))

    @routes.get("/api/rooms/<int:room_id>/seal")
    @staff_only(edge, "see_board")
    def state(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        points = read_points(db, edge, room_id, {}, at)
        names = db.execute(select(Staff.role, Staff.name).where(Staff.active).order_by(Staff.id)).all()
        sheets = seal_points.sheets_of(db, room_id, zone=edge.zone)
        return json_response(
            {
                "now": moment(at),
                # What is typed on the page is compared there: the numbers are no secret.
                "points": [point_document(one) for one in points if one.code != "sign_in"],
                "ticks": [{"code": code, "text": say(*names)} for code, names in ticks_wanted(points).items()],
                "sheets": [
                    {"sitting_id": one.sitting_id, "name": one.name, "expected": one.expected} for one in sheets
                ],
                "tight_sittings": _tight_sittings(db, edge, room_id),
                "technicians": [name for role, name in names if role == Role.TECHNICIAN],
                "exam_officers": [name for role, name in names if role == Role.EXAM_OFFICER],
                "seal": seal_document(db, room_sealing.seal_of(db, room_id)),
            }
        )


def _register_acts(routes: Blueprint, edge: Edge) -> None:
    def seal(db: Session, person: Staff, at: datetime, room_id: int, *, is_forced: bool) -> Response:
        order = _order(staff_body())
        points = read_points(db, edge, room_id, order.sheets, at)
        again = staff_body().get("again") is True
        made = room_sealing.seal_room(
            db, room_id, order, points=points, by=person.id, at=at, is_forced=is_forced, again=again
        )
        pairing.close_pairing(db, room_id, by=person.id, at=at)
        return json_response({"done": True, "sealed_at": moment(made.sealed_at)})

    @routes.post("/api/rooms/<int:room_id>/seal")
    @staff_only(edge, "seal_room", writes=True)
    def seal_room(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        return seal(db, person, at, room_id, is_forced=False)

    @routes.post("/api/rooms/<int:room_id>/force_seal")
    @staff_only(edge, "force_seal", writes=True, second=True)
    def force_seal(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        """Seal although points are open: the body's technical support alone, here or as the second person."""
        return seal(db, person, at, room_id, is_forced=True)

    @routes.post("/api/rooms/<int:room_id>/unseal")
    @staff_only(edge, "seal_room", writes=True)
    def unseal(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        reason = text_field(staff_body(), "reason", longest=500)
        room_sealing.unseal_room(db, room_id, reason=reason, by=person.id, at=at)
        return json_response({"done": True})


def _register_afterwards(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/rooms/<int:room_id>/confirm_seal")
    @staff_only(edge, "confirm_seal", writes=True, second=True)
    def confirm(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        """The body's technical support confirms in person, by an account of its own."""
        way = text_field(staff_body(), "way", longest=200, default="") or say(
            "本人在监考台确认", "in person at the console"
        )
        room_sealing.confirm_seal(db, room_id, name=person.name, way=way, by=person.id, at=at, is_support=True)
        return json_response({"done": True})

    @routes.post("/api/rooms/<int:room_id>/note_confirmation")
    @staff_only(edge, "seal_room", writes=True)
    def note_confirmation(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        """The site writes down who of the body's technical support confirmed, and how (telephone, remote session)."""
        name, way = text_field(staff_body(), "name", longest=100), text_field(staff_body(), "way", longest=200)
        room_sealing.confirm_seal(db, room_id, name=name, way=way, by=person.id, at=at)
        return json_response({"done": True})

    @routes.post("/api/seal_breaks/<int:break_id>/accept")
    @staff_only(edge, "accept_seal_break", writes=True, second=True)
    def accept(db: Session, person: Staff, at: datetime, break_id: int) -> Response:
        reason = text_field(staff_body(), "reason", longest=500)
        room_sealing.accept_break(db, break_id, reason=reason, by=person.id, at=at)
        return json_response({"done": True})


def read_points(db: Session, edge: Edge, room_id: int, sheets: Mapping[int, int], at: datetime) -> list[Point]:
    """Look at everything that the station can look at itself."""
    picture = room_check.read_picture(db, room_id, heard=heard_devices(edge, db, room_id), at=at)
    refusals = [one for one in _disk_refusals(db, edge, room_id).values() if one is not None]
    facts = Facts(
        edge.zone, disk=refusals, has_backups=edge.has_backups, sheets=sheets, trial=_trial_of(db, room_id, at)
    )
    return seal_points.read_points(db, picture, facts, at=at)


def _trial_of(db: Session, room_id: int, at: datetime) -> Trial | None:
    """Say how the newest rehearsal and the newest trial of a room went: both have to have gone well."""
    told = (rehearsing.last_result(db, room_id, at=at), trial.last_result(db, room_id, at=at))
    found = [one for one in told if one is not None]
    if not found:
        return None
    return Trial(
        is_passed=all(one[0] for one in found),
        held_at=max(one[1] for one in found),
        zh="；".join(one[2] for one in found),
        en="; ".join(one[3] for one in found),
    )


def point_document(point: Point) -> dict[str, Any]:
    """Describe a point for the page."""
    return {
        "code": point.code,
        "state": point.state,
        "title": say(*point.title),
        "text": say(point.zh, point.en),
    }


def seal_document(db: Session, reading: SealReading | None) -> dict[str, Any] | None:
    """Describe the seal in force, who signed and confirmed, and what changed since."""
    if reading is None:
        return None
    seal = reading.seal
    names = {one.id: one.name for one in db.scalars(select(Staff))}
    return {
        "sealed_at": moment(seal.sealed_at),
        "sealed_by": names[seal.sealed_by],
        "technician": seal.technician,
        "exam_officer": seal.exam_officer,
        "forced_by": names.get(seal.forced_by) if seal.forced_by is not None else None,
        "force_reason": seal.force_reason,
        "confirmed_at": moment(seal.confirmed_at),
        "confirmed_name": seal.confirmed_name,
        "confirmed_way": seal.confirmed_way,
        "is_confirmed_in_person": seal.confirmed_by is not None,
        "breaks": [
            {
                "id": one.id,
                "machine": say(*room_sealing.machine_title(one.machine, one.seat)),
                "found_at": moment(one.found_at),
                "texts": [say(change["zh"], change["en"]) for change in json.loads(one.differences)],
                "accepted_at": moment(one.accepted_at),
                "accepted_by": names.get(one.accepted_by) if one.accepted_by is not None else None,
                "reason": one.accepted_reason,
            }
            for one in reading.breaks
        ],
    }


def _disk_refusals(db: Session, edge: Edge, room_id: int) -> dict[int, StationError | None]:
    """Ask the one gate on the disk for every sitting of the room that is to start."""
    disk = edge.disk.disk()
    found: dict[int, StationError | None] = {}
    to_start = (Sitting.room_id == room_id, Sitting.state.in_(_TO_START), Sitting.kind == SittingKind.REAL)
    for sitting_id in db.scalars(select(Sitting.id).where(*to_start)):
        try:
            disk_space.check_room_on_disk(db, sitting_id, disk=disk)
            found[sitting_id] = None
        except StationError as refusal:
            found[sitting_id] = refusal
    return found


def _tight_sittings(db: Session, edge: Edge, room_id: int) -> list[int]:
    """List the sittings for which the chief examiner may accept a tight disk."""
    refusals = _disk_refusals(db, edge, room_id)
    return [sitting_id for sitting_id, one in refusals.items() if one is not None and one.code == "disk_tight"]


def _order(body: dict[str, Any]) -> SealOrder:
    ticks, sheets = body.get("ticks", []), body.get("sheets", {})
    if not isinstance(ticks, list) or not all(isinstance(one, str) for one in ticks):
        raise Invalid(FIELD_WRONG, field="ticks")
    if not isinstance(sheets, dict) or not all(
        key.isascii() and key.isdigit() and isinstance(count, int) and not isinstance(count, bool)
        for key, count in sheets.items()
    ):
        raise Invalid(FIELD_WRONG, field="sheets")
    return SealOrder(
        technician=text_field(body, "technician", longest=100),
        exam_officer=text_field(body, "exam_officer", longest=100),
        ticks=frozenset(ticks),
        sheets={int(key): count for key, count in sheets.items()},
        reason=text_field(body, "reason", longest=500, default=""),
    )
