"""Rehearsals and trials of a room at the console: begin, watch, end, print, wipe (R-ROOM-6, R-ROOM-7)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, render_template
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_body, staff_only
from invigilator_console.pages import page_frame
from invigilator_console.rehearsal_run import RehearsalRun, remove_once_wiped, seat_path, task_of
from invigilator_console.room import heard_devices
from invigilator_console.seat_state import moment
from station.domain.practice import FILE_ITEM, FILE_PART
from station.domain.rehearsal import LIMITS, REHEARSAL_STATE_NAMES, WAY_NAMES, RehearsalState, Way
from station.errors import Invalid
from station.services import rehearsing, room_check
from station.services.practice import SeatTicket
from station.services.rehearsing import Begun
from station.store.models import Rehearsal, Staff
from station.store.queries import seat_order
from station.web.edge import Edge
from station.web.guards import FIELD_WRONG, json_response, number_field, say, text_field

_NAMED = {
    "interrupted": ("演练中考试机程序重新启动", "its agent was started anew meanwhile"),
    "unknown": ("考试机程序版本过旧，不会演练", "its agent is too old to rehearse"),
    "withdrawn": ("命令已撤回", "the command was taken back"),
}


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""
    _register_pages(routes, edge)
    _register_acts(routes, edge)


def _register_pages(routes: Blueprint, edge: Edge) -> None:
    @routes.get("/rooms/<int:room_id>/rehearsal")
    @staff_only(edge, "see_board")
    def page(db: Session, person: Staff, at: datetime, room_id: int) -> str:
        return render_template("rehearsal.html", room=room_check.room_of(db, room_id), **page_frame(edge))

    @routes.get("/api/rooms/<int:room_id>/rehearsals")
    @staff_only(edge, "see_board")
    def state(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        room = room_check.room_of(db, room_id)
        able = rehearsing.able_devices(db, room.id, heard_devices(edge, db, room.id))
        listed = rehearsing.list_rehearsals(db, room.id, at=at)
        return json_response(
            {
                "now": moment(at),
                "able": len(able),
                "seats": rehearsing.count_seats(db, room.id),
                "rehearsals": [rehearsal_document(db, one, state) for one, state in listed],
            }
        )

    @routes.get("/rehearsals/<int:rehearsal_id>/report")
    @staff_only(edge, "see_board")
    def report(db: Session, person: Staff, at: datetime, rehearsal_id: int) -> str:
        rehearsal = rehearsing.rehearsal_of(db, rehearsal_id)
        state = rehearsing.state_of(rehearsal, at)
        return render_template(
            "form_rehearsal.html",
            room=room_check.room_of(db, rehearsal.room_id),
            rehearsal=rehearsal,
            one=rehearsal_document(db, rehearsal, state),
            by=db.get_one(Staff, rehearsal.started_by).name,
            clock=lambda when: when.astimezone(edge.zone).strftime("%Y-%m-%d %H:%M") if when else "—",
            printed_at=at.astimezone(edge.zone),
            **page_frame(edge),
        )


def _register_acts(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/rooms/<int:room_id>/rehearsals")
    @staff_only(edge, "rehearse", sends=True)
    def begin(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        """Begin a rehearsal; it runs on by itself, and its result is kept."""
        person_id = person.id
        db.rollback()
        way = _way()
        minutes = number_field(staff_body(), "minutes", lowest=1)
        players = number_field(staff_body(), "players", lowest=1) if way is Way.SERVER else 0
        with edge.store.transaction() as writing:
            room = room_check.room_of(writing, room_id)
            devices = rehearsing.able_devices(writing, room_id, heard_devices(edge, writing, room_id))
            begun = rehearsing.begin(
                writing, room, way=way, minutes=minutes, players=players, devices=devices, by=person_id, at=at
            )
            if way is Way.AGENTS:
                arguments = {one.seat: player_arguments(edge, begun, one, minutes=minutes) for one in begun.tickets}
                rehearsing.command_players(writing, begun, arguments, by=person_id, at=at)
        edge.roll.look_again()
        task = task_of(edge, begun.tickets, minutes=minutes) if way is Way.SERVER else None
        RehearsalRun(edge, begun, task=task).start()
        return json_response({"rehearsal_id": begun.rehearsal_id, "players": len(begun.tickets)})

    @routes.post("/api/rehearsals/<int:rehearsal_id>/stop")
    @staff_only(edge, "rehearse", writes=True)
    def stop(db: Session, person: Staff, at: datetime, rehearsal_id: int) -> Response:
        files = rehearsing.break_off(db, rehearsal_id, by=person.id, at=at)
        remove_once_wiped(db, edge, files)
        return json_response({"done": True})


def rehearsal_document(db: Session, rehearsal: Rehearsal, state: RehearsalState) -> dict[str, Any]:
    """Describe a rehearsal with its figures, each held against its limit."""
    result = json.loads(rehearsal.result)
    figures = result.get("figures", {})
    seats = result.get("seats", {})
    return {
        "id": rehearsal.id,
        "way": rehearsal.way,
        "way_name": say(*WAY_NAMES[Way(rehearsal.way)]),
        "minutes": rehearsal.minutes,
        "players": rehearsal.players,
        "reported": rehearsing.count_reported(db, rehearsal.id),
        "state": state,
        "state_name": say(*REHEARSAL_STATE_NAMES[state]),
        "started_at": moment(rehearsal.started_at),
        "ends_by": moment(rehearsal.ends_by),
        "ended_at": moment(rehearsal.ended_at),
        "figures": [
            {
                "code": one.code,
                "name": say(one.zh, one.en),
                "value": _shown(figures.get(one.code), one.unit),
                "unit": one.unit,
                "wanted": one.wanted,
                "holds": one.holds(figures.get(one.code)),
            }
            for one in LIMITS
        ]
        if figures
        else [],
        "seats": [
            {"seat": seat, **seats[seat], "texts": _texts(Way(rehearsal.way), seats[seat])}
            for seat in sorted(seats, key=seat_order)
        ],
    }


def player_arguments(edge: Edge, begun: Begun, ticket: SeatTicket, *, minutes: int) -> dict[str, Any]:
    """Give what an agent needs to play (PROTOCOL.md, `rehearse`)."""
    return {
        "rehearsal_id": begun.rehearsal_id,
        "minutes": minutes,
        "seat_path": seat_path(edge, ticket.seat_id),
        "ticket_number": ticket.ticket_number,
        "file_item": FILE_ITEM,
        "file_part": FILE_PART,
    }


def _way() -> Way:
    try:
        return Way(text_field(staff_body(), "way", longest=16))
    except ValueError:
        raise Invalid(FIELD_WRONG, field="way") from None


def _texts(way: Way, seat: dict[str, Any]) -> list[str]:
    """Say what went wrong at a seat; a PC that said nothing at all was switched off, or lost its cable."""
    texts = [_spoken(text) for text in seat.get("texts", ())]
    if not texts and not seat["is_told"] and way is Way.AGENTS:
        return [say("演练中失去联系", "it was not heard again")]
    return texts


def _spoken(text: str) -> str:
    """Say what a PC only names; its sentences are left as they are."""
    return say(*_NAMED[text]) if text in _NAMED else text


def _shown(value: float | None, unit: str) -> float | int | None:
    """Cut a figure to what says something: whole milliseconds, megabytes and counts, else one place."""
    if value is None:
        return None
    return round(value) if unit in {"ms", "", "MB"} else round(value, 1)
