"""A room whose PCs have agents: devices at the seats, beats, and reports as PROTOCOL.md writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from station.domain.checks import CHECKS, MachineRole
from station.domain.requirements import digest_of
from station.services import room_check, room_sealing
from station.services.room_check import Machine, RoomPicture
from station.store.device_queries import KnownDevice, living_devices
from station.store.models import Device, Seat
from station.web.device_presence import Beat
from tests.building import BuiltRoom, device_at

CAPABILITIES = ["beat", "orders", "lock", "work", "check", "picture", "open"]
BEAT = Beat("boot-1", "run-1", "", False, "running", False, "")


def add_agents(room: BuiltRoom, seats: Iterable[str] | None = None) -> dict[str, KnownDevice]:
    """Give seats a PC with an agent, by default all: the devices by seat number. Their tokens are `token-NUMBER`."""
    with room.changing() as db:
        rows = db.scalars(select(Seat).where(Seat.room_id == room.room_id).order_by(Seat.id)).all()
        for seat in rows:
            if seats is None or seat.number in seats:
                db.add(_device(room, seat))
    return agents(room)


def agents(room: BuiltRoom) -> dict[str, KnownDevice]:
    """The living devices by seat number."""
    with room.store.reading() as db:
        return {one.seat_number: one for one in living_devices(db)}


def hear(room: BuiltRoom, seats: Iterable[str] | None = None) -> None:
    """Let agents beat now, all or those at these seats."""
    for number, device in agents(room).items():
        if seats is None or number in seats:
            room.edge.devices.hear(device.id, BEAT, room.clock.now())


def heard(room: BuiltRoom) -> set[int]:
    """The devices that have ever been heard."""
    return {one.id for one in agents(room).values() if room.edge.devices.last(one.id) is not None}


def report(
    room: BuiltRoom,
    wrong: Mapping[str, tuple[str, str]] | None = None,
    *,
    role: MachineRole = MachineRole.CANDIDATE_PC,
    facts: Mapping[str, Any] | None = None,
    requirements: str | None = None,
) -> dict[str, Any]:
    """A report in which all is well but what `wrong` names: check → (state, measured)."""
    with room.store.reading() as db:
        items = room_check.requirements_in(db, room.room_id).of(role)
    wrong = dict(wrong or {})
    findings = []
    for check in dict.fromkeys([*(item.check for item in items), *wrong]):
        state, measured = wrong.get(check, ("ok", "正常"))
        title = CHECKS[check].title
        findings.append(
            {
                "check": check,
                "state": state,
                "title": {"zh": title[0], "en": title[1]},
                "measured": {"zh": measured, "en": measured},
                "wanted": {"zh": "正常", "en": "in order"},
                "to_do": {
                    "zh": "" if state == "ok" else f"处理{title[0]}",
                    "en": "" if state == "ok" else f"see to {check}",
                },
                "value": None,
            }
        )
    digest = digest_of(items) if requirements is None else requirements
    return {"requirements": digest, "took_s": 4.2, "findings": findings, "facts": dict(facts or FACTS)}


FACTS: dict[str, Any] = {
    "system": "Windows 7 6.1.7601",
    "disks": ["KINGSTON SA400 240 GB"],
    "running": ["explorer.exe"],
}


def send_report(room: BuiltRoom, seat: str, document: Mapping[str, Any] | None = None) -> None:
    """Take a PC's report as the route for agents does; by default one in which all is well."""
    device = agents(room)[seat]
    machine = Machine.pc(device.id, seat_number=seat, room_id=device.room_id)
    at = room.clock.now()
    with room.changing() as db:
        room_check.keep_report(db, machine, document=document or report(room), at=at)
        room_sealing.hold_against_seal(db, room.room_id, at=at)


def check_server(room: BuiltRoom, wrong: Mapping[str, tuple[str, str]] | None = None) -> None:
    """Keep a report of the server."""
    with room.changing() as db:
        document = report(room, wrong, role=MachineRole.SERVER, facts={"addresses": ["192.168.1.2"]})
        room_check.keep_report(db, Machine.server(), document=document, at=room.clock.now())


def make_ready(room: BuiltRoom) -> None:
    """All PCs with agents, heard and checked, the server, too."""
    add_agents(room)
    hear(room)
    for number in agents(room):
        send_report(room, number)
    check_server(room)


def picture(room: BuiltRoom) -> RoomPicture:
    """The room at a glance."""
    with room.store.reading() as db:
        return room_check.read_picture(db, room.room_id, heard=heard(room), at=room.clock.now())


def _device(room: BuiltRoom, seat: Seat) -> Device:
    return device_at(
        seat.id,
        f"token-{seat.number}",
        at=room.clock.now(),
        machine_id=f"machine-{seat.number}",
        name=f"PC-{seat.number}",
        macs=json.dumps([f"00:1b:21:00:00:{int(seat.number):02x}"]),
        system="windows",
        capabilities=json.dumps(CAPABILITIES),
        address=f"192.168.1.{100 + int(seat.number)}",
    )
