"""What editors do to files, and what the station then has: every version byte for byte, none torn."""

import json
import os
import shutil

import pytest

from client_agent.work_folder.files import FileHeld, PlainFiles
from tests.agent.work_folder.work_station import PIECE, POSTER, Pc, sha256


def test_a_file_that_rests_becomes_a_version_and_only_what_is_new_is_sent(pc, station):
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.live(1.5)
    assert not station.versions, "it does not rest yet"
    pc.live(3)
    assert station.contents(POSTER) == [b"one"]
    assert station.versions[POSTER][0]["cause"] == "rested"
    pc.live(60)
    assert len(station.versions[POSTER]) == 1
    (pc.item / "海报.psd").write_bytes(b"two!")
    pc.live(4)
    assert station.contents(POSTER) == [b"one", b"two!"]
    before = station.received_bytes
    (pc.item / "copy.psd").write_bytes(b"one")
    pc.live(4)
    assert station.contents("01_海报设计/copy.psd") == [b"one"]
    assert station.received_bytes == before


def test_saving_by_a_temporary_file_and_a_rename_is_one_new_version(pc, station):
    target = pc.item / "index.html"
    for content in (b"<p>1", b"<p>22"):
        temporary = pc.item / "index.html.tmp"
        temporary.write_bytes(content)
        pc.live(3)
        os.replace(temporary, target)
        pc.live(4)
    assert station.contents("01_海报设计/index.html") == [b"<p>1", b"<p>22"]
    assert list(station.versions) == ["01_海报设计/index.html"]


def test_office_moves_the_old_file_away_and_the_new_one_in(pc, station):
    target = pc.item / "报告.docx"
    whole = b"PK\x03\x04 one PK\x05\x06" + bytes(18)
    target.write_bytes(whole)
    pc.live(4)
    (pc.item / "~$报告.docx").write_bytes(b"owner")
    new = whole.replace(b"one", b"two")
    (pc.item / "~WRD0001.tmp").write_bytes(new)
    target.rename(pc.item / "~WRL0002.tmp")
    pc.live(2)  # for a moment there is no report
    (pc.item / "~WRD0001.tmp").rename(target)
    pc.live(1)
    (pc.item / "~WRL0002.tmp").unlink()
    pc.live(10)
    assert station.contents("01_海报设计/报告.docx") == [whole, new]
    assert list(station.versions) == ["01_海报设计/报告.docx"]


def test_truncating_in_place_and_writing_anew_is_no_empty_version(pc, station):
    target = pc.item / "page.html"
    target.write_bytes(b"first")
    pc.live(4)
    with target.open("wb") as opened:
        pc.live(4)  # truncated; a slow program thinks
        opened.write(b"second")
    pc.live(4)
    assert station.contents("01_海报设计/page.html") == [b"first", b"second"]


def test_a_file_that_is_empty_and_stays_so_is_a_version_in_the_end(pc, station):
    (pc.item / "empty.css").write_bytes(b"")
    pc.live(15)
    assert station.contents("01_海报设计/empty.css") == [b""]


def test_deleting_and_writing_anew_is_no_removal_but_deleting_is(pc, station):
    target = pc.item / "a.txt"
    target.write_bytes(b"1")
    pc.live(4)
    target.unlink()
    pc.live(3)
    target.write_bytes(b"22")
    pc.live(8)
    assert station.contents("01_海报设计/a.txt") == [b"1", b"22"]
    target.unlink()
    pc.live(10)
    assert station.contents("01_海报设计/a.txt") == [b"1", b"22", None]
    assert station.versions["01_海报设计/a.txt"][-1]["cause"] == "removed"


def test_a_big_file_written_in_pieces_with_pauses_is_sent_when_it_rests(pc, station):
    target, content = pc.item / "海报.psd", os.urandom(3 * PIECE + 77)
    with target.open("wb") as opened:
        for start in range(0, len(content), PIECE):
            opened.write(content[start : start + PIECE])
            opened.flush()
            pc.live(1.5)
    pc.settle()
    assert station.contents(POSTER) == [content]


def test_half_a_document_is_not_taken_for_a_version(pc, station):
    target = pc.item / "图.png"
    head, tail = b"\x89PNG\r\n\x1a\n" + bytes(500), b"\x00\x00\x00\x00IEND\xaeB`\x82"
    target.write_bytes(head)
    pc.live(8)
    target.write_bytes(head + tail)
    pc.live(4)
    assert station.contents("01_海报设计/图.png") == [head + tail]


