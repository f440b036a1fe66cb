"""Whether this PC and its way to the station are fit for a candidate (R-ROOM-3).

What is wanted is a file, for it differs between certificates: each measure has a `recommended` and a
`minimum` value. Short of the minimum fails the check, short of the recommended one is told.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Mapping, Sequence

import psutil

from client_agent.errors import AgentError, problem
from client_agent.machine import Browser, Machine
from client_agent.station_link import ClockReading, read_clock

BAD_WANTED_FILE = problem(
    "bad_wanted_file",
    "要求文件 {path} 读不懂：{reason}。请参照随程序附带的 wanted.json 修改。",
    "The file of requirements {path} cannot be read: {reason}. Compare it with the wanted.json that came along.",
)

MEASURES = ("cpu_cores", "memory_gb", "disk_free_gb", "browser_version", "round_trip_ms", "clock_offset_s")
# The graphics card and the firmware keep a part of the memory that was paid for.
MEMORY_KEPT_BACK = 0.15
GIGABYTE = 10**9


@dataclass(frozen=True)
class Wish:
    """What one measure should be, and what it must be."""

    recommended: float
    minimum: float


@dataclass(frozen=True)
class Finding:
    """One line of the check. `state` is 'ok', 'advice' or 'fail'; texts are (Chinese, English)."""

    measure: str
    state: str
    title: tuple[str, str]
    wanted: tuple[str, str]
    measured: tuple[str, str]
    to_do: tuple[str, str] = ("", "")

    def as_json(self) -> dict[str, object]:
        texts = asdict(self)
        pairs = {
            name: {"zh": texts[name][0], "en": texts[name][1]} for name in ("title", "wanted", "measured", "to_do")
        }
        return {"measure": self.measure, "state": self.state, **pairs}


def load_wishes(path: Path) -> Mapping[str, Wish]:
    """Read a file of requirements; refuses one that lacks a measure or holds something else than numbers."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {
            measure: Wish(float(document[measure]["recommended"]), float(document[measure]["minimum"]))
            for measure in MEASURES
        }
    except KeyError as missing:
        raise AgentError(BAD_WANTED_FILE, path=path, reason=f"{missing} is missing") from None
    except (OSError, ValueError, TypeError) as failure:
        raise AgentError(BAD_WANTED_FILE, path=path, reason=failure) from None


def check_pc(station: str, machine: Machine, *, wishes: Mapping[str, Wish]) -> Sequence[Finding]:
    """Measure everything; a station that cannot be reached is a finding, not an error.

    Raises bad_address only.
    """
    return [
        *_check_station(station, wishes),
        _check_cores(wishes["cpu_cores"]),
        _check_memory(wishes["memory_gb"]),
        _check_disk(wishes["disk_free_gb"], machine.state_folder()),
        _check_browser(wishes["browser_version"], machine.find_browsers()),
    ]


def is_fit(findings: Sequence[Finding]) -> bool:
    """Say whether nothing falls short of a minimum."""
    return all(finding.state != "fail" for finding in findings)


def _check_station(station: str, wishes: Mapping[str, Wish]) -> Sequence[Finding]:
    title, wanted = ("考试站", "Station"), ("可连接", "reachable")
    try:
        reading = read_clock(station)
    except AgentError as failure:
        if failure.code == "bad_address":
            raise
        to_do = (failure.sentence("zh"), failure.sentence("en"))
        return [Finding("station", "fail", title, wanted, ("未连接", "not reached"), to_do)]
    reached = Finding("station", "ok", title, wanted, ("已连接", "reached"))
    return [reached, _check_round_trip(wishes["round_trip_ms"], reading), _check_clock(wishes, reading)]


def _check_round_trip(wish: Wish, reading: ClockReading) -> Finding:
    measured = reading.round_trip_s * 1000
    return Finding(
        "round_trip_ms",
        _state_of_at_most(measured, wish),
        ("往返时间", "Round trip"),
        _both(f"≤ {wish.recommended:g} ms"),
        _both(f"{measured:.1f} ms"),
        ("检查网线和交换机，停用无线网络。", "Check cable and switch; switch wireless off."),
    )


def _check_clock(wishes: Mapping[str, Wish], reading: ClockReading) -> Finding:
    # The page counts by the station's clock: a wrong clock here costs no time, so it never fails a PC.
    wish = wishes["clock_offset_s"]
    state = _state_of_at_most(abs(reading.offset_s), wish)
    return Finding(
        "clock_offset_s",
        "advice" if state == "fail" else state,
        ("时钟偏差", "Clock offset"),
        _both(f"≤ {wish.recommended:g} s"),
        _both(f"{reading.offset_s:+.1f} s"),
        (
            "校准本机时间（考试计时以服务器为准，不受影响）。",
            "Set this PC's clock (the test is timed by the server).",
        ),
    )


def _check_cores(wish: Wish) -> Finding:
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 0
    return Finding(
        "cpu_cores",
        _state_of_at_least(cores, wish),
        ("处理器核数", "CPU cores"),
        _both(_range(wish, "")),
        _both(str(cores)),
        ("换用配置更高的考试机。", "Use a PC with more cores."),
    )


def _check_memory(wish: Wish) -> Finding:
    total = psutil.virtual_memory().total / GIGABYTE
    return Finding(
        "memory_gb",
        _state_of_at_least(total / (1 - MEMORY_KEPT_BACK), wish),
        ("内存", "Memory"),
        _both(_range(wish, " GB")),
        _both(f"{total:.1f} GB"),
        ("增加内存或换用其他考试机。", "Add memory or use another PC."),
    )


def _check_disk(wish: Wish, folder: Path) -> Finding:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = psutil.disk_usage(str(existing)).free / GIGABYTE
    return Finding(
        "disk_free_gb",
        _state_of_at_least(free, wish),
        ("可用磁盘", "Free disk"),
        _both(_range(wish, " GB")),
        _both(f"{free:.1f} GB"),
        (f"清理 {existing} 所在磁盘。", f"Free space on the disk that holds {existing}."),
    )


def _check_browser(wish: Wish, browsers: Sequence[Browser]) -> Finding:
    title, wanted = ("浏览器", "Browser"), _both(f"Chrome / Chromium / Edge ≥ {wish.minimum:g}")
    to_do = ("安装 Chrome 109 或更高版本。", "Install Chrome 109 or later.")
    if not browsers:
        return Finding("browser_version", "fail", title, wanted, ("未找到", "none found"), to_do)
    first = browsers[0]
    if first.major_version is None:
        unread = (f"{first.name}（版本未知）", f"{first.name} (version unknown)")
        look = ("在浏览器“关于”中查看版本。", "Look the version up in the browser's About page.")
        return Finding("browser_version", "advice", title, wanted, unread, look)
    state = _state_of_at_least(first.major_version, wish)
    return Finding("browser_version", state, title, wanted, _both(f"{first.name} {first.version}"), to_do)


def _state_of_at_least(measured: float, wish: Wish) -> str:
    if measured < wish.minimum:
        return "fail"
    return "ok" if measured >= wish.recommended else "advice"


def _state_of_at_most(measured: float, wish: Wish) -> str:
    if measured > wish.minimum:
        return "fail"
    return "ok" if measured <= wish.recommended else "advice"


def _range(wish: Wish, unit: str) -> str:
    if wish.recommended == wish.minimum:
        return f"≥ {wish.minimum:g}{unit}"
    return f"≥ {wish.minimum:g}{unit} ({wish.recommended:g}{unit})"


def _both(text: str) -> tuple[str, str]:
    return text, text
