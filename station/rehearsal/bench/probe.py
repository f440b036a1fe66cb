"""The bench's ground: a throw-away station and the floor, both as programs of their own, and what they cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from station.errors import Unsound
from station.rehearsal.ground import Ground
from station.rehearsal.load import Report, Sender, Task
from station.rehearsal.premises import CHILD_FAILED, HOST, Child

LOAD_TIMEOUT_S = 120.0
# The station's saves have one thread; the floor gets what it does best with at 8, 45 and 200 connections alike.
FLOOR_THREADS = 8


@dataclass
class Loaded:
    """What a load saw, and what the loaded program spent: milliseconds of processor time a request."""

    report: Report
    cpu_ms: float
    cpu_share: float


@dataclass
class Probe:
    """A station with everybody seated, and the floor beside it. Close it, whatever happens."""

    ground: Ground
    station: Child
    floor: Child | None
    _next: dict[int, int] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        folder: Path,
        *,
        candidates: int,
        items: int = 60,
        database: str = "",
        with_floor: bool = True,
        before: tuple[str, ...] = (),
    ) -> Probe:
        """Start both in a folder that is empty or absent. `before` are words that start the station (strace …)."""
        settings = {"store.url": database} if database else {}
        ground = Ground.make(folder, candidates=candidates, items=items, settings=settings)
        try:
            station = ground.serve(before=before)
            station.ports(2)
            words = ["station.rehearsal.bench.floor", str(FLOOR_THREADS)]
            floor = ground.premises.start("floor", words) if with_floor else None
            if floor is not None:
                floor.ports(1)
        except BaseException:
            ground.close()
            raise
        return cls(ground, station, floor)

    def close(self) -> None:
        self.ground.close()

    @property
    def rss_mb(self) -> float:
        """Say how much memory the station's process holds."""
        return float(_program(self.station).memory_info().rss) / 2**20

    def load_floor(self, connections: int, *, seconds: float) -> Loaded:
        """Send what a page would save, as fast as the floor answers."""
        assert self.floor is not None
        senders = self._senders(range(connections))
        task = Task(HOST, self.floor.ports(1)[0], "closed", senders, self.ground.items, path="/floor", seconds=seconds)
        return self._load(self.floor, task, "floor")

    def load_station(self, mode: str, people: range, *, seconds: float, **options: float | int) -> Loaded:
        """Let these candidates save: `mode` and options as in `load.Task`."""
        task = self._task(mode, people, seconds=seconds, **options)
        loaded = self._load(self.station, task, f"{mode}-{people.start}")
        for sender, last in zip(task.senders, loaded.report.last_sequences, strict=True):
            self._next[sender.place] = last + 1
        return loaded

    def start_load(self, mode: str, people: range, *, name: str, seconds: float, **options: float | int) -> Child:
        """Start a load that runs beside another one; its report is `report(name)`."""
        task = self._task(mode, people, seconds=seconds, **options)
        for sender in task.senders:  # what it will have used, it or the next one
            self._next[sender.place] = sender.from_sequence + 100_000
        return self.ground.premises.start(name, self._words(task, name))

    def report(self, name: str) -> Report:
        """Read what a finished load saw."""
        return Report.read(self._path(name, "report"))

    def _task(self, mode: str, people: range, **options: float | int) -> Task:
        port, senders = self.station.ports(1)[0], self._senders(people)
        return Task(HOST, port, mode, senders, self.ground.items, **options)  # type: ignore[arg-type]

    def _senders(self, people: range) -> tuple[Sender, ...]:
        return tuple(
            Sender(one.token, one.attempt_id, one.place, self._next.get(one.place, 1))
            for one in (self.ground.candidates[number] for number in people)
        )

    def _load(self, loaded: Child, task: Task, name: str) -> Loaded:
        words = self._words(task, name)
        program = _program(loaded)
        before = program.cpu_times()
        done = subprocess.run([sys.executable, "-m", *words], timeout=LOAD_TIMEOUT_S, env=_environment())
        after = program.cpu_times()
        if done.returncode:
            raise Unsound(CHILD_FAILED, name=name, log=self.ground.premises.folder / "logs")
        report = self.report(name)
        spent = (after.user - before.user) + (after.system - before.system)
        return Loaded(report, 1000 * spent / max(1, report.requests), spent / report.seconds)

    def _words(self, task: Task, name: str) -> list[str]:
        path = self._path(name, "task")
        path.write_text(json.dumps(asdict(task)), encoding="utf-8")
        return ["station.rehearsal.load", str(path), str(self._path(name, "report"))]

    def _path(self, name: str, kind: str) -> Path:
        return self.ground.premises.folder / f"{name}.{kind}.json"


def _program(child: Child) -> psutil.Process:
    """Find the program itself behind the words that started it."""
    process = psutil.Process(child.process.pid)
    below = process.children()
    return below[0] if below and "python" not in process.name() else process


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUTF8": "1"}
