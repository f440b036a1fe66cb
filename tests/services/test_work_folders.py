"""Work folders in the course of a day: versions, closing, what came late, the package, the signed heads."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from station.domain.work_folder import LAST_STATE_WITHIN, WorkCause
from station.errors import StationError
from station.services import admission, answering, closing, due_work, late_saves, results, work_folders, work_places
from station.services.delivery import Delivery, deliver_next
from station.services.work_folders import Origin, SentVersion
from station.store.models import (
    Attempt,
    PackageState,
    ResultPackage,
    SignedHeads,
    Sitting,
    WorkVersion,
)
from station.store.work_queries import held_files
from sync import keys
from sync.container import open_container
from tests.building import BuiltRoom, SetClock
from tests.work_pc import Pc, pc_at

PATH = "06_上传方案/方案.txt"


@pytest.fixture
def pc(room: BuiltRoom) -> Pc:
    """The PC of candidate 1, who is answering."""
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    return pc_at(room, "1", attempt.id)


def pass_time(room: BuiltRoom, **parts: float) -> datetime:
    assert isinstance(room.clock, SetClock)
    return room.clock.pass_time(**parts)


def end(room: BuiltRoom) -> datetime:
    """Let the deadline come, and record the others as absent; gives the end."""
    at = pass_time(room, minutes=60)
    due_work.tick(room.store, at, sign=lambda text: text.hex()[:16])
    with room.changing() as db:
        absent = [room.entry_id(ticket) for ticket in room.tickets[1:]]
        admission.mark_absent(db, absent, by=room.staff["invigilator"], at=at)
    return at


def closing_codes(room: BuiltRoom) -> list[tuple[str, bool]]:
    with room.store.reading() as db:
        points = closing.closing_list(db, room.theory, at=room.clock.now())
    return [(point.code, point.blocking) for point in points]


def close(room: BuiltRoom) -> None:
    with room.changing() as db:
        closing.close_sitting(db, room.theory, by=room.staff["technician"], at=room.clock.now())


def refusal(room: BuiltRoom, act: Callable[[Session], Any]) -> str:
    with pytest.raises(StationError) as raised, room.changing() as db:
        act(db)
    return raised.value.code


def test_the_versions_of_an_attempt_form_a_chain_that_shows_every_change(room: BuiltRoom, pc: Pc):
    for content in (b"one", b"two", b"three"):
        pc.save(PATH, content)
    pc.save("旧稿.txt", b"old")
    with room.store.reading() as db:
        assert work_folders.check_chain(db, pc.attempt_id) is None
    for change, broken in (({"size": 9}, 2), ({"is_late": True}, 2), ({"sha256": None}, 2)):
        with room.changing() as db:
            row = db.scalars(select(WorkVersion).where(WorkVersion.number == 2)).one()
            kept = {name: getattr(row, name) for name in change}
            db.execute(update(WorkVersion).where(WorkVersion.number == 2).values(**change))
            db.expire_all()
            assert work_folders.check_chain(db, pc.attempt_id) == broken
            db.execute(update(WorkVersion).where(WorkVersion.number == 2).values(**kept))
    with room.changing() as db:
        db.delete(db.scalars(select(WorkVersion).where(WorkVersion.number == 4)).one())
        db.flush()
        assert work_folders.check_chain(db, pc.attempt_id) == 4  # the last one is gone: the folder counts it


def test_the_heads_of_the_folders_are_signed_with_those_of_the_answers(room: BuiltRoom, pc: Pc):
    pc.save(PATH, b"one")
    due_work.tick(room.store, pass_time(room, minutes=2), sign=lambda text: "signed")
    with room.store.reading() as db:
        heads = json.loads(db.scalars(select(SignedHeads.heads)).one())
        row = db.scalars(select(WorkVersion)).one()
    assert heads["work"] == {str(pc.attempt_id): [1, row.hash]}


def test_r_end_1_the_closing_waits_for_the_last_state_but_not_for_ever(room: BuiltRoom, pc: Pc):
    pc.save(PATH, b"one")
    end(room)
    assert closing_codes(room) == [("work_awaited", True)]
    assert refusal(room, lambda db: closing.close_sitting(db, room.theory, by=1, at=room.clock.now())) == "not_in_order"
    pass_time(room, seconds=LAST_STATE_WITHIN.total_seconds() - 1)
    assert closing_codes(room) == [("work_awaited", True)]
    pass_time(room, seconds=1)
    assert closing_codes(room) == [("work_not_settled", False)]
    pc.settle_all()
    assert closing_codes(room) == []
    close(room)


def test_who_lacks_a_wanted_file_is_named_before_the_closing_and_who_uploaded_it_is_not(room: BuiltRoom, pc: Pc):
    pc.save("06_上传方案/别的.md", b"not wanted")
    end(room)
    pc.settle_all()
    assert closing_codes(room) == [("work_missing", False)]
    with room.store.reading() as db:
        (point,) = closing.closing_list(db, room.theory, at=room.clock.now())
    assert "考位 1 考生01" in point.zh
    assert "方案.txt" in point.zh


def test_late_files_count_once_they_are_accepted(room: BuiltRoom, pc: Pc):
    pc.save(PATH, b"in time")
    ended_at = end(room)
    pass_time(room, seconds=30)
    pc.save(PATH, b"made late")
    pc.settle_all()

    def held() -> list[int]:
        with room.store.reading() as db:
            return [one.version for one in held_files(db, pc.attempt_id)]

    assert held() == [1]
    assert closing_codes(room) == [("late_work", False)]
    with room.store.reading() as db:
        (waiting,) = late_saves.late_saves_of(db, room.theory)
    assert (waiting.count, waiting.files) == (0, 1)
    assert waiting.last_at == ended_at + timedelta(seconds=30)
    with room.changing() as db:
        by = room.staff["chief_examiner"]
        assert late_saves.accept_late_saves(db, [pc.attempt_id], by=by, at=room.clock.now()) == 1
    assert held() == [2]
    with room.store.reading() as db:
        assert late_saves.late_saves_of(db, room.theory) == []
        assert work_folders.check_chain(db, pc.attempt_id) is None


def test_what_comes_while_the_test_stands_still_is_not_late(room: BuiltRoom, pc: Pc):
    with room.changing() as db:
        db.get_one(Attempt, pc.attempt_id).state = "suspended"
    pass_time(room, minutes=200)
    pc.save(PATH, b"still there")
    with room.store.reading() as db:
        assert not db.scalars(select(WorkVersion)).one().is_late


def deliver_all(room: BuiltRoom, tmp_path: Path, identity: Any, **named: Any) -> list[dict[str, Any]]:
    """Build every package that is due; gives what is in each as the centre opens it."""
    key_file = tmp_path / "station.pem"
    if not key_file.exists():
        keys.save_signing_key(keys.make_signing_key(), key_file)
    delivery = Delivery(room.store, room.clock.now, keys.recipient_of(identity), key_file, "site-1", "test", **named)
    while deliver_next(delivery):
        pass
    public = keys.load_signing_key(key_file).public_key()
    opened = []
    with room.store.reading() as db:
        packages = db.scalars(select(ResultPackage).order_by(ResultPackage.number)).all()
    for package in packages:
        into = tmp_path / f"opened-{package.number}-{len(list(tmp_path.glob('opened-*')))}"
        open_container(
            delivery.outbox / package.file_name,
            verify_keys={keys.fingerprint(public): public},
            identity=identity,
            into=into,
        )
        lines = (into / "work_versions.jsonl").read_text("utf-8").splitlines()
        files = (
            {path.name: path.read_bytes() for path in (into / "files").glob("*")} if (into / "files").exists() else {}
        )
        opened.append(
            {
                "result": json.loads((into / "result.json").read_text("utf-8")),
                "versions": [json.loads(line) for line in lines],
                "files": files,
            }
        )
    return opened


def test_the_package_holds_the_last_versions_the_list_of_all_and_what_counts(room: BuiltRoom, pc: Pc, tmp_path: Path):
    pc.save(PATH, b"first")
    pc.save(PATH, b"last in time")
    pc.save("删掉.txt", b"removed later")
    with room.changing() as db:
        attempt = db.get_one(Attempt, pc.attempt_id)
        gone = SentVersion("删掉.txt", None, 0, room.clock.now(), WorkCause.REMOVED)
        work_folders.record_versions(db, attempt, [gone], origin=Origin(pc.device_id, "boot", 99), at=room.clock.now())
    end(room)
    pass_time(room, seconds=30)
    pc.save(PATH, b"late")
    pc.settle_all()
    close(room)
    identity = keys.make_identity()
    (package,) = deliver_all(room, tmp_path, identity)
    assert sorted(package["files"].values()) == [b"last in time", b"late", b"removed later"]
    assert [(one["path"], one["version"], one["is_late"]) for one in package["versions"]] == [
        (PATH, 1, False), (PATH, 2, False), ("删掉.txt", 1, False), ("删掉.txt", 2, False), (PATH, 3, True),
    ]  # fmt: skip
    (counted,) = package["result"]["deliverables"]
    assert (counted["path"], counted["version"], counted["state"]) == (PATH, 2, "there")
    assert package["files"][counted["sha256"]] == b"last in time"
    (folder,) = package["result"]["work_folders"]
    assert (folder["version_count"], folder["head_hash"]) == (5, package["versions"][-1]["hash"])


def test_files_that_come_after_the_package_go_out_in_a_supplement(room: BuiltRoom, pc: Pc, tmp_path: Path):
    pc.save(PATH, b"first")
    end(room)
    pass_time(room, minutes=11)
    close(room)
    identity = keys.make_identity()
    assert len(deliver_all(room, tmp_path, identity)) == 1
    pc.save(PATH, b"the PC came back")
    assert len(deliver_all(room, tmp_path, identity)) == 1  # more may come
    pass_time(room, seconds=61)
    packages = deliver_all(room, tmp_path, identity)
    assert len(packages) == 2
    assert b"the PC came back" in packages[1]["files"].values()
    pass_time(room, minutes=10)
    assert len(deliver_all(room, tmp_path, identity)) == 2


def test_what_does_not_fit_into_one_package_goes_on_in_the_next(room: BuiltRoom, pc: Pc, tmp_path: Path):
    contents = [bytes([number]) * 1000 for number in range(7)]
    for number, content in enumerate(contents):
        pc.save(f"{number}.txt", content)
    end(room)
    pc.settle_all()
    close(room)
    packages = deliver_all(room, tmp_path, keys.make_identity(), files_at_most=3500)
    assert [len(one["files"]) for one in packages] == [3, 3, 1]
    assert sorted(content for one in packages for content in one["files"].values()) == contents
    assert all(len(one["versions"]) == 7 for one in packages)


def test_the_pc_empties_its_folder_only_when_all_of_it_is_delivered_with_a_receipt(
    room: BuiltRoom, pc: Pc, tmp_path: Path
):
    def may_be_emptied() -> bool:
        with room.store.reading() as db:
            attempt = db.get_one(Attempt, pc.attempt_id)
            _, entry = work_places.attempt_at_seat(db, attempt.id, room.seat_id("1"))
            return work_folders.may_be_emptied(db, attempt, entry)

    def confirm() -> None:
        with room.changing() as db:
            db.execute(update(Sitting).where(Sitting.id == room.theory).values(state="delivered"))
            db.execute(update(ResultPackage).values(state=PackageState.CONFIRMED))

    pc.save(PATH, b"one")
    assert not may_be_emptied()
    end(room)
    pass_time(room, minutes=11)
    close(room)
    identity = keys.make_identity()
    deliver_all(room, tmp_path, identity)
    confirm()
    assert not may_be_emptied()  # the PC has not said what lies there
    pc.settle_all()
    assert may_be_emptied()
    pc.save("新.txt", b"something new")
    assert not may_be_emptied()
    pass_time(room, seconds=61)
    deliver_all(room, tmp_path, identity)
    assert not may_be_emptied()
    confirm()
    assert may_be_emptied()


def test_what_is_in_no_folder_is_unknown(room: BuiltRoom, pc: Pc):
    assert refusal(room, lambda db: work_places.attempt_at_seat(db, pc.attempt_id, None)) == "folder_unknown"
    assert refusal(room, lambda db: work_places.attempt_at_seat(db, 99, room.seat_id("1"))) == "folder_unknown"
    with room.store.reading() as db:
        assert results.files_of(db, room.practical) == []
        assert answering.check_chain(db, pc.attempt_id) is None
