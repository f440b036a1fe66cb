"""The check that a technician asks for at the PC, with or without a station."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Callable, Sequence

from client_agent.checks.finding import Finding, load_requirements
from client_agent.checks.run import check_and_report, run_checks
from client_agent.errors import AgentError
from client_agent.machine import Machine
from client_agent.station_link import Link, Trust, station_origin
from client_agent.store import Pairing, Store, of_this_pc

Say = Callable[[str, str], None]


def check_by_hand(
    machine: Machine, store: Store, *, station: str | None, wanted: Path, is_own: bool, say: Say
) -> Sequence[Finding]:
    """Check against what the station of this PC wants, and send it the report; else against the file `wanted`.

    `is_own`: the file is the one that came along, so the station's word counts more where it can be asked. A station
    that cannot be asked is told, and the PC checked all the same. Raises bad_address and bad_wanted_file only.
    """
    origin = station_origin(station) if station else None
    pairing = of_this_pc(store.pairing(), machine.identity()) if is_own else None
    if pairing is not None and pairing.token and origin in (None, pairing.address):
        try:
            return _ask(pairing, machine)
        except AgentError as failure:
            say(
                f"没有取得考站的要求（{failure.sentence('zh')}），按随程序附带的要求检查。",
                f"The station's requirements could not be had ({failure.sentence('en')}): those that came along count.",
            )
        origin = pairing.address
    return run_checks(load_requirements(wanted), machine, origin)


def _ask(pairing: Pairing, machine: Machine) -> Sequence[Finding]:
    with contextlib.closing(Link(pairing.address)) as link:
        link.trust(Trust(pairing.public_key, pairing.token))
        return check_and_report(link, machine)
