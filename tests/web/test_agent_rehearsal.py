"""A real agent's player in a rehearsal of a real station: the command, the play, the report, the result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from client_agent.rehearsal import Player, check_arguments
from invigilator_console.rehearsal_run import RehearsalRun
from invigilator_console.rehearsals import player_arguments
from station.domain.rehearsal import RehearsalState, Way
from station.services import rehearsing
from station.store.models import Rehearsal, Room
from tests.agent_pc import AgentPc
from tests.building import PLANNED, BuiltRoom, SetClock, build_room
from tests.console.serving import Console, refusal, served_candidate_app, served_staff_app
from tests.laws.sources import text_of


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path, clock=SetClock(PLANNED - timedelta(hours=8)))
    yield built
    built.close()


def begun(room: BuiltRoom, device_id: int) -> rehearsing.Begun:
    with room.changing() as db:
        here, by, at = db.get_one(Room, room.room_id), room.staff["technician"], room.clock.now()
        found = rehearsing.begin(
            db, here, way=Way.AGENTS, minutes=1, players=0, devices=[(device_id, "3")], by=by, at=at
        )
        arguments = {one.seat: player_arguments(room.edge, found, one, minutes=1) for one in found.tickets}
        rehearsing.command_players(db, found, arguments, by=by, at=at)
        return found


def test_r_room_7_a_pc_plays_its_own_candidate_and_its_report_makes_the_result(room):
    with served_candidate_app(room) as address, AgentPc(room, address) as pc:
        pc.register("3")
        started = begun(room, pc.device_id)
        room.edge.roll.look_again()
        (command,) = pc.beat()["commands"]
        assert command["kind"] == "rehearse"
        assert check_arguments(command["arguments"]) == started.rehearsal_id
        measured = Player(address, {**command["arguments"], "minutes": 0.02}, lambda _seconds: False).play()
        assert (measured["faults"], measured["lost"]) == ([], 0)
        report = {"rehearsal_id": started.rehearsal_id, "measured": measured}
        assert pc.say("rehearsal", **report).json() == {"kept": True}
        pc.beat(done=[{"command_id": command["id"], "ok": True, "text": ""}])
        RehearsalRun(room.edge, started, task=None).run()
        assert refusal(pc.say("rehearsal", **report)) == (404, "rehearsal_unknown"), "it is over"
    with room.store.reading() as db:
        found = db.get_one(Rehearsal, started.rehearsal_id)
        assert found.state in {RehearsalState.PASSED, RehearsalState.FAILED}
        result = json.loads(found.result)
    assert (result["figures"]["lost"], result["figures"]["unfinished"]) == (0, 0)
    assert result["seats"]["3"]["saves"] == measured["saves"]


def test_a_pc_reports_for_its_own_seat_only(room):
    with served_candidate_app(room) as address, AgentPc(room, address) as pc:
        pc.register("3")
        started = begun(room, pc.device_id)
        with AgentPc(room, address, machine_id="machine-0002") as stranger:
            stranger.register("4")
            told = stranger.say("rehearsal", rehearsal_id=started.rehearsal_id, measured={"saves": 1})
            assert refusal(told) == (404, "rehearsal_unknown")
            told = stranger.say("rehearsal", rehearsal_id=started.rehearsal_id, measured=[])
            assert refusal(told) == (400, "field_wrong")


def test_the_examples_of_the_protocol_are_what_the_two_sides_say(room):
    text = text_of(Path("client_agent/PROTOCOL.md"))

    def example(name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(text.split(f"<!-- example: {name} -->")[1].split("```")[1][4:])
        return found

    assert check_arguments(example("rehearse.ask")) == 3
    with served_candidate_app(room) as address, AgentPc(room, address) as pc:
        pc.register("3")
        started = begun(room, pc.device_id)
        said = pc.say("rehearsal", **(example("rehearsal.ask") | {"rehearsal_id": started.rehearsal_id}))
        assert said.json() == {"kept": True}
        room.edge.roll.look_again()
        (command,) = pc.beat()["commands"]
        assert command["arguments"].keys() == example("rehearse.ask").keys()


def test_the_console_tells_the_pcs_that_are_heard_and_able(room):
    with served_candidate_app(room) as address, AgentPc(room, address) as pc, served_staff_app(room) as staff:
        pc.register("3")
        pc.beat()
        with Console(staff) as technician:
            technician.log_in("technician")
            path = f"/api/rooms/{room.room_id}/rehearsals"
            assert technician.get(path).json()["able"] == 1
            answer = technician.act(path, way="agents", minutes=1)
            assert answer.json()["players"] == 1
            (command,) = pc.beat()["commands"]
            assert command["kind"] == "rehearse"
            assert technician.act(f"/api/rehearsals/{answer.json()['rehearsal_id']}/stop").ok
            room.edge.roll.look_again()
            assert pc.beat()["commands"] == [], "it is taken back"
