"""Trials 试考 of a room at the console: open for all seats, start, end, print the tickets, wipe (R-ROOM-6)."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, render_template
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_body, staff_only
from invigilator_console.pages import page_frame
from invigilator_console.rehearsal_run import remove_once_wiped
from invigilator_console.seat_state import moment
from station.domain.sitting import STATE_NAMES, SittingKind, SittingState
from station.services import practice, room_check, trial
from station.store import queries
from station.store.models import Staff, Subject
from station.web.edge import Edge
from station.web.guards import json_response, number_field, say


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""
    _register_pages(routes, edge)
    _register_acts(routes, edge)


def _register_pages(routes: Blueprint, edge: Edge) -> None:
    @routes.get("/api/rooms/<int:room_id>/trials")
    @staff_only(edge, "see_board")
    def trials(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        room_check.room_of(db, room_id)
        subjects: dict[int, Subject] = {one.subject.id: one.subject for one in queries.list_sittings(db)}
        return json_response(
            {
                "papers": [{"id": one.id, "title": one.title} for one in trial.practice_papers(db)],
                "subjects": [
                    {"id": one.id, "name": f"{one.certificate_name}（{one.level}）{one.name}"}
                    for one in subjects.values()
                ],
                "trials": [
                    {
                        "id": sitting.id,
                        "subject": subject.name,
                        "paper": title,
                        "minutes": subject.duration_min,
                        "state": sitting.state,
                        "state_name": say(*STATE_NAMES[SittingState(sitting.state)]),
                        "opened_at": moment(sitting.planned_start_at),
                        "started_at": moment(sitting.started_at),
                        "closed_at": moment(sitting.closed_at),
                        "wiped_at": moment(sitting.wiped_at),
                        "counts": trial.count_now(db, sitting),
                    }
                    for sitting, subject, title in trial.list_trials(db, room_id)
                ],
            }
        )

    @routes.get("/trials/<int:sitting_id>/tickets")
    @staff_only(edge, "see_board")
    def tickets(db: Session, person: Staff, at: datetime, sitting_id: int) -> str:
        """Print the practice tickets of all seats, to be laid out or read aloud."""
        sitting = practice.practice_sitting(db, sitting_id, SittingKind.TRIAL)
        return render_template(
            "form_trial_tickets.html",
            room=room_check.room_of(db, sitting.room_id),
            seats=trial.list_seats(db, sitting_id),
            printed_at=at.astimezone(edge.zone),
            **page_frame(edge),
        )


def _register_acts(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/rooms/<int:room_id>/trials")
    @staff_only(edge, "rehearse", writes=True)
    def prepare(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        body = staff_body()
        sitting = trial.prepare(
            db,
            room_check.room_of(db, room_id),
            minutes=number_field(body, "minutes", lowest=1),
            paper_id=number_field(body, "paper_id") if "paper_id" in body else 0,
            subject_id=number_field(body, "subject_id") if "subject_id" in body else 0,
            by=person.id,
            at=at,
        )
        return json_response({"sitting_id": sitting.id})

    @routes.post("/api/trials/<int:sitting_id>/start")
    @staff_only(edge, "rehearse", writes=True)
    def start(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        trial.start(db, sitting_id, by=person.id, at=at)
        return json_response({"done": True})

    @routes.post("/api/trials/<int:sitting_id>/end")
    @staff_only(edge, "rehearse", writes=True)
    def end(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        trial.end(db, sitting_id, by=person.id, at=at)
        return json_response({"done": True})

    @routes.post("/api/trials/<int:sitting_id>/wipe")
    @staff_only(edge, "rehearse", writes=True)
    def wipe(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        remove_once_wiped(db, edge, trial.wipe(db, sitting_id, by=person.id, at=at))
        return json_response({"done": True})
