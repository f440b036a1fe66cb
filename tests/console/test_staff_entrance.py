"""Into the console: which PC, who, with what password, and only from our own page."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from invigilator_console.app import create_staff_app
from station.services import staffing
from station.store.models import JournalEntry, Staff
from tests.building import PASSWORD
from tests.console.serving import Console, refusal, second


def test_logging_in_says_who_is_here_and_what_the_role_may_do(stranger):
    answer = stranger.log_in("chief_examiner")
    assert answer.json()["role"] == "chief_examiner"
    assert answer.json()["must_change_password"] is False
    me = stranger.get("/api/me").json()
    assert "decide_violation" in me["may"]
    assert "decide_extension_body" not in me["may"]


def test_the_cookie_cannot_be_read_by_scripts_nor_sent_from_another_site(stranger):
    header = stranger.log_in("invigilator").headers["Set-Cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Strict" in header


def test_an_unknown_name_and_a_wrong_password_are_one_refusal(stranger):
    assert refusal(stranger.log_in("nobody")) == (401, "staff_login_wrong")
    assert refusal(stranger.log_in("inspector", "guess")) == (401, "staff_login_wrong")


def test_guessing_is_slowed_down_for_this_name_and_leaves_others_free(stranger, room):
    for _ in range(3):
        stranger.log_in("inspector", "guess")
    assert refusal(stranger.log_in("inspector")) == (429, "staff_login_too_often")
    assert stranger.log_in("invigilator").status_code == 200
    room.clock.pass_time(seconds=61)
    assert stranger.log_in("inspector").status_code == 200


def test_a_failed_log_in_stands_in_the_journal(stranger, room):
    stranger.log_in("inspector", "guess")
    with room.store.reading() as db:
        assert db.scalars(select(JournalEntry).where(JournalEntry.event == "staff_login_failed")).one()


def test_a_first_password_must_be_changed_before_anything_else(address, room):
    with room.changing() as db:
        staffing.add_staff(
            db, username="new", name="新人", role="invigilator", password="first-word", at=room.clock.now()
        )
    with Console(address) as new:
        assert new.log_in("new", "first-word").json()["must_change_password"] is True
        assert refusal(new.get(f"/api/board/{room.theory}")) == (403, "password_change_needed")
        assert new.get("/", allow_redirects=False).headers["Location"] == "/password"
        assert refusal(new.act("/api/password", old="first-word", new="short")) == (400, "password_too_short")
        assert new.act("/api/password", old="first-word", new="a longer word").status_code == 200
        assert new.get(f"/api/board/{room.theory}").status_code == 200


def test_logging_out_ends_the_log_in(console):
    one = console("invigilator")
    assert one.act("/api/logout").status_code == 200
    assert refusal(one.get("/api/me")) == (401, "staff_not_logged_in")


def test_a_log_in_ends_by_itself_after_the_day(console, room):
    one = console("invigilator")
    room.clock.pass_time(hours=15)
    assert refusal(one.get("/api/sittings")) == (401, "staff_not_logged_in")


def test_a_stranger_is_sent_to_the_log_in_page(stranger, room):
    answer = stranger.get(f"/board/{room.theory}", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login")


def test_a_request_without_our_pages_token_changes_nothing(console, room):
    one = console("invigilator")
    one.headers["X-CSRF-Token"] = "another"
    assert refusal(one.act(f"/api/sittings/{room.theory}/open_admission")) == (403, "not_from_our_page")
    assert one.board(room.theory)["sitting"]["state"] == "planned"


def test_a_request_from_another_sites_page_is_refused(console, room):
    one = console("invigilator")
    answer = one.request(
        "POST", f"/api/sittings/{room.theory}/open_admission", json={}, headers={"Origin": "http://elsewhere.example"}
    )
    assert refusal(answer) == (403, "not_from_our_page")


def test_our_own_page_is_let_through(console, room, address):
    one = console("invigilator")
    path = f"/api/sittings/{room.theory}/open_admission"
    assert one.request("POST", path, json={}, headers={"Origin": address}).status_code == 200


@pytest.fixture
def from_elsewhere(room):
    client = create_staff_app(room.edge).test_client()
    client.environ_base["REMOTE_ADDR"] = "192.168.7.9"
    return client


def test_a_pc_that_was_not_let_in_reads_what_to_run_on_the_server(from_elsewhere):
    page = from_elsewhere.get("/login")
    assert page.status_code == 403
    assert "exam-station allow 192.168.7.9" in page.text
    refused = from_elsewhere.post("/api/login", json={"username": "invigilator", "password": PASSWORD})
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "address_not_allowed")


def test_a_pc_is_let_in_at_once_and_without_a_restart(from_elsewhere, room):
    with room.changing() as db:
        staffing.allow_address(db, "192.168.7.9", at=room.clock.now())
    assert from_elsewhere.get("/login").status_code == 200


def test_the_second_person_is_checked_slowed_down_and_cannot_be_used_by_a_stranger(console, stranger, room):
    one = console("invigilator")
    path = f"/api/sittings/{room.theory}/postpone"
    body = {"minutes": 5, "reason": "机构通知"}
    assert refusal(one.act(path, **body, second=second("chief_examiner", "guess"))) == (401, "staff_login_wrong")
    for _ in range(2):
        one.act(path, **body, second=second("chief_examiner", "guess"))
    assert refusal(one.act(path, **body, second=second("chief_examiner"))) == (429, "staff_login_too_often")
    assert refusal(stranger.act(path, **body, second=second("technical_support"))) == (401, "staff_not_logged_in")


def test_a_second_person_with_a_first_password_must_change_it_first(console, room):
    with room.changing() as db:
        db.scalars(select(Staff).where(Staff.username == "chief_examiner")).one().must_change_password = True
    answer = console("invigilator").act(
        f"/api/sittings/{room.theory}/postpone", minutes=5, reason="机构通知", second=second("chief_examiner")
    )
    assert refusal(answer) == (403, "password_change_needed")


def test_pages_speak_english_when_asked_to(stranger):
    stranger.cookies.set("language", "en")
    assert "Log in to the console" in stranger.get("/login").text
    stranger.cookies.set("language", "zh")
    assert "监考台登录" in stranger.get("/login").text
