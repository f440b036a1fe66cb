"""The report of working times: to the second, short ones first with why, on page, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from station.services import admission, answering, due_work, invigilation, room_record
from station.services import extension as extensions
from station.store.models import Attempt, Candidate, Entry, Extension, Staff
from tests.building import BuiltRoom, build_room
from tests.console.pcs import Pc
from tests.console.serving import Console, refusal, second, served_candidate_app, served_staff_app

HOUR_S = 3600


def rows(one: Console, room: BuiltRoom) -> dict[str, dict]:
    return {row["seat"]: row for row in report(one, room)["rows"]}


def report(one: Console, room: BuiltRoom) -> dict:
    answer = one.get(f"/api/sittings/{room.theory}/times")
    assert answer.status_code == 200, answer.text
    return answer.json()


def to_the_end(room: BuiltRoom, *pcs: Pc, **time: float) -> None:
    """Let the deadline come while these PCs are alive, and the station collect."""
    room.clock.pass_time(**time)
    for pc in pcs:
        pc.me()
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")


def sound(one: dict) -> bool:
    """Add up a line as a reader with a pencil would."""
    own_s = one["late_s"] + one["away_s"] + one["early_s"]
    lost_s = one["paused_s"] + one["fault_s"]
    return one["is_sound"] and one["effective_s"] + one["left_s"] == one["entitled_s"] + one["given_s"] - lost_s - own_s


def test_a_quiet_day_gives_everybody_the_hour(console, room):
    room.start()
    for ticket in room.tickets[:4]:
        room.enter(ticket)
    with room.changing() as db:
        by = room.staff["invigilator"]
        admission.mark_absent(db, [room.entry_id(room.tickets[4])], by=by, at=room.clock.now())
    to_the_end(room, minutes=60)
    found = report(console("invigilator"), room)
    assert [(row["seat"], row["effective_s"], row["short_s"]) for row in found["rows"]] == [
        (seat, HOUR_S, 0) for seat in "1234"
    ]
    assert (found["absent"], found["short"], found["unsound"]) == ([{"seat": "5", "name": "考生05"}], 0, 0)


def test_the_seconds_in_which_everybody_opens_the_paper_get_no_line_of_their_own(console, room):
    room.start()
    room.clock.pass_time(seconds=20)
    room.enter(room.tickets[0])
    room.clock.pass_time(seconds=40)
    room.enter(room.tickets[1])
    one = console("invigilator")
    assert [rows(one, room)[seat]["late_s"] for seat in "12"] == [20, 60]
    page = one.get(f"/times/{room.theory}").text
    assert page.count("开卷晚于开考") == 1
    assert "开卷晚于开考 1 分钟" in page


def test_r_day_8_a_dead_pc_leaves_one_short_until_two_people_have_given_the_seconds_back(
    console, room, candidate_address
):
    room.start()
    room.enter(room.tickets[0])
    pc = Pc(room, candidate_address, "3")
    pc.sit_down(room.tickets[2])
    room.clock.pass_time(minutes=4, seconds=45)
    pc.open_paper()
    chief = console("chief_examiner")
    first = report(chief, room)["rows"][0]
    assert (first["seat"], first["short_s"], first["reasons"]) == ("3", 285, ["故障时间未申请补时"])
    ids = chief.act(f"/api/swaps/{pc.place}/propose").json()["extension_ids"]
    assert report(chief, room)["rows"][0]["reasons"] == ["补时申请尚未确认"]
    chief.act("/api/extensions/decide", extension_ids=ids, granted=True, second=second("inspector"))
    to_the_end(room, pc, minutes=60)
    one = rows(chief, room)["3"]
    assert (one["fault_s"], one["given_s"], one["effective_s"], one["short_s"]) == (285, 285, HOUR_S, 0)
    assert all(map(sound, rows(chief, room).values()))
    assert [happening["kind"] for happening in one["happenings"]] == ["swap", "extension"]


def test_a_refused_extension_stands_as_the_reason(console, room, candidate_address):
    room.start()
    pc = Pc(room, candidate_address, "1")
    pc.sit_down(room.tickets[0])
    room.clock.pass_time(minutes=2)
    pc.open_paper()
    chief = console("chief_examiner")
    ids = chief.act(f"/api/swaps/{pc.place}/propose").json()["extension_ids"]
    chief.act("/api/extensions/decide", extension_ids=ids, granted=False)
    to_the_end(room, pc, minutes=60)
    one = rows(chief, room)["1"]
    assert (one["short_s"], one["reasons"]) == (120, ["补时未获批准"])


def test_who_was_only_reading_and_was_given_the_time_from_the_last_sign_of_life_is_not_short(
    console, room, candidate_address
):
    room.start()
    pc = Pc(room, candidate_address, "1")
    pc.sit_down(room.tickets[0])
    for _ in range(60):
        room.clock.pass_time(seconds=5)
        pc.me()
    room.clock.pass_time(minutes=2)
    pc.open_paper()
    chief = console("chief_examiner")
    assert rows(chief, room)["1"]["fault_s"] == 420
    ids = chief.act(f"/api/swaps/{pc.place}/propose", since="heard").json()["extension_ids"]
    chief.act("/api/extensions/decide", extension_ids=ids, granted=True, second=second("inspector"))
    one = rows(chief, room)["1"]
    assert (one["fault_s"], one["given_s"], one["short_s"]) == (120, 120, 0)


def test_r_day_9_outages_and_suspensions_overlapping_count_once_and_the_deadline_follows_from_them(console, room):
    room.start()
    by = room.staff["invigilator"]
    first, _ = room.enter(room.tickets[0])
    room.enter(room.tickets[1])
    room.clock.pass_time(minutes=5, milliseconds=500)
    with room.changing() as db:
        attempt = db.get_one(Attempt, first.id)
        invigilation.suspend_attempts(db, [attempt], reason="身份核对", by=by, at=room.clock.now())
    room.clock.pass_time(minutes=2)
    with room.changing() as db:
        invigilation.suspend_sitting(db, room.theory, reason="停电", by=by, at=room.clock.now())
    one = console("invigilator")
    assert rows(one, room)["1"]["left_s"] == rows(one, room)["2"]["left_s"] - 120 + 240
    room.clock.pass_time(minutes=3)
    with room.changing() as db:
        invigilation.resume_sitting(db, room.theory, by=by, at=room.clock.now())
    room.clock.pass_time(minutes=1)
    with room.changing() as db:
        invigilation.resume_attempts(db, [db.get_one(Attempt, first.id)], by=by, at=room.clock.now())
    to_the_end(room, minutes=70)
    found = rows(one, room)
    assert [(found[seat]["paused_s"], found[seat]["effective_s"]) for seat in "12"] == [(360, HOUR_S), (180, HOUR_S)]
    assert [(happening["text"], happening["seconds"]) for happening in report(one, room)["for_all"]] == [
        ("暂停：停电", 180)
    ]
    assert all(map(sound, found.values()))


def test_r_day_3_r_day_6_lateness_and_leaving_the_room_are_ones_own(console, room):
    room.start()
    by = room.staff["invigilator"]
    room.clock.pass_time(minutes=10)
    room.enter(room.tickets[0])
    for minutes, act in ((5, room_record.begin_leave), (3, room_record.end_leave), (1, room_record.begin_leave)):
        room.clock.pass_time(minutes=minutes)
        with room.changing() as db:
            act(db, db.get_one(Entry, room.entry_id(room.tickets[0])), by=by, at=room.clock.now())
    room.clock.pass_time(minutes=1)
    one = rows(console("invigilator"), room)["1"]
    assert (one["late_s"], one["away_s"], one["effective_s"], one["short_s"]) == (600, 240, 360, 0)
    assert sound(one)
    assert [happening["kind"] for happening in one["happenings"]] == ["late", "leave", "leave"]


def test_r_day_14_a_late_theory_shifts_the_practical_and_takes_nothing_away(console, room):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    with room.changing() as db:
        chief, inspector = (db.get_one(Staff, room.staff[role]) for role in ("chief_examiner", "inspector"))
        (one,) = extensions.propose_extension(
            db,
            [db.get_one(Attempt, attempt.id)],
            seconds=900,
            reason_kind="pc_fault",
            reason="",
            by=chief,
            at=room.clock.now(),
        )
        extensions.decide_extensions(db, [one.id], granted=True, by=inspector, at=room.clock.now())
    room.clock.pass_time(minutes=75)
    room.start(room.practical)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")
    room.clock.pass_time(minutes=2)
    room.enter(room.tickets[0], room.practical)
    to_the_end(room, minutes=150)
    found = console("invigilator").get(f"/api/sittings/{room.practical}/times").json()["rows"][0]
    assert (found["shift_s"], found["effective_s"], found["late_s"]) == (120, 150 * 60, 0)
    assert sound(found)


def test_r_day_4_who_hands_in_early_is_not_short(console, room):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    room.clock.pass_time(minutes=50)
    with room.changing() as db:
        entry = db.get_one(Entry, attempt.entry_id)
        room_record.allow_early_leave(db, [entry], by=room.staff["chief_examiner"], at=room.clock.now())
        answering.hand_in(db, db.get_one(Attempt, attempt.id), at=room.clock.now())
    one = rows(console("invigilator"), room)["1"]
    assert (one["early_s"], one["effective_s"], one["short_s"]) == (600, 3000, 0)
    assert one["happenings"][0]["text"] == "提前交卷"


def test_who_had_no_pc_when_time_was_up_stands_first(console, room, candidate_address):
    room.start()
    room.enter(room.tickets[0])
    pc = Pc(room, candidate_address, "2")
    pc.sit_down(room.tickets[1])
    room.clock.pass_time(minutes=57)
    pc.save()
    to_the_end(room, minutes=3)
    first = report(console("invigilator"), room)["rows"][0]
    assert (first["seat"], first["short_s"], first["reasons"]) == ("2", 180, ["结束时未能恢复上机"])


def test_who_was_moved_and_never_came_is_short_also_after_a_restart(console, room):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    room.clock.pass_time(minutes=40)
    with room.changing() as db:
        entry, spare = db.get_one(Entry, attempt.entry_id), db.get_one(invigilation.Seat, room.seat_id("6"))
        by, at = room.staff["invigilator"], room.clock.now()
        invigilation.move_to_spare(db, entry, spare, reason="黑屏", by=by, at=at)
    to_the_end(room, minutes=20)
    first = report(console("invigilator"), room)["rows"][0]
    assert (first["seat"], first["short_s"]) == ("6", HOUR_S)


def test_a_deadline_that_does_not_follow_from_the_record_is_told(console, room):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    with room.changing() as db:
        db.get_one(Attempt, attempt.id).deadline_at += timedelta(seconds=1)
    found = report(console("invigilator"), room)
    assert (found["unsound"], found["rows"][0]["is_sound"]) == (1, False)


def test_a_right_to_more_time_is_part_of_what_is_due(console, room):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    with room.changing() as db:
        by = room.staff["chief_examiner"]
        granted = {"reason_kind": "accessibility", "state": "granted", "proposed_by": by, "site_by": by}
        db.add(Extension(attempt_id=attempt.id, seconds=900, proposed_at=room.clock.now(), **granted))
        db.get_one(Attempt, attempt.id).deadline_at += timedelta(minutes=15)
    to_the_end(room, minutes=75)
    one = rows(console("invigilator"), room)["1"]
    assert (one["entitled_s"], one["given_s"], one["effective_s"]) == (4500, 0, 4500)
    assert sound(one)


def test_the_page_is_there_for_everybody_of_the_staff_and_for_nobody_else(console, room, stranger):
    room.start()
    room.enter(room.tickets[0])
    page = console("technician").get(f"/times/{room.theory}")
    assert page.status_code == 200
    assert "考生作答时间核对表" in page.text
    assert "全部 1 名考生的时间都不少于应有" in page.text
    assert refusal(stranger.get(f"/api/sittings/{room.theory}/times")) == (401, "staff_not_logged_in")
    assert refusal(console("invigilator").get("/api/sittings/99/times")) == (404, "sitting_unknown")


def test_the_page_before_the_start_says_that_there_is_nothing_yet(console, room):
    assert "还没有考生开卷" in console("invigilator").get(f"/times/{room.theory}").text


def test_r_rost_2_the_table_keeps_long_numbers_whole_and_runs_no_formula(console, room):
    room.start()
    room.enter(room.tickets[0])
    with room.changing() as db:
        db.get_one(Candidate, 1).name = "=1+1"
    answer = console("invigilator").get(f"/times/{room.theory}/csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    head, line = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    found = dict(zip(head, line, strict=True))
    assert (found["准考证号"], found["姓名"]) == (f'="{room.tickets[0]}"', "'=1+1")
    assert (found["应有时间（秒）"], found["核对"]) == ("3600", "相符")


@pytest.mark.postgresql
def test_the_report_is_the_same_on_postgresql(tmp_path, postgresql_database):
    room = build_room(tmp_path, url=postgresql_database)
    try:
        with (
            served_staff_app(room) as address,
            served_candidate_app(room) as candidate_address,
            Console(address) as one,
        ):
            one.log_in("invigilator")
            room.start()
            pc = Pc(room, candidate_address, "1")
            pc.sit_down(room.tickets[0])
            room.clock.pass_time(minutes=3)
            pc.open_paper()
            to_the_end(room, pc, minutes=57)
            found = rows(one, room)["1"]
            assert (found["fault_s"], found["short_s"], found["effective_s"]) == (180, 180, HOUR_S - 180)
            assert sound(found)
    finally:
        room.close()
