"""A station's folder on the backup medium: its snapshots, their lists, its files, and what may be thrown away."""

from __future__ import annotations

import errno
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy.exc import OperationalError as SqlError

from station.errors import StationError, Unsound, problem
from sync.clock import from_text, to_text
from sync.files import canonical_json, replace_file
from sync.keys import fingerprint

BACKUP_FOLDER_MISSING = problem(
    "backup_folder_missing",
    "备份文件夹 {path} 不存在。请插好 U 盘或检查 config.toml 的 [backup] folder。",
    "The backup folder {path} is not there. Plug the stick in, or check [backup] folder in config.toml.",
)
BACKUP_FULL = problem(
    "backup_full",
    "{path} 空间不足，无法备份。请清理或更换更大的存储设备；考试不受影响。",
    "There is no space left at {path} for a backup. Make room or take a larger stick; the test is not affected.",
)
BACKUP_READ_ONLY = problem(
    "backup_read_only",
    "备份位置 {path} 不能写入（写保护或无权限）。",
    "The backup place {path} cannot be written to (write-protected, or no permission).",
)
BACKUP_WRITE_FAILED = problem(
    "backup_write_failed",
    "备份时 {path} 读写出错：{reason}。请检查磁盘或更换 U 盘。",
    "Reading or writing at {path} failed during a backup: {reason}. Check the disk or take another stick.",
)
SNAPSHOT_DAMAGED = problem(
    "snapshot_damaged",
    "备份 {name} 已损坏或不完整：{reason}。",
    "The backup {name} is damaged or incomplete: {reason}.",
)

FORMAT = "exam-backup/1"
ALIVE_FORMAT = "exam-alive/1"
ALIVE_NAME = "alive.json"
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NAME = re.compile(r"snapshot-(\d{6,})-\d{8}T\d{6}Z")


class KeptFile(NamedTuple):
    """One content-addressed file: its own size and hash, and those of what lies on the medium."""

    sha256: str
    size: int
    sealed_size: int
    sealed_sha256: str


@dataclass(frozen=True)
class Snapshot:
    """One moment of a station, as its list says. `is_sound`: every chain held when it was made."""

    number: int
    made_at: datetime
    station_id: str
    version: str
    sealed: KeptFile
    files: tuple[KeptFile, ...]
    is_sound: bool
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"snapshot-{self.number:06d}-{self.made_at:%Y%m%dT%H%M%SZ}"

    def to_document(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "number": self.number,
            "made_at": to_text(self.made_at),
            "station": self.station_id,
            "version": self.version,
            "sealed": list(self.sealed),
            "files": [list(one) for one in self.files],
            "sound": self.is_sound,
            "missing": list(self.missing),
        }


