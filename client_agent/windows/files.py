"""Windows: look at a candidate's files without standing in the way of the program that writes them.

Python's own `open` lets nobody rename or delete the file meanwhile, which breaks the way editors save. Not tried on a
real Windows 7; the rules are tested over calls that a test stands in for.
"""

from __future__ import annotations

import contextlib
import ctypes
import ntpath
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator, Protocol, Sequence

from client_agent.windows.api import system_program
from client_agent.windows.ffi import (
    BOOL,
    DWORD,
    HANDLE,
    LPCWSTR,
    LPWSTR,
    POINTER,
    checked,
    close,
    kernel32,
    last_error,
)
from client_agent.work_folder.files import FileHeld, Mark, is_reparse_point, leads_elsewhere

GENERIC_READ = 0x80000000
DELETE, READ_ATTRIBUTES, WRITE_ATTRIBUTES = 0x00010000, 0x80, 0x100
SHARE_READ, SHARE_WRITE, SHARE_DELETE = 0x1, 0x2, 0x4
OPEN_EXISTING = 3
INVALID_HANDLE = ctypes.c_void_p(-1).value
# The link itself and not where it leads; what is read once need not push out what programs hold in memory.
OPEN_REPARSE_POINT, SEQUENTIAL_SCAN = 0x00200000, 0x08000000
BACKUP_SEMANTICS = 0x02000000  # without it no folder is opened
SHARING_VIOLATION, LOCK_VIOLATION = 32, 33
FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_NORMAL = 0x2, 0x80
VOLUME_NAME_DOS, VOLUME_NAME_NONE = 0x0, 0x4
BASIC_INFO, DISPOSITION_INFO = 0, 4
THREAD_PRIORITY_LOWEST = -2
LONG = "\\\\?\\"
LONG_SHARE = "\\\\?\\UNC\\"
LONGEST_NAME = 255
EVERYBODY, SYSTEM, ADMINISTRATORS = "*S-1-1-0", "*S-1-5-18", "*S-1-5-32-544"
# (OI)(CI): for what is made in it, too; (IO): only for that.
OWN_FOLDER = (f"{SYSTEM}:(OI)(CI)F", f"{ADMINISTRATORS}:(OI)(CI)F", f"{EVERYBODY}:(OI)(CI)(IO)M")


class FileCalls(Protocol):
    """The calls to Windows. Whatever it refuses raises OSError with `winerror`."""

    def open_file(self, path: str, share: int, flags: int) -> int:
        """CreateFileW for reading an existing file; gives a descriptor."""
        ...

    def final_paths(self, descriptor: int) -> Sequence[str]:
        """GetFinalPathNameByHandleW: where what is open lies, all links followed; without its drive, and with it."""
        ...

    def remove(self, path: str, is_there: Callable[[Sequence[str]], bool]) -> None:
        """Open a file, an empty folder or a link itself, ask `is_there` for its final paths, and remove what is open.

        What is open is the same all along, whatever lies at the path meanwhile.
        """
        ...

    def hold_folder(self, path: str) -> int:
        """Open a folder so that nobody can rename or remove it while it is open; gives a descriptor."""
        ...

    def set_attributes(self, path: str, attributes: int) -> None: ...

    def set_rights(self, path: str, *rights: str) -> None:
        """Set who may do what with a folder of the agent's, and what is made in it gets by itself (icacls)."""
        ...

    def lower_thread(self, priority: int) -> None: ...


class Basics(ctypes.Structure):
    """FILE_BASIC_INFO: what a file is; times of 0 stay as they are."""

    _fields_ = [("times", ctypes.c_int64 * 4), ("attributes", ctypes.c_uint32)]


