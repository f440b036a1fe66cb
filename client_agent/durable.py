"""Write a small file so that a power cut leaves the old one or the new one, and the new one after the return."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_REPLACE = 0x1
_WRITE_THROUGH = 0x8


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file's content: temp file beside it, flush, rename, flush of the folder. Raises OSError.

    After an error the old content stands, unless only the last flush failed.
    """
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    rename_durably(fresh, path)


def rename_durably(source: Path, target: Path) -> None:
    """Rename over an existing file, and make the new name last through a power cut. Raises OSError."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        if not kernel.MoveFileExW(str(source), str(target), _REPLACE | _WRITE_THROUGH):
            raise ctypes.WinError(ctypes.get_last_error())
    else:
        os.replace(str(source), str(target))
        sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder; Windows has no such call and writes each rename through instead."""
    if sys.platform != "win32":
        handle = os.open(str(folder), os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
