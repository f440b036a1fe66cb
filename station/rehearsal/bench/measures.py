"""What the bench measures, one function a question (issue bounds: design §13.27)."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from station.errors import Unsound
from station.rehearsal.bench.probe import LOAD_TIMEOUT_S, Probe
from station.rehearsal.ground import Ground
from station.rehearsal.premises import CHILD_FAILED, HOST

# As a page sends what has piled up: in batches of a hundred.
PAGE_BATCH = 100
QUEUED = 200
OUTAGE_PAGES, OTHER_PAGES = 45, 15
SAVE_EVERY_S = 5.0


@dataclass
class Closed:
    """Floor and saves at one number of connections, a value a round."""

    floor_per_s: list[float] = field(default_factory=list)
    saves_per_s: list[float] = field(default_factory=list)
    floor_p99_ms: list[float] = field(default_factory=list)
    save_p99_ms: list[float] = field(default_factory=list)
    floor_cpu_ms: list[float] = field(default_factory=list)
    save_cpu_ms: list[float] = field(default_factory=list)
    failed: int = 0

    def median(self, name: str) -> float:
        values: list[float] = getattr(self, name)
        return statistics.median(values)

    def ratio(self, upper: str, lower: str) -> tuple[float, float, float]:
        """Give the median, the least and the largest of the rounds' ratios: both halves of a round are neighbours."""
        ratios = [one / other for one, other in zip(getattr(self, upper), getattr(self, lower), strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


@dataclass(frozen=True)
class AfterOutage:
    """How the queues of an outage went out, and how long the others' saves waited meanwhile."""

    seconds: float
    unordered: int
    unsent: int
    others_max_ms: float


@dataclass(frozen=True)
class SlowFlush:
    """Saves on a disk whose flush takes longer."""

    flush_ms: float
    saves_per_s: float
    p99_ms: float


def closed_loop(probe: Probe, connections: int, *, rounds: int, seconds: float) -> Closed:
    """Measure floor and saves in turn, so that what else the machine does falls on both."""
    closed = Closed()
    for _ in range(rounds):
        floor = probe.load_floor(connections, seconds=seconds)
        saves = probe.load_station("closed", range(connections), seconds=seconds)
        closed.floor_per_s.append(floor.report.per_s)
        closed.saves_per_s.append(saves.report.per_s)
        closed.floor_p99_ms.append(floor.report.p99_ms)
        closed.save_p99_ms.append(saves.report.p99_ms)
        closed.floor_cpu_ms.append(floor.cpu_ms)
        closed.save_cpu_ms.append(saves.cpu_ms)
        closed.failed += saves.report.refused + saves.report.broken
    return closed


def open_loop(probe: Probe, candidates: int, *, seconds: float) -> tuple[float, float]:
    """Let everybody save each 5 s; gives p99 in milliseconds and the share of one core."""
    loaded = probe.load_station("open", range(candidates), seconds=seconds, every_s=SAVE_EVERY_S)
    return loaded.report.p99_ms, loaded.cpu_share


def after_outage(folder: Path) -> AfterOutage:
    """Let 45 pages bring 200 saves each at once, while 15 others save twice a second."""
    probe = Probe.make(folder, candidates=OUTAGE_PAGES + OTHER_PAGES, with_floor=False)
    try:
        others = range(OUTAGE_PAGES, OUTAGE_PAGES + OTHER_PAGES)
        beside = probe.start_load("open", others, name="others", seconds=8.0, every_s=0.5)
        time.sleep(2.0)
        flushed = probe.load_station("queue", range(OUTAGE_PAGES), seconds=60.0, queued=QUEUED, batch=PAGE_BATCH)
        beside.check_ended_well(timeout_s=LOAD_TIMEOUT_S)
        report, others_report = flushed.report, probe.report("others")
        unsent = OUTAGE_PAGES * QUEUED - report.saves + others_report.refused + others_report.broken
        return AfterOutage(report.seconds, report.unordered, unsent, others_report.max_ms)
    finally:
        probe.close()


def start_storm(folder: Path, candidates: int, *, items: int = 60) -> list[float]:
    """Let everybody log in and fetch the whole paper at once; gives the seconds that each waited, sorted."""
    ground = Ground.make(folder, candidates=candidates, items=items, seated=False)
    try:
        port = ground.serve().ports(2)[0]
        tickets, report = ground.premises.folder / "tickets", ground.premises.folder / "storm.json"
        tickets.write_text("\n".join(one.ticket_number for one in ground.candidates), encoding="ascii")
        words = ["station.rehearsal.bench.storm", HOST, str(port), str(tickets), str(report)]
        if subprocess.run([sys.executable, "-m", *words], timeout=LOAD_TIMEOUT_S).returncode:
            raise Unsound(CHILD_FAILED, name="storm", log=ground.premises.folder / "logs")
        return sorted(json.loads(report.read_text("ascii")))
    finally:
        ground.close()


def slow_flush(folder: Path, delay_ms: int, *, connections: int, seconds: float) -> SlowFlush | None:
    """Measure saves with every flush delayed; None where strace, which does it, is missing."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    delay = f"inject=fdatasync,fsync:delay_enter={delay_ms * 1000}"
    before = (strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=fdatasync,fsync", "-e", delay, "-o", "/dev/null")
    folder.mkdir(parents=True)
    words = [*before, sys.executable, "-m", "station.rehearsal.bench.disk", str(folder)]
    flush = subprocess.run(words, capture_output=True, text=True, timeout=LOAD_TIMEOUT_S)
    if flush.returncode:  # a container that may not trace
        return None
    probe = Probe.make(folder / "station", candidates=connections, with_floor=False, before=before)
    try:
        probe.load_station("closed", range(connections), seconds=1.0)
        report = probe.load_station("closed", range(connections), seconds=seconds).report
        return SlowFlush(float(flush.stdout), report.per_s, report.p99_ms)
    finally:
        probe.close()


def percentile(values: list[float], part: float) -> float:
    """Give the value below which this part of sorted values lies."""
    return values[min(len(values) - 1, int(len(values) * part))]
