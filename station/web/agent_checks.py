"""The room check over HTTP, for the agents (client_agent/PROTOCOL.md): what is wanted of a PC, and its report."""

from __future__ import annotations

from datetime import datetime

from flask import Flask, Response
from sqlalchemy.orm import Session

from station.domain.requirements import as_answer
from station.services import room_check, room_sealing
from station.services.room_check import Machine
from station.store.device_queries import KnownDevice
from station.web.agent_guard import agent_only
from station.web.edge import Edge
from station.web.guards import json_body, json_response


def add_check_routes(app: Flask, edge: Edge) -> None:
    """Add what agents do for the room check."""

    @app.get("/api/agent/requirements")
    @agent_only(edge)
    def requirements(db: Session, device: KnownDevice, at: datetime) -> Response:
        return json_response(as_answer(room_check.items_for(db, machine_of(device))))

    @app.post("/api/agent/report")
    @agent_only(edge, writes=True)
    def report(db: Session, device: KnownDevice, at: datetime) -> Response:
        room_check.keep_report(db, machine_of(device), document=json_body(), at=at)
        if device.room_id is not None:
            room_sealing.hold_against_seal(db, device.room_id, at=at)
        return json_response({"kept": True})


def machine_of(device: KnownDevice) -> Machine:
    """Name a PC as the room check does."""
    return Machine.pc(device.id, seat_number=device.seat_number, room_id=device.room_id)
