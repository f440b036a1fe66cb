"""The work folder as a whole: hand-in and collect, another candidate at the PC, the end, and its thread."""

import os
import threading
import time
from datetime import datetime

import pytest

from client_agent.station_link import Link
from client_agent.work_folder.files import FileHeld, PlainFiles
from client_agent.work_folder.folder import WorkFolder
from tests.agent.work_folder.work_station import PIECE, POSTER, Pc, sha256

ANSWERING = {"attempt_id": 17, "state": "answering", "refresh": 0}


class SwiftClock:
    """A monotonic clock that runs twenty times as fast, so that a thread's rests are short."""

    def __call__(self):
        return time.monotonic() * 20


@pytest.fixture
def run(station, tmp_path):
    running, links = [], []

    def start(home="pc", **how):
        drive = tmp_path / home / "drive"
        drive.mkdir(parents=True, exist_ok=True)
        links.append(Link(station.address))
        work = WorkFolder(
            links[-1], tmp_path / home / "state", drives=lambda: [drive], boot_id="boot-1",
            monotonic=SwiftClock(), **how,
        )  # fmt: skip
        work.start()
        running.append(work)
        return work

    yield start
    for work in running:
        work.stop()
    for link in links:
        link.close()


def wait_for(condition, within_s=20.0):
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.02)


def test_hand_in_sends_what_was_saved_a_moment_before_and_says_that_it_is_all(pc, station):
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.live(4)
    (pc.item / "海报.psd").write_bytes(b"saved right before")
    (pc.item / "旧.txt").write_bytes(b"old")
    pc.live(4)
    (pc.item / "旧.txt").unlink()
    (pc.item / "网页.html").write_bytes(b"<p>")
    station.state = "handed_in"
    pc.folder.ask_again()
    pc.live(4)
    (settled,) = station.settled
    assert settled["files"] == [
        {"path": POSTER, "sha256": sha256(b"saved right before")},
        {"path": "01_海报设计/网页.html", "sha256": sha256(b"<p>")},
    ]
    assert station.versions["01_海报设计/网页.html"][-1]["cause"] == "hand_in"
    assert pc.folder.last_state.complete
    assert not pc.folder.last_state.still_open
    pc.reboot()
    pc.live(60)
    assert len(station.settled) == 1, "what was settled is not settled again"


def test_hand_in_waits_for_a_program_that_is_saving(pc, station):
    (pc.item / "海报.psd").write_bytes(b"old")
    pc.live(4)
    temporary = pc.item / "Photoshop Temp100"
    temporary.write_bytes(b"n")
    pc.folder.end("hand_in")
    for length in range(2, 8):
        pc.live(1)
        temporary.write_bytes(b"n" * length)
    assert not station.settled
    os.replace(temporary, pc.item / "海报.psd")
    pc.live(5)
    assert station.settled[-1]["files"] == [{"path": POSTER, "sha256": sha256(b"n" * 7)}]


def test_at_the_end_a_file_that_is_still_written_goes_as_it_stands(pc, station):
    target = pc.item / "海报.psd"
    station.state = "collected"
    pc.folder.ask_again()
    written = []
    for number in range(24):
        assert number > 20 or not station.versions
        content = b"n" * (number + 1)  # of another size each time: the clock of a file system may be a coarse one
        target.write_bytes(content)
        written.append(sha256(content))
        pc.live(0.5)
    pc.live(0.5)
    assert station.versions, "it went without rest"
    assert {version["sha256"] for version in station.versions[POSTER]} <= set(written)
    pc.live(15)
    assert station.settled[-1]["files"] == [{"path": POSTER, "sha256": written[-1]}]


class LockedFiles(PlainFiles):
    locked = True

    def open(self, path):
        if self.locked and path.endswith("账.xlsx"):
            raise FileHeld(path)
        return super().open(path)


def test_what_a_program_does_not_let_go_of_is_named_and_sent_once_it_does(station, tmp_path):
    files = LockedFiles()
    pc = Pc(station, tmp_path / "pc", files=files)
    pc.live(1)
    (pc.item / "账.xlsx").write_bytes(b"x")
    (pc.item / "other.txt").write_bytes(b"y")
    pc.folder.end("collect")
    pc.live(35)
    assert pc.folder.last_state.still_open == [os.path.join("01_海报设计", "账.xlsx")]
    assert station.settled[0]["files"] == [{"path": "01_海报设计/other.txt", "sha256": sha256(b"y")}]
    files.locked = False
    pc.live(30)
    assert station.newest("01_海报设计/账.xlsx") == b"x"
    assert len(station.settled[-1]["files"]) == 2
    assert not pc.folder.last_state.still_open
    pc.switch_off()


