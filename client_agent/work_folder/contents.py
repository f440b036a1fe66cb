"""Read a candidate's file so that what is read is one state of it, and nobody notices.

A file is opened anew for each piece and let go at once: an open file would keep a program on Windows from replacing
it. Size and times are compared at every piece; when they differ, what was read is thrown away.
The generators here yield between pieces, so that one thread can look after much at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import BinaryIO, Generator

from client_agent.work_folder.files import FileHeld, Files, Mark

PIECE = 4 * 1024 * 1024
WHOLE_IN_MEMORY = 1024 * 1024
ROOM_TO_LEAVE = 512 * 1024 * 1024
HEAD, TAIL = 16, 66 * 1024

# A file of this kind that does not end like this is still being written, or broken.
ENDS = (
    (b"PK\x03\x04", b"PK\x05\x06"),  # docx, xlsx, pptx, wps files, zip
    (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
    (b"%PDF-", b"%%EOF"),
    (b"GIF8", b"\x3b"),
)


class NotAtRest(Exception):
    """The file changed, went away or was held while it was read."""


@dataclass(frozen=True)
class Snapshot:
    """One state of a file. `content` or `copy` hold it; with neither it is read from the file, while that lasts."""

    path: str
    mark: Mark
    sha256: str
    content: bytes | None = None
    copy: str | None = None

    @property
    def size(self) -> int:
        return self.mark.size

    def piece(self, files: Files, offset: int, size: int = PIECE) -> bytes:
        """Read a piece. Raises NotAtRest if the file has another state now."""
        if self.content is not None:
            return self.content[offset : offset + size]
        if self.copy is not None:
            with open(self.copy, "rb") as opened:
                opened.seek(offset)
                return opened.read(size)
        return read_piece(files, self.path, self.mark, offset, size)

    def let_go(self) -> None:
        """Remove the copy, if there is one."""
        if self.copy is not None:
            with contextlib.suppress(OSError):
                os.remove(self.copy)


def read_piece(files: Files, path: str, mark: Mark, offset: int, size: int) -> bytes:
    """Read a piece of a file that must have this mark before and after. Raises NotAtRest."""
    try:
        with contextlib.closing(files.open(path)) as opened:
            if files.mark(os.fstat(opened.fileno())) != mark:
                raise NotAtRest(path)
            opened.seek(offset)
            content = _read(opened, min(size, max(0, mark.size - offset)))
            if files.mark(os.fstat(opened.fileno())) != mark or len(content) < min(size, mark.size - offset):
                raise NotAtRest(path)
            return content
    except OSError as failure:  # FileHeld among them
        raise NotAtRest(path) from failure


def looks_whole(files: Files, path: str, mark: Mark) -> bool:
    """Say whether the file ends as its kind ends. Raises NotAtRest."""
    head = read_piece(files, path, mark, 0, HEAD)
    end = next((end for start, end in ENDS if head.startswith(start)), None)
    return end is None or end in read_piece(files, path, mark, max(0, mark.size - TAIL), TAIL)


def hash_of(files: Files, path: str, mark: Mark) -> Generator[None, None, str]:
    """Work out the SHA-256 of a file of this mark, with the memory of one piece. Raises NotAtRest."""
    digest = hashlib.sha256()
    for offset in range(0, max(1, mark.size), PIECE):
        digest.update(read_piece(files, path, mark, offset, PIECE))
        yield
    return digest.hexdigest()


def take_snapshot(
    files: Files, path: str, mark: Mark, *, known_sha256: str = "", copy_to: str | None = None
) -> Generator[None, None, Snapshot]:
    """Take one state of a file.

    A small file is kept in memory. A larger one is read again while it is sent; with `copy_to` (a file that does
    not rest) it is copied first, if the disk has room. `known_sha256` spares the reading. Raises NotAtRest.
    """
    if mark.size <= WHOLE_IN_MEMORY:
        content = read_piece(files, path, mark, 0, WHOLE_IN_MEMORY)
        return Snapshot(path, mark, hashlib.sha256(content).hexdigest(), content=content)
    if copy_to is not None and _has_room(os.path.dirname(copy_to), mark.size):
        sha256 = yield from _copy(files, path, mark, copy_to)
        if sha256:
            return Snapshot(path, mark, sha256, copy=copy_to)
    if not known_sha256:
        known_sha256 = yield from hash_of(files, path, mark)
    return Snapshot(path, mark, known_sha256)


def _copy(files: Files, path: str, mark: Mark, copy_to: str) -> Generator[None, None, str]:
    """Copy and give the SHA-256; empty if this disk did not take it."""
    digest = hashlib.sha256()
    try:
        with fresh_file(copy_to) as copy:
            for offset in range(0, mark.size, PIECE):
                piece = read_piece(files, path, mark, offset, PIECE)
                digest.update(piece)
                copy.write(piece)
                yield
        return digest.hexdigest()
    except BaseException as failure:
        with contextlib.suppress(OSError):
            os.remove(copy_to)
        if isinstance(failure, OSError):
            return ""
        raise


def fresh_file(path: str) -> BinaryIO:
    """Open a file that nobody has made before: what lies there may be a second name of another's."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    return open(path, "xb")


def _has_room(folder: str, size: int) -> bool:
    try:
        return shutil.disk_usage(folder).free > size + ROOM_TO_LEAVE
    except OSError:
        return False


def _read(opened: BinaryIO, size: int) -> bytes:
    content = b""
    while len(content) < size:
        more = opened.read(size - len(content))
        if not more:
            break
        content = content + more if content else more
    return content


__all__ = [
    "PIECE", "FileHeld", "NotAtRest", "Snapshot", "fresh_file", "hash_of", "looks_whole", "read_piece", "take_snapshot",
]  # fmt: skip
