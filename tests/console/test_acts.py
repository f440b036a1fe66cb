"""Every act: the right role may, a wrong one may not, a stranger never, and not from a page that is not ours."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from station.services import answering
from station.store.models import Entry, Incident, SeatMove
from tests.console.serving import refusal

CHOSEN = {"entry_ids": ["entry"]}

# path, body, who may, who may not; 'entry', 'spare', 'login' stand for ids, 'sitting' for the theory
ACTS = [
    ("/api/sittings/{practical}/open_admission", {}, "invigilator", "technician"),
    ("/api/sittings/{practical}/postpone", {"minutes": 10, "reason": "机构通知"}, "chief_examiner", "invigilator"),
    ("/api/sittings/{theory}/suspend", {"reason": "停电"}, "invigilator", "inspector"),
    ("/api/attempts/suspend", {**CHOSEN, "reason": "蓝屏"}, "invigilator", "inspector"),
    ("/api/attempts/collect", {**CHOSEN, "reason": "身体不适"}, "exam_officer", "technician"),
    ("/api/attempts/terminate", {**CHOSEN, "reason": "替考"}, "deputy_chief_examiner", "invigilator"),
    ("/api/messages", {"sitting_id": "theory", "entry_ids": None, "text": "请注意"}, "invigilator", "inspector"),
    ("/api/extensions", {**CHOSEN, "minutes": 5, "reason_kind": "pc_fault"}, "inspector", "technician"),
    ("/api/seat_moves", {"entry_id": "entry", "seat_id": "spare", "reason": "键盘失灵"}, "technician", "inspector"),
    ("/api/entries/absent", {"entry_ids": ["other"]}, "invigilator", "technician"),
    ("/api/entries/withdraw_absence", {"entry_ids": ["other"]}, "invigilator", "technician"),
    ("/api/incidents", {"sitting_id": "theory", "kind": "power", "text": "跳闸"}, "inspector", None),
    ("/api/early_leave", CHOSEN, "chief_examiner", "invigilator"),
    ("/api/leave/begin", {"entry_id": "entry"}, "invigilator", "technician"),
    ("/api/leave/end", {"entry_id": "entry"}, "invigilator", "technician"),
    ("/api/help/answer", {"entry_id": "entry"}, "invigilator", "technician"),
    ("/api/logins/{login}/release", {}, "invigilator", "technician"),
    ("/api/staff", {"username": "new", "name": "新人", "role": "invigilator"}, "chief_examiner", "technician"),
    ("/api/staff/inspector/reset", {}, "chief_examiner", "exam_officer"),
]
NAMES = [path for path, *_ in ACTS]


@pytest.fixture
def ids(room):
    room.start()
    room.enter(room.tickets[0])
    login = room.log_in(room.tickets[2], seat="7")
    return {
        "theory": room.theory,
        "practical": room.practical,
        "entry": room.entry_id(room.tickets[0]),
        "other": room.entry_id(room.tickets[1]),
        "spare": room.seat_id("6"),
        "login": login.id,
    }


def filled(path, body, ids):
    def put(value):
        if isinstance(value, list):
            return [put(one) for one in value]
        return ids.get(value, value) if isinstance(value, str) else value

    return path.format(**ids), {name: put(value) for name, value in body.items()}


@pytest.mark.parametrize(("path", "body", "right", "wrong"), ACTS, ids=NAMES)
def test_an_act_is_for_its_roles_only(console, stranger, ids, path, body, right, wrong):
    path, body = filled(path, body, ids)
    assert refusal(stranger.act(path, **body)) == (401, "staff_not_logged_in")
    allowed = console(right)
    token = allowed.headers.pop("X-CSRF-Token")
    assert refusal(allowed.act(path, **body)) == (403, "not_from_our_page")
    if wrong is not None:
        assert refusal(console(wrong).act(path, **body)) == (403, "not_allowed")
    allowed.headers["X-CSRF-Token"] = token
    answer = allowed.act(path, **body)
    assert answer.status_code == 200, answer.text


def test_r_day_15_no_start_before_the_planned_time(console, room):
    one = console("invigilator")
    room.clock.pass_time(minutes=-1)
    one.act(f"/api/sittings/{room.theory}/open_admission")
    assert refusal(one.act(f"/api/sittings/{room.theory}/start")) == (409, "too_early_to_start")
    room.clock.pass_time(minutes=1)
    assert one.act(f"/api/sittings/{room.theory}/start").status_code == 200
    assert one.board(room.theory)["sitting"]["state"] == "running"


def test_r_day_15_a_postponed_start_moves_with_the_bodys_word(console, room):
    one = console("technical_support")
    one.act(f"/api/sittings/{room.theory}/postpone", minutes=15, reason="机构通知推迟")
    invigilator = console("invigilator")
    invigilator.act(f"/api/sittings/{room.theory}/open_admission")
    assert refusal(invigilator.act(f"/api/sittings/{room.theory}/start")) == (409, "too_early_to_start")
    assert invigilator.board(room.theory)["sitting"]["postponement_s"] == 900


def test_r_day_9_a_suspended_sitting_goes_on_with_the_time_given_back(console, room, ids):
    one = console("invigilator")
    before = room.attempt(room.tickets[0]).deadline_at
    one.act(f"/api/sittings/{room.theory}/suspend", reason="停电")
    room.clock.pass_time(minutes=20)
    assert one.seat(room.theory, "1")["state"] == "suspended"
    assert one.act(f"/api/sittings/{room.theory}/resume").status_code == 200
    assert (room.attempt(room.tickets[0]).deadline_at - before).total_seconds() == 20 * 60


def test_one_candidate_is_suspended_and_resumed_with_the_time_given_back(console, room, ids):
    one = console("invigilator")
    before = room.attempt(room.tickets[0]).deadline_at
    assert one.act("/api/attempts/suspend", entry_ids=[ids["entry"]], reason="蓝屏").json() == {"changed": 1}
    room.clock.pass_time(seconds=90)
    assert one.act("/api/attempts/resume", entry_ids=[ids["entry"]]).json() == {"changed": 1}
    assert (room.attempt(room.tickets[0]).deadline_at - before).total_seconds() == 90


def test_collecting_all_takes_everybody_who_is_answering(console, room, ids):
    room.enter(room.tickets[3])
    answer = console("invigilator").act("/api/attempts/collect", all=True, sitting_id=room.theory, reason="提前结束")
    assert answer.json() == {"changed": 2}
    assert room.attempt(room.tickets[3]).state == "collected"


def test_r_day_7_a_move_to_a_spare_pc_keeps_answers_and_is_recorded(console, room, ids):
    one = console("invigilator")
    attempt = room.attempt(room.tickets[0])
    answer = one.act("/api/seat_moves", entry_id=ids["entry"], seat_id=ids["spare"], reason="键盘失灵")
    assert answer.json()["seat"] == "6"
    assert one.seat(room.theory, "6")["attempt_id"] == attempt.id
    assert one.seat(room.theory, "1")["state"] == "free"
    with room.store.reading() as db:
        assert db.scalars(select(SeatMove.reason)).one() == "键盘失灵"
    taken = one.act("/api/seat_moves", entry_id=ids["entry"], seat_id=room.seat_id("2"), reason="再换")
    assert refusal(taken) == (409, "seat_taken")
    unknown = one.act("/api/seat_moves", entry_id=ids["entry"], seat_id=999, reason="再换")
    assert refusal(unknown) == (404, "seat_unknown")


def test_r_day_3_absence_is_recorded_and_can_be_withdrawn(console, room, ids):
    one = console("invigilator")
    one.act("/api/entries/absent", entry_ids=[ids["other"]])
    assert one.seat(room.theory, "2")["state"] == "absent"
    one.act("/api/entries/withdraw_absence", entry_ids=[ids["other"]])
    assert one.seat(room.theory, "2")["state"] == "expected"
    answering_one = one.act("/api/entries/absent", entry_ids=[ids["other"], ids["entry"]])
    assert refusal(answering_one) == (409, "present_not_absent")
    assert one.seat(room.theory, "2")["state"] == "expected"


def test_r_day_6_one_candidate_is_out_at_a_time(console, room, ids):
    one = console("invigilator")
    room.enter(room.tickets[3])
    assert one.act("/api/leave/begin", entry_id=ids["entry"]).status_code == 200
    assert refusal(one.act("/api/leave/begin", entry_id=room.entry_id(room.tickets[3]))) == (
        409,
        "somebody_else_is_out",
    )
    assert [problem["code"] for problem in one.seat(room.theory, "1")["problems"]][-1] == "out"
    assert one.act("/api/leave/end", entry_id=ids["entry"]).status_code == 200
    assert one.act("/api/leave/begin", entry_id=room.entry_id(room.tickets[3])).status_code == 200


def test_r_day_4_early_hand_in_needs_the_chief_examiners_consent(console, room, ids):
    assert console("chief_examiner").act("/api/early_leave", all=True, sitting_id=room.theory).json() == {"changed": 5}
    room.clock.pass_time(minutes=46)
    with room.changing() as db:
        attempt = answering.attempt_of(
            db, room.attempt(room.tickets[0]).id, db.get_one(Entry, ids["entry"]).candidate_id
        )[0]
        answering.hand_in(db, attempt, at=room.clock.now())
    assert console("invigilator").seat(room.theory, "1")["state"] == "handed_in"


def test_r_day_10_a_wrong_question_is_recorded_and_shown_at_once(console, room, ids):
    one = console("inspector")
    one.act("/api/incidents", sitting_id=room.theory, entry_id=ids["entry"], kind="item_report", text="第 3 题图不符")
    assert one.board(room.theory)["events"][0]["sentence"] == "试题疑问：第 3 题图不符"


def test_a_message_goes_to_one_or_to_all_and_is_listed(console, room, ids):
    one = console("invigilator")
    one.act("/api/messages", sitting_id=room.theory, entry_ids=[ids["entry"]], text="请坐好")
    one.act("/api/messages", sitting_id=room.theory, entry_ids=None, text="还有 15 分钟")
    listed = one.get(f"/api/messages/{room.theory}").json()
    assert [(each["text"], each["entry_id"]) for each in listed] == [("还有 15 分钟", None), ("请坐好", ids["entry"])]
    empty = one.act("/api/messages", sitting_id=room.theory, entry_ids=None, text=" ")
    assert refusal(empty) == (400, "text_missing")


def test_nobody_chosen_a_stranger_to_the_sitting_and_two_sittings_at_once_are_refused(console, room, ids):
    one = console("invigilator")
    assert refusal(one.act("/api/attempts/suspend", entry_ids=[], reason="x")) == (409, "nobody_chosen")
    assert refusal(one.act("/api/attempts/suspend", entry_ids=[ids["other"]], reason="x")) == (409, "nobody_chosen")
    assert refusal(one.act("/api/attempts/suspend", entry_ids=[9999], reason="x")) == (404, "entry_unknown")
    both = [ids["entry"], room.entry_id(room.tickets[0], room.practical)]
    assert refusal(one.act("/api/entries/absent", entry_ids=both)) == (404, "entry_unknown")
    elsewhere = one.act("/api/messages", sitting_id=room.practical, entry_ids=[ids["entry"]], text="x")
    assert refusal(elsewhere) == (404, "entry_unknown")
    incident = one.act("/api/incidents", sitting_id=room.practical, entry_id=ids["entry"], kind="other", text="x")
    assert refusal(incident) == (404, "entry_unknown")
    with room.store.reading() as db:
        assert db.scalars(select(Incident)).all() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"entry_ids": "all"}', b'{"entry_ids": [true]}'])
def test_malformed_bodies_are_named_refusals(console, room, ids, body):
    one = console("invigilator")
    answer = one.request("POST", "/api/entries/absent", data=body, headers={"Content-Type": "application/json"})
    assert refusal(answer)[0] == 400
    assert refusal(answer)[1] in {"bad_json", "field_wrong"}


def test_a_first_password_is_told_once_and_lets_in(console, stranger):
    made = console("chief_examiner").act("/api/staff", username="stand-in", name="替岗", role="invigilator").json()
    answer = stranger.log_in("stand-in", made["password"])
    assert answer.json()["must_change_password"] is True
    listed = console("chief_examiner").get("/api/staff").text
    assert made["password"] not in listed


def test_a_number_that_no_key_can_be_is_missing_and_not_a_fault(console, room):
    one = console("invigilator")
    huge = 10**30
    assert refusal(one.get(f"/api/board/{huge}")) == (404, "no_such_number")
    assert refusal(one.get(f"/api/board/{room.theory}", params={"since": huge})) == (404, "no_such_number")
    assert refusal(one.act("/api/entries/absent", entry_ids=[huge])) == (404, "no_such_number")
    assert one.get(f"/board/{huge}").status_code == 404


@pytest.mark.parametrize("wrong", ["\x00", "\ud800"])
def test_a_text_that_no_database_keeps_is_a_wrong_field_and_not_a_fault(console, room, wrong):
    answer = console("invigilator").act("/api/messages", sitting_id=room.theory, entry_ids=None, text=f"请{wrong}安静")
    assert refusal(answer) == (400, "field_wrong")
