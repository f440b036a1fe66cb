"""Where network faults are played: a throw-away station, its pages, and a room's network where the system has one."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from station.rehearsal.drill.netns import SERVER_HOST, RoomNetwork
from station.rehearsal.drill.pages import Load, Pages
from station.rehearsal.drill.repeater import Habits, Repeater
from station.rehearsal.drill.result import Bilingual
from station.rehearsal.ground import Ground, Seated
from station.rehearsal.load import Report
from station.rehearsal.premises import HOST, Child

CANDIDATES = 45
SEATS = 8
# A seat of its own for PCs that vanish.
GHOSTS = SEATS + 1


@dataclass
class Stage:
    """The station at work. `network` is None where this system cannot have one: then all is on one loopback."""

    ground: Ground
    network: RoomNetwork | None
    station: Child
    port: int
    pages: Pages
    notes: list[Bilingual] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    recovery_s: float | None = None

    @property
    def host(self) -> str:
        return self.pages.host

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.station.process.pid)

    @property
    def apart(self) -> Seated:
        """The candidate whose page takes no part in the loads."""
        return self.ground.candidates[-1]

    def at_seat(self, seat: int) -> Sequence[Seated]:
        """Give the candidates whose pages speak from this seat."""
        return self.ground.candidates[seat - 1 : CANDIDATES - 1 : SEATS]

    def start_load(self, name: str, seat: int, candidates: Sequence[Seated] | None = None, **task: Any) -> Load:
        """Let the pages of a seat save."""
        before = self.network.in_seat(seat) if self.network else ()
        chosen = self.at_seat(seat) if candidates is None else candidates
        return self.pages.start(f"{name}-{seat}", chosen, before=before, **task)

    def connect(self, seat: int, *, source: str = "") -> socket.socket:
        """Open a connection to the station from a seat, for the drill's own use."""
        if self.network:
            return self.network.connect(seat, self.port, source=source)
        return socket.create_connection((self.host, self.port), timeout=10.0)

    @contextmanager
    def line_from(self, seat: int, habits: Habits | None = None, *, seed: int = 0) -> Iterator[Repeater]:
        """Give an address of this program's own network from which requests go on from a seat."""
        repeater = Repeater(lambda: self.connect(seat), habits or Habits(), seed=seed)
        try:
            yield repeater
        finally:
            repeater.close()

    def note(self, zh: str, en: str) -> None:
        self.notes.append((zh, en))

    def check(self, holds: bool, zh: str, en: str) -> None:
        """Note as wrong what does not hold."""
        if not holds:
            self.wrong.append(f"{zh} {en}")

    def check_unharmed(self, what_zh: str, what_en: str, report: Report) -> None:
        """Pages that had no part in a fault: every request was answered well."""
        self.check(
            report.saves > 0 and report.broken + report.refused + report.unordered == 0,
            f"{what_zh}时其他考位受影响：{_described(report)}。",
            f"Others suffered during: {what_en}.",
        )

    def check_all_sent(self, what_zh: str, what_en: str, report: Report) -> None:
        """Pages that were hit: nothing was refused for good, and all was acknowledged in order."""
        self.check(
            report.saves > 0 and report.unordered == 0 and report.refused == 0,
            f"{what_zh}之后保存不全或次序错乱：{_described(report)}。",
            f"Not all went out in order after: {what_en}.",
        )

    def took(self, seconds: float) -> None:
        """Keep the longest recovery."""
        self.recovery_s = max(self.recovery_s or 0.0, seconds)


@contextmanager
def stage(folder: Path, *, has_network: bool) -> Iterator[Stage]:
    """Set the stage and clear it away, whatever happens."""
    network = RoomNetwork.build(GHOSTS) if has_network else None
    try:
        host = SERVER_HOST if network else HOST
        settings = {"candidate_listener.host": host}
        ground = Ground.make(folder, candidates=CANDIDATES, file_items=1, settings=settings)
        try:
            station = ground.serve(before=network.in_server() if network else ())
            port = station.ports(2)[0]
            yield Stage(ground, network, station, port, Pages(ground, host, port))
        finally:
            ground.close()
    finally:
        if network:
            network.close()


def _described(report: Report) -> str:
    return (
        f"saves {report.saves}, broken {report.broken}, refused {report.refused}, unordered {report.unordered}, "
        f"{dict(list(report.refusals.items())[:2])}"
    )
