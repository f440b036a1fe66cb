"""The gate at the start: no room for the answers is refused for good, no room for the rest is the chief's to decide."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import select

from station.domain.disk_budget import MIB, Limits, Need, Space
from station.errors import Refused
from station.services import disk_space
from station.services.disk_space import Disk, Noted
from station.store.models import JournalEntry, Paper, ResultPackage, Sitting
from tests.building import BuiltRoom

LIMITS = Limits(floor=10 * MIB, ballast=0, log=MIB)
FILES = 3 * 5 * 100_000  # three versions of one file of at most 100,000 bytes, of five candidates, in each paper


def disk(free: int) -> Disk:
    return Disk(free, "data", LIMITS)


def need(room: BuiltRoom) -> Need:
    with room.store.reading() as db:
        return disk_space.read_budget(db, LIMITS).need


def events(room: BuiltRoom, name: str) -> list[JournalEntry]:
    with room.store.reading() as db:
        return list(db.scalars(select(JournalEntry).where(JournalEntry.event == name)))


@pytest.fixture
def bounds(room: BuiltRoom) -> tuple[int, int]:
    """The free bytes from which the gate opens, with and without the chief examiner."""
    with room.store.reading() as db:
        budget = disk_space.read_budget(db, LIMITS)
    return budget.minimum, budget.full


def check(room: BuiltRoom, free: int) -> None:
    with room.store.reading() as db:
        disk_space.check_room_on_disk(db, room.theory, disk=disk(free))


def refused(act: Callable[[], None]) -> str:
    with pytest.raises(Refused) as raised:
        act()
    assert raised.value.sentence("zh") != raised.value.sentence("en")
    return raised.value.code


def accept(room: BuiltRoom, free: int) -> None:
    with room.changing() as db:
        disk_space.accept_tight_disk(
            db, room.theory, disk=disk(free), by=room.staff["chief_examiner"], at=room.clock.now()
        )


def test_the_budget_adds_up_every_sitting_that_is_still_to_come(room: BuiltRoom):
    both = need(room)
    assert both.files == 2 * FILES
    assert both.packages > both.files / 3
    with room.changing() as db:
        db.get_one(Sitting, room.practical).state = "delivered"
    assert need(room).files == FILES


def test_a_sitting_without_a_paper_is_estimated(room: BuiltRoom):
    with room.changing() as db:
        for sitting in db.scalars(select(Sitting)):
            sitting.paper_id = None
    assert need(room).answers >= 2 * 5 * MIB


def test_the_same_paper_changed_is_counted_anew(room: BuiltRoom):
    before = need(room)
    with room.changing() as db:
        paper = db.scalars(select(Paper).where(Paper.code == "P-theory")).one()
        document = json.loads(paper.document)
        wanted = document["sections"][0]["items"][5]["interaction"]["files"][0]
        wanted["max_bytes"] *= 2
        paper.document, paper.sha256 = json.dumps(document, ensure_ascii=False), "another"
    assert need(room).files == before.files + FILES


def test_what_is_saved_is_not_asked_for_again_and_after_the_end_only_the_package_is(room: BuiltRoom):
    planned = need(room)
    room.start()
    attempt, place = room.enter(room.tickets[0])
    for sequence in range(1, 11):
        room.save(attempt.id, place, sequence, "q1", '{"base":{"identifier":"A"}}')
    running = need(room)
    assert running.answers < planned.answers
    assert running.packages == planned.packages
    with room.changing() as db:
        db.get_one(Sitting, room.theory).state = "closed"
        db.get_one(Sitting, room.practical).state = "delivered"
    over = need(room)
    assert (over.answers, over.files) == (0, 0)
    assert 0 < over.packages < running.packages
    with room.changing() as db:
        db.add(
            ResultPackage(
                uuid="u",
                sitting_id=room.theory,
                number=1,
                file_name="p",
                sha256="built",
                size=1,
                built_at=room.clock.now(),
            )
        )
    assert need(room) == Need()


def test_no_room_for_the_answers_is_refused_and_nobody_can_override_it(room: BuiltRoom, bounds: tuple[int, int]):
    minimum, _ = bounds
    assert refused(lambda: check(room, minimum - 1)) == "disk_short"
    assert refused(lambda: accept(room, minimum - 1)) == "disk_short"
    accept(room, minimum)
    assert refused(lambda: check(room, minimum - 1)) == "disk_short"


def test_room_for_the_answers_only_is_for_the_chief_examiner_to_confirm_once(room: BuiltRoom, bounds: tuple[int, int]):
    minimum, full = bounds
    assert refused(lambda: check(room, full - 1)) == "disk_tight"
    accept(room, full - 1)
    accept(room, full - 1)
    check(room, minimum)
    (entry,) = events(room, "disk_tight_accepted")
    assert entry.staff_id == room.staff["chief_examiner"]
    assert entry.sitting_id == room.theory


def test_a_confirmation_holds_for_its_own_sitting_only(room: BuiltRoom, bounds: tuple[int, int]):
    _, full = bounds
    accept(room, full - 1)
    with room.store.reading() as db, pytest.raises(Refused):
        disk_space.check_room_on_disk(db, room.practical, disk=disk(full - 1))


def test_where_everything_fits_nothing_needs_confirming(room: BuiltRoom, bounds: tuple[int, int]):
    _, full = bounds
    check(room, full)
    accept(room, full)
    assert not events(room, "disk_tight_accepted")


def test_the_line_for_an_import_names_what_is_needed_and_what_is_free(room: BuiltRoom, bounds: tuple[int, int]):
    with room.store.reading() as db:
        zh, en, space = disk_space.say_budget(db, disk(100 * 2**30))
    assert space is Space.ENOUGH
    assert "空闲 100 GB" in zh
    assert "100 GB are free" in en


def test_what_the_watch_saw_stands_in_the_journal(room: BuiltRoom):
    seen = [
        Noted("disk_low", {"free": "9 MB"}),
        Noted("ballast_released", {"size": "64 MB"}),
        Noted("disk_filling", {"free": "1.0 GB", "hours": 2.5}),
        Noted("disk_recovered", {"free": "9.0 GB"}),
    ]
    with room.changing() as db:
        disk_space.note_disk(db, seen, room.clock.now())
    for one in seen:
        (entry,) = events(room, one.event)
        assert json.loads(entry.details) == one.details
