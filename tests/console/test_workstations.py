"""The page 考试机 over real HTTP: what staff see of PCs with an agent, and what they make them do."""

from __future__ import annotations

import json
import os

import pytest
from sqlalchemy import select, update

from station.services import invigilation
from station.store.models import Device, Entry, JournalEntry, Seat, Sitting, Subject
from station.web.picture_round import remove_old_pictures
from tests.agent_pc import AgentPc
from tests.building import events
from tests.console.serving import refusal

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def pc(pc):
    """The PC of seat 3."""
    pc.register("3")
    return pc


def page(console_of, room):
    room.edge.roll.look_again()
    return console_of.get("/api/workstations").json()


def seat_of(document, number):
    return next(one for one in document["rooms"][0]["seats"] if one["seat"] == number)


def allow_pictures(room):
    with room.changing() as db:
        db.execute(update(Subject).values(lockdown=json.dumps({"pictures": True})))


def locked_beat(pc, **state):
    return pc.beat(orders=pc.orders()["version"], state={"locked": True} | state)


def test_the_page_shows_every_seat_with_its_pc_and_those_that_wait(console, room, pc, other):
    other.register(name="PC-13")
    one = console("technician")
    pc.beat()
    document = page(one, room)
    assert [seat["seat"] for seat in document["rooms"][0]["seats"]] == ["1", "2", "3", "4", "5", "6", "7"]
    assert seat_of(document, "3")["device"]["state"] == "ready"
    assert seat_of(document, "1")["device"] is None
    assert [(device["name"], device["state"]) for device in document["waiting"]] == [("PC-13", "unheard")]
    assert one.get("/workstations").status_code == 200


def test_the_page_names_the_station_as_its_agents_know_it(console, room):
    assert room.edge.identity is not None
    assert room.edge.identity.fingerprint in console("technician").get("/workstations").text


def test_registration_is_opened_and_closed_by_the_technician_only(console, room):
    technician, invigilator = console("technician"), console("invigilator")
    assert refusal(invigilator.act("/api/pairing/open", room_id=room.room_id)) == (403, "not_allowed")
    assert technician.act("/api/pairing/open", room_id=room.room_id).status_code == 200
    assert page(technician, room)["rooms"][0]["pairing_until"] is not None
    assert technician.act("/api/pairing/close", room_id=room.room_id).status_code == 200
    assert page(technician, room)["rooms"][0]["pairing_until"] is None
    assert events(room)[-2:] == ["pairing_opened", "pairing_closed"]
    assert refusal(technician.act("/api/pairing/open", room_id=99)) == (404, "room_unknown")


def test_a_waiting_pc_is_given_a_seat_or_taken_away(console, room, pc, other):
    other.register()
    one = console("technician")
    assert one.act("/api/devices/seat", device_id=other.device_id, seat_id=room.seat_id("3")).status_code == 200
    document = page(one, room)
    assert seat_of(document, "3")["device"]["id"] == other.device_id
    assert [device["id"] for device in document["waiting"]] == [pc.device_id]
    assert one.act("/api/devices/remove", device_id=pc.device_id).status_code == 200
    assert page(one, room)["waiting"] == []
    assert refusal(one.act("/api/devices/remove", device_id=pc.device_id)) == (404, "device_gone")
    assert refusal(one.act("/api/devices/seat", device_id=other.device_id, seat_id=999)) == (404, "seat_not_here")
    assert events(room)[-1] == "device_removed"


def test_states_of_a_pc_in_a_sitting(console, room, pc):
    one = console("invigilator")
    room.start()
    locked_beat(pc)
    assert seat_of(page(one, room), "3")["device"]["state"] == "locked"
    locked_beat(pc, locked=False)
    assert seat_of(page(one, room), "3")["device"]["state"] == "unlocked"
    pc.beat(state={"locked": False}, orders="older")  # it is about to lock
    assert seat_of(page(one, room), "3")["device"]["state"] == "ready"
    locked_beat(pc, locked=False, unlocked_by_code=True, unlock_code="k1")
    device = seat_of(page(one, room), "3")["device"]
    assert (device["state"], device["level"]) == ("code", "alarm")


