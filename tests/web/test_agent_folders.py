"""Work folders over real HTTP: pieces, versions, the folder of a new PC, and who may not."""

from __future__ import annotations

import os
import socket
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from station.services import answering, work_folders
from station.store.files import path_of
from station.store.models import Attempt, WorkContent, WorkFolder, WorkVersion
from tests.building import events
from tests.web.folder_pc import FolderPc, sha256
from tests.web.seated_paper import WORKBOOK
from tests.web.seating import Browser, SeatedRoom, refusal

PATH = "08_提交文件/推广方案.xlsx"


@pytest.fixture
def pc(room: SeatedRoom, candidate: Browser) -> FolderPc:
    """The PC of the candidate at seat 1, who is answering."""
    return FolderPc(room, 1, candidate.attempt_id)


def rows(room: SeatedRoom) -> list[WorkVersion]:
    with room.store.reading() as db:
        return list(db.scalars(select(WorkVersion).order_by(WorkVersion.number)))


def chain_is_whole(room: SeatedRoom, attempt_id: int) -> bool:
    with room.store.reading() as db:
        return work_folders.check_chain(db, attempt_id) is None


def test_the_folder_says_what_is_wanted_and_gives_the_materials(pc: FolderPc) -> None:
    folder = pc.folder()
    (item,) = folder["items"]
    assert (folder["state"], folder["folder"], folder["files"]) == ("answering", "理论_1_考生1", [])
    assert (item["item_id"], item["folder"]) == ("f1", PATH.partition("/")[0])
    assert item["wanted"] == [
        {"name": "推广方案.xlsx", "suffixes": [".xlsx", ".docx", ".pdf"], "required": True, "largest": 200_000}
    ]
    (material,) = item["materials"]
    assert (material["path"], material["size"]) == ("素材/投标素材.xlsx", len(WORKBOOK))
    assert pc.call("GET", f"/contents/{material['sha256']}").content == WORKBOOK


def test_a_file_comes_in_pieces_and_each_version_is_there_byte_by_byte(
    pc: FolderPc, room: SeatedRoom, candidate: Browser
) -> None:
    first, second = os.urandom(300_000), os.urandom(10)
    assert pc.save(PATH, first) == 1
    assert pc.save(PATH, second) == 2
    (file,) = pc.folder()["files"]
    assert (file["path"], file["version"], file["sha256"], file["size"]) == (PATH, 2, sha256(second), 10)
    for content in (first, second):
        assert pc.call("GET", f"/contents/{sha256(content)}").content == content
    assert chain_is_whole(room, candidate.attempt_id)
    assert not [path for path in room.edge.uploads.rglob("*") if path.suffix in {".part", ".piece"}]


def test_a_wrong_offset_is_told_how_much_is_there_and_goes_on_there(pc: FolderPc) -> None:
    content = os.urandom(50_000)
    assert pc.tell(content) == 0
    assert pc.piece(content, 0, length=20_000).json() == {"have": 20_000}
    for offset in (0, 30_000):
        reply = pc.piece(content, offset, length=1_000)
        assert refusal(reply) == (409, "piece_misplaced")
        assert reply.json()["error"]["details"]["have"] == "20000"
    assert refusal(pc.put_bytes(sha256(content), 20_000, bytes(30_001))) == (409, "piece_misplaced")
    assert pc.tell(content) == 20_000
    assert pc.piece(content, 20_000).json() == {"have": 50_000}
    assert pc.tell(content) == 50_000
    assert pc.piece(content, 50_000).json() == {"have": 50_000}


