"""A registered candidate PC over real HTTP: beats, orders, codes, its page, help, pictures."""

from __future__ import annotations

import hashlib
import json

import pytest
from sqlalchemy import select, update

from station.errors import StationError
from station.services import agent_commands, invigilation, pairing, unlocking
from station.store.models import Entry, ScreenPicture, Seat, Subject, UnlockCode
from station.web.agent import PAGE_CODE_WRONG
from tests.agent_pc import Browser
from tests.building import build_room, events
from tests.console.serving import refusal

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def room(tmp_path):
    built = build_room(tmp_path)
    yield built
    built.close()


def allow(room, **policy):
    """Change what the plan says of lockdown."""
    with room.changing() as db:
        db.execute(update(Subject).values(lockdown=json.dumps(policy)))


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
    assert pc.row().version == "0.2.0"
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
        unlocking.hold_device(db, pc.device_id, by=room.staff["invigilator"], at=room.clock.now())
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


def test_the_link_of_a_page_opens_it_once(pc, candidate_address):
    pc.register("3")
    url = pc.say("page", boot_id="b").json()["url"]
    with Browser(candidate_address, "none") as first, Browser(candidate_address, "none") as second:
        assert first.get(url).status_code == 200
        answer = second.get(url)
        assert (answer.status_code, PAGE_CODE_WRONG.zh in answer.text) == (403, True)
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
    with pytest.raises(StationError, match="pictures_not_allowed"):
        ask_for_picture(room, pc)
    allow(room, pictures=True)
    ask_for_picture(room, pc)
