"""Taking in plan, roster, photos and paper: whole or not at all, and every refusal by name."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from station.domain.roster import Roster, RosterHead, RosterRow
from station.errors import StationError
from station.services import admission, intake
from station.store.models import Candidate, Entry, Paper, Seat, Sitting
from tests.building import PLAN, PLANNED, BuiltRoom, keys_document, paper_document, ticket_number

HEAD = RosterHead(
    room_name="第二机房",
    site_name="测试考点",
    subject_name="理论",
    certificate_name="网店运营推广",
    level="初级",
    planned_start_at=PLANNED + timedelta(days=1),
)


def rows(*names: str, first: int = 101) -> tuple[RosterRow, ...]:
    return tuple(
        RosterRow(name=name, ticket_number=ticket_number(first + at), seat=str(57 + at), row=at + 8)
        for at, name in enumerate(names)
    )


def refused(room: BuiltRoom, act: Callable[..., object]) -> str:
    with pytest.raises(StationError) as raised, room.changing() as db:
        act(db)
    return raised.value.code


def test_r_rost_2_seat_numbers_need_not_start_at_one(room: BuiltRoom):
    with room.changing() as db:
        intake.import_roster(db, Roster("名单", HEAD, rows("甲一", "乙二", "丙三", "丁四")), at=PLANNED)
    with room.store.reading() as db:
        numbers = db.scalars(select(Seat.number).where(Seat.room_id != room.room_id)).all()
    assert list(numbers) == ["57", "58", "59", "60"]


def test_r_rost_1_the_same_roster_again_replaces_a_planned_sittings_entries(room: BuiltRoom):
    for names in (("甲一", "乙二", "丙三"), ("甲一", "乙二")):
        with room.changing() as db:
            intake.import_roster(db, Roster("名单", HEAD, rows(*names)), at=PLANNED)
    with room.store.reading() as db:
        sitting = db.scalars(select(Sitting).where(Sitting.planned_start_at == HEAD.planned_start_at)).one()
        assert db.scalar(select(func.count()).select_from(Entry).where(Entry.sitting_id == sitting.id)) == 2


def test_a_roster_for_a_sitting_that_has_begun_is_refused(room: BuiltRoom):
    room.start()
    head = dataclasses.replace(HEAD, room_name="第一机房", planned_start_at=PLANNED)
    code = refused(room, lambda db: intake.import_roster(db, Roster("名单", head, rows("甲一")), at=PLANNED))
    assert code == "sitting_begun"


def test_a_ticket_number_with_two_names_changes_nothing(room: BuiltRoom):
    bad = (*rows("甲一"), RosterRow(name="别人", ticket_number=room.tickets[0], seat="99", row=9))
    assert refused(room, lambda db: intake.import_roster(db, Roster("名单", HEAD, bad), at=PLANNED)) == "two_names"
    with room.store.reading() as db:
        assert db.scalars(select(Candidate).where(Candidate.name == "甲一")).one_or_none() is None


def test_r_rost_1_a_list_without_seats_gets_them_in_order_only_when_asked_for(room: BuiltRoom):
    seatless = tuple(dataclasses.replace(row, seat=None) for row in rows("甲一", "乙二"))
    roster = Roster("名单", HEAD, seatless)
    assert refused(room, lambda db: intake.import_roster(db, roster, at=PLANNED)) == "head_incomplete"
    with room.changing() as db:
        assert intake.import_roster(db, roster, at=PLANNED, assign_seats=True).count == 2


def test_a_roster_before_its_plan_or_of_an_unknown_certificate_or_subject_is_refused(room: BuiltRoom):
    other = dataclasses.replace(HEAD, certificate_name="物流管理")
    code = refused(room, lambda db: intake.import_roster(db, Roster("名单", other, rows("甲一")), at=PLANNED))
    assert code == "certificate_unknown"
    other = dataclasses.replace(HEAD, subject_name="面试")
    code = refused(room, lambda db: intake.import_roster(db, Roster("名单", other, rows("甲一")), at=PLANNED))
    assert code == "subject_unknown"


def test_a_plan_in_use_cannot_be_replaced_and_the_same_again_changes_nothing(room: BuiltRoom):
    with room.changing() as db:
        assert intake.import_plan(db, PLAN, at=PLANNED).notes
    changed = copy.deepcopy(PLAN)
    changed["certificates"][0]["subjects"][0]["duration_min"] = 90
    assert refused(room, lambda db: intake.import_plan(db, changed, at=PLANNED)) == "plan_changed"


def test_a_paper_that_candidates_have_opened_cannot_be_replaced(room: BuiltRoom):
    room.start()
    room.enter(room.tickets[0])
    paper = paper_document("P-theory")

    def again(db):
        intake.import_paper(db, paper, keys_document(paper), assets={}, at=PLANNED)

    assert refused(room, again) == "paper_in_use"


def test_keys_that_do_not_mark_their_own_answer_full_are_refused(room: BuiltRoom):
    paper = paper_document("P-bad")
    item = paper["sections"][0]["items"][3]
    item["interaction"]["blanks"].append({"id": "b2", "width": 8})
    item["body"] = '<p><span data-blank="b1"></span><span data-blank="b2"></span></p>'
    keys = keys_document(paper)
    keys["keys"]["q4"]["in_any_order"] = True
    keys["keys"]["q4"]["blanks"] = {
        "b1": {"accepted": ["ROI"], "points": "1.00"},
        "b2": {"accepted": ["ROI"], "points": "1.00"},
    }
    code = refused(room, lambda db: intake.import_paper(db, paper, keys, assets={}, at=PLANNED))
    assert code == "keys_unsound"


def test_r_day_12_a_backup_paper_waits_beside_the_paper_of_its_sitting(room: BuiltRoom):
    paper = paper_document("P-backup")
    with room.changing() as db:
        intake.import_paper(db, paper, keys_document(paper), assets={}, at=PLANNED, is_backup=True)
    with room.store.reading() as db:
        assert db.scalars(select(Paper).where(Paper.is_backup)).one().code == "P-backup"
        used = db.get_one(Sitting, room.theory).paper_id
        assert db.get_one(Paper, used).code == "P-theory"


@pytest.mark.parametrize(
    ("text", "numbers"), [("46-48", ["46", "47", "48"]), ("46，B1", ["46", "B1"]), ("", []), (" 7 ", ["7"])]
)
def test_spare_seats_are_read_as_people_write_them(text: str, numbers: list[str]):
    assert intake.parse_spares(text) == numbers


def test_spare_seats_backwards_are_refused():
    with pytest.raises(StationError) as raised:
        intake.parse_spares("50-46")
    assert raised.value.code == "spares_wrong"


def test_a_roster_is_kept_once_something_is_on_record_of_one_of_its_candidates(room: BuiltRoom):
    roster = Roster("名单", HEAD, rows("甲一", "乙二"))
    with room.changing() as db:
        intake.import_roster(db, roster, at=PLANNED)
        entry_id = db.scalars(select(Entry.id).order_by(Entry.id.desc())).first()
        assert entry_id is not None
        admission.mark_absent(db, [entry_id], by=room.staff["exam_officer"], at=PLANNED)
    assert refused(room, lambda db: intake.import_roster(db, roster, at=PLANNED)) == "sitting_begun"


def test_a_plan_with_papers_and_no_sitting_yet_is_not_replaced(room: BuiltRoom):
    other = copy.deepcopy(PLAN) | {"code": "T-2"}
    other["certificates"][0]["name"] = "数字营销"
    changed = copy.deepcopy(other) | {"title": "改过的计划"}
    paper = paper_document("P-9") | {"certificate": "数字营销"}
    with room.changing() as db:
        intake.import_plan(db, other, at=PLANNED)
        intake.import_paper(db, paper, keys_document(paper), assets={}, at=PLANNED)
    assert refused(room, lambda db: intake.import_plan(db, changed, at=PLANNED)) == "plan_changed"
