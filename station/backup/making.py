"""Make a backup: one consistent picture of a station, checked, encrypted, written, and read back from the medium."""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station import __version__
from station.backup.recovery import RECOVERY_NAME, Recovery, read_recovery
from station.backup.target import BACKUP_FULL, KeptFile, Snapshot, Target, is_same_disk, named_trouble
from station.config import CONFIG_NAME, Config
from station.errors import Refused, StationError, Unsound, problem
from station.services import answering, journal, work_folders
from station.store import Store
from station.store.copying import check_file, copy_to_file, opened_file
from station.store.files import path_of
from station.store.models import Asset, Attempt, JournalEntry, ResultPackage, Upload, WorkVersion
from sync.files import replace_file
from sync.keys import fingerprint
from sync.sealing import Sealed, read_back, seal_file

BACKUP_UNDER_WAY = problem(
    "backup_under_way",
    "另一次备份正在进行，请稍候再试。",
    "Another backup is being made; try again in a moment.",
)
BACKUP_NOT_READ_BACK = problem(
    "backup_not_read_back",
    "备份 {name} 写入后读回的内容不一致，已作废。请更换 U 盘。",
    "What was read back of {name} is not what was written; it does not count. Take another stick.",
)

CONTENTS_NAME = "contents.json"
CONTENTS_FORMAT = "exam-backup-contents/1"
DATABASE_NAME = "station.db"
WORK_NAME = "backup-work"
# When the medium is full, older snapshots make room down to so many.
LEAST_KEPT = 2
COMPRESSION = 1  # answers are text: the fastest level already takes three quarters away


@dataclass(frozen=True)
class Made:
    """A backup that is on the medium and was read back. `missing`: files that the station itself lacks."""

    path: str
    number: int
    seconds: float
    snapshot_bytes: int
    new_files: int
    new_bytes: int
    files: int
    attempts: int
    revisions: int
    journal_entries: int
    is_sound: bool
    broken: tuple[str, ...]
    missing: tuple[str, ...]
    is_on_same_disk: bool
    pruned: int

    def to_document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Found:
    """What the picture holds, and what its chains say."""

    attempts: int
    revisions: int
    journal_entries: int
    broken: tuple[str, ...]
    files: dict[str, tuple[str, str]]  # SHA-256 → folder in the store, name there


def make_backup(
    config: Config, store: Store, folder: Path, *, signing_key: Ed25519PrivateKey, at: datetime, check_all: bool
) -> Made:
    """Write one more snapshot of the station into its folder at `folder`; the station may go on working.

    1. Copy the database as it is at one moment; it passes SQLite's own check, and every hash chain is followed. A
       broken chain does not stop the backup: it is told, and the newest sound one before stays.
    2. Encrypt what the copy refers to and the medium lacks (pictures, files, packages), each once, by its SHA-256; a
       file that is not what its name says is told as missing.
    3. Encrypt database, settings and keys. Read back from the medium what was written (`check_all`: of the files
       everything, else what is new; of the others the size) and compare its SHA-256.
    4. Write the signed list, which makes the snapshot count; then remove what is older than `[backup] keep`.
    """
    began = time.monotonic()
    recovery = read_recovery(config.keys / RECOVERY_NAME)
    target = Target.of(folder, signing_key.public_key(), recovery.recipient)
    with named_trouble(folder):
        target.prepare()
    with _work_folder(config.folder) as work:
        target.remove_leftovers()
        picture = work / DATABASE_NAME
        with named_trouble(config.folder):
            copy_to_file(store, picture)
            check_file(picture)
            with opened_file(picture) as copy, copy.reading() as db:
                found = _examine(db)
        with named_trouble(folder):
            kept, missing, new = _keep_files(found, config.folder, target, recovery, signing_key, check_all=check_all)
            snapshot = Snapshot(
                number=target.next_number(),
                made_at=at.replace(microsecond=0),
                station_id=fingerprint(signing_key.public_key()),
                version=__version__,
                sealed=KeptFile("", 0, 0, ""),
                files=kept,
                is_sound=not found.broken,
                missing=missing,
            )
            plain = work / "snapshot.zip"
            with named_trouble(config.folder):
                _write_plain(plain, config, picture, found, snapshot)
            write = partial(_write_snapshot, target, snapshot, plain, recovery, signing_key)
            snapshot = _making_room(target, signing_key, write)
            pruned = target.prune(signing_key.public_key(), keep=max(config.backup.keep, 1))
    return Made(
        path=str(target.list_path(snapshot.name)),
        number=snapshot.number,
        seconds=round(time.monotonic() - began, 2),
        snapshot_bytes=snapshot.sealed.sealed_size,
        new_files=len(new),
        new_bytes=sum(one.sealed_size for one in new),
        files=len(kept),
        attempts=found.attempts,
        revisions=found.revisions,
        journal_entries=found.journal_entries,
        is_sound=not found.broken,
        broken=found.broken,
        missing=missing,
        is_on_same_disk=is_same_disk(target.path, config.folder),
        pruned=pruned,
    )


def check_chains(db: Session) -> tuple[list[str], int, int]:
    """Follow the journal and every attempt; gives what is broken, and how many attempts and revisions there are."""
    broken = []
    entry = journal.first_broken_entry(db)
    if entry is not None:
        broken.append(f"journal {entry}")
    revisions = 0
    attempts = db.scalars(select(Attempt).order_by(Attempt.id)).all()
    for attempt in attempts:
        revisions += attempt.revision_count
        number = answering.check_chain(db, attempt.id)
        if number is not None:
            broken.append(f"attempt {attempt.id}/{number}")
        number = work_folders.check_chain(db, attempt.id)
        if number is not None:
            broken.append(f"work {attempt.id}/{number}")
        db.expunge_all()
    return broken, len(attempts), revisions


