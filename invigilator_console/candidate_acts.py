"""Acts on candidates, one, several or all: suspend, resume, collect, move, release, absence, leave, a raised hand."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from invigilator_console.choosing import chosen_attempts, chosen_entries, named_entry
from invigilator_console.guards import staff_body, staff_only
from station.errors import Invalid, Missing
from station.services import accessibility, admission, answering, invigilation, room_record
from station.services.invigilation import SEAT_UNKNOWN
from station.store.models import Seat, Staff
from station.web.edge import Edge
from station.web.guards import FIELD_WRONG, json_response, number_field, text_field


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""
    _register_attempts(routes, edge)
    _register_seats(routes, edge)
    _register_attendance(routes, edge)


def _register_attempts(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/attempts/suspend")
    @staff_only(edge, "suspend_attempts", writes=True)
    def suspend(db: Session, person: Staff, at: datetime) -> Response:
        attempts = chosen_attempts(db)
        changed = invigilation.suspend_attempts(db, attempts, reason=_reason(), by=person.id, at=at)
        return json_response({"changed": changed})

    @routes.post("/api/attempts/resume")
    @staff_only(edge, "resume_attempts", writes=True)
    def resume(db: Session, person: Staff, at: datetime) -> Response:
        changed = invigilation.resume_attempts(db, chosen_attempts(db), by=person.id, at=at)
        return json_response({"changed": changed})

    @routes.post("/api/attempts/collect")
    @staff_only(edge, "collect_attempts", writes=True)
    def collect(db: Session, person: Staff, at: datetime) -> Response:
        changed = answering.collect_attempts(db, chosen_attempts(db), at=at, by=person.id, reason=_reason())
        return json_response({"changed": changed})

    @routes.post("/api/attempts/terminate")
    @staff_only(edge, "decide_violation", writes=True, second=True)
    def terminate(db: Session, person: Staff, at: datetime) -> Response:
        attempts = chosen_attempts(db)
        for attempt in attempts:
            invigilation.terminate_attempt(db, attempt, reason=_reason(), by=person.id, at=at)
        return json_response({"changed": len(attempts)})


def _register_seats(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/seat_moves")
    @staff_only(edge, "move_to_spare", writes=True)
    def move(db: Session, person: Staff, at: datetime) -> Response:
        entry = named_entry(db)
        seat = db.get(Seat, number_field(staff_body(), "seat_id", lowest=1))
        if seat is None:
            raise Missing(SEAT_UNKNOWN)
        made = invigilation.move_to_spare(db, entry, seat, reason=_reason(), by=person.id, at=at)
        db.flush()
        return json_response({"seat_move_id": made.id, "seat": seat.number})

    @routes.post("/api/logins/<int:login_id>/release")
    @staff_only(edge, "release_login", writes=True)
    def release(db: Session, person: Staff, at: datetime, login_id: int) -> Response:
        admission.release_login(db, login_id, by=person.id, at=at)
        return json_response({"done": True})


def _register_attendance(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/entries/absent")
    @staff_only(edge, "record_attendance", writes=True)
    def absent(db: Session, person: Staff, at: datetime) -> Response:
        chosen = [entry.id for entry in chosen_entries(db)]
        admission.mark_absent(db, chosen, by=person.id, at=at)
        return json_response({"changed": len(chosen)})

    @routes.post("/api/entries/withdraw_absence")
    @staff_only(edge, "record_attendance", writes=True)
    def withdraw_absence(db: Session, person: Staff, at: datetime) -> Response:
        chosen = [entry.id for entry in chosen_entries(db)]
        admission.withdraw_absence(db, chosen, by=person.id, at=at)
        return json_response({"changed": len(chosen)})

    @routes.post("/api/entries/accessibility")
    @staff_only(edge, "set_accessibility", writes=True)
    def set_accessibility(db: Session, person: Staff, at: datetime) -> Response:
        aids = staff_body().get("aids")
        if not isinstance(aids, list) or not all(isinstance(aid, str) for aid in aids):
            raise Invalid(FIELD_WRONG, field="aids")
        accessibility.set_aids(db, named_entry(db), aids, reason=_reason(), by=person.id, at=at)
        return json_response({"done": True})

    @routes.post("/api/leave/begin")
    @staff_only(edge, "record_leave", writes=True)
    def begin_leave(db: Session, person: Staff, at: datetime) -> Response:
        room_record.begin_leave(db, named_entry(db), by=person.id, at=at)
        return json_response({"done": True})

    @routes.post("/api/leave/end")
    @staff_only(edge, "record_leave", writes=True)
    def end_leave(db: Session, person: Staff, at: datetime) -> Response:
        room_record.end_leave(db, named_entry(db), by=person.id, at=at)
        return json_response({"done": True})

    @routes.post("/api/help/answer")
    @staff_only(edge, "send_message", writes=True)
    def answer_help(db: Session, person: Staff, at: datetime) -> Response:
        room_record.answer_help(db, named_entry(db), by=person.id, at=at)
        return json_response({"done": True})


def _reason() -> str:
    return text_field(staff_body(), "reason", longest=500)
