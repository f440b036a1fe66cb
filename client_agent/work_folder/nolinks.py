"""Reach files step by step through open folders (POSIX), so that no link on the way is followed.

The agent is root, and the candidate may change everything inside the work folder at any moment: a path that was looked
at may lead elsewhere when it is used. A folder that is open stays the same folder.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import uuid
from typing import List, Sequence

FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
# Nobody works in folders deeper than that; what lies deeper is moved up before it is removed.
DEEPEST = 60
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def open_folder(path: str) -> int:
    """Open a folder for reaching what is in it. Raises OSError, also where any part of the path is a link."""
    only_reach = getattr(os, "O_PATH", 0)
    folder = os.open(os.sep, FOLDER | only_reach)
    for part in os.path.abspath(path).split(os.sep):
        if part:
            try:
                deeper = os.open(part, FOLDER | NO_LINK | only_reach, dir_fd=folder)
            finally:
                os.close(folder)
            folder = deeper
    return folder


def open_file(path: str) -> int:
    """Open a file for reading. Raises OSError, also for what is no file and where any part of the path is a link."""
    # Not blocking: a pipe that took the file's place would wait for its writer.
    flags = os.O_RDONLY | NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    folder = open_folder(os.path.dirname(path))
    try:
        descriptor = os.open(os.path.basename(path), flags, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"not a file: {path}")
    return descriptor


def is_own(status: os.stat_result) -> bool:
    """Say whether a folder is this account's, and nobody else may put anything into it or take it away."""
    return stat.S_ISDIR(status.st_mode) and status.st_uid == _own_number() and not status.st_mode & OTHERS_WRITE


def may_lie_below(status: os.stat_result) -> bool:
    """Say whether others can neither rename nor replace what this account makes in this folder."""
    is_guarded = not status.st_mode & OTHERS_WRITE or bool(status.st_mode & stat.S_ISVTX)
    return stat.S_ISDIR(status.st_mode) and status.st_uid in (0, _own_number()) and is_guarded


def remove_tree(path: str) -> None:
    """Remove what can be removed, also what is read-only, however deep; the links in it and not where they lead."""
    with contextlib.suppress(OSError):
        above = open_folder(os.path.dirname(path))
        try:
            waiting = [os.path.basename(path)]
            while waiting:
                waiting += _remove(above, waiting.pop(), above, 0)
        finally:
            os.close(above)


def _remove(folder: int, name: str, top: int, depth: int) -> Sequence[str]:
    """Remove one name of a folder; gives under which names of `top` lies what was too deep."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)
        return ()
    moved: List[str] = []
    with contextlib.suppress(OSError):
        if _own_number():  # root needs no right; for anybody else it is their own folder
            os.chmod(name, stat.S_IRWXU, dir_fd=folder)
        if depth > DEEPEST:
            aside = uuid.uuid4().hex
            os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=top)
            return (aside,)
        deeper = os.open(name, FOLDER | NO_LINK, dir_fd=folder)
        try:
            for inside in os.listdir(deeper):
                moved += _remove(deeper, inside, top, depth + 1)
        finally:
            os.close(deeper)
        os.rmdir(name, dir_fd=folder)
    return moved


def _own_number() -> int:
    if sys.platform != "win32":
        return os.geteuid()
    else:
        return 0
