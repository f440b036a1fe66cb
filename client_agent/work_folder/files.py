"""What the work folder needs of the file system beyond what is alike everywhere.

`PlainFiles` is the POSIX way; Windows brings its own (`client_agent.windows.files`), chosen by the command line.
A path is a string here: on Windows it carries a prefix that lifts the limit of 260 characters.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import threading
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, Sequence

from client_agent.work_folder import nolinks

REPARSE_POINT = 0x400  # of Windows' file attributes


class Mark(NamedTuple):
    """By what a changed file is known. None: not known (read back from the ledger), fits anything."""

    size: int
    mtime_ns: int
    ctime_ns: int | None = None
    inode: int | None = None

    def fits(self, other: Mark) -> bool:
        """Say whether both can be the same content of the same file."""
        return all(mine is None or its is None or mine == its for mine, its in zip(self, other))


class FileHeld(OSError):
    """Another program keeps this file to itself at the moment."""


class Files(Protocol):
    """How files of the candidate are looked at without ever standing in the way of the program that writes them."""

    listing_may_lag: bool  # a listing may tell an old size of a file that is open

    def reachable(self, folder: Path) -> str:
        """Write a folder's path so that what lies deep in it can be reached, too."""
        ...

    def mark(self, status: os.stat_result) -> Mark: ...

    def is_link(self, entry: os.DirEntry[str]) -> bool:
        """Say whether an entry leads elsewhere (symbolic link, junction)."""
        ...

    def is_foreign(self, status: os.stat_result) -> bool:
        """Say whether a file in the folder is another's that was only given a second name there (hard link)."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Open for reading, sharing everything; no part of the path may be a link. Raises FileHeld, else OSError."""
        ...

    def is_held(self, path: str) -> bool:
        """Say whether another program has this file open."""
        ...

    def may_keep(self, base: str, name: str) -> bool:
        """Say whether the agent's own folder `name` can lie in `base` without another account changing it for one
        of theirs: what the agent writes there would go where they want."""
        ...

    def make_folder(self, root: str, local: str, *, is_theirs: bool = True) -> None:
        """Make a folder below `root` with those above it, following no link; the candidate's own if `is_theirs`.

        Not theirs: raises PermissionError where one of the folders is another account's.
        """
        ...

    def put(self, source: str, root: str, local: str) -> None:
        """Move a file of the agent's to its place below `root` in one step, as the candidate's own.

        Follows no link below `root`: who may write there must not lead the agent elsewhere. PermissionError: held.
        """
        ...

    def rename(self, root: str, local: str, new_local: str) -> None:
        """Give a file below `root` another name in the same folder, following no link."""
        ...

    def fit_name(self, name: str) -> str:
        """Shorten a name to what this file system can hold."""
        ...

    def remove_tree(self, folder: str) -> None:
        """Remove what can be removed; of a link in it the link itself, whatever is changed there meanwhile."""
        ...

    def hide(self, folder: str) -> None:
        """Keep a folder of the agent's from people."""
        ...

    def step_back(self) -> None:
        """Let the calling thread give way to the programs of the candidate."""
        ...


