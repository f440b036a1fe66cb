"""The sample day comes in through the station's own importers, without a single rejection."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from station.domain.plan import parse_plan
from station.domain.roster import initial_password, is_valid_id_number, match_photos
from station.importers.roster_excel import read_rosters
from station.sample import write_sample_day
from station.sample.day import CHINA, ROOM, SITE

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
    matches = match_photos([one.id_number for one in day.candidates], rosters[0].rows)
    assert matches.by_ticket == {one.ticket_number: one.id_number for one in day.candidates}
    assert not matches.ambiguous


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
