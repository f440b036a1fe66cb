"""A seat's PC dies: back at once there or on a spare, and the time lost in one click (R-DAY-7, R-DAY-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from station.services import invigilation
from station.services.results import result_document
from station.store.models import Attempt, Extension, Incident, JournalEntry, SeatMove, StationLife
from tests.building import BuiltRoom, build_room
from tests.console.pcs import ANSWER, Pc
from tests.console.serving import Console, refusal, second, served_candidate_app, served_staff_app

OTHER = {"base": {"identifier": "B"}}
PcAt = Callable[[str | None], Pc]


@pytest.fixture
def pc_at(room: BuiltRoom) -> Iterator[PcAt]:
    with served_candidate_app(room) as address:
        yield lambda seat: Pc(room, address, seat)


@pytest.fixture
def pc(room: BuiltRoom, pc_at: PcAt) -> Pc:
    """Candidate 1 at seat 1 with the paper open and one answer saved, 31 min 7 s after the start."""
    room.start()
    one = pc_at("1")
    one.sit_down(room.tickets[0])
    room.clock.pass_time(minutes=30, seconds=7)
    look_on(room, one, 60)
    one.save()
    return one


def look_on(room: BuiltRoom, one: Pc, seconds: int) -> None:
    """Let time pass in front of an open page, which asks for the state again and again."""
    for _ in range(0, seconds, 5):
        room.clock.pass_time(seconds=5)
        one.me()


def station_returns(room: BuiltRoom) -> None:
    """Start the station anew: its row in the store says so, and no heartbeat of before is remembered."""
    room.edge.presence.__init__()
    with room.changing() as db:
        db.merge(StationLife(id=1, alive_at=room.clock.now(), started_at=room.clock.now()))


def dead_for(room: BuiltRoom, **time: float) -> None:
    room.clock.pass_time(**time)


def propose(one: Console, room: BuiltRoom, seat: str, **body: str):
    place_id = one.seat(room.theory, seat)["returns"][0]["place_id"]
    return one.act(f"/api/swaps/{place_id}/propose", **body)


def codes(one: Console, room: BuiltRoom, seat: str) -> list[str]:
    return [problem["code"] for problem in one.seat(room.theory, seat)["problems"]]


def test_r_day_7_after_a_new_boot_the_same_login_is_back_in_the_paper_without_anybody(room, pc, console):
    dead_for(room, minutes=4, seconds=45)
    assert pc.open_paper()["answers"] == {"q1": ANSWER}
    pc.save("q1", OTHER)
    assert codes(console("invigilator"), room, "1") == ["time_lost"]


def test_r_day_7_a_pc_that_forgot_its_login_is_back_by_ticket_number_alone(room, pc, pc_at):
    dead_for(room, minutes=3)
    again = pc_at("1")
    assert again.log_in(room.tickets[0])["waits_for_release"] is False
    assert again.open_paper()["answers"] == {"q1": ANSWER}


def test_r_day_7_one_act_on_the_board_and_a_log_in_and_everything_is_on_the_spare(room, pc, pc_at, console):
    one = console("invigilator")
    dead_for(room, minutes=2)
    body = {"entry_id": room.entry_id(room.tickets[0]), "seat_id": room.seat_id("6"), "reason": "计算机故障"}
    assert one.act("/api/seat_moves", **body).status_code == 200
    spare = pc_at("6")
    assert spare.log_in(room.tickets[0])["waits_for_release"] is False
    assert spare.open_paper()["answers"] == {"q1": ANSWER}
    assert pc.get("/api/me").status_code == 401


def test_r_day_7_who_logged_in_at_the_spare_first_is_let_in_by_the_same_act(room, pc, pc_at, console):
    one = console("invigilator")
    dead_for(room, minutes=2)
    spare = pc_at("6")
    assert spare.log_in(room.tickets[0])["waits_for_release"] is True
    assert one.seat(room.theory, "1")["waiting_login"]["seat"] == "6"
    body = {"entry_id": room.entry_id(room.tickets[0]), "seat_id": room.seat_id("6"), "reason": "计算机故障"}
    assert one.act("/api/seat_moves", **body).status_code == 200
    assert spare.open_paper()["answers"] == {"q1": ANSWER}
    assert one.seat(room.theory, "6")["returns"][0]["act"]["seconds"] == 120


def test_the_stopwatch_runs_from_the_last_act_and_from_the_last_sign_of_life(room, pc, console):
    one = console("invigilator")
    saved_at = room.clock.now()
    room.clock.pass_time(seconds=50)
    pc.me()
    heard_at = room.clock.now()
    assert one.seat(room.theory, "1")["swap"] is None
    room.clock.pass_time(seconds=6)
    assert one.seat(room.theory, "1")["swap"] == {
        "since": saved_at.isoformat(timespec="milliseconds"),
        "heard_at": heard_at.isoformat(timespec="milliseconds"),
        "from_seat": None,
    }
    move(room, "1", "6")
    room.clock.pass_time(minutes=1)
    watch = one.seat(room.theory, "6")["swap"]
    assert (watch["from_seat"], watch["since"]) == ("1", saved_at.isoformat(timespec="milliseconds"))
    assert codes(one, room, "6") == ["moving"]


def move(room: BuiltRoom, old: str, new: str, reason: str = "计算机故障") -> None:
    with room.changing() as db:
        entry = db.get_one(invigilation.Entry, room.entry_id(room.tickets[int(old) - 1]))
        seat = db.get_one(invigilation.Seat, room.seat_id(new))
        by, at = room.staff["invigilator"], room.clock.now()
        invigilation.move_to_spare(db, entry, seat, reason=reason, by=by, at=at)


def test_r_day_8_the_exact_time_is_proposed_in_one_click_and_granted_by_two_people(room, pc, pc_at, console):
    one, before = console("invigilator"), room.attempt(room.tickets[0]).deadline_at
    dead_for(room, minutes=2)
    move(room, "1", "6")
    room.clock.pass_time(minutes=2, seconds=45)
    spare = pc_at("6")
    spare.log_in(room.tickets[0])
    spare.open_paper()
    proposed = propose(one, room, "6").json()
    assert proposed["seconds"] == 285
    assert proposed["reason"] == "考位 1 计算机故障，换至 6 号备用机，14:31:07–14:35:52 共 4 分 45 秒"
    pending = one.board(room.theory)["pending_extensions"][0]
    assert (pending["length"], pending["reason"]) == ("4 分 45 秒", proposed["reason"])
    for who, effective in (("chief_examiner", 0), ("inspector", 1)):
        answer = one.act(
            "/api/extensions/decide", extension_ids=proposed["extension_ids"], granted=True, second=second(who)
        )
        assert answer.json()["effective"] == effective
    assert room.attempt(room.tickets[0]).deadline_at - before == timedelta(seconds=285)
    assert one.seat(room.theory, "6")["returns"] == []


def test_r_day_7_move_and_times_stand_in_the_room_record_and_in_the_journal(room, pc, pc_at):
    dead_for(room, minutes=1)
    move(room, "1", "6", reason="主机冒烟")
    room.clock.pass_time(minutes=1)
    spare = pc_at("6")
    spare.log_in(room.tickets[0])
    spare.open_paper()
    with room.store.reading() as db:
        incident = db.scalars(select(Incident)).one()
        assert incident.text == "考位 1 主机冒烟，换至 6 号备用机，14:31:07–14:33:07 共 2 分钟"
        assert (incident.kind, incident.recorded_by) == ("equipment", room.staff["invigilator"])
        assert db.scalars(select(SeatMove.reason)).one() == "主机冒烟"
        assert "pc_came_back" in set(db.scalars(select(JournalEntry.event)))
        (lost,) = result_document(db, room.theory, station_version="test")["pcs_lost"]
    assert (lost["last_act_at"][11:19], lost["opened_at"][11:19]) == ("06:31:07", "06:33:07")


def test_r_day_8_a_new_boot_of_the_same_pc_counts_as_well_and_the_station_records_it(room, pc, console):
    dead_for(room, seconds=75)
    pc.open_paper()
    answer = propose(console("invigilator"), room, "1").json()
    assert answer["reason"] == "考位 1 计算机故障，重启后在原机继续，14:31:07–14:32:22 共 1 分 15 秒"
    with room.store.reading() as db:
        assert db.scalars(select(Incident.recorded_by)).one() is None


def test_less_than_a_minute_is_given_back_to_the_second(room, pc, console):
    dead_for(room, seconds=22)
    pc.open_paper()
    assert propose(console("invigilator"), room, "1").json()["seconds"] == 22


def test_a_page_that_is_only_loaded_again_has_lost_nothing(room, pc, console):
    room.clock.pass_time(seconds=8)
    pc.open_paper()
    one = console("invigilator")
    assert (codes(one, room, "1"), one.seat(room.theory, "1")["returns"]) == ([], [])


def test_what_the_page_sends_of_its_queue_on_coming_back_is_no_act_of_before(room, pc, console):
    dead_for(room, minutes=5)
    pc.save("q1", OTHER)  # first thing after the boot: what lay unsent on the PC's disk
    room.clock.pass_time(seconds=1)
    pc.open_paper()
    assert console("invigilator").seat(room.theory, "1")["returns"][0]["act"]["seconds"] == 301


def test_the_page_that_is_loaded_again_after_the_return_does_not_count_the_loss_twice(room, pc, console):
    dead_for(room, minutes=5)
    pc.open_paper()
    room.clock.pass_time(seconds=4)
    pc.open_paper()
    assert len(console("invigilator").seat(room.theory, "1")["returns"]) == 1


def test_r_day_8_who_was_only_reading_is_shown_with_both_times_and_a_person_chooses(room, pc, console):
    one = console("invigilator")
    look_on(room, pc, 300)
    dead_for(room, minutes=2)
    pc.open_paper()
    found = one.seat(room.theory, "1")["returns"][0]
    assert (found["act"]["seconds"], found["heard"]["seconds"]) == (420, 120)
    answer = propose(one, room, "1", since="heard").json()
    assert answer["seconds"] == 120
    assert answer["reason"].endswith("14:36:07–14:38:07 共 2 分钟（自最后联系起；最后操作 14:31:07）")
    with room.store.reading() as db:
        assert "最后联系 14:36:07" in db.scalars(select(Incident.text)).one()


def test_nothing_is_proposed_twice(room, pc, console):
    one = console("invigilator")
    dead_for(room, minutes=5)
    pc.open_paper()
    place_id = one.seat(room.theory, "1")["returns"][0]["place_id"]
    path = f"/api/swaps/{place_id}/propose"
    assert one.act(path).status_code == 200
    assert refusal(one.act(path)) == (409, "swap_settled")
    with room.store.reading() as db:
        assert len(db.scalars(select(Extension.id)).all()) == 1
    assert refusal(one.act("/api/swaps/99/propose")) == (404, "swap_unknown")
    assert refusal(one.act(path, since="yesterday")) == (400, "field_wrong")


def test_r_day_8_no_second_is_given_twice_when_the_time_stood_still_meanwhile(room, pc, console):
    one, by = console("invigilator"), room.staff["invigilator"]
    dead_for(room, minutes=1)
    with room.changing() as db:
        attempt = db.get_one(Attempt, pc.attempt_id)
        invigilation.suspend_attempts(db, [attempt], reason="等待换机", by=by, at=room.clock.now())
    room.clock.pass_time(minutes=3)
    with room.changing() as db:
        invigilation.resume_attempts(db, [db.get_one(Attempt, pc.attempt_id)], by=by, at=room.clock.now())
    room.clock.pass_time(seconds=30)
    pc.open_paper()
    answer = propose(one, room, "1").json()
    assert answer["seconds"] == 90
    assert "共 4 分 30 秒，其中暂停或中断已补 3 分钟，应补 1 分 30 秒" in answer["reason"]


def test_what_a_suspension_covers_altogether_leaves_nothing_to_propose(room, pc, console):
    one, by = console("invigilator"), room.staff["invigilator"]
    with room.changing() as db:
        invigilation.suspend_sitting(db, room.theory, reason="停电", by=by, at=room.clock.now())
    dead_for(room, minutes=3)
    pc.open_paper()
    assert one.seat(room.theory, "1")["returns"] == []
    assert refusal(one.act(f"/api/swaps/{pc.place}/propose")) == (400, "nothing_lost")


def test_r_day_9_pcs_that_boot_after_the_station_has_lost_only_what_the_outage_did_not_give_back(room, pc, console):
    """Power was cut for all: the station was away for two minutes, the PC came back a minute later."""
    died_at = room.clock.now()
    back_at = room.clock.pass_time(minutes=2)
    station_returns(room)
    with room.changing() as db:
        db.add(invigilation.Interruption(sitting_id=room.theory, kind="outage", began_at=died_at, ended_at=back_at))
    room.clock.pass_time(minutes=1)
    pc.open_paper()
    found = console("invigilator").seat(room.theory, "1")["returns"][0]
    assert (found["act"]["seconds"], found["heard"]) == (60, None)


def test_a_page_that_outlived_the_stations_restart_has_lost_nothing(room, pc, console):
    room.clock.pass_time(minutes=1)
    station_returns(room)
    room.clock.pass_time(seconds=1)
    pc.save("q1", OTHER)
    look_on(room, pc, 25)
    pc.open_paper()
    assert console("invigilator").seat(room.theory, "1")["returns"] == []


def test_after_the_deadline_nothing_can_be_proposed_and_before_it_the_board_warns(room, pc, console):
    one = console("invigilator")
    room.clock.pass_time(minutes=22)
    pc.me()
    room.clock.pass_time(minutes=1)
    assert codes(one, room, "1") == ["lost"]
    room.clock.pass_time(minutes=1)
    assert codes(one, room, "1") == ["lost", "deadline_near"]
    pc.open_paper()
    place = pc.place
    with room.changing() as db:
        at = room.clock.pass_time(minutes=10)
        invigilation.terminate_attempt(db, db.get_one(Attempt, pc.attempt_id), reason="x", by=1, at=at)
    assert codes(one, room, "1") == []
    assert refusal(one.act(f"/api/swaps/{place}/propose")) == (400, "nobody_to_extend")


def test_the_site_decides_to_the_second_up_to_its_limit(room, pc, console):
    chief = console("chief_examiner")
    dead_for(room, minutes=15, seconds=1)
    pc.open_paper()
    ids = propose(chief, room, "1").json()["extension_ids"]
    assert chief.board(room.theory)["pending_extensions"][0]["needs_body"] is True
    body = {"extension_ids": ids, "granted": True, "second": second("inspector")}
    assert refusal(chief.act("/api/extensions/decide", **body)) == (409, "extension_needs_body")


def test_r_day_14_a_spare_at_which_another_sittings_candidate_answers_is_taken(room, console):
    room.start()
    move(room, "2", "6")
    other, _ = room.enter(room.tickets[1], seat="6")
    room.clock.pass_time(minutes=75)
    room.start(room.practical)
    one = console("invigilator")
    body = {"entry_id": room.entry_id(room.tickets[0], room.practical), "seat_id": room.seat_id("6"), "reason": "黑屏"}
    assert refusal(one.act("/api/seat_moves", **body)) == (409, "seat_taken")
    with room.changing() as db:
        invigilation.terminate_attempt(db, db.get_one(Attempt, other.id), reason="x", by=1, at=room.clock.now())
    assert one.act("/api/seat_moves", **body).status_code == 200


def test_the_technician_may_move_a_candidate_and_not_propose_time(room, pc, console):
    dead_for(room, minutes=5)
    pc.open_paper()
    assert refusal(propose(console("technician"), room, "1")) == (403, "not_allowed")


@pytest.mark.postgresql
def test_r_day_8_a_swap_is_counted_and_proposed_on_postgresql_as_well(tmp_path, postgresql_database):
    room = build_room(tmp_path, url=postgresql_database)
    try:
        with (
            served_staff_app(room) as address,
            served_candidate_app(room) as candidates,
            Console(address) as one,
        ):
            one.log_in("invigilator")
            room.start()
            first = Pc(room, candidates, "1")
            first.sit_down(room.tickets[0])
            room.clock.pass_time(minutes=2)
            move(room, "1", "6")
            spare = Pc(room, candidates, "6")
            spare.log_in(room.tickets[0])
            spare.open_paper()
            assert propose(one, room, "6").json()["seconds"] == 120
            assert refusal(one.act(f"/api/swaps/{spare.place}/propose")) == (409, "swap_settled")
    finally:
        room.close()
