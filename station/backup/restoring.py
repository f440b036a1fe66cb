"""Restore a station from a backup into a new folder, on any machine, with the recovery code.

Nothing of a refused backup is left, and nothing of the backup is changed: it may be tried again, or elsewhere.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from station.backup.making import CONTENTS_NAME, DATABASE_NAME, check_chains
from station.backup.recovery import RECOVERY_NAME, Recovery, check_belongs, read_recovery
from station.backup.target import SNAPSHOT_DAMAGED, KeptFile, Snapshot, Target
from station.config import CONFIG_NAME, Config, load_config
from station.errors import Missing, Refused, StationError, Unsound, problem
from station.services import backing_up
from station.store import Store, migrations, open_store
from station.store.copying import check_file, copy_from_file, leave_gap
from station.store.files import path_of
from sync.codes import read_code, unwrap_identity
from sync.errors import SyncError
from sync.files import replace_file
from sync.sealing import unseal_file

NO_BACKUP_THERE = problem(
    "no_backup_there",
    "{path} 中没有考站备份。请指定 exam-backup-… 文件夹，或其中的某一份 snapshot-….json。",
    "There is no backup of a station in {path}. Name the folder exam-backup-…, or one snapshot-….json in it.",
)
SEVERAL_BACKUPS = problem(
    "several_backups",
    "{path} 中有多个考站的备份，请指定其中一个：{names}",
    "There are backups of several stations in {path}; name one of them: {names}",
)
RESTORE_FOLDER_TAKEN = problem(
    "restore_folder_taken",
    "文件夹 {path} 不是空的。请换一个新文件夹，恢复不会覆盖任何内容。",
    "The folder {path} is not empty. Name a new one: a restore replaces nothing.",
)
RECOVERY_CODE_WRONG = problem(
    "recovery_code_wrong",
    "恢复码不正确。请对照信封中的恢复码逐组核对（本站 {station}）。",
    "The recovery code is wrong. Compare it group by group with the one in the envelope (station {station}).",
)
DATABASE_UNREACHABLE = problem(
    "database_unreachable",
    "数据库 {url} 无法连接。可加 --database sqlite 改用本机文件。",
    "The database {url} cannot be reached. With --database sqlite the station goes on with a file of its own.",
)

SQLITE = "sqlite"


@dataclass(frozen=True)
class Restored:
    """A station that `serve` can start. `missing`: files that the backup had not been able to take."""

    config: Config
    number: int
    made_at: datetime
    last_alive_at: datetime
    attempts: int
    revisions: int
    files: int
    broken: tuple[str, ...]
    missing: tuple[str, ...]
    seconds: float


def restore_station(backup: Path, home: Path, *, code: str, database: str, at: datetime) -> Restored:
    """Make a station of a backup, in a folder that does not exist yet or is empty.

    `database`: where its rows go; '' as its settings say, 'sqlite' into a file of its own, else a URL.

    1. Find the snapshot (the newest unless one is named), open the locked identity with the code, and believe only
       lists that the station signed.
    2. Decrypt and compare everything with the list: the snapshot, every file. The database passes SQLite's check.
    3. Fill the database; leave a gap in all numbers that had left the server; note in the journal where the
       station comes from. The last sign of life becomes the old server's, as far as it is known, so that the next
       start finds the outage as it was.
    4. Rename the folder to its name: a station stands there whole or not at all.
    """
    began = time.monotonic()
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise Refused(RESTORE_FOLDER_TAKEN, path=home)
    target, name = find_snapshot(backup)
    recovery = read_recovery(target.path / RECOVERY_NAME)
    identity = _identity(recovery, code, target)
    snapshot = _readable(target, name, recovery)
    with _new_folder(home) as building:
        contents = _open_snapshot(target, snapshot, identity, building)
        config = _settle_config(building, database)
        for one in snapshot.files:
            _open_file(target, snapshot, one, identity, contents, config.folder)
        if config.store.url:
            store = _fill_database(config, building / DATABASE_NAME)
        else:
            (building / DATABASE_NAME).replace(config.folder / DATABASE_NAME)
            store = open_store(config.store_url, config.folder)
            migrations.upgrade(store.engine)
        try:
            restored = _finish(store, target, recovery, snapshot, at=at)
        finally:
            store.close()
    return replace(restored, config=load_config(home), seconds=round(time.monotonic() - began, 2))


def find_snapshot(backup: Path) -> tuple[Target, str]:
    """Find the snapshot that is meant: a list or encrypted file by name, else the newest of a station's folder."""
    if backup.is_file():
        return Target(backup.parent), backup.stem
    target = Target(backup)
    if target.names():
        return target, target.names()[-1]
    below = sorted(path for path in backup.glob("exam-backup-*") if Target(path).names())
    if len(below) > 1:
        raise Refused(SEVERAL_BACKUPS, path=backup, names="、".join(path.name for path in below))
    if not below:
        raise Missing(NO_BACKUP_THERE, path=backup)
    return find_snapshot(below[0])


