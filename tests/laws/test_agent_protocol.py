"""The agent's contract from the other side: the real candidate listener answers as PROTOCOL.md says.

Every example that an agent sends is sent as it stands there; every example of an answer is held against the station's
own. Then the agent's own code does the same.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import update

from client_agent.discovery import find_station
from client_agent.errors import AgentError
from client_agent.machine import Identity
from client_agent.orders import Orders
from client_agent.pairing import register, say_hello, take_seat
from client_agent.station_link import Link, read_clock
from client_agent.store import Store
from station.announcer import Announcer
from station.services import agent_commands, answering, pairing
from station.store.models import Entry, Seat, Subject
from tests.building import build_room
from tests.laws.sources import text_of

PROTOCOL = Path("client_agent/PROTOCOL.md")
# Examples whose replay needs files of a work folder: tests/web/test_agent_folders.py sends the same messages.
NEED_FILES = {"versions.ask"}
# Examples that are replayed where a rehearsal runs: tests/web/test_agent_rehearsal.py.
NEED_REHEARSAL = {"rehearse.ask", "rehearsal.ask"}
LOCKDOWN = {"programs_allowed": ["notepad.exe"], "programs_forbidden": ["qq.exe"], "pictures": True}


def examples():
    """Give every example of the document by its name."""
    found = re.findall(r"<!-- example: (\S+) -->\s*```json\n(.*?)```", text_of(PROTOCOL), re.DOTALL)
    assert len(found) == len(dict(found)), "two examples of one name"
    return {name: json.loads(text) for name, text in found}


def has_shape(example, found, where=""):
    """Hold an answer against its example: every member is there and of the same kind; lists by their first entry.

    Members that the document says may be null are null in the one or the other.
    """
    if example is None or found is None:
        assert found is None or example is None or where.rpartition(".")[2] in {"installer", "lock", "work", "since"}
    elif isinstance(example, dict):
        assert isinstance(found, dict), where
        missing = example.keys() - found.keys() if "accessibility" not in where else set()
        assert not missing, f"{where} lacks {missing}"
        for name in example.keys() & found.keys():
            has_shape(example[name], found[name], f"{where}.{name}")
    elif isinstance(example, list):
        assert isinstance(found, list), where
        if example and found:
            has_shape(example[0], found[0], f"{where}[0]")
    else:
        kinds = (int, float) if isinstance(example, int | float) and not isinstance(example, bool) else type(example)
        assert isinstance(found, kinds), f"{where}: {found!r} is not like {example!r}"


@pytest.fixture
def room(tmp_path):
    built = build_room(tmp_path, seats=12)
    with built.changing() as db:
        db.execute(update(Subject).values(lockdown=json.dumps(LOCKDOWN)))
        pairing.open_pairing(db, built.room_id, by=built.staff["technician"], at=built.clock.now())
    built.edge.installers.mkdir()
    for name in ("exam-agent-0.1.0.exe", "exam-agent-0.1.0.tar.gz"):
        (built.edge.installers / name).write_bytes(b"bytes")
    yield built
    built.close()


def registered(pc):
    answer = pc.say("register", **examples()["register.ask"])
    assert answer.status_code == 200, answer.text
    pc.keep(answer.json())
    return answer.json()


def test_every_example_is_replayed_here_or_stands_with_its_reason():
    replayed = set(re.findall(r"\"([a-z]+\.(?:ask|answer))\"", Path(__file__).read_text("utf-8")))
    assert examples().keys() == replayed


def test_hello_is_asked_and_answered_as_it_stands_there(pc):
    answer = pc.say("hello", **examples()["hello.ask"])
    assert answer.status_code == 200, answer.text
    has_shape(examples()["hello.answer"], answer.json())
    assert answer.json()["fingerprint"].count("-") == 7


def test_a_registration_is_asked_and_answered_as_it_stands_there(pc):
    has_shape(examples()["register.answer"], registered(pc))


def test_a_beat_is_asked_and_answered_as_it_stands_there(room, pc):
    device_id = registered(pc)["device_id"]
    with room.changing() as db:
        devices, by = agent_commands.chosen_devices(db, [device_id]), room.staff["technician"]
        agent_commands.give_command(db, devices, "restart_browser", by=by, at=room.clock.now())
    room.edge.roll.look_again()
    answer = pc.say("beat", **examples()["beat.ask"])
    assert answer.status_code == 200, answer.text
    has_shape(examples()["beat.answer"], answer.json())
    assert answer.json()["commands"]


def test_orders_are_as_they_stand_there(room, pc):
    registered(pc)
    room.start()
    attempt, _ = room.enter(room.tickets[11])
    with room.changing() as db:
        entry = db.get_one(Entry, attempt.entry_id)
        entry.accessibility = '["large_type", "magnifier"]'
        assert db.get_one(Seat, entry.seat_id).number == "12"
        answering.ask_for_help(db, entry, at=room.clock.now())
    orders = pc.orders()
    has_shape(examples()["orders.answer"], orders)
    assert orders["work"] == {"attempt_id": attempt.id, "state": "answering", "refresh": 0}
    assert orders["accessibility"] == {"large_type": True, "magnifier": True}
    assert orders["lock"]["programs_forbidden"] == ["qq.exe"]
    read = Orders.parse(orders)
    assert (read.version, read.allows_pictures, len(read.unlock_codes)) == (orders["version"], True, 3)


def test_a_work_folder_is_as_it_stands_there(room, pc):
    registered(pc)
    room.start()
    attempt, _ = room.enter(room.tickets[11])
    answer = pc.get(f"/api/agent/folders/{attempt.id}")
    assert answer.status_code == 200, answer.text
    has_shape(examples()["work.answer"], answer.json())


def test_requirements_and_report_are_as_they_stand_there(pc):
    registered(pc)
    wanted = pc.get("/api/agent/requirements").json()
    has_shape({**examples()["requirements.answer"], "items": []}, wanted)
    answer = pc.say("report", **(examples()["report.ask"] | {"requirements": wanted["digest"]}))
    assert answer.json() == {"kept": True}
    assert pc.orders()["check"]["requirements"] == wanted["digest"]


def test_the_question_for_the_station_is_answered_as_it_stands_there(room):
    announcer = Announcer(room.edge.identity, site_name="示例考核站点", host="127.0.0.1", port=0)
    announcer.listener_port = 8080
    answer = announcer.answer_to(json.dumps(examples()["find.ask"]).encode(), "127.0.0.1")
    has_shape(examples()["find.answer"], json.loads(answer))


def test_the_station_tells_its_clock_as_the_protocol_says(room, candidate_address):
    assert abs(read_clock(candidate_address).offset_s) < 10 * 365 * 86400
    room.clock.pass_time(hours=1)
    assert read_clock(candidate_address, now=room.clock.now).offset_s == pytest.approx(0, abs=1)


# The agent's own code


def test_the_agent_itself_finds_greets_and_registers_at_the_station(room, candidate_address, tmp_path):
    announcer = Announcer(room.edge.identity, site_name="考点", host="127.0.0.1", port=0, url=candidate_address)
    announcer.start(0)
    try:
        found = find_station(fingerprint=room.edge.identity.fingerprint, targets=[("127.0.0.1", announcer.port)])
    finally:
        announcer.stop()
    link, store = Link(found.url), Store(tmp_path / "agent")
    store.make_folder()
    identity = Identity("machine-id-1", "PC-5", ["00:1b:21:aa:bb:cc"], "Linux", "m", "m", "cpu", 8_000_000_000)
    hello = say_hello(link, fingerprint=room.edge.identity.fingerprint)
    assert (hello.pairing_open, hello.is_agent_old) == (True, False)
    kept = register(link, store, identity, hello, seat_number="5")
    assert kept.seat["number"] == "5"
    seated = take_seat(link, store, kept, seat_number="6")
    assert link.get("/api/agent/orders")["seat"] == seated.seat
    with pytest.raises(AgentError) as refused:
        take_seat(link, store, kept, seat_number="99")
    assert refused.value.details["code"] == "seat_not_here"
    link.close()
