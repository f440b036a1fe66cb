"""The board says at a glance who is where and what is wrong."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from station.services import admission, answering, invigilation
from station.store.models import Entry, StationLife
from station.web import device_roll
from tests.building import KEYS, PRACTICAL_PLANNED, build_room
from tests.console.serving import Console, refusal, served_staff_app
from tests.work_pc import pc_at


def codes(seat):
    return [one["code"] for one in seat["problems"]]


def test_every_seat_is_shown_in_order_with_spares_last(console, room):
    seats = console("invigilator").board(room.theory)["seats"]
    assert [one["seat"] for one in seats] == ["1", "2", "3", "4", "5", "6", "7"]
    assert [one["seat"] for one in seats if one["is_spare"]] == ["6", "7"]
    assert seats[5]["state"] == "free"


def test_r_day_3_counts_say_who_is_expected_answering_absent_and_late(console, room):
    one = console("invigilator")
    room.start()
    room.enter(room.tickets[0])
    room.log_in(room.tickets[1])
    room.clock.pass_time(minutes=11)
    room.enter(room.tickets[2])
    with room.changing() as db:
        admission.mark_absent(db, [room.entry_id(room.tickets[3])], by=1, at=room.clock.now())
    counts = one.board(room.theory)["counts"]
    assert (counts["expected"], counts["logged_in"], counts["answering"]) == (5, 3, 2)
    assert (counts["absent"], counts["late"]) == (1, 1)
    assert one.seat(room.theory, "3")["late_min"] == 11


def test_r_day_3_who_is_not_in_is_told_and_after_the_cutoff_is_to_be_recorded(console, room):
    one = console("invigilator")
    room.start()
    assert codes(one.seat(room.theory, "1")) == ["not_in"]
    room.clock.pass_time(minutes=31)
    assert codes(one.seat(room.theory, "1")) == ["absence_open"]


def test_a_page_that_is_not_heard_for_more_than_5_seconds_is_lost(console, room):
    one = console("invigilator")
    room.start()
    room.enter(room.tickets[0])
    candidate = room.attempt(room.tickets[0])
    with room.store.reading() as db:
        candidate_id = db.get_one(Entry, candidate.entry_id).candidate_id
    room.edge.presence.mark(candidate_id, room.clock.now())
    room.clock.pass_time(seconds=5)
    assert one.seat(room.theory, "1")["connection"] == "online"
    room.clock.pass_time(seconds=1)
    seat = one.seat(room.theory, "1")
    assert (seat["connection"], codes(seat)) == ("lost", ["lost"])
    assert one.board(room.theory)["counts"]["lost"] == 1


def test_r_rost_2_a_log_in_at_another_seat_waits_on_the_board_until_it_is_released(console, room):
    one = console("invigilator")
    room.start()
    login = room.log_in(room.tickets[0], seat="6")
    seat = one.seat(room.theory, "1")
    assert (seat["state"], seat["waiting_login"]) == ("waiting", {"login_id": login.id, "seat": "6"})
    assert one.act(f"/api/logins/{login.id}/release").status_code == 200
    assert one.seat(room.theory, "1")["state"] == "logged_in"


def test_r_day_16_a_raised_hand_is_an_alarm_until_it_is_answered(console, room):
    one = console("invigilator")
    room.start()
    room.enter(room.tickets[1])
    entry_id = room.entry_id(room.tickets[1])
    with room.changing() as db:
        answering.ask_for_help(db, db.get_one(Entry, entry_id), at=room.clock.now())
    assert one.board(room.theory)["counts"]["help"] == 1
    assert one.act("/api/help/answer", entry_id=entry_id).status_code == 200
    assert one.board(room.theory)["counts"]["help"] == 0


def test_a_candidate_who_says_the_identity_is_wrong_is_an_alarm(console, room):
    one = console("invigilator")
    room.start()
    room.log_in(room.tickets[0])
    with room.changing() as db:
        admission.dispute_identity(db, db.get_one(Entry, room.entry_id(room.tickets[0])), at=room.clock.now())
    assert "identity_disputed" in codes(one.seat(room.theory, "1"))


def test_answers_that_came_late_and_conflicts_are_shown(console, room):
    one = console("invigilator")
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"B"}}')
    assert one.seat(room.theory, "1")["answered"] == 1
    room.clock.pass_time(minutes=61)
    room.save(attempt.id, place, 2, "q2", '{"list":{"identifier":["A"]}}')
    assert {"late_saves", "save_conflict", "overdue"} <= set(codes(one.seat(room.theory, "1")))


def test_r_day_14_the_practicals_board_says_who_is_still_in_the_theory(console, room):
    one = console("invigilator")
    room.start()
    room.enter(room.tickets[0])
    room.clock.at = PRACTICAL_PLANNED
    assert one.seat(room.practical, "1")["state"] == "elsewhere"
    assert one.seat(room.practical, "1")["problems"][0]["text"] == "仍在作答“理论”"


def test_a_suspended_sitting_and_a_doubtful_clock_stand_above_the_room(console, room):
    one = console("invigilator")
    room.start()
    with room.changing() as db:
        invigilation.suspend_sitting(db, room.theory, reason="停电", by=1, at=room.clock.now())
        db.add(StationLife(id=1, alive_at=room.clock.now(), started_at=room.clock.now(), clock_in_doubt=True))
    assert [alarm["code"] for alarm in one.board(room.theory)["alarms"]] == ["clock_in_doubt", "sitting_suspended"]


def test_only_new_events_come_and_an_unchanged_board_is_short(console, room):
    one = console("invigilator")
    first = one.board(room.theory)
    newest = first["events"][0]["number"]
    again = one.board(room.theory, since=newest, changed=first["changed"])
    assert again == {"now": again["now"], "changed": first["changed"], "unchanged": True}
    with room.changing() as db:
        invigilation.open_admission(db, room.theory, by=1, at=room.clock.now())
    after = one.board(room.theory, since=newest, changed=first["changed"])
    assert [entry["event"] for entry in after["events"]] == ["admission_opened"]
    assert after["sitting"]["state"] == "admitting"


def test_a_board_takes_the_same_few_queries_however_full_the_room(console, room, monkeypatch):
    monkeypatch.setattr(device_roll, "REFRESH_S", 3600.0)  # what agents shall be is looked up apart from any board
    one = console("invigilator")
    room.start()
    one.board(room.theory)
    asked = []
    event.listen(room.store.engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    one.board(room.theory)
    empty = len(asked)
    for ticket in room.tickets:
        room.enter(ticket)
    asked.clear()
    one.board(room.theory)
    # Two of them find out who asks, two look for dead PCs, one for the room's seal.
    assert len(asked) == empty <= 9 + 2 + 2 + 1 + 1


def test_the_board_holds_no_answer_key(console, room):
    one = console("chief_examiner")
    room.start()
    text = one.get(f"/api/board/{room.theory}").text
    assert not [key["guide"] for key in KEYS.values() if "guide" in key and key["guide"] in text]


def test_no_such_sitting_is_missing(console):
    assert refusal(console("invigilator").get("/api/board/99")) == (404, "sitting_unknown")


def test_the_list_of_sittings_counts_each(console, room):
    room.start()
    room.enter(room.tickets[0])
    theory, practical = console("invigilator").get("/api/sittings").json()
    assert (theory["state"], theory["counts"]["answering"], theory["counts"]["expected"]) == ("running", 1, 5)
    assert (practical["state"], practical["subject"]) == ("planned", "实操")


def test_r_day_3_one_candidates_details_hold_what_documents_are_compared_with(console, room):
    room.start()
    room.enter(room.tickets[0])
    details = console("invigilator").get(f"/api/entries/{room.entry_id(room.tickets[0])}").json()
    assert (details["ticket_number"], details["seat"], details["name"]) == (room.tickets[0], "1", "考生01")
    assert "paper_opened" in [one["event"] for one in details["events"]]
    assert refusal(console("invigilator").get("/api/entries/999")) == (404, "entry_unknown")


def test_a_seats_details_show_the_work_files_with_their_versions_and_how_the_pc_is_heard(console, room):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    path, entry = "06_上传方案/方案.txt", f"/api/entries/{room.entry_id(room.tickets[0])}"
    work = console("invigilator").get(entry).json()["work"]
    assert ([one["state"] for one in work["wanted"]], work["files"], work["facts"]) == (["missing"], [], None)
    pc = pc_at(room, "1", attempt.id)
    pc.save(path, b"one")
    pc.save(path, b"two")
    work = console("invigilator").get(entry).json()["work"]
    assert (work["wanted"][0]["file"]["version"], work["wanted"][0]["is_missing"]) == (2, False)
    assert [one["version"] for one in work["files"][0]["versions"]] == [2, 1]
    unheard = {"heard_at": None, "is_lost": True, "waiting": 0, "waiting_bytes": 0, "folder": "", "opens": False}
    assert work["facts"]["agent"] == unheard


@pytest.mark.postgresql
def test_the_board_and_the_acts_are_the_same_on_postgresql(tmp_path, postgresql_database):
    room = build_room(tmp_path, url=postgresql_database)
    try:
        with served_staff_app(room) as address, Console(address) as one:
            one.log_in("invigilator")
            room.start()
            attempt, place = room.enter(room.tickets[0])
            room.log_in(room.tickets[1], seat="6")
            room.clock.pass_time(minutes=61)
            room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
            board = one.board(room.theory)
            assert (board["counts"]["answering"], board["counts"]["waiting"]) == (1, 1)
            assert "late_saves" in codes(one.seat(room.theory, "1"))
            assert one.act("/api/entries/absent", entry_ids=[room.entry_id(room.tickets[2])]).status_code == 200
            assert one.seat(room.theory, "3")["state"] == "absent"
    finally:
        room.close()
