"""From a closed sitting to the platform's receipt, with a real platform over real HTTP."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from station.errors import Missing, StationError
from station.services import admission, closing, due_work, exporting, packages
from station.services.delivery import Delivery, deliver_next, take_up_again
from station.store.models import JournalEntry, PackageState, Paper, ResultPackage, Score, Sitting
from sync import keys
from sync.central import Central
from sync.container import open_container
from sync.receipts import check_receipt
from sync.reference_platform.serve import start_platform
from sync.reference_platform.stations import add_station
from tests.building import BuiltRoom, SetClock


@pytest.fixture
def delivery(room: BuiltRoom, tmp_path: Path) -> Iterator[Delivery]:
    """A station registered at a running platform."""
    signing_key = keys.make_signing_key()
    key_file = tmp_path / "station.pem"
    keys.save_signing_key(signing_key, key_file)
    folder = tmp_path / "platform"
    token = add_station(
        folder, id="site-1", name="测试考点", verify_key=keys.verify_key_to_text(signing_key.public_key())
    )
    platform = start_platform(folder)
    vault = platform.platform.vault
    receipt_key = keys.verify_key_from_text(vault.verify_key)
    yield Delivery(
        store=room.store,
        now=room.clock.now,
        recipient=vault.recipient,
        signing_key_file=key_file,
        station_id="site-1",
        version="test",
        central=Central(url=platform.url, token=token, receipt_keys={keys.fingerprint(receipt_key): receipt_key}),
    )
    platform.close()


def hold_theory(room: BuiltRoom, *, is_heard: bool = True) -> None:
    """One candidate answers (and is heard), four are absent; collected at the deadline and closed."""
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, place = room.enter(room.tickets[0])
    if is_heard:
        room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
        room.save(attempt.id, place, 2, "q4", '{"record":[{"base":{"string":"roi"},"name":"b1"}]}')
    at = room.clock.pass_time(minutes=60)
    due_work.tick(room.store, at, sign=lambda text: text.hex()[:16])
    with room.changing() as db:
        absent = [room.entry_id(ticket) for ticket in room.tickets[1:]]
        admission.mark_absent(db, absent, by=room.staff["invigilator"], at=at)
        closing.close_sitting(db, room.theory, by=room.staff["technician"], at=at)


def deliver_all(delivery: Delivery) -> None:
    for _ in range(20):
        if not deliver_next(delivery):
            return
    raise AssertionError("delivery does not come to rest")


def deliver_until_arrived(room: BuiltRoom, delivery: Delivery) -> None:
    """Go on while the platform is still opening the package: its receipt is not ready at once."""
    assert isinstance(room.clock, SetClock)
    for _ in range(100):
        deliver_all(delivery)
        if package(room).state == PackageState.ARRIVED:
            return
        time.sleep(0.2)
        room.clock.pass_time(seconds=30)
    raise AssertionError(package(room).last_error)


def package(room: BuiltRoom) -> ResultPackage:
    with room.store.reading() as db:
        return db.scalars(select(ResultPackage)).one()


def test_r_end_1_a_closed_sitting_is_marked_packed_sent_and_has_a_receipt_that_verifies(
    room: BuiltRoom, delivery: Delivery, tmp_path: Path
):
    hold_theory(room)
    deliver_until_arrived(room, delivery)
    sent = package(room)
    assert delivery.central is not None
    receipt = check_receipt(
        sent.receipt,
        platform_keys=delivery.central.receipt_keys,
        package_sha256=sent.sha256,
        package_id=sent.uuid,
    )
    assert receipt.code == sent.receipt_code
    with room.store.reading() as db:
        assert db.get_one(Sitting, room.theory).state == "delivered"
        assert [one.objective_points for one in db.scalars(select(Score))] == ["4.00"]


def test_r_score_2_the_opened_package_holds_every_revision_mark_and_event(
    room: BuiltRoom, delivery: Delivery, tmp_path: Path
):
    identity = keys.make_identity()
    delivery = replace(delivery, recipient=keys.recipient_of(identity), central=None)
    hold_theory(room)
    deliver_all(delivery)
    public = keys.load_signing_key(delivery.signing_key_file).public_key()
    into = tmp_path / "opened"
    open_container(
        delivery.outbox / package(room).file_name,
        verify_keys={keys.fingerprint(public): public},
        identity=identity,
        into=into,
    )
    result = json.loads((into / "result.json").read_text("utf-8"))
    assert [one["ticket_number"] for one in result["attempts"]] == [room.tickets[0]]
    assert [one["ticket_number"] for one in result["absent"]] == room.tickets[1:]
    revisions = [json.loads(line) for line in (into / "revisions.jsonl").read_text("utf-8").splitlines()]
    assert [(one["sequence"], one["item_id"]) for one in revisions] == [(1, "q1"), (2, "q4")]
    marks = json.loads((into / "marks.json").read_text("utf-8"))
    assert {one["item"]: one["points"] for one in marks["attempts"][0]["marks"]}["q4"] == "2.00"
    journal = (into / "journal.jsonl").read_text("utf-8")
    assert "sitting_closed" in journal
    assert not (delivery.outbox / f"{package(room).uuid}.work").exists()


def test_r_end_2_without_a_network_the_package_waits_and_can_be_exported_to_a_stick(
    room: BuiltRoom, delivery: Delivery, tmp_path: Path
):
    assert delivery.central is not None
    nowhere = replace(delivery.central, url="http://127.0.0.1:9", connect_timeout_s=1.0)
    hold_theory(room)
    deliver_all(replace(delivery, central=nowhere))
    waiting = package(room)
    assert (waiting.state, waiting.tries) == (PackageState.WAITING, 1)
    stick = tmp_path / "stick"
    stick.mkdir()
    path = exporting.export_package(room.store, 0, stick, by=None, at=room.clock.now())
    assert path.read_bytes() == (delivery.outbox / waiting.file_name).read_bytes()
    with pytest.raises(StationError) as raised:
        exporting.export_package(room.store, 0, tmp_path / "no" / "such", by=None, at=room.clock.now())
    assert raised.value.code == "export_failed"
    with room.changing() as db:
        packages.try_again(db, waiting.id, at=room.clock.now())
    deliver_until_arrived(room, delivery)


def test_a_station_that_the_platform_does_not_know_waits_for_a_person(room: BuiltRoom, delivery: Delivery):
    assert delivery.central is not None
    hold_theory(room)
    deliver_all(replace(delivery, central=replace(delivery.central, token="wrong")))
    troubled = package(room)
    assert troubled.state == PackageState.NEEDS_ATTENTION
    assert troubled.last_error


def test_a_package_is_ordered_only_for_a_closed_sitting_and_taken_out_only_when_built(
    room: BuiltRoom, delivery: Delivery
):
    def refused(act) -> str:
        with pytest.raises(StationError) as raised, room.changing() as db:
            act(db)
        return str(raised.value.code)

    at = room.clock.now()
    assert refused(lambda db: packages.queue_result_package(db, room.theory, at=at)) == "not_closed"
    assert refused(lambda db: packages.package_of(db, 99)) == "package_unknown"
    hold_theory(room)
    with room.changing() as db:
        ordered = packages.queue_result_package(db, room.theory, at=at).id
    assert refused(lambda db: packages.package_of(db, ordered)) == "package_not_built"


def test_no_two_workers_claim_the_same_step(room: BuiltRoom, delivery: Delivery):
    hold_theory(room)
    with room.changing() as db:
        packages.queue_result_package(db, room.theory, at=room.clock.now())
    with room.changing() as db:
        first = packages.claim_package(db, at=room.clock.now(), can_send=True)
    with room.changing() as db:
        second = packages.claim_package(db, at=room.clock.now(), can_send=True)
    assert first is not None
    assert second is None


def test_a_package_that_could_not_be_built_is_built_when_the_cause_is_gone(room: BuiltRoom, delivery: Delivery):
    hold_theory(room)
    deliver_all(replace(delivery, recipient="", central=None))
    troubled = package(room)
    assert (troubled.state, troubled.sha256) == (PackageState.NEEDS_ATTENTION, "")
    with room.changing() as db:
        packages.try_again(db, troubled.id, at=room.clock.now(), by=room.staff["technician"])
    deliver_all(replace(delivery, central=None))
    assert package(room).sha256
    with pytest.raises(StationError) as raised, room.changing() as db:
        packages.try_again(db, 99, at=room.clock.now())
    assert raised.value.code == "package_unknown"


def test_a_sitting_that_cannot_be_marked_is_delivered_all_the_same_and_the_board_is_told_once(
    room: BuiltRoom, delivery: Delivery
):
    hold_theory(room)
    with room.changing() as db:
        db.execute(update(Paper).values(keys="{}"))
    deliver_all(replace(delivery, central=None))
    assert package(room).sha256
    with room.store.reading() as db:
        events = db.scalars(select(JournalEntry.event)).all()
    assert events.count("marking_failed") == 1
    assert "package_built" in events


def test_a_refusal_comes_whole_out_of_a_child_process():
    again = pickle.loads(pickle.dumps(Missing(packages.PACKAGE_UNKNOWN)))
    assert (type(again), again.code, again.sentence("en")) == (Missing, "package_unknown", "There is no such package.")


def test_after_an_unclean_stop_the_package_is_taken_up_at_once_and_no_half_of_it_is_left(
    room: BuiltRoom, delivery: Delivery
):
    hold_theory(room)
    delivery = replace(delivery, central=None)
    with room.changing() as db:
        ordered = packages.queue_result_package(db, room.theory, at=room.clock.now())
        name, folder = ordered.file_name, delivery.outbox / f"{ordered.uuid}.work"
        assert packages.claim_package(db, at=room.clock.now(), can_send=True) is not None
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("plain answers", encoding="utf-8")
    half = delivery.outbox / f"{name}.body.part"
    half.write_bytes(b"half")
    take_up_again(delivery)
    if not room.store.is_sqlite:  # another process may be at work on it: its claim lapses by itself
        assert folder.exists()
        return
    assert not folder.exists()
    assert not half.exists()
    deliver_all(delivery)
    assert package(room).sha256


def test_answers_that_arrive_after_delivery_go_out_in_a_numbered_supplement(room: BuiltRoom, delivery: Delivery):
    assert isinstance(room.clock, SetClock)
    hold_theory(room)
    deliver_until_arrived(room, delivery)
    attempt = room.attempt(room.tickets[0])
    late = room.save(attempt.id, attempt.place, 3, "q3", '{"base":{"boolean":false}}')
    assert late.acknowledged[0].is_late
    deliver_all(delivery)
    assert package(room).number == 1
    room.clock.pass_time(seconds=61)
    deliver_all(delivery)
    with room.store.reading() as db:
        both = db.scalars(select(ResultPackage).order_by(ResultPackage.number)).all()
    assert [(one.number, one.revisions) for one in both] == [(1, 2), (2, 3)]
    room.clock.pass_time(minutes=10)
    deliver_all(delivery)
    with room.store.reading() as db:
        assert len(db.scalars(select(ResultPackage)).all()) == 2


def test_a_package_without_a_single_answer_gets_its_supplement_too(room: BuiltRoom, delivery: Delivery):
    """As where a practical is all files, or the one PC in the room was cut off from the start."""
    assert isinstance(room.clock, SetClock)
    hold_theory(room, is_heard=False)
    offline = replace(delivery, central=None)
    deliver_all(offline)
    assert (package(room).revisions, package(room).size > 0) == (0, True)
    room.clock.pass_time(seconds=1)
    attempt = room.attempt(room.tickets[0])
    assert room.save(attempt.id, attempt.place, 1, "q1", '{"base":{"identifier":"A"}}').acknowledged[0].is_late
    room.clock.pass_time(seconds=61)
    deliver_all(offline)
    with room.store.reading() as db:
        both = db.scalars(select(ResultPackage).order_by(ResultPackage.number)).all()
    assert [(one.number, one.revisions) for one in both] == [(1, 0), (2, 1)]