class WindowsFileCalls:
    """The calls by ctypes."""

    def open_file(self, path: str, share: int, flags: int) -> int:
        return _descriptor(_create(path, GENERIC_READ, share, flags))

    def final_paths(self, descriptor: int) -> Sequence[str]:
        if sys.platform == "win32":
            import msvcrt

            return _final_paths(msvcrt.get_osfhandle(descriptor))
        else:
            raise OSError("not Windows")

    def remove(self, path: str, is_there: Callable[[Sequence[str]], bool]) -> None:
        rights = DELETE | READ_ATTRIBUTES | WRITE_ATTRIBUTES
        share = SHARE_READ | SHARE_WRITE | SHARE_DELETE
        handle = _create(path, rights, share, OPEN_REPARSE_POINT | BACKUP_SEMANTICS)
        try:
            if not is_there(_final_paths(handle)):
                raise OSError(f"it lies elsewhere: {path}")
            put = kernel32("SetFileInformationByHandle", BOOL, HANDLE, ctypes.c_int, POINTER, DWORD)
            plain, gone = Basics(attributes=FILE_ATTRIBUTE_NORMAL), ctypes.c_ubyte(1)
            put(handle, BASIC_INFO, ctypes.byref(plain), ctypes.sizeof(plain))  # what is read-only stays else
            checked(put(handle, DISPOSITION_INFO, ctypes.byref(gone), 1), f"remove {path}")
        finally:
            close(handle)

    def hold_folder(self, path: str) -> int:
        flags = OPEN_REPARSE_POINT | BACKUP_SEMANTICS
        return _descriptor(_create(path, GENERIC_READ, SHARE_READ | SHARE_WRITE, flags))

    def set_attributes(self, path: str, attributes: int) -> None:
        checked(kernel32("SetFileAttributesW", BOOL, LPCWSTR, DWORD)(path, attributes), f"SetFileAttributes {path}")

    def set_rights(self, path: str, *rights: str) -> None:
        """An owner may always set the rights again: a folder that somebody made before is taken from them first."""
        for words in (["/setowner", ADMINISTRATORS], ["/reset"], ["/inheritance:r", "/grant", *rights]):
            flags = 0x08000000 if sys.platform == "win32" else 0  # no window
            subprocess.run(
                [system_program("icacls.exe"), path, *words, "/Q"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, creationflags=flags, timeout=60, check=True,
            )  # fmt: skip

    def lower_thread(self, priority: int) -> None:
        thread = kernel32("GetCurrentThread", HANDLE)()
        checked(kernel32("SetThreadPriority", BOOL, HANDLE, ctypes.c_int)(thread, priority), "SetThreadPriority")


class SharedFiles:
    """Files of NTFS and FAT drives."""

    listing_may_lag = True  # a folder learns the size of an open file when it is closed

    def __init__(self, calls: FileCalls | None = None) -> None:
        self._calls = calls or WindowsFileCalls()

    def reachable(self, folder: Path) -> str:
        """Write the path so that it may be longer than 260 characters."""
        path = os.path.abspath(str(folder))
        if path.startswith(LONG):
            return path
        return LONG_SHARE + path[2:] if path.startswith("\\\\") else LONG + path

    def mark(self, status: os.stat_result) -> Mark:
        """Leave out the number of the file: a listing does not tell it. `st_ctime` is when it was made."""
        return Mark(status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def is_link(self, entry: os.DirEntry[str]) -> bool:
        """Say whether it is a symbolic link or a junction."""
        if entry.is_symlink():
            return True
        return is_reparse_point(entry.stat(follow_symlinks=False))

    def is_foreign(self, status: os.stat_result) -> bool:
        """A listing tells neither; Windows 10 lets nobody link to a file that they may not change."""
        return False

    def open(self, path: str) -> BinaryIO:
        descriptor = self._open(path, SHARE_READ | SHARE_WRITE | SHARE_DELETE)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"not a file: {path}")
            self._check_place(descriptor, path)
        except OSError:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, "rb", buffering=0)

    def is_held(self, path: str) -> bool:
        """Try to open it for this process alone."""
        try:
            os.close(self._open(path, 0))
        except FileHeld:
            return True
        except OSError:
            return False
        return False

    def may_keep(self, base: str, name: str) -> bool:
        return not leads_elsewhere(os.path.join(base, name))

    def make_folder(self, root: str, local: str, *, is_theirs: bool = True) -> None:
        """Rights come from the drive: who works at the PC may write there."""
        path = root
        for part in local.split(os.sep):
            path = os.path.join(path, part)
            with contextlib.suppress(FileExistsError):
                os.mkdir(path)
            if leads_elsewhere(path):
                raise OSError(f"a link: {path}")

    def put(self, source: str, root: str, local: str) -> None:
        if os.path.dirname(local):
            self.make_folder(root, os.path.dirname(local))
        target = os.path.join(root, local)
        with self._held(os.path.dirname(target)):
            os.replace(source, target)

    def make_file(self, root: str, local: str, content: bytes) -> None:
        """Make a file that is not there yet, with those above it."""
        self.make_folder(root, os.path.dirname(local))
        target = os.path.join(root, local)
        with self._held(os.path.dirname(target)), contextlib.suppress(FileExistsError), open(target, "xb") as made:
            made.write(content)

    def rename(self, root: str, local: str, new_local: str) -> None:
        if os.path.dirname(local):
            self.make_folder(root, os.path.dirname(local))
        target = os.path.join(root, new_local)
        with self._held(os.path.dirname(target)):
            os.rename(os.path.join(root, local), target)

    def remove_tree(self, folder: str) -> None:
        """List first, then remove from the deepest up; what is not where it was listed stays."""
        found = [folder]
        for path in found:  # grows meanwhile
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(os.lstat(path).st_mode) and not leads_elsewhere(path):
                    found += [os.path.join(path, name) for name in os.listdir(path)]
        for path in reversed(found):
            with contextlib.suppress(OSError):
                self._calls.remove(path, lambda finals, path=path: _lies_at(path, finals))  # type: ignore[misc]

    def fit_name(self, name: str) -> str:
        if len(name) <= LONGEST_NAME:
            return name
        stem, suffix = os.path.splitext(name)
        return stem[: LONGEST_NAME - len(suffix[:16])] + suffix[:16]

    def hide(self, folder: str) -> None:
        """Hide it, and let nobody else change it or what holds it; what is made in it everybody may change.

        A file keeps the rights it was made with when it is moved into the candidate's folder. Where there are no
        rights (FAT) or the agent is no administrator all stays as it is.
        """
        with contextlib.suppress(OSError):
            self._calls.set_attributes(folder, FILE_ATTRIBUTE_HIDDEN)
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self._calls.set_rights(_short(os.path.dirname(folder)), *OWN_FOLDER, f"{EVERYBODY}:RX")
            self._calls.set_rights(_short(folder), *OWN_FOLDER)

    def let_all_write(self, folder: str) -> None:
        """Let everybody change what is in a folder, also what the agent makes there."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self._calls.set_rights(_short(folder), *OWN_FOLDER, f"{EVERYBODY}:M")

    def step_back(self) -> None:
        with contextlib.suppress(OSError):
            self._calls.lower_thread(THREAD_PRIORITY_LOWEST)

    @contextlib.contextmanager
    def _held(self, folder: str) -> Iterator[None]:
        """Keep a folder where it is, and make sure that it is there. Raises PermissionError if a program holds it."""
        try:
            descriptor = self._calls.hold_folder(folder)
        except OSError as failure:
            if getattr(failure, "winerror", 0) in (SHARING_VIOLATION, LOCK_VIOLATION):
                raise PermissionError(str(failure)) from failure
            raise
        try:
            self._check_place(descriptor, folder)
            yield
        finally:
            os.close(descriptor)

    def _check_place(self, descriptor: int, path: str) -> None:
        """Refuse what was reached through a link: SYSTEM may read and write where the candidate may not."""
        try:
            is_there = _lies_at(path, self._calls.final_paths(descriptor))
        except OSError:  # the drive's driver cannot tell: each folder on the way is looked at
            above = [path]
            while os.path.dirname(above[-1]) != above[-1]:
                above.append(os.path.dirname(above[-1]))
            is_there = not any(leads_elsewhere(one) for one in above)
        if not is_there:
            raise OSError(f"a link leads elsewhere: {path}")

    def _open(self, path: str, share: int) -> int:
        try:
            return self._calls.open_file(path, share, OPEN_REPARSE_POINT | SEQUENTIAL_SCAN)
        except OSError as failure:
            if getattr(failure, "winerror", 0) in (SHARING_VIOLATION, LOCK_VIOLATION):
                raise FileHeld(str(failure)) from failure
            raise


def _lies_at(path: str, finals: Sequence[str]) -> bool:
    """Compare where something lies with the path by which it was asked for, case aside."""
    asked = _short(path).casefold()
    return any(_short(final).casefold() in (asked, ntpath.splitdrive(asked)[1]) for final in finals)


def _short(path: str) -> str:
    """Write a path without the prefix that lifts the limit of 260 characters."""
    if path.startswith(LONG_SHARE):
        return "\\\\" + path[len(LONG_SHARE) :]
    return path[len(LONG) :] if path.startswith(LONG) else path


def _create(path: str, rights: int, share: int, flags: int) -> Any:
    create = kernel32("CreateFileW", HANDLE, LPCWSTR, DWORD, DWORD, POINTER, DWORD, DWORD, HANDLE)
    handle = create(path, rights, share, None, OPEN_EXISTING, flags, None)
    if handle is None or handle == INVALID_HANDLE:
        raise last_error(f"CreateFile {path}")
    return handle


def _descriptor(handle: Any) -> int:
    if sys.platform == "win32":
        import msvcrt

        return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY | os.O_NOINHERIT)
    else:
        raise OSError("not Windows")


def _final_paths(handle: Any) -> Sequence[str]:
    """Ask for both kinds: some drivers of drives know only one."""
    found: list[str] = []
    ask = kernel32("GetFinalPathNameByHandleW", DWORD, HANDLE, LPWSTR, DWORD, DWORD)
    for kind in (VOLUME_NAME_NONE, VOLUME_NAME_DOS):
        path = ctypes.create_unicode_buffer(32768)
        if 0 < ask(handle, path, len(path), kind) < len(path):
            found.append(path.value)
    if not found:
        raise last_error("GetFinalPathNameByHandle")
    return found