def test_a_cut_in_the_middle_of_a_piece_leaves_what_was_whole_and_it_goes_on(pc: FolderPc, room: SeatedRoom) -> None:
    content = os.urandom(3 * 2**20)
    pc.tell(content)
    pc.piece(content, 0, length=2**20)
    path = f"/api/agent/folders/{pc.attempt_id}/contents/{sha256(content)}?offset={2**20}"
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: room\r\nAuthorization: {pc.headers['Authorization']}\r\n"
        f"Content-Length: {2**20}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", room.port)) as line:
        line.sendall(head.encode() + content[2**20 : 2**20 + 400_000])
    assert pc.tell(content) == 2**20
    room.hang_up()
    room.listen()  # the station forgets the hash so far and works it out from the disk
    assert pc.tell(content) == 2**20
    pc.bring(content)
    assert pc.save(PATH, content) == 1


def test_a_damaged_content_begins_anew_and_is_then_taken(pc: FolderPc, room: SeatedRoom) -> None:
    content = os.urandom(40_000)
    pc.tell(content)
    pc.put_bytes(sha256(content), 0, bytes(20_000))
    assert refusal(pc.piece(content, 20_000)) == (409, "content_damaged")
    assert pc.tell(content) == 0
    assert refusal(pc.versions(pc.version(PATH, content))) == (409, "content_missing")
    assert pc.save(PATH, content) == 1
    assert [path.name for path in room.edge.uploads.rglob("*") if path.is_file()] == [sha256(content)]


def test_two_senders_of_one_content_help_each_other(pc: FolderPc, room: SeatedRoom) -> None:
    content = os.urandom(2 * 2**20)
    other = FolderPc(room, None, pc.attempt_id, name="old PC")
    other.headers["Authorization"] = pc.headers["Authorization"]
    refused: list[int] = []

    def send(sender: FolderPc) -> None:
        have = sender.tell(content)
        while have < len(content):
            reply = sender.piece(content, have, length=64 * 1024)
            if reply.status_code == 409:
                refused.append(reply.status_code)
                have = int(reply.json()["error"]["details"]["have"])
            else:
                have = reply.json()["have"]

    threads = [threading.Thread(target=send, args=(one,)) for one in (pc, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert pc.tell(content) == len(content)
    assert pc.save(PATH, content) == 1
    assert pc.call("GET", f"/contents/{sha256(content)}").content == content


def test_a_download_goes_on_where_it_stopped(pc: FolderPc) -> None:
    content = os.urandom(100_000)
    pc.save(PATH, content)
    reply = pc.call("GET", f"/contents/{sha256(content)}", headers={"Range": "bytes=60000-"})
    assert (reply.status_code, reply.content) == (206, content[60_000:])
    assert reply.headers["Content-Length"] == "40000"


def test_the_same_message_again_gives_the_same_answer_and_adds_nothing(pc: FolderPc, room: SeatedRoom) -> None:
    a, b = b"first", b"second"
    pc.bring(a)
    pc.bring(b)
    message = (pc.version(PATH, a), pc.version("旧稿.txt", b))
    first = pc.versions(*message, sequence=7).json()
    pc.save(PATH, b"third")
    assert pc.versions(*message, sequence=7).json() == first
    assert pc.save(PATH, b"third") == 2
    assert [(row.path, row.version) for row in rows(room)] == [(PATH, 1), ("旧稿.txt", 1), (PATH, 2)]


def test_a_removed_file_leaves_the_folder_and_stays_among_the_versions(pc: FolderPc, room: SeatedRoom) -> None:
    pc.save(PATH, b"one")
    gone = pc.versions(pc.version(PATH, None, cause="removed"), pc.version("nie.txt", None, cause="removed")).json()
    assert gone["accepted"] == [{"path": PATH, "version": 2}, {"path": "nie.txt", "version": 0}]
    assert pc.folder()["files"] == []
    assert pc.save(PATH, b"two") == 3
    assert [row.sha256 for row in rows(room)] == [sha256(b"one"), None, sha256(b"two")]


def test_an_empty_file_needs_no_piece(pc: FolderPc) -> None:
    assert pc.save("空.txt", b"") == 1
    assert pc.call("GET", f"/contents/{sha256(b'')}").content == b""


def test_no_content_is_taken_for_whole_by_its_hash_alone(pc: FolderPc, room: SeatedRoom) -> None:
    """Said to be empty it would be complete at once: another candidate's file, had by its hash."""
    others = b"another candidate's work"
    path = path_of(room.edge.uploads, sha256(others))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(others)
    assert refusal(pc.call("POST", f"/contents/{sha256(others)}", json={"size": 0})) == (400, "field_wrong")
    assert refusal(pc.versions(pc.version(PATH, others))) == (409, "content_missing")
    assert pc.call("GET", f"/contents/{sha256(others)}").status_code == 404


def test_a_version_is_as_large_as_its_content_whatever_is_said(pc: FolderPc, room: SeatedRoom) -> None:
    pc.bring(b"12345")
    pc.versions(pc.version(PATH, b"12345") | {"size": 7})
    assert [row.size for row in rows(room)] == [5]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"path": "../a.txt"}, 400, "path_unusable"),
        ({"path": "a/CON.txt"}, 400, "path_unusable"),
        ({"sha256": "0" * 64}, 409, "content_missing"),
        ({"sha256": "x"}, 400, "field_wrong"),
        ({"sha256": None}, 400, "field_wrong"),
        ({"cause": "taken_back"}, 400, "field_wrong"),
        ({"cause": "removed"}, 400, "field_wrong"),
        ({"modified_at": "2026-11-21T08:30:00"}, 400, "field_wrong"),
        ({"modified_at": 7}, 400, "field_wrong"),
        ({"size": -1}, 400, "field_wrong"),
        ({"size": 2**31 + 1}, 400, "field_wrong"),
    ],
)
def test_one_wrong_version_refuses_its_message_and_keeps_nothing(
    pc: FolderPc, room: SeatedRoom, change: dict[str, object], status: int, code: str
) -> None:
    pc.bring(b"fine")
    right = pc.version(PATH, b"fine")
    assert refusal(pc.versions(right, right | change)) == (status, code)
    assert rows(room) == []


