"""Contents of work folders on their way: pieces in order, resumed where they stopped, checked when all are in.

A part belongs to one attempt, so that nobody can spoil or take what another sends under the same hash. After a cut or
a stop of the station it goes on at its length; bytes that a power cut took or changed show in the hash at the end.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from station.errors import Refused, problem
from station.store.files import keep_file, path_of, settle

PIECE_MISPLACED = problem(
    "piece_misplaced",
    "这一段的位置不对，服务器已有 {have} 字节，请从那里继续。",
    "This piece does not follow on: the station has {have} bytes, go on there.",
)
CONTENT_DAMAGED = problem(
    "content_damaged",
    "文件内容在传送中损坏，将从头重新传送。",
    "The content was damaged on its way; it is sent anew from the start.",
)
CONTENT_UNTOLD = problem(
    "content_untold",
    "请先说明要发送的内容及其大小。",
    "Say first which content comes, and its size.",
)

LARGEST_PIECE = 4 * 2**20
FOLDER = "pieces"
SUFFIX = ".piece"
# So much may wait for the disk at most: a last flush of gigabytes would take longer than an agent waits.
FLUSH_EVERY = 32 * 2**20
KEPT = timedelta(days=1)
_CHUNK = 256 * 1024
_REMEMBERED = 512


@dataclass
class _Part:
    """What is known of a part: the hash of its first `read` bytes, and how much of it is flushed."""

    digest: Any = field(default_factory=hashlib.sha256)
    read: int = 0
    flushed: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)


class Pieces:
    """The parts below an upload folder."""

    def __init__(self, uploads: Path) -> None:
        self._uploads = uploads
        self._parts: OrderedDict[tuple[int, str], _Part] = OrderedDict()
        self._lock = threading.Lock()

    def have(self, attempt_id: int, sha256: str) -> int:
        """Say how many bytes of a part are here."""
        with suppress(FileNotFoundError):
            return self._path(attempt_id, sha256).stat().st_size
        return 0

    def take(self, attempt_id: int, sha256: str, *, size: int, offset: int, piece: bytes) -> int:
        """Add a piece; gives how many bytes are here now. At `size` the content lies on disk under its name.

        A piece elsewhere than at the end, or beyond the size: `piece_misplaced`. A wrong hash: `content_damaged`, and
        nothing is left of the part.
        """
        part = self._part(attempt_id, sha256)
        with part.turn:
            path = self._path(attempt_id, sha256)
            have = self.have(attempt_id, sha256)
            if offset != have or have + len(piece) > size:
                raise Refused(PIECE_MISPLACED, have=have)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as stream:
                stream.write(piece)
                have += len(piece)
                if have - part.flushed >= FLUSH_EVERY or have == size:
                    stream.flush()
                    os.fsync(stream.fileno())
                    part.flushed = have
            self._follow(part, path, piece, have)
            if have == size:
                self._finish(attempt_id, sha256, part, path)
            return have

    def take_empty(self) -> None:
        """Keep the content of no bytes, of which no piece comes."""
        keep_file(self._uploads, b"")

    def drop(self, attempt_id: int, sha256: str) -> None:
        """Begin a content anew."""
        part = self._part(attempt_id, sha256)
        with part.turn:
            self._path(attempt_id, sha256).unlink(missing_ok=True)
            self._forget(attempt_id, sha256)

    def remove_leftovers(self, *, at: datetime) -> None:
        """Remove parts to which nothing was added for a day."""
        oldest = (at - KEPT).timestamp()
        for path in (self._uploads / FOLDER).glob(f"*{SUFFIX}"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _follow(self, part: _Part, path: Path, piece: bytes, have: int) -> None:
        """Bring the hash up to the end: by the piece, or from the disk when the station was started meanwhile."""
        if part.read == have - len(piece):
            part.digest.update(piece)
        else:
            part.digest = hashlib.sha256()
            with path.open("rb") as stream:
                _read_into(part.digest, stream)
        part.read = have

    def _finish(self, attempt_id: int, sha256: str, part: _Part, path: Path) -> None:
        found = part.digest.hexdigest()
        self._forget(attempt_id, sha256)
        if found != sha256:
            path.unlink(missing_ok=True)
            raise Refused(CONTENT_DAMAGED)
        target = path_of(self._uploads, sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        settle(path, target)

    def _part(self, attempt_id: int, sha256: str) -> _Part:
        key = (attempt_id, sha256)
        with self._lock:
            part = self._parts.pop(key, None) or _Part()
            self._parts[key] = part
            while len(self._parts) > _REMEMBERED:
                self._parts.popitem(last=False)
            return part

    def _forget(self, attempt_id: int, sha256: str) -> None:
        """Forget the hash so far; whoever waits for the turn finds a part that begins anew."""
        part = self._parts.get((attempt_id, sha256))
        if part is not None:
            part.digest, part.read, part.flushed = hashlib.sha256(), 0, 0

    def _path(self, attempt_id: int, sha256: str) -> Path:
        return self._uploads / FOLDER / f"{attempt_id}-{sha256}{SUFFIX}"


def _read_into(digest: Any, stream: IO[bytes]) -> None:
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