def test_the_board_tells_of_a_pc_what_somebody_has_to_look_at_and_no_more(console, room, pc):
    one = console("invigilator")
    room.start()
    room.enter(room.tickets[2])
    room.edge.presence.mark(3, room.clock.now())
    locked_beat(pc)
    assert one.seat(room.theory, "3")["problems"] == []
    assert one.seat(room.theory, "3")["device"]["state"] == "locked"
    work = {"attempt_id": 1, "waiting": 2, "waiting_bytes": 9, "oldest_s": 31.0}
    trouble = {"problems": [{"code": "lock_not_held", "zh": "任务管理器未禁用", "en": "task manager"}]}
    pc.beat(orders=pc.orders()["version"], state={"locked": True} | trouble, work=work)
    found = {problem["code"]: problem for problem in one.seat(room.theory, "3")["problems"]}
    assert found.keys() == {"device_trouble", "work_waits"}
    assert found["device_trouble"]["text"] == "任务管理器未禁用"
    pc.beat(orders=pc.orders()["version"], state={"locked": False, "unlocked_by_code": True, "unlock_code": "k1"})
    room.edge.roll.look_again()
    assert one.seat(room.theory, "3")["problems"][0]["code"] == "device_code"


def test_the_board_says_whether_the_pc_is_lost_or_only_its_page(console, room, pc):
    one = console("invigilator")
    room.start()
    room.enter(room.tickets[2])
    room.edge.presence.mark(3, room.clock.now())
    locked_beat(pc)
    heard = room.edge.devices.last(pc.device_id)
    heard.heard_s -= 4.5
    assert [problem["code"] for problem in one.seat(room.theory, "3")["problems"]] == ["device_lost"]
    room.clock.pass_time(seconds=3.5)  # both are silent: sooner than a page alone
    lost = one.seat(room.theory, "3")["problems"][0]
    assert (lost["code"], lost["text"]) == ("lost", "失去连接：考试机断电或断网")
    room.clock.pass_time(seconds=3)
    pc.beat()
    pc.beat()
    lost = one.seat(room.theory, "3")["problems"][0]
    assert (lost["code"], lost["text"]) == ("lost", "页面无应答，考试机在线")


def test_a_pc_that_is_off_before_the_start_is_told_and_a_paired_seat_needs_no_link(console, room, pc):
    one = console("invigilator")
    with room.changing() as db:
        invigilation.open_admission(db, room.theory, by=1, at=room.clock.now())
    pc.beat()
    room.edge.devices.last(pc.device_id).heard_s -= 10
    room.edge.roll.look_again()
    board = one.board(room.theory)
    seat = next(one for one in board["seats"] if one["seat"] == "3")
    assert [(problem["code"], problem["text"]) for problem in seat["problems"]] == [("device_lost", "考试机离线")]
    unopened = next(alarm for alarm in board["alarms"] if alarm["code"] == "seats_not_opened")
    assert unopened["text"].startswith("4 个")


def test_a_command_reaches_the_pc_and_its_result_the_page(console, room, pc):
    one = console("invigilator")
    answer = one.act("/api/devices/command", device_ids=[pc.device_id], kind="restart_browser")
    assert answer.json() == {"changed": 1}
    room.edge.roll.look_again()
    command = pc.beat()["commands"][0]
    assert command["kind"] == "restart_browser"
    pc.beat(done=[{"command_id": command["id"], "ok": True, "text": ""}])
    shown = seat_of(page(one, room), "3")["device"]["commands"][0]
    assert (shown["name"], shown["is_ok"]) == ("重启考试页面", True)


