"""The gate of a room sealing: what refuses, what may be set aside, and in what words (R-ROOM-7)."""

from __future__ import annotations

import pytest

from station.domain.sealing import (
    POINT_TITLES,
    TICKS,
    TRIAL_TICK,
    Point,
    PointState,
    check_gate,
    check_signers,
    seats_text,
    sign_in_point,
    ticks_wanted,
)
from station.errors import Invalid, Refused


def points(**states: PointState) -> list[Point]:
    """Every point in order but those that are named."""
    return [Point(code, states.get(code, PointState.OK), "实测", "found") for code in POINT_TITLES]


def test_r_room_7_the_gate_opens_when_every_point_holds_and_every_tick_is_set():
    assert check_gate(points(spares=PointState.NOTE), TICKS.keys(), is_forced=False) == []


@pytest.mark.parametrize("code", POINT_TITLES)
def test_r_room_7_each_point_alone_keeps_the_gate_closed(code):
    with pytest.raises(Refused) as refusal:
        check_gate(points(**{code: PointState.OPEN}), TICKS.keys() | {TRIAL_TICK}, is_forced=False)
    assert (refusal.value.code, refusal.value.details["count"]) == ("seal_not_ready", 1)
    assert POINT_TITLES[code][0] in refusal.value.sentence("zh")
    assert POINT_TITLES[code][1] in refusal.value.sentence("en")


@pytest.mark.parametrize("tick", TICKS)
def test_r_room_7_each_tick_alone_keeps_the_gate_closed(tick):
    with pytest.raises(Refused) as refusal:
        check_gate(points(), TICKS.keys() - {tick}, is_forced=False)
    assert TICKS[tick][0] in refusal.value.sentence("zh")


def test_what_is_forced_is_told_point_by_point():
    left = check_gate(points(server=PointState.OPEN), TICKS.keys() - {"power"}, is_forced=True)
    assert left == [("服务器（实测）", "Server (found)"), TICKS["power"]]


def test_what_nobody_can_answer_for_refuses_in_any_case():
    for is_forced in (False, True):
        with pytest.raises(Refused) as refusal:
            check_gate(points(disk=PointState.NEVER), TICKS.keys(), is_forced=is_forced)
        assert refusal.value.code == "seal_impossible"


def test_r_room_7_a_trial_test_that_nobody_recorded_is_ticked_by_hand():
    assert TRIAL_TICK in ticks_wanted(points(trial_test=PointState.NOTE))
    assert TRIAL_TICK not in ticks_wanted(points())


@pytest.mark.parametrize("names", [("王技术", "王技术"), ("", "李考务"), ("王技术", "  "), (" 王技术", "王技术 ")])
def test_r_room_7_two_people_sign(names):
    with pytest.raises(Invalid) as refusal:
        check_signers(*names)
    assert refusal.value.code == "signers_missing"
    check_signers("王技术", "李考务")


@pytest.mark.parametrize(("counted", "holds"), [(40, True), (39, False), (41, False), (0, False), (None, False)])
def test_r_room_7_a_sign_in_sheet_holds_only_with_the_rosters_number(counted, holds):
    assert sign_in_point([("理论", 45, 45), ("实操", 40, counted)]).holds is holds


def test_many_seats_are_named_so_that_the_sentence_stays_one():
    zh, en = seats_text([str(number) for number in range(1, 21)])
    assert zh == "1、2、3、4、5、6、7、8、9、10、11、12 等 20 台"
    assert en.endswith("12 … (20 in all)")
    assert seats_text(["3", "7"]) == ("3、7", "3, 7")
