"""The sample day comes in through the station's own importers, without a single rejection."""

import json
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from station.domain.marking.key_test import check_keys_against_themselves
from station.domain.plan import parse_plan
from station.domain.roster import initial_password, is_valid_id_number
from station.importers.paper_excel import read_paper_workbook
from station.importers.paper_json import read_paper_folder
from station.importers.photos import assign_photos, read_photos
from station.importers.roster_excel import read_rosters
from station.sample import write_sample_day
from station.sample.day import CHINA, ROOM, SITE
from station.sample.theory import theory_source

THEORY_START_AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
PRACTICAL_START_AT = THEORY_START_AT + timedelta(minutes=75)


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    return write_sample_day(
        tmp_path_factory.mktemp("sample"),
        theory_start_at=THEORY_START_AT,
        practical_start_at=PRACTICAL_START_AT,
    )


@pytest.fixture(scope="module")
def rosters(day):
    (theory,) = read_rosters(day.roster_theory, zone=CHINA)
    (practical,) = read_rosters(day.roster_practical, zone=CHINA)
    return theory, practical


@pytest.fixture(scope="module")
def theory(day):
    source = theory_source()
    return read_paper_workbook(
        day.theory,
        code=source["code"],
        title=source["title"],
        certificate="网店运营推广",
        level="初级",
        subject="theory",
        full_points="100.00",
    )


@pytest.fixture(scope="module")
def practical(day):
    return read_paper_folder(day.practical)


def test_r_rost_1_the_heads_come_in(day, rosters):
    theory, practical = rosters
    assert (theory.head.planned_start_at, practical.head.planned_start_at) == (THEORY_START_AT, PRACTICAL_START_AT)
    assert theory.head.planned_end_at == THEORY_START_AT + timedelta(minutes=60)
    assert practical.head.planned_end_at == PRACTICAL_START_AT + timedelta(minutes=150)
    for roster in rosters:
        assert (roster.head.room_name, roster.head.site_name) == (ROOM, SITE)
        assert roster.head.expected_count == len(roster.rows) == 45
        assert roster.head.invigilators == ("示例·监考甲", "示例·监考乙", "示例·监考丙")


def test_r_rost_2_every_row_comes_in_as_it_was_invented(day, rosters):
    for roster in rosters:
        assert [(row.name, row.ticket_number, row.id_number, row.institution, row.seat) for row in roster.rows] == [
            (one.name, one.ticket_number, one.shown_id_number, one.institution, one.seat) for one in day.candidates
        ]
    assert len({initial_password(row.ticket_number) for row in rosters[0].rows}) == 45


def test_r_rost_3_every_photo_is_matched_masked_rows_too(day, rosters):
    assert all(is_valid_id_number(one.id_number) for one in day.candidates)
    photos = read_photos(day.photos)
    assigned = assign_photos(photos, rosters)
    assert {ticket: photo.id_number for ticket, photo in assigned.items()} == {
        one.ticket_number: one.id_number for one in day.candidates
    }


def test_the_plan_knows_the_subjects_that_the_rosters_name(day, rosters):
    plan = parse_plan(json.loads(day.plan.read_bytes()))
    (certificate,) = plan.certificates
    assert {roster.head.certificate_name for roster in rosters} == {certificate.name}
    assert {roster.head.level for roster in rosters} == {certificate.level}
    assert [roster.head.subject_name for roster in rosters] == [subject.name for subject in certificate.subjects]


def test_a_sitting_over_midnight_comes_in(tmp_path):
    start_at = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
    day = write_sample_day(
        tmp_path, theory_start_at=start_at, practical_start_at=start_at + timedelta(minutes=75), seats=2
    )
    (roster,) = read_rosters(day.roster_theory, zone=CHINA)
    assert roster.head.planned_start_at == start_at
    assert roster.head.planned_end_at == start_at + timedelta(minutes=60)


def items_of(paper):
    return [item for section in paper.paper_document["sections"] for item in section["items"]]


def test_the_theory_paper_comes_in_with_its_kinds_policies_pictures_and_table(theory):
    items = items_of(theory)
    assert Counter((item["kind"], item["policy"]) for item in items) == {
        ("single", "exact"): 25,
        ("multiple", "subset_fixed"): 9,
        ("multiple", "exact"): 3,
        ("true_false", "exact"): 12,
        ("fill_in", "blank_each"): 8,
        ("short_answer", "manual"): 3,
    }
    assert [item["id"] for item in items if "<img" in item["body"]] == ["t009", "t052"]
    assert [item["id"] for item in items if "<table" in item["body"]] == ["t010"]
    assert len(theory.assets) == 2


def test_the_theory_keys_come_in_as_they_were_written(theory):
    source = theory_source()
    written = [
        item for kind in ("single", "multiple", "true_false", "fill_in", "short_answer") for item in source[kind]
    ]
    for item, stated in zip(items_of(theory), written, strict=True):
        key = theory.keys_document["keys"][item["id"]]
        match item["kind"]:
            case "single":
                assert key["answer"] == {"base": {"identifier": stated["answer"]}}
            case "multiple":
                assert key["answer"] == {"list": {"identifier": list(stated["answer"])}}
                assert ("partial" in key) == ("partial" in stated)
            case "true_false":
                assert key["answer"] == {"base": {"boolean": stated["answer"] == "对"}}
            case "fill_in":
                assert [blank["accepted"] for blank in key["blanks"].values()] == stated["answers"]
            case _:
                assert key["guide"] == stated["answer"]


def test_the_practical_paper_comes_in_unchanged(day, practical):
    with zipfile.ZipFile(day.practical) as archive:
        assert practical.paper_document == json.loads(archive.read("paper.json"))
        assert practical.keys_document == json.loads(archive.read("keys.json"))
    assert set(practical.assets) == {"brief.txt", "shop_data.xlsx", "week.png"}


def test_the_papers_and_the_plan_agree(day, theory, practical):
    (certificate,) = parse_plan(json.loads(day.plan.read_bytes())).certificates
    for paper, subject in zip((theory.paper, practical.paper), certificate.subjects, strict=True):
        assert (paper.certificate, paper.level, paper.subject) == (certificate.name, certificate.level, subject.code)
        assert paper.full_points == subject.full_score == 100


def test_r_score_2_the_keys_of_both_papers_test_themselves_without_a_finding(theory, practical):
    assert check_keys_against_themselves(theory.paper_document, theory.keys_document) == ()
    assert check_keys_against_themselves(practical.paper_document, practical.keys_document) == ()
