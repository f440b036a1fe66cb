"""What this PC is: the facts of a report, which sealing the room freezes."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Sequence

from client_agent.checks.check import Pc
from client_agent.checks.finding import Requirements
from client_agent.checks.probes import Unreadable
from client_agent.checks.software import find_installed, unrelated
from client_agent.errors import AgentError

MOST_NAMES = 200
LONGEST_NAME = 200


def read_facts(requirements: Requirements, pc: Pc) -> Dict[str, Any]:
    """Read all facts; what this PC does not tell is left out, as silence is no difference."""
    ways: Dict[str, Callable[[], Sequence[str]]] = {
        "machine_id": lambda: [pc.machine.identity().machine_id],
        "macs": lambda: pc.machine.identity().macs,
        "disks": pc.probes.disks,
        "system": lambda: [_system(pc)],
        "browser": lambda: [f"{one.name} {one.version}".strip() for one in pc.machine.find_browsers()[:1]],
        "programs": lambda: _programs(requirements, pc),
        "running": lambda: unrelated(pc.probes.windowed(), ()),
        "adapters": lambda: [f"{one.name} {one.kind}" for one in pc.probes.adapters() if one.is_up],
        "network": lambda: _network(pc),
        "firewall": pc.probes.firewall,
    }
    if pc.is_locked:  # the lock's firewall comes and goes, and is no change that a seal should show
        del ways["firewall"]
    facts: Dict[str, Any] = {}
    for name, way in ways.items():
        try:
            facts[name] = sorted({one[:LONGEST_NAME] for one in way()})[:MOST_NAMES]
        except (AgentError, Unreadable, OSError, ValueError, RuntimeError, NotImplementedError):
            continue
    return facts


def _system(pc: Pc) -> str:
    system = pc.probes.system()
    return system.name if system.version in system.name else f"{system.name} {system.version}".strip()


def _programs(requirements: Requirements, pc: Pc) -> List[str]:
    wanted = [one for item in requirements.items for one in item.wanted]
    installed = pc.probes.installed() if wanted else []
    found = [find_installed(one, installed, pc.probes) for one in wanted]
    return [f"{one.name} {one.version}".strip() for one in found if one is not None]


def _network(pc: Pc) -> List[str]:
    network = pc.probes.network()
    return [
        *(f"gateway {one}" for one in network.gateways),
        *(f"dns {one}" for one in network.name_servers),
        *(f"proxy {one}" for one in network.proxies),
    ]
