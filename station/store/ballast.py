"""A file that only takes up space, so that it can be given up when the disk is full and answers are to be saved on."""

from __future__ import annotations

import os
from pathlib import Path

_BLOCK = 2**20
# In small parts, so that no answer's flush waits long behind this one.
_FLUSHED_AT_ONCE = 4 * 2**20
_NAME = "ballast.bin"


class Ballast:
    """The ballast of a data folder. `size` 0: there is none."""

    def __init__(self, folder: Path, size: int) -> None:
        self._path = folder / _NAME
        self.size = size

    @property
    def held(self) -> int:
        """How many bytes it takes up now."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def make(self) -> None:
        """Write it in full, to disk; if that fails, nothing is left of it.

        Random bytes: file systems that compress would make nothing of zeros.
        """
        block = os.urandom(min(_BLOCK, self.size))
        try:
            with self._path.open("wb") as stream:
                left = self.size
                while left > 0:
                    left -= stream.write(block[:left])
                    if left % _FLUSHED_AT_ONCE == 0 or left <= 0:
                        stream.flush()
                        os.fsync(stream.fileno())
        except OSError:
            self.release()
            raise

    def release(self) -> int:
        """Give it up; returns how many bytes that sets free."""
        held = self.held
        self._path.unlink(missing_ok=True)
        return held
