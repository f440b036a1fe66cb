"""What is decided by name: extensions by two people, violations and early leave by the chief examiner.

Where a decision is somebody else's than the one who is logged in, that person confirms at the same console
with own name and password (`second`).
"""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from invigilator_console.choosing import chosen_attempts, chosen_entries, named_entry
from invigilator_console.guards import staff_body, staff_only
from invigilator_console.seat_state import moment
from station.errors import Invalid, Missing
from station.services import extension, invigilation, late_saves, room_record
from station.services.admission import ENTRY_UNKNOWN
from station.store.models import Staff
from station.web.edge import Edge
from station.web.guards import FIELD_WRONG, json_response, number_field, numbers_field, text_field


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""
    _register_extensions(routes, edge)
    _register_incidents(routes, edge)
    _register_late_saves(routes, edge)


def _register_extensions(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/extensions")
    @staff_only(edge, "propose_extension", writes=True)
    def propose(db: Session, person: Staff, at: datetime) -> Response:
        body = staff_body()
        proposed = extension.propose_extension(
            db,
            chosen_attempts(db),
            seconds=number_field(body, "minutes", lowest=0, highest=10_000) * 60,
            reason_kind=text_field(body, "reason_kind", longest=32),
            reason=text_field(body, "reason", longest=500, default=""),
            by=person,
            at=at,
            asked_by_candidate=_flag("asked_by_candidate", default=False),
        )
        return json_response({"extension_ids": [one.id for one in proposed]})

    @routes.post("/api/extensions/decide")
    @staff_only(edge, "see_board", writes=True, second=True)
    def decide(db: Session, person: Staff, at: datetime) -> Response:
        effective = extension.decide_extensions(
            db,
            numbers_field(staff_body(), "extension_ids"),
            granted=_flag("granted"),
            by=person,
            at=at,
            body_reference=text_field(staff_body(), "body_reference", longest=200, default=""),
        )
        return json_response({"effective": effective, "decided_by": person.name})


def _register_incidents(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/incidents")
    @staff_only(edge, "record_incident", writes=True, second=True)
    def record(db: Session, person: Staff, at: datetime) -> Response:
        body = staff_body()
        sitting = invigilation.sitting_of(db, number_field(body, "sitting_id", lowest=1))
        entry = named_entry(db) if body.get("entry_id") is not None else None
        if entry is not None and entry.sitting_id != sitting.id:
            raise Missing(ENTRY_UNKNOWN)
        measure = text_field(body, "measure", longest=32, default="")
        if measure:
            invigilation.check_may(person, "decide_violation")
        incident = room_record.record_incident(
            db,
            sitting.id,
            entry=entry,
            kind=text_field(body, "kind", longest=32),
            text=text_field(body, "text", longest=500),
            by=person.id,
            at=at,
            measure=measure,
            decided_by=person.id if measure else None,
        )
        db.flush()
        return json_response({"incident_id": incident.id})

    @routes.post("/api/early_leave")
    @staff_only(edge, "allow_early_leave", writes=True, second=True)
    def allow_early_leave(db: Session, person: Staff, at: datetime) -> Response:
        chosen = chosen_entries(db)
        room_record.allow_early_leave(db, chosen, by=person.id, at=at)
        return json_response({"changed": len(chosen)})


def _register_late_saves(routes: Blueprint, edge: Edge) -> None:
    @routes.get("/api/late_saves/<int:sitting_id>")
    @staff_only(edge, "see_board")
    def listed(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        return json_response(
            [
                {
                    "attempt_id": one.attempt_id,
                    "entry_id": one.entry_id,
                    "name": one.name,
                    "seat": one.seat,
                    "count": one.count,
                    "files": one.files,
                    "deadline_at": moment(one.deadline_at),
                    "last_at": moment(one.last_at),
                    "late_s": round((one.last_at - one.deadline_at).total_seconds()),
                }
                for one in late_saves.late_saves_of(db, sitting_id)
            ]
        )

    @routes.post("/api/late_saves/accept")
    @staff_only(edge, "accept_late_saves", writes=True, second=True)
    def accept(db: Session, person: Staff, at: datetime) -> Response:
        attempt_ids = numbers_field(staff_body(), "attempt_ids")
        accepted = late_saves.accept_late_saves(db, attempt_ids, by=person.id, at=at)
        return json_response({"accepted": accepted})


def _flag(name: str, *, default: bool | None = None) -> bool:
    value = staff_body().get(name, default)
    if not isinstance(value, bool):
        raise Invalid(FIELD_WRONG, field=name)
    return value
