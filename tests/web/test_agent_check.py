"""A real agent checks its PC for a real station: requirements over HTTP, the report judged and kept."""

from __future__ import annotations

import contextlib
import json

import pytest
from sqlalchemy import select

from client_agent.checks.run import check_and_report
from client_agent.station_link import Link, Trust
from station.errors import Invalid
from station.services import intake
from station.store.models import ReadinessReport
from tests.agent.checked_pc import Pc, chrome
from tests.building import PLAN, build_room

WANTED = [
    {"check": "memory_gb", "recommended": 8, "minimum": 4},
    {"check": "programs", "wanted": [{"name": "Adobe Photoshop", "minimum": "13.0"}]},
    # Short of what no machine has: so that the report has something to fix, wherever the test runs.
    {"check": "cpu_cores", "recommended": 5000, "minimum": 4000},
]


@pytest.fixture
def room(tmp_path):
    plan = json.loads(json.dumps(PLAN))
    plan["certificates"][0]["requirements"] = {"candidate_pc": WANTED}
    built = build_room(tmp_path / "station", plan=plan)
    yield built
    built.close()


def kept_reports(room):
    with room.store.reading() as db:
        return list(db.scalars(select(ReadinessReport)))


def test_r_room_3_a_pc_is_checked_against_the_plan_and_its_report_judged_and_kept(
    room, pc, candidate_address, tmp_path
):
    token = pc.register("3")["device_token"]
    with contextlib.closing(Link(candidate_address)) as link:
        link.trust(Trust(room.edge.identity.public_key, token))
        found = {finding.check: finding.state for finding in check_and_report(link, Pc(tmp_path, chrome()))}
    (kept,) = kept_reports(room)
    assert (found["memory_gb"], found["programs"], found["station"]) == ("ok", "ok", "ok")
    assert (found["cpu_cores"], kept.state) == ("fail", "not_ready")
    assert "cpu_cores" in {fault["check"] for fault in json.loads(kept.faults)}
    assert json.loads(kept.fingerprint)["facts"]["programs"] == ["Adobe Photoshop CS6 13.0"]


def test_a_plan_that_wants_a_check_unknown_to_this_station_is_refused_at_import(room):
    plan = json.loads(json.dumps(PLAN))
    plan["certificates"][0]["requirements"] = {"candidate_pc": [{"check": "quantum_bits"}]}
    with room.store.reading() as db, pytest.raises(Invalid, match="check_unknown"):
        intake.import_plan(db, plan, at=room.clock.now())
