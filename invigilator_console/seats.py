"""Seat links: the technician opens each once on its PC, which makes that PC the seat's workstation (design §13.15)."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, render_template
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_only
from invigilator_console.pages import page_frame
from invigilator_console.seat_state import moment
from station.services.seat_links import seat_link_code
from station.store import queries
from station.store.models import Staff
from station.web.edge import Edge
from station.web.guards import json_response


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    @routes.get("/seats")
    @staff_only(edge, "set_up_seats")
    def page(db: Session, person: Staff, at: datetime) -> str:
        return render_template("seats.html", **page_frame(edge))

    @routes.get("/api/seats")
    @staff_only(edge, "set_up_seats")
    def seats(db: Session, person: Staff, at: datetime) -> Response:
        return json_response(
            [
                {
                    "seat_id": one.seat.id,
                    "room": one.room_name,
                    "seat": one.seat.number,
                    "is_spare": one.seat.is_spare,
                    "path": f"/seat/{one.seat.id}/{seat_link_code(edge.secret, one.seat.id)}",
                    "address": one.address,
                    "opened_at": moment(one.opened_at),
                }
                for one in queries.list_seats(db)
            ]
        )