class Target:
    """The folder `exam-backup-…` of one station and one recovery code within the backup folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = path / "files"

    @classmethod
    def of(cls, folder: Path, verify_key: Ed25519PublicKey, recipient: str) -> Target:
        """Name the folder by station and code, so that several rooms, or codes, may share one backup folder."""
        return cls(folder / f"exam-backup-{fingerprint(verify_key)[:9]}-{recipient[-6:]}")

    def prepare(self) -> None:
        """Make the station's folder; the backup folder itself must be there: a stick that is out is not made up."""
        if not self.path.parent.is_dir():
            raise Unsound(BACKUP_FOLDER_MISSING, path=self.path.parent)
        self.files.mkdir(parents=True, exist_ok=True)

    def remove_leftovers(self) -> None:
        """Remove what a backup that was cut off had begun to write; only while no other is being made."""
        for leftover in (*self.path.glob("snapshot-*.part"), *self.files.glob("*/*.part")):
            leftover.unlink(missing_ok=True)

    def list_path(self, name: str) -> Path:
        return self.path / f"{name}.json"

    def sealed_path(self, name: str) -> Path:
        return self.path / f"{name}.age"

    def file_path(self, sha256: str) -> Path:
        return self.files / sha256[:2] / f"{sha256}.age"

    def names(self) -> list[str]:
        """Name the complete snapshots, oldest first; one without its list was cut off and does not count."""
        found = [path.stem for path in self.path.glob("snapshot-*.json") if _NAME.fullmatch(path.stem)]
        return sorted(found, key=lambda name: (_number(name), name))

    def next_number(self) -> int:
        taken = (_number(path.stem) for path in self.path.glob("snapshot-*") if _NAME.fullmatch(path.stem))
        return max(taken, default=0) + 1

    def write_list(self, snapshot: Snapshot, key: Ed25519PrivateKey) -> None:
        """Write the signed list, and with it make the snapshot count."""
        replace_file(self.list_path(snapshot.name), _signed(snapshot.to_document(), key))

    def read_list(self, name: str, verify_key: Ed25519PublicKey) -> Snapshot:
        """Read a list; a damaged one, or one that the station did not sign, is refused as `snapshot_damaged`."""
        try:
            document = _checked(self.list_path(name).read_bytes(), verify_key)
            snapshot = Snapshot(
                number=document["number"],
                made_at=from_text(document["made_at"]),
                station_id=document["station"],
                version=document["version"],
                sealed=KeptFile(*document["sealed"]),
                files=tuple(KeptFile(*one) for one in document["files"]),
                is_sound=document["sound"],
                missing=tuple(document["missing"]),
            )
        except (ValueError, TypeError, KeyError, InvalidSignature) as error:
            raise Unsound(SNAPSHOT_DAMAGED, name=name, reason=f"{name}.json {type(error).__name__}") from None
        except FileNotFoundError:
            raise Unsound(SNAPSHOT_DAMAGED, name=name, reason=f"缺少 missing {name}.json") from None
        if document["format"] != FORMAT or snapshot.name != name:
            raise Unsound(SNAPSHOT_DAMAGED, name=name, reason=f"{name}.json {document['format']}")
        return snapshot

    def snapshots(self, verify_key: Ed25519PublicKey) -> list[Snapshot]:
        """List the snapshots whose lists are in order, oldest first."""
        found = []
        for name in self.names():
            try:
                found.append(self.read_list(name, verify_key))
            except StationError:
                continue
        return found

    def prune(self, verify_key: Ed25519PublicKey, *, keep: int) -> int:
        """Remove all but the newest snapshots, and the files that none of those left needs; says how many went.

        The newest sound one always stays. A snapshot whose list cannot be read is left alone, and while there is
        one no file goes: nobody knows which of them it needs.
        """
        known = self.snapshots(verify_key)
        newest_sound = max((one.number for one in known if one.is_sound), default=0)
        gone = [one for one in known[: max(0, len(known) - keep)] if one.number != newest_sound]
        for snapshot in gone:
            self.list_path(snapshot.name).unlink(missing_ok=True)
            self.sealed_path(snapshot.name).unlink(missing_ok=True)
        listed = set(self.names())
        for path in self.path.glob("snapshot-*.age"):  # what was cut off
            if path.stem not in listed:
                path.unlink(missing_ok=True)
        if gone and len(known) == len(listed) + len(gone):
            needed = {file.sha256 for one in known if one not in gone for file in one.files}
            for path in self.files.glob("*/*.age"):
                if path.stem not in needed:
                    path.unlink(missing_ok=True)
        return len(gone)

    def write_alive(self, at: datetime, key: Ed25519PrivateKey) -> None:
        """Note that the station is alive, so that a restore need not take the backup's moment for its end.

        Only while the folder is there; it is not made. Without fsync: it is one of many, and the stick is to last.
        """
        part = self.path / f"{ALIVE_NAME}.{os.getpid()}.part"
        part.write_bytes(_signed({"format": ALIVE_FORMAT, "at": at.isoformat()}, key))
        part.replace(self.path / ALIVE_NAME)

    def read_alive(self, verify_key: Ed25519PublicKey) -> datetime | None:
        """Say when the station was last alive; None when that is not known, or not from the station."""
        try:
            document = _checked((self.path / ALIVE_NAME).read_bytes(), verify_key)
            at = datetime.fromisoformat(document["at"])
        except (OSError, ValueError, TypeError, KeyError, InvalidSignature):
            return None
        return at if document["format"] == ALIVE_FORMAT and at.tzinfo is not None else None


@contextmanager
def named_trouble(path: Path) -> Iterator[None]:
    """Turn what the medium does wrong into a refusal that says what to do about it."""
    try:
        yield
    except (sqlite3.OperationalError, SqlError) as error:
        if "full" in str(error):
            raise Unsound(BACKUP_FULL, path=path) from error
        raise Unsound(BACKUP_WRITE_FAILED, path=path, reason=error) from error
    except OSError as error:
        if error.errno in _FULL:
            raise Unsound(BACKUP_FULL, path=path) from error
        if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
            raise Unsound(BACKUP_READ_ONLY, path=path) from error
        if not path.is_dir():
            raise Unsound(BACKUP_FOLDER_MISSING, path=path) from error
        raise Unsound(BACKUP_WRITE_FAILED, path=path, reason=error.strerror or error) from error


def is_same_disk(one: Path, other: Path) -> bool:
    """Say whether two folders lie on one file system: two partitions of one disk are not told apart."""
    try:
        return os.stat(one).st_dev == os.stat(other).st_dev
    except OSError:
        return False


def _number(name: str) -> int:
    return int(name.split("-")[1])


def _signed(document: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    return canonical_json({**document, "signature": key.sign(canonical_json(document)).hex()})


def _checked(raw: bytes, key: Ed25519PublicKey) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(raw)
    key.verify(bytes.fromhex(document.pop("signature")), canonical_json(document))
    return document
