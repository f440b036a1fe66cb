"""How a candidate PC with an agent comes in, over real HTTP: hello, registration, seat, strangers."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from station.errors import StationError
from station.services import pairing
from station.store.models import Room, Seat
from sync.keys import fingerprint, verify_key_from_text
from tests.agent_pc import NONCE
from tests.building import build_room, events
from tests.console.serving import refusal


@pytest.fixture
def room(tmp_path):
    built = build_room(tmp_path)
    yield built
    built.close()


def open_pairing(room):
    with room.changing() as db:
        pairing.open_pairing(db, room.room_id, by=room.staff["technician"], at=room.clock.now())


# Hello


def test_hello_is_signed_with_the_key_that_the_fingerprint_names(pc):
    answer = pc.hello().json()
    key: Ed25519PublicKey = verify_key_from_text(answer["public_key"])
    key.verify(bytes.fromhex(answer["signature"]), f"exam-station hello\n{NONCE}".encode())
    assert answer["fingerprint"] == fingerprint(key)
    assert answer["pairing_open"] is False
    assert answer["installer"] is None


def test_hello_of_another_protocol_is_told_which_version_is_wanted(pc):
    answer = pc.hello(protocol=2)
    assert refusal(answer) == (409, "protocol_unknown")
    assert "0.1.0" in answer.json()["error"]["sentence"]


@pytest.mark.parametrize("changed", [{"nonce": "short"}, {"nonce": None}, {"system": 5}, {"protocol": "one"}])
def test_a_hello_that_lacks_a_member_is_refused_by_its_name(pc, changed):
    answer = pc.hello(**changed)
    assert refusal(answer) == (400, "field_wrong")
    assert answer.json()["error"]["details"]["field"] == next(iter(changed))


def test_a_station_without_a_key_says_so_instead_of_signing_nothing(room, pc):
    object.__setattr__(room.edge, "identity", None)
    assert refusal(pc.hello()) == (500, "station_unsigned")


def test_the_newest_installer_is_named_with_its_hash_and_given_in_parts(room, pc):
    room.edge.installers.mkdir()
    content = b"an installer" * 1000
    for name in ("exam-agent-0.9.0.exe", "exam-agent-0.10.0.exe", "exam-agent-1.0.tar.gz", "exam-agent-9.exe.txt"):
        (room.edge.installers / name).write_bytes(content)
    answer = pc.hello().json()
    assert answer["wanted_agent_version"] == "0.10.0"
    digest = hashlib.sha256(content).hexdigest()
    signature = answer["installer"].pop("signature")
    assert answer["installer"] == {"name": "exam-agent-0.10.0.exe", "size": len(content), "sha256": digest}
    key: Ed25519PublicKey = verify_key_from_text(answer["public_key"])
    told = f"exam-station installer\n{NONCE}\nexam-agent-0.10.0.exe\n{len(content)}\n{digest}"
    key.verify(bytes.fromhex(signature), told.encode())
    assert pc.hello(system="linux").json()["installer"]["name"] == "exam-agent-1.0.tar.gz"
    part = pc.get("/api/agent/installer?name=exam-agent-0.10.0.exe", headers={"Range": "bytes=12-23"})
    assert (part.status_code, part.content) == (206, b"an installer")


@pytest.mark.parametrize("name", ["", "../station.db", "exam-agent-9.9.9.exe", "..%2Fstation.db", "station.db"])
def test_nothing_but_an_installer_can_be_fetched_as_one(room, pc, name):
    room.edge.installers.mkdir()
    assert pc.get(f"/api/agent/installer?name={name}").status_code == 404


# Registration


def test_nobody_registers_while_the_technician_has_not_opened_it(room, pc):
    assert refusal(pc.ask_to_register("3")) == (409, "pairing_closed")
    open_pairing(room)
    room.clock.pass_time(hours=12)
    assert refusal(pc.ask_to_register("3")) == (409, "pairing_closed")
    assert refusal(pc.ask_to_register()) == (409, "pairing_closed")


def test_a_closed_registration_lets_nobody_in_any_more(room, pc, other):
    pc.register("3")
    with room.changing() as db:
        pairing.close_pairing(db, room.room_id, by=None, at=room.clock.now())
        pairing.close_pairing(db, room.room_id, by=None, at=room.clock.now())
    assert refusal(other.ask_to_register("4")) == (409, "pairing_closed")
    assert events(room).count("pairing_closed") == 1


def test_a_pc_that_types_its_seat_number_stands_there_at_once(room, pc):
    answer = pc.register("3")
    assert answer["seat"] == {"id": room.seat_id("3"), "number": "3", "room": "第一机房", "is_spare": False}
    assert pc.orders()["seat"] == answer["seat"]
    assert "device_registered" in events(room)


def test_a_pc_without_a_seat_waits_and_can_type_it_later(room, pc):
    assert pc.register()["seat"] is None
    assert pc.orders()["lock"] is None
    assert refusal(pc.say("page", boot_id="b")) == (409, "device_has_no_seat")
    assert pc.say("seat", seat_number="7", room="").json()["seat"]["is_spare"] is True
    assert pc.orders()["seat"]["number"] == "7"
    assert "device_seated" in events(room)


def test_a_seat_that_another_pc_holds_is_given_at_the_console_only(room, pc, other):
    pc.register("3")
    open_pairing(room)
    assert refusal(other.ask_to_register("3")) == (409, "seat_has_device")
    other.register("4")
    assert refusal(other.say("seat", seat_number="3", room="")) == (409, "seat_has_device")
    with room.changing() as db:
        pairing.give_seat(db, other.device_id, room.seat_id("3"), by=room.staff["technician"], at=room.clock.now())
    assert other.orders()["seat"]["number"] == "3"
    assert pc.orders()["seat"] is None
    assert "device_given_seat" in events(room)


@pytest.mark.parametrize(("seat", "named", "code"), [("99", "", "seat_not_here"), ("3", "别的考场", "seat_not_here")])
def test_a_seat_that_is_not_here_is_refused(room, pc, seat, named, code):
    open_pairing(room)
    assert refusal(pc.ask_to_register(seat, room=named)) == (404, code)


def test_a_seat_number_of_two_rooms_wants_the_room(room, pc):
    with room.changing() as db:
        second = Room(name="第二机房", site_name="测试考点", pairing_until=None)
        db.add(second)
        db.flush()
        db.add(Seat(room_id=second.id, number="3"))
        second_id = second.id
    assert pc.register("3")["seat"]["room"] == "第一机房"  # the other room's registration is closed
    with room.changing() as db:
        pairing.open_pairing(db, second_id, by=room.staff["technician"], at=room.clock.now())
    answer = pc.say("seat", seat_number="3", room="")
    assert refusal(answer) == (409, "seat_ambiguous")
    assert "第二机房" in answer.json()["error"]["details"]["rooms"]
    assert pc.say("seat", seat_number="3", room="第二机房").json()["seat"]["room"] == "第二机房"


def test_an_agent_that_lacks_what_the_station_needs_is_told_what_by_name(room, pc):
    open_pairing(room)
    answer = pc.ask_to_register("3", capabilities=["beat"])
    assert refusal(answer) == (409, "agent_capability_missing")
    assert answer.json()["error"]["details"]["names"] == "orders, lock"


@pytest.mark.parametrize(
    ("name", "value"),
    [("machine_id", "x"), ("machine_id", 7), ("macs", "none"), ("macs", [1]), ("hardware", []), ("seat_number", 3)],
)
def test_a_registration_with_a_member_of_the_wrong_kind_is_refused_by_its_name(room, pc, name, value):
    open_pairing(room)
    answer = pc.ask_to_register(**{name: value})
    assert refusal(answer) == (400, "field_wrong")
    assert answer.json()["error"]["details"]["field"] == name


def test_the_same_pc_again_gets_a_new_token_and_keeps_its_seat(room, pc):
    pc.register("3")
    old = dict(pc.headers)
    assert pc.register()["seat"]["number"] == "3"
    assert pc.ask_beat().status_code == 200
    pc.headers.update(old)
    room.edge.roll.look_again()
    assert refusal(pc.ask_beat()) == (401, "device_unknown")


def test_who_floods_the_registration_fills_no_store(room, pc, monkeypatch):
    monkeypatch.setattr(pairing, "MOST_WITHOUT_SEAT", 2)
    open_pairing(room)
    for number in range(2):
        assert pc.ask_to_register(machine_id=f"made-up-{number}").status_code == 200
    assert refusal(pc.ask_to_register(machine_id="made-up-3")) == (409, "too_many_devices")


def test_a_pc_that_was_taken_away_gets_nothing_any_more(room, pc):
    pc.register("3")
    browser = pc.open_browser()
    with room.changing() as db:
        pairing.remove_device(db, pc.device_id, by=room.staff["technician"], at=room.clock.now())
    room.edge.roll.look_again()
    for answer in (pc.ask_beat(), pc.get("/api/agent/orders"), pc.say("page", boot_id="b"), pc.say("help")):
        assert refusal(answer) == (401, "device_unknown")
    room.start()
    answer = browser.act("/api/login", ticket_number=room.tickets[2], password=room.tickets[2][-6:])
    assert answer.json()["waits_for_release"] is True  # its cookie stands for no seat
    with pytest.raises(StationError, match="device_gone"), room.changing() as db:
        pairing.remove_device(db, pc.device_id, by=room.staff["technician"], at=room.clock.now())


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer ", "Bearer made-up", "Basic abc"])
def test_a_stranger_with_somebody_elses_words_gets_nothing(pc, token):
    pc.register("3")
    pc.headers["Authorization"] = token
    for answer in (pc.ask_beat(), pc.get("/api/agent/orders"), pc.say("page", boot_id="b"), pc.say("help")):
        assert refusal(answer) == (401, "device_unknown")
