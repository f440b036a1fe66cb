"""Uploads on their way in: what is on the disk is the offset, so that a power cut forgets nothing acknowledged."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from sync.errors import TransferFailed, problem
from sync.files import replace_file, sync_folder

UPLOAD_OFFSET_WRONG = problem(
    "upload_offset_wrong",
    "续传位置不一致：应从 {offset} 开始。请重新查询后续传。",
    "The upload goes on at {offset}. Ask for the offset and go on from there.",
)
UPLOAD_CHECKSUM_WRONG = problem(
    "upload_checksum_wrong",
    "这一段数据在传输中损坏，已丢弃。请重传这一段。",
    "This chunk was damaged on the way and was thrown away. Send it again.",
)
UPLOAD_BUSY = problem(
    "upload_busy",
    "同一数据包正在由另一连接上传。请稍后再试。",
    "Another connection is sending this package. Try again later.",
)
UPLOAD_TOO_LONG = problem(
    "upload_too_long",
    "传来的数据超过声明的长度 {length}。",
    "More bytes were sent than the declared length {length}.",
)

COPY_BYTES = 256 * 1024


@dataclass(frozen=True)
class Upload:
    """A package that a station has announced."""

    id: str
    station_id: str
    package_id: str
    sha256: str
    length: int


class Uploads:
    """The uploads folder: `<id>.json` says what is coming, `<id>.part` holds what has come."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._busy: set[str] = set()
        self._guard = threading.Lock()

    def create(self, *, station_id: str, package_id: str, sha256: str, length: int) -> Upload:
        """Announce a package and return its upload, with nothing in it yet."""
        upload = Upload(secrets.token_urlsafe(16), station_id, package_id, sha256, length)
        self.part(upload).touch()
        replace_file(self._description(upload.id), json.dumps(asdict(upload)).encode("utf-8"))
        return upload

    def find(self, id: str, station_id: str) -> Upload | None:
        """Return a station's own upload; another's is as unknown as one that is not there."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id) or not self._description(id).exists():
            return None
        upload = Upload(**json.loads(self._description(id).read_text("utf-8")))
        return upload if upload.station_id == station_id and self.part(upload).exists() else None

    def part(self, upload: Upload) -> Path:
        return self._folder / f"{upload.id}.part"

    def offset(self, upload: Upload) -> int:
        return self.part(upload).stat().st_size

    def append(self, upload: Upload, offset: int, stream: IO[bytes], *, checksum: str | None = None) -> int:
        """Add a chunk at `offset` and return the new offset, which is on the disk by then.

        A chunk with a wrong checksum or beyond the declared length leaves the upload as it was.
        """
        with self._guard:
            if upload.id in self._busy:
                raise TransferFailed(UPLOAD_BUSY)
            self._busy.add(upload.id)
        try:
            return self._append(upload, offset, stream, checksum)
        finally:
            with self._guard:
                self._busy.discard(upload.id)

    def forget(self, upload: Upload) -> None:
        """Remove an upload and what came of it."""
        self._description(upload.id).unlink(missing_ok=True)
        self.part(upload).unlink(missing_ok=True)
        sync_folder(self._folder)

    def _append(self, upload: Upload, offset: int, stream: IO[bytes], checksum: str | None) -> int:
        with self.part(upload).open("r+b") as part:
            at = part.seek(0, os.SEEK_END)
            if at != offset:
                raise TransferFailed(UPLOAD_OFFSET_WRONG, offset=at)
            digest = hashlib.sha256()
            while chunk := stream.read(COPY_BYTES):
                part.write(chunk)
                digest.update(chunk)
            reached = part.tell()
            refusal = None
            if reached > upload.length:
                refusal = TransferFailed(UPLOAD_TOO_LONG, length=upload.length)
            elif checksum is not None and checksum != base64.b64encode(digest.digest()).decode("ascii"):
                refusal = TransferFailed(UPLOAD_CHECKSUM_WRONG)
            if refusal is not None:
                part.truncate(at)
            part.flush()
            os.fsync(part.fileno())
        if refusal is not None:
            raise refusal
        return reached

    def _description(self, id: str) -> Path:
        return self._folder / f"{id}.json"
