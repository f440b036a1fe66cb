"""While everything stands still: since when, until when the room may decide by itself, and the server's right time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_body, staff_only
from invigilator_console.seat_state import moment
from station.errors import Invalid
from station.services import outage
from station.store.board_reading import BoardReading
from station.store.models import Staff
from station.web.edge import Edge
from station.web.guards import FIELD_WRONG, json_response, text_field


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    @routes.post("/api/clock/settle")
    @staff_only(edge, "resume_attempts", writes=True)
    def settle_clock(db: Session, person: Staff, at: datetime) -> Response:
        """Take the right time from the console: `at` with an offset, or without one the room's local time."""
        told = _told(text_field(staff_body(), "at", longest=40), edge)
        outage.settle_clock(db, told, by=person.id, at=at)
        edge.clock.set_to(told)
        return json_response({"done": True, "now": moment(told)})


def halt_document(reading: BoardReading) -> dict[str, Any] | None:
    """Describe what the whole sitting waits for; None while it is not suspended.

    `ask_at` is when the certificate body must be asked (R-DAY-9); `later` are the room's sittings to come that day.
    """
    sitting, subject = reading.sitting.sitting, reading.sitting.subject
    if sitting.suspended_at is None:
        return None
    kinds = {one.kind for one in reading.suspensions if one.attempt_id is None}
    return {
        "kind": "outage" if "outage" in kinds else "suspension",
        "began_at": moment(sitting.suspended_at),
        "ask_min": subject.outage_ask_min,
        "ask_at": moment(sitting.suspended_at + timedelta(minutes=subject.outage_ask_min)),
        "later": [{"subject": one.subject, "starts_at": moment(one.starts_at)} for one in reading.later],
    }


def clock_document(reading: BoardReading) -> dict[str, Any] | None:
    """Give the last moment that can be believed while the server's time cannot."""
    if reading.life is None or not reading.life.clock_in_doubt:
        return None
    return {"last_at": moment(reading.life.alive_at)}


def _told(text: str, edge: Edge) -> datetime:
    try:
        told = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(FIELD_WRONG, field="at") from None
    return (told if told.tzinfo is not None else told.replace(tzinfo=edge.zone)).astimezone(UTC)
