"""Rules of the day that staff meet: start, entry, leave, extension, move, absence, closing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from station.domain.attempt import AttemptState
from station.domain.incident import ExtensionState
from station.errors import StationError
from station.services import admission, answering, closing, due_work, invigilation, room_record
from station.services import extension as extensions
from station.store.models import Attempt, Candidate, CandidateLogin, Entry, Extension, Seat, Staff
from tests.building import BuiltRoom, SetClock


def refusal(room: BuiltRoom, act: Callable[..., object]) -> str:
    """Run an act in a transaction of its own and give the code of its refusal."""
    with pytest.raises(StationError) as raised, room.changing() as db:
        act(db)
    return raised.value.code


def person(room: BuiltRoom, role: str) -> Callable[..., Staff]:
    return lambda db: db.get_one(Staff, room.staff[role])


def pass_minutes(room: BuiltRoom, minutes: float) -> None:
    assert isinstance(room.clock, SetClock)
    room.clock.pass_time(minutes=minutes)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")


def test_r_day_15_no_start_before_the_planned_time_and_a_postponement_moves_it(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    by = room.staff["invigilator"]
    with room.changing() as db:
        invigilation.open_admission(db, room.theory, by=by, at=room.clock.now())
        invigilation.postpone_sitting(db, room.theory, minutes=5, reason="机构通知", by=by, at=room.clock.now())

    def start(db):
        invigilation.start_sitting(db, room.theory, by=by, at=room.clock.now())

    room.clock.pass_time(minutes=4, seconds=59)
    assert refusal(room, start) == "too_early_to_start"
    room.clock.pass_time(seconds=1)
    with room.changing() as db:
        start(db)


def test_r_day_3_after_thirty_minutes_no_one_may_enter(room: BuiltRoom):
    room.start()
    pass_minutes(room, 30)
    late, _ = room.enter(room.tickets[0])
    assert late.deadline_at == room.clock.now() + timedelta(minutes=30)
    pass_minutes(room, 0.02)
    with pytest.raises(StationError) as raised:
        room.enter(room.tickets[1])
    assert raised.value.code == "entry_closed"


def test_r_day_4_no_hand_in_before_the_last_minutes_nor_without_the_chief_examiners_consent(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])

    def hand_in(db):
        return answering.hand_in(db, db.get_one(Attempt, attempt.id), at=room.clock.now())

    pass_minutes(room, 44)
    assert refusal(room, hand_in) == "too_early_to_leave"
    pass_minutes(room, 1)
    assert refusal(room, hand_in) == "early_leave_not_allowed"
    with room.changing() as db:
        entry = db.get_one(Entry, attempt.entry_id)
        room_record.allow_early_leave(db, [entry], by=room.staff["chief_examiner"], at=room.clock.now())
        code = hand_in(db)
    with room.changing() as db:
        assert hand_in(db) == code
    assert room.attempt(room.tickets[0]).state == AttemptState.HANDED_IN


def test_r_day_8_fifteen_minutes_need_two_people_and_one_minute_more_the_certificate_body(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    at = room.clock.now()
    with room.changing() as db:
        chief = person(room, "chief_examiner")(db)
        (first,) = extensions.propose_extension(
            db, [db.get_one(Attempt, attempt.id)], seconds=900, reason_kind="pc_fault", reason="", by=chief, at=at
        )
        first_id = first.id
        assert db.get_one(Extension, first_id).state == ExtensionState.PROPOSED
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at
    assert (
        refusal(
            room,
            lambda db: extensions.decide_extensions(
                db, [first_id], granted=True, by=person(room, "invigilator")(db), at=at
            ),
        )
        == "not_allowed"
    )
    with room.changing() as db:
        inspector = person(room, "inspector")(db)
        assert extensions.decide_extensions(db, [first_id], granted=True, by=inspector, at=at) == 1
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at + timedelta(minutes=15)
    with room.changing() as db:
        (second,) = extensions.propose_extension(
            db,
            [db.get_one(Attempt, attempt.id)],
            seconds=60,
            reason_kind="other",
            reason="网络再次中断",
            by=person(room, "chief_examiner")(db),
            at=at,
        )
        second_id = second.id

    def decide(db, reference=""):
        by = person(room, "inspector")(db)
        return extensions.decide_extensions(db, [second_id], granted=True, by=by, at=at, body_reference=reference)

    assert refusal(room, decide) == "extension_needs_body"
    with room.changing() as db:
        assert decide(db, "机构电话 11-21 张") == 1
    assert refusal(room, decide) == "already_decided"


def test_r_day_8_a_refused_extension_changes_nothing(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    with room.changing() as db:
        by = person(room, "invigilator")(db)
        (one,) = extensions.propose_extension(
            db,
            [db.get_one(Attempt, attempt.id)],
            seconds=300,
            reason_kind="illness",
            reason="",
            by=by,
            at=room.clock.now(),
            asked_by_candidate=True,
        )
        chief = person(room, "chief_examiner")(db)
        assert extensions.decide_extensions(db, [one.id], granted=False, by=chief, at=room.clock.now()) == 0
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at


@pytest.mark.parametrize(
    ("seconds", "kind", "code"), [(59, "power", "extension_length"), (300, "other", "reason_missing")]
)
def test_an_extension_without_length_or_reason_is_refused(room: BuiltRoom, seconds: int, kind: str, code: str):
    room.start()
    attempt, _ = room.enter(room.tickets[0])

    def propose(db):
        by = person(room, "chief_examiner")(db)
        extensions.propose_extension(
            db,
            [db.get_one(Attempt, attempt.id)],
            seconds=seconds,
            reason_kind=kind,
            reason=" ",
            by=by,
            at=room.clock.now(),
        )

    assert refusal(room, propose) == code


def test_r_day_7_a_candidate_moves_to_a_spare_seat_with_answers_and_time_kept(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    with room.changing() as db:
        entry, spare = db.get_one(Entry, attempt.entry_id), db.get_one(Seat, room.seat_id("6"))
        invigilation.move_to_spare(
            db, entry, spare, reason="主机黑屏", by=room.staff["invigilator"], at=room.clock.now()
        )
    again, new_place = room.enter(room.tickets[0], seat="6")
    assert again.id == attempt.id
    assert new_place > place
    assert again.deadline_at == attempt.deadline_at
    with room.store.reading() as db:
        assert answering.current_answers(db, attempt.id) == {"q1": '{"base":{"identifier":"A"}}'}

    def move_again(db):
        other = db.get_one(Entry, room.entry_id(room.tickets[1]))
        seat = db.get_one(Seat, room.seat_id("6"))
        invigilation.move_to_spare(db, other, seat, reason="x", by=room.staff["invigilator"], at=room.clock.now())

    assert refusal(room, move_again) == "seat_taken"


def test_r_rost_2_a_login_at_another_seat_waits_for_an_invigilators_release(room: BuiltRoom):
    room.start()
    login = room.log_in(room.tickets[0], seat="2")
    assert login.released_at is None
    entry_id = room.entry_id(room.tickets[0])

    def check(db):
        admission.check_released(db, db.get_one(CandidateLogin, login.id), db.get_one(Entry, entry_id))

    assert refusal(room, check) == "waiting_for_release"
    with room.changing() as db:
        admission.release_login(db, login.id, by=room.staff["invigilator"], at=room.clock.now())
        check(db)


def test_r_rost_2_a_second_login_ends_the_first_and_says_so(room: BuiltRoom):
    room.start()
    first = room.log_in(room.tickets[0])
    room.log_in(room.tickets[0])
    with room.store.reading() as db:
        ended = db.get_one(CandidateLogin, first.id)
        assert (ended.ended_at is not None, ended.ended_reason) == (True, "replaced")


def test_r_day_6_only_one_candidate_may_be_out_at_a_time(room: BuiltRoom):
    room.start()
    by, at = room.staff["invigilator"], room.clock.now()
    first, second = room.entry_id(room.tickets[0]), room.entry_id(room.tickets[1])
    with room.changing() as db:
        room_record.begin_leave(db, db.get_one(Entry, first), by=by, at=at)
    code = refusal(room, lambda db: room_record.begin_leave(db, db.get_one(Entry, second), by=by, at=at))
    assert code == "somebody_else_is_out"
    with room.changing() as db:
        room_record.end_leave(db, db.get_one(Entry, first), by=by, at=at)
        room_record.begin_leave(db, db.get_one(Entry, second), by=by, at=at)


def test_r_day_3_who_has_opened_the_paper_cannot_be_absent_and_an_absent_one_cannot_log_in(room: BuiltRoom):
    room.start()
    room.enter(room.tickets[0])
    by, at = room.staff["invigilator"], room.clock.now()
    present, absent = room.entry_id(room.tickets[0]), room.entry_id(room.tickets[1])
    assert refusal(room, lambda db: admission.mark_absent(db, [absent, present], by=by, at=at)) == "present_not_absent"
    with room.changing() as db:
        admission.mark_absent(db, [absent], by=by, at=at)
    with pytest.raises(StationError) as raised:
        room.log_in(room.tickets[1])
    assert raised.value.code == "recorded_absent"
    with room.changing() as db:
        admission.withdraw_absence(db, [absent], by=by, at=at)
    room.log_in(room.tickets[1])


def test_r_day_11_a_terminated_test_keeps_every_answer(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    with room.changing() as db:
        invigilation.terminate_attempt(
            db,
            db.get_one(Attempt, attempt.id),
            reason="替考",
            by=room.staff["chief_examiner"],
            at=room.clock.now(),
        )
    assert room.attempt(room.tickets[0]).state == AttemptState.CANCELLED
    with room.store.reading() as db:
        assert answering.current_answers(db, attempt.id)


def test_a_suspension_of_one_and_of_all_overlapping_is_given_back_once(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    other, _ = room.enter(room.tickets[1])
    by = room.staff["invigilator"]
    with room.changing() as db:
        one = db.get_one(Attempt, attempt.id)
        invigilation.suspend_attempts(db, [one], reason="身份核对", by=by, at=room.clock.now())
    pass_minutes(room, 2)
    with room.changing() as db:
        invigilation.suspend_sitting(db, room.theory, reason="停电", by=by, at=room.clock.now())
    pass_minutes(room, 3)
    with room.changing() as db:
        invigilation.resume_sitting(db, room.theory, by=by, at=room.clock.now())
    assert room.attempt(room.tickets[1]).state == AttemptState.ANSWERING
    assert room.attempt(room.tickets[0]).state == AttemptState.SUSPENDED
    pass_minutes(room, 1)
    with room.changing() as db:
        one = db.get_one(Attempt, attempt.id)
        assert invigilation.resume_attempts(db, [one], by=by, at=room.clock.now()) == 1
    assert room.attempt(room.tickets[0]).deadline_at == attempt.deadline_at + timedelta(minutes=6)
    assert room.attempt(room.tickets[1]).deadline_at == other.deadline_at + timedelta(minutes=3)


def test_who_enters_after_a_suspension_of_all_gets_it_back_like_the_others(room: BuiltRoom):
    room.start()
    early, _ = room.enter(room.tickets[0])
    by = room.staff["invigilator"]
    with room.changing() as db:
        invigilation.suspend_sitting(db, room.theory, reason="停电", by=by, at=room.clock.now())
    with pytest.raises(StationError) as raised:
        room.enter(room.tickets[1])
    assert raised.value.code == "sitting_paused"
    pass_minutes(room, 10)
    with room.changing() as db:
        invigilation.resume_sitting(db, room.theory, by=by, at=room.clock.now())
    later, _ = room.enter(room.tickets[1])
    assert later.deadline_at == early.deadline_at + timedelta(minutes=10)


def test_r_end_0_a_sitting_closes_only_when_everything_is_in_order(room: BuiltRoom):
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    by = room.staff["technician"]

    def close(db):
        closing.close_sitting(db, room.theory, by=by, at=room.clock.now())

    assert refusal(room, close) == "not_in_order"
    with room.store.reading() as db:
        codes = [point.code for point in closing.closing_list(db, room.theory, at=room.clock.now())]
    assert codes == ["still_answering"] + ["absence_open"] * 4
    pass_minutes(room, 60)
    with room.changing() as db:
        others = [room.entry_id(ticket) for ticket in room.tickets[1:]]
        admission.mark_absent(db, others, by=room.staff["invigilator"], at=room.clock.now())
        close(db)
    with room.store.reading() as db:
        assert db.get_one(Candidate, 1).name == "考生01"
        assert db.get_one(Attempt, attempt.id).state == AttemptState.COLLECTED


def test_r_day_3_the_entry_cut_off_waits_while_the_whole_sitting_stands_still(room: BuiltRoom):
    room.start()
    by = room.staff["invigilator"]
    pass_minutes(room, 1)
    with room.changing() as db:
        invigilation.suspend_sitting(db, room.theory, reason="停电", by=by, at=room.clock.now())
    pass_minutes(room, 40)
    with room.changing() as db:
        invigilation.resume_sitting(db, room.theory, by=by, at=room.clock.now())
    attempt, _ = room.enter(room.tickets[0])
    with room.store.reading() as db:
        assert db.get_one(Entry, attempt.entry_id).late_min == 0
    pass_minutes(room, 30)
    with pytest.raises(StationError) as raised:
        room.enter(room.tickets[1])
    assert raised.value.code == "entry_closed"


def test_r_rost_2_who_is_absent_from_one_subject_may_log_in_to_the_next_while_the_first_still_runs(room: BuiltRoom):
    room.start()
    by = room.staff["invigilator"]
    with room.changing() as db:
        admission.mark_absent(db, [room.entry_id(room.tickets[0])], by=by, at=room.clock.now())
        invigilation.open_admission(db, room.practical, by=by, at=room.clock.now())
    assert room.log_in(room.tickets[0]).released_at is not None


def test_r_day_6_a_candidate_who_is_out_holds_back_those_of_every_sitting_in_the_room(room: BuiltRoom):
    room.start()
    by = room.staff["invigilator"]
    with room.changing() as db:
        room_record.begin_leave(db, db.get_one(Entry, room.entry_id(room.tickets[0])), by=by, at=room.clock.now())
    pass_minutes(room, 75)
    room.start(room.practical)
    other = room.entry_id(room.tickets[1], room.practical)
    code = refusal(room, lambda db: room_record.begin_leave(db, db.get_one(Entry, other), by=by, at=room.clock.now()))
    assert code == "somebody_else_is_out"