def test_what_no_agent_may_do_is_refused_by_name(pc: FolderPc) -> None:
    content = b"x" * 100
    assert refusal(pc.piece(content, 0)) == (409, "content_untold")
    assert refusal(pc.call("POST", f"/contents/{sha256(content)}", json={"size": 2**31 + 1})) == (400, "field_wrong")
    assert refusal(pc.call("POST", "/contents/abc", json={"size": 1})) == (400, "field_wrong")
    pc.tell(content)
    assert refusal(pc.call("PUT", f"/contents/{sha256(content)}", data=content)) == (400, "field_wrong")
    big = bytes(4 * 2**20 + 1)
    pc.tell(big)
    assert refusal(pc.put_bytes(sha256(big), 0, big))[0] in {400, 413}
    assert refusal(pc.versions(*[pc.version(f"{n}", content) for n in range(201)])) == (400, "field_wrong")


def test_only_the_pc_at_the_candidates_seat_gets_in(pc: FolderPc, room: SeatedRoom) -> None:
    content = b"a secret drawing"
    pc.save(PATH, content)
    own_paper_asset = pc.folder()["items"][0]["materials"][0]["sha256"]
    for stranger in (FolderPc(room, 2, pc.attempt_id), FolderPc(room, None, pc.attempt_id, name="unplaced")):
        for reply in (
            stranger.call("GET"),
            stranger.call("GET", f"/contents/{sha256(content)}"),
            stranger.call("GET", f"/contents/{own_paper_asset}"),
            stranger.call("POST", f"/contents/{sha256(content)}", json={"size": 5}),
            stranger.piece(content, 0),
            stranger.versions(stranger.version(PATH, None, cause="removed")),
            stranger.call("POST", "/settled", json={"files": []}),
        ):
            assert refusal(reply) == (404, "folder_unknown")
    pc.headers["Authorization"] = "Bearer nobody"
    assert refusal(pc.call("GET"))[0] == 401
    assert refusal(pc.piece(content, 0))[0] == 401
    assert len(rows(room)) == 1


