"""A disk that is full, on a real small file system: answers are refused and kept, never believed stored."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.domain.disk_budget import MIB
from station.services import invigilation
from station.technical_log import LOG_NAME
from station.web.disk_round import DiskRound
from tests.building import build_room
from tests.chaos.ground import Page, Served, eventually, fill, served, small_disk
from tests.console.serving import Console, refusal, second, served_staff_app

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", mebibytes=96) as folder:
        yield folder


@pytest.fixture
def bare(disk: Path) -> Iterator[Served]:
    """A room that has no ballast to throw off, so that its disk can really be full."""
    with served(disk, disk__floor_mb=1, disk__ballast_mb=0) as room:
        yield room


@pytest.fixture
def room(disk: Path) -> Iterator[Served]:
    with served(disk, disk__floor_mb=16, disk__ballast_mb=8) as room:
        eventually(lambda: ballast_of(room) == 8 * MIB, "the ballast is made")
        yield room


def ballast_of(room: Served) -> int:
    path = room.data / "ballast.bin"
    return path.stat().st_size if path.exists() else 0


def test_on_a_full_disk_saves_are_refused_pages_are_served_and_it_goes_on_when_there_is_room(disk: Path, bare: Served):
    for page in bare.pages:
        page.save_on(5)
    filler = fill(disk)
    for page in bare.pages:
        page.save_until_refused()
        assert page.ask("GET", "/api/me").status_code == 200
        assert page.ask("GET", f"/api/papers/{page.seated.attempt_id}").status_code == 200
        page.save_until_refused()
    filler.unlink()
    for page in bare.pages:
        eventually(page.save, "answers are saved again")
        page.save_on(5)
    eventually(lambda: "saves_refused" in bare.events(), "the console is told")
    bare.check_nothing_is_lost()


def test_a_group_in_which_the_disk_fills_acknowledges_only_what_is_there(disk: Path, bare: Served):
    """All pages save as fast as they can, the disk fills and empties under them, several times."""
    over = threading.Event()
    failures: list[BaseException] = []

    def save_all_the_time(page: Page) -> None:
        try:
            while not over.is_set():
                page.save()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=save_all_the_time, args=(page,)) for page in bare.pages]
    for thread in threads:
        thread.start()
    for _ in range(3):
        refused = [sum(page.refused.values()) for page in bare.pages]
        filler = fill(disk)
        eventually(
            lambda before=refused: all(
                sum(page.refused.values()) > count for page, count in zip(bare.pages, before, strict=True)
            ),
            "every page is refused once",
        )
        filler.unlink()
        saved = [page.sequence for page in bare.pages]
        eventually(
            lambda before=saved: all(page.sequence > count for page, count in zip(bare.pages, before, strict=True)),
            "every page saves again",
        )
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    bare.check_nothing_is_lost()


def test_the_ballast_lets_answers_go_on_while_files_wait(disk: Path, room: Served):
    page = room.pages[0]
    page.save_on(3)
    assert page.upload(10_000).status_code == 200
    filler = fill(disk)
    eventually(lambda: ballast_of(room) == 0, "the ballast is given up")
    eventually(page.save, "answers are saved again")
    for other in room.pages:
        other.save_on(100)
    reply = page.upload(20_000)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "no_space_for_files")
    eventually(lambda: {"disk_low", "ballast_released"} <= set(room.events()), "the journal knows")
    filler.unlink()
    eventually(lambda: ballast_of(room) == 8 * MIB, "the ballast is there again")
    eventually(lambda: "disk_recovered" in room.events(), "the journal knows that there is room")
    assert page.upload(20_000).status_code == 200
    room.check_nothing_is_lost()


def test_on_a_full_disk_no_request_suffers_from_the_log(disk: Path, bare: Served):
    filler = fill(disk)
    page = bare.pages[0]
    for _ in range(50):
        page.save_until_refused()
        assert page.ask("GET", "/api/clock").status_code == 200
    filler.unlink()
    eventually(page.save, "answers are saved again")
    eventually(
        lambda: "the log goes on" in (bare.data / "log" / LOG_NAME).read_text("utf-8"),
        "the log says what it left out",
    )
    assert "Traceback" not in bare.child.log.read_text("utf-8", errors="replace")
    bare.check_nothing_is_lost()


def test_a_page_that_is_loaded_anew_on_a_full_disk_is_told_so_and_opens_when_there_is_room(disk: Path, bare: Served):
    filler = fill(disk)
    page = bare.pages[0]
    page.save_until_refused()

    def told() -> str:
        """Load the page anew; gives the error's code, '' when it opens."""
        reply = page.ask("POST", "/api/places", json={"attempt_id": page.seated.attempt_id})
        return "" if reply.status_code == 200 else str(reply.json()["error"]["code"])

    eventually(lambda: told() == "save_not_stored", "the page is told so")
    filler.unlink()
    eventually(lambda: told() == "", "the paper opens again")


def test_a_start_without_room_for_the_answers_is_refused_whoever_confirms(tmp_path: Path):
    with small_disk(tmp_path / "disk", mebibytes=12) as disk:
        room = build_room(disk / "data")
        try:
            DiskRound(room.edge)()
            with room.changing() as db:
                invigilation.open_admission(db, room.theory, by=room.staff["invigilator"], at=room.clock.now())
            with served_staff_app(room) as address, Console(address) as console:
                assert console.log_in("invigilator").status_code == 200
                start = f"/api/sittings/{room.theory}/start"
                answer = console.act(start)
                assert refusal(answer) == (409, "disk_short")
                assert str(disk / "data") in answer.json()["error"]["sentence"]
                chief = second("chief_examiner")
                accept = console.act(f"/api/sittings/{room.theory}/accept_tight_disk", second=chief)
                assert refusal(accept) == (409, "disk_short")
                assert refusal(console.act(start)) == (409, "disk_short")
                board = console.board(room.theory)
                assert board["sitting"]["state"] == "admitting"
                assert "alarm" in {one["level"] for one in board["alarms"]}, json.dumps(board["alarms"])
        finally:
            room.close()
