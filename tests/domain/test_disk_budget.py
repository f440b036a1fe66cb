"""What sittings may need on the disk, and how long it lasts."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.domain.disk_budget import (
    MIB,
    SPREAD,
    UNKNOWN_LOAD,
    WAL_BYTES,
    WAL_MOST_BYTES,
    Budget,
    Load,
    Need,
    Space,
    budget_text,
    fall_per_s,
    hours_left,
    hours_text,
    load_of,
    need_of,
    size_text,
    total_of,
)
from station.domain.paper import Paper, parse_paper
from station.store import LOG_PAGES, LOG_PAGES_WITH_ROOM, PAGE_BYTES
from tests.building import ITEMS, paper_document

SAMPLES_S = 10.0
loads = st.builds(
    Load,
    revisions=st.floats(1, 5_000),
    answers=st.floats(1, 2**24),
    lines=st.floats(1, 2**24),
    files=st.integers(0, 2**30),
)


def paper_of(*items: dict[str, object]) -> Paper:
    """A paper with just these items."""
    total = f"{sum(float(str(item['points'])) for item in items):.2f}"
    document = paper_document(full_points=total)
    document["sections"][0]["items"] = [copy.deepcopy(item) | {"id": f"i{n}"} for n, item in enumerate(items)]
    return parse_paper(document)


def by_kind(kind: str) -> dict[str, object]:
    return next(item for item in ITEMS if item["kind"] == kind)


def writing(max_length: int) -> dict[str, object]:
    return by_kind("short_answer") | {"interaction": {"lines": 4, "max_length": max_length}}


def test_a_paper_of_choices_costs_little_and_no_files():
    load = load_of(paper_of(*[by_kind("single")] * 60), duration_min=60)
    assert load.revisions == 240
    assert load.files == 0
    assert 50_000 < load.answers < 500_000


def test_files_count_with_their_largest_size():
    assert load_of(paper_of(by_kind("file"), by_kind("file")), duration_min=60).files == 200_000


def test_nobody_types_more_than_there_is_time_for():
    one = load_of(paper_of(writing(20_000)), duration_min=60)
    many = load_of(paper_of(*[writing(20_000)] * 10), duration_min=60)
    assert many.answers <= one.answers * 1.2
    assert many.revisions <= 60 * 60 / 5


def test_a_longer_sitting_lets_people_type_more():
    paper = paper_of(writing(20_000))
    assert load_of(paper, duration_min=120).answers > load_of(paper, duration_min=60).answers


def test_a_short_text_costs_the_same_however_long_the_sitting():
    paper = paper_of(writing(100))
    assert load_of(paper, duration_min=600).answers == load_of(paper, duration_min=60).answers


@given(load=loads, entries=st.integers(0, 100), revisions=st.integers(0, 10_000), files=st.integers(0, 2**33))
def test_what_is_there_is_not_asked_for_again_and_nothing_is_ever_negative(
    load: Load, entries: int, revisions: int, files: int
):
    before, then = need_of(load, entries=entries), need_of(load, entries=entries, revisions=revisions, file_bytes=files)
    assert min(then.answers, then.files, then.packages) >= 0
    assert then.answers <= before.answers
    assert then.files == max(before.files - files, 0)
    over = need_of(load, entries=entries, revisions=revisions, file_bytes=files, is_over=True)
    assert (over.answers, over.files) == (0, 0)
    assert over.packages >= files


def test_three_versions_of_each_file_are_counted_and_one_more_for_the_package():
    need = need_of(Load(revisions=10, answers=0, lines=0, files=MIB), entries=45)
    assert (need.files, need.packages) == (3 * 45 * MIB, 45 * MIB)


def test_a_sitting_without_candidates_needs_nothing():
    assert need_of(UNKNOWN_LOAD, entries=0) == Need()


def test_the_needs_of_all_sittings_add_up():
    assert total_of([Need(1, 2, 3), Need(10, 20, 30)]) == Need(11, 22, 33)
    assert total_of([]) == Need()


@pytest.mark.parametrize(
    ("free", "space"),
    [
        (WAL_BYTES + 99, Space.SHORT),
        (WAL_BYTES + 100, Space.TIGHT),
        (WAL_MOST_BYTES + 665, Space.TIGHT),
        (WAL_MOST_BYTES + 666, Space.ENOUGH),
    ],
)
def test_what_just_reaches_a_bound_is_above_it(free: int, space: Space):
    budget = Budget(Need(answers=100, files=200, packages=300), log=6, reserve=60)
    assert (budget.minimum, budget.full) == (WAL_BYTES + 100, WAL_MOST_BYTES + 666)
    assert budget.space(free) is space


def test_the_write_ahead_log_is_counted_as_large_as_the_store_lets_it_grow():
    assert LOG_PAGES * PAGE_BYTES <= WAL_BYTES
    assert LOG_PAGES_WITH_ROOM * PAGE_BYTES <= WAL_MOST_BYTES


def test_a_station_with_nothing_to_come_always_has_room():
    assert Budget(log=60 * MIB, reserve=320 * MIB).space(0) is Space.ENOUGH


@pytest.mark.parametrize(("free", "zh"), [(10 * 2**30, "够用"), (100 * MIB, "偏紧"), (MIB, "不能开考")])
def test_the_line_shown_at_import_names_both_sizes_and_judges_them(free: int, zh: str):
    budget = Budget(Need(answers=20 * MIB, files=500 * MIB, packages=500 * MIB), log=0, reserve=0)
    said_zh, said_en = budget_text(budget, free)
    assert "本机需要约 1.1 GB" in said_zh
    assert f"空闲 {size_text(free)}" in said_zh
    assert zh in said_zh
    assert size_text(free) in said_en


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 KB"), (1, "1 KB"), (3 * MIB, "3 MB"), (3 * 2**30, "3.0 GB"), (79 * 2**30, "79 GB")]
)
def test_sizes_read_as_people_say_them(size: int, text: str):
    assert size_text(size) == text


def falling(per_s: float, *, for_s: float = 600.0, free: int = 10 * 2**30) -> list[tuple[float, int]]:
    return [(at * SAMPLES_S, int(free - per_s * at * SAMPLES_S)) for at in range(int(for_s / SAMPLES_S) + 1)]


def test_a_steady_fall_is_measured():
    assert fall_per_s(falling(50_000)) == pytest.approx(50_000, rel=0.01)


@pytest.mark.parametrize("per_s", [0.0, -50_000.0, 10.0])
def test_a_disk_that_does_not_fill_has_no_end(per_s: float):
    rate = fall_per_s(falling(per_s))
    assert rate == 0
    assert hours_left(2**30, rate) is None


@pytest.mark.parametrize("jump", [-(2**30), 2**30])
def test_one_large_file_that_comes_or_goes_does_not_change_the_rate(jump: int):
    samples = [(at, free + (jump if at > 300 else 0)) for at, free in falling(50_000)]
    assert fall_per_s(samples) == pytest.approx(50_000, rel=0.2)


def test_too_short_a_time_says_nothing():
    assert fall_per_s(falling(10**6, for_s=60)) == 0
    assert fall_per_s([]) == 0


@pytest.mark.parametrize(
    ("hours", "zh"),
    [(None, "超过 99 小时"), (500.0, "超过 99 小时"), (3.2, "约 3 小时后写满"), (0.5, "约 30 分钟后写满")],
)
def test_the_hours_left_are_said_in_words(hours: float | None, zh: str):
    assert zh in hours_text(hours)[0]


def test_the_figures_hold_what_was_measured():
    """The measured 203 bytes a revision and 1,402 with a response of 923 bytes lie below what is counted."""
    load = load_of(paper_of(by_kind("single")), duration_min=60)
    assert load.answers / load.revisions >= 230
    assert 256 + SPREAD * 923 >= 1_402
