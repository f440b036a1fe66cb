"""The station's own program with a room of any size, as a technician and the agents of the room meet it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from station.clock import Clock
from station.rehearsal.premises import Child, Premises
from station.setup import make_station
from tests.building import build_room
from tests.console.serving import Console


@dataclass
class RealStation:
    """`python -m station serve` of a folder, and the technician's console."""

    program: Child
    port: int
    console: Console
    room_id: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.program.process.pid)

    def act(self, path: str, **body: Any) -> Any:
        answer = self.console.act(path, **body)
        assert answer.ok, answer.text
        return answer.json()

    def devices(self) -> dict[str, dict[str, Any]]:
        """Give what the page of PCs shows, by seat."""
        (room,) = self.console.get("/api/workstations").json()["rooms"]
        return {one["seat"]: one["device"] for one in room["seats"] if one["device"] is not None}

    def count(self, state: str) -> int:
        return Counter(one["state"] for one in self.devices().values())[state]

    def used_s(self) -> float:
        """Give the seconds of processor time that the station's process has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    @property
    def memory_mb(self) -> float:
        return float(self.process.memory_info().rss) / 2**20


@contextmanager
def real_station(folder: Path, *, seats: int, host: str = "127.0.0.1") -> Iterator[RealStation]:
    """Make a station whose test is tomorrow, start its program, log the technician in and open the registration."""
    premises = Premises.at(folder)
    settings: dict[str, object] = {
        "candidate_listener.host": host, "candidate_listener.port": 0, "staff_listener.port": 0, "agent.port": 0,
    }  # fmt: skip
    lines = {name: json.dumps(value) for name, value in settings.items()}
    config = make_station(premises.folder / "station", site_name="测试考点", settings=lines).config
    clock = Clock()
    room = build_room(config.folder, seats=seats, spares=0, clock=clock, planned_at=clock.now() + timedelta(days=1))
    room.close()
    program = premises.start("station", ["station", "serve", str(config.home)])
    try:
        port, staff_port = program.ports(2)
        with Console(f"http://127.0.0.1:{staff_port}") as console:
            assert console.log_in("technician").ok
            station = RealStation(program, port, console, room.room_id)
            station.act("/api/pairing/open", room_id=room.room_id)
            yield station
    finally:
        premises.close()
