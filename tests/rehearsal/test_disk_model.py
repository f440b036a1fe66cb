"""The model of a disk after a power cut, and its reading of real traces, on small programs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from station.rehearsal.drill.disk_model import EVERYTHING, NOTHING_MORE, PAGE, Change, Disk, Entry, Fate, File, Folder
from station.rehearsal.drill.disk_replay import Replay
from station.rehearsal.drill.disk_trace import NEVER, Call, TraceUnreadable, read_calls, strace_words
from tests.chaos.machine import needs_tracing

SECTOR = 512
A, B, C = (sign * SECTOR for sign in (b"a", b"b", b"c"))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    (tmp_path / "kept").write_bytes(A + B)
    return Disk(tmp_path)


def file_of(disk: Disk, name: str) -> File:
    found = disk.find(f"{disk.root}/{name}")
    assert isinstance(found, File)
    return found


def possible(disk: Disk, name: str, *, kept: float | None = 0.5, tries: int = 300) -> set[bytes | None]:
    random = Random(7)
    return {disk.after_cut(Fate(kept), random).get(name) for _ in range(tries)}


def test_what_is_flushed_is_there_after_every_cut_and_what_is_not_may_be_old_new_or_half(disk: Disk) -> None:
    file = file_of(disk, "kept")
    file.pending.append(Change(1, 0, C + C))
    assert possible(disk, "kept") == {A + B, C + B, A + C, C + C}
    assert disk.after_cut(NOTHING_MORE, Random(1)) == {"kept": A + B}
    assert disk.after_cut(EVERYTHING, Random(1)) == {"kept": C + C}
    file.flush(2)
    assert possible(disk, "kept") == {C + C}


def test_a_sector_holds_one_of_the_versions_that_it_had(disk: Disk) -> None:
    file = file_of(disk, "kept")
    file.pending += [Change(1, 10, b"1"), Change(2, 20, b"2")]
    found = {content and (content[10:11], content[20:21]) for content in possible(disk, "kept")}
    assert found == {(b"a", b"a"), (b"1", b"a"), (b"1", b"2")}


def test_a_flush_takes_only_what_was_complete_when_it_began(disk: Disk) -> None:
    file = file_of(disk, "kept")
    file.pending += [Change(1, 0, C), Change(5, SECTOR, C)]
    file.flush(5)
    assert possible(disk, "kept") == {C + B, C + C}


def test_what_a_failed_flush_left_stays_in_doubt_until_its_page_is_written_anew(disk: Disk) -> None:
    file = file_of(disk, "kept")
    file.pending.append(Change(1, 0, C))
    file.doubt(2)
    file.pending.append(Change(3, PAGE, C))
    file.flush(4)
    assert {content and content[:SECTOR] for content in possible(disk, "kept")} == {A, C}
    file.pending.append(Change(5, SECTOR, C))
    file.flush(6)
    assert {content and content[: 2 * SECTOR] for content in possible(disk, "kept")} == {C + C}


def test_a_file_may_have_grown_without_its_content(disk: Disk) -> None:
    file = file_of(disk, "kept")
    file.pending.append(Change(1, 2 * SECTOR, C))
    assert {A + B, A + B + C, A + B + bytes(SECTOR)} <= possible(disk, "kept")
    random = Random(3)
    tails = {disk.after_cut(Fate(0.1, leaves_garbage=True), random)["kept"][2 * SECTOR :] for _ in range(50)}
    assert tails - {b"", C, bytes(SECTOR)}


def test_shortening_and_writing_anew_never_brings_back_what_was_cut_off_once_the_cut_has_arrived(disk: Disk) -> None:
    file = file_of(disk, "kept")
    file.pending += [Change(1, 0, None), Change(2, 0, C), Change(3, SECTOR, C)]
    found = possible(disk, "kept", tries=2000)
    assert {b"", A + B, C, C + C, C + bytes(SECTOR)} <= found
    file.flush(2)
    assert B not in {content and content[SECTOR:] for content in possible(disk, "kept", tries=2000)}


def test_all_up_to_one_moment_tears_only_the_last_write(disk: Disk) -> None:
    file = file_of(disk, "kept")
    file.pending += [Change(1, 0, C), Change(2, SECTOR, C)]
    assert A + C not in possible(disk, "kept", kept=None)


def test_a_name_is_not_on_disk_before_its_folder_is_flushed(disk: Disk) -> None:
    new = File(bytearray(C))
    disk.top.change(Entry(1, "", "new", new))
    assert "new" not in disk.after_cut(NOTHING_MORE, Random(1))
    assert possible(disk, "new") == {None, C}
    disk.top.flush(2)
    assert possible(disk, "new") == {C}


def test_names_come_in_the_order_in_which_they_were_made(disk: Disk) -> None:
    disk.top.change(Entry(1, "", "part", File(bytearray(C))))
    disk.top.change(Entry(2, "part", "whole", disk.top.seen["part"]))
    random = Random(1)
    found = {tuple(sorted(disk.after_cut(Fate(0.5), random))) for _ in range(50)}
    assert found == {("kept",), ("kept", "part"), ("kept", "whole")}


def test_a_move_into_another_folder_never_loses_the_file(disk: Disk) -> None:
    folder = Folder()
    disk.top.change(Entry(1, "", "folder", folder))
    disk.top.flush(2)
    added = Entry(3, "", "kept", disk.top.seen["kept"])
    folder.change(added)
    disk.top.change(Entry(3, "kept", "", None, after=(folder, added)))
    random = Random(1)
    found = {tuple(sorted(disk.after_cut(Fate(0.5), random))) for _ in range(100)}
    assert found == {("kept",), ("folder/kept",), ("folder/kept", "kept")}


def test_what_had_begun_and_not_come_back_may_have_arrived(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(A)
    disk = Disk(tmp_path)
    place, text = (b"".join(b"\\x%02x" % one for one in own).decode() for own in (f"{disk.root}/kept".encode(), B))
    written = Call(1, 9, 1, "pwrite64", f'3<{place}>, "{text}", 512, 0', SECTOR)
    replay = Replay(disk, [written])
    replay.advance(4)
    assert disk.after_cut(EVERYTHING, Random(1), replay.under_way()) == {"kept": B}
    assert disk.after_cut(EVERYTHING, Random(1)) == {"kept": A}
    replay.advance(9)
    assert disk.after_cut(EVERYTHING, Random(1)) == {"kept": B}


# --- traces of real programs ---------------------------------------------------------------------

SQLITE = """
import os, sqlite3, sys
db = sqlite3.connect("{folder}/own.db", isolation_level=None)
db.execute("PRAGMA synchronous={synchronous}")
for number in range(1, 61):
    db.execute("INSERT INTO answer VALUES (?, ?)", (number, "x" * 600))
    os.write(1, b"%d\\n" % number)