def test_what_another_candidate_sent_is_not_here_for_me(pc: FolderPc, room: SeatedRoom) -> None:
    content = os.urandom(1000)
    pc.save(PATH, content)
    neighbour = FolderPc(room, 2, room.answering(2).attempt_id)
    assert refusal(neighbour.call("GET", f"/contents/{sha256(content)}")) == (404, "no_such_page")
    assert neighbour.tell(content) == 0
    assert refusal(neighbour.versions(neighbour.version(PATH, content))) == (409, "content_missing")
    assert neighbour.save(PATH, content) == 1


def test_files_give_way_to_answers_when_the_disk_is_nearly_full(
    pc: FolderPc, room: SeatedRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(1000)
    pc.tell(content)
    monkeypatch.setattr(room.edge.disk, "takes_file", lambda length: False)
    assert refusal(pc.call("POST", f"/contents/{'a' * 64}", json={"size": 10})) == (503, "no_space_for_files")
    assert refusal(pc.piece(content, 0)) == (503, "no_space_for_files")
    monkeypatch.undo()
    assert pc.save(PATH, content) == 1


def test_a_file_lost_from_the_disk_is_taken_anew(pc: FolderPc, room: SeatedRoom) -> None:
    content = os.urandom(1000)
    pc.save(PATH, content)
    next(room.edge.uploads.rglob(sha256(content))).unlink()
    assert pc.tell(content) == 0
    pc.bring(content)
    assert pc.call("GET", f"/contents/{sha256(content)}").content == content


def test_after_the_end_the_last_state_counts_and_what_was_made_later_is_late(
    pc: FolderPc, room: SeatedRoom, candidate: Browser
) -> None:
    pc.save(PATH, b"before")
    end = room.clock.now()
    with room.store.transaction() as db:
        db.get_one(Attempt, candidate.attempt_id).deadline_at = end
    collect(room)
    room.clock.move(seconds=20)
    assert pc.save(PATH, b"last state", cause="collect", at=end - timedelta(seconds=1)) == 2
    assert pc.save(PATH, b"made later", at=end + timedelta(seconds=15)) == 3
    room.clock.move(minutes=10)
    assert pc.save(PATH, b"came too late", at=end - timedelta(seconds=1)) == 4
    assert [row.is_late for row in rows(room)] == [False, False, True, True]
    (file,) = pc.folder()["files"]
    assert (pc.folder()["state"], file["version"]) == ("collected", 2)
    assert events(room, "work_came_late") == ["work_came_late"] * 2


def test_the_folder_is_settled_once_the_station_has_what_lies_on_the_pc(
    pc: FolderPc, room: SeatedRoom, candidate: Browser
) -> None:
    pc.save(PATH, b"one")
    assert pc.settle(**{PATH: b"one"}) == {"complete": True, "missing": []}
    assert events(room, "work_settled") == []  # the candidate still works
    collect(room)
    assert pc.settle(**{PATH: b"two", "新.txt": b"new"}) == {"complete": False, "missing": [PATH, "新.txt"]}
    work = candidate.me()["work"]
    assert (work["settled_at"], work["is_awaited"]) == (None, True)
    assert pc.settle(**{PATH: b"one"})["complete"]
    assert pc.settle(**{PATH: b"one"})["complete"]
    work = candidate.me()["work"]
    assert (work["settled_at"] is not None, work["is_awaited"]) == (True, False)
    assert events(room, "work_settled") == ["work_settled"]
    assert pc.folder()["state"] == "collected"  # emptied only with the receipt


def test_the_candidate_sees_what_has_come_and_takes_a_version_back(
    pc: FolderPc, room: SeatedRoom, candidate: Browser
) -> None:
    assert candidate.me()["work"] is None
    (wanted,) = candidate.get(f"/api/work_files/{candidate.attempt_id}").json()["wanted"]
    assert (wanted["state"], wanted["is_missing"], wanted["file"]) == ("missing", True, None)
    pc.save(PATH, b"good")
    pc.save(PATH, b"spoilt")
    stamp = candidate.me()["work"]["stamp"]
    reply = candidate.post(f"/api/work_files/{candidate.attempt_id}/take_back", file=PATH, version=1)
    assert reply.json() == {"version": 3}
    assert candidate.me()["work"]["stamp"] > stamp
    shown = candidate.get(f"/api/work_files/{candidate.attempt_id}").json()
    (wanted,), (file,) = shown["wanted"], shown["files"]
    assert (wanted["file"]["version"], wanted["file"]["name"], wanted["state"]) == (3, "推广方案.xlsx", "there")
    assert [one["cause"] for one in file["versions"]] == ["taken_back", "rested", "rested"]
    assert file["versions"][0]["cause_name"] == "由第 1 版恢复"
    folder = pc.folder()
    (taken,) = folder["taken_back"]
    assert taken | {"id": 0} == {
        "id": 0, "path": PATH, "from_version": 1, "version": 3, "sha256": sha256(b"good"), "size": 4,
        "beside": "08_提交文件/推广方案（第1版）.xlsx",
    }  # fmt: skip
    assert folder["files"][0]["sha256"] == sha256(b"good")
    assert pc.save(PATH, b"good") == 3  # the agent has put it there
    assert candidate.post(f"/api/work_files/{candidate.attempt_id}/take_back", file=PATH, version=1).json() == {
        "version": 3
    }
    assert chain_is_whole(room, candidate.attempt_id)


def test_taking_back_has_its_bounds(pc: FolderPc, room: SeatedRoom, candidate: Browser) -> None:
    pc.save(PATH, b"one")
    pc.versions(pc.version(PATH, None, cause="removed"))
    path = f"/api/work_files/{candidate.attempt_id}/take_back"
    for version in (2, 9):
        assert refusal(candidate.post(path, file=PATH, version=version)) == (404, "version_unknown")
    assert refusal(candidate.post(path, file="x", version=1)) == (404, "version_unknown")
    stranger = room.answering(2)
    assert refusal(stranger.post(path, file=PATH, version=1)) == (404, "attempt_unknown")
    assert refusal(stranger.get(f"/api/work_files/{candidate.attempt_id}")) == (404, "attempt_unknown")
    collect(room)
    assert refusal(candidate.post(path, file=PATH, version=1)) == (409, "not_answering")
    assert refusal(candidate.get(f"/api/work_files/{candidate.attempt_id}")) == (409, "not_answering")


def test_the_newer_of_folder_and_upload_counts(pc: FolderPc, room: SeatedRoom, candidate: Browser) -> None:
    def counted() -> object:
        return candidate.get(f"/api/work_files/{candidate.attempt_id}").json()["wanted"][0]["file"]["version"]

    pc.save(PATH, b"in the folder")
    room.clock.move(seconds=1)
    file = candidate.upload(WORKBOOK).json()["file"]
    named = {key: file[key] for key in ("name", "sha256", "size", "media_type")}
    candidate.save((1, "f1", {"record": [{"name": "plan", "base": {"file": named}}]}))
    assert counted() is None
    room.clock.move(seconds=1)
    pc.save(PATH, b"in the folder, later")
    assert counted() == 2


def test_an_attempt_without_a_work_folder_has_none(room: SeatedRoom, pc: FolderPc) -> None:
    pc.attempt_id = 999
    assert refusal(pc.call("GET")) == (404, "folder_unknown")
    pc.attempt_id = 2**60
    assert refusal(pc.call("GET")) == (404, "no_such_page")
    with room.store.reading() as db:
        assert db.scalars(select(WorkFolder)).all() == []
        assert db.scalars(select(WorkContent)).all() == []


def collect(room: SeatedRoom) -> None:
    """End the attempts of everybody."""
    with room.store.transaction() as db:
        attempts = db.scalars(select(Attempt)).all()
        answering.collect_attempts(db, attempts, at=room.clock.now(), by=room.staff_id, reason="到时")
