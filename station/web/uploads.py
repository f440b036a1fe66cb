"""Receive a candidate's file: streamed to a part, checked while it comes, on disk before its row (design §13.8)."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from flask import request

from station.domain.file_kind import HEAD_BYTES, check_content
from station.domain.interaction import Deliverable, Files
from station.domain.item import Item
from station.errors import Invalid, Missing, problem
from station.store.files import path_of, settle

UPLOAD_TOO_LARGE = problem(
    "upload_too_large",
    "文件超过 {limit_mib} MB 的限制，请压缩图片或删减内容后重新上传。",
    "The file is larger than {limit_mib} MB. Make it smaller and upload again.",
)
UPLOAD_EMPTY = problem("upload_empty", "文件是空的，请检查后重新上传。", "The file is empty. Check it and try again.")
PART_UNKNOWN = problem("upload_part_unknown", "本题不需要这个文件。", "This item does not ask for that file.")

_CHUNK = 256 * 1024
_PART_SUFFIX = ".incoming"


@dataclass(frozen=True)
class Received:
    """A file that lies whole and flushed in a part; `settle_into` gives it its name."""

    part: Path
    sha256: str
    size: int

    def settle_into(self, folder: Path) -> None:
        """Put the file under its SHA-256; both file and name are on disk when this returns."""
        target = path_of(folder, self.sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        settle(self.part, target)


def deliverable_of(item: Item, part: str) -> Deliverable:
    """Find the wanted file of an item, or refuse."""
    wanted = item.interaction.by_id.get(part) if isinstance(item.interaction, Files) else None
    if wanted is None:
        raise Missing(PART_UNKNOWN)
    return wanted


def check_length(wanted: Deliverable) -> None:
    """Refuse by the announced length, before anything is read."""
    if request.content_length is not None and request.content_length > wanted.max_bytes:
        raise _too_large(wanted)


@contextmanager
def received(folder: Path, name: str, wanted: Deliverable) -> Iterator[Received]:
    """Read the request's body into a part of the folder; the part is gone afterwards unless it was settled."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{secrets.token_hex(8)}{_PART_SUFFIX}"
    try:
        yield _receive(part, name, wanted)
    finally:
        part.unlink(missing_ok=True)


def remove_leftovers(folder: Path, *, at: datetime) -> None:
    """Remove parts that a stop of the station left more than a day ago."""
    oldest = (at - timedelta(days=1)).timestamp()
    for part in folder.glob(f"*{_PART_SUFFIX}"):
        if part.stat().st_mtime < oldest:
            part.unlink(missing_ok=True)


def _receive(part: Path, name: str, wanted: Deliverable) -> Received:
    digest, size = hashlib.sha256(), 0
    with part.open("wb") as stream:
        while chunk := request.stream.read(_CHUNK):
            if size == 0:
                check_content(name, chunk[:HEAD_BYTES])
            size += len(chunk)
            if size > wanted.max_bytes:
                raise _too_large(wanted)
            digest.update(chunk)
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    if size == 0:
        raise Invalid(UPLOAD_EMPTY)
    return Received(part, digest.hexdigest(), size)


def _too_large(wanted: Deliverable) -> Invalid:
    return Invalid(UPLOAD_TOO_LARGE, limit_mib=f"{wanted.max_bytes / 1024 / 1024:g}")
