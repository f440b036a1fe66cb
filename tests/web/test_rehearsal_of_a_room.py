"""A rehearsal by a whole room's PCs against the station's own program: fifty agents, twelve of them programs."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.agent.desk import until
from tests.conftest import skip_for_want_of
from tests.web.agent_programs import IP, ProgramPc, program_pc
from tests.web.real_station import RealStation, real_station
from tests.web.test_sixty_agents import agents

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="networks of their own need root"),
]

PROGRAMS, OTHERS = 12, 38
PATIENCE_S = 120
# A minute of play, 90 s of grace, and what a slow machine takes beside.
RESULT_S = 240


@pytest.fixture
def ending():
    if not IP:
        skip_for_want_of("ip (Debian package iproute2)")
    with ExitStack() as stack:
        yield stack


def switch_on(ending: ExitStack, folder: Path, station: RealStation, count: int) -> list[ProgramPc]:
    """Register so many PCs, each by its own program as the technician does, and start their agents."""
    pcs = [ending.enter_context(program_pc(folder / f"pc-{one}", one, station.port)) for one in range(1, count + 1)]
    for pc in pcs:
        assert f"考位 {pc.seat}" in pc.exam_agent("pair", pc.station, "--seat", pc.seat)
        pc.run()
    return pcs


def begin(station: RealStation) -> int:
    answer = station.act(f"/api/rooms/{station.room_id}/rehearsals", way="agents", minutes=1)
    return int(answer["players"])


def rehearsal(station: RealStation) -> dict[str, Any]:
    listed = station.console.get(f"/api/rooms/{station.room_id}/rehearsals").json()
    return dict(listed["rehearsals"][0])


def result(station: RealStation) -> dict[str, Any]:
    until(lambda: rehearsal(station)["state"] != "running", RESULT_S)
    return rehearsal(station)


def test_r_room_7_fifty_pcs_rehearse_at_once_and_lose_nothing(ending, tmp_path, capsys):
    station = ending.enter_context(real_station(tmp_path / "station", seats=PROGRAMS + OTHERS, host="0.0.0.0"))
    pcs = switch_on(ending, tmp_path / "programs", station, PROGRAMS)
    others = [str(number) for number in range(PROGRAMS + 1, PROGRAMS + OTHERS + 1)]
    ending.enter_context(agents(tmp_path / "others", station.address, others))
    until(lambda: station.count("ready") == PROGRAMS + OTHERS, PATIENCE_S)
    assert begin(station) == PROGRAMS + OTHERS
    told = result(station)
    figures = {one["code"]: one["value"] for one in told["figures"]}
    with capsys.disabled():
        print(f"\n50 PCs: {told['state']}, {figures}")
        print(f"a PC's program: {max(pc.memory_mb() for pc in pcs):.1f} MB at most")
    assert [figures[name] for name in ("lost", "faults", "unfinished", "disconnects")] == [0, 0, 0, 0]
    assert None not in figures.values()
    assert [one["seat"] for one in told["seats"] if not one["is_told"]] == []
    assert len(told["seats"]) == PROGRAMS + OTHERS
    assert all(one["saves"] > 0 and one["lost"] == 0 for one in told["seats"])
    until(lambda: station.count("ready") == PROGRAMS + OTHERS, PATIENCE_S)


def test_a_pc_that_dies_in_a_rehearsal_is_named_and_the_others_have_their_result(ending, tmp_path):
    station = ending.enter_context(real_station(tmp_path / "station", seats=3, host="0.0.0.0"))
    pcs = switch_on(ending, tmp_path / "programs", station, 3)
    until(lambda: station.count("ready") == 3, PATIENCE_S)
    assert begin(station) == 3
    pcs[1].kill()
    told = result(station)
    assert told["state"] == "failed"
    assert {one["seat"]: one["is_told"] for one in told["seats"]} == {"1": True, "2": False, "3": True}
    assert [one["texts"] for one in told["seats"]] == [[], ["演练中失去联系"], []]
    figures = {one["code"]: one["value"] for one in told["figures"]}
    assert (figures["unfinished"], figures["lost"], figures["faults"]) == (1, 0, 0)
