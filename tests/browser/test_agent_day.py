"""A candidate PC's whole day: the agent's own program, a station's own program, a real screen and a real Chromium.

The candidate uses the keyboard only; what the PC is like is read on the PC, not asked of the agent.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from station.clock import system_time
from station.rehearsal.staff import StaffMember, log_staff_in
from tests.agent.x_ground import skip_unless_installed, until
from tests.browser.agent_pc import PERSON, AgentPc
from tests.browser.day import RunningDay, prepare_day
from tests.browser.pages import wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="locking a PC needs root"),
]

SEAT, PRACTICAL = "7", 2
TRY_S = 10.0  # so long keys that were pressed may take to show, before they are pressed again
POLICY = "etc/chromium/policies/managed/zzz-exam-station.json"


@pytest.fixture
def pc() -> Iterator[AgentPc]:
    skip_unless_installed("chromium", "unshare", "nsenter", "ip", "nft", "runuser")
    folder = Path(tempfile.mkdtemp(prefix="exam-day-"))  # not below tmp_path, which only root may enter
    folder.chmod(0o755)
    pc = AgentPc(folder / "pc")
    yield pc
    pc.close()
    print(pc.log.read_text("utf-8"))
    shutil.rmtree(folder)


@pytest.fixture
def day(pc: AgentPc, tmp_path: Path) -> Iterator[RunningDay]:
    prepared = prepare_day(tmp_path, pc.station_host)
    prepared.start()
    yield prepared
    prepared.stop()


@pytest.fixture
def room(day: RunningDay) -> Iterator[Room]:
    staff = log_staff_in("127.0.0.1", day.staff_port, day.passwords)
    yield Room(staff)
    for member in staff.values():
        member.line.drop()


class Room:
    """What staff see and do at the console."""

    def __init__(self, staff: dict[str, StaffMember]) -> None:
        self.technician, self.chief, self.invigilator = staff["jishu"], staff["zhukao"], staff["jiankao1"]

    def seat(self) -> dict[str, Any]:
        board = self.invigilator.line.get(f"/api/board/{PRACTICAL}")
        (seat,) = [one for one in board["seats"] if one["seat"] == SEAT]
        return dict(seat)

    def device(self) -> dict[str, Any]:
        """Give what the page of PCs says of the seat's PC; nothing before the station has read its registration."""
        (room,) = self.invigilator.line.get("/api/workstations")["rooms"]
        (seat,) = [one for one in room["seats"] if one["seat"] == SEAT]
        return dict(seat["device"] or {})

    def has_locked_with_page(self) -> bool:
        device = self.device()
        return device.get("state") == "locked" and device["browser"] == "running"

    def files(self) -> dict[str, int]:
        """Give the versions that the station has of each file of the work."""
        details = self.invigilator.line.get(f"/api/entries/{self.seat()['entry_id']}")
        return {file["path"]: len(file["versions"]) for file in details["work"]["files"]}

    def is_settled(self) -> bool:
        """Say whether the PC has told that the last state of the work is at the station."""
        details = self.invigilator.line.get(f"/api/entries/{self.seat()['entry_id']}")
        return bool(details["work"]["facts"]["settled_at"])

    def package(self) -> dict[str, Any] | None:
        """Give the sitting's one result package; None while it is not ordered."""
        packages = self.technician.line.get(f"/api/sittings/{PRACTICAL}/packages")
        assert len(packages) <= 1, "what the PC told after the closing made a supplement"
        return dict(packages[0]) if packages else None

    def package_is(self, state: str) -> bool:
        package = self.package()
        return package is not None and package["state"] == state

    def check(self, *, shows: Callable[[], object]) -> None:
        """Have the PC check itself and wait for its word: it has talked with the station after this was asked."""
        self.technician.do("/api/devices/command", device_ids=[self.device()["id"]], kind="check")

        def is_done() -> bool:
            (newest, *_) = [one for one in self.device()["commands"] if one["kind"] == "check"]
            return newest["done_at"] is not None

        wait_until(is_done, why="the PC did not answer")
        assert shows()

    def start(self) -> None:
        if self.invigilator.line.get(f"/api/board/{PRACTICAL}")["disk_to_confirm"] is not None:
            self.chief.do(f"/api/sittings/{PRACTICAL}/accept_tight_disk")
        self.invigilator.do(f"/api/sittings/{PRACTICAL}/start")

    def close(self) -> None:
        board = self.invigilator.line.get(f"/api/board/{PRACTICAL}")
        missing = [one["entry_id"] for one in board["seats"] if one["state"] == "expected"]
        self.invigilator.do("/api/entries/absent", entry_ids=missing)
        closing = self.chief.line.get(f"/api/sittings/{PRACTICAL}/closing_list")
        assert closing["may_close"], closing
        self.chief.do(f"/api/sittings/{PRACTICAL}/close")


