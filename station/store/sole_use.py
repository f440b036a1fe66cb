"""One process a folder: two that both believe themselves the station would collect and give back time twice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

from station.errors import Unsound, problem

FOLDER_IN_USE = problem(
    "folder_in_use",
    "数据文件夹 {folder} 正由另一个考站进程使用，不能再次启动。",
    "Another process of the station uses the folder {folder}: it cannot be started a second time.",
)
LOCK_NAME = "station.lock"


def take_folder(folder: Path) -> IO[bytes]:
    """Hold the folder until the file is closed or the process ends, however it ends; refuse when it is held."""
    held = (folder / LOCK_NAME).open("ab")
    try:
        _lock(held)
    except OSError as error:
        held.close()
        raise Unsound(FOLDER_IN_USE, folder=folder) from error
    return held


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
