"""The folder on another PC, after a reboot, and when the candidate takes an earlier version back."""

import os
import pwd
import time

import pytest

from client_agent.errors import AgentError
from client_agent.work_folder import place
from client_agent.work_folder.files import PlainFiles
from tests.agent.work_folder.work_station import PIECE, POSTER, Pc, sha256


@pytest.fixture
def make_pc(station, tmp_path):
    made = []

    def make(name="pc", **how):
        made.append(Pc(station, tmp_path / name, **how))
        return made[-1]

    yield make
    for one in made:
        one.switch_off()


def here(pc):
    return {
        path.relative_to(pc.root).as_posix(): path.read_bytes() for path in sorted(pc.root.rglob("*")) if path.is_file()
    }


def test_the_folder_is_made_with_its_materials_and_they_are_no_versions(make_pc, station):
    station.add_material("素材/logo.png", b"logo")
    station.add_material("要求.txt", b"task", item="02_网页")
    pc = make_pc()
    pc.live(30)
    assert pc.root.name == "实操_12_张三"
    assert here(pc) == {"01_海报设计/素材/logo.png": b"logo", "02_网页/要求.txt": b"task"}
    assert not station.versions
    (original,) = [path for path in pc.drive.rglob("originals/*") if path.read_bytes() == b"logo"]
    assert not original.stat().st_mode & 0o222
    (pc.item / "素材" / "logo.png").write_bytes(b"changed")
    pc.live(5)
    assert station.contents("01_海报设计/素材/logo.png") == [b"changed"]
    assert original.read_bytes() == b"logo"


