"""The agent's work folder against the real station: what lies on the PC is at the station, byte for byte, and back."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from client_agent.station_link import Link, Trust
from client_agent.work_folder.folder import WorkFolder
from station.services import answering
from station.store.files import path_of
from station.store.models import Attempt
from tests.web.folder_pc import FolderPc, sha256
from tests.web.seated_paper import WORKBOOK
from tests.web.seating import Browser, SeatedRoom

ITEM = "08_提交文件"
PATH = f"{ITEM}/推广方案.xlsx"
MATERIAL = f"{ITEM}/素材/投标素材.xlsx"
Start = Callable[..., WorkFolder]


@pytest.fixture
def start(room: SeatedRoom, tmp_path: Path) -> Iterator[Start]:
    """Start the work folder of the PC at a seat; its rests are twenty times as short."""
    running: list[tuple[WorkFolder, Link]] = []

    def start_at(seat: int, attempt_id: int, *, state: str = "answering", is_again: bool = False) -> WorkFolder:
        if not is_again:
            FolderPc(room, seat, attempt_id)
        home = tmp_path / f"pc-{seat}"
        (home / "drive").mkdir(parents=True, exist_ok=True)
        link = Link(room.url)
        assert room.edge.identity is not None
        link.trust(Trust(room.edge.identity.public_key, f"token of PC-{seat}"))
        work = WorkFolder(
            link, home / "state", drives=lambda: [home / "drive"], boot_id="boot-1",
            monotonic=lambda: time.monotonic() * 20,
        )  # fmt: skip
        running.append((work, link))
        work.start()
        work.follow({"attempt_id": attempt_id, "state": state, "refresh": 0})
        return work

    yield start_at
    for work, link in running:
        work.stop()
        link.close()


@pytest.fixture
def reader(room: SeatedRoom, candidate: Browser) -> FolderPc:
    """Another device at the candidate's seat, to look at what the station has."""
    return FolderPc(room, 1, candidate.attempt_id, name="reader")


def wait_for(condition: Callable[[], object], within_s: float = 30.0) -> None:
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.05)


def opened(work: WorkFolder) -> Path:
    wait_for(lambda: work.path is not None)
    assert work.path is not None
    return work.path


def at_station(reader: FolderPc) -> dict[str, str]:
    return {one["path"]: one["sha256"] for one in reader.folder()["files"]}


def on_pc(folder: Path) -> dict[str, str]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {path: sha256(file.read_bytes()) for path, file in found.items() if path != MATERIAL}


def test_what_a_candidate_saves_is_at_the_station_and_on_the_page(
    start: Start, candidate: Browser, reader: FolderPc, tmp_path: Path
) -> None:
    folder = opened(start(1, candidate.attempt_id))
    assert folder.name == "理论_1_考生1"
    assert (folder / MATERIAL).read_bytes() == WORKBOOK
    contents = [os.urandom(9_000_000), os.urandom(50), b""]
    written = tmp_path / "written"
    for content in contents[:2]:
        written.write_bytes(content)
        written.replace(folder / PATH)  # whole at once: what rests half written is a version, too
        wait_for(lambda content=content: at_station(reader) == {PATH: sha256(content)})
    (folder / "草稿").mkdir()
    (folder / "草稿" / "第一稿（很长的中文名字）.txt").write_bytes(b"draft")
    wait_for(lambda: at_station(reader) == on_pc(folder))
    for content in contents[:2]:
        assert reader.call("GET", f"/contents/{sha256(content)}").content == content
    shown = candidate.get(f"/api/work_files/{candidate.attempt_id}").json()
    (file,) = [one for one in shown["files"] if one["path"] == PATH]
    assert [one["cause"] for one in file["versions"]] == ["rested", "rested"]


def test_a_version_taken_back_on_the_page_comes_into_the_folder(
    start: Start, candidate: Browser, reader: FolderPc
) -> None:
    work = start(1, candidate.attempt_id)
    folder = opened(work)
    for content in (b"good", b"spoilt"):
        (folder / PATH).write_bytes(content)
        wait_for(lambda content=content: at_station(reader).get(PATH) == sha256(content))
    (folder / PATH).write_bytes(b"not at the station yet")
    candidate.post(f"/api/work_files/{candidate.attempt_id}/take_back", file=PATH, version=1)
    work.follow({"attempt_id": candidate.attempt_id, "state": "answering", "refresh": 1})
    wait_for(lambda: (folder / PATH).read_bytes() == b"good")
    wait_for(lambda: at_station(reader) == {PATH: sha256(b"good")})
    unsent = sha256(b"not at the station yet")
    assert reader.call("GET", f"/contents/{unsent}").content == b"not at the station yet"