def test_a_command_can_be_withdrawn_until_it_is_done(console, room, pc):
    one = console("technician")
    one.act("/api/devices/command", device_ids=[pc.device_id], kind="check")
    command_id = seat_of(page(one, room), "3")["device"]["commands"][0]["id"]
    assert one.act("/api/devices/withdraw", command_id=command_id).status_code == 200
    room.edge.roll.look_again()
    assert pc.beat()["commands"] == []
    assert refusal(one.act("/api/devices/withdraw", command_id=command_id)) == (404, "command_unknown")
    assert "command_withdrawn" in events(room)


@pytest.mark.parametrize("kind", ["picture", "unlock", "format_disk", ""])
def test_only_commands_of_the_list_can_be_given(console, pc, kind):
    answer = console("technician").act("/api/devices/command", device_ids=[pc.device_id], kind=kind)
    assert refusal(answer) == (400, "command_unknown")


def test_an_unknown_pc_is_told_and_nobody_else_is_commanded(console, room, pc):
    one = console("technician")
    answer = one.act("/api/devices/command", device_ids=[pc.device_id, 999], kind="check")
    assert refusal(answer) == (404, "devices_missing")
    assert refusal(one.act("/api/devices/command", device_ids=[], kind="check")) == (404, "devices_missing")
    room.edge.roll.look_again()
    assert pc.beat()["commands"] == []


@pytest.mark.parametrize("kind", ["shut_down", "log_out", "update"])
def test_a_pc_at_which_somebody_answers_is_not_shut_down(console, room, pc, kind):
    one = console("technician")
    assert one.act("/api/devices/command", device_ids=[pc.device_id], kind=kind).status_code == 200
    room.start()
    room.enter(room.tickets[2])
    answer = one.act("/api/devices/command", device_ids=[pc.device_id], kind=kind)
    assert refusal(answer) == (409, "device_answering")


def test_an_agent_too_old_for_a_command_is_told_by_name(console, pc, other):
    other.register("4", capabilities=["beat", "orders", "lock"], name="PC-OLD")
    answer = console("technician").act("/api/devices/command", device_ids=[pc.device_id, other.device_id], kind="check")
    assert refusal(answer) == (409, "device_lacks")
    assert answer.json()["error"]["details"]["name"] == "PC-OLD"


def test_a_locked_screen_says_the_message_until_it_is_released(console, room, pc, other):
    other.register("4")
    one = console("invigilator")
    ids = [pc.device_id, other.device_id]
    assert refusal(one.act("/api/devices/lock_screen", device_ids=ids, text=" "))[0] == 400
    assert one.act("/api/devices/lock_screen", device_ids=ids, text="请停止操作").json() == {"changed": 2}
    assert pc.orders()["screen"]["text"] == "请停止操作"
    assert one.act("/api/devices/release_screen", device_ids=[pc.device_id]).json() == {"changed": 1}
    assert one.act("/api/devices/release_screen", device_ids=[pc.device_id]).json() == {"changed": 0}
    assert (pc.orders()["screen"]["kind"], other.orders()["screen"]["kind"]) == ("page", "locked")
    assert events(room)[-2:] == ["screens_locked", "screens_released"]


def test_staff_free_a_pc_with_a_reason_and_lock_it_again(console, room, pc):
    one = console("invigilator")
    free = {"device_ids": [pc.device_id], "reason": "重装输入法"}
    assert refusal(one.act("/api/devices/free", **free)) == (409, "nothing_held")
    room.start()
    room.edge.roll.look_again()
    assert refusal(one.act("/api/devices/free", device_ids=[pc.device_id], reason=""))[0] == 400
    assert refusal(console("technician").act("/api/devices/free", **free)) == (403, "not_allowed")
    assert one.act("/api/devices/free", **free).status_code == 200
    assert pc.orders()["lock"] is None
    pc.beat()
    assert seat_of(page(one, room), "3")["device"]["state"] == "freed"
    assert one.act("/api/devices/hold", device_ids=[pc.device_id]).status_code == 200
    assert one.act("/api/devices/hold", device_ids=[pc.device_id]).status_code == 200
    assert pc.orders()["lock"] is not None
    assert [event for event in events(room) if event.startswith("device_")][-2:] == ["device_freed", "device_held"]


