"""How a candidate PC with an agent comes in: hello, registration, its seat, its installer (PROTOCOL.md)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Flask, Response, request, send_file
from sqlalchemy.orm import Session

from station import __version__
from station.errors import Invalid, Missing, Refused, Unsound, problem
from station.services import pairing, unlocking
from station.services.pairing import Machine
from station.store.device_queries import KnownDevice, device_by_id
from station.web.agent_guard import agent_only
from station.web.device_presence import Trouble
from station.web.edge import Edge
from station.web.guards import (
    FIELD_WRONG,
    NO_SUCH_PAGE,
    guard,
    json_body,
    json_response,
    moment_text,
    number_field,
    open_to_all,
    text_field,
)
from station.web.identity import StationIdentity
from station.web.installers import Installer, Installers

PROTOCOL_UNKNOWN = problem(
    "protocol_unknown",
    "本机考试机程序的通信协议为 {found}，考站需要 {wanted}。请更新考试机程序到 {version}。",
    "The agent speaks protocol {found}, the station {wanted}: update the agent to {version}.",
)
AGENT_LACKS = problem(
    "agent_capability_missing",
    "考试机程序 {version} 缺少考站需要的功能：{names}。请更新到 {wanted}。",
    "The agent {version} lacks what the station needs: {names}. Update it to {wanted}.",
)
STATION_UNSIGNED = problem(
    "station_unsigned",
    "考站没有签名密钥，不能登记考试机。",
    "The station has no signing key and cannot register agents.",
)

PROTOCOL = 1
NEEDS = ("beat", "orders", "lock")
CAPABILITIES = ("beat", "orders", "lock", "work", "check", "picture", "open", "rehearse")
INSTALLER_PATH = "/api/agent/installer"
_NONCE = re.compile(r"[0-9a-f]{32}", re.ASCII)
MOST_NAMES = 64
LONGEST_VALUE = 200


def add_entrance_routes(app: Flask, edge: Edge) -> None:
    """Add what an agent asks before and while it is registered."""
    installers = Installers(edge.installers)
    _add_hello(app, edge, installers)
    _add_registration(app, edge, installers)


def wanted_version(installers: Installers, system: str) -> str:
    """Say which agent a system should have: the newest that the station can give, else its own version."""
    newest = installers.newest(system)
    return newest.version if newest is not None else __version__


def _add_hello(app: Flask, edge: Edge, installers: Installers) -> None:
    @app.post("/api/agent/hello")
    @open_to_all(edge)
    def hello(db: Session, at: datetime) -> Response:
        body = json_body()
        nonce, system = text_field(body, "nonce", longest=32), text_field(body, "system", longest=16)
        if not _NONCE.fullmatch(nonce):
            raise Invalid(FIELD_WRONG, field="nonce")
        if edge.identity is None:
            raise Unsound(STATION_UNSIGNED)
        spoken, newest = number_field(body, "protocol", highest=1_000_000), installers.newest(system)
        if spoken != PROTOCOL:
            wanted = wanted_version(installers, system)
            raise Refused(PROTOCOL_UNKNOWN, found=spoken, wanted=PROTOCOL, version=wanted)
        return json_response(
            {
                "protocol": PROTOCOL,
                "station_version": __version__,
                "site": edge.site_name,
                "now": moment_text(at),
                "fingerprint": edge.identity.fingerprint,
                "public_key": edge.identity.public_key,
                "signature": edge.identity.sign(f"exam-station hello\n{nonce}"),
                "wanted_agent_version": wanted_version(installers, system),
                "installer": None if newest is None else _installer(newest, nonce, edge.identity),
                "pairing_open": pairing.is_any_open(db, at),
                "needs": list(NEEDS),
                "capabilities": list(CAPABILITIES),
            }
        )

    @app.get(INSTALLER_PATH)
    @guard("open")
    def installer() -> Response:
        path = installers.path(request.args.get("name", ""))
        if path is None:
            raise Missing(NO_SUCH_PAGE)
        response = send_file(path, mimetype="application/octet-stream", conditional=True)
        response.headers["Content-Disposition"] = f"attachment; filename={path.name}"
        return response


def _add_registration(app: Flask, edge: Edge, installers: Installers) -> None:
    @app.post("/api/agent/register")
    @guard("open")
    def register() -> Response:
        body, at = json_body(), edge.clock.now()
        machine = _machine(body, installers)
        seat_number, room = text_field(body, "seat_number", longest=16), text_field(body, "room", longest=100)
        with edge.store.reading() as db:  # who may not register costs no transaction
            if not pairing.is_any_open(db, at):
                raise Refused(pairing.PAIRING_CLOSED)
        _check_no_copy(edge, machine, at)
        with edge.store.transaction() as db:
            address = (request.remote_addr or "")[:64]
            device, token = pairing.register(
                db, machine, seat_number=seat_number.strip(), room_name=room.strip(), address=address, at=at
            )
            known = device_by_id(db, device.id)
            assert known is not None
            lacking = unlocking.codes_wanted(db, device.id)
        codes = unlocking.make_codes(edge.secret, lacking)  # slow on purpose: not while answers wait
        with edge.store.transaction() as db:
            unlocking.stock_up(db, known.id, codes, at=at)
        edge.roll.look_again()
        return json_response({"device_id": known.id, "device_token": token, "seat": known.seat})

    @app.post("/api/agent/seat")
    @agent_only(edge, writes=True)
    def seat(db: Session, device: KnownDevice, at: datetime) -> Response:
        body = json_body()
        number, room = text_field(body, "seat_number", longest=16), text_field(body, "room", longest=100, default="")
        pairing.take_seat(db, device.id, seat_number=number.strip(), room_name=room.strip(), at=at)
        db.flush()
        known = device_by_id(db, device.id)
        return json_response({"seat": None if known is None else known.seat})


def _check_no_copy(edge: Edge, machine: Machine, at: datetime) -> None:
    """Refuse who says to be a PC that is heard right now; told in the journal once while it goes on.

    A PC that was started anew is silent for longer than that; an agent that lost its token tries again by itself.
    """
    address = (request.remote_addr or "")[:64]
    with edge.store.reading() as db:
        known = pairing.registered_as(db, machine.machine_id)
        if known is None or not edge.devices.is_beating(known.id):
            return
        device_id, is_elsewhere = known.id, known.address != address
        refusal = pairing.copy_refusal(db, known)
    if is_elsewhere and edge.devices.new_troubles(device_id, (Trouble(f"copy {address}", "", ""),)):
        with edge.store.transaction() as db:
            pairing.note_copy_refused(db, device_id, address=address, at=at)
    raise refusal


def _installer(newest: Installer, nonce: str, identity: StationIdentity) -> dict[str, Any]:
    """Describe an installer and sign it: agents run it as the system, and on plain http anybody could tell another."""
    text = f"exam-station installer\n{nonce}\n{newest.name}\n{newest.size}\n{newest.sha256}"
    return {
        "name": newest.name,
        "size": newest.size,
        "sha256": newest.sha256,
        "signature": identity.sign(text),
    }


def _machine(body: dict[str, Any], installers: Installers) -> Machine:
    system, version = text_field(body, "system", longest=16), text_field(body, "agent_version", longest=32)
    capabilities = _names(body, "capabilities")
    lacking = [name for name in NEEDS if name not in capabilities]
    if lacking:
        wanted = wanted_version(installers, system)
        raise Refused(AGENT_LACKS, version=version, names=", ".join(lacking), wanted=wanted)
    hardware = body.get("hardware")
    if not isinstance(hardware, dict):
        raise Invalid(FIELD_WRONG, field="hardware")
    machine_id = text_field(body, "machine_id", longest=128)
    if len(machine_id.strip()) < 8:
        raise Invalid(FIELD_WRONG, field="machine_id")
    return Machine(
        machine_id=machine_id,
        name=text_field(body, "name", longest=100).strip() or "PC",
        macs=tuple(_names(body, "macs")),
        system=system,
        version=version,
        capabilities=tuple(capabilities),
        hardware={
            key: value for key, value in hardware.items() if isinstance(value, str | int) and len(str(value)) < 200
        },
    )


def _names(body: dict[str, Any], name: str) -> list[str]:
    """Take a list of short texts, or refuse with `field_wrong`."""
    value = body.get(name)
    if not isinstance(value, list) or len(value) > MOST_NAMES:
        raise Invalid(FIELD_WRONG, field=name)
    return [text_field({name: one}, name, longest=64) for one in value]
