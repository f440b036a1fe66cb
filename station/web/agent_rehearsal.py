"""What a candidate PC says of a rehearsal, and what its log-in page is told of a trial."""

from __future__ import annotations

from datetime import datetime

from flask import Flask, Response, request
from sqlalchemy.orm import Session

from station.errors import Invalid
from station.services import rehearsing, seat_links, trial
from station.store.device_queries import KnownDevice
from station.web.agent_guard import agent_only
from station.web.edge import Edge
from station.web.guards import (
    FIELD_WRONG,
    WORKSTATION_COOKIE,
    json_body,
    json_response,
    number_field,
    open_to_all,
)


def add_rehearsal_routes(app: Flask, edge: Edge) -> None:
    """Add what trials and rehearsals need of the candidate listener."""

    @app.post("/api/agent/rehearsal")
    @agent_only(edge, writes=True)
    def report_rehearsal(db: Session, device: KnownDevice, at: datetime) -> Response:
        body = json_body()
        measured = body.get("measured")
        if not isinstance(measured, dict):
            raise Invalid(FIELD_WRONG, field="measured")
        number = number_field(body, "rehearsal_id", lowest=1)
        rehearsing.take_report(db, number, measured, device_id=device.id, at=at)
        return json_response({"kept": True})

    @app.get("/api/trial")
    @open_to_all(edge)
    def tell_trial(db: Session, at: datetime) -> Response:
        """Tell a PC the practice ticket of its seat while a trial is held there; it is worth nothing elsewhere."""
        workstation = seat_links.workstation_of(db, request.cookies.get(WORKSTATION_COOKIE, ""))
        return json_response({"ticket_number": trial.ticket_at(db, workstation.seat_id) if workstation else None})
