"""What one PC shall be: pure functions of sittings, entries and what staff decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from station.domain.agent_orders import (
    HOLDING,
    Decided,
    HeldSitting,
    SeatedEntry,
    entry_here,
    known_aids,
    orders_for,
    programs_of,
)
from station.domain.attempt import AttemptState
from station.domain.document import Node
from station.domain.lockdown import LockPolicy, parse_lockdown
from station.domain.sitting import SittingState
from station.errors import Invalid

SEAT = {"id": 12, "number": "12", "room": "第一机房", "is_spare": False}
POLICY = LockPolicy(programs_allowed=("notepad.exe",), programs_forbidden=("qq.exe", "photoshop.exe"))
RUNNING = HeldSitting(1, SittingState.RUNNING, POLICY, ("photoshop.exe",))
ENTRY = SeatedEntry(1, 7)
NOBODY = Decided()


def lock(sittings=(RUNNING,), entries=(ENTRY,), decided=NOBODY, seat=SEAT):
    return orders_for(seat, sittings, entries, decided)["lock"]


def test_while_nothing_is_held_a_pc_is_free():
    assert lock(sittings=(), entries=()) is None


@pytest.mark.parametrize("state", sorted(HOLDING))
def test_from_the_opening_of_the_log_in_until_the_closing_every_seat_is_locked_spares_too(state):
    held = (replace(RUNNING, state=state),)
    assert lock(held) is not None
    assert lock(held, entries=()) is not None


def test_a_pc_that_stands_at_no_seat_is_never_locked():
    assert lock(seat=None) is None


def test_a_plan_that_wants_no_lock_gets_none():
    assert lock((replace(RUNNING, policy=LockPolicy(required=False)),)) is None


def test_programs_of_the_items_are_allowed_while_the_sitting_is_under_way_and_only_at_its_own_seats():
    assert lock()["programs_allowed"] == ["notepad.exe", "photoshop.exe"]
    assert lock()["programs_forbidden"] == ["qq.exe"]
    assert lock((replace(RUNNING, state=SittingState.ADMITTING),))["programs_allowed"] == ["notepad.exe"]
    assert lock(entries=())["programs_allowed"] == ["notepad.exe"]


def test_of_two_sittings_the_one_counts_that_is_being_answered_then_the_one_to_come():
    theory, practical = replace(RUNNING, id=1, programs=()), replace(RUNNING, id=2)
    answering = SeatedEntry(1, 7, 17, AttemptState.ANSWERING)
    later = SeatedEntry(2, 7)
    assert entry_here([theory, practical], [later, answering]) == answering
    handed_in = replace(answering, attempt_state=AttemptState.HANDED_IN)
    assert entry_here([theory, practical], [later, handed_in]) == later
    done = replace(later, attempt_id=18, attempt_state=AttemptState.COLLECTED)
    assert entry_here([theory, practical], [done, handed_in]) == done
    assert entry_here([theory], [later]) is None
    assert lock((theory, practical), (later, answering))["programs_allowed"] == ["notepad.exe"]
    assert lock((theory, practical), (later, handed_in))["programs_allowed"] == ["notepad.exe", "photoshop.exe"]


def test_staff_may_free_a_pc_for_as_long_as_a_sitting_is_held():
    assert lock(decided=Decided(freed_sitting_id=1)) is None
    assert lock(decided=Decided(freed_sitting_id=99)) is not None


def test_a_pc_is_free_for_the_sitting_it_was_freed_for_and_locks_when_it_serves_the_next():
    later = replace(RUNNING, id=2, state=SittingState.ADMITTING)
    freed = Decided(freed_sitting_id=1)
    both = (SeatedEntry(1, 7), SeatedEntry(2, 7))
    assert lock((RUNNING, later), both, freed) is None
    done = (SeatedEntry(1, 7, 3, AttemptState.HANDED_IN), SeatedEntry(2, 7))
    assert lock((RUNNING, later), done, freed) is not None, "they answer the next paper here"
    assert lock((later,), both, freed) is not None
    assert lock((RUNNING,), done, freed) is None, "until the next is held"


def test_a_locked_screen_says_its_text_and_the_version_names_the_content():
    at = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
    plain = orders_for(SEAT, (RUNNING,), (ENTRY,), NOBODY)
    locked = orders_for(SEAT, (RUNNING,), (ENTRY,), Decided("请停止操作", at))
    assert locked["screen"] == {"kind": "locked", "text": "请停止操作", "since": "2026-11-21T06:00:00.000+00:00"}
    assert plain["version"] != locked["version"]
    assert plain == orders_for(dict(SEAT), [RUNNING], [ENTRY], Decided())


def test_what_one_candidate_needs_is_let_through_the_lock_and_goes_with_the_entry():
    entry = replace(ENTRY, aids=("large_type", "magnifier"))
    orders = orders_for(SEAT, (RUNNING,), (entry,), NOBODY)
    assert orders["accessibility"] == {"large_type": True, "magnifier": True}
    assert orders["lock"]["accessibility"] == ["large_type", "magnifier"]
    assert orders_for(SEAT, (RUNNING,), (ENTRY,), NOBODY)["accessibility"] == {}


def test_unknown_aids_of_a_later_version_are_passed_over():
    assert known_aids(["mind_reading", "magnifier"]) == ("magnifier",)
    assert known_aids("magnifier and more") == ()


def test_the_programs_of_a_paper_are_those_its_items_name_each_once():
    paper = {
        "sections": [
            {"items": [{"programs": ["Photoshop.exe"]}, {}]},
            {"items": [{"programs": ["photoshop.exe ", "a.exe"]}]},
        ]
    }
    assert programs_of(paper) == ("photoshop.exe", "a.exe")
    assert programs_of({}) == ()


# The plan


def test_a_plan_that_says_nothing_of_the_lock_wants_the_strict_one():
    assert parse_lockdown(Node({}, "lockdown")) == LockPolicy()
    assert LockPolicy().required is True
    assert LockPolicy().pictures is False


def test_a_policy_reads_back_as_it_was_written():
    policy = LockPolicy(False, ("a.exe",), ("b.exe",), "off", 2, True, True, "never")
    assert parse_lockdown(Node(policy.as_document(), "lockdown")) == policy


@pytest.mark.parametrize(
    "wrong",
    [
        {"required": "yes"},
        {"clipboard": "free"},
        {"screens": 0},
        {"relogin": "always"},
        {"programs_allowed": "a.exe"},
        {"programs_forbidden": [5]},
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused_with_its_place(wrong):
    with pytest.raises(Invalid) as refused:
        parse_lockdown(Node(wrong, "plan.json.lockdown"))
    assert next(iter(wrong)) in refused.value.details["where"]
