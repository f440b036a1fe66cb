"""Files on Windows, over calls that stand in for the system's."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from client_agent.kiosk import PREFERENCES
from client_agent.windows import files
from client_agent.windows.api import system_program
from client_agent.windows.files import (
    FILE_ATTRIBUTE_HIDDEN,
    SHARE_DELETE,
    SHARE_READ,
    SHARE_WRITE,
    THREAD_PRIORITY_LOWEST,
    SharedFiles,
    WindowsFileCalls,
)
from client_agent.windows.profiles import Profiles
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
        self.rights = {}

    def open_file(self, path, share, flags):
        self.shares.append(share)
        if path in self.held and (self.held[path] == 0 or share != ALL):
            raise Refused(32)
        return os.open(path, os.O_RDONLY)

    def final_paths(self, descriptor):
        return [os.readlink(f"/proc/self/fd/{descriptor}")]

    def remove(self, path, is_there):
        found = os.open(path, os.O_PATH | os.O_NOFOLLOW)
        finals = self.final_paths(found)
        os.close(found)
        if not is_there(finals):
            raise OSError("it lies elsewhere")
        (os.rmdir if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)

    def hold_folder(self, path):
        if path in self.held:
            raise Refused(32)
        return os.open(path, os.O_RDONLY)

    def set_attributes(self, path, attributes):
        self.done.append((path, attributes))

    def set_rights(self, path, *rights):
        self.rights[path] = rights

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
def test_the_agent_s_own_folders_are_nobody_else_s_and_the_files_made_there_everybody_s(calls, tmp_path):
    """A file keeps its rights when it is moved into the candidate's folder, who must be able to write it."""
    kept = tmp_path / "exam-work" / ".kept"
    SharedFiles(calls).hide(str(kept))
    system, administrators, everybody = "*S-1-5-18", "*S-1-5-32-544", "*S-1-1-0"
    own = (f"{system}:(OI)(CI)F", f"{administrators}:(OI)(CI)F", f"{everybody}:(OI)(CI)(IO)M")
    assert calls.rights == {str(kept.parent): (*own, f"{everybody}:RX"), str(kept): own}


@posix_only
def test_rights_are_set_by_windows_own_program_and_what_has_none_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path / "Windows"))
    program = Path(system_program("icacls.exe"))
    program.write_text('#!/bin/sh\nprintf "%s " "$@" >> "$0.log"\necho >> "$0.log"\n[ "$2" != /reset ]\n')
    program.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError):
        WindowsFileCalls().set_rights(r"D:\exam-work", "x")
    assert Path(f"{program}.log").read_text().splitlines() == [
        r"D:\exam-work /setowner *S-1-5-32-544 /Q ", r"D:\exam-work /reset /Q ",
    ]  # fmt: skip
    SharedFiles(WindowsFileCalls()).hide(r"D:\exam-work\.kept")  # nothing depends on it


@posix_only
def test_what_is_reached_through_a_junction_is_not_read(calls, tmp_path):
    """The folder itself, or one in it, may be changed for a junction after it was listed; SYSTEM may read all."""
    secret, root = tmp_path / "Administrator", tmp_path / "root"
    secret.mkdir()
    (secret / "a.txt").write_bytes(b"secret")
    root.mkdir()
    (root / "01").symlink_to(secret)
    with pytest.raises(OSError, match="a link"):
        SharedFiles(calls).open(str(root / "01" / "a.txt"))
    (root / "a.txt").write_bytes(b"own")
    with SharedFiles(calls).open(str(root / "a.txt")) as opened:
        assert opened.read() == b"own"


@posix_only
def test_a_drive_that_cannot_tell_where_a_file_lies_is_asked_folder_by_folder(calls, tmp_path, monkeypatch):
    def cannot(_descriptor):
        raise OSError("not supported")

    monkeypatch.setattr(calls, "final_paths", cannot)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_bytes(b"own")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with SharedFiles(calls).open(str(tmp_path / "real" / "a.txt")) as opened:
        assert opened.read() == b"own"
    with pytest.raises(OSError, match="a link"):
        SharedFiles(calls).open(str(tmp_path / "link" / "a.txt"))


