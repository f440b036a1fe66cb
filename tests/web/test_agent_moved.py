"""Work folders over a move to another seat: what the PC that was left may still bring, and what of it counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from station.store.models import Device, WorkFolder
from tests.web.folder_pc import FolderPc, sha256
from tests.web.seating import Browser, SeatedRoom, refusal
from tests.web.test_agent_folders import PATH, chain_is_whole, events, rows


@pytest.fixture
def pc(room: SeatedRoom, candidate: Browser) -> FolderPc:
    """The PC of the candidate at seat 1, who is answering."""
    return FolderPc(room, 1, candidate.attempt_id)


def test_r_day_7_after_a_move_the_new_pc_finds_every_file_and_the_old_one_nothing(
    pc: FolderPc, room: SeatedRoom, candidate: Browser
) -> None:
    files = {PATH: b"plan", "08_提交文件/素材/投标素材.xlsx": b"changed material", "草稿/一.txt": b"draft"}
    for path, content in files.items():
        pc.save(path, content)
    room.move(4, "显示器坏了")
    left = pc.folder()
    assert (left["state"], left["items"], left["files"], left["taken_back"]) == ("moved", [], [], [])
    assert refusal(pc.call("GET", f"/contents/{sha256(files[PATH])}")) == (404, "folder_unknown")
    new = FolderPc(room, 4, candidate.attempt_id)
    found = {one["path"]: new.call("GET", f"/contents/{one['sha256']}").content for one in new.folder()["files"]}
    assert found == files
    assert new.save(PATH, b"plan, better") == 2


def test_r_day_7_a_dead_pc_that_comes_back_loses_nothing_and_puts_nothing_over_newer_work(
    pc: FolderPc, room: SeatedRoom, candidate: Browser
) -> None:
    draft, untouched = "08_提交文件/草稿.txt", "08_提交文件/说明.txt"
    pc.save(PATH, b"saved at the old PC")
    pc.save(draft, b"draft")
    pc.save(untouched, b"untouched")
    room.clock.move(minutes=1)
    died = room.clock.now()
    room.clock.move(minutes=1)
    room.move(4, "主机坏了")
    new = FolderPc(room, 4, candidate.attempt_id)
    assert new.folder()["state"] == "answering"
    room.clock.move(minutes=5)
    new.save(PATH, b"went on at the new PC")
    room.clock.move(minutes=5)
    # The old PC is switched on again with what it had not sent, and somebody has touched a file there since.
    assert pc.save(PATH, b"not sent by the old PC", at=died) == 3
    assert pc.save(draft, b"more of the draft", at=died) == 2
    assert pc.save("只在旧机.txt", b"only there", at=room.clock.now()) == 1
    gone = pc.versions(pc.version(untouched, None, cause="removed")).json()["accepted"]
    assert gone == [{"path": untouched, "version": 1}], "what the old PC lacks is not removed"
    found = {one["path"]: new.call("GET", f"/contents/{one['sha256']}").content for one in new.folder()["files"]}
    assert found == {
        PATH: b"went on at the new PC",
        draft: b"more of the draft",
        untouched: b"untouched",
        "只在旧机.txt": b"only there",
    }
    kept = {row.path: row for row in rows(room) if row.cause == "moved"}
    assert set(kept) == {PATH, draft, "只在旧机.txt"}
    assert all(row.modified_at < died + timedelta(minutes=2) for row in kept.values()), "nobody sat there afterwards"
    assert events(room, "work_came_from_old_pc") == ["work_came_from_old_pc"] * 3
    # The same again adds nothing; what is there in any version is not missing.
    assert pc.save(PATH, b"not sent by the old PC", at=died) == 3
    assert pc.settle(**{PATH: b"not sent by the old PC", draft: b"draft"}) == {"complete": True, "missing": []}
    assert pc.settle(**{PATH: b"never sent"})["missing"] == [PATH]
    # The new PC goes on, may save the very same, and what it holds is not missing there.
    assert new.settle(**{PATH: b"went on at the new PC", draft: b"draft"})["complete"]
    assert new.save(PATH, b"not sent by the old PC") == 4
    assert next(one for one in new.folder()["files"] if one["path"] == PATH)["version"] == 4
    assert chain_is_whole(room, candidate.attempt_id)
    with room.store.reading() as db:
        folder = db.get_one(WorkFolder, candidate.attempt_id)
        assert folder.device_id == new.device_id
        assert folder.settled_at is None


def test_a_pc_that_was_left_may_bring_files_for_half_an_hour_and_is_told_then(
    pc: FolderPc, room: SeatedRoom, candidate: Browser
) -> None:
    pc.save(PATH, b"saved at the old PC")
    room.move(4, "主机坏了")
    room.clock.move(minutes=29)
    assert pc.save(PATH, b"in time") == 2
    room.clock.move(minutes=1)
    for reply in (
        pc.call("POST", f"/contents/{'a' * 64}", json={"size": 5}),
        pc.put_bytes("a" * 64, 0, b"12345"),
        pc.versions(pc.version("x.txt", b"")),
    ):
        assert refusal(reply) == (409, "folder_left")
    assert "4 号考位" in pc.versions().json()["error"]["sentence"]
    assert pc.folder()["state"] == "moved"
    assert pc.settle(**{PATH: b"in time"})["complete"]
    # Given another seat, it is still the PC that brought the files; a PC of that seat is not.
    with room.store.transaction() as db:
        db.get_one(Device, pc.device_id).seat_id = room.seat_id(3)
    assert pc.folder()["state"] == "moved"
    assert refusal(FolderPc(room, 3, candidate.attempt_id, name="another").call("GET")) == (404, "folder_unknown")


def test_the_orders_ask_the_pc_that_was_left_for_its_last_state(
    pc: FolderPc, room: SeatedRoom, candidate: Browser
) -> None:
    def work_of(one: FolderPc) -> dict[str, object] | None:
        room.edge.roll.look_again()
        work: dict[str, object] | None = one.get(f"{room.url}/api/agent/orders", timeout=60).json()["work"]
        return work

    new = FolderPc(room, 4, candidate.attempt_id)
    pc.save(PATH, b"one")
    assert work_of(pc) == {"attempt_id": candidate.attempt_id, "state": "answering", "refresh": 0}
    assert work_of(new) is None
    room.move(4, "主机坏了")
    assert work_of(pc) == {"attempt_id": candidate.attempt_id, "state": "moved", "refresh": 0}
    assert work_of(new) == {"attempt_id": candidate.attempt_id, "state": "answering", "refresh": 0}
    pc.save(PATH, b"two", at=room.clock.now())
    assert work_of(new) == {"attempt_id": candidate.attempt_id, "state": "answering", "refresh": 2}
