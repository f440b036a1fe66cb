"""Files under their SHA-256: written whole, flushed to disk, then known by name (design §13.8)."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def keep_file(folder: Path, content: bytes) -> str:
    """Write content into the folder under its SHA-256 and give that name back; it is on disk when this returns.

    The same content again writes nothing.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    target = path_of(folder, sha256)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{sha256}.{os.getpid()}.part")
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        settle(part, target)
    return sha256


def settle(part: Path, target: Path) -> None:
    """Give a written and flushed part its final name (`path_of`), and flush every name on the way to it.

    The folders above are flushed each time: that they are there does not say that their names are on disk, and with
    the name of a folder goes everything in it.
    """
    part.replace(target)
    for folder in list(target.parents)[:3]:
        flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Flush a folder's names to disk; Windows does so by itself and cannot be asked."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def path_of(folder: Path, sha256: str) -> Path:
    """Say where content of this SHA-256 lies: in a sub-folder of its first two digits."""
    return folder / sha256[:2] / sha256
