"""Hold a bench: measure one question after the other, say each figure beside its floor, and give one document."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from station.rehearsal.bench import measures
from station.rehearsal.bench.disk import flushes_per_s, sqlite_commits_per_s
from station.rehearsal.bench.probe import LOAD_TIMEOUT_S, Probe
from station.rehearsal.ground import Ground

CONNECTIONS = (8, 45, 200)
OPEN = (45, 200)
SLOW_MS = (10, 30)
# Candidates and items: how cost grows with each.
GROWTH = ((45, 60), (200, 60), (1000, 60), (200, 500))
Say = Callable[[str], None]


@dataclass(frozen=True)
class Length:
    """How long to measure."""

    rounds: int
    seconds: float
    open_s: float
    storms: int


LONG, SHORT = Length(5, 3.0, 20.0, 3), Length(2, 2.0, 10.0, 1)


@dataclass
class Bench:
    """A bench in a folder that is removed at the end; `document` fills up as it goes."""

    folder: Path
    length: Length
    say: Say
    document: dict[str, Any] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)

    def disk(self) -> None:
        flushes = flushes_per_s(self.folder, seconds=self.length.seconds)
        commits = sqlite_commits_per_s(self.folder, seconds=self.length.seconds)
        self.document |= {"fsync_per_s": round(flushes), "sqlite_commits_per_s": round(commits)}
        self.say(f"disk: {flushes:.0f} flushes/s, {commits:.0f} SQLite commits of one row/s")

    def saves(self) -> None:
        """Closed and open loop, and the memory after them, on one station with 200 candidates."""
        probe = Probe.make(self.folder / "saves", candidates=max(CONNECTIONS))
        try:
            probe.load_station("closed", range(max(CONNECTIONS)), seconds=1.0)
            for connections in CONNECTIONS:
                self._closed(probe, connections)
            for candidates in OPEN:
                p99_ms, share = measures.open_loop(probe, candidates, seconds=self.length.open_s)
                self._put("open_loop_p99_ms", candidates, p99_ms)
                self._put("open_loop_cpu_share", candidates, share, 4)
                self.say(
                    f"{candidates} candidates, a save each 5 s: p99 {p99_ms:.1f} ms (bound 50), {share:.1%} of a core"
                )
            self.document["rss_mb"] = round(probe.rss_mb, 1)
            self.say(f"memory with {max(CONNECTIONS)} candidates: {probe.rss_mb:.0f} MB (bound 150)")
        finally:
            probe.close()

    def outage(self) -> None:
        found = measures.after_outage(self.folder / "outage")
        self.document["after_outage"] = {name: round(value, 3) for name, value in asdict(found).items()}
        self.say(
            f"after an outage, {measures.OUTAGE_PAGES} pages x {measures.QUEUED} saves: "
            f"{found.seconds:.2f} s (bound 5), "
            f"{found.unordered} out of order, {found.unsent} not acknowledged; "
            f"others waited at most {found.others_max_ms:.0f} ms (bound 1000)"
        )

    def storm(self) -> None:
        for candidates in OPEN:
            p95 = []
            for number in range(self.length.storms):
                waited = measures.start_storm(self.folder / f"storm-{candidates}-{number}", candidates)
                p95.append(measures.percentile(waited, 0.95))
            self._put("storm_p95_s", candidates, sorted(p95)[len(p95) // 2], 3)
            spread = f"{min(p95):.2f}-{max(p95):.2f}"
            bound = {45: 1, 200: 4}[candidates]
            self.say(f"{candidates} candidates at once from log-in to paper: p95 {spread} s (bound {bound})")

    def slow(self) -> None:
        for delay_ms in SLOW_MS:
            for connections in CONNECTIONS[:2]:
                found = measures.slow_flush(
                    self.folder / f"slow-{delay_ms}-{connections}",
                    delay_ms,
                    connections=connections,
                    seconds=self.length.seconds,
                )
                if found is None:
                    self.not_run["slow_flush"] = "strace 不可用 / strace is not available"
                    return
                values = {name: round(value, 1) for name, value in asdict(found).items()}
                self.document.setdefault("slow_flush", {}).setdefault(str(delay_ms), {})[str(connections)] = values
                self.say(
                    f"{connections} connections, {delay_ms} ms added to a flush ({found.flush_ms:.1f} ms in all): "
                    f"{found.saves_per_s:.0f} saves/s, p99 {found.p99_ms:.0f} ms "
                    f"= {found.p99_ms / found.flush_ms:.1f} flushes (bound 4)"
                )

    def growth(self) -> None:
        """How cost grows with candidates and items, of one process."""
        for candidates, items in GROWTH:
            probe = Probe.make(
                self.folder / f"growth-{candidates}-{items}", candidates=candidates, items=items, with_floor=False
            )
            try:
                probe.load_station("closed", range(candidates), seconds=1.0)
                closed = probe.load_station("closed", range(candidates), seconds=self.length.seconds)
                p99_ms, share = measures.open_loop(probe, candidates, seconds=self.length.open_s)
                rss = probe.rss_mb
            finally:
                probe.close()
            waited = measures.start_storm(self.folder / f"growth-storm-{candidates}-{items}", candidates, items=items)
            found = {
                "saves_per_s": round(closed.report.per_s),
                "save_cpu_ms": round(closed.cpu_ms, 3),
                "open_loop_p99_ms": round(p99_ms, 1),
                "open_loop_cpu_share": round(share, 4),
                "storm_p95_s": round(measures.percentile(waited, 0.95), 2),
                "rss_mb": round(rss),
            }
            self.document.setdefault("growth", {})[f"{candidates}x{items}"] = found
            self.say(f"{candidates} candidates x {items} items: {found}")

    def processes(self, database: str) -> None:
        """What a second process on the same database server adds: saves a second of one and of two."""
        ground = Ground.make(self.folder / "processes", candidates=90, settings={"store.url": database})
        try:
            first, second = Probe(ground, ground.serve(), None), Probe(ground, ground.serve(), None)
            one = first.load_station("closed", range(45), seconds=self.length.seconds).report.per_s
            beside = first.start_load("closed", range(45), name="beside", seconds=self.length.seconds)
            other = second.load_station("closed", range(45, 90), seconds=self.length.seconds).report.per_s
            beside.check_ended_well(timeout_s=LOAD_TIMEOUT_S)
            two = other + first.report("beside").per_s
        finally:
            ground.close()
        self.document["processes"] = {"1": round(one), "2": round(two)}
        self.say(f"on the database server: one process {one:.0f} saves/s, two {two:.0f}")

    def _closed(self, probe: Probe, connections: int) -> None:
        closed = measures.closed_loop(probe, connections, rounds=self.length.rounds, seconds=self.length.seconds)
        for name, digits in (
            ("floor_per_s", 0),
            ("saves_per_s", 0),
            ("floor_p99_ms", 1),
            ("save_p99_ms", 1),
            ("floor_cpu_ms", 3),
            ("save_cpu_ms", 3),
        ):
            self._put(name, connections, closed.median(name), digits)
        self.document["failed"] = self.document.get("failed", 0) + closed.failed
        ratios = {
            "throughput": closed.ratio("saves_per_s", "floor_per_s"),
            "p99": closed.ratio("save_p99_ms", "floor_p99_ms"),
            "cpu": closed.ratio("save_cpu_ms", "floor_cpu_ms"),
        }
        said = {name: f"{middle:.2f} ({least:.2f}-{most:.2f})" for name, (middle, least, most) in ratios.items()}
        kept = {name: [round(one, 2) for one in values] for name, values in ratios.items()}
        self.document.setdefault("ratios", {})[str(connections)] = kept
        self.say(
            f"{connections} connections, {self.length.rounds} rounds: "
            f"floor {closed.median('floor_per_s'):.0f}/s p99 {closed.median('floor_p99_ms'):.1f} ms "
            f"{closed.median('floor_cpu_ms'):.2f} ms CPU; saves {closed.median('saves_per_s'):.0f}/s "
            f"p99 {closed.median('save_p99_ms'):.1f} ms {closed.median('save_cpu_ms'):.2f} ms CPU; "
            f"of the floor: throughput {said['throughput']}, p99 {said['p99']}, CPU {said['cpu']}; "
            f"{closed.failed} failed"
        )

    def _put(self, name: str, key: int, value: float, digits: int = 1) -> None:
        self.document.setdefault(name, {})[str(key)] = round(value, digits)


def hold_bench(
    folder: Path | None, *, is_short: bool, as_json: bool, with_growth: bool, database: str, say: Say
) -> int:
    """Measure in a folder of its own below `folder` (the system's temporary one by default); gives the exit status.

    The figures are said as they come; with `as_json` the last line is one JSON object. Status 1 when a save
    failed that should not have: figures out of bounds are no failure of the program that measures.
    """
    made = Path(tempfile.mkdtemp(prefix="exam-bench-", dir=folder))
    bench = Bench(made, SHORT if is_short else LONG, say)
    try:
        bench.disk()
        bench.saves()
        bench.outage()
        bench.storm()
        bench.slow()
        if with_growth:
            bench.growth()
        if database:
            bench.processes(database)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    for what, reason in bench.not_run.items():
        say(f"not run: {what}: {reason}")
    if as_json:
        say(json.dumps(bench.document | {"not_run": bench.not_run}, ensure_ascii=False))
    after = bench.document["after_outage"]
    return 1 if bench.document["failed"] or after["unordered"] or after["unsent"] else 0