def check_written(path: Path, sealed: Sealed) -> None:
    """Read a file back from the medium; one that is not what was written is removed and refused."""
    if read_back(path) != (sealed.sealed_size, sealed.sealed_sha256):
        path.unlink(missing_ok=True)
        raise Unsound(BACKUP_NOT_READ_BACK, name=path.name)


def _examine(db: Session) -> _Found:
    broken, attempts, revisions = check_chains(db)
    files = {f"assets/{sha256}": ("assets", sha256) for sha256 in db.scalars(select(Asset.sha256))}
    files |= {f"uploads/{sha256}": ("uploads", sha256) for sha256 in db.scalars(select(Upload.sha256).distinct())}
    versions = select(WorkVersion.sha256).where(WorkVersion.sha256.is_not(None)).distinct()
    files |= {f"uploads/{sha256}": ("uploads", str(sha256)) for sha256 in db.scalars(versions)}
    for package in db.scalars(select(ResultPackage).where(ResultPackage.sha256 != "")):
        files[f"outbox/{package.file_name}"] = ("outbox", package.sha256)
    head = db.scalar(select(func.max(JournalEntry.number))) or 0
    return _Found(attempts, revisions, head, tuple(broken), files)


def _keep_files(
    found: _Found, data: Path, target: Target, recovery: Recovery, key: Ed25519PrivateKey, *, check_all: bool
) -> tuple[tuple[KeptFile, ...], tuple[str, ...], list[KeptFile]]:
    before = {file.sha256: file for one in target.snapshots(key.public_key()) for file in one.files}
    kept: dict[str, KeptFile] = {}
    missing: list[str] = []
    new: list[KeptFile] = []
    for name, (folder, sha256) in sorted(found.files.items()):
        if sha256 in kept:
            continue
        file = before.get(sha256)
        if file is None or not _lies_there(target.file_path(sha256), file, check_all=check_all):
            source = data / name if folder == "outbox" else path_of(data / folder, sha256)
            file = _seal(source, sha256, target, recovery.recipient)
            if file is None:
                missing.append(name)
                continue
            new.append(file)
        kept[sha256] = file
    return tuple(kept.values()), tuple(missing), new


def _lies_there(path: Path, file: KeptFile, *, check_all: bool) -> bool:
    if not path.is_file() or path.stat().st_size != file.sealed_size:
        return False
    return not check_all or read_back(path) == (file.sealed_size, file.sealed_sha256)


def _seal(source: Path, sha256: str, target: Target, recipient: str) -> KeptFile | None:
    """Encrypt one file onto the medium and read it back; None when the station does not have it as its name says."""
    path = target.file_path(sha256)
    if not source.is_file():
        return None
    path.parent.mkdir(exist_ok=True)
    sealed = seal_file(source, path, recipient)
    if sealed.sha256 != sha256:
        path.unlink(missing_ok=True)
        return None
    check_written(path, sealed)
    return KeptFile(sha256, sealed.size, sealed.sealed_size, sealed.sealed_sha256)


def _write_plain(path: Path, config: Config, picture: Path, found: _Found, snapshot: Snapshot) -> None:
    contents = {
        "format": CONTENTS_FORMAT,
        "number": snapshot.number,
        "version": snapshot.version,
        "files": sorted([name, sha256] for name, (_, sha256) in found.files.items()),
        "missing": list(snapshot.missing),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
        archive.writestr(CONTENTS_NAME, json.dumps(contents, ensure_ascii=False))
        archive.write(config.home / CONFIG_NAME, CONFIG_NAME)
        for key in sorted(config.keys.iterdir()):
            if key.is_file():
                archive.write(key, f"keys/{key.name}")
        archive.write(picture, DATABASE_NAME)


def _write_snapshot(
    target: Target, snapshot: Snapshot, plain: Path, recovery: Recovery, key: Ed25519PrivateKey
) -> Snapshot:
    path = target.sealed_path(snapshot.name)
    sealed = seal_file(plain, path, recovery.recipient)
    check_written(path, sealed)
    done = replace(snapshot, sealed=KeptFile(sealed.sha256, sealed.size, sealed.sealed_size, sealed.sealed_sha256))
    own = target.path / RECOVERY_NAME
    if not own.is_file() or own.read_bytes() != recovery.to_bytes():
        replace_file(own, recovery.to_bytes())
    target.write_list(done, key)
    if target.read_list(done.name, key.public_key()) != done:
        target.list_path(done.name).unlink(missing_ok=True)
        raise Unsound(BACKUP_NOT_READ_BACK, name=target.list_path(done.name).name)
    return done


def _making_room(target: Target, key: Ed25519PrivateKey, write: Callable[[], Snapshot]) -> Snapshot:
    """Write; when the medium is full, let the oldest snapshots go and write once more."""
    try:
        with named_trouble(target.path):
            return write()
    except StationError as full:
        if full.problem is not BACKUP_FULL or not target.prune(key.public_key(), keep=LEAST_KEPT):
            raise
        return write()


@contextmanager
def _work_folder(data: Path) -> Iterator[Path]:
    """Give a folder for what is not encrypted yet, on the station's own disk; one backup at a time.

    A lock of SQLite's is let go by every system when its process ends, however it ends. What such a process left
    behind is removed first.
    """
    work = data / WORK_NAME
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(work / "turn.db", timeout=0, isolation_level=None)) as turn:
        try:
            turn.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise Refused(BACKUP_UNDER_WAY) from None
        own = work / secrets.token_hex(4)
        for leftover in work.iterdir():
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
        own.mkdir(mode=0o700)
        try:
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)


def go_gently() -> None:
    """Let everything else on this machine go first: saves before all."""
    psutil.Process().nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 10))  # the name exists on Windows only
