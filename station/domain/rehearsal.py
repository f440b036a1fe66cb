"""A rehearsal 压力演练: what is measured, within which limits it has passed, and how figures are summed up.

Limits are data. They are those of a room whose candidates notice nothing: an answer saved within a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from station.errors import Invalid, problem

MINUTES_MOST = 30
PLAYERS_MOST = 60
# The room must be free for so long after a rehearsal or trial.
KEEP_FREE = timedelta(minutes=30)
# So many days a rehearsal speaks for the room at the sealing.
COUNTS_FOR = timedelta(days=7)
# A player takes so long beside its minutes at most; afterwards it is given up.
GRACE = timedelta(seconds=90)
# Then its process has so long to judge what has come; where nothing is heard of that either, it has died.
JUDGING = timedelta(seconds=60)
# A rehearsal's and a trial's ticket numbers begin with letters, which no roster's may (R-ROST-2).
TICKET_HEADS = {"trial": "SK", "rehearsal": "YL"}

REHEARSAL_LENGTH = problem(
    "rehearsal_length",
    "演练时长须为 1 至 {minutes} 分钟，模拟考生须为 1 至 {players} 名。",
    "A rehearsal takes 1 to {minutes} minutes and has 1 to {players} candidates.",
)


class Way(StrEnum):
    """Who plays the candidates."""

    SERVER = "server"
    AGENTS = "agents"


class RehearsalState(StrEnum):
    """How a rehearsal stands; broken: no result came."""

    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"


WAY_NAMES: dict[Way, tuple[str, str]] = {
    Way.SERVER: ("服务器代全场考生", "the server stands for the room"),
    Way.AGENTS: ("各考试机同时演练", "each PC plays its own candidate"),
}
REHEARSAL_STATE_NAMES: dict[RehearsalState, tuple[str, str]] = {
    RehearsalState.RUNNING: ("演练中", "running"),
    RehearsalState.PASSED: ("通过", "passed"),
    RehearsalState.FAILED: ("未通过", "not passed"),
    RehearsalState.BROKEN: ("中断，没有结果", "broken off, no result"),
}


@dataclass(frozen=True)
class Limit:
    """How far a figure may go: `most` or `least`; None on both sides: told, not judged."""

    code: str
    zh: str
    en: str
    unit: str
    most: float | None = None
    least: float | None = None

    def holds(self, value: float | None) -> bool:
        """Say whether a figure is within the limit; one that was not measured fails where there is a limit."""
        if self.most is None and self.least is None:
            return True
        if value is None:
            return False
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    @property
    def wanted(self) -> str:
        if self.most == 0:
            return "0"
        if self.most is not None:
            return f"≤ {self.most:g} {self.unit}".strip()
        return f"≥ {self.least:g} {self.unit}".strip() if self.least is not None else "—"


LIMITS: tuple[Limit, ...] = (
    Limit("lost", "丢失的答案", "answers lost", "", most=0),
    Limit("faults", "出错次数", "faults", "", most=0),
    Limit("unfinished", "未完成的考生", "candidates without a result", "", most=0),
    Limit("disconnects", "断线次数", "disconnects", "", most=0),
    Limit("log_in_p95", "登录（95% 在此以内）", "log-in (95 % within)", "ms", most=5000),
    Limit("paper_p95", "打开试卷（95% 在此以内）", "opening the paper (95 % within)", "ms", most=8000),
    Limit("save_p50", "保存（一半在此以内）", "saving (half within)", "ms", most=500),
    Limit("save_p99", "保存（99% 在此以内）", "saving (99 % within)", "ms", most=2000),
    Limit("save_max", "保存（最慢一次）", "saving (the slowest)", "ms", most=5000),
    Limit("file_mb_s", "每机文件传输", "files, one PC", "MB/s", least=1),
    Limit("saves", "已确认保存", "acknowledged saves", ""),
    Limit("cpu_percent", "考站占用 CPU", "station's share of the CPU", "%", most=80),
    Limit("memory_mb", "考站内存", "station's memory", "MB", most=2048),
    Limit("disk_free_gb", "磁盘可用", "disk free", "GB", least=1),
)
# What one seat is held against by itself.
SEAT_LIMITS = frozenset({"lost", "faults", "disconnects", "save_max", "file_mb_s"})


@dataclass(frozen=True)
class SeatReport:
    """What one player measured. Times in milliseconds; `file_s`: both ways."""

    log_in_ms: float | None = None
    paper_ms: float | None = None
    saves_ms: tuple[float, ...] = ()
    saves: int = 0
    lost: int = 0
    disconnects: int = 0
    file_bytes: int = 0
    file_s: float = 0.0
    faults: tuple[str, ...] = ()

    @property
    def file_mb_s(self) -> float | None:
        return self.file_bytes / 1e6 / self.file_s if self.file_s > 0 else None

    def as_document(self) -> dict[str, Any]:
        return {
            "log_in_ms": self.log_in_ms,
            "paper_ms": self.paper_ms,
            "saves_ms": list(self.saves_ms),
            "saves": self.saves,
            "lost": self.lost,
            "disconnects": self.disconnects,
            "file_bytes": self.file_bytes,
            "file_s": self.file_s,
            "faults": list(self.faults),
        }


@dataclass(frozen=True)
class Server:
    """What was measured of the server meanwhile."""

    cpu_percent: float | None = None
    memory_mb: float | None = None
    disk_free_gb: float | None = None


@dataclass(frozen=True)
class Summary:
    """All figures, each with whether it holds; `seats`: per seat number its figures."""

    figures: Mapping[str, float | None]
    seats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def is_passed(self) -> bool:
        return all(one.holds(self.figures.get(one.code)) for one in LIMITS)

    def as_document(self) -> dict[str, Any]:
        return {"figures": dict(self.figures), "seats": {seat: dict(one) for seat, one in self.seats.items()}}


def parse_report(document: Mapping[str, Any]) -> SeatReport:
    """Read what a player sends; what is not a figure is left out, and long lists are cut."""
    saves = document.get("saves_ms")
    faults = document.get("faults")
    return SeatReport(
        log_in_ms=_number(document.get("log_in_ms")),
        paper_ms=_number(document.get("paper_ms")),
        saves_ms=tuple(filter(None, map(_number, saves[:2000]))) if isinstance(saves, list) else (),
        saves=int(_number(document.get("saves")) or 0),
        lost=int(_number(document.get("lost")) or 0),
        disconnects=int(_number(document.get("disconnects")) or 0),
        file_bytes=int(_number(document.get("file_bytes")) or 0),
        file_s=_number(document.get("file_s")) or 0.0,
        faults=tuple(str(one)[:200] for one in faults[:5]) if isinstance(faults, list) else (),
    )


def sum_up(
    reports: Mapping[str, SeatReport | None],
    *,
    stored: Mapping[str, int],
    server: Server,
    refusals: Mapping[str, str] | None = None,
) -> Summary:
    """Sum up what the seats measured. `stored`: how many answers the store holds of each seat; `refusals`: why not.

    An answer is lost that was acknowledged and is not in the store, or that the player did not find again.
    """
    told = {seat: one for seat, one in reports.items() if one is not None}
    lost = {seat: max(one.lost, one.saves - stored.get(seat, 0), 0) for seat, one in told.items()}
    saves = [took for one in told.values() for took in one.saves_ms]
    file_s = sum(one.file_s for one in told.values())
    figures: dict[str, float | None] = {
        "lost": sum(lost.values()),
        "faults": sum(len(one.faults) for one in told.values()),
        "unfinished": len(reports) - len(told),
        "disconnects": sum(one.disconnects for one in told.values()),
        "log_in_p95": percentile((one.log_in_ms for one in told.values()), 0.95),
        "paper_p95": percentile((one.paper_ms for one in told.values()), 0.95),
        "save_p50": percentile(saves, 0.5),
        "save_p99": percentile(saves, 0.99),
        "save_max": max(saves, default=None),
        "file_mb_s": sum(one.file_bytes for one in told.values()) / 1e6 / file_s if file_s else None,
        "saves": sum(one.saves for one in told.values()),
        "cpu_percent": server.cpu_percent,
        "memory_mb": server.memory_mb,
        "disk_free_gb": server.disk_free_gb,
    }
    return Summary(
        {code: None if value is None else round(value, 2) for code, value in figures.items()},
        {seat: _seat_figures(one, lost.get(seat, 0), (refusals or {}).get(seat)) for seat, one in reports.items()},
    )


def percentile(values: Iterable[float | None], part: float) -> float | None:
    """Give the value below which this part of all lies (nearest rank); None of nothing."""
    found = sorted(one for one in values if one is not None)
    return found[max(0, math.ceil(len(found) * part) - 1)] if found else None


def check_length(minutes: int, players: int) -> None:
    """Refuse a rehearsal that is too long or too large."""
    if not (1 <= minutes <= MINUTES_MOST and 1 <= players <= PLAYERS_MOST):
        raise Invalid(REHEARSAL_LENGTH, minutes=MINUTES_MOST, players=PLAYERS_MOST)


def practice_ticket(kind: str, room_id: int, position: int) -> str:
    """Make the ticket number of a seat for trials or rehearsals: letters, then six digits, which are the password."""
    return f"{TICKET_HEADS[kind]}{room_id}-{position:06d}"


def spoken(figures: Mapping[str, float | None]) -> tuple[str, str]:
    """Say in a sentence what a rehearsal found."""
    saves, slow, lost = figures.get("saves") or 0, figures.get("save_p99"), figures.get("lost") or 0
    took = "—" if slow is None else f"{slow:.0f}"
    return (
        f"压力演练：保存 {saves:.0f} 次，p99 {took} ms，丢失 {lost:.0f}",
        f"rehearsal: {saves:.0f} saves, p99 {took} ms, {lost:.0f} lost",
    )


def _seat_figures(report: SeatReport | None, lost: int, refusal: str | None) -> dict[str, Any]:
    if report is None:
        return {"is_told": False, "is_passed": False, "texts": [refusal] if refusal else []}
    figures: dict[str, float | None] = {
        "lost": lost,
        "faults": len(report.faults),
        "disconnects": report.disconnects,
        "log_in_ms": report.log_in_ms,
        "paper_ms": report.paper_ms,
        "save_p50": percentile(report.saves_ms, 0.5),
        "save_max": max(report.saves_ms, default=None),
        "file_mb_s": report.file_mb_s,
        "saves": report.saves,
    }
    passed = all(one.holds(figures.get(one.code)) for one in LIMITS if one.code in SEAT_LIMITS)
    rounded = {code: None if value is None else round(value, 2) for code, value in figures.items()}
    return {"is_told": True, "is_passed": passed, "texts": list(_few(report.faults)), **rounded}


def _few(texts: Sequence[str]) -> Sequence[str]:
    return texts[:3]


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        return None
    return float(value)
