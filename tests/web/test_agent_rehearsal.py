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
from tests.console.serving import Console, refusal, served_staff_app
from tests.laws.sources import text_of


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path, clock=SetClock(PLANNED - timedelta(hours=8)))
    yield built
    built.close()


@pytest.fixture
def pc(pc: AgentPc) -> AgentPc:
    """The PC of seat 3."""
    pc.register("3")
    return pc


def begun(room: BuiltRoom, device_id: int, **others: int) -> rehearsing.Begun:
    """Begin with the PC at seat 3, and others by seat (`seat_4`)."""
    devices = [(device_id, "3"), *((one, name.removeprefix("seat_")) for name, one in others.items())]
    with room.changing() as db:
        here, by, at = db.get_one(Room, room.room_id), room.staff["technician"], room.clock.now()
        found = rehearsing.begin(db, here, way=Way.AGENTS, minutes=1, players=0, devices=devices, by=by, at=at)
        arguments = {one.seat: player_arguments(room.edge, found, one, minutes=1) for one in found.tickets}
        rehearsing.command_players(db, found, arguments, by=by, at=at)
        return found


def test_r_room_7_a_pc_plays_its_own_candidate_and_its_report_makes_the_result(room, pc, candidate_address):
    started = begun(room, pc.device_id)
    room.edge.roll.look_again()
    (command,) = pc.beat()["commands"]
    assert command["kind"] == "rehearse"
    assert check_arguments(command["arguments"]) == started.rehearsal_id
    measured = Player(candidate_address, {**command["arguments"], "minutes": 0.02}, lambda _seconds: False).play()
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


def test_a_pc_reports_for_its_own_seat_only(room, pc, other):
    started = begun(room, pc.device_id)
    other.register("4")
    told = other.say("rehearsal", rehearsal_id=started.rehearsal_id, measured={"saves": 1})
    assert refusal(told) == (404, "rehearsal_unknown")
    told = other.say("rehearsal", rehearsal_id=started.rehearsal_id, measured=[])
    assert refusal(told) == (400, "field_wrong")


def test_the_examples_of_the_protocol_are_what_the_two_sides_say(room, pc):
    text = text_of(Path("client_agent/PROTOCOL.md"))

    def example(name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(text.split(f"<!-- example: {name} -->")[1].split("```")[1][4:])
        return found

    assert check_arguments(example("rehearse.ask")) == 3
    started = begun(room, pc.device_id)
    said = pc.say("rehearsal", **(example("rehearsal.ask") | {"rehearsal_id": started.rehearsal_id}))
    assert said.json() == {"kept": True}
    room.edge.roll.look_again()
    (command,) = pc.beat()["commands"]
    assert command["arguments"].keys() == example("rehearse.ask").keys()


def test_the_console_tells_the_pcs_that_are_heard_and_able(room, pc):
    with served_staff_app(room) as staff, Console(staff) as technician:
        technician.log_in("technician")
        pc.beat()
        path = f"/api/rooms/{room.room_id}/rehearsals"
        assert technician.get(path).json()["able"] == 1
        answer = technician.act(path, way="agents", minutes=1)
        assert answer.json()["players"] == 1
        (command,) = pc.beat()["commands"]
        assert command["kind"] == "rehearse"
        assert technician.act(f"/api/rehearsals/{answer.json()['rehearsal_id']}/stop").ok
        room.edge.roll.look_again()
        assert pc.beat()["commands"] == [], "it is taken back"


def test_a_pc_that_will_not_play_is_named_with_its_reason_and_nobody_waits_for_it(room, pc, other):
    other.register("4")
    started = begun(room, pc.device_id, seat_4=other.device_id)
    room.edge.roll.look_again()
    (command,) = other.beat()["commands"]
    other.beat(done=[{"command_id": command["id"], "ok": False, "text": "interrupted"}])
    measured = {"saves": 0, "saves_ms": [3.0], "log_in_ms": 5.0, "paper_ms": 9.0, "file_bytes": 9e6, "file_s": 1.0}
    assert pc.say("rehearsal", rehearsal_id=started.rehearsal_id, measured=measured).ok
    RehearsalRun(room.edge, started, task=None).run()  # the room's clock stands still: it would wait on and on
    with served_staff_app(room) as staff, Console(staff) as technician:
        technician.log_in("technician")
        (told,) = technician.get(f"/api/rooms/{room.room_id}/rehearsals").json()["rehearsals"]
        page = technician.get(f"/rehearsals/{started.rehearsal_id}/report").text
    assert told["state"] == "failed"
    assert [(one["seat"], one["is_told"], one["texts"]) for one in told["seats"]] == [
        ("3", True, []),
        ("4", False, ["演练中考试机程序重新启动"]),
    ]
    assert "没有结果：演练中考试机程序重新启动" in page
