"""What two people decide, and what only the chief examiner does, at one console without logging out."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from station.store.models import Extension, Incident
from tests.console.serving import refusal, second


@pytest.fixture
def entry_id(room):
    room.start()
    room.enter(room.tickets[0])
    return room.entry_id(room.tickets[0])


def propose(one, entry_id, minutes=10, **more):
    answer = one.act("/api/extensions", entry_ids=[entry_id], minutes=minutes, reason_kind="pc_fault", **more)
    assert answer.status_code == 200, answer.text
    return answer.json()["extension_ids"]


def decide(one, extension_ids, **more):
    return one.act("/api/extensions/decide", extension_ids=extension_ids, **{"granted": True, **more})


def test_r_day_8_chief_examiner_proposes_and_the_inspector_confirms_at_the_same_screen(console, room, entry_id):
    chief = console("chief_examiner")
    before = room.attempt(room.tickets[0]).deadline_at
    ids = propose(chief, entry_id)
    pending = chief.board(room.theory)["pending_extensions"]
    assert [(one["site_decided"], one["body_decided"], one["needs_body"]) for one in pending] == [(True, False, False)]
    answer = decide(chief, ids, second=second("inspector"))
    assert answer.json() == {"effective": 1, "decided_by": "测试inspector"}
    assert (room.attempt(room.tickets[0]).deadline_at - before).total_seconds() == 600
    assert chief.board(room.theory)["pending_extensions"] == []
    assert chief.seat(room.theory, "1")["extension_s"] == 600
    assert chief.get("/api/me").json()["role"] == "chief_examiner"


def test_r_day_8_an_invigilator_proposes_and_both_confirm_with_their_own_passwords(console, room, entry_id):
    one = console("invigilator")
    ids = propose(one, entry_id, asked_by_candidate=True)
    assert one.board(room.theory)["pending_extensions"][0]["asked_by_candidate"] is True
    assert refusal(decide(one, ids)) == (403, "not_allowed")
    assert decide(one, ids, second=second("chief_examiner")).json()["effective"] == 0
    assert decide(one, ids, second=second("technical_support")).json()["effective"] == 1


def test_r_day_8_one_person_cannot_be_both(console, room, entry_id):
    chief = console("chief_examiner")
    ids = propose(chief, entry_id)
    assert decide(chief, ids).json()["effective"] == 0
    assert decide(chief, ids, second=second("deputy_chief_examiner")).json()["effective"] == 0
    assert room.attempt(room.tickets[0]).deadline_at == room.clock.now().replace(hour=7)


def test_r_day_8_more_than_15_minutes_in_all_needs_the_certificate_bodys_reference(console, room, entry_id):
    chief = console("chief_examiner")
    decide(chief, propose(chief, entry_id, minutes=15), second=second("inspector"))
    ids = propose(chief, entry_id, minutes=1)
    pending = chief.board(room.theory)["pending_extensions"][0]
    assert (pending["needs_body"], pending["granted_before_min"]) == (True, 15)
    assert refusal(decide(chief, ids, second=second("inspector"))) == (409, "extension_needs_body")
    answer = decide(chief, ids, second=second("inspector"), body_reference="王老师电话 10:20")
    assert answer.json()["effective"] == 1
    with room.store.reading() as db:
        assert db.scalars(select(Extension.body_reference).where(Extension.id == ids[0])).one() == "王老师电话 10:20"


def test_a_refused_extension_ends_and_cannot_be_decided_again(console, room, entry_id):
    chief = console("chief_examiner")
    ids = propose(chief, entry_id)
    assert decide(chief, ids, granted=False, second=second("inspector")).json()["effective"] == 0
    assert chief.board(room.theory)["pending_extensions"] == []
    assert refusal(decide(chief, ids, second=second("inspector"))) == (409, "already_decided")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"minutes": 0}, "extension_length"),
        ({"minutes": 241}, "extension_length"),
        ({"reason_kind": ""}, "reason_missing"),
    ],
)
def test_an_extension_without_length_or_reason_is_refused(console, room, entry_id, change, code):
    body = {"entry_ids": [entry_id], "minutes": 5, "reason_kind": "power", **change}
    assert refusal(console("invigilator").act("/api/extensions", **body)) == (400, code)


def test_an_extension_for_all_reaches_everybody_who_answers(console, room, entry_id):
    room.enter(room.tickets[1])
    chief = console("chief_examiner")
    proposed = chief.act(
        "/api/extensions", all=True, sitting_id=room.theory, minutes=5, reason_kind="server_fault", reason="断网"
    ).json()["extension_ids"]
    assert len(proposed) == 2
    assert len({one["group"] for one in chief.board(room.theory)["pending_extensions"]}) == 1
    assert decide(chief, proposed, second=second("inspector")).json()["effective"] == 2


def test_r_day_11_terminating_is_the_chief_examiners_and_keeps_every_answer(console, room, entry_id):
    one = console("invigilator")
    attempt = room.attempt(room.tickets[0])
    place = attempt.place
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    refused = one.act("/api/attempts/terminate", entry_ids=[entry_id], reason="替考")
    assert refusal(refused) == (403, "not_allowed")
    done = one.act("/api/attempts/terminate", entry_ids=[entry_id], reason="替考", second=second("chief_examiner"))
    assert done.json() == {"changed": 1}
    seat = one.seat(room.theory, "1")
    assert (seat["state"], seat["answered"]) == ("cancelled", 1)


def test_r_day_11_a_measure_is_decided_by_the_chief_examiner_and_recorded_with_the_name(console, room, entry_id):
    one = console("invigilator")
    body = {"sitting_id": room.theory, "entry_id": entry_id, "kind": "violation", "text": "交头接耳", "measure": "warn"}
    assert refusal(one.act("/api/incidents", **body)) == (403, "not_allowed")
    assert one.act("/api/incidents", **body, second=second("chief_examiner")).status_code == 200
    with room.store.reading() as db:
        incident = db.scalars(select(Incident)).one()
    assert (incident.measure, incident.decided_by) == ("warn", room.staff["chief_examiner"])


def test_the_one_who_is_logged_in_stays_logged_in_when_the_second_is_wrong(console, room, entry_id):
    one = console("invigilator")
    ids = propose(one, entry_id)
    assert refusal(decide(one, ids, second=second("chief_examiner", "guess"))) == (401, "staff_login_wrong")
    assert one.get("/api/me").status_code == 200


def test_answers_that_came_late_count_only_when_the_chief_examiner_accepts_them(console, room, entry_id):
    one = console("invigilator")
    attempt = room.attempt(room.tickets[0])
    room.clock.pass_time(minutes=60, seconds=20)
    room.save(attempt.id, attempt.place, 1, "q1", '{"base":{"identifier":"A"}}')
    late = one.get(f"/api/late_saves/{room.theory}").json()
    assert [(each["entry_id"], each["count"], each["late_s"]) for each in late] == [(entry_id, 1, 20)]
    assert refusal(one.act("/api/late_saves/accept", attempt_ids=[attempt.id])) == (403, "not_allowed")
    answer = one.act("/api/late_saves/accept", attempt_ids=[attempt.id], second=second("chief_examiner"))
    assert answer.json() == {"accepted": 1}
    assert one.seat(room.theory, "1")["answered"] == 1
    assert one.get(f"/api/late_saves/{room.theory}").json() == []
    again = one.act("/api/late_saves/accept", attempt_ids=[attempt.id], second=second("chief_examiner"))
    assert refusal(again) == (409, "no_late_saves")
