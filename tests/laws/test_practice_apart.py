"""A stranger to every real list: one trial and one rehearsal, and all that staff can open or a package can hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from invigilator_console.app import create_staff_app
from station.domain.disk_budget import Limits
from station.domain.rehearsal import Way
from station.domain.sitting import SittingKind
from station.errors import StationError
from station.services import disk_space, marking, packages, rehearsing, results, trial
from station.store import queries
from station.store.models import Room, Sitting
from station.store.room_reading import count_roster, list_rooms
from tests.building import PASSWORD, PLANNED, BuiltRoom, SetClock, build_room

# What is of nobody: tickets, names and the hidden room of rehearsals.
STRANGE = re.compile(r"SK\d+-\d{6}|YL\d+-\d{6}|试考 \d|演练 \d|压力演练 \d|practice-1")
# Pages that are about trials and rehearsals; everything else must know nothing of them.
ABOUT_PRACTICE = {
    "/api/rooms/<int:room_id>/rehearsals",
    "/api/rooms/<int:room_id>/trials",
    "/rehearsals/<int:rehearsal_id>/report",
    "/trials/<int:sitting_id>/tickets",
}
# A trial has a board with what the board's dialogs ask for; nothing of it leaves the station.
TRIAL_HAS = {
    "/board/<int:sitting_id>",
    "/api/board/<int:sitting_id>",
    "/api/messages/<int:sitting_id>",
    "/api/late_saves/<int:sitting_id>",
    "/trials/<int:sitting_id>/tickets",
    "/api/sittings/<int:sitting_id>/packages",
}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path, clock=SetClock(PLANNED - timedelta(hours=8)))
    yield built
    built.close()


@pytest.fixture
def practised(room: BuiltRoom) -> tuple[int, int]:
    """A trial under way and a rehearsal under way in one room; gives the ids of their sittings."""
    with room.changing() as db:
        here, by, at = db.get_one(Room, room.room_id), room.staff["technician"], room.clock.now()
        begun = rehearsing.begin(db, here, way=Way.SERVER, minutes=3, players=4, by=by, at=at)
        held = trial.prepare(db, here, minutes=20, by=by, at=at)
        trial.start(db, held.id, by=by, at=at)
        return held.id, rehearsing.rehearsal_of(db, begun.rehearsal_id).sitting_id


def staff_client(room: BuiltRoom):  # type: ignore[no-untyped-def]
    app = create_staff_app(room.edge)
    app.testing = False
    client = app.test_client()
    answer = client.post("/api/login", json={"username": "chief_examiner", "password": PASSWORD})
    assert answer.status_code == 200
    return app, client


def addresses(app, values):  # type: ignore[no-untyped-def]
    """Give every GET route of the staff app that these values fill, with its address."""
    for rule in app.url_map.iter_rules():
        if "GET" in rule.methods and rule.endpoint != "static" and set(rule.arguments) <= set(values):
            filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda one: str(values[one.group(1)]), rule.rule)
            yield rule.rule, filled


def test_no_page_about_real_things_knows_a_trial_or_a_rehearsal(room, practised):
    app, client = staff_client(room)
    values = {"room_id": room.room_id, "sitting_id": room.theory, "entry_id": 1, "machine": "server", "kind": "roster"}
    seen = 0
    for rule, address in addresses(app, values):
        answer = client.get(address)
        seen += answer.status_code == 200
        if rule not in ABOUT_PRACTICE:
            assert not STRANGE.search(answer.get_data().decode(errors="replace")), address
    assert seen > 25


def test_no_route_of_a_sitting_serves_a_rehearsal_and_only_the_board_serves_a_trial(room, practised):
    app, client = staff_client(room)
    trial_id, rehearsal_id = practised
    for sitting_id, may_serve in ((trial_id, TRIAL_HAS), (rehearsal_id, set())):
        for rule, address in addresses(app, {"sitting_id": sitting_id}):
            if "sitting_id" in rule and rule not in may_serve:
                answer = client.get(address)
                assert answer.status_code in {404, 409} or answer.get_json() == [], address
    assert client.get(f"/api/sittings/{trial_id}/packages").get_json() == []


def test_no_total_budget_or_roster_counts_them(room, practised):
    with room.store.reading() as db:
        real = [room.theory, room.practical]
        assert [one.sitting.id for one in queries.list_sittings(db)] == real
        assert set(count_roster(db, room.room_id)) == set(real)
        assert [one.id for one in list_rooms(db)] == [room.room_id]
        assert len(queries.list_seats(db)) == 7
        assert [one.code for one in queries.list_plans(db)] == ["T-1"]
        with_both = disk_space.read_budget(db, Limits())
    with room.changing() as db:
        for one in db.query(Sitting).where(Sitting.kind != SittingKind.REAL):
            one.state = "delivered"
    with room.store.reading() as db:
        assert disk_space.read_budget(db, Limits()) == with_both


def test_neither_is_ever_marked_packed_or_written_into_a_result(room, practised):
    with room.changing() as db:
        for sitting_id in practised:
            db.get_one(Sitting, sitting_id).state = "closed"
    with room.changing() as db:
        assert marking.sitting_to_mark(db) is None
        assert packages.sitting_without_package(db, at=room.clock.now()) is None
        for sitting_id in practised:
            with pytest.raises(StationError, match="not_a_real_sitting"):
                packages.queue_result_package(db, sitting_id, at=room.clock.now())
            with pytest.raises(StationError, match="not_a_real_sitting"):
                results.result_document(db, sitting_id, station_version="1")
        assert packages.labels_of(db, room.theory)["sitting_kind"] == "real"
        assert packages.labels_of(db, practised[0])["sitting_kind"] == "trial"
