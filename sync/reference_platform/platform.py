"""The platform as a whole: its parts, and what happens when a package has come whole."""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime
from pathlib import Path

from sync import clock
from sync.errors import TransferFailed, problem
from sync.receipts import Receipt, sign_receipt
from sync.reference_platform.cabinet import KEPT, Cabinet, Record
from sync.reference_platform.intake import Intake
from sync.reference_platform.uploads import Upload, Uploads
from sync.reference_platform.vault import open_vault

PACKAGE_DAMAGED_ON_THE_WAY = problem(
    "package_damaged_on_the_way",
    "收到的数据包与声明的校验值不符，已丢弃。请重新上传。",
    "What arrived has not the announced checksum and was thrown away. Send the package again.",
)
PACKAGE_NOT_KEPT = problem(
    "package_not_kept",
    "该数据包尚未核对完成，不能确认。",
    "This package has not passed the check yet and cannot be confirmed.",
)

DEFAULT_MAX_BYTES = 4 * 1024**3 - 1


class Platform:
    """One platform folder in use by one process."""

    def __init__(self, folder: Path, *, name: str = "上级平台", max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name, self.max_bytes = folder, name, max_bytes
        self._finishing = threading.Lock()
        self.vault = open_vault(folder)
        self.uploads = Uploads(folder / "uploads")
        self.cabinet = Cabinet(folder / "packages")
        self.intake = Intake(self.cabinet, self.vault)

    def finish_upload(self, upload: Upload, at: datetime) -> None:
        """Take an upload into the cabinet if it has come whole; one that was damaged is forgotten and refused."""
        with self._finishing:
            part = self.uploads.part(upload)
            if part.exists() and self.uploads.offset(upload) == upload.length:
                self._take_in(upload, part, at)

    def confirm(self, package_id: str, *, by: str, at: datetime) -> None:
        """Note that the duty desk has seen a package (R-END-1); the first confirmation stands."""
        record = self.cabinet.find(package_id)
        if record is None or record.state != KEPT:
            raise TransferFailed(PACKAGE_NOT_KEPT)
        if record.confirmed_at is None:
            self.cabinet.change(package_id, confirmed_at=clock.to_text(at), confirmed_by=by)

    def receipt(self, record: Record) -> Receipt:
        """Return the receipt of a package that is kept."""
        confirmed_at = record.confirmed_at
        return Receipt(
            package_id=record.package_id,
            package_sha256=record.sha256,
            size=record.size,
            received_at=clock.from_text(record.received_at),
            platform=self.name,
            confirmed_at=None if confirmed_at is None else clock.from_text(confirmed_at),
            confirmed_by=record.confirmed_by,
        )

    def signed_receipt(self, record: Record) -> str:
        return sign_receipt(self.receipt(record), self.vault.signing_key)

    def _take_in(self, upload: Upload, part: Path, at: datetime) -> None:
        if self.cabinet.find(upload.package_id) is not None:
            self.uploads.forget(upload)
            return
        with part.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        if sha256 != upload.sha256:
            self.uploads.forget(upload)
            raise TransferFailed(PACKAGE_DAMAGED_ON_THE_WAY)
        record = Record(upload.package_id, upload.station_id, sha256, upload.length, received_at=clock.to_text(at))
        self.cabinet.take_in(record, part)
        self.uploads.forget(upload)
        self.intake.add(record.package_id)
