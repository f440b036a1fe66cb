"""Run all checks at once, within a bounded time, and make the report of it."""

from __future__ import annotations

import threading
from typing import Any, Dict, List, Mapping, Sequence

from client_agent import clock
from client_agent.checks import hardware, internet, network, software, storage
from client_agent.checks.check import Check, Pc, unknown, wanted_text
from client_agent.checks.facts import read_facts
from client_agent.checks.finding import Finding, Item, Requirements, both, parse_requirements
from client_agent.checks.probes import Probes, Unreadable
from client_agent.errors import AgentError
from client_agent.machine import Machine
from client_agent.station_link import Link, station_origin

WITHIN_S = 9.0
NEED_A_STATION = frozenset({"station", "round_trip_ms", "loss_percent", "clock_offset_s"})
CHECKS: Mapping[str, Check] = {
    check.id: check
    for check in (
        network.Station(), network.RoundTrip(), network.Loss(), network.ClockOffset(), internet.Internet(),
        network.Wired(), network.LinkSpeed(), hardware.Cores(), hardware.ClockSpeed(), hardware.Memory(),
        hardware.DiskSize(), hardware.DiskFree(), storage.WriteSpeed(), hardware.VideoMemory(), hardware.Screens(),
        hardware.ScreenWidth(), hardware.ScreenHeight(), hardware.InputDevices(), hardware.PowerSupply(),
        software.SystemVersion(), software.BrowserVersion(), software.InputMethods(), software.Fonts(),
        software.Programs(), software.ForbiddenPrograms(), software.OtherPrograms(), software.RemoteDesktop(),
        software.VirtualMachine(), software.AntivirusOn(), storage.RestoreCard(),
    )
}  # fmt: skip


def run_checks(
    requirements: Requirements,
    machine: Machine,
    station: str | None,
    *,
    probes: Probes | None = None,
    within_s: float = WITHIN_S,
) -> List[Finding]:
    """Measure everything that is wanted, one finding an item and in their order.

    `station`: its address; without one its checks are left out. What fails or takes too long is 'unknown', never an
    exception. Raises bad_address only.
    """
    origin = station_origin(station) if station else None
    pc = Pc(machine, probes or machine.probes(), origin)
    items = [item for item in requirements.items if origin or item.check not in NEED_A_STATION]
    return _run_all(items, pc, within_s)


def check_and_report(link: Link, machine: Machine, *, probes: Probes | None = None) -> Sequence[Finding]:
    """Fetch the station's requirements, check, and send the report (PROTOCOL.md). Raises what `Link` raises."""
    requirements = parse_requirements(link.get("/api/agent/requirements"))
    report = make_report(requirements, machine, link.origin, probes=probes or machine.probes())
    link.post("/api/agent/report", report.body)
    return report.findings


class Report:
    """The findings, and the body that the station wants."""

    def __init__(self, findings: Sequence[Finding], body: Mapping[str, Any]) -> None:
        self.findings = findings
        self.body = body


def make_report(requirements: Requirements, machine: Machine, station: str | None, *, probes: Probes) -> Report:
    """Check, and say what this PC is besides."""
    started = clock.monotonic()
    findings = run_checks(requirements, machine, station, probes=probes)
    facts = read_facts(requirements, Pc(machine, probes, station))
    body = {
        "requirements": requirements.digest,
        "boot_id": machine.boot_id(),
        "took_s": round(clock.monotonic() - started, 1),
        "findings": [finding.as_json() for finding in findings],
        "facts": facts,
    }
    return Report(findings, body)


def _run_all(items: Sequence[Item], pc: Pc, within_s: float) -> List[Finding]:
    found: Dict[str, Finding] = {}

    def work(item: Item) -> None:
        found[item.check] = run_one(item, pc)

    threads = [threading.Thread(target=work, args=(item,), daemon=True, name=item.check) for item in items]
    give_up = clock.monotonic() + within_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, give_up - clock.monotonic()))
    return [found.get(item.check) or _too_slow(item) for item in items]


def run_one(item: Item, pc: Pc) -> Finding:
    """Run one check; whatever goes wrong in it is its finding."""
    check = CHECKS.get(item.check)
    if check is None:
        reason = ("本机程序没有这项检查，请升级。", "This agent has no such check: update it.")
        return unknown(item.check, both(item.check), reason)
    try:
        return check.run(item, pc)
    except Unreadable as failure:
        reason = failure.text
    except AgentError as failure:
        reason = (failure.sentence("zh"), failure.sentence("en"))
    except Exception as failure:  # one check that fails must not keep a technician from the others
        told = f"{type(failure).__name__}: {failure}"[:300]
        reason = (f"检测时出错：{told}", f"The check failed: {told}")
    return unknown(check.id, check.title, reason, wanted_text(item, check))


def _too_slow(item: Item) -> Finding:
    check = CHECKS[item.check]
    reason = ("检测超时，请重新检查。", "The check took too long. Check again.")
    return unknown(check.id, check.title, reason, wanted_text(item, check))
