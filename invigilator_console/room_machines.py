"""The server and the invigilator PCs in the room check: measured here, judged as the agents' reports are (R-ROOM-3)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from invigilator_console.guards import remote_address, staff_body, staff_only
from invigilator_console.seat_state import moment
from station.domain.readiness import Measured, judge_machine
from station.domain.requirements import digest_of
from station.services import room_check, room_sealing
from station.services.room_check import Machine
from station.store.models import Staff
from station.web.edge import Edge
from station.web.guards import json_response
from station.web.server_probe import measure_server

# What a browser can tell of its PC; whatever else is wanted of it a person has to look at.
BROWSER_FIGURES = frozenset(
    {"round_trip_ms", "clock_offset_s", "screen_width", "screen_height", "browser_version", "cpu_cores"}
)
BY_HAND = ("浏览器无法检测，请人工核对", "a browser cannot tell: look at the PC")


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    @routes.post("/api/machines/server/check")
    @staff_only(edge, "check_room", sends=True)
    def check_server(db: Session, person: Staff, at: datetime) -> Response:
        """Measure the server; that takes some seconds, in which no transaction is held."""
        db.rollback()
        document = measure_server(edge)
        with edge.store.transaction() as writing:
            judged = room_check.keep_report(writing, Machine.server(), document=document, at=edge.clock.now())
            for room_id in room_sealing.sealed_rooms(writing):
                room_sealing.hold_against_seal(writing, room_id, at=edge.clock.now())
        return json_response({"state": judged.readiness})

    @routes.get("/api/machines/now")
    @staff_only(edge, "see_board")
    def now(db: Session, person: Staff, at: datetime) -> Response:
        return json_response({"now": moment(edge.clock.now())})

    @routes.post("/api/machines/here")
    @staff_only(edge, "see_board", writes=True)
    def report_here(db: Session, person: Staff, at: datetime) -> Response:
        """Take what the browser of an invigilator PC tells of it."""
        machine = _here()
        items = room_check.items_for(db, machine)
        measured = _told_by_browser(staff_body())
        findings = judge_machine(items, {one.check: measured.get(one.check, Measured(None, BY_HAND)) for one in items})
        document = {
            "requirements": digest_of(items),
            "took_s": 0,
            "findings": [one.as_json() for one in findings],
        }
        judged = room_check.keep_report(db, machine, document=document, at=at)
        return json_response({"machine": machine.name, "state": judged.readiness})


def _here() -> Machine:
    return Machine.console(remote_address())


def _told_by_browser(body: dict[str, Any]) -> dict[str, Measured]:
    """Take the figures that a browser has measured; anything else in the request is passed over."""
    figures = {
        name: Measured(Decimal(str(round(value, 3))))
        for name, value in body.items()
        if name in BROWSER_FIGURES
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and -1e9 < value < 1e9
    }
    return figures | {"station": Measured(True, ("已连接", "reached"))}
