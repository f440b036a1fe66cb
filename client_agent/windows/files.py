"""Windows: look at a candidate's files without standing in the way of the program that writes them.

Python's own `open` lets nobody rename or delete the file meanwhile, which breaks the way editors save. Not tried on a
real Windows 7; the rules are tested over calls that a test stands in for.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO, Protocol

from client_agent.windows.ffi import BOOL, DWORD, HANDLE, LPCWSTR, POINTER, checked, kernel32, last_error
from client_agent.work_folder.files import FileHeld, Mark

GENERIC_READ = 0x80000000
SHARE_READ, SHARE_WRITE, SHARE_DELETE = 0x1, 0x2, 0x4
OPEN_EXISTING = 3
INVALID_HANDLE = ctypes.c_void_p(-1).value
# The link itself and not where it leads; what is read once need not push out what programs hold in memory.
OPEN_REPARSE_POINT, SEQUENTIAL_SCAN = 0x00200000, 0x08000000
SHARING_VIOLATION, LOCK_VIOLATION = 32, 33
FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_REPARSE_POINT = 0x2, 0x400
THREAD_PRIORITY_LOWEST = -2
LONG = "\\\\?\\"
LONG_SHARE = "\\\\?\\UNC\\"
LONGEST_NAME = 255


class FileCalls(Protocol):
    """The calls to Windows. Whatever it refuses raises OSError with `winerror`."""

    def open_file(self, path: str, share: int, flags: int) -> int:
        """CreateFileW for reading an existing file; gives a descriptor."""
        ...

    def set_attributes(self, path: str, attributes: int) -> None: ...

    def lower_thread(self, priority: int) -> None: ...


class WindowsFileCalls:
    """The calls by ctypes."""

    def open_file(self, path: str, share: int, flags: int) -> int:
        create = kernel32("CreateFileW", HANDLE, LPCWSTR, DWORD, DWORD, POINTER, DWORD, DWORD, HANDLE)
        handle = create(path, GENERIC_READ, share, None, OPEN_EXISTING, flags, None)
        if handle is None or handle == INVALID_HANDLE:
            raise last_error(f"CreateFile {path}")
        if sys.platform == "win32":
            import msvcrt

            return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY | os.O_NOINHERIT)
        else:
            raise OSError("not Windows")

    def set_attributes(self, path: str, attributes: int) -> None:
        checked(kernel32("SetFileAttributesW", BOOL, LPCWSTR, DWORD)(path, attributes), f"SetFileAttributes {path}")

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
        return _is_reparse_point(entry.stat(follow_symlinks=False))

    def open(self, path: str) -> BinaryIO:
        descriptor = self._open(path, SHARE_READ | SHARE_WRITE | SHARE_DELETE)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"not a file: {path}")
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

    def make_folder(self, root: str, local: str, *, is_theirs: bool = True) -> None:
        """Rights come from the drive: who works at the PC may write there."""
        path = root
        for part in local.split(os.sep):
            path = os.path.join(path, part)
            with contextlib.suppress(FileExistsError):
                os.mkdir(path)
            if _leads_elsewhere(path):
                raise OSError(f"a link: {path}")

    def put(self, source: str, root: str, local: str) -> None:
        if os.path.dirname(local):
            self.make_folder(root, os.path.dirname(local))
        os.replace(source, os.path.join(root, local))

    def rename(self, root: str, local: str, new_local: str) -> None:
        if os.path.dirname(local):
            self.make_folder(root, os.path.dirname(local))
        os.rename(os.path.join(root, local), os.path.join(root, new_local))

    def fit_name(self, name: str) -> str:
        if len(name) <= LONGEST_NAME:
            return name
        stem, suffix = os.path.splitext(name)
        return stem[: LONGEST_NAME - len(suffix[:16])] + suffix[:16]

    def hide(self, folder: str) -> None:
        with contextlib.suppress(OSError):
            self._calls.set_attributes(folder, FILE_ATTRIBUTE_HIDDEN)

    def step_back(self) -> None:
        with contextlib.suppress(OSError):
            self._calls.lower_thread(THREAD_PRIORITY_LOWEST)

    def _open(self, path: str, share: int) -> int:
        try:
            return self._calls.open_file(path, share, OPEN_REPARSE_POINT | SEQUENTIAL_SCAN)
        except OSError as failure:
            if getattr(failure, "winerror", 0) in (SHARING_VIOLATION, LOCK_VIOLATION):
                raise FileHeld(str(failure)) from failure
            raise


def _leads_elsewhere(path: str) -> bool:
    return os.path.islink(path) or _is_reparse_point(os.lstat(path))


def _is_reparse_point(status: os.stat_result) -> bool:
    return bool(getattr(status, "st_file_attributes", 0) & FILE_ATTRIBUTE_REPARSE_POINT)