os._exit(0)
"""
KEEPING = """
import os
from pathlib import Path
from station.store.files import keep_file, path_of
for number in range(6):
    {keep}
    os.write(1, b"%d\\n" % number)
"""
KEEP = 'keep_file(Path("{folder}/files"), b"%d" % number * 700)'
KEEP_WITHOUT_FOLDER = """
    folder = Path("{folder}/files") / str(number)
    folder.mkdir(parents=True)
    with open(folder / "part", "wb") as stream:
        stream.write(b"%d" % number * 700); stream.flush(); os.fsync(stream.fileno())
    os.rename(folder / "part", folder / "whole")
    handle = os.open(folder, os.O_RDONLY); os.fsync(handle)
"""


def cuts_of(program: str, folder: Path, trace: Path) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Run a program that says aloud what it has confirmed; give disks after cuts with how much it had said."""
    disk = Disk(folder)
    subprocess.run([*strace_words(trace), sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    calls = read_calls(trace)
    told = [call.began for call in calls if call.name == "write" and call.handle == (1, call.handle[1])]
    assert told
    replay, random = Replay(disk, calls), Random(5)
    for said, cut in enumerate(told, start=1):
        replay.advance(cut)
        for fate in (NOTHING_MORE, Fate(0.5), Fate(0.9, 4096), Fate(None, leaves_garbage=True)):
            yield said, disk.after_cut(fate, random, replay.under_way())


def lost_rows(tmp_path: Path, synchronous: str) -> int:
    folder, after = tmp_path / "folder", tmp_path / "after"
    folder.mkdir()
    after.mkdir()
    with sqlite3.connect(folder / "own.db") as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE answer (number INTEGER PRIMARY KEY, text TEXT)")
    db.close()
    lost = 0
    for said, files in cuts_of(SQLITE.format(folder=folder, synchronous=synchronous), folder, tmp_path / "trace"):
        for path in after.iterdir():
            path.unlink()
        for name, content in files.items():
            (after / name).write_bytes(content)
        db = sqlite3.connect(after / "own.db")
        try:
            lost += said - db.execute("SELECT COUNT(*) FROM answer WHERE number <= ?", (said,)).fetchone()[0]
        except sqlite3.DatabaseError:
            lost += said
        finally:
            db.close()
    return lost


@needs_tracing
def test_the_method_finds_what_sqlite_loses_without_synchronous_full_and_nothing_with_it(tmp_path: Path) -> None:
    lost = {}
    for synchronous in ("OFF", "NORMAL", "FULL"):
        place = tmp_path / synchronous
        place.mkdir()
        lost[synchronous] = lost_rows(place, synchronous)
    assert lost["OFF"] > 0
    assert lost["NORMAL"] > 0
    assert lost["FULL"] == 0


@needs_tracing
def test_a_kept_file_survives_every_cut_and_one_whose_folder_was_not_flushed_does_not(tmp_path: Path) -> None:
    def lost(keep: str, name: str) -> int:
        folder = tmp_path / name
        folder.mkdir()
        program = KEEPING.format(keep=keep.format(folder=folder))
        wanted = [b"%d" % number * 700 for number in range(6)]
        return sum(
            content not in files.values()
            for said, files in cuts_of(program, folder, tmp_path / f"{name}.trace")
            for content in wanted[:said]
        )

    assert lost(KEEP, "flushed") == 0
    assert lost(KEEP_WITHOUT_FOLDER, "unflushed") > 0


@needs_tracing
def test_what_the_model_does_not_know_stops_the_reading_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_bytes(A)
    program = f"import os; os.symlink('{folder}/old', '{folder}/new'); os.write(1, b'1')"
    with pytest.raises(TraceUnreadable, match="symlink"):
        list(cuts_of(program, folder, tmp_path / "trace"))


@needs_tracing
def test_appended_sequential_and_positioned_writes_are_read_from_a_trace_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_bytes(b"0123456789")
    program = f"""
import os
with open("{folder}/old", "r+b") as stream:
    stream.seek(4); stream.write(b"XY"); stream.flush(); stream.truncate(8)
with open("{folder}/old", "ab") as stream:
    stream.write("末".encode())
with open("{folder}/名", "wb") as stream:
    stream.write(b"one"); stream.flush(); stream.write(b"two")
handle = os.open("{folder}/名", os.O_RDWR); os.pwritev(handle, [b"T", b"W"], 3)
os.mkdir("{folder}/below"); os.rename("{folder}/名", "{folder}/below/moved"); os.unlink("{folder}/old")
os.link("{folder}/below/moved", "{folder}/twice")
os.write(1, b"1")
"""
    disk = Disk(folder)
    subprocess.run(
        [*strace_words(tmp_path / "trace"), sys.executable, "-c", program], check=True, stdout=subprocess.PIPE
    )
    replay = Replay(disk, read_calls(tmp_path / "trace"))
    moved = next(call.began for call in replay.calls if call.name == "mkdir")
    replay.advance(moved)
    assert disk.after_cut(EVERYTHING, Random(1)) == {"old": b"0123XY67" + "末".encode(), "名": b"oneTWo"}
    replay.advance(NEVER - 1)
    assert disk.after_cut(EVERYTHING, Random(1)) == {"below/moved": b"oneTWo", "twice": b"oneTWo"}
    assert set(disk.after_cut(NOTHING_MORE, Random(1))) == {"old"}