def test_what_the_station_misses_at_the_end_is_sent_again(pc, station):
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.live(4)
    station.forget = {POSTER}
    pc.folder.end("hand_in")
    pc.live(10)
    assert station.newest(POSTER) == b"one"
    assert len(station.settled) == 2
    assert pc.folder.last_state.complete


def test_the_folder_goes_only_when_the_station_has_it_all(pc, station):
    station.add_material("logo.png", b"logo")
    pc.folder.ask_again()
    (pc.item / "海报.psd").write_bytes(b"one")
    station.state = "collected"
    pc.folder.ask_again()
    pc.live(30)
    assert (pc.item / "海报.psd").exists()
    station.state = "emptied"
    pc.live(70)
    assert pc.folder.is_gone
    assert not [path for path in (pc.drive / "exam-work").rglob("*") if path.name != ".kept"]
    assert not pc.ledger.kept_folders()


def test_another_candidate_does_not_see_the_folder_and_what_waited_is_still_sent(pc, station):
    station.fail = [503] * 4
    (pc.item / "海报.psd").write_bytes(b"unsent work")
    root = pc.root
    pc.live(1)
    pc.folder.stand_up(at_once=True)
    pc.live(0.5)
    assert not root.exists()
    assert pc.folder.path is None
    pc.live(30)
    assert station.contents(POSTER) == [b"unsent work"]
    pc.reboot()
    pc.folder.stand_up(at_once=True)
    pc.live(10)
    assert not root.exists()
    pc.folder.sit_down()
    pc.live(3)
    assert (root / "01_海报设计" / "海报.psd").read_bytes() == b"unsent work"
    assert station.contents(POSTER) == [b"unsent work"], "moving is no change"


def test_what_the_station_takes_no_more_from_this_pc_is_told_and_kept(pc, station):
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.live(4)
    (pc.item / "海报.psd").write_bytes(b"saved as the PC was left")
    pc.folder.stand_up(at_once=True)
    station.attempt_id = 99  # its candidate sits elsewhere now
    pc.live(10)
    (told,) = pc.folder.problems()
    assert told.code == "work_left_over"
    assert "1 个文件" in told.sentence()
    asked = len(station.asked)
    pc.live(60)
    assert len(station.asked) - asked < 10
    (left,) = pc.drive.rglob("海报.psd")
    assert left.read_bytes() == b"saved as the PC was left"
    station.attempt_id = 17
    pc.folder.sit_down()
    pc.live(70)
    assert station.newest(POSTER) == b"saved as the PC was left"
    assert not pc.folder.problems()


def test_emptied_or_not_what_the_station_lacks_is_sent_before_it_goes(pc, station):
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.live(4)
    (pc.item / "海报.psd").write_bytes(b"an editor saved once more")
    pc.live(0.5)
    station.state = "emptied"
    pc.folder.ask_again()
    pc.live(90)
    assert station.newest(POSTER) == b"an editor saved once more"
    assert pc.folder.is_gone
    assert not list(pc.drive.rglob("海报.psd"))


def test_who_was_let_go_on_hands_in_a_second_time(pc, station):
    (pc.item / "海报.psd").write_bytes(b"one")
    for state in ("handed_in", "answering", "handed_in"):
        station.state = state
        pc.folder.ask_again()
        pc.live(8)
    assert len(station.settled) == 2


def test_who_comes_back_at_once_finds_the_folder_in_its_place(pc, station):
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.live(4)
    pc.folder.stand_up(at_once=False)
    pc.live(20)
    assert pc.item.exists()
    pc.folder.sit_down()
    pc.live(40)
    assert pc.item.exists()


def test_the_thread_follows_the_orders_and_tells_the_heartbeat(station, run, tmp_path):
    places = []
    work = run(on_place=places.append)
    assert work.state() is None, "the station takes no attempt without a number"
    work.follow(ANSWERING)
    wait_for(lambda: work.path is not None)
    (work.path / "01_海报设计" / "海报.psd").write_bytes(b"one")
    wait_for(lambda: station.versions)
    wait_for(lambda: work.state()["sent"] == 1)
    told = {"attempt_id": 17, "waiting": 0, "waiting_bytes": 0, "oldest_s": 0.0, "sent": 1, "folder": str(work.path)}
    assert work.state() == told
    assert work.find(POSTER) == work.path / "01_海报设计" / "海报.psd"
    (tmp_path / "outside.txt").write_bytes(b"not of the folder")
    (work.path / "link.txt").symlink_to(tmp_path / "outside.txt")
    strange = ("no such file", "../outside.txt", "/etc/passwd", "01_海报设计", "link.txt")
    assert [work.find(path) for path in strange] == [None] * 5
    (work.path / "link.txt").unlink()
    assert not work.problems()
    (work.path / "01_海报设计" / "海报.psd").write_bytes(b"last")
    last = work.take_last_state("hand_in", wait_s=20)
    assert last.complete
    assert station.newest(POSTER) == b"last"
    (work.path / "01_海报设计" / "海报.psd").write_bytes(b"very last")
    assert work.take_last_state("hand_in", wait_s=20).complete
    assert station.newest(POSTER) == b"very last"
    folder = work.path
    work.follow(None)
    wait_for(lambda: not folder.exists())
    wait_for(lambda: places == [folder, None])


