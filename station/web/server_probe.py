"""Measure the room's server for the room check (R-ROOM-2, R-ROOM-3): a report in the shape of an agent's.

What the system tells is read in `server_facts`; how it is judged is `domain.readiness`. Nothing here raises for what
cannot be measured: that is a finding.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import psutil
import requests
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from station.clock import system_time
from station.domain.disk_budget import Space
from station.domain.readiness import Measured, judge_machine
from station.domain.requirements import digest_of
from station.domain.sitting import SittingState
from station.services import disk_space, room_check
from station.store.models import Sitting
from station.web import server_facts
from station.web.edge import Edge
from station.web.server_facts import Address, NotTold

CENTRAL_TIMEOUT_S = 5.0
GIGABYTE = Decimal(10**9)
# What the station has open besides its connections: database, log, files that come in.
OWN_FILES = 128
_UNDER_WAY = (SittingState.RUNNING, SittingState.SUSPENDED)


def measure_server(edge: Edge) -> dict[str, Any]:
    """Measure and judge the server; takes some seconds, so hold no transaction meanwhile."""
    started = time.monotonic()
    with edge.store.reading() as db:
        items = room_check.items_for(db, room_check.Machine.server())
        budget = _disk_budget(db, edge)
        is_running = bool(db.scalar(select(exists().where(Sitting.state.in_(_UNDER_WAY)))))
    measured = measure_all(probes_of(edge, is_running=is_running)) | {"disk_budget": budget}
    findings = judge_machine(items, measured)
    return {
        "requirements": digest_of(items),
        "boot_id": str(int(psutil.boot_time())),
        "took_s": round(time.monotonic() - started, 1),
        "findings": [one.as_json() for one in findings],
        "facts": server_facts.read_facts(),
    }


def files_needed(connection_limit: int) -> int:
    """Say how many files and sockets the station may have open at once."""
    return connection_limit + OWN_FILES


def open_files(connection_limit: int) -> Measured:
    """Hold the limit of open files against the connections that the settings allow."""
    limit, needed = server_facts.open_files_limit(), files_needed(connection_limit)
    if limit is None:
        return Measured(True, ("不限", "no limit"))
    shown = (f"{limit}（按设置需要 {needed}）", f"{limit} ({needed} needed by the settings)")
    return Measured(Decimal(limit) if limit >= needed else False, shown)


def measure_all(probes: Mapping[str, Callable[[], Measured | Mapping[str, Measured]]]) -> dict[str, Measured]:
    """Measure all at once; one that fails is unknown, with the reason."""
    found: dict[str, Measured] = {}
    with ThreadPoolExecutor(max_workers=len(probes)) as pool:
        for check, future in [(check, pool.submit(probe)) for check, probe in probes.items()]:
            try:
                answer = future.result()
            except NotTold as reason:
                answer = Measured(None, reason.text)
            except (OSError, ValueError, RuntimeError, psutil.Error) as error:
                answer = _unknown(f"检测时出错：{error}", f"the check failed: {error}")
            found |= {check: answer} if isinstance(answer, Measured) else answer
    return found


def probes_of(edge: Edge, *, is_running: bool) -> Mapping[str, Callable[[], Measured | Mapping[str, Measured]]]:
    """List what is measured, by the check that wants it; the central platform answers two checks."""
    folder = edge.store.folder
    return {
        "cpu_cores": lambda: Measured(Decimal(psutil.cpu_count(logical=False) or psutil.cpu_count() or 0)),
        "cpu_ghz": _clock_speed,
        "memory_gb": lambda: _gigabytes(psutil.virtual_memory().total),
        "disk_gb": lambda: _gigabytes(psutil.disk_usage(str(folder)).total),
        "disk_free_gb": lambda: _gigabytes(psutil.disk_usage(str(folder)).free),
        "write_mb_s": lambda: _write_speed(edge, is_running=is_running),
        "wired": _wired,
        "link_speed_mbps": _link_speed,
        "fixed_address": lambda: fixed_address(server_facts.addresses()),
        "power": _power,
        "system_version": lambda: system_version(server_facts.windows_version()),
        "antivirus": lambda: _unknown("请人工确认", "look yourself"),
        "ports": lambda: Measured(tuple(server_facts.other_listeners())),
        "open_files": lambda: open_files(edge.server.connection_limit),
        "central_platform": lambda: _central(edge.server.central_url, edge.server.central_ca_file),
    }


def fixed_address(addresses: Sequence[Address]) -> Measured:
    """Say whether all addresses were set by hand (R-ROOM-2)."""
    fixed = ", ".join(one.address for one in addresses if not one.is_dynamic)
    given = ", ".join(one.address for one in addresses if one.is_dynamic)
    if not addresses:
        return Measured(False, ("没有 IP 地址", "no IP address"))
    if given:
        return Measured(False, (f"自动获取（DHCP）：{given}", f"from DHCP: {given}"))
    return Measured(True, (f"手动设置：{fixed}", f"manual: {fixed}"))


def system_version(version: str | None) -> Measured:
    """Give the version of Windows to be judged; None is another system, and told."""
    if version is None:
        return Measured(True, (platform.platform(terse=True), platform.platform(terse=True)))
    name = f"Windows {platform.release()} ({version})"
    return Measured(version, (name, name))


def _disk_budget(db: Session, edge: Edge) -> Measured:
    zh, en, space = disk_space.say_budget(db, edge.disk.disk())
    return Measured(space is Space.ENOUGH, (zh, en), is_advice=space is Space.TIGHT)


def _clock_speed() -> Measured:
    told = psutil.cpu_freq()
    if told is None or not max(told.max, told.current):
        return _unknown("系统没有报告主频", "the system does not tell it")
    return Measured(Decimal(str(round(max(told.max, told.current) / 1000, 2))))


def _write_speed(edge: Edge, *, is_running: bool) -> Measured:
    """Write to the data disk, but never while candidates' answers want it or when it is nearly full."""
    if is_running:
        return _unknown("考试进行中，不测写入速度", "a sitting is running: not measured")
    if not edge.disk.takes_file(server_facts.WRITE_BYTES):
        return _unknown("磁盘空间不足，不测写入速度", "too little space to measure")
    return Measured(Decimal(str(round(server_facts.write_speed(edge.store.folder) / 10**6, 1))))


