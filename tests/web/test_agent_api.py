"""A candidate PC with an agent over real HTTP: hello, registration, seat, beats, orders, its page."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import select, update

from station.services import agent_commands, invigilation, pairing, unlocking
from station.store.models import Device, JournalEntry, ScreenPicture, Subject, UnlockCode
from sync.keys import fingerprint, verify_key_from_text
from tests.agent_pc import NONCE, AgentPc, Browser
from tests.building import PLAN, build_room
from tests.console.serving import refusal, served_candidate_app

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def room(tmp_path):
    built = build_room(tmp_path)
    yield built
    built.close()


@pytest.fixture
def address(room):
    with served_candidate_app(room) as url:
        yield url


@pytest.fixture
def pc(room, address):
    with AgentPc(room, address) as one:
        yield one


@pytest.fixture
def other(room, address):
    with AgentPc(room, address, "machine-0002") as one:
        yield one


def events(room):
    with room.store.reading() as db:
        return [row.event for row in db.scalars(select(JournalEntry).order_by(JournalEntry.number))]


def open_pairing(room):
    with room.changing() as db:
        pairing.open_pairing(db, room.room_id, by=room.staff["technician"], at=room.clock.now())


def device(room, pc):
    with room.store.reading() as db:
        return db.get_one(Device, pc.device_id)


def allow(room, **policy):
    """Change what the plan says of lockdown."""
    import json

    with room.changing() as db:
        db.execute(update(Subject).values(lockdown=json.dumps(policy)))


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
    assert answer["installer"] == {
        "name": "exam-agent-0.10.0.exe",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
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
    from station.store.models import Room, Seat

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
    with pytest.raises(Exception, match="device_gone"), room.changing() as db:
        pairing.remove_device(db, pc.device_id, by=room.staff["technician"], at=room.clock.now())


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer ", "Bearer made-up", "Basic abc"])
def test_a_stranger_with_somebody_elses_words_gets_nothing(pc, token):
    pc.register("3")
    pc.headers["Authorization"] = token
    for answer in (pc.ask_beat(), pc.get("/api/agent/orders"), pc.say("page", boot_id="b"), pc.say("help")):
        assert refusal(answer) == (401, "device_unknown")


# Beats and orders


def test_a_beat_is_answered_with_the_version_of_the_orders_that_can_be_fetched(room, pc):
    pc.register("3")
    assert pc.orders()["version"] == pc.beat()["orders"]
    assert pc.orders()["lock"] is None
    room.start()
    orders = pc.orders()
    assert orders["lock"]["clipboard"] == "inside"
    assert pc.beat()["orders"] == orders["version"]


def test_a_beat_writes_nothing_and_unknown_members_are_passed_over(room, pc):
    pc.register("3")
    before = events(room)
    for _ in range(3):
        pc.beat(news={"of": "a later version"}, state={"later": 1})
    assert events(room) == before
    assert room.edge.devices.last(pc.device_id).beat.browser == "running"


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("boot_id", {"boot_id": 5}),
        ("state", {"state": "good"}),
        ("problems", {"state": {"problems": "none"}}),
        ("work", {"work": 3}),
        ("oldest_s", {"work": {"attempt_id": 1, "waiting": 1, "waiting_bytes": 1, "oldest_s": "long"}}),
        ("waiting", {"work": {"attempt_id": 1, "waiting": -1, "waiting_bytes": 1}}),
        ("done", {"done": [5]}),
    ],
)
def test_a_beat_with_a_member_of_the_wrong_kind_is_refused_by_its_name(pc, name, changed):
    pc.register("3")
    if isinstance(changed.get("state"), str):
        answer = pc.say("beat", boot_id="b", run_id="r", state="good")
    else:
        answer = pc.ask_beat(**changed)
    assert refusal(answer) == (400, "field_wrong")
    assert answer.json()["error"]["details"]["field"] == name


def test_a_command_is_repeated_until_it_is_done_and_then_never_again(room, pc):
    pc.register("3")
    with room.changing() as db:
        devices = agent_commands.chosen_devices(db, [pc.device_id])
        by = room.staff["invigilator"]
        agent_commands.give_command(db, devices, "restart_browser", by=by, at=room.clock.now())
        agent_commands.give_command(db, devices, "restart_browser", by=by, at=room.clock.now())
    room.edge.roll.look_again()
    commands = pc.beat()["commands"]
    assert [one["kind"] for one in commands] == ["restart_browser"]
    assert pc.beat()["commands"] == commands
    done = [{"command_id": commands[0]["id"], "ok": True, "text": ""}]
    assert pc.beat(done=done)["commands"] == []
    assert pc.beat(done=done)["commands"] == []
    assert "devices_commanded" in events(room)


def test_a_command_that_failed_is_told_to_the_board_and_anothers_word_for_it_is_not_taken(room, pc, other):
    pc.register("3")
    other.register("4")
    with room.changing() as db:
        devices = agent_commands.chosen_devices(db, [pc.device_id])
        agent_commands.give_command(db, devices, "check", by=room.staff["technician"], at=room.clock.now())
    room.edge.roll.look_again()
    done = [{"command_id": pc.beat()["commands"][0]["id"], "ok": False, "text": "没有权限"}]
    other.beat(done=done)
    assert pc.beat()["commands"]
    pc.beat(done=done)
    assert "command_failed" in events(room)
    assert pc.beat()["commands"] == []


def test_an_updated_agent_tells_its_version_once(room, pc):
    pc.register("3")
    for _ in range(2):
        pc.beat(agent_version="0.2.0")
        room.edge.roll.look_again()
    assert device(room, pc).version == "0.2.0"
    assert events(room).count("device_updated") == 1


def test_what_a_pc_complains_of_is_journalled_once_and_only_in_a_sitting(room, pc):
    pc.register("3")
    complaint = {"problems": [{"code": "lock_not_held", "zh": "键盘未锁定", "en": "keys are not locked"}]}
    pc.beat(state=complaint)
    assert "device_troubled" not in events(room)
    room.start()
    room.edge.devices.forget(pc.device_id)
    room.edge.roll.look_again()
    for _ in range(3):
        pc.beat(state=complaint)
    assert events(room).count("device_troubled") == 1


# The way out without the station


def test_a_pc_that_a_code_unlocked_stays_free_until_staff_lock_it_again(room, pc):
    pc.register("3")
    room.start()
    assert [one["id"] for one in pc.orders()["unlock_codes"]] == ["k1", "k2", "k3"]
    pc.beat(state={"locked": False, "unlocked_by_code": True, "unlock_code": "k2"})
    assert pc.orders()["lock"] is None
    assert [one["id"] for one in pc.orders()["unlock_codes"]] == ["k1", "k3"]
    assert events(room).count("unlocked_by_code") == 1
    with room.changing() as db:
        one = db.get_one(Device, pc.device_id)
        unlocking.hold_device(db, one, by=room.staff["invigilator"], at=room.clock.now())
    pc.beat(state={"unlocked_by_code": True, "unlock_code": "k2"})  # it has not heard of it yet
    assert pc.orders()["lock"] is not None
    assert events(room).count("unlocked_by_code") == 1


def test_the_codes_that_a_pc_holds_open_with_what_the_console_shows_and_nothing_else(room, pc):
    pc.register("3")
    with room.changing() as db:
        _, code, shown = unlocking.show_code(
            db,
            room.seat_id("3"),
            reason="服务器故障",
            secret=room.edge.secret,
            by=room.staff["invigilator"],
            at=room.clock.now(),
        )
        assert len(shown) == 8
        assert shown.isdecimal()
    held = next(one for one in pc.orders()["unlock_codes"] if one["id"] == f"k{code.number}")
    digest = hashlib.pbkdf2_hmac("sha256", shown.encode(), bytes.fromhex(held["salt"]), held["iterations"])
    assert digest.hex() == held["digest"]
    assert all(shown not in str(one) for one in pc.orders()["unlock_codes"])
    with room.store.reading() as db:
        assert shown not in str([vars(row) for row in db.scalars(select(UnlockCode))])


def test_a_code_that_was_shown_is_good_for_half_an_hour_only(room, pc):
    pc.register("3")
    with room.changing() as db:
        by, at = room.staff["invigilator"], room.clock.now()
        unlocking.show_code(db, room.seat_id("3"), reason="试", secret=room.edge.secret, by=by, at=at)
    assert [one["id"] for one in pc.orders()["unlock_codes"]] == ["k1", "k2", "k3"]
    room.clock.pass_time(minutes=31)
    with room.changing() as db:  # something happens, as it does all the time
        pairing.open_pairing(db, room.room_id, by=by, at=room.clock.now())
    assert [one["id"] for one in pc.orders()["unlock_codes"]] == ["k1", "k3"]


# Its page


def test_the_browser_of_a_paired_pc_is_its_seats_workstation_without_a_link(room, pc):
    pc.register("3")
    room.start()
    browser = pc.open_browser()
    assert browser.relogin == "none"
    browser.sit_down(room, room.tickets[2])
    assert browser.view() == "paper"
    assert "seat_opened" in events(room)


def test_the_link_of_a_page_opens_it_once(pc, address):
    pc.register("3")
    url = pc.say("page", boot_id="b").json()["url"]
    with Browser(address, "none") as first, Browser(address, "none") as second:
        assert first.get(url).status_code == 200
        answer = second.get(url)
        assert answer.status_code == 403
        assert not second.cookies


def test_after_a_power_cut_the_candidate_is_back_without_a_password(room, pc):
    pc.register("3")
    room.start()
    pc.open_browser().sit_down(room, room.tickets[2])
    pc.boot_id = "boot-2"
    browser = pc.open_browser()
    assert browser.relogin == "resumed"
    assert browser.view() == "paper"
    assert "candidate_let_back" in events(room)
    assert "second_login" not in events(room)


def test_a_browser_that_died_comes_back_with_its_own_log_in_where_the_profile_kept_it(room, pc):
    pc.register("3")
    room.start()
    browser = pc.open_browser()
    browser.sit_down(room, room.tickets[2])
    pc.beat(state={"browser": "none"})
    again = pc.open_browser(browser.cookies)
    assert again.view() == "paper"
    assert "candidate_let_back" not in events(room)
    assert events(room).count("seat_opened") == 1


def test_a_page_that_is_opened_beside_a_living_browser_brings_nobody_in(room, pc):
    pc.register("3")
    room.start()
    pc.open_browser().sit_down(room, room.tickets[2])
    pc.beat(state={"browser": "running"})
    browser = pc.open_browser()
    assert browser.relogin == "none"
    assert browser.view() == ""


def test_who_has_handed_in_or_logged_out_is_not_let_back(room, pc):
    pc.register("3")
    room.start()
    first = pc.open_browser()
    first.sit_down(room, room.tickets[2])
    first.act("/api/logout")
    pc.boot_id = "boot-2"
    assert pc.open_browser().view() == ""


def test_who_was_moved_to_a_spare_is_let_back_at_neither_pc(room, pc, other):
    pc.register("3")
    other.register("6")
    room.start()
    pc.open_browser().sit_down(room, room.tickets[2])
    with room.changing() as db:
        from station.store.models import Entry, Seat

        entry, seat = db.get_one(Entry, room.entry_id(room.tickets[2])), db.get_one(Seat, room.seat_id("6"))
        by = room.staff["invigilator"]
        invigilation.move_to_spare(db, entry, seat, reason="死机", by=by, at=room.clock.now())
    pc.boot_id = "boot-2"
    assert pc.open_browser().view() == ""
    assert other.open_browser().view() == ""


def test_a_pc_that_was_carried_to_another_seat_brings_nobody_along(room, pc):
    pc.register("3")
    room.start()
    pc.open_browser().sit_down(room, room.tickets[2])
    assert pc.say("seat", seat_number="7", room="").status_code == 200
    pc.boot_id = "boot-2"
    assert pc.open_browser().view() == ""


def test_where_the_plan_wants_a_password_a_power_cut_asks_for_it(room, pc):
    allow(room, relogin="never")
    pc.register("3")
    room.start()
    pc.open_browser().sit_down(room, room.tickets[2])
    pc.boot_id = "boot-2"
    browser = pc.open_browser()
    assert (browser.relogin, browser.view()) == ("none", "")


# Help and pictures


def test_the_help_key_raises_the_hand_of_who_sits_there(room, pc):
    pc.register("3")
    room.start()
    assert refusal(pc.say("help")) == (401, "not_logged_in")
    browser = pc.open_browser()
    browser.sit_down(room, room.tickets[2])
    assert pc.say("help").json() == {"help_asked": True}
    assert browser.get("/api/me").json()["entry"]["help_asked"] is True
    assert "help_asked" in events(room)


def ask_for_picture(room, pc):
    with room.changing() as db:
        devices = agent_commands.chosen_devices(db, [pc.device_id])
        by = room.staff["invigilator"]
        given = agent_commands.give_command(db, devices, "picture", text="核对屏幕", by=by, at=room.clock.now())
        return given[0].id


def send_picture(pc, command_id, content=PNG):
    return pc.post("/api/agent/pictures", data=content, headers={"X-Command": str(command_id)})


def test_a_picture_is_taken_in_once_and_only_when_it_was_asked_for(room, pc, other):
    allow(room, pictures=True)
    pc.register("3")
    other.register("4")
    room.start()
    assert refusal(send_picture(pc, 1)) == (403, "picture_not_asked")
    command_id = ask_for_picture(room, pc)
    assert refusal(send_picture(other, command_id)) == (403, "picture_not_asked")
    assert refusal(send_picture(pc, command_id, b"<html>")) == (400, "picture_unreadable")
    assert send_picture(pc, command_id).json() == {"kept": True}
    assert refusal(send_picture(pc, command_id)) == (403, "picture_not_asked")
    with room.store.reading() as db:
        kept = db.get_one(ScreenPicture, command_id)
    assert (kept.media_type, kept.seat_id) == ("image/png", room.seat_id("3"))
    assert "picture_came" in events(room)


def test_a_picture_above_its_bound_is_refused(room, pc):
    allow(room, pictures=True)
    pc.register("3")
    room.start()
    answer = send_picture(pc, ask_for_picture(room, pc), PNG + b"\0" * (5 * 2**20))
    assert refusal(answer) == (413, "request_too_large")


def test_no_picture_is_asked_for_where_the_plan_does_not_allow_it(room, pc):
    pc.register("3")
    room.start()
    with pytest.raises(Exception, match="pictures_not_allowed"):
        ask_for_picture(room, pc)
    allow(room, pictures=True)
    ask_for_picture(room, pc)


def test_the_plan_of_the_tests_locks_pcs_and_allows_no_pictures():
    assert "lockdown" not in PLAN["certificates"][0]["policy"]