def test_a_candidate_pc_from_its_registration_to_the_way_back(day: RunningDay, room: Room, pc: AgentPc) -> None:
    register(pc, day, room.technician)
    before = pc.snapshot()
    pc.run_agent()
    wait_until(lambda: room.device().get("browser") == "running", why="no page before the test")
    assert pc.snapshot() == before, "nothing of the PC is changed before the log-in is open"

    room.invigilator.do(f"/api/sittings/{PRACTICAL}/open_admission")
    wait_until(room.has_locked_with_page)
    log_in(pc, room, day.sample.candidates[int(SEAT) - 1].ticket_number)
    room.start()
    press_return_until(pc, lambda: room.seat()["attempt_id"], why="no paper")
    assert_held(pc, day)
    saves_a_file(pc, room, "第一稿", versions=1)

    pc.cut_power()
    wait_until(lambda: room.device().get("state") == "lost" and room.seat()["connection"] == "lost")
    pc.boot_again()
    assert "有尚未恢复的更改（锁定中或上次未恢复）：是" in pc.exam_agent("status")
    pc.run_agent()
    wait_until(lambda: "已恢复" in pc.log.read_text("utf-8"))
    wait_until(lambda: room.has_locked_with_page() and room.seat()["state"] == "answering")
    wait_until(lambda: room.seat()["connection"] == "online", why="the candidate is not back in the paper")
    saves_a_file(pc, room, "第二稿", versions=2)

    page = browser_of(pc)
    pc.kill_agent()
    assert page.is_running(), "the page went with the agent"
    pc.run_agent()
    saves_a_file(pc, room, "第三稿", versions=3)
    assert browser_of(pc) == page, "the page was left alone"
    assert_held(pc, day)

    code = room.invigilator.do("/api/unlock_codes/show", seat_id=seat_id(room), reason="服务器故障")["code"]
    day.kill()
    page.kill()
    wait_until(lambda: "考试机" in " ".join(pc.screen.titles()), why="no page that says that the station is away")
    assert_held(pc, day)
    assert "解锁码" in pc.exam_agent("unlock", "00000000")
    assert "已解锁" in pc.exam_agent("unlock", code)
    assert changed(before, pc.snapshot()) == {}
    assert "解锁码" in pc.exam_agent("unlock", code), "a code is good once"

    day.start()
    wait_until(lambda: room.device().get("state") == "code", why="the board does not show that a code was used")
    room.invigilator.do("/api/devices/hold", device_ids=[room.device()["id"]])
    wait_until(room.has_locked_with_page)
    wait_until(lambda: room.seat()["connection"] == "online", why="the candidate is not back after the outage")
    room.chief.do("/api/early_leave", sitting_id=PRACTICAL, all=True)
    hand_in(pc, room)
    wait_until(room.is_settled, why="the last state of the folder was not told")
    room.close()
    wait_until(lambda: room.device().get("state") == "ready")
    wait_until(lambda: not changed(before, pc.snapshot()), why="the closed sitting leaves the PC locked")
    assert_work_goes_with_the_centres_word_and_not_before(pc, day, room)
    pc.end_agent()
    wait_until(lambda: pc.screen.titles() == [], why="a window stays")
    assert not list((pc.folder / "state" / "exam-agent-browser").iterdir()), "a browser's profile stays"
    assert changed(before, pc.snapshot()) == {}


def assert_work_goes_with_the_centres_word_and_not_before(pc: AgentPc, day: RunningDay, room: Room) -> None:
    """Closed, packed, arrived: the PC keeps every file, also over a restart. Confirmed: nothing of it is left."""
    folder = work_folder(pc)
    held = files_of(folder)
    assert "第三稿" in held.values()
    wait_until(lambda: room.package_is("arrived"), within_s=120, why="the package does not come to the centre")
    room.check(shows=lambda: files_of(folder) == held)
    pc.kill_agent()
    pc.run_agent()
    room.check(shows=lambda: files_of(folder) == held)
    (package,) = [one for one in day.platform.platform.cabinet.records() if one.state == "kept"]
    day.platform.platform.confirm(package.package_id, by="值班员", at=system_time())
    room.check(shows=lambda: files_of(folder) == held or room.package_is("confirmed"))
    room.technician.do(f"/api/packages/{(room.package() or {})['id']}/retry")
    wait_until(lambda: room.package_is("confirmed"), why="the station does not learn that the centre has confirmed")
    wait_until(lambda: not folder.exists(), why="the work stays on the PC after the centre's receipt")
    places = [pc.folder / name for name in ("home", "exam-work", "state")]
    left = {name: text for place in places for name, text in files_of(place).items()}
    drafts = ("第一稿", "第二稿", "第三稿")
    assert [name for name, text in left.items() if any(one in text for one in drafts)] == [], "not even a copy"


