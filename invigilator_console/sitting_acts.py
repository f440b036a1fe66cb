"""Acts on a whole sitting: open the log-in, start, postpone, suspend, resume, write to the candidates."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from invigilator_console.choosing import chosen_entries
from invigilator_console.guards import staff_body, staff_only
from invigilator_console.rehearsal_run import remove_once_wiped
from invigilator_console.seat_state import moment
from station.services import disk_space, invigilation, rehearsing, room_record, trial
from station.store.models import Message, Staff
from station.web.edge import Edge
from station.web.guards import json_response, number_field, text_field


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""
    _register_course(routes, edge)
    _register_messages(routes, edge)


def _register_course(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/sittings/<int:sitting_id>/open_admission")
    @staff_only(edge, "open_admission", writes=True)
    def open_admission(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        sitting = invigilation.sitting_of(db, sitting_id)
        trial.end_in_room(db, sitting.room_id, by=person.id, at=at)  # nobody need remember it at 7 a.m.
        files = rehearsing.break_off_all(db, by=person.id, at=at)
        invigilation.open_admission(db, sitting_id, by=person.id, at=at)
        remove_once_wiped(db, edge, files)
        return json_response({"done": True})

    @routes.post("/api/sittings/<int:sitting_id>/start")
    @staff_only(edge, "start_sitting", writes=True)
    def start(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        invigilation.start_sitting(db, sitting_id, by=person.id, at=at)
        disk_space.check_room_on_disk(db, sitting_id, disk=edge.disk.disk())
        return json_response({"done": True, "started_at": moment(at)})

    @routes.post("/api/sittings/<int:sitting_id>/postpone")
    @staff_only(edge, "postpone_sitting", writes=True, second=True)
    def postpone(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        invigilation.postpone_sitting(
            db,
            sitting_id,
            minutes=number_field(staff_body(), "minutes"),
            reason=text_field(staff_body(), "reason", longest=500),
            by=person.id,
            at=at,
        )
        return json_response({"done": True})

    @routes.post("/api/sittings/<int:sitting_id>/suspend")
    @staff_only(edge, "suspend_attempts", writes=True)
    def suspend(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        reason = text_field(staff_body(), "reason", longest=500)
        invigilation.suspend_sitting(db, sitting_id, reason=reason, by=person.id, at=at)
        return json_response({"done": True})

    @routes.post("/api/sittings/<int:sitting_id>/resume")
    @staff_only(edge, "resume_attempts", writes=True)
    def resume(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        word = text_field(staff_body(), "body_word", longest=500, default="")
        invigilation.resume_sitting(db, sitting_id, by=person.id, at=at, body_word=word)
        return json_response({"done": True})


def _register_messages(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/messages")
    @staff_only(edge, "send_message", writes=True)
    def send_message(db: Session, person: Staff, at: datetime) -> Response:
        sitting_id = number_field(staff_body(), "sitting_id", lowest=1)
        invigilation.sitting_of(db, sitting_id)
        chosen = chosen_entries(db, sitting_id) if staff_body().get("entry_ids") is not None else None
        text = text_field(staff_body(), "text", longest=500)
        room_record.send_message(db, sitting_id, entries=chosen, text=text, by=person.id, at=at)
        return json_response({"done": True})

    @routes.get("/api/messages/<int:sitting_id>")
    @staff_only(edge, "see_board")
    def messages(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        rows = db.execute(
            select(Message, Staff.name)
            .join(Staff, Staff.id == Message.sent_by)
            .where(Message.sitting_id == sitting_id)
            .order_by(Message.id.desc())
            .limit(50)
        )
        return json_response(
            [
                {"text": one.text, "entry_id": one.entry_id, "sent_at": moment(one.sent_at), "sent_by": name}
                for one, name in rows
            ]
        )