def test_a_code_is_shown_once_with_a_reason_and_the_next_one_is_another(console, room, pc):
    one = console("invigilator")
    seat_id = room.seat_id("3")
    assert refusal(one.act("/api/unlock_codes/show", seat_id=seat_id, reason=""))[0] == 400
    shown = {one.act("/api/unlock_codes/show", seat_id=seat_id, reason="断网").json()["code"] for _ in range(4)}
    assert len(shown) == 4
    assert all(len(code) == 8 and code.isdecimal() for code in shown)
    assert events(room).count("unlock_code_shown") == 4
    assert len(pc.orders()["unlock_codes"]) == 1 + 4 + 2
    answer = one.act("/api/unlock_codes/show", seat_id=room.seat_id("1"), reason="断网")
    assert refusal(answer) == (404, "no_device_here")
    answer = console("technician").act("/api/unlock_codes/show", seat_id=seat_id, reason="断网")
    assert refusal(answer) == (403, "not_allowed")


def test_the_sealed_sheet_is_the_chief_examiners_and_each_printing_is_recorded(console, room, pc, other):
    other.register("6")
    chief, invigilator = console("chief_examiner"), console("invigilator")
    assert refusal(invigilator.act("/api/unlock_codes/sheet", room_id=room.room_id)) == (403, "not_allowed")
    first = chief.act("/api/unlock_codes/sheet", room_id=room.room_id).json()
    assert [(line["seat"], line["is_spare"]) for line in first["lines"]] == [("3", False), ("6", True)]
    assert chief.act("/api/unlock_codes/sheet", room_id=room.room_id).json()["lines"] == first["lines"]
    room.clock.pass_time(hours=9)  # a code of the sheet does not grow old
    assert "k1" in {code["id"] for code in pc.orders()["unlock_codes"]}
    assert events(room).count("unlock_sheet_printed") == 2
    assert chief.get(f"/unlock_sheet/{room.room_id}").status_code == 200
    assert chief.get("/unlock_sheet/99").status_code == 404
    assert refusal(chief.act("/api/unlock_codes/sheet", room_id=99)) == (404, "room_unknown")


def test_a_picture_is_asked_for_with_a_reason_and_shown_to_staff_as_a_picture_only(console, stranger, room, pc):
    one = console("invigilator")
    room.start()
    asked = {"device_ids": [pc.device_id], "reason": "核对屏幕"}
    assert refusal(one.act("/api/devices/picture", **asked)) == (403, "pictures_not_allowed")
    allow_pictures(room)
    assert refusal(one.act("/api/devices/picture", device_ids=[pc.device_id], reason=" "))[0] == 400
    command_id = one.act("/api/devices/picture", **asked).json()["command_ids"][0]
    assert one.get(f"/pictures/{command_id}").status_code == 404
    sent = pc.post("/api/agent/pictures", data=PNG, headers={"X-Command": str(command_id)})
    assert sent.status_code == 200
    shown = one.get(f"/pictures/{command_id}")
    assert (shown.content, shown.headers["Content-Type"]) == (PNG, "image/png")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Cache-Control"] == "no-store"
    assert stranger.get(f"/pictures/{command_id}", allow_redirects=False).status_code == 302
    assert console("technician").get(f"/pictures/{command_id}").status_code == 403


