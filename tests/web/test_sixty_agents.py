"""Sixty agents against the station's own program: what both cost, and how soon the board says lost and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.agent.desk import until
from tests.web.real_station import RealStation, real_station

ROOT = Path(__file__).resolve().parent.parent.parent
MEASURED_S = 10.0
PATIENCE_S = 60


class Agents:
    """The process with the agents; asked for its use of CPU and memory."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child

    def used(self) -> dict[str, Any]:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return dict(json.loads(self.child.stdout.readline()))


@contextmanager
def agents(folder: Path, address: str, seats: list[str]) -> Iterator[Agents]:
    command = [sys.executable, "-m", "tests.web.sixty_agents", str(folder), address, *seats]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield Agents(child)
        child.stdin.close()
        child.wait(timeout=60)


def share_of(station: RealStation, running: Agents) -> tuple[float, float]:
    """Give the shares of a core that the station's program and the agents use, nobody looking on."""
    began, before, theirs = time.monotonic(), station.used_s(), running.used()["cpu_s"]
    time.sleep(MEASURED_S)
    after, theirs_after, took = station.used_s(), running.used()["cpu_s"], time.monotonic() - began
    return (after - before) / took, (theirs_after - theirs) / took


@pytest.mark.slow
def test_sixty_agents_cost_little_and_the_board_says_within_seconds_who_is_lost(tmp_path, capsys):
    seats = [str(number) for number in range(1, 61)]
    with real_station(tmp_path / "station", seats=60) as station:
        alone, began = station.used_s(), time.monotonic()
        time.sleep(MEASURED_S / 2)
        idle = (station.used_s() - alone) / (time.monotonic() - began)
        memory_before = station.memory_mb
        with agents(tmp_path / "pcs", station.address, seats) as running:
            until(lambda: station.count("ready") == 60, PATIENCE_S)
            ours, theirs = share_of(station, running)
            their_memory = running.used()["memory"]
            began = time.monotonic()
            running.child.send_signal(signal.SIGSTOP)  # all sixty PCs fall silent
            until(lambda: station.count("lost") == 60, PATIENCE_S)
            lost_after = time.monotonic() - began
            began = time.monotonic()
            running.child.send_signal(signal.SIGCONT)
            until(lambda: station.count("ready") == 60, PATIENCE_S)
            back_after = time.monotonic() - began
            memory = station.memory_mb
    with capsys.disabled():
        print(
            f"\n60 agents, a station's program: station {ours:.1%} of a core (nobody there: {idle:.1%}), "
            f"{memory:.0f} MB (before {memory_before:.0f}); agents together {theirs:.1%} of a core, "
            f"{their_memory / 2**20:.0f} MB in one process; on the board lost after {lost_after:.1f} s, "
            f"back after {back_after:.1f} s"
        )
    assert lost_after > 2, "not at the first missed beat"


@pytest.mark.slow
def test_one_agent_alone_uses_less_than_a_hundredth_of_a_core_and_45_megabytes(tmp_path, capsys):
    with (
        real_station(tmp_path / "station", seats=1) as station,
        agents(tmp_path / "pc", station.address, ["1"]) as running,
    ):
        theirs = share_of(station, running)[1]
        memory = running.used()["memory"]
    with capsys.disabled():
        print(f"\none agent: {theirs:.2%} of a core, {memory / 2**20:.1f} MB")
    assert memory < 45 * 2**20
