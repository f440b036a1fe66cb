"""Hand a built package to a file on a stick, checked after writing (R-END-2)."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from sqlalchemy import select

from station.errors import Missing, Unsound, problem
from station.services import packages
from station.services.packages import PACKAGE_UNKNOWN
from station.store import Store
from station.store.models import ResultPackage

EXPORT_FAILED = problem(
    "export_failed",
    "导出到 {path} 失败：{reason}。原成果包未受影响，请换一个存储设备再试。",
    "Exporting to {path} failed: {reason}. The package itself is untouched; try another device.",
)


def export_package(store: Store, package_id: int, target: Path, *, by: int | None, at: datetime) -> Path:
    """Copy a package (0: the newest built one) to a file or into a folder, flush it and compare its SHA-256."""
    with store.reading() as db:
        if not package_id:
            newest = select(ResultPackage.id).where(ResultPackage.sha256 != "").order_by(ResultPackage.id.desc())
            package_id = db.scalars(newest).first() or 0
        if not package_id:
            raise Missing(PACKAGE_UNKNOWN)
        package = packages.package_of(db, package_id)
        source, wanted = store.folder / "outbox" / package.file_name, package.sha256
    path = target / source.name if target.is_dir() else target
    try:
        with source.open("rb") as reader, path.open("wb") as writer:
            shutil.copyfileobj(reader, writer, 1024 * 1024)
            writer.flush()
            os.fsync(writer.fileno())
        with path.open("rb") as written:
            found = file_digest(written, "sha256").hexdigest()
    except OSError as error:
        raise Unsound(EXPORT_FAILED, path=path, reason=error.strerror) from error
    if found != wanted:
        raise Unsound(EXPORT_FAILED, path=path, reason="SHA-256")
    with store.transaction() as db:
        packages.note_export(db, package_id, name=path.name, by=by, at=at)
    return path
