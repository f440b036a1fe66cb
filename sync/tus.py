"""A tus 1.0 client with the creation extension, and checksums where the platform offers them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sync.conversation import (
    BUSY,
    NO_TUS,
    PACKAGE_UNREADABLE,
    REJECTED,
    Conversation,
    Ended,
    Fatal,
    Transient,
    failure_of,
)
from sync.errors import TransferFailed

MAX_STARTS = 3
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Upload:
    """One package on its way to the platform."""

    talk: Conversation
    path: Path
    size: int
    package_id: str
    sha256: str
    remember: Callable[[str | None], None]
    progress: Callable[[int, int], None]

    def send(self, url: str | None) -> None:
        """Send what the platform does not have yet; start again where it has forgotten the upload."""
        checksums = self._ask_abilities()
        for _ in range(MAX_STARTS):
            if url is None:
                url = self._create()
            try:
                self._send_from(url, self._ask_offset(url), checksums)
                return
            except _Forgotten:
                self.remember(None)
                url = None
        raise Ended(Transient(TransferFailed(BUSY, status=404)))

    def _ask_abilities(self) -> bool:
        """Check that the platform can take the package; say whether it checks SHA-256 sums of chunks."""
        reply = self.talk.request("OPTIONS", self.talk.address("uploads"))
        extensions = reply.headers.get("Tus-Extension", "").split(",")
        if (
            reply.status_code not in (200, 204)
            or "creation" not in extensions
            or "1.0.0" not in reply.headers.get("Tus-Version", "")
        ):
            raise Ended(failure_of(reply) if reply.status_code >= 500 else self._no_tus())
        limit = reply.headers.get("Tus-Max-Size", "")
        if limit.isdecimal() and self.size > int(limit):
            raise Ended(Fatal(TransferFailed(REJECTED, status=413, why=f"{self.size} > {limit}")))
        return "checksum" in extensions and "sha256" in reply.headers.get("Tus-Checksum-Algorithm", "")

    def _create(self) -> str:
        metadata = {"package_id": self.package_id, "sha256": self.sha256}
        pairs = ((name, base64.b64encode(value.encode()).decode()) for name, value in metadata.items())
        headers = {
            **TUS,
            "Upload-Length": str(self.size),
            "Upload-Metadata": ",".join(f"{name} {value}" for name, value in pairs),
        }
        reply = self.talk.request("POST", self.talk.address("uploads"), headers=headers)
        if reply.status_code != 201:
            raise Ended(failure_of(reply))
        url = self.talk.address(reply.headers.get("Location", ""))
        if not self.talk.is_own(url):  # the token goes to no other host
            raise Ended(self._no_tus())
        self.remember(url)
        return url

    def _ask_offset(self, url: str) -> int:
        if not self.talk.is_own(url):
            raise _Forgotten
        reply = self.talk.request("HEAD", url, headers=TUS)
        if reply.status_code in (403, 404, 410):
            raise _Forgotten
        if reply.status_code not in (200, 204):
            raise Ended(failure_of(reply))
        offset = reply.headers.get("Upload-Offset", "")
        length = reply.headers.get("Upload-Length", str(self.size))
        if not offset.isdecimal() or int(offset) > self.size or length != str(self.size):
            raise _Forgotten
        return int(offset)

    def _send_from(self, url: str, offset: int, checksums: bool) -> None:
        self.progress(offset, self.size)
        while offset < self.size:
            chunk = self._read(offset)
            offset = self._send_chunk(url, offset, chunk, checksums)
            self.progress(offset, self.size)

    def _read(self, offset: int) -> bytes:
        try:
            with self.path.open("rb") as stream:
                stream.seek(offset)
                return stream.read(self.talk.central.chunk_bytes)
        except OSError as error:
            reason = TransferFailed(PACKAGE_UNREADABLE, path=self.path, why=error.strerror)
            raise Ended(Fatal(reason)) from error

    def _send_chunk(self, url: str, offset: int, chunk: bytes, checksums: bool) -> int:
        """Send a chunk and return the offset that the platform names, which must have grown."""
        headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        if checksums:
            headers["Upload-Checksum"] = "sha256 " + base64.b64encode(hashlib.sha256(chunk).digest()).decode()
        reply = self.talk.request("PATCH", url, headers=headers, body=chunk)
        if reply.status_code in (404, 410):
            raise _Forgotten
        reached = reply.headers.get("Upload-Offset", "")
        if reply.status_code not in (200, 204) or not reached.isdecimal() or not offset < int(reached) <= self.size:
            raise Ended(failure_of(reply))
        return int(reached)

    def _no_tus(self) -> Fatal:
        return Fatal(TransferFailed(NO_TUS, url=self.talk.central.url))


class _Forgotten(Exception):
    """The platform no longer knows the upload."""
