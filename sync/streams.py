"""File objects for pyrage that tally what passes through them: size, SHA-256 and CRC in one go.

pyrage turns an error of a file object (a full disk, a pulled stick) into one of its own, and swallows it
altogether when it happens in the last, buffered write. So these objects remember the first error, and
`raise_failure` must be called after every call of pyrage.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import BinaryIO, TypeVar

from sync.frame import FrameEntry

T = TypeVar("T")


class _Remembering:
    def __init__(self) -> None:
        self._failure: OSError | None = None

    def raise_failure(self) -> None:
        """Raise the first error that reading or writing ran into, if any."""
        if self._failure is not None:
            raise self._failure

    def _try(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except OSError as error:
            self._failure = self._failure or error
            raise


class Tally(_Remembering):
    """Size, SHA-256 and CRC of what is written, on its way to `stream` if there is one."""

    def __init__(self, stream: BinaryIO | None = None) -> None:
        super().__init__()
        self.size, self.crc = 0, 0
        self._stream, self._hash = stream, hashlib.sha256()

    def write(self, chunk: bytes) -> int:
        stream = self._stream
        if stream is not None:
            self._try(lambda: stream.write(chunk))
        self.size += len(chunk)
        self.crc = zlib.crc32(chunk, self.crc)
        self._hash.update(chunk)
        return len(chunk)

    def flush(self) -> None:
        """Do nothing: the file is flushed once, when it is complete (pyrage asks for it)."""

    def sha256(self) -> str:
        return self._hash.hexdigest()


class Source(_Remembering):
    """What is read to be packed; `tally` knows what has been read."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self.tally = Tally()
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        chunk = self._try(lambda: self._stream.read(size))
        self.tally.write(chunk)
        return chunk


class Range(Source):
    """One member's content within a container, as a file object of its own."""

    def __init__(self, stream: BinaryIO, entry: FrameEntry) -> None:
        super().__init__(stream)
        self.entry = entry
        stream.seek(entry.content_offset)

    def read(self, size: int = -1) -> bytes:
        left = self.entry.size - self.tally.size
        return super().read(left if size < 0 else min(size, left))