def files_of(folder: Path) -> dict[str, str]:
    """Give the content of every file below a folder; what vanishes meanwhile is not there."""
    texts: dict[str, str] = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place) / name for name in names):
            if path.is_file() and not path.is_symlink():
                with suppress(FileNotFoundError):
                    texts[str(path.relative_to(folder))] = path.read_text("utf-8", "replace")
    return texts


def register(pc: AgentPc, day: RunningDay, technician: StaffMember) -> None:
    told = pc.exam_agent("pair", day.candidate_url, "--seat", SEAT)
    assert "开放登记" in told
    technician.do("/api/pairing/open", room_id=1)
    assert f"考位 {SEAT}" in pc.exam_agent("pair", day.candidate_url, "--seat", SEAT)
    assert "已连接" in pc.exam_agent("check")


def log_in(pc: AgentPc, room: Room, ticket: str) -> None:
    """Type the ticket number until the page has it: a page that has just opened may not listen yet."""

    def is_known() -> bool:
        return room.seat()["state"] != "expected"

    def is_in() -> bool:
        if is_known():
            return True
        pc.screen.press("F5")
        wait_until(lambda: any("考位" in title for title in pc.screen.titles()))
        pc.screen.says("xdotool", "sleep", "2", "type", "--delay", "20", ticket)
        pc.screen.press("Tab")
        pc.screen.says("xdotool", "type", "--delay", "20", ticket[-6:])
        pc.screen.press("Return")
        return until(is_known, patience_s=TRY_S)

    wait_until(is_in)
    press_return_until(pc, lambda: room.seat()["state"] == "confirmed", why="not confirmed")


def press_return_until(pc: AgentPc, happened: Callable[[], object], *, why: str) -> None:
    def look() -> bool:
        if happened():
            return True
        pc.screen.press("Return")
        return False

    wait_until(look, why=why)


def hand_in(pc: AgentPc, room: Room) -> None:
    """By keyboard: the sixth stop of a fresh page, then the button before the one that goes on answering."""

    def has_it() -> bool:
        return room.seat()["state"] == "handed_in"

    def is_done() -> bool:
        if has_it():
            return True
        pc.screen.press("F5")
        pc.screen.says("xdotool", "sleep", "3")
        pc.screen.press(*["Tab"] * 6, "Return")
        pc.screen.says("xdotool", "sleep", "1")
        pc.screen.press("shift+Tab", "Return")
        return until(has_it, patience_s=TRY_S)

    wait_until(is_done)


def assert_held(pc: AgentPc, day: RunningDay) -> None:
    """The PC reaches the station and nothing else, and its browsers have their policies."""
    assert (pc.folder / POLICY).is_file()
    assert "policy drop" in pc.says("nft", "list", "ruleset")
    with socket.create_server((pc.station_host, 0)) as other:
        assert not reaches(pc, pc.station_host, other.getsockname()[1], within_s=3)
    assert reaches(pc, pc.station_host, day.candidate_port, within_s=30) == (day.process is not None)


def reaches(pc: AgentPc, host: str, port: int, *, within_s: int) -> bool:
    tried = f"timeout {within_s} bash -c ': < /dev/tcp/{host}/{port}' 2>&1 && echo reached"
    return pc.says("sh", "-c", tried) == "reached"


def saves_a_file(pc: AgentPc, room: Room, content: str, *, versions: int) -> None:
    """The candidate, who is not root, saves a file in the work folder; it comes to the station."""
    wait_until(lambda: list(work_folder(pc).glob("06*")), why="no folder for the item")
    (item,) = work_folder(pc).glob("06*")
    path = item / "推广方案.xlsx"
    wrote = pc.says("runuser", "-u", PERSON, "--", "sh", "-c", f"printf %s '{content}' > '{path}'")
    assert wrote == ""
    wait_until(lambda: room.files().get(f"{item.name}/{path.name}") == versions, why=f"{content} did not arrive")


def work_folder(pc: AgentPc) -> Path:
    """Give the one work folder of this PC; a path that is not there if there is none."""
    found = [path for path in pc.folder.glob("exam-work/实操_7_*") if path.is_dir()]
    return found[0] if found else pc.folder / "none"


def browser_of(pc: AgentPc) -> psutil.Process:
    """Give the browser's first process; for a moment what it forks goes by its words, too."""
    found: list[psutil.Process] = []

    def is_one() -> bool:
        of_name = [one for one in psutil.process_iter(["name"]) if one.info["name"] == "chromium"]
        found[:] = [one for one in of_name if is_first(one, pc)]
        return len(found) == 1

    wait_until(is_one, why="not one browser")
    return found[0]


def is_first(process: psutil.Process, pc: AgentPc) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:  # it has just ended
        return False
    return str(pc.folder) in " ".join(words) and not any(word.startswith("--type=") for word in words)


def seat_id(room: Room) -> int:
    return int(room.seat()["seat_id"])


def changed(before: dict[str, str], now: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    return {name: (before.get(name), now.get(name)) for name in before | now if before.get(name) != now.get(name)}
