"""Fifty PCs fetch the agent's installer at once while a room saves: everything comes whole, and nobody is refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from station.rehearsal.bench.probe import Probe
from station.rehearsal.load import Report

ROOT = Path(__file__).resolve().parent.parent.parent
MIB = 2**20
PCS, CANDIDATES = 50, 45
MOST_GROWN_MB = 40
INSTALLER = "exam-agent-99.0.exe"
HELLO = {"protocol": 1, "nonce": "0123456789abcdef" * 2, "agent_version": "0.1.0", "system": "windows"}


def put_installer(probe: Probe, size: int) -> dict[str, object]:
    """Lay an installer into the station's folder; gives what the station tells of it."""
    folder = probe.ground.config.folder / "installers"
    folder.mkdir(exist_ok=True)
    content = os.urandom(size)
    (folder / INSTALLER).write_bytes(content)
    told = requests.post(f"{address_of(probe)}/api/agent/hello", json=HELLO, timeout=60).json()["installer"]
    assert (told["name"], told["size"], told["sha256"]) == (INSTALLER, size, hashlib.sha256(content).hexdigest())
    return dict(told)


def address_of(probe: Probe) -> str:
    return f"http://127.0.0.1:{probe.station.ports(1)[0]}"


def fetch(probe: Probe, installer: dict[str, object], *, bytes_per_s: int = 0) -> list[float]:
    """Let all PCs fetch at once; gives the seconds that each needed."""
    words = [address_of(probe), json.dumps(installer), str(PCS), str(bytes_per_s)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.fetching", *words], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def fetch_beside_saves(
    probe: Probe, installer: dict[str, object], *, seconds: float, bytes_per_s: int = 0
) -> tuple[list[float], Report]:
    """Let all PCs fetch, again and again, while everybody saves each second; gives the slowest round and the saves."""
    beside = probe.start_load("open", range(CANDIDATES), name="beside", seconds=seconds, every_s=1.0)
    rounds = [fetch(probe, installer, bytes_per_s=bytes_per_s)]
    while beside.process.poll() is None:
        rounds.append(fetch(probe, installer, bytes_per_s=bytes_per_s))
    beside.check_ended_well(timeout_s=60)
    return max(rounds, key=lambda took: took[-1]), probe.report("beside")


@pytest.mark.slow
def test_fifty_pcs_fetch_the_agent_at_once_while_everybody_saves(tmp_path, capsys):
    size = 8 * MIB
    probe = Probe.make(tmp_path / "ground", candidates=CANDIDATES, with_floor=False)
    try:
        installer = put_installer(probe, size)
        alone = probe.load_station("open", range(CANDIDATES), seconds=5.0, every_s=1.0).report
        memory = probe.rss_mb
        took, beside = fetch_beside_saves(probe, installer, seconds=6.0)
        grown = highest_mb(probe) - memory
    finally:
        probe.close()
    with capsys.disabled():
        print(
            f"\n{PCS} PCs fetch {size / MIB:.0f} MiB each: first after {took[0]:.1f} s, last after {took[-1]:.1f} s; "
            f"saves meanwhile p50 {beside.p50_ms:.0f} ms, p99 {beside.p99_ms:.0f} ms, slowest {beside.max_ms:.0f} ms "
            f"(alone {alone.p50_ms:.0f}, {alone.p99_ms:.0f}, {alone.max_ms:.0f}); station {memory:.0f} + {grown:.0f} MB"
        )
    assert len(took) == PCS
    assert (beside.refused, beside.broken, beside.unordered) == (0, 0, 0)
    assert beside.saves >= CANDIDATES, "nobody was kept out"
    assert grown < MOST_GROWN_MB, "what goes out is not held in memory"


def highest_mb(probe: Probe) -> float:
    """Say how much memory the station's process ever held (Linux)."""
    status = Path(f"/proc/{probe.station.process.pid}/status")
    if not status.exists():
        return float(psutil.Process(probe.station.process.pid).memory_info().rss) / MIB
    (line,) = [one for one in status.read_text("ascii").splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
