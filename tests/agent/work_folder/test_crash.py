"""Kill -9 of the agent at any moment, again and again: what the candidate saved is at the station in the end."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.agent.conftest import ROOT
from tests.agent.work_folder.work_station import sha256

KILLS = 30
AGENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from client_agent.station_link import Link
from client_agent.work_folder.folder import WorkFolder
home = Path(sys.argv[3])
work = WorkFolder(Link(sys.argv[2]), home / "state", drives=lambda: [home / "drive"], boot_id="boot-1",
                  monotonic=lambda: time.monotonic() * 8)
work.start()
work.follow({"attempt_id": 17, "state": "answering"})
while work.path is None:
    time.sleep(0.01)
print(work.path, flush=True)
while True:
    time.sleep(1)
"""


@pytest.fixture
def station(station):
    """The station has materials and earlier work for the PC to fetch."""
    for number in range(5):
        station.add_material(f"素材/{number}.png", os.urandom(20_000))
        station.add_version(f"01_海报设计/早先{number}.psd", os.urandom(200_000))
    return station


def start(station, home):
    return subprocess.Popen(
        [sys.executable, "-c", AGENT, str(ROOT), station.address, str(home)], stdout=subprocess.PIPE
    )


def save_something(item, chance):
    """Save as an editor does, one way or another; gives what then lies there."""
    target, content = item / f"图{chance.randrange(6)}.psd", os.urandom(chance.choice([10, 3000, 1_500_000, 9_000_000]))
    if chance.random() < 0.5:
        temporary = item / "save.tmp"
        temporary.write_bytes(content)
        os.replace(str(temporary), str(target))
    else:
        target.write_bytes(content)
    return sha256(content)


def work_in(folder):
    """Give what lies there of the candidate's, as the station names it."""
    return {
        "01_海报设计/" + path.relative_to(folder).as_posix(): sha256(path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and "素材" not in path.parts
    }


def test_an_agent_killed_at_any_moment_loses_nothing_and_sends_nothing_torn(station, tmp_path):
    home = tmp_path / "pc"
    (home / "drive").mkdir(parents=True)
    chance, saved, folder = random.Random(4), set(), None
    given = {version["sha256"] for versions in station.versions.values() for version in versions}
    for _ in range(KILLS):
        with start(station, home) as agent:
            if folder is None or chance.random() < 0.3:
                line = agent.stdout.readline().decode().strip()
                folder = folder or (os.path.join(line, "01_海报设计"))
            if folder is not None:
                for _save in range(chance.randrange(3)):
                    saved.add(save_something(Path(folder), chance))
            time.sleep(chance.random() * 1.2)
            agent.kill()
    with start(station, home) as agent:
        ends = time.monotonic() + 60
        while station.files() != work_in(Path(folder)) and time.monotonic() < ends:
            time.sleep(0.1)
        agent.kill()
    wanted = work_in(Path(folder))
    assert station.files() == wanted
    assert len(wanted) >= 8
    told = {version["sha256"] for versions in station.versions.values() for version in versions}
    assert told - given <= saved, "only what an editor wrote as a whole"
    for name in told:
        station.content(name)