def _wired() -> Measured:
    adapters = [one for one in server_facts.adapters() if one.is_up]
    names = ", ".join(f"{one.name}" for one in adapters if not one.is_radio)
    radio = ", ".join(one.name for one in adapters if one.is_radio)
    if radio:
        return Measured(False, (f"无线已连接：{radio}", f"wireless is up: {radio}"))
    return Measured(bool(names), (f"有线：{names}", f"wired: {names}") if names else ("未连接", "not connected"))


def _link_speed() -> Measured:
    told = [one.speed_mbps for one in server_facts.adapters() if one.is_up and not one.is_radio and one.speed_mbps]
    if not told:
        return _unknown("网卡没有报告速率", "the card does not tell its speed")
    return Measured(Decimal(max(told)))


def _power() -> Measured:
    """Nothing that is known is no UPS: a UPS that the system does not see cannot warn of its end either."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is None:
        return Measured(False, ("未发现 UPS", "no UPS known"))
    percent = f"{battery.percent:.0f}%"
    if battery.power_plugged is False:
        to_do = ("市电已断，请立即报告。", "Mains are off: tell the staff at once.")
        return Measured(False, (f"正在用电池，{percent}", f"on battery, {percent}"), to_do)
    return Measured(True, (f"有 UPS 或电池，{percent}", f"UPS or battery, {percent}"))


def _central(url: str, ca_file: str) -> Mapping[str, Measured]:
    """Ask the central platform for anything: that it answers says the way is open, its clock tells ours."""
    no_clock = _unknown("没有可信时间可比对，请人工核对时钟", "no trusted clock to compare with: look yourself")
    if not url:
        unset = _unknown("未设置上级平台，考后导出成果包", "none set: results are exported to a file")
        return {"central_platform": unset, "clock_offset_s": no_clock}
    started = time.monotonic()
    try:
        with requests.get(
            url, timeout=CENTRAL_TIMEOUT_S, verify=ca_file or True, allow_redirects=False, stream=True
        ) as answer:
            status, date = answer.status_code, answer.headers.get("Date", "")
    except (requests.RequestException, OSError) as error:
        reason = f"{type(error).__name__}"
        return {
            "central_platform": Measured(False, (f"连接不上 {url}（{reason}）", f"{url} not reached ({reason})")),
            "clock_offset_s": no_clock,
        }
    took_s = time.monotonic() - started
    reached = Measured(True, (f"已连接（HTTP {status}，{took_s:.1f} 秒）", f"reached (HTTP {status}, {took_s:.1f} s)"))
    return {"central_platform": reached, "clock_offset_s": _offset(date, took_s) or no_clock}


def _offset(date: str, took_s: float) -> Measured | None:
    """Compare this server's clock with the date of an answer, which tells whole seconds only."""
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    ahead_s = _seconds(system_time(), theirs) - took_s / 2
    # The date was cut to the second: it may lie up to a second back.
    offset = Decimal(round(ahead_s - 1)) if ahead_s > 1 else Decimal(round(min(ahead_s, 0.0)))
    return Measured(offset, (f"{offset:+} 秒（与上级平台比）", f"{offset:+} s (against the central platform)"))


def _seconds(ours: datetime, theirs: datetime) -> float:
    return (ours - theirs).total_seconds()


def _gigabytes(size: int) -> Measured:
    return Measured(round(Decimal(size) / GIGABYTE, 1))


def _unknown(zh: str, en: str) -> Measured:
    return Measured(None, (zh, en))
