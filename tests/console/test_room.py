"""The room check and the sealing over HTTP: agents report, staff look, ask again, seal, and see what changes."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from sqlalchemy import select

from station.domain.disk_budget import Limits
from station.domain.sealing import TICKS, TRIAL_TICK
from station.store.models import Device, DeviceCommand, JournalEntry, Room
from station.web.seal_round import SealRound
from tests.building import BuiltRoom
from tests.checking import FACTS, add_agents, agents, check_server, hear, make_ready, report, send_report
from tests.console.serving import Console, refusal, second


@pytest.fixture
def room(room: BuiltRoom) -> BuiltRoom:
    room.keep_heard()
    return room


def as_agent(seat: str) -> requests.Session:
    one = requests.Session()
    one.headers["Authorization"] = f"Bearer token-{seat}"
    one.headers["Connection"] = "close"
    return one


def look(one: Console, room: BuiltRoom, **query: object) -> dict[str, Any]:
    hear(room)
    answer = one.get(f"/api/rooms/{room.room_id}/check", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def order(room: BuiltRoom, **changes: object) -> dict[str, Any]:
    return {
        "technician": "王技术",
        "exam_officer": "李考务",
        "ticks": [*TICKS, TRIAL_TICK],
        "sheets": {str(room.theory): 5, str(room.practical): 5},
    } | changes


def seal(one: Console, room: BuiltRoom, **changes: object) -> requests.Response:
    hear(room)
    return one.act(f"/api/rooms/{room.room_id}/seal", **order(room, **changes))


@pytest.fixture
def backed_up(room: BuiltRoom) -> BuiltRoom:
    """A room in which nothing is open; the edge of tests has no backups of its own."""
    object.__setattr__(room.edge, "has_backups", True)
    make_ready(room)
    return room


def test_an_agent_asks_what_is_wanted_and_its_report_shows_at_its_seat(room, candidate_address, console):
    add_agents(room)
    with as_agent("3") as agent:
        wanted = agent.get(f"{candidate_address}/api/agent/requirements", timeout=30).json()
        assert {"check": "internet", "severity": "fail"} in wanted["items"]
        document = report(room, {"internet": ("fail", "可访问 www.example.com:443")})
        assert document["requirements"] == wanted["digest"]
        answer = agent.post(f"{candidate_address}/api/agent/report", json=document, timeout=30)
    assert answer.json() == {"kept": True}
    shown = look(console("invigilator"), room)
    pc = next(one for one in shown["pcs"] if one["seat"] == "3")
    assert (pc["state"], pc["first"], pc["told"]) == ("not_ready", "外网隔离", "可访问 www.example.com:443")
    assert [(one["title"], [pc["seat"] for pc in one["seats"]]) for one in shown["faults"]] == [("外网隔离", ["3"])]


def test_a_stranger_can_neither_ask_nor_report(room, candidate_address):
    add_agents(room)
    with as_agent("99") as stranger:
        asked = stranger.get(f"{candidate_address}/api/agent/requirements", timeout=30)
        told = stranger.post(f"{candidate_address}/api/agent/report", json=report(room), timeout=30)
    assert (asked.status_code, told.status_code) == (401, 401)


def test_a_malformed_report_is_refused_by_name(room, candidate_address):
    add_agents(room)
    with as_agent("1") as agent:
        answer = agent.post(f"{candidate_address}/api/agent/report", json={"findings": "well"}, timeout=30)
    assert refusal(answer) == (400, "report_malformed")


def test_r_day_1_all_pcs_are_asked_at_once_or_one_again(room, console):
    add_agents(room, ["1", "2", "3", "4"])
    one = console("technician")
    hear(room)
    assert one.act(f"/api/rooms/{room.room_id}/check").json() == {"asked": 4, "left_out": 3}
    shown = look(one, room)
    assert (shown["checking"], shown["pcs"][0]["is_checking"]) == (4, True)
    room.clock.pass_time(seconds=3)
    send_report(room, "1")
    assert look(one, room)["checking"] == 3
    with room.changing() as db:
        for command in db.scalars(select(DeviceCommand)):
            command.done_at, command.is_ok = room.clock.now(), True
    room.clock.pass_time(seconds=3)
    again = one.act(f"/api/rooms/{room.room_id}/check", seat_ids=[room.seat_id("1")])
    assert again.json() == {"asked": 1, "left_out": 0}
    with room.store.reading() as db:
        assert {command.kind for command in db.scalars(select(DeviceCommand))} == {"check"}
        assert len(db.scalars(select(DeviceCommand)).all()) == 5


def test_an_unchanged_room_is_a_short_answer(room, console):
    add_agents(room)
    one = console("inspector")
    first = look(one, room)
    again = look(one, room, changed=first["changed"])
    assert again == {"now": again["now"], "changed": first["changed"], "unchanged": True}


def test_r_room_1_the_figures_count_spares_apart(room, console):
    make_ready(room)
    send_report(room, "7", report(room, {"screens": ("fail", "2")}))
    shown = look(console("inspector"), room)
    assert shown["summary"] == "5 / 5 就绪，备用机 1 / 2"
    assert (shown["seats"], shown["spares"]) == (
        {"all": 5, "fit": 5, "warned": 0},
        {"all": 2, "fit": 1, "warned": 0},
    )


def test_a_report_tells_every_line_what_is_wrong_first(room, console):
    device = add_agents(room)["2"]
    send_report(room, "2", report(room, {"fonts": ("fail", "缺中文字体")}))
    one = console("inspector")
    shown = one.get(f"/api/reports/pc:{device.id}").json()
    assert shown["state"] == "not_ready"
    worst = shown["findings"][0]
    assert (worst["title"], worst["to_do"]) == ("中文字体", "处理中文字体")
    assert len(shown["findings"]) > 20
    assert refusal(one.get("/api/reports/pc:99")) == (404, "report_unknown")
    assert refusal(one.get("/api/rooms/99/check")) == (404, "room_not_here")


def test_r_room_3_the_invigilators_pc_is_judged_by_what_its_browser_tells(room, console):
    one = console("invigilator")
    figures = {"round_trip_ms": 3.2, "clock_offset_s": 0.4, "screen_width": 1920, "screen_height": 1080}
    good = one.act("/api/machines/here", **figures, browser_version=120, anything="else").json()
    assert good == {"machine": "console:127.0.0.1", "state": "ready"}
    old = one.act("/api/machines/here", **figures, browser_version=80, cpu_cores=True).json()
    assert old["state"] == "not_ready"
    (shown,) = look(one, room)["machines"]
    assert (shown["role"], shown["address"], shown["text"]) == ("invigilator_pc", "127.0.0.1", "浏览器：80")
    assert one.get("/api/machines/now").json()["now"].startswith("2026-11-21T06:00:00")


def test_r_room_3_the_server_is_measured_as_it_stands(room, console):
    one = console("technician")
    answer = one.act("/api/machines/server/check")
    assert answer.status_code == 200, answer.text
    (shown,) = look(one, room)["machines"]
    assert shown["role"] == "server"
    findings = {line["check"]: line for line in one.get("/api/reports/server").json()["findings"]}
    assert float(findings["memory_gb"]["measured"].split()[0]) > 0
    assert findings["disk_budget"]["measured"]


def test_r_room_7_a_room_that_is_ready_is_sealed_and_pairing_is_closed(backed_up, console):
    room, one = backed_up, console("technician")
    with room.changing() as db:
        db.get_one(Room, room.room_id).pairing_until = room.clock.now().replace(hour=23)
    hear(room)
    shown = one.get(f"/api/rooms/{room.room_id}/seal").json()
    assert [point["code"] for point in shown["points"] if point["state"] == "open"] == []
    assert [sheet["expected"] for sheet in shown["sheets"]] == [5, 5]
    assert shown["seal"] is None
    assert seal(one, room).status_code == 200
    assert look(one, room)["seal"]["state"] == "sealed"
    with room.store.reading() as db:
        assert db.get_one(Room, room.room_id).pairing_until is None


def test_r_room_7_the_gate_refuses_with_names_and_only_technical_support_may_force_it(backed_up, console):
    room, one = backed_up, console("technician")
    send_report(room, "3", report(room, {"internet": ("fail", "可访问外网")}))
    refused = seal(one, room)
    assert refusal(refused) == (409, "seal_not_ready")
    assert "须处理：3" in refused.json()["error"]["sentence"]
    path = f"/api/rooms/{room.room_id}/force_seal"
    assert refusal(one.act(path, **order(room, reason="急"))) == (403, "not_allowed")
    assert refusal(one.act(path, **order(room, reason="急"), second=second("chief_examiner"))) == (403, "not_allowed")
    hear(room)
    done = one.act(path, **order(room, reason="3 号机不用"), second=second("technical_support"))
    assert done.status_code == 200, done.text
    kept = one.get(f"/api/rooms/{room.room_id}/seal").json()["seal"]
    assert (kept["forced_by"], kept["force_reason"]) == ("测试technical_support", "3 号机不用")


def test_an_invigilator_may_check_a_room_but_not_seal_it(backed_up, console):
    room, one = backed_up, console("invigilator")
    assert refusal(seal(one, room)) == (403, "not_allowed")
    assert one.act(f"/api/rooms/{room.room_id}/check").status_code == 200


@pytest.mark.parametrize("wrong", [{"ticks": "all"}, {"sheets": [5]}, {"sheets": {"x": 5}}, {"technician": None}])
def test_an_order_that_is_not_as_the_page_sends_it_is_refused(backed_up, console, wrong):
    assert refusal(seal(console("technician"), backed_up, **wrong)) == (400, "field_wrong")


def test_r_room_7_the_disk_is_a_gate_of_the_sealing_as_of_the_start(backed_up, console):
    room, one = backed_up, console("technician")
    free = room.edge.disk.disk().free
    room.edge.disk.limits = Limits(floor=2 * free)
    assert seal(one, room).status_code == 409
    shown = one.get(f"/api/rooms/{room.room_id}/seal").json()
    assert [point["state"] for point in shown["points"] if point["code"] == "disk"] == ["open"]
    assert shown["tight_sittings"] == [room.theory, room.practical]
    for sitting_id in shown["tight_sittings"]:
        one.act(f"/api/sittings/{sitting_id}/accept_tight_disk", second=second("chief_examiner"))
    assert seal(one, room).status_code == 200


def test_r_room_7_the_bodys_word_is_noted_by_the_site_or_given_in_person(backed_up, console):
    room, one = backed_up, console("technician")
    seal(one, room)
    assert refusal(one.act(f"/api/rooms/{room.room_id}/confirm_seal")) == (403, "not_allowed")
    path = f"/api/rooms/{room.room_id}/note_confirmation"
    assert refusal(one.act(path, name="", way="电话")) == (400, "confirmation_missing")
    assert one.act(path, name="赵工", way="电话").status_code == 200
    kept = one.get(f"/api/rooms/{room.room_id}/seal").json()["seal"]
    assert (kept["confirmed_name"], kept["is_confirmed_in_person"]) == ("赵工", False)
    assert seal(one, room, again=True).status_code == 200
    done = one.act(f"/api/rooms/{room.room_id}/confirm_seal", second=second("technical_support"))
    assert done.status_code == 200, done.text
    kept = one.get(f"/api/rooms/{room.room_id}/seal").json()["seal"]
    assert (kept["confirmed_name"], kept["is_confirmed_in_person"]) == ("测试technical_support", True)


def test_r_room_7_a_change_after_the_sealing_stands_on_the_board_until_a_chief_accepts_it(
    backed_up, candidate_address, console
):
    room, one = backed_up, console("technician")
    assert status(one, room) == ["未封场"]
    seal(one, room)
    assert status(one, room) == ["11-21 14:00 封场，待机构确认"]
    with as_agent("2") as agent:
        document = report(room, facts=FACTS | {"running": ["explorer.exe", "qq.exe"]})
        agent.post(f"{candidate_address}/api/agent/report", json=document, timeout=30)
    assert broken(one, room) == ["封场后有变化：考位 2 运行中的程序新出现：qq.exe"]
    assert look(one, room)["seal"]["state"] == "broken"
    (change,) = one.get(f"/api/rooms/{room.room_id}/seal").json()["seal"]["breaks"]
    path = f"/api/seal_breaks/{change['id']}/accept"
    assert refusal(one.act(path, reason="已关闭")) == (403, "not_allowed")
    assert one.act(path, reason="已关闭并重新检查", second=second("chief_examiner")).status_code == 200
    assert broken(one, room) == []


def test_a_pc_that_is_put_elsewhere_breaks_the_seal_without_a_report(backed_up, console):
    room, one = backed_up, console("technician")
    seal(one, room)
    SealRound(room.edge)()
    assert broken(one, room) == []
    told = one.act("/api/rooms/1/unseal", reason="")
    assert refusal(told) == (400, "text_missing")
    device_id = agents(room)["6"].id
    with room.changing() as db:
        db.get_one(Device, device_id).seat_id = None
    SealRound(room.edge)()
    assert broken(one, room) == ["封场后有变化：考位 6 考试机被换下或移除"]
    SealRound(room.edge)()
    with room.store.reading() as db:
        events = list(db.scalars(select(JournalEntry.event).where(JournalEntry.event == "room_seal_broken")))
    assert len(events) == 1
    assert one.act(f"/api/rooms/{room.room_id}/unseal", reason="换机").status_code == 200
    assert status(one, room) == ["未封场"]


def test_the_sealing_form_holds_every_room_with_the_certificates_words(backed_up, console):
    room, one = backed_up, console("technician")
    unsealed = one.get("/forms/sealing").text
    assert "考场封场确认单" in unsealed
    assert "未封场" in unsealed
    seal(one, room)
    one.act(f"/api/rooms/{room.room_id}/note_confirmation", name="赵工", way="电话")
    sealed = one.get("/forms/sealing").text
    for text in (
        "第一机房",
        "考核站点",
        "考核证书",
        "王技术",
        "李考务",
        "赵工",
        "5 / 5 就绪",
        "考点技术人员",
        "5 + 5 人，一致",
    ):
        assert text in sealed, text
    assert "未封场" not in sealed


def test_the_check_report_prints_what_is_to_be_done_and_every_pc(room, console):
    add_agents(room)
    send_report(room, "3", report(room, {"internet": ("fail", "可访问外网")}))
    check_server(room)
    hear(room)
    page = console("inspector").get(f"/rooms/{room.room_id}/report").text
    for text in ("考场检查报告", "外网隔离", "PC-3", "未就绪", "未检查", "0 / 5 就绪"):
        assert text in page, text


def test_the_pages_open_for_those_who_may(room, console):
    one = console("inspector")
    assert one.get("/rooms").url.endswith(f"/rooms/{room.room_id}")
    assert "检查全部考试机" not in one.get(f"/rooms/{room.room_id}").text
    assert one.get(f"/rooms/{room.room_id}/seal").status_code == 403
    with room.changing() as db:
        db.add(Room(name="第二机房", site_name="测试考点"))
    assert "第二机房" in one.get("/rooms").text
    technician = console("technician")
    assert "检查全部考试机" in technician.get(f"/rooms/{room.room_id}").text
    assert technician.get(f"/rooms/{room.room_id}/seal").status_code == 200


def status(one: Console, room: BuiltRoom) -> list[str]:
    return [line["text"] for line in one.board(room.theory)["status"] if line["code"] == "seal"]


def broken(one: Console, room: BuiltRoom) -> list[str]:
    return [alarm["text"] for alarm in one.board(room.theory)["alarms"] if alarm["code"] == "seal_broken"]
