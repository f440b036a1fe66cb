"""Who may pass on the agents' routes: a living device with its token (client_agent/PROTOCOL.md)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import request

from station.domain.tokens import token_hash
from station.errors import Unauthenticated, problem
from station.store.device_queries import device_by_token
from station.web.edge import Edge
from station.web.guards import View, guard

DEVICE_UNKNOWN = problem(
    "device_unknown",
    "本机未登记，或已重新登记、已被移除。请技术人员在监考台打开“登记”后重新登记本机。",
    "This PC is not registered, was registered anew, or was taken away. Ask the technician to open the registration.",
)


def agent_only(edge: Edge, *, writes: bool = False) -> Callable[[View], View]:
    """Guard for a registered PC: `view(db, device, at, …)`; `device` is its KnownDevice, read in this session."""

    def decorate(view: View) -> View:
        @wraps(view)
        def run(**arguments: object) -> Any:
            hashed = _hashed_token()
            with edge.store.transaction() if writes else edge.store.reading() as db:
                device = device_by_token(db, hashed)
                if device is None:
                    raise Unauthenticated(DEVICE_UNKNOWN)
                return view(db, device, edge.clock.now(), **arguments)

        return guard("agent")(run)

    return decorate


def agent_without_store(edge: Edge) -> Callable[[View], View]:
    """Guard for a registered PC that holds no session meanwhile: `view(device, at, …)`.

    For beats and pieces of files; the device may be remembered, at most for `device_roll.REFRESH_S`.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def run(**arguments: object) -> Any:
            device = edge.roll.device(_hashed_token())
            if device is None:
                raise Unauthenticated(DEVICE_UNKNOWN)
            return view(device, edge.clock.now(), **arguments)

        return guard("agent")(run)

    return decorate


def _hashed_token() -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind != "Bearer" or not token.strip():
        raise Unauthenticated(DEVICE_UNKNOWN)
    return token_hash(token.strip())