def _identity(recovery: Recovery, code: str, target: Target) -> str:
    try:
        identity = unwrap_identity(recovery.locked, read_code(code))
    except SyncError:
        raise Refused(RECOVERY_CODE_WRONG, station=target.path.name) from None
    check_belongs(recovery, identity, target.path / RECOVERY_NAME)
    return identity


def _readable(target: Target, name: str, recovery: Recovery) -> Snapshot:
    """Read the list that is meant; of a damaged one say which older snapshot there is."""
    try:
        snapshot = target.read_list(name, recovery.verify_key)
        for path, file in [
            (target.sealed_path(name), snapshot.sealed),
            *((target.file_path(one.sha256), one) for one in snapshot.files),
        ]:
            if not path.is_file() or path.stat().st_size != file.sealed_size:
                raise Unsound(SNAPSHOT_DAMAGED, name=name, reason=f"缺少或不完整 missing or cut off: {path.name}")
    except StationError as damaged:
        raise _with_older(damaged, target, name, recovery) from None
    return snapshot


def _with_older(damaged: StationError, target: Target, name: str, recovery: Recovery) -> StationError:
    older = [one.name for one in target.snapshots(recovery.verify_key) if one.name != name]
    reason = damaged.details.get("reason", "")
    if older:
        reason = f"{reason}；较早的一份 an older one: {target.list_path(older[-1])}"
    return Unsound(SNAPSHOT_DAMAGED, name=name, reason=reason)


def _open_snapshot(target: Target, snapshot: Snapshot, identity: str, building: Path) -> dict[str, Any]:
    plain = building / "snapshot.zip"
    _unseal(target.sealed_path(snapshot.name), plain, snapshot.sealed, identity, snapshot)
    try:
        with zipfile.ZipFile(plain) as archive:
            contents: dict[str, Any] = json.loads(archive.read(CONTENTS_NAME))
            for member in archive.namelist():
                if member == CONTENTS_NAME:
                    continue
                path = building / _inside(member)
                path.parent.mkdir(mode=0o700, exist_ok=True)
                with archive.open(member) as source, path.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                if path.parent.name == "keys":
                    path.chmod(0o600)
    except (zipfile.BadZipFile, ValueError, KeyError) as error:
        raise Unsound(SNAPSHOT_DAMAGED, name=snapshot.name, reason=error) from None
    plain.unlink()
    check_file(building / DATABASE_NAME)
    return contents


def _inside(member: str) -> Path:
    """Take settings, database and keys and nothing else, so that no name leads out of the folder."""
    parts = PurePosixPath(member).parts
    if member in {CONFIG_NAME, DATABASE_NAME} or (len(parts) == 2 and parts[0] == "keys" and ".." not in parts):
        return Path(*parts)
    raise ValueError(member)


def _open_file(
    target: Target, snapshot: Snapshot, file: KeptFile, identity: str, contents: dict[str, Any], data: Path
) -> None:
    part = data / "restored.part"
    _unseal(target.file_path(file.sha256), part, file, identity, snapshot)
    places = [_place_of(name, data) for name, sha256 in contents["files"] if sha256 == file.sha256]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(part, place)
        with place.open("rb+") as copy:
            os.fsync(copy.fileno())
    part.unlink()


def _place_of(name: str, data: Path) -> Path:
    folder, base = PurePosixPath(name).parts
    if folder not in {"assets", "uploads", "outbox"} or base in {".", ".."}:
        raise Unsound(SNAPSHOT_DAMAGED, name=CONTENTS_NAME, reason=name)
    return data / folder / base if folder == "outbox" else path_of(data / folder, base)


