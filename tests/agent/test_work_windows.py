"""Files on Windows, over calls that stand in for the system's."""

import os
import stat

import pytest

from client_agent.windows.files import (
    FILE_ATTRIBUTE_HIDDEN,
    SHARE_DELETE,
    SHARE_READ,
    SHARE_WRITE,
    THREAD_PRIORITY_LOWEST,
    SharedFiles,
    WindowsFileCalls,
)
from client_agent.work_folder.contents import NotAtRest, read_piece
from client_agent.work_folder.files import FileHeld, Mark

ALL = SHARE_READ | SHARE_WRITE | SHARE_DELETE
posix_only = pytest.mark.skipif(os.name != "posix", reason="the calls stand in for Windows on another system")


class Refused(OSError):
    def __init__(self, winerror):
        super().__init__(13, "refused")
        self.winerror = winerror


class StandIn:
    """Opens as Windows would: a program that shares nothing keeps everybody out."""

    def __init__(self):
        self.held = {}
        self.shares = []
        self.done = []

    def open_file(self, path, share, flags):
        self.shares.append(share)
        if path in self.held and (self.held[path] == 0 or share != ALL):
            raise Refused(32)
        return os.open(path, os.O_RDONLY)

    def set_attributes(self, path, attributes):
        self.done.append((path, attributes))

    def lower_thread(self, priority):
        self.done.append(priority)


@pytest.fixture
def calls():
    return StandIn()


def test_a_file_is_opened_so_that_others_may_write_rename_and_delete_it(calls, tmp_path):
    path = tmp_path / "海报.psd"
    path.write_bytes(b"x")
    with SharedFiles(calls).open(str(path)) as opened:
        assert opened.read() == b"x"
    assert calls.shares == [ALL]


def test_a_file_that_its_program_shares_with_nobody_does_not_rest(calls, tmp_path):
    path = tmp_path / "账.xlsx"
    path.write_bytes(b"x")
    files = SharedFiles(calls)
    mark = files.mark(os.stat(path))
    assert read_piece(files, str(path), mark, 0, 10) == b"x"
    calls.held[str(path)] = 0
    with pytest.raises(FileHeld):
        files.open(str(path))
    with pytest.raises(NotAtRest):
        read_piece(files, str(path), mark, 0, 10)


def test_who_has_a_file_open_is_seen_also_when_it_is_shared(calls, tmp_path):
    path = tmp_path / "海报.psd"
    path.write_bytes(b"x")
    files = SharedFiles(calls)
    assert not files.is_held(str(path))
    calls.held[str(path)] = ALL
    assert files.is_held(str(path))
    assert not files.is_held(str(tmp_path / "missing"))


@posix_only
def test_what_is_no_file_is_not_read(calls, tmp_path):
    with pytest.raises(OSError, match="not a file"):
        SharedFiles(calls).open(str(tmp_path))


def test_a_mark_leaves_out_what_a_listing_does_not_tell(calls, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x")
    status = os.stat(path)
    assert SharedFiles(calls).mark(status) == Mark(1, status.st_mtime_ns, status.st_ctime_ns, None)


class Entry:
    def __init__(self, attributes):
        self.attributes = attributes

    def is_symlink(self):
        return False

    def stat(self, *, follow_symlinks):
        assert not follow_symlinks

        class Status:
            st_file_attributes = self.attributes
            st_mode = stat.S_IFDIR

        return Status()


def test_a_junction_leads_out_of_the_folder_as_a_link_does(calls):
    assert SharedFiles(calls).is_link(Entry(0x400 | 0x10))
    assert not SharedFiles(calls).is_link(Entry(0x10))


@posix_only
def test_a_path_may_be_longer_than_260_characters(calls, monkeypatch):
    monkeypatch.setattr(os.path, "abspath", str)
    files = SharedFiles(calls)
    assert files.reachable("D:\\") == "\\\\?\\D:\\"
    assert files.reachable("\\\\server\\share") == "\\\\?\\UNC\\server\\share"
    assert files.reachable("\\\\?\\D:\\") == "\\\\?\\D:\\"


def test_files_are_put_into_folders_and_never_through_a_link(calls, tmp_path):
    files, elsewhere = SharedFiles(calls), tmp_path / "elsewhere"
    elsewhere.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "coming").write_bytes(b"x")
    files.put(str(tmp_path / "coming"), str(root), os.path.join("01", "素材", "a.txt"))
    files.rename(str(root), os.path.join("01", "素材", "a.txt"), os.path.join("01", "素材", "b.txt"))
    assert (root / "01" / "素材" / "b.txt").read_bytes() == b"x"
    (root / "02").symlink_to(elsewhere, target_is_directory=True)
    (tmp_path / "coming").write_bytes(b"y")
    with pytest.raises(OSError, match="a link"):
        files.put(str(tmp_path / "coming"), str(root), os.path.join("02", "a.txt"))
    assert not list(elsewhere.iterdir())


def test_names_keep_to_what_the_file_system_holds(calls):
    files = SharedFiles(calls)
    assert files.fit_name("海报.psd") == "海报.psd"
    fitted = files.fit_name("作" * 300 + ".psd")
    assert len(fitted) <= 255
    assert fitted.endswith(".psd")


def test_the_thread_gives_way_and_the_kept_folder_is_hidden(calls, tmp_path):
    files = SharedFiles(calls)
    files.step_back()
    files.hide(str(tmp_path))
    assert calls.done == [THREAD_PRIORITY_LOWEST, (str(tmp_path), FILE_ATTRIBUTE_HIDDEN)]


@posix_only
def test_the_calls_themselves_say_that_this_is_not_windows():
    calls = WindowsFileCalls()
    for call in (lambda: calls.open_file("a", ALL, 0), lambda: calls.set_attributes("a", 2)):
        with pytest.raises(OSError, match="not Windows"):
            call()
    SharedFiles(calls).step_back()  # nothing depends on it
