"""The page 考试机: every seat's PC, those that wait for a seat, registration, and what staff tell PCs to do."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, render_template, send_file
from sqlalchemy import select
from sqlalchemy.orm import Session

from invigilator_console.device_state import STATES, DeviceReading, device_problems, read_all
from invigilator_console.guards import staff_body, staff_only
from invigilator_console.pages import page_frame
from invigilator_console.seat_state import moment
from station.errors import Missing
from station.services import agent_commands, pairing, unlocking
from station.store import queries
from station.store.device_queries import KnownDevice, last_commands
from station.store.files import path_of
from station.store.models import Device, DeviceCommand, Room, ScreenPicture, Staff
from station.web.edge import Edge
from station.web.guards import json_response, number_field, numbers_field, say, text_field
from station.web.installers import Installers, version_order


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""
    _register_reading(routes, edge)
    _register_pairing(routes, edge)
    _register_commands(routes, edge)
    _register_locks(routes, edge)
    _register_codes(routes, edge)


def _register_reading(routes: Blueprint, edge: Edge) -> None:
    @routes.get("/workstations")
    @staff_only(edge, "see_board")
    def page(db: Session, person: Staff, at: datetime) -> str:
        fingerprint = edge.identity.fingerprint if edge.identity is not None else ""
        return render_template("workstations.html", fingerprint=fingerprint, **page_frame(edge))

    @routes.get("/api/workstations")
    @staff_only(edge, "see_board")
    def workstations(db: Session, person: Staff, at: datetime) -> Response:
        return json_response(page_document(db, edge, at))

    @routes.get("/pictures/<int:command_id>")
    @staff_only(edge, "see_screens")
    def picture(db: Session, person: Staff, at: datetime, command_id: int) -> Response:
        kept = db.get(ScreenPicture, command_id)
        path = None if kept is None else path_of(edge.pictures, kept.sha256)
        if kept is None or path is None or not path.is_file():
            raise Missing(agent_commands.PICTURE_MISSING)
        answer = send_file(path, mimetype=kept.media_type)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _register_pairing(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/pairing/open")
    @staff_only(edge, "set_up_seats", writes=True)
    def open_pairing(db: Session, person: Staff, at: datetime) -> Response:
        room_id = number_field(staff_body(), "room_id", lowest=1)
        return json_response({"until": moment(pairing.open_pairing(db, room_id, by=person.id, at=at))})

    @routes.post("/api/pairing/close")
    @staff_only(edge, "set_up_seats", writes=True)
    def close_pairing(db: Session, person: Staff, at: datetime) -> Response:
        pairing.close_pairing(db, number_field(staff_body(), "room_id", lowest=1), by=person.id, at=at)
        return json_response({"done": True})

    @routes.post("/api/devices/seat")
    @staff_only(edge, "set_up_seats", writes=True)
    def give_seat(db: Session, person: Staff, at: datetime) -> Response:
        device_id = number_field(staff_body(), "device_id", lowest=1)
        seat_id = number_field(staff_body(), "seat_id", lowest=1)
        pairing.give_seat(db, device_id, seat_id, by=person.id, at=at)
        return json_response({"done": True})

    @routes.post("/api/devices/remove")
    @staff_only(edge, "set_up_seats", writes=True)
    def remove(db: Session, person: Staff, at: datetime) -> Response:
        device_id = number_field(staff_body(), "device_id", lowest=1)
        pairing.remove_device(db, device_id, by=person.id, at=at)
        edge.devices.forget(device_id)
        return json_response({"done": True})

    @routes.post("/api/devices/confirm")
    @staff_only(edge, "set_up_seats", writes=True)
    def confirm(db: Session, person: Staff, at: datetime) -> Response:
        devices = _chosen(db)
        for device in devices:
            pairing.confirm_device(db, device.id, by=person.id, at=at)
        return json_response({"changed": len(devices)})


def _register_commands(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/devices/command")
    @staff_only(edge, "command_devices", writes=True)
    def command(db: Session, person: Staff, at: datetime) -> Response:
        kind = text_field(staff_body(), "kind", longest=32)
        if kind == "picture":  # its own act, and its own route
            kind = ""
        text = text_field(staff_body(), "text", longest=500, default="")
        given = agent_commands.give_command(db, _chosen(db), kind, text=text, by=person.id, at=at)
        return json_response({"changed": len(given)})

    @routes.post("/api/devices/picture")
    @staff_only(edge, "see_screens", writes=True)
    def ask_picture(db: Session, person: Staff, at: datetime) -> Response:
        reason = text_field(staff_body(), "reason", longest=500)
        given = agent_commands.give_command(db, _chosen(db), "picture", text=reason, by=person.id, at=at)
        return json_response({"command_ids": [one.id for one in given]})

    @routes.post("/api/devices/withdraw")
    @staff_only(edge, "command_devices", writes=True)
    def withdraw(db: Session, person: Staff, at: datetime) -> Response:
        command_id = number_field(staff_body(), "command_id", lowest=1)
        agent_commands.withdraw_command(db, command_id, by=person.id, at=at)
        return json_response({"done": True})


def _register_locks(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/devices/lock_screen")
    @staff_only(edge, "command_devices", writes=True)
    def lock_screen(db: Session, person: Staff, at: datetime) -> Response:
        devices = _chosen(db)
        text = text_field(staff_body(), "text", longest=500)
        agent_commands.lock_screens(db, devices, text=text, by=person.id, at=at)
        return json_response({"changed": len(devices)})

    @routes.post("/api/devices/release_screen")
    @staff_only(edge, "command_devices", writes=True)
    def release_screen(db: Session, person: Staff, at: datetime) -> Response:
        return json_response({"changed": agent_commands.release_screens(db, _chosen(db), by=person.id, at=at)})

    @routes.post("/api/devices/free")
    @staff_only(edge, "free_devices", writes=True)
    def free(db: Session, person: Staff, at: datetime) -> Response:
        reason, devices = text_field(staff_body(), "reason", longest=500), _chosen(db)
        situation = edge.roll.situation()
        known = {one.id: one for one in edge.roll.devices()}
        for device in devices:
            held = situation.held_sittings(known[device.id]) if device.id in known else []
            sitting_id = held[0] if held else None
            unlocking.free_device(db, device, sitting_id=sitting_id, reason=reason, by=person.id, at=at)
        return json_response({"changed": len(devices)})

    @routes.post("/api/devices/hold")
    @staff_only(edge, "free_devices", writes=True)
    def hold(db: Session, person: Staff, at: datetime) -> Response:
        devices = _chosen(db)
        held = [unlocking.hold_device(db, device.id, by=person.id, at=at) for device in devices]
        silent = [device.id for device in devices if edge.devices.is_silent(device.id)]
        return json_response({"changed": sum(held), "silent": len(silent)})

    @routes.post("/api/devices/acknowledge")
    @staff_only(edge, "free_devices", writes=True)
    def acknowledge(db: Session, person: Staff, at: datetime) -> Response:
        noted = [unlocking.acknowledge_unlock(db, device.id, by=person.id, at=at) for device in _chosen(db)]
        return json_response({"changed": sum(noted)})


def _register_codes(routes: Blueprint, edge: Edge) -> None:
    @routes.post("/api/unlock_codes/show")
    @staff_only(edge, "show_unlock_code", writes=True)
    def show_code(db: Session, person: Staff, at: datetime) -> Response:
        seat_id, reason = (
            number_field(staff_body(), "seat_id", lowest=1),
            text_field(staff_body(), "reason", longest=500),
        )
        device, shown, code = unlocking.show_code(db, seat_id, reason=reason, secret=edge.secret, by=person.id, at=at)
        lacking = unlocking.codes_wanted(db, device.id)
        unlocking.stock_up(db, device.id, unlocking.make_codes(edge.secret, lacking), at=at)
        return json_response({"code": code, "id": f"k{shown.number}", "device": device.name})

    @routes.get("/unlock_sheet/<int:room_id>")
    @staff_only(edge, "print_unlock_sheet")
    def sheet_page(db: Session, person: Staff, at: datetime, room_id: int) -> str:
        room = db.get(Room, room_id)
        if room is None:
            raise Missing(pairing.ROOM_UNKNOWN)
        return render_template("unlock_sheet.html", room=room, **page_frame(edge))

    @routes.post("/api/unlock_codes/sheet")
    @staff_only(edge, "print_unlock_sheet", writes=True)
    def sheet(db: Session, person: Staff, at: datetime) -> Response:
        room_id = number_field(staff_body(), "room_id", lowest=1)
        if db.get(Room, room_id) is None:
            raise Missing(pairing.ROOM_UNKNOWN)
        lines = unlocking.print_sheet(db, room_id, secret=edge.secret, by=person.id, at=at)
        ordered = sorted(lines, key=lambda one: queries.seat_order(one.seat, is_spare=one.is_spare))
        return json_response(
            {
                "at": moment(at),
                "by": person.name,
                "lines": [asdict(one) for one in ordered],
            }
        )


def page_document(db: Session, edge: Edge, at: datetime) -> dict[str, Any]:
    """Compose the whole page: rooms with their seats, and the PCs without a seat."""
    readings = read_all(edge)
    by_seat = {one.device.seat_id: one for one in readings if one.device.seat_id is not None}
    commands = last_commands(db)
    wanted = _wanted_versions(edge)
    rooms: dict[int, dict[str, Any]] = {}
    for room in db.scalars(select(Room).where(Room.is_rehearsal.is_(False)).order_by(Room.name)):
        open_until = moment(room.pairing_until) if pairing.is_open(room, at) else None
        rooms[room.id] = {"id": room.id, "name": room.name, "pairing_until": open_until, "seats": []}
    for link in queries.list_seats(db):
        reading = by_seat.get(link.seat.id)
        rooms[link.seat.room_id]["seats"].append(
            {
                "seat_id": link.seat.id,
                "seat": link.seat.number,
                "is_spare": link.seat.is_spare,
                "link_address": link.address,
                "device": None if reading is None else _device_document(reading, commands, wanted, edge),
            }
        )
    waiting = [_device_document(one, commands, wanted, edge) for one in readings if one.device.seat_id is None]
    return {"now": moment(at), "rooms": list(rooms.values()), "waiting": waiting, "wanted": wanted}


def _device_document(
    reading: DeviceReading, commands: dict[int, list[DeviceCommand]], wanted: dict[str, str], edge: Edge
) -> dict[str, Any]:
    device = reading.device
    beat = reading.heard.beat if reading.heard is not None else None
    is_old = version_order(device.version) < version_order(wanted.get(device.system, device.version))
    return {
        "id": device.id,
        "name": device.name,
        "system": device.system,
        "version": device.version,
        "is_old": is_old,
        "can_update": is_old and device.system in wanted,
        "state": reading.state,
        "state_name": say(*STATES[reading.state]),
        "level": reading.level,
        "since": moment(reading.since),
        "freed_at": moment(device.freed_at),
        "freed_code": device.freed_code,
        "is_freed_seen": device.is_freed_seen,
        "is_held": reading.is_held,
        "screen_text": device.screen_text,
        "browser": None if beat is None else beat.browser,
        "is_doubted": bool(device.doubt),
        "problems": [*_doubt(device), *_problems(reading)],
        "takes_pictures": _takes_pictures(device, edge),
        "commands": [_command_document(one) for one in commands.get(device.id, ())],
    }


def _command_document(command: DeviceCommand) -> dict[str, Any]:
    zh, en, _ = agent_commands.KINDS.get(command.kind, (command.kind, command.kind, False))
    return {
        "id": command.id,
        "kind": command.kind,
        "name": say(zh, en),
        "given_at": moment(command.given_at),
        "done_at": moment(command.done_at),
        "is_ok": command.is_ok,
        "text": command.text,
    }


def _problems(reading: DeviceReading) -> list[str]:
    """List what wants attention; a code that somebody has taken note of stands in the state alone."""
    is_noted = reading.device.is_freed_seen
    return [text for code, text, _, _ in device_problems(reading) if not (code == "device_code" and is_noted)]


def _doubt(device: KnownDevice) -> list[str]:
    """Tell of a PC that registered under the id of one that it is not like."""
    if not device.doubt:
        return []
    zh, en = pairing.difference_names(device.doubt)
    return [say(f"与原登记的电脑不同（{zh}），待确认", f"differs from the PC registered before ({en}): confirm it")]


def _takes_pictures(device: KnownDevice, edge: Edge) -> bool:
    room = edge.roll.situation().rooms.get(device.room_id or 0)
    policy = room.ruling(device.seat_id) if room is not None else None
    return policy is not None and policy.pictures and "picture" in device.capabilities


def _wanted_versions(edge: Edge) -> dict[str, str]:
    """Say the newest agent that the station can give, by system; a system for which it has none is left out."""
    installers = Installers(edge.installers)
    newest = {system: installers.newest(system) for system in ("windows", "linux")}
    return {system: one.version for system, one in newest.items() if one is not None}


def _chosen(db: Session) -> list[Device]:
    return agent_commands.chosen_devices(db, numbers_field(staff_body(), "device_ids"))
