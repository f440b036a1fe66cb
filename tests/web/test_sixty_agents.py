"""Sixty agents against one station: what both cost, and how soon the station knows that a PC is lost or back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from station.services import pairing
from station.store.models import Device
from tests.agent.desk import until
from tests.building import build_room
from tests.console.serving import served_candidate_app

ROOT = Path(__file__).resolve().parent.parent.parent
MEASURED_S = 8.0


class Agents:
    """The process with the agents; asked for its use of CPU and memory."""

    def __init__(self, child):
        self.child = child

    def used(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())


@contextmanager
def agents(folder, address, seats):
    command = [sys.executable, "-m", "tests.web.sixty_agents", str(folder), address, *seats]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as child:  # fmt: skip
        assert child.stdout.readline() == "ready\n"
        yield Agents(child)
        child.stdin.close()
        child.wait(timeout=60)


@contextmanager
def paired_room(tmp_path, seats):
    room = build_room(tmp_path / "station", seats=seats, spares=0)
    try:
        with room.changing() as db:
            pairing.open_pairing(db, room.room_id, by=room.staff["technician"], at=room.clock.now())
        with served_candidate_app(room) as address:
            yield room, address
    finally:
        room.close()


def measure(running):
    """Give the share of a core that the station (this process) and the agents use, and their memory."""
    me = psutil.Process()
    before, theirs, started = me.cpu_times(), running.used(), time.monotonic()
    time.sleep(MEASURED_S)
    after, theirs_after, took = me.cpu_times(), running.used(), time.monotonic() - started
    station = (after.user + after.system - before.user - before.system) / took
    return station, (theirs_after["cpu_s"] - theirs["cpu_s"]) / took, me.memory_info().rss, theirs_after["memory"]


def lost(room, ids):
    return sum(room.edge.devices.is_lost(one) for one in ids)


@pytest.mark.slow
def test_sixty_agents_cost_little_and_a_lost_one_is_known_within_seconds(tmp_path, capsys):
    with paired_room(tmp_path, 60) as (room, address):
        me = psutil.Process()
        idle = me.cpu_times()
        time.sleep(2.0)
        idle_share = (sum(me.cpu_times()[:2]) - sum(idle[:2])) / 2.0
        with agents(tmp_path / "pcs", address, [str(seat) for seat in range(1, 61)]) as running:
            with room.store.reading() as db:
                ids = list(db.scalars(select(Device.id)))
            assert len(ids) == 60
            assert lost(room, ids) == 0
            station, theirs, memory, their_memory = measure(running)
            began = time.monotonic()
            running.child.send_signal(signal.SIGSTOP)  # all sixty PCs fall silent
            until(lambda: lost(room, ids) == 60)
            lost_after = time.monotonic() - began
            began = time.monotonic()
            running.child.send_signal(signal.SIGCONT)
            until(lambda: lost(room, ids) == 0)
            back_after = time.monotonic() - began
    with capsys.disabled():
        print(
            f"\n60 agents: station {station:.1%} of a core (idle {idle_share:.1%}), {memory / 2**20:.0f} MB; "
            f"agents {theirs:.1%} of a core together, {their_memory / 2**20:.0f} MB; "
            f"lost after {lost_after:.1f} s, back after {back_after:.1f} s"
        )
    assert lost_after > 2, "not at the first missed beat"


@pytest.mark.slow
def test_one_agent_alone_uses_less_than_a_hundredth_of_a_core_and_45_megabytes(tmp_path, capsys):
    with paired_room(tmp_path, 1) as (_room, address), agents(tmp_path / "pc", address, ["1"]) as running:
        _station, theirs, _memory, their_memory = measure(running)
    with capsys.disabled():
        print(f"\none agent: {theirs:.2%} of a core, {their_memory / 2**20:.1f} MB")
    assert their_memory < 45 * 2**20
