"""Log-in, release, confirmation and the page's state, over real HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from station.domain.sitting import SittingState
from station.services import admission, answering, room_record
from station.store.models import Attempt, CandidateLogin, JournalEntry, Sitting
from tests.web.seating import SeatedRoom, refusal, served_room


def test_r_day_2_a_candidate_logs_in_with_ticket_number_and_its_last_6_digits(room: SeatedRoom) -> None:
    room.admit()
    browser = room.browser(1)
    assert browser.log_in(room.tickets[0]).json()["waits_for_release"] is False
    state = browser.me()
    assert (state["view"], state["candidate"]["name"], state["entry"]["seat"]) == ("confirm", "考生1", "1")
    assert state["candidate"]["id_number"] == "370285********0001"
    assert browser.get("/api/photo").headers["Content-Type"] == "image/png"
    cookie = next(one for one in browser.cookies if one.name == "station_candidate")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Strict"


def test_full_width_digits_and_spaces_are_read_as_typed_numbers(room: SeatedRoom) -> None:
    room.admit()
    ticket = room.tickets[0]
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in ticket)
    assert room.browser(1).log_in(f" {wide[:6]} {wide[6:]} ", wide[-6:]).status_code == 200


def test_log_in_before_it_is_open_is_refused_by_name(room: SeatedRoom) -> None:
    assert refusal(room.browser(1).log_in(room.tickets[0])) == (409, "no_sitting_now")


def test_wrong_number_and_wrong_password_are_one_refusal(room: SeatedRoom) -> None:
    room.admit()
    browser = room.browser(1)
    assert refusal(browser.log_in(room.tickets[0], "000000")) == (401, "wrong_login")
    assert refusal(browser.log_in("1234567890", "567890")) == (401, "wrong_login")
    with room.store.reading() as db:
        failed = db.scalars(select(JournalEntry).where(JournalEntry.event == "candidate_login_failed")).all()
    assert len(failed) == 1


def test_wrong_passwords_slow_down_this_ticket_at_this_pc_and_nobody_else(room: SeatedRoom) -> None:
    room.admit()
    room.clock.stand_still()
    guesser, ticket = room.browser(2), room.tickets[0]
    for _ in range(3):
        assert refusal(guesser.log_in(ticket, "999999")) == (401, "wrong_login")
    reply = guesser.log_in(ticket)
    assert refusal(reply) == (429, "too_many_logins")
    assert int(reply.json()["error"]["details"]["wait_s"]) in {1, 2}
    assert room.browser(1).log_in(ticket).status_code == 200, "the candidate's own PC is not hindered"
    assert guesser.log_in(room.tickets[1]).status_code == 200, "another ticket is not hindered"
    room.clock.move(seconds=3)
    assert guesser.log_in(ticket).json()["waits_for_release"] is True


def test_waits_grow_to_a_minute_and_no_further(room: SeatedRoom) -> None:
    room.admit()
    room.clock.stand_still()
    guesser, waits = room.browser(2), []
    for _ in range(9):
        reply = guesser.log_in(room.tickets[0], "999999")
        assert refusal(reply)[0] == 401
        again = guesser.log_in(room.tickets[0], "999999")
        waits.append(int(again.json()["error"]["details"].get("wait_s", 0)) if again.status_code == 429 else 0)
        room.clock.move(seconds=61)
    assert [wait for wait in waits if wait][-1] == 60
    assert sorted(waits) == waits


def test_45_candidates_behind_one_address_log_in_at_the_same_second(tmp_path: Path) -> None:
    with served_room(tmp_path, seats=45) as room:
        room.admit()
        browsers = [room.browser(seat) for seat in range(1, 46)]
        with ThreadPoolExecutor(45) as pool:
            replies = list(pool.map(lambda pair: pair[0].log_in(pair[1]), zip(browsers, room.tickets, strict=True)))
        assert [reply.status_code for reply in replies] == [200] * 45
        assert {browser.me()["candidate"]["name"] for browser in browsers} == {f"考生{n}" for n in range(1, 46)}


def test_r_rost_2_at_another_seat_the_log_in_waits_and_shows_nothing_of_the_person(room: SeatedRoom) -> None:
    room.admit()
    browser = room.browser(2)
    login_id = browser.log_in(room.tickets[0]).json()["login_id"]
    state = browser.me()
    assert (state["view"], state["release"]) == ("release", {"seat": "2", "own_seat": "1"})
    assert state["candidate"] is None
    assert state["entry"] is None
    assert refusal(browser.get("/api/photo"))[0] == 404
    entry_id = room.entries["theory"][0]
    assert refusal(browser.post("/api/confirm", entry_id=entry_id, right=True)) == (409, "waiting_for_release")
    room.act(admission.release_login, login_id)
    assert browser.me()["view"] == "confirm"


def test_a_pc_without_a_seat_waits_for_release_too(room: SeatedRoom) -> None:
    room.admit()
    browser = room.browser()
    assert browser.log_in(room.tickets[0]).json()["waits_for_release"] is True
    assert browser.me()["release"] == {"seat": None, "own_seat": "1"}


def test_a_log_in_let_in_at_its_own_seat_does_not_open_another_subject_at_another_seat(room: SeatedRoom) -> None:
    room.admit()
    room.admit("practical")
    with room.store.transaction() as db:
        entry = db.get_one(admission.Entry, room.entries["practical"][0])
        entry.seat_id = room.seat_id(4)
    browser = room.browser(1)
    browser.log_in(room.tickets[0])
    reply = browser.post("/api/confirm", entry_id=room.entries["practical"][0], right=True)
    assert refusal(reply) == (409, "waiting_for_release")


def test_a_second_log_in_ends_the_first_and_says_so(room: SeatedRoom) -> None:
    room.admit()
    first, second = room.browser(1), room.browser(1)
    first.log_in(room.tickets[0])
    second.log_in(room.tickets[0])
    assert refusal(first.get("/api/me")) == (401, "logged_in_elsewhere")


def test_r_day_7_the_pc_of_before_says_where_its_candidate_was_moved_while_the_sitting_is_held(
    room: SeatedRoom,
) -> None:
    room.admit()
    room.start()
    before = room.answering(1)
    room.move(4, "电脑故障")
    reply = before.get("/api/me")
    assert refusal(reply) == (401, "moved_to_seat")
    assert "4 号考位" in reply.json()["error"]["sentence"]
    assert before.save((1, "c1", {"base": {"identifier": "A"}})).status_code == 200, "its queue is still taken"
    room.move(1, "已修好")
    assert refusal(before.get("/api/me")) == (401, "not_logged_in"), "the candidate comes back to this very PC"
    room.move(4, "又坏了")
    with room.store.transaction() as db:
        db.get_one(Sitting, room.sitting()).state = SittingState.CLOSED
    assert refusal(before.get("/api/me")) == (401, "not_logged_in"), "over: the PC waits for whom comes next"


def test_r_rost_2_a_guessed_password_at_another_seat_stops_nobody_until_it_is_released(room: SeatedRoom) -> None:
    room.admit()
    room.start()
    owner = room.answering(1)
    neighbour = room.browser(2)
    login_id = neighbour.log_in(room.tickets[0]).json()["login_id"]
    assert owner.me()["view"] == "paper", "who waits for release has ended nobody's log-in"
    assert owner.me()["tried_at"] == "2", "and the owner is told"
    seen = room.edge.presence.last_seen(1)
    neighbour.me()
    assert room.edge.presence.last_seen(1) == seen, "who waits does not look like the candidate at work"
    assert owner.save((1, "c1", {"base": {"identifier": "A"}})).status_code == 200
    room.act(admission.release_login, login_id)
    assert refusal(owner.get("/api/me")) == (401, "logged_in_elsewhere")
    assert neighbour.me()["view"] == "paper"


def test_r_rost_2_a_log_in_that_waits_neither_saves_nor_raises_the_hand_nor_sees_a_receipt(room: SeatedRoom) -> None:
    room.admit()
    room.start()
    owner = room.answering(1)
    assert owner.save((1, "c1", {"base": {"identifier": "A"}})).status_code == 200
    neighbour = room.browser(2)
    neighbour.log_in(room.tickets[0])
    neighbour.attempt_id, neighbour.place = owner.attempt_id, owner.place
    forged = neighbour.save((2**31 - 2, "c1", {"base": {"identifier": "D"}}))
    assert refusal(forged) == (409, "waiting_for_release")
    entry_id = room.entries["theory"][0]
    assert refusal(neighbour.post("/api/help", entry_id=entry_id)) == (409, "waiting_for_release")
    with room.store.transaction() as db:
        attempt = db.get_one(Attempt, owner.attempt_id)
        answering.collect_attempts(db, [attempt], at=room.clock.now(), by=room.staff_id)
    state = neighbour.get("/api/me", params={"entry_id": entry_id}).json()
    assert (state["view"], state["candidate"], state["attempt"]) == ("release", None, None)


def test_guesses_at_unknown_numbers_take_no_turn_from_the_saves(room: SeatedRoom) -> None:
    room.admit()
    with room.store.transaction():  # somebody writes
        reply = room.browser().log_in("99999999999999999999", "123456")
    assert refusal(reply) == (401, "wrong_login")


def test_a_stranger_sees_nothing(room: SeatedRoom) -> None:
    room.admit()
    room.start()
    owner, stranger = room.answering(1), room.browser()
    for path in (
        "/api/me",
        "/api/photo",
        f"/api/papers/{owner.attempt_id}",
        f"/api/assets/{owner.attempt_id}/chart.png",
        f"/api/revisions/{owner.attempt_id}/c1",
        f"/api/files/{owner.attempt_id}/{'0' * 64}",
    ):
        assert refusal(stranger.get(path)) == (401, "not_logged_in"), path
    for path in ("/api/confirm", "/api/enter", "/api/places", "/api/help", "/api/hand_in", "/api/logout"):
        assert refusal(stranger.post(path, attempt_id=owner.attempt_id)) == (401, "not_logged_in"), path


def test_confirm_records_presence_and_a_wrong_identity_tells_the_board(room: SeatedRoom) -> None:
    room.admit()
    browser, entry_id = room.browser(1), room.entries["theory"][0]
    browser.log_in(room.tickets[0])
    assert browser.post("/api/confirm", entry_id=entry_id, right=False).json() == {"confirmed": False}
    assert browser.me()["view"] == "confirm"
    assert browser.post("/api/confirm", entry_id=entry_id, right=True).json() == {"confirmed": True}
    assert browser.me()["view"] == "waiting"
    assert browser.me()["sitting"]["rules"]
    with room.store.reading() as db:
        events = set(db.scalars(select(JournalEntry.event)))
    assert {"identity_disputed", "identity_confirmed"} <= events


def test_another_candidates_entry_is_as_unknown_as_none(room: SeatedRoom) -> None:
    room.admit()
    browser = room.browser(1)
    browser.log_in(room.tickets[0])
    reply = browser.post("/api/confirm", entry_id=room.entries["theory"][1], right=True)
    assert refusal(reply) == (404, "entry_unknown")
    assert refusal(browser.post("/api/enter", entry_id=room.entries["theory"][1])) == (404, "entry_unknown")


def test_before_the_start_the_paper_stays_closed(room: SeatedRoom) -> None:
    room.admit()
    browser, entry_id = room.browser(1), room.entries["theory"][0]
    browser.log_in(room.tickets[0])
    browser.post("/api/confirm", entry_id=entry_id, right=True)
    assert refusal(browser.post("/api/enter", entry_id=entry_id)) == (409, "not_started")
    room.start()
    assert browser.post("/api/enter", entry_id=entry_id).status_code == 200


def test_r_day_3_nobody_enters_after_the_cut_off(room: SeatedRoom) -> None:
    room.admit()
    room.start()
    browser, entry_id = room.browser(1), room.entries["theory"][0]
    browser.log_in(room.tickets[0])
    browser.post("/api/confirm", entry_id=entry_id, right=True)
    room.clock.move(minutes=31)
    assert refusal(browser.post("/api/enter", entry_id=entry_id)) == (409, "entry_closed")


def test_r_day_3_who_was_recorded_absent_after_the_log_in_does_not_enter(room: SeatedRoom) -> None:
    room.admit()
    room.start()
    browser, entry_id = room.browser(1), room.entries["theory"][0]
    browser.log_in(room.tickets[0])
    browser.post("/api/confirm", entry_id=entry_id, right=True)
    room.act(admission.mark_absent, [entry_id])
    assert refusal(browser.post("/api/enter", entry_id=entry_id)) == (409, "recorded_absent")
    assert browser.me()["view"] == "none"
    room.act(admission.withdraw_absence, [entry_id])
    assert browser.post("/api/enter", entry_id=entry_id).status_code == 200


def test_r_day_18_the_candidate_chooses_among_the_open_subjects(room: SeatedRoom) -> None:
    room.admit()
    room.admit("practical")
    browser = room.browser(1)
    browser.log_in(room.tickets[0])
    assert [choice["subject"] for choice in browser.me()["choices"]] == ["理论", "实操"]
    chosen = browser.get("/api/me", params={"entry_id": room.entries["practical"][0]}).json()
    assert chosen["entry"]["subject"] == "实操"


def test_r_day_16_a_raised_hand_stands_on_the_state(room: SeatedRoom) -> None:
    room.admit()
    browser = room.browser(1)
    browser.log_in(room.tickets[0])
    assert browser.post("/api/help").json() == {"help_asked": True}
    assert browser.me()["entry"]["help_asked"] is True


def test_messages_reach_the_sitting_or_one_candidate(room: SeatedRoom) -> None:
    room.admit()
    first, second = room.browser(1), room.browser(2)
    first.log_in(room.tickets[0])
    second.log_in(room.tickets[1])
    room.act(room_record.send_message, room.sitting(), entries=None, text="请保持安静")
    with room.store.reading() as db:
        entry = db.get_one(admission.Entry, room.entries["theory"][0])
    room.act(room_record.send_message, room.sitting(), entries=[entry], text="请出示证件")
    assert [message["text"] for message in first.me()["messages"]] == ["请保持安静", "请出示证件"]
    assert [message["text"] for message in second.me()["messages"]] == ["请保持安静"]


def test_log_out_leaves_a_clean_pc(room: SeatedRoom) -> None:
    room.admit()
    browser = room.browser(1)
    browser.log_in(room.tickets[0])
    token = browser.cookies["station_candidate"]
    assert browser.post("/api/logout").status_code == 200
    assert "station_candidate" not in browser.cookies
    browser.cookies.set("station_candidate", token)
    assert refusal(browser.get("/api/me")) == (401, "not_logged_in")
    with room.store.reading() as db:
        assert db.scalars(select(CandidateLogin.ended_reason)).one() == "logged_out"


def test_a_seat_link_that_was_not_given_out_is_refused_on_a_page(room: SeatedRoom) -> None:
    reply = room.browser().get(f"/seat/{room.seat_id(1)}/0123456789abcdef0123")
    assert reply.status_code == 403
    assert reply.headers["Content-Type"].startswith("text/html")
    assert "考位链接无效" in reply.text
    assert "seat_link_wrong" in reply.text


def test_opening_a_seat_link_again_takes_the_seat_from_the_earlier_pc(room: SeatedRoom) -> None:
    room.admit()
    earlier, later = room.browser(1), room.browser(1)
    assert earlier.log_in(room.tickets[0]).json()["waits_for_release"] is True
    assert later.log_in(room.tickets[0]).json()["waits_for_release"] is False


def test_the_shell_says_which_seat_this_is(room: SeatedRoom) -> None:
    assert 'data-seat="2"' in room.browser(2).get("/").text
    assert 'data-seat=""' in room.browser().get("/").text


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b'{"ticket_number": 1, "password": "1"}', b"{}"])
def test_malformed_log_ins_are_refused_by_name(room: SeatedRoom, body: bytes) -> None:
    reply = room.browser().request("POST", "/api/login", data=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] in {"bad_json", "field_wrong"}


def test_a_post_from_another_origin_or_kind_is_refused(room: SeatedRoom) -> None:
    browser = room.browser()
    credentials = {"ticket_number": "1", "password": "1"}
    reply = browser.request("POST", "/api/login", json=credentials, headers={"Origin": "http://elsewhere.example"})
    assert refusal(reply) == (403, "other_origin")
    assert refusal(browser.request("POST", "/api/login", data=credentials)) == (400, "bad_json")
    reply = browser.request("POST", "/api/login", json=credentials, headers={"Origin": room.url})
    assert refusal(reply) == (401, "wrong_login")


def test_unknown_pages_and_wrong_methods_are_refused_by_name(room: SeatedRoom) -> None:
    assert refusal(room.browser().get("/api/nothing")) == (404, "no_such_page")
    assert refusal(room.browser().get("/api/login")) == (405, "request_wrong")


def test_the_clock_is_told_to_everybody(room: SeatedRoom) -> None:
    assert room.browser().get("/api/clock").json()["now"].startswith("2026-11-21T06:00")


def test_refusals_speak_the_language_of_the_screen(room: SeatedRoom) -> None:
    browser = room.browser()
    browser.cookies.set("language", "en")
    assert "last 6 digits" in browser.log_in("123", "123").json()["error"]["sentence"]