class PlainFiles:
    """POSIX file systems. `person`: whose the folder shall be when the agent runs as root."""

    listing_may_lag = False
    longest_name_bytes = 255

    def __init__(self, person: str = "") -> None:
        self._owner = _ids_of(person) if person else None

    def reachable(self, folder: Path) -> str:
        return os.path.realpath(str(folder))  # no link is followed from here on

    def mark(self, status: os.stat_result) -> Mark:
        return Mark(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    def is_link(self, entry: os.DirEntry[str]) -> bool:
        return entry.is_symlink()

    def is_foreign(self, status: os.stat_result) -> bool:
        return self._owner is not None and status.st_nlink > 1 and status.st_uid != self._owner[0]

    def open(self, path: str) -> BinaryIO:
        descriptor = nolinks.open_file(path)
        if self.is_foreign(os.fstat(descriptor)):
            os.close(descriptor)
            raise PermissionError(f"another's file: {path}")
        return os.fdopen(descriptor, "rb", buffering=0)

    def is_held(self, path: str) -> bool:
        """Look through the processes whose open files this one may see."""
        real, own = os.path.realpath(path), str(os.getpid())
        with contextlib.suppress(OSError):
            for process in os.listdir("/proc"):
                if process.isdigit() and process != own and _has_open(process, real):
                    return True
        return False

    def may_keep(self, base: str, name: str) -> bool:
        if self._owner is None:
            return True  # the agent is the person who works here
        try:
            if not nolinks.may_lie_below(os.stat(base)):
                return False
            return nolinks.is_own(os.lstat(os.path.join(base, name)))
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def make_folder(self, root: str, local: str, *, is_theirs: bool = True) -> None:
        os.close(self._enter(root, local.split(os.sep), self._owner if is_theirs else None, is_ours=not is_theirs))

    def put(self, source: str, root: str, local: str) -> None:
        if self._owner is not None:
            _give(source, self._owner)
        *above, name = local.split(os.sep)
        folder = self._enter(root, above, self._owner)
        try:
            os.rename(source, name, dst_dir_fd=folder)
        finally:
            os.close(folder)

    def rename(self, root: str, local: str, new_local: str) -> None:
        *above, name = local.split(os.sep)
        folder = self._enter(root, above, self._owner)
        try:
            os.rename(name, os.path.basename(new_local), src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)

    def remove_tree(self, folder: str) -> None:
        nolinks.remove_tree(folder)

    def _enter(self, root: str, parts: Sequence[str], owner: tuple[int, int] | None, *, is_ours: bool = False) -> int:
        """Open a folder step by step, so that no link is followed; make what is missing."""
        folder = nolinks.open_folder(root)
        for part in parts:
            try:
                is_new = _make(part, folder)
                deeper = os.open(part, nolinks.FOLDER | nolinks.NO_LINK, dir_fd=folder)
            finally:
                os.close(folder)
            folder = deeper
            if is_new and owner is not None:
                _give(folder, owner)
            if is_ours and self._owner is not None and not nolinks.is_own(os.fstat(folder)):
                os.close(folder)
                raise PermissionError(f"another account made this folder: {part}")
        return folder

    def fit_name(self, name: str) -> str:
        if len(os.fsencode(name)) <= self.longest_name_bytes:
            return name
        stem, dot, suffix = name.rpartition(".")
        if not dot or len(suffix) > 16:
            stem, suffix = name, ""
        tail = f"~{_digest(name)}{dot and suffix and '.'}{suffix}"
        room = self.longest_name_bytes - len(os.fsencode(tail))
        return os.fsencode(stem)[:room].decode("utf-8", "ignore") + tail

    def hide(self, folder: str) -> None:
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)

    def step_back(self) -> None:
        setpriority = getattr(os, "setpriority", None)
        if setpriority is not None:  # on Linux a niceness belongs to the thread
            with contextlib.suppress(OSError):
                setpriority(getattr(os, "PRIO_PROCESS", 0), threading.get_native_id(), 10)


def leads_elsewhere(path: str) -> bool:
    """Say whether a path that is there is a link: a symbolic one, or a junction of Windows."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISLNK(status.st_mode) or is_reparse_point(status)


def is_reparse_point(status: os.stat_result) -> bool:
    return bool(getattr(status, "st_file_attributes", 0) & REPARSE_POINT)


def _make(name: str, folder: int) -> bool:
    try:
        os.mkdir(name, 0o755, dir_fd=folder)
    except FileExistsError:
        return False
    return True


def _give(what: str | int, owner: tuple[int, int]) -> None:
    if sys.platform != "win32":
        os.chown(what, *owner)


def _ids_of(person: str) -> tuple[int, int] | None:
    if sys.platform != "win32":
        import pwd

        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(person)
            return found.pw_uid, found.pw_gid
    return None


def _has_open(process: str, path: str) -> bool:
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{process}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{process}/fd/{number}") == path:
                    return True
    return False


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:6]