def test_pictures_go_when_the_rooms_sittings_are_delivered(console, room, pc):
    allow_pictures(room)
    one = console("invigilator")
    room.start()
    asked = one.act("/api/devices/picture", device_ids=[pc.device_id], reason="核对").json()
    pc.post("/api/agent/pictures", data=PNG, headers={"X-Command": str(asked["command_ids"][0])})
    left_behind = room.edge.pictures / "ab" / "left-by-a-crash"
    left_behind.parent.mkdir(exist_ok=True)
    left_behind.write_bytes(PNG)
    os.utime(left_behind, (0, 0))
    remove_old_pictures(room.edge)
    shown = f"/pictures/{asked['command_ids'][0]}"
    assert one.get(shown).status_code == 200
    assert not left_behind.exists()
    with room.changing() as db:
        db.execute(update(Sitting).values(state="delivered"))
    remove_old_pictures(room.edge)
    assert not [path for path in room.edge.pictures.glob("*/*") if path.is_file()]
    answer = one.get(shown, headers={"Accept": "application/json"})
    assert (answer.status_code, "没有这张屏幕画面" in answer.text) == (404, True)  # picture_missing


def test_candidates_are_told_that_staff_may_look_at_their_screen(room, candidate_address):
    allow_pictures(room)
    with room.changing() as db:
        invigilation.open_admission(db, room.theory, by=1, at=room.clock.now())
    with AgentPc(room, candidate_address, "machine-0009") as pc:
        pc.register("1")
        browser = pc.open_browser()
        browser.log_in(room.tickets[0])
        assert any("屏幕" in rule for rule in browser.get("/api/me").json()["sitting"]["rules"])


def test_what_a_candidate_needs_is_set_with_a_reason_and_follows_to_another_pc(console, room, pc, other):
    other.register("6")
    one = console("invigilator")
    room.start()
    entry_id = room.entry_id(room.tickets[2])
    wanted = {"entry_id": entry_id, "aids": ["magnifier", "large_type"], "reason": "机构批准"}
    assert refusal(console("technician").act("/api/entries/accessibility", **wanted)) == (403, "not_allowed")
    assert one.act("/api/entries/accessibility", **wanted).status_code == 200
    assert pc.orders()["accessibility"] == {"large_type": True, "magnifier": True}
    assert one.get(f"/api/entries/{entry_id}").json()["aids"] == ["large_type", "magnifier"]
    with room.changing() as db:
        entry, seat = db.get_one(Entry, entry_id), db.get_one(Seat, room.seat_id("6"))
        invigilation.move_to_spare(db, entry, seat, reason="死机", by=1, at=room.clock.now())
    assert pc.orders()["accessibility"] == {}
    assert other.orders()["lock"]["accessibility"] == ["large_type", "magnifier"]
    assert "accessibility_set" in events(room)
    wrong = one.act("/api/entries/accessibility", entry_id=entry_id, aids=["telepathy"], reason="x")
    assert refusal(wrong) == (400, "aid_unknown")
    wrong = one.act("/api/entries/accessibility", entry_id=entry_id, aids="magnifier", reason="x")
    assert refusal(wrong) == (400, "field_wrong")


def test_an_old_agent_is_told_with_the_version_that_the_station_can_give(console, room, pc):
    room.edge.installers.mkdir()
    (room.edge.installers / "exam-agent-0.10.0.exe").write_bytes(b"x")
    device = seat_of(page(console("technician"), room), "3")["device"]
    assert (device["is_old"], device["can_update"], device["version"]) == (True, True, "0.1.0")


def test_every_act_on_a_pc_stands_in_the_journal_with_who_did_it(console, room, pc):
    one = console("invigilator")
    one.act("/api/devices/lock_screen", device_ids=[pc.device_id], text="请停止操作")
    with room.store.reading() as db:
        entry = db.scalars(select(JournalEntry).where(JournalEntry.event == "screens_locked")).one()
        assert db.get_one(Device, pc.device_id).screen_text == "请停止操作"
    assert entry.staff_id == room.staff["invigilator"]
    assert json.loads(entry.details)["seats"] == "3"