def test_the_stations_clock_is_asked_and_not_this_pcs_believed(station, run):
    station.ahead_s = 7200.0
    work = run()
    work.follow(ANSWERING)
    wait_for(lambda: work.path is not None)
    target = work.path / "01_海报设计" / "海报.psd"
    target.write_bytes(b"one")
    wait_for(lambda: station.versions)
    told = datetime.fromisoformat(station.versions[POSTER][0]["modified_at"]).timestamp()
    assert told - target.stat().st_mtime == pytest.approx(7200, abs=5)


def test_handed_in_by_the_orders_takes_the_last_state_by_itself(station, run):
    work = run()
    work.follow(ANSWERING)
    wait_for(lambda: work.path is not None)
    (work.path / "01_海报设计" / "海报.psd").write_bytes(b"one")
    station.state = "handed_in"
    work.follow({**ANSWERING, "state": "handed_in"})
    wait_for(lambda: station.settled)
    assert station.settled[0]["files"] == [{"path": POSTER, "sha256": sha256(b"one")}]


def test_what_an_earlier_run_left_is_sent_after_the_start_without_orders(station, run):
    work = run()
    work.follow(ANSWERING)
    wait_for(lambda: work.path is not None)
    folder = work.path
    work.stop()
    (folder / "01_海报设计" / "海报.psd").write_bytes(b"left")
    again = run()
    wait_for(lambda: station.versions)
    assert station.newest(POSTER) == b"left"
    time.sleep(2)  # forty seconds of the folder's clock
    assert folder.exists(), "who works here during an outage keeps the folder when the agent is started again"
    again.follow(None)
    wait_for(lambda: not folder.exists())
    again.stop()
    asked = len(station.asked)
    run()
    wait_for(lambda: "GET /api/agent/folders/17" in station.asked[asked:])
    assert not folder.exists()


def test_trouble_is_told_in_words_and_goes_when_it_is_over(station, run):
    port = station.port
    station.stop()
    work = run()
    work.follow(ANSWERING)
    wait_for(work.problems)
    assert work.problems()[0]["code"] == "station_unreachable"
    assert "网线" in work.problems()[0]["zh"]
    station.start(port)
    wait_for(lambda: work.path is not None and not work.problems())


class BrokenFiles(PlainFiles):
    broken = True

    def mark(self, status):
        if self.broken:
            raise RuntimeError("a fault of the program")
        return super().mark(status)


def test_a_fault_of_the_program_ends_no_thread(station, run, tmp_path):
    files = BrokenFiles()
    files.broken = False
    work = run(files=files)
    work.follow(ANSWERING)
    wait_for(lambda: work.path is not None)
    files.broken = True
    (work.path / "01_海报设计" / "海报.psd").write_bytes(b"one")
    wait_for(lambda: [told["code"] for told in work.problems()] == ["work_fault"])
    files.broken = False
    wait_for(lambda: station.versions)


def test_files_can_be_held_to_a_rate(station, run):
    work = run(most_per_s=PIECE * 4)
    work.follow(ANSWERING)
    wait_for(lambda: work.path is not None)
    content = os.urandom(PIECE * 4)
    started = time.monotonic()
    (work.path / "01_海报设计" / "海报.psd").write_bytes(content)
    wait_for(lambda: station.versions)
    assert time.monotonic() - started > 0.9


def test_a_disk_that_fails_is_told_and_tried_again(pc, station, monkeypatch):
    (pc.item / "海报.psd").write_bytes(b"one")
    failing = [OSError(5, "I/O error"), OSError(28, "No space left on device")]

    def fail(*_arguments, **_named):
        if failing:
            raise failing.pop(0)
        return original(*_arguments, **_named)

    original = pc.folder._outgoing.step
    monkeypatch.setattr(pc.folder._outgoing, "step", fail)
    pc.live(0.5)
    assert [failure.code for failure in pc.folder.problems()] == ["work_disk_failed"]
    pc.live(1)
    assert [failure.code for failure in pc.folder.problems()] == ["no_room_for_work"]
    pc.live(20)
    assert station.newest(POSTER) == b"one"
    assert not pc.folder.problems()


def test_stopping_does_not_wait_for_what_has_time(station, run):
    work = run()
    work.follow(ANSWERING)
    started = time.monotonic()
    work.stop()
    assert time.monotonic() - started < 5
    assert not [thread for thread in threading.enumerate() if thread.name == "work-folder"]