def test_where_something_lies_is_compared_as_windows_names_it():
    asked = r"\\?\D:\exam-work\实操_12\海报.PSD"
    assert files._lies_at(asked, [r"\\?\D:\exam-work\实操_12\海报.psd"])
    assert files._lies_at(asked, [r"\exam-work\实操_12\海报.psd"])
    assert not files._lies_at(asked, [r"\\?\C:\Users\Administrator\海报.psd", r"\Users\Administrator\海报.psd"])


@posix_only
def test_a_folder_that_a_program_holds_is_held_and_not_a_fault(calls, tmp_path):
    (tmp_path / "coming").write_bytes(b"x")
    (tmp_path / "root").mkdir()
    calls.held[str(tmp_path / "root")] = 0
    with pytest.raises(PermissionError):
        SharedFiles(calls).put(str(tmp_path / "coming"), str(tmp_path / "root"), "a.txt")


@posix_only
def test_a_tree_is_removed_and_nothing_behind_its_junctions(calls, tmp_path, monkeypatch):
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    elsewhere.mkdir()
    (elsewhere / "a.txt").write_bytes(b"another's")
    (root / "01" / "deep").mkdir(parents=True)
    (root / "01" / "a.txt").write_bytes(b"own")
    (root / "link").symlink_to(elsewhere)
    really = os.listdir

    def swapped(folder):
        """Junctions take the place of a folder while it is listed."""
        names = really(folder)
        if folder == str(root / "01"):
            os.rename(folder, tmp_path / "away")
            os.symlink(elsewhere, folder)
        return names

    monkeypatch.setattr(os, "listdir", swapped)
    SharedFiles(calls).remove_tree(str(root))
    assert (elsewhere / "a.txt").read_bytes() == b"another's"
    monkeypatch.undo()
    SharedFiles(calls).remove_tree(str(root))
    assert not root.exists()
    assert (elsewhere / "a.txt").read_bytes() == b"another's"


@posix_only
def test_a_browser_s_profile_is_made_and_removed_by_the_system_and_nothing_behind_its_links(
    calls, tmp_path, monkeypatch
):
    monkeypatch.setattr(SharedFiles, "reachable", lambda _files, folder: str(folder))
    profiles, elsewhere = Profiles(SharedFiles(calls)), tmp_path / "elsewhere"
    profile = tmp_path / "exam-agent-browser" / "profile"
    profiles.make(profile)
    settings = profile / "Default" / "Preferences"
    assert settings.read_text(encoding="utf-8") == PREFERENCES
    assert calls.rights[str(profile.parent)][2:] == ("*S-1-1-0:(OI)(CI)(IO)M", "*S-1-1-0:M"), "it runs as the person"
    settings.write_text("the browser's own")
    profiles.make(profile)
    assert settings.read_text() == "the browser's own"
    elsewhere.mkdir()
    (elsewhere / "a.txt").write_bytes(b"another's")
    (profile / "Cache").symlink_to(elsewhere)
    profiles.remove(profile)
    assert not profile.exists()
    assert (elsewhere / "a.txt").exists()
    profile.mkdir()
    (profile / "Default").symlink_to(elsewhere)
    with pytest.raises(OSError, match="a link"):
        profiles.make(profile)
    assert [path.name for path in elsewhere.iterdir()] == ["a.txt"]


def test_nothing_is_kept_where_somebody_has_laid_a_link(calls, tmp_path):
    (tmp_path / "exam-work").symlink_to(tmp_path)
    assert not SharedFiles(calls).may_keep(str(tmp_path), "exam-work")
    assert SharedFiles(calls).may_keep(str(tmp_path), "exam-works")


@posix_only
def test_the_calls_themselves_say_that_this_is_not_windows():
    calls = WindowsFileCalls()
    for call in (
        lambda: calls.open_file("a", ALL, 0), lambda: calls.set_attributes("a", 2), lambda: calls.hold_folder("a"),
        lambda: calls.final_paths(0), lambda: calls.remove("a", bool),
    ):  # fmt: skip
        with pytest.raises(OSError, match="not Windows"):
            call()
    SharedFiles(calls).step_back()  # nothing depends on it
