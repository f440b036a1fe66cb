"""The room check at the console: every machine of a room at a glance, and checks asked again (R-ROOM-1 … R-ROOM-3)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from invigilator_console.guards import remote_address, staff_body, staff_only
from invigilator_console.pages import page_frame
from invigilator_console.seat_state import moment
from station.domain.readiness import (
    Finding,
    FindingState,
    Readiness,
    count_seats,
    seats_ready,
)
from station.services import agent_commands, room_check, room_sealing
from station.services.room_check import PC_STATE_NAMES, FaultGroup, Machine, Pc, RoomPicture
from station.store.models import Staff
from station.store.room_reading import CHECK, MachineReading, SealReading, list_rooms
from station.web.edge import Edge
from station.web.guards import json_response, numbers_field, say

FINDING_NAMES: dict[FindingState, tuple[str, str]] = {
    FindingState.OK: ("合格", "ok"),
    FindingState.ADVICE: ("建议改进", "advice"),
    FindingState.FAIL: ("不合格", "fails"),
    FindingState.UNKNOWN: ("无法检测", "unknown"),
}
MACHINE_STATE_NAMES: dict[Readiness, tuple[str, str]] = {
    Readiness.READY: ("就绪", "ready"),
    Readiness.WARNING: ("就绪，有提示", "ready, with advice"),
    Readiness.NOT_READY: ("未就绪", "not ready"),
}


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""
    _register_pages(routes, edge)
    _register_pcs(routes, edge)


def _register_pages(routes: Blueprint, edge: Edge) -> None:
    @routes.get("/rooms")
    @staff_only(edge, "see_board")
    def rooms(db: Session, person: Staff, at: datetime) -> str | AnyResponse:
        listed = list_rooms(db)
        if len(listed) == 1:
            return redirect(f"/rooms/{listed[0].id}")
        return render_template("rooms.html", rooms=listed, **page_frame(edge))

    @routes.get("/rooms/<int:room_id>")
    @staff_only(edge, "see_board")
    def page(db: Session, person: Staff, at: datetime, room_id: int) -> str:
        room = room_check.room_of(db, room_id)
        return render_template("room.html", room=room, here=Machine.console(remote_address()).name, **page_frame(edge))

    @routes.get("/api/rooms/<int:room_id>/check")
    @staff_only(edge, "see_board")
    def state(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        picture = room_check.read_picture(db, room_id, heard=heard_devices(edge, db, room_id), at=at)
        document = room_document(picture, room_sealing.seal_of(db, room_id))
        changed = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
        if request.args.get("changed") == changed:
            return json_response({"now": moment(at), "changed": changed, "unchanged": True})
        return json_response({"now": moment(at), "changed": changed, **document})


def _register_pcs(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/rooms/<int:room_id>/check")
    @staff_only(edge, "check_room", writes=True)
    def check(db: Session, person: Staff, at: datetime, room_id: int) -> Response:
        """Ask PCs to check themselves: those of `seat_ids`, or all. What cannot be asked is counted, not refused."""
        chosen = set(numbers_field(staff_body(), "seat_ids")) if staff_body().get("seat_ids") is not None else None
        picture = room_check.read_picture(db, room_id, heard=heard_devices(edge, db, room_id), at=at)
        pcs = [one for one in picture.pcs if chosen is None or one.reading.seat_id in chosen]
        asked = askable(db, pcs)
        if asked:
            agent_commands.give_command(db, asked, CHECK, by=person.id, at=at)
        return json_response({"asked": len(asked), "left_out": len(pcs) - len(asked)})

    @routes.get("/api/reports/<machine>")
    @staff_only(edge, "see_board")
    def report(db: Session, person: Staff, at: datetime, machine: str) -> Response:
        kept, findings = room_check.read_report(db, machine)
        order = sorted(findings, key=lambda one: one.state is FindingState.OK)
        return json_response(
            {
                "machine": kept.machine,
                "state": kept.state,
                "reported_at": moment(kept.reported_at),
                "took_s": kept.took_ms / 1000,
                "findings": [finding_document(one) for one in order],
            }
        )


def heard_devices(edge: Edge, db: Session, room_id: int) -> frozenset[int]:
    """List the devices of a room that are heard at this moment."""
    known = room_check.devices_in(db, room_id)
    return frozenset(one for one in known if edge.devices.last(one) is not None and not edge.devices.is_lost(one))


def askable(db: Session, pcs: Iterable[Pc]) -> list[Any]:
    """Find the devices that can be asked: those with an agent that knows how to check its PC."""
    ids = [one.reading.device_id for one in pcs if one.reading.device_id is not None]
    devices = agent_commands.chosen_devices(db, ids) if ids else []
    return [one for one in devices if CHECK in json.loads(one.capabilities)]


def room_document(picture: RoomPicture, seal: SealReading | None) -> dict[str, Any]:
    """Compose the room's picture; it stays the same while nothing changes."""
    counted = [one.counted for one in picture.pcs]
    own, spare = count_seats(counted)
    counts = {str(state): 0 for state in PC_STATE_NAMES}
    for one in picture.pcs:
        counts[one.state] += 1
    asked = [one for one in picture.pcs if one.is_checking]
    return {
        "summary": say(*seats_ready(counted)),
        "seats": {"all": own.all, "fit": own.fit, "warned": own.warned},
        "spares": {"all": spare.all, "fit": spare.fit, "warned": spare.warned},
        "counts": counts,
        "checking": len(asked),
        "state_names": {str(state): say(*names) for state, names in PC_STATE_NAMES.items()},
        "pcs": [pc_document(one) for one in picture.pcs],
        "faults": [group_document(one) for one in room_check.group_faults(picture.pcs)],
        "machines": [machine_document(one) for one in picture.machines],
        "seal": seal_line(seal),
    }