def _unseal(source: Path, plain: Path, wanted: KeptFile, identity: str, snapshot: Snapshot) -> None:
    try:
        with source.open("rb") as stream:
            if file_digest(stream, "sha256").hexdigest() != wanted.sealed_sha256:
                raise Unsound(SNAPSHOT_DAMAGED, name=snapshot.name, reason=f"SHA-256 {source.name}")
        found = unseal_file(source, plain, identity)
    except SyncError as error:
        raise Unsound(SNAPSHOT_DAMAGED, name=snapshot.name, reason=error.sentence()) from None
    except OSError as error:
        raise Unsound(SNAPSHOT_DAMAGED, name=snapshot.name, reason=f"{source.name} {error.strerror}") from None
    if found != (wanted.size, wanted.sha256):
        raise Unsound(SNAPSHOT_DAMAGED, name=snapshot.name, reason=f"SHA-256 {source.name}")


def _settle_config(building: Path, database: str) -> Config:
    """Keep the settings word for word but for the database, and a data folder that lay elsewhere on the old server."""
    path = building / CONFIG_NAME
    text = path.read_text("utf-8-sig")
    config = load_config(building)
    folder = Path(config.store.folder)
    if folder.is_absolute() or ".." in folder.parts or re.match(r"[A-Za-z]:|\\", config.store.folder):
        text = _with_setting(text, "store", "folder", "data")
    if database:
        text = _with_setting(text, "store", "url", "" if database == SQLITE else database)
    replace_file(path, text.encode("utf-8"))
    config = load_config(building)
    if config.store.url.startswith("sqlite"):
        replace_file(path, _with_setting(text, "store", "url", "").encode("utf-8"))
        config = load_config(building)
    config.folder.mkdir(parents=True, exist_ok=True)
    return config


def _with_setting(text: str, section: str, key: str, value: str) -> str:
    quoted = json.dumps(value, ensure_ascii=False)
    header, line = f"[{section}]", f"{key} = {quoted}"
    lines = text.splitlines()
    if header not in lines:
        lines += ["", header]
    begin = lines.index(header) + 1
    for number in range(begin, len(lines)):
        if lines[number].startswith("["):
            break
        if lines[number].partition("=")[0].strip() == key:
            lines[number] = line
            return "\n".join(lines) + "\n"
    lines.insert(begin, line)
    return "\n".join(lines) + "\n"


def _fill_database(config: Config, copy: Path) -> Store:
    store = open_store(config.store_url, config.folder)
    try:
        copy_from_file(copy, store)
    except SQLAlchemyError as error:
        store.close()
        url = make_url(config.store_url).render_as_string(hide_password=True)
        raise Unsound(DATABASE_UNREACHABLE, url=url) from error
    except BaseException:
        store.close()
        raise
    copy.unlink()
    return store


def _finish(store: Store, target: Target, recovery: Recovery, snapshot: Snapshot, *, at: datetime) -> Restored:
    leave_gap(store, at=at)
    alive_at = target.read_alive(recovery.verify_key) or snapshot.made_at
    with store.transaction() as db:
        backing_up.note_restored(
            db,
            number=snapshot.number,
            made_at=snapshot.made_at,
            alive_at=alive_at,
            machine=platform.node() or "—",
            at=at,
        )
    with store.reading() as db:
        last = backing_up.last_alive_at(db)
    with store.reading() as db:
        broken, attempts, revisions = check_chains(db)
    return Restored(
        config=Config(home=target.path),
        number=snapshot.number,
        made_at=snapshot.made_at,
        last_alive_at=last or alive_at,
        attempts=attempts,
        revisions=revisions,
        files=len(snapshot.files),
        broken=tuple(broken),
        missing=snapshot.missing,
        seconds=0.0,
    )


@contextmanager
def _new_folder(home: Path) -> Iterator[Path]:
    """Build beside the new folder; it gets its name only when all is well, and nothing is left when not."""
    home.parent.mkdir(parents=True, exist_ok=True)
    building = home.with_name(home.name + ".restoring")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o700)
    try:
        yield building
        if home.exists():
            home.rmdir()
        building.rename(home)
    finally:
        shutil.rmtree(building, ignore_errors=True)