def test_a_document_that_stays_broken_is_sent_all_the_same(pc, station):
    (pc.item / "a.docx").write_bytes(b"PK\x03\x04 half")
    pc.live(20)
    assert station.contents("01_海报设计/a.docx") == [b"PK\x03\x04 half"]


@pytest.mark.parametrize("size", [5, 2 * PIECE + 5])
def test_a_file_that_never_rests_is_sent_as_it_stood_at_one_moment(pc, station, size):
    target, written = pc.item / "live.psd", []
    for round_ in range(64):
        content = bytes([round_]) * (size + round_)
        written.append(sha256(content))
        target.write_bytes(content)
        pc.live(1)
    told = [version["sha256"] for version in station.versions["01_海报设计/live.psd"]]
    assert told
    assert set(told) <= set(written)
    pc.settle()
    assert station.files()["01_海报设计/live.psd"] == written[-1]
    assert not list(pc.drive.rglob("*.exam-part")), "no copy is left"


class SwiftEditor(PlainFiles):
    """Files of a program that writes at the very moment one of them is read."""

    def __init__(self):
        super().__init__()
        self.writes = []

    def open(self, path):
        opened = super().open(path)
        if self.writes:
            self.writes.pop(0)(path)
        return opened


def test_a_file_that_changes_while_it_is_read_never_goes_torn(station, tmp_path):
    files = SwiftEditor()
    pc = Pc(station, tmp_path / "pc", files=files)
    pc.live(1)
    target = pc.item / "海报.psd"
    old, new = b"a" * (3 * PIECE), b"b" * (3 * PIECE)
    target.write_bytes(old)
    pc.live(1)

    def replace(path):
        with open(path, "r+b") as opened:
            opened.write(new)

    files.writes = [lambda _path: None] * 4 + [replace]
    pc.settle()
    assert station.contents(POSTER) in ([old, new], [new])
    assert not files.writes
    pc.switch_off()


class LockedFiles(PlainFiles):
    """A program that keeps some files to itself, as on Windows."""

    def __init__(self):
        super().__init__()
        self.locked = set()

    def open(self, path):
        if os.path.basename(path) in self.locked:
            raise FileHeld(path)
        return super().open(path)


def test_a_file_that_its_program_keeps_to_itself_is_sent_when_it_lets_go(station, tmp_path):
    files = LockedFiles()
    pc = Pc(station, tmp_path / "pc", files=files)
    pc.live(1)
    files.locked.add("账.xlsx")
    (pc.item / "账.xlsx").write_bytes(b"x")
    (pc.item / "other.txt").write_bytes(b"y")
    pc.live(40)
    assert list(station.versions) == ["01_海报设计/other.txt"]
    assert pc.folder.waiting()[0] == 1
    files.locked.clear()
    pc.live(5)
    assert station.contents("01_海报设计/账.xlsx") == [b"x"]
    pc.switch_off()


def test_small_files_do_not_wait_for_a_large_one_nor_it_for_them(pc, station):
    big = os.urandom(12 * PIECE)
    (pc.item / "big.psd").write_bytes(big)
    pc.live(2)
    while not any(line.startswith("PUT") for line in station.asked):
        pc.folder.step()
        pc.clock.now += 0.1
    for number in range(60):
        (pc.item / f"{number}.txt").write_bytes(b"%d" % number)
    for _ in range(40):  # a step sends one piece; the station is as slow as that
        pc.folder.step()
        pc.clock.now += 0.4
    order = [one["path"] for told, _answer in station.messages.values() for one in json.loads(told)["versions"]]
    assert len(order) == 61
    assert order.index("01_海报设计/big.psd") > 19, "small files did not wait for the large one"
    assert order.index("01_海报设计/big.psd") < 61
    assert station.newest("01_海报设计/big.psd") == big


def test_the_network_cut_in_the_middle_goes_on_where_it_was(pc, station):
    content = os.urandom(8 * PIECE + 3)
    (pc.item / "海报.psd").write_bytes(content)
    station.fail = [None] * 4 + ["cut", "cut"] + [None] * 4 + ["late cut", None, None, "cut"]
    pc.settle()
    assert station.contents(POSTER) == [content]
    assert station.received_bytes == len(content), "nothing was sent twice"