def test_on_another_pc_the_whole_work_is_there_within_half_a_minute(make_pc, station):
    first = make_pc("first")
    first.live(1)
    for number in range(40):
        (first.item / f"图{number}.psd").write_bytes(os.urandom(50 * 2**20 // 40))
    first.settle()
    before = here(first)
    second = make_pc("second")
    started = time.monotonic()
    second.settle()
    assert time.monotonic() - started < 30
    assert here(second) == before
    second.live(20)
    assert all(len(versions) == 1 for versions in station.versions.values()), "fetching is no change"


def test_times_of_fetched_files_are_those_of_their_versions(make_pc, station):
    station.add_version(POSTER, b"old work", "2026-11-21T08:30:00+00:00")
    pc = make_pc()
    pc.offset_s = 60.0
    pc.live(3)
    assert (pc.item / "海报.psd").stat().st_mtime == 1795249860.0


def test_after_a_reboot_it_goes_on_and_what_was_changed_meanwhile_is_sent(make_pc, station):
    pc = make_pc()
    pc.live(1)
    (pc.item / "海报.psd").write_bytes(b"one")
    (pc.item / "kept.txt").write_bytes(b"kept")
    (pc.item / "gone.txt").write_bytes(b"gone")
    pc.settle()
    root = pc.root
    (pc.item / "海报.psd").write_bytes(b"two, saved a second before the power went")
    (pc.item / "gone.txt").unlink()
    asked = len(station.asked)
    pc.reboot()
    pc.live(15)
    assert pc.root == root
    assert station.contents(POSTER)[-1].startswith(b"two")
    assert station.newest("01_海报设计/gone.txt") is None
    assert not [line for line in station.asked[asked:] if sha256(b"kept") in line], "what did not change is not asked"


def test_a_pc_set_back_by_a_restore_card_is_filled_from_the_station(make_pc, station, tmp_path):
    pc = make_pc()
    pc.live(1)
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.settle()
    pc.switch_off()
    pc.home.rename(tmp_path / "before")
    pc.drive.mkdir(parents=True)
    pc.switch_on()
    pc.live(10)
    assert here(pc) == {POSTER: b"one"}
    assert station.contents(POSTER) == [b"one"]


def test_only_the_system_drive_was_set_back_and_newer_work_on_the_other_is_kept_and_sent(make_pc, station):
    pc = make_pc()
    pc.live(1)
    (pc.item / "海报.psd").write_bytes(b"one")
    (pc.item / "same.txt").write_bytes(b"same")
    pc.settle()
    (pc.item / "海报.psd").write_bytes(b"two, newer")
    pc.lose_ledger()
    pc.live(10)
    assert len(list((pc.drive / "exam-work").iterdir())) == 2, "the same folder, and what is kept of it"
    assert station.contents(POSTER) == [b"one", b"two, newer"]
    assert station.contents("01_海报设计/same.txt") == [b"same"]


def test_older_work_of_this_pc_gives_way_to_the_stations_and_stays_beside_it(make_pc, station):
    pc = make_pc()
    pc.live(1)
    (pc.item / "海报.psd").write_bytes(b"old here")
    os.utime(pc.item / "海报.psd", (1_600_000_000, 1_600_000_000))
    pc.lose_ledger()
    station.add_version(POSTER, b"made at another PC", "2026-11-21T08:30:00+00:00")
    pc.live(10)
    assert here(pc) == {POSTER: b"made at another PC", "01_海报设计/海报（本机旧稿）.psd": b"old here"}
    assert station.newest("01_海报设计/海报（本机旧稿）.psd") == b"old here"


def test_newer_at_the_station_and_unchanged_here_is_replaced(make_pc, station):
    pc = make_pc()
    pc.live(1)
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.settle()
    station.add_version(POSTER, b"two")
    pc.folder.ask_again()
    pc.live(5)
    assert here(pc) == {POSTER: b"two"}
    assert station.contents(POSTER) == [b"one", b"two"]


def test_changed_on_both_sides_both_are_kept_and_named(make_pc, station):
    pc = make_pc()
    pc.live(1)
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.settle()
    (pc.item / "海报.psd").write_bytes(b"changed here")
    station.add_version(POSTER, b"two")
    pc.folder.ask_again()
    pc.live(10)
    assert here(pc) == {POSTER: b"changed here", "01_海报设计/海报（服务器第2版）.psd": b"two"}
    assert station.contents(POSTER) == [b"one", b"two", b"changed here"]


def test_a_version_taken_back_lies_in_its_place_and_nothing_is_lost(make_pc, station):
    pc = make_pc()
    pc.live(1)
    for content in (b"one", b"two!", b"three"):
        (pc.item / "海报.psd").write_bytes(content)
        pc.settle()
        pc.live(4)
    (pc.item / "海报.psd").write_bytes(b"not saved at the station yet")
    station.take_back(POSTER, 1)
    pc.folder.ask_again()
    pc.live(15)
    assert (pc.item / "海报.psd").read_bytes() == b"one"
    assert b"not saved at the station yet" in station.contents(POSTER)
    assert station.newest(POSTER) == b"one"
    (pc.item / "海报.psd").write_bytes(b"went on from there")
    pc.reboot()
    pc.live(10)
    assert (pc.item / "海报.psd").read_bytes() == b"went on from there", "each is taken back once"
    assert station.newest(POSTER) == b"went on from there"


class HeldFiles(PlainFiles):
    held = False

    def is_held(self, path):
        return self.held


def test_a_version_taken_back_lies_beside_a_file_that_a_program_holds_open(make_pc, station):
    files = HeldFiles()
    pc = make_pc(files=files)
    pc.live(1)
    for content in (b"one", b"two!"):
        (pc.item / "海报.psd").write_bytes(content)
        pc.settle()
        pc.live(4)
    files.held = True
    station.take_back(POSTER, 1)
    pc.folder.ask_again()
    pc.live(10)
    assert here(pc) == {POSTER: b"two!", "01_海报设计/海报（第1版）.psd": b"one"}


def test_who_holds_a_file_open_is_seen(tmp_path):
    import subprocess
    import sys

    target = tmp_path / "海报.psd"
    target.write_bytes(b"x")
    assert not PlainFiles().is_held(str(target))
    hold = f"import sys; opened = open({str(target)!r}); print('open', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout.readline() == b"open\n"
        assert PlainFiles().is_held(str(target))
        holder.stdin.close()
        holder.wait()
    assert not PlainFiles().is_held(str(target))


def test_a_fetch_cut_in_the_middle_goes_on_where_it_was(make_pc, station):
    content = os.urandom(3 * PIECE)
    station.add_version(POSTER, content)
    station.fail = [None, "cut content"]
    pc = make_pc()
    pc.settle()
    assert here(pc) == {POSTER: content}
    assert len([line for line in station.asked if line.startswith("GET") and "contents" in line]) == 2


def test_a_damaged_fetch_is_begun_anew_and_the_other_files_come(make_pc, station):
    content = b"right"
    station.add_version(POSTER, content)
    station.add_version("01_海报设计/other.txt", b"a longer file")
    (station.folder / sha256(content)).write_bytes(b"wrong")
    pc = make_pc()
    pc.live(3)
    assert here(pc) == {"01_海报设计/other.txt": b"a longer file"}
    assert [failure.code for failure in pc.folder.problems()] == ["content_damaged"]
    (station.folder / sha256(content)).write_bytes(content)
    pc.live(30)
    assert here(pc)[POSTER] == content
    assert not pc.folder.problems()


def test_a_station_that_names_a_path_outside_is_not_followed(make_pc, station):
    station.add_version("../../outside.txt", b"x")
    station.add_version("/etc/outside.txt", b"x")
    pc = make_pc()
    pc.live(5)
    assert here(pc) == {}
    assert not list(pc.home.rglob("outside.txt"))


def test_nothing_is_written_through_a_link_that_a_candidate_made(make_pc, station, tmp_path):
    elsewhere = tmp_path / "etc"
    elsewhere.mkdir()
    pc = make_pc()
    pc.live(2)
    (pc.root / "草稿").symlink_to(elsewhere, target_is_directory=True)
    station.add_version("草稿/passwd", b"x")
    station.add_version("01_海报设计/a.txt", b"y")
    pc.folder.ask_again()
    pc.live(5)
    assert not list(elsewhere.iterdir())
    assert (pc.item / "a.txt").read_bytes() == b"y"
    assert [failure.code for failure in pc.folder.problems()] == ["work_disk_failed"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives files to another person")
def test_under_root_the_folder_is_the_candidates_and_what_is_kept_of_others_is_not(make_pc, station):
    station.add_material("素材/logo.png", b"logo")
    pc = make_pc(files=PlainFiles("nobody"))
    pc.live(3)
    owners = {path.stat().st_uid for path in [pc.root, *pc.root.rglob("*")]}
    assert owners == {pwd.getpwnam("nobody").pw_uid}
    kept = pc.drive / "exam-work" / ".kept"
    assert kept.stat().st_uid == 0
    assert not kept.stat().st_mode & 0o077


def test_without_room_nothing_is_begun_and_it_is_told(make_pc, station, tmp_path):
    station.materials.append({"item": "01_海报设计", "path": "video.mp4", "sha256": "0" * 64, "size": 2**60})
    pc = make_pc()
    pc.live(5)
    assert [failure.code for failure in pc.folder.problems()] == ["no_room_for_work"]
    assert not list(pc.drive.iterdir())
    station.materials.clear()
    pc.live(20)
    assert pc.root.is_dir()


def test_a_folder_of_the_same_name_is_left_alone(make_pc, station):
    pc = make_pc()
    other = pc.drive / "exam-work" / "实操_12_张三"
    other.mkdir(parents=True)
    (other / "theirs.txt").write_bytes(b"theirs")
    pc.live(3)
    assert pc.root.name == "实操_12_张三_2"
    assert (other / "theirs.txt").read_bytes() == b"theirs"


def test_a_folder_whose_program_holds_it_is_told_and_not_half_moved(tmp_path):
    from client_agent.work_folder.ledger import Kept

    kept = Kept(17, str(tmp_path / "exam-work" / "nobody"), "0", "", 0, "", 1)
    with pytest.raises(AgentError) as refusal:
        place.put_aside(kept)
    assert refusal.value.code == "work_folder_held"


def test_an_attempt_that_never_lay_here_needs_no_folder_and_no_last_state(make_pc, station):
    station.state = "handed_in"
    pc = make_pc()
    pc.folder.end("hand_in")
    pc.live(5)
    assert not list(pc.drive.iterdir())
    assert not station.settled
    assert pc.folder.last_state.complete
