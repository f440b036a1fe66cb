"""Figures of a rehearsal and their limits."""

from __future__ import annotations

import pytest

from station.domain.paper import parse_paper
from station.domain.practice import is_practice_code, practice_paper
from station.domain.rehearsal import LIMITS, SeatReport, Server, parse_report, percentile, practice_ticket, sum_up
from station.domain.roster import check_ticket_number, initial_password
from station.errors import StationError

GOOD = SeatReport(log_in_ms=50, paper_ms=80, saves_ms=(5, 6, 900), saves=3, file_bytes=4_000_000, file_s=1)
SERVER = Server(cpu_percent=20, memory_mb=200, disk_free_gb=50)


def test_a_rehearsal_in_which_all_holds_has_passed():
    found = sum_up({"1": GOOD, "2": GOOD}, stored={"1": 3, "2": 3}, server=SERVER)
    assert found.is_passed
    assert found.figures["save_max"] == 900
    assert found.seats["1"]["is_passed"]


@pytest.mark.parametrize(
    ("reports", "stored", "failing"),
    [
        ({"1": GOOD, "2": None}, {"1": 3}, "unfinished"),
        ({"1": GOOD}, {"1": 2}, "lost"),
        ({"1": SeatReport(**(vars(GOOD) | {"lost": 1}))}, {"1": 3}, "lost"),
        ({"1": SeatReport(**(vars(GOOD) | {"faults": ("x",)}))}, {"1": 3}, "faults"),
        ({"1": SeatReport(**(vars(GOOD) | {"disconnects": 1}))}, {"1": 3}, "disconnects"),
        ({"1": SeatReport(**(vars(GOOD) | {"log_in_ms": 5001}))}, {"1": 3}, "log_in_p95"),
        ({"1": SeatReport(**(vars(GOOD) | {"saves_ms": (5001.0,)}))}, {"1": 3}, "save_max"),
        ({"1": SeatReport(**(vars(GOOD) | {"file_s": 10}))}, {"1": 3}, "file_mb_s"),
    ],
)
def test_one_figure_beyond_its_limit_fails_the_rehearsal(reports, stored, failing):
    found = sum_up(reports, stored=stored, server=SERVER)
    assert not found.is_passed
    assert failing in {one.code for one in LIMITS if not one.holds(found.figures[one.code])}


def test_a_figure_that_was_not_measured_does_not_pass():
    assert not sum_up({"1": GOOD}, stored={"1": 3}, server=Server()).is_passed


def test_a_report_of_nonsense_is_read_as_nothing():
    found = parse_report({"saves": "many", "saves_ms": [1, -2, True, "x", 3.5], "faults": ["a" * 999], "lost": None})
    assert (found.saves, found.saves_ms, len(found.faults[0]), found.lost) == (0, (1.0, 3.5), 200, 0)


@pytest.mark.parametrize(("values", "part", "found"), [([], 0.5, None), ([7], 0.99, 7), (range(1, 101), 0.95, 95)])
def test_percentiles_are_values_that_were_measured(values, part, found):
    assert percentile(values, part) == found


@pytest.mark.parametrize("kind", ["trial", "rehearsal"])
def test_a_practice_ticket_is_none_that_a_roster_could_have_and_its_password_is_six_digits(kind):
    number = practice_ticket(kind, 3, 12)
    assert initial_password(number) == "000012"
    with pytest.raises(StationError, match="ticket_malformed"):
        check_ticket_number(number)


def test_the_practice_paper_is_sound_and_has_each_kind_of_answer():
    paper = parse_paper(practice_paper())
    assert {one["kind"] for section in practice_paper()["sections"] for one in section["items"]} >= {"single", "file"}
    assert len(paper.items) == 8
    assert is_practice_code("sk-1")
    assert not is_practice_code("P-theory")