def test_an_answer_that_was_lost_makes_no_second_version(pc, station):
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.live(1)
    original, lost = station.answer, []

    def lose_first_answer(method, path, body):
        answer = original(method, path, body)
        if path.endswith("/versions") and not lost:
            lost.append(path)
            return 503, {"error": {"code": "busy", "sentence": "busy", "details": {}}}
        return answer

    station.answer = lose_first_answer
    pc.settle()
    (pc.item / "海报.psd").write_bytes(b"two!")
    pc.live(5)
    assert lost
    assert station.contents(POSTER) == [b"one", b"two!"]


def test_a_station_that_is_gone_and_comes_back_gets_all_that_was_saved_meanwhile(pc, station):
    port = station.port
    (pc.item / "a.txt").write_bytes(b"1")
    pc.live(4)
    station.stop()
    pc.link.close()
    (pc.item / "a.txt").write_bytes(b"22")
    (pc.item / "b.txt").write_bytes(b"333")
    pc.live(30)
    assert pc.folder.waiting()[0] == 2
    assert [failure.code for failure in pc.folder.problems()] == ["station_unreachable"]
    station.start(port)
    pc.live(20)
    assert station.newest("01_海报设计/a.txt") == b"22"
    assert station.newest("01_海报设计/b.txt") == b"333"
    assert not pc.folder.problems()


def test_a_station_without_space_is_asked_again_later(pc, station):
    (pc.item / "海报.psd").write_bytes(b"one")
    station.fail = [503] * 6
    pc.live(60)
    assert station.contents(POSTER) == [b"one"]
    assert not station.fail


def test_a_damaged_piece_makes_the_station_begin_anew(pc, station):
    content = os.urandom(2 * PIECE)
    (pc.item / "海报.psd").write_bytes(content)
    (station.folder / f"{sha256(content)}.part").write_bytes(b"x" * PIECE)
    pc.settle()
    assert station.contents(POSTER) == [content]


def test_a_path_that_the_station_refuses_is_told_and_holds_up_nothing(pc, station):
    (pc.item / "BAD.txt").write_bytes(b"x")
    (pc.item / "good.txt").write_bytes(b"y")
    pc.live(15)
    assert list(station.versions) == ["01_海报设计/good.txt"]
    (told,) = pc.folder.problems()
    assert told.code == "work_file_refused"
    assert "BAD.txt" in told.sentence()


def test_a_file_above_the_limit_is_told_and_not_sent(pc, station):
    station.largest_file = 1000
    pc.folder.ask_again()
    (pc.item / "huge.psd").write_bytes(bytes(2000))
    pc.live(6)
    assert not station.versions
    assert [failure.code for failure in pc.folder.problems()] == ["work_file_too_large"]
    (pc.item / "huge.psd").write_bytes(bytes(900))
    pc.live(6)
    assert station.contents("01_海报设计/huge.psd") == [bytes(900)]
    assert not pc.folder.problems()


def test_a_folder_that_cannot_be_read_for_a_moment_is_not_taken_for_removed(pc, station):
    (pc.item / "deep").mkdir()
    (pc.item / "deep" / "a.txt").write_bytes(b"1")
    pc.live(4)
    (pc.item / "deep").rename(pc.item / "moved")
    shutil.copytree(pc.item / "moved", pc.item / "deep")  # a move that ends as a copy
    pc.live(12)
    assert set(station.files()) == {"01_海报设计/deep/a.txt", "01_海报设计/moved/a.txt"}


def test_a_folder_removed_as_a_whole_is_made_anew_from_the_station(pc, station):
    (pc.item / "a.txt").write_bytes(b"1")
    pc.live(4)
    root = pc.root
    shutil.rmtree(root)
    pc.live(20)
    assert (root / "01_海报设计" / "a.txt").read_bytes() == b"1"
    assert station.contents("01_海报设计/a.txt") == [b"1"]


def test_five_thousand_small_files_all_arrive(pc, station):
    for number in range(5000):
        folder = pc.item / f"站点{number // 250}"
        folder.mkdir(exist_ok=True)
        (folder / f"页面{number}.html").write_bytes(b"<p>%d" % number)
    pc.settle(600)
    assert len(station.files()) == 5000
    assert station.newest("01_海报设计/站点19/页面4999.html") == b"<p>4999"
    assert max(len(message["accepted"]) for _told, message in station.messages.values()) <= 200