def test_r_day_7_at_a_spare_pc_the_whole_work_lies_there_within_half_a_minute(
    start: Start, candidate: Browser, room: SeatedRoom, reader: FolderPc
) -> None:
    old = start(1, candidate.attempt_id)
    folder = opened(old)
    for number in range(40):
        (folder / ITEM / f"图层{number}.psd").write_bytes(os.urandom(50 * 2**20 // 40))
    wait_for(lambda: at_station(reader) == on_pc(folder), within_s=90)
    before = on_pc(folder)
    room.move(4, "主机坏了")
    old.follow(None)
    began = time.monotonic()
    moved = opened(start(4, candidate.attempt_id))
    assert time.monotonic() - began < 30
    assert on_pc(moved) == before
    assert (moved / MATERIAL).read_bytes() == WORKBOOK
    (moved / PATH).write_bytes(b"went on at the spare PC")
    new_reader = FolderPc(room, 4, candidate.attempt_id, name="new reader")
    wait_for(lambda: PATH in at_station(new_reader))


def test_r_day_7_what_a_living_pc_had_not_sent_follows_to_the_new_one(
    start: Start, candidate: Browser, room: SeatedRoom, reader: FolderPc
) -> None:
    old = start(1, candidate.attempt_id)
    folder = opened(old)
    (folder / PATH).write_bytes(b"saved")
    wait_for(lambda: at_station(reader) == {PATH: sha256(b"saved")})
    (folder / PATH).write_bytes(b"changed right before the move")
    room.move(4, "显示器坏了")
    began = time.monotonic()
    work = start(4, candidate.attempt_id)
    moved = opened(work)
    orders = FolderPc(room, 4, candidate.attempt_id, name="orders")

    def follow() -> bool:
        """Both PCs do what their orders say."""
        for who, its in ((work, orders), (old, reader)):
            who.follow(its.get(f"{room.url}/api/agent/orders", timeout=60).json()["work"])
        return (moved / PATH).is_file() and (moved / PATH).read_bytes() == b"changed right before the move"

    wait_for(follow)
    assert time.monotonic() - began < 30
    wait_for(lambda: not folder.exists())
    assert old.problems() == []
    (moved / PATH).write_bytes(b"went on")
    wait_for(lambda: at_station(orders) == {PATH: sha256(b"went on")})


# A server that is stopped drops the half of a piece it has taken in; its buffer is closed by the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_station_that_is_restarted_in_the_middle_of_a_file_has_it_in_the_end(
    start: Start, candidate: Browser, room: SeatedRoom, reader: FolderPc
) -> None:
    folder = opened(start(1, candidate.attempt_id))
    content = os.urandom(60_000_000)
    (folder / PATH).write_bytes(content)
    wait_for(lambda: [path for path in room.edge.uploads.rglob("*") if path.is_file()])
    room.hang_up()
    room.listen()
    wait_for(lambda: at_station(reader) == {PATH: sha256(content)}, within_s=90)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_file_of_a_gigabyte_arrives_through_two_cuts(
    start: Start, candidate: Browser, room: SeatedRoom, reader: FolderPc, tmp_path: Path
) -> None:
    folder = opened(start(1, candidate.attempt_id))
    target, size = folder / ITEM / "大图.psd", 2**30
    with target.open("wb") as written:
        written.truncate(size)
        for place in range(0, size, size // 64):
            written.seek(place)
            written.write(os.urandom(100_000))
    for share in (0.2, 0.6):
        wait_for(lambda share=share: received(room) > share * size, within_s=120)
        room.hang_up()
        room.listen()
    wait_for(lambda: f"{ITEM}/大图.psd" in at_station(reader), within_s=120)
    (told,) = reader.folder()["files"]
    with target.open("rb") as opened_file:
        assert told["sha256"] == hashlib.file_digest(opened_file, "sha256").hexdigest()
    kept = path_of(room.edge.uploads, told["sha256"])
    with kept.open("rb") as opened_file:
        assert told["sha256"] == hashlib.file_digest(opened_file, "sha256").hexdigest()
    kept.unlink()
    target.unlink()


def received(room: SeatedRoom) -> int:
    """Say how much of the largest file the station holds, whole or in part."""
    sizes = [0]
    for path in room.edge.uploads.rglob("*"):
        with suppress(FileNotFoundError):  # it gets its final name at this moment
            sizes.append(path.stat().st_size if path.is_file() else 0)
    return max(sizes)


def test_at_collect_the_last_state_is_told_and_the_work_is_settled(
    start: Start, candidate: Browser, room: SeatedRoom, reader: FolderPc
) -> None:
    work = start(1, candidate.attempt_id)
    folder = opened(work)
    (folder / PATH).write_bytes(b"saved right before the end")
    with room.store.transaction() as db:
        attempt = db.get_one(Attempt, candidate.attempt_id)
        answering.collect_attempts(db, [attempt], at=room.clock.now(), by=room.staff_id, reason="到时")
    work.follow({"attempt_id": candidate.attempt_id, "state": "collected", "refresh": 0})
    wait_for(lambda: candidate.me()["work"]["settled_at"] is not None)
    assert at_station(reader) == {PATH: sha256(b"saved right before the end")}
    assert not candidate.me()["work"]["is_awaited"]
    assert (folder / PATH).exists(), "emptied only with the receipt"
