"""A store is copied whole while others write into it, into any database, and never gives out an old number again."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from station.errors import StationError
from station.services import answering, journal
from station.store import Store, open_store
from station.store.copying import check_file, copy_from_file, copy_to_file, leave_gap, opened_file
from station.store.models import Attempt, Base, Place, Revision
from tests.building import BuiltRoom, build_room

AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
RESPONSE = '{"base":{"identifier":"A"}}'


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def room(request: pytest.FixtureRequest, tmp_path: Path):
    url = str(request.getfixturevalue("postgresql_database")) if request.param == "postgresql" else ""
    built = build_room(tmp_path / "room", url=url)
    built.start()
    yield built
    built.close()


def everything(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with store.engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
        }


def test_a_copy_holds_every_row_and_fills_an_empty_database_with_the_same(room: BuiltRoom, tmp_path: Path):
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", RESPONSE)
    copy_to_file(room.store, tmp_path / "copy.db")
    check_file(tmp_path / "copy.db")
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}", tmp_path)
    copy_from_file(tmp_path / "copy.db", other)
    assert everything(other) == everything(room.store)
    assert [one.name for one in tmp_path.glob("copy.db*")] == ["copy.db"]
    with pytest.raises(StationError) as refusal:
        copy_from_file(tmp_path / "copy.db", other)
    assert refusal.value.code == "database_not_empty"
    other.close()


def test_a_copy_made_while_others_save_is_one_picture_with_whole_chains(room: BuiltRoom, tmp_path: Path):
    places = [room.enter(ticket) for ticket in room.tickets[:3]]
    stop = threading.Event()

    def answer(attempt_id: int, place: int) -> None:
        sequence = 0
        while not stop.is_set():
            sequence += 1
            room.save(attempt_id, place, sequence, f"q{sequence % 5}", RESPONSE)

    threads = [threading.Thread(target=answer, args=(attempt.id, place)) for attempt, place in places]
    for thread in threads:
        thread.start()
    try:
        for number in range(3):
            target = tmp_path / f"copy{number}.db"
            copy_to_file(room.store, target)
            check_file(target)
            with opened_file(target) as copy, copy.reading() as db:
                assert journal.first_broken_entry(db) is None
                assert [answering.check_chain(db, attempt.id) for attempt, _ in places] == [None] * 3
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_after_a_restore_no_number_is_given_out_again_even_when_the_same_backup_is_restored_twice(room: BuiltRoom):
    attempt, place = room.enter(room.tickets[0])
    leave_gap(room.store, at=AT)
    second, second_place = room.enter(room.tickets[1])
    assert second_place - place >= 1_000_000
    assert second.id > int(AT.timestamp()) * 1000
    leave_gap(room.store, at=AT)
    third, third_place = room.enter(room.tickets[2])
    assert third_place - second_place >= 1_000_000
    assert third.id < 2**53, "a page's numbers are exact up to here"
    room.save(third.id, third_place, 1, "q1", RESPONSE)
    with room.store.reading() as db:
        assert set(db.scalars(select(Place.id))) == {place, second_place, third_place}
        assert db.scalars(select(Revision.attempt_id)).one() == db.get_one(Attempt, third.id).id
        assert attempt.id < second.id < third.id


def test_numbers_of_deleted_rows_are_not_given_out_again(room: BuiltRoom):
    attempt, place = room.enter(room.tickets[0])
    with room.changing() as db:
        db.delete(db.get_one(Place, place))
        db.get_one(Attempt, attempt.id).place = 0
    _, again = room.enter(room.tickets[0])
    assert again > place


def test_a_damaged_copy_is_refused(tmp_path: Path):
    path = tmp_path / "damaged.db"
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 4000)
    with pytest.raises(StationError) as refusal:
        check_file(path)
    assert refusal.value.code == "copy_unsound"