def pc_document(pc: Pc) -> dict[str, Any]:
    """Describe one seat of the room."""
    one = pc.reading
    first = pc.faults[0] if pc.faults else None
    return {
        "seat_id": one.seat_id,
        "seat": one.number,
        "is_spare": one.is_spare,
        "machine": f"pc:{one.device_id}" if one.device_id is not None else None,
        "name": one.device_name or "",
        "state": pc.state,
        "state_name": say(*PC_STATE_NAMES[pc.state]),
        "is_checking": pc.is_checking,
        "reported_at": moment(one.reported_at),
        "first": "" if first is None else say(*first.title),
        "told": "" if first is None else say(*first.measured),
        "more": max(0, len(pc.faults) - 1),
    }


def group_document(group: FaultGroup) -> dict[str, Any]:
    """Describe a fault that several PCs have in common."""
    measured = {pc.reading.number: _measured(pc, group.finding) for pc in group.pcs}
    alike = set(measured.values())
    return {
        "key": f"{group.finding.state}/{group.finding.check}/{group.finding.to_do[0]}",
        "state": group.finding.state,
        "title": say(*group.finding.title),
        "measured": alike.pop() if len(alike) == 1 else "",
        "wanted": say(*group.finding.wanted),
        "to_do": say(*group.finding.to_do),
        "seats": [
            {"seat_id": pc.reading.seat_id, "seat": pc.reading.number, "measured": measured[pc.reading.number]}
            for pc in group.pcs
        ],
    }


def machine_document(one: MachineReading) -> dict[str, Any]:
    """Describe the server or an invigilator PC."""
    faults = room_check.faults_of(one.faults)
    shown = [fault for fault in faults if fault.state is FindingState.FAIL] or faults
    text = say("；", "; ").join(
        say(f"{fault.title[0]}：{fault.measured[0]}", f"{fault.title[1]}: {fault.measured[1]}") for fault in shown[:3]
    )
    return {
        "machine": one.machine,
        "role": one.role,
        "address": one.machine.partition(":")[2],
        "state": one.state,
        "state_name": say(*MACHINE_STATE_NAMES[Readiness(one.state)]),
        "reported_at": moment(one.reported_at),
        "text": text + (f" … (+{len(shown) - 3})" if len(shown) > 3 else ""),
    }


def finding_document(one: Finding) -> dict[str, Any]:
    """Describe one line of a report."""
    return {
        "check": one.check,
        "state": one.state,
        "state_name": say(*FINDING_NAMES[one.state]),
        "title": say(*one.title),
        "measured": say(*one.measured),
        "wanted": say(*one.wanted),
        "to_do": say(*one.to_do),
    }


def seal_line(reading: SealReading | None) -> dict[str, Any] | None:
    """Say in a line how the room's seal stands; None where it is not sealed."""
    if reading is None:
        return None
    broken = len(reading.open_breaks)
    return {
        "state": "broken" if broken else "sealed",
        "sealed_at": moment(reading.seal.sealed_at),
        "is_confirmed": reading.seal.confirmed_at is not None,
        "breaks": broken,
    }


def _measured(pc: Pc, finding: Finding) -> str:
    own = next(one for one in pc.faults if one.check == finding.check)
    return say(*own.measured)
