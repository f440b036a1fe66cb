"""Becoming a PC of the station: greet, register, take a seat. The token is kept in the state folder only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

from client_agent import __version__
from client_agent.errors import AgentError, problem
from client_agent.machine import Identity
from client_agent.station_link import NOT_A_STATION, Link, Trust
from client_agent.store import Pairing, Store
from client_agent.trust import CAPABILITIES, HELLO, OTHER_STATION, SYSTEM, Hello, fingerprint_of, is_same_fingerprint
from client_agent.trust import say_hello as greet

PAIRING_CLOSED = problem(
    "pairing_closed",
    "考站目前不接受新考试机登记。请技术人员在监考台“考试机”页面点“开放登记”。",
    "The station takes no new PCs now. A technician opens registration on the console's page of PCs.",
)


def say_hello(link: Link, *, public_key: str = "", fingerprint: str = "") -> Hello:
    """Greet the station and have its key proven; refuses another than the one that is wanted (`other_station`)."""
    hello = greet(lambda body: link.post(HELLO, body), address=link.origin, public_key=public_key)
    if fingerprint and not is_same_fingerprint(fingerprint, hello.public_key):
        raise AgentError(OTHER_STATION, address=link.origin, found=fingerprint_of(hello.public_key), wanted=fingerprint)
    return hello


def register(
    link: Link, store: Store, identity: Identity, hello: Hello, *, seat_number: str = "", room: str = ""
) -> Pairing:
    """Register this PC, keep what the station gave, and let the link carry the token from now on.

    Raises pairing_closed without asking when the station said so, and what the station refuses (seat_taken …).
    Nothing is kept after a refusal.
    """
    if not hello.pairing_open:
        raise AgentError(PAIRING_CLOSED)
    machine_id = store.machine_id(identity)
    answer = link.post("/api/agent/register", {
        "machine_id": machine_id,
        "name": identity.name,
        "macs": list(identity.macs),
        "system": SYSTEM,
        "agent_version": __version__,
        "capabilities": list(CAPABILITIES),
        "hardware": {
            "maker": identity.maker, "model": identity.model, "cpu": identity.cpu,
            "memory_bytes": identity.memory_bytes, "system": identity.system,
        },
        "seat_number": seat_number,
        "room": room,
    })  # fmt: skip
    token = answer.get("device_token")
    if not isinstance(token, str) or not token:
        raise AgentError(NOT_A_STATION, address=link.origin, reason="device_token")
    pairing = Pairing(
        address=link.origin,
        public_key=hello.public_key,
        token=token,
        device_id=_number(answer.get("device_id")),
        machine_id=machine_id,
        macs=tuple(identity.macs),
        seat=_seat(answer),
    )
    store.keep_pairing(pairing)
    link.trust(Trust(pairing.public_key, token))
    return pairing


def take_seat(link: Link, store: Store, pairing: Pairing, *, seat_number: str, room: str = "") -> Pairing:
    """Say which seat this PC stands at; raises what the station refuses."""
    answer = link.post("/api/agent/seat", {"seat_number": seat_number, "room": room})
    seated = replace(pairing, seat=_seat(answer))
    store.keep_pairing(seated)
    return seated


def _seat(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    seat = answer.get("seat")
    return seat if isinstance(seat, dict) else None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
