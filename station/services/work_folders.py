"""Take in the versions of a work folder, take one back, and know whether the last state has come (design §9).

A version is kept once its content lies on disk. Versions of one attempt form a chain of their own, whose heads are
signed with those of the answers, so that a year later each of them can be proved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.domain import work_folder as rules
from station.domain.attempt import (
    CHAIN_START,
    ENDED,
    NOT_ANSWERING,
    OPEN,
    STATE_NAMES,
    AttemptState,
    first_broken_link,
    link_hash,
)
from station.domain.sitting import SittingState
from station.domain.work_folder import WorkCause, WorkLink
from station.errors import Missing, Refused, problem
from station.services import journal
from station.store.locking import lock_attempts, lock_row
from station.store.models import (
    Attempt,
    Candidate,
    Entry,
    PackageState,
    ResultPackage,
    Seat,
    Sitting,
    Upload,
    WorkContent,
    WorkFolder,
    WorkVersion,
    milliseconds,
)
from station.store.work_queries import versions_of

CONTENT_MISSING = problem(
    "content_missing",
    "内容 {sha256} 尚未全部送达，请先发送内容。",
    "The content {sha256} is not all here yet: send it first.",
)
VERSION_UNKNOWN = problem(
    "version_unknown",
    "没有找到这个版本，可能列表已更新，请重新打开。",
    "There is no such version; the list may be old. Open it again.",
)


@dataclass(frozen=True)
class SentVersion:
    """One version as the agent tells it; `sha256` None: removed. The path is checked already."""

    path: str
    sha256: str | None
    size: int
    modified_at: datetime
    cause: WorkCause


@dataclass(frozen=True)
class Origin:
    """From which PC a message came, in which of its boots, and the number of the message."""

    device_id: int
    boot_id: str
    sequence: int


def open_folder(db: Session, attempt: Attempt, *, device_id: int | None, at: datetime) -> WorkFolder:
    """Note that a PC holds the folder; a second time changes only which PC."""
    folder = db.get(WorkFolder, attempt.id)
    if folder is None:
        lock_attempts(db, [attempt])
        folder = lock_row(db, WorkFolder, attempt.id)
    if folder is None:
        folder = WorkFolder(attempt_id=attempt.id, device_id=device_id, opened_at=at, head_hash=CHAIN_START)
        db.add(folder)
        db.flush()
    if device_id is not None and folder.device_id != device_id:
        folder.device_id = device_id
    return folder


def expect_content(db: Session, attempt_id: int, sha256: str, *, size: int, is_here: bool, at: datetime) -> None:
    """Note a content that is to come, before its first piece; one that the disk has lost is to come anew.

    An empty one is complete at once, as no piece of it comes.
    """
    lock_attempts(db, [db.get_one(Attempt, attempt_id)])
    content = db.get(WorkContent, (attempt_id, sha256))
    if content is None:
        content = WorkContent(attempt_id=attempt_id, sha256=sha256, began_at=at)
        db.add(content)
    elif content.completed_at is not None and is_here:  # it came over another PC meanwhile
        return
    content.size, content.completed_at = size, None if size else at


def content_of(db: Session, attempt_id: int, sha256: str) -> WorkContent | None:
    """Find a content that was told."""
    return db.get(WorkContent, (attempt_id, sha256))


def note_complete(db: Session, attempt_id: int, sha256: str, *, at: datetime) -> None:
    """Note that a content lies whole and flushed under its name (design §13.8)."""
    content = db.get_one(WorkContent, (attempt_id, sha256))
    content.completed_at = content.completed_at or at


def record_versions(
    db: Session,
    attempt: Attempt,
    sent: Sequence[SentVersion],
    *,
    origin: Origin,
    moved_at: datetime | None = None,
    at: datetime,
) -> list[tuple[str, int]]:
    """Add versions in the order in which they came; gives each path's version number.

    1. Every content must be there, else nothing is taken; a version is as large as its content.
    2. The same message again, and the content that is the newest version already, add nothing.
    3. After the end a version is late or not by `rules.is_late`; late ones are kept and do not count by themselves.
    4. `moved_at`: the candidate left this PC then. What it brings is marked so, and nothing that it lacks is removed;
       what counts of it is told to the new PC.
    """
    lock_attempts(db, [attempt])
    folder = open_folder(db, attempt, device_id=origin.device_id if moved_at is None else None, at=at)
    sizes = _sizes_of_complete(db, attempt.id, sent)
    sent = [one if one.sha256 is None else replace(one, size=sizes[one.sha256]) for one in sent]
    before = _versions(db, attempt.id, {path_key(one.path) for one in sent})
    again = _of_message(db, attempt.id, origin)
    accepted: list[tuple[str, int]] = []
    late = added = 0
    for one in sent:
        rows = before.setdefault(path_key(one.path), [])
        known = again.get((one.path, one.sha256)) or _same(rows, one.sha256, is_moved=moved_at is not None)
        if known is None and one.sha256 is None and (moved_at is not None or not rows):
            accepted.append((one.path, rows[-1].version if rows else 0))  # gone before the station ever had it
            continue
        if known is None:
            is_late = rules.is_late(at, one.modified_at, _ended_at(attempt))
            kept = one if moved_at is None else _as_moved(one, moved_at)
            known = _add(db, folder, kept, rows, origin=origin, is_late=is_late, at=at)
            rows.append(known)
            late += is_late
            added += 1
            if moved_at is not None and not is_late and rules.standing(rows) is known:
                folder.refresh = known.number  # the new PC fetches it
        accepted.append((one.path, known.version))
    if moved_at is not None and added:
        _journal(db, attempt, "work_came_from_old_pc", at=at, count=added)
    if late:
        folder.late_count += late
        _journal(db, attempt, "work_came_late", at=at, count=late)
    return accepted


def take_back(db: Session, attempt: Attempt, *, path: str, version: int, at: datetime) -> WorkVersion:
    """Make an earlier version the newest; the agent brings it into the folder. Nothing is removed."""
    lock_attempts(db, [attempt])
    if attempt.state not in OPEN:
        state_zh, state = STATE_NAMES[AttemptState(attempt.state)]
        raise Refused(NOT_ANSWERING, state_zh=state_zh, state=state)
    wanted = db.scalars(
        select(WorkVersion).where(
            WorkVersion.attempt_id == attempt.id,
            WorkVersion.path_key == path_key(path),
            WorkVersion.version == version,
        )
    ).one_or_none()
    if wanted is None or wanted.sha256 is None:
        raise Missing(VERSION_UNKNOWN)
    rows = _versions(db, attempt.id, {wanted.path_key})[wanted.path_key]
    stands = rules.standing(rows)
    if stands is not None and stands.sha256 == wanted.sha256:
        return stands
    folder = open_folder(db, attempt, device_id=None, at=at)
    sent = SentVersion(wanted.path, wanted.sha256, wanted.size, at, WorkCause.TAKEN_BACK)
    added = _add(db, folder, sent, rows, origin=None, is_late=False, from_version=version, at=at)
    folder.refresh = added.number
    _journal(db, attempt, "work_taken_back", at=at, path=path, version=version)
    return added


def settle(db: Session, attempt: Attempt, files: Iterable[tuple[str, str]], *, at: datetime) -> list[str]:
    """Compare what lies on the PC with what is here; gives the paths that are not here as they lie there.

    After the end, once nothing is missing, the folder is settled: the PC holds nothing that the station has not.
    """
    lock_attempts(db, [attempt])
    folder = open_folder(db, attempt, device_id=None, at=at)
    newest = {path: _newest_here(rows) for path, rows in versions_of(db, attempt.id).items()}
    missing = [path for path, sha256 in files if sha256 not in newest.get(path, ())]
    folder.told_at, folder.missing = at, json.dumps(missing[:50], ensure_ascii=False)
    if attempt.state in ENDED and not missing and folder.settled_at is None:
        folder.settled_at = at
        _journal(db, attempt, "work_settled", at=at, versions=folder.version_count, head=folder.head_hash)
    return missing


def may_be_emptied(db: Session, attempt: Attempt, entry: Entry) -> bool:
    """Say whether the PC may forget the folder: all of it is here, delivered, and every receipt has come (§8)."""
    folder = db.get(WorkFolder, attempt.id)
    if folder is None or folder.settled_at is None:
        return False
    if db.get_one(Sitting, entry.sitting_id).state != SittingState.DELIVERED:
        return False
    packages = db.scalars(select(ResultPackage).where(ResultPackage.sitting_id == entry.sitting_id)).all()
    in_packages = max((one.work_versions for one in packages), default=0)
    if any(one.files_left for one in packages if one.number == len(packages)):
        return False
    made = db.scalar(
        select(func.sum(WorkFolder.version_count))
        .join(Attempt, Attempt.id == WorkFolder.attempt_id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .where(Entry.sitting_id == entry.sitting_id)
    )
    return all(one.state == PackageState.CONFIRMED for one in packages) and in_packages >= (made or 0)


def is_of_folder(db: Session, attempt_id: int, sha256: str) -> bool:
    """Say whether a content is one of this folder's versions."""
    found = select(WorkVersion.id).where(WorkVersion.attempt_id == attempt_id, WorkVersion.sha256 == sha256)
    return db.scalars(found.limit(1)).first() is not None


def check_chain(db: Session, attempt_id: int) -> int | None:
    """Follow the chain of a folder's versions; give the number of the first broken one, None when whole."""
    rows = db.scalars(select(WorkVersion).where(WorkVersion.attempt_id == attempt_id).order_by(WorkVersion.number))
    links = [(link_of(row), row.previous_hash, row.hash) for row in rows]
    folder = db.get(WorkFolder, attempt_id)
    end = (folder.version_count, folder.head_hash) if folder is not None else (0, CHAIN_START)
    broken = first_broken_link(links)
    if broken is None and (len(links), links[-1][2] if links else CHAIN_START) != end:
        return len(links) + 1
    return broken


def link_of(row: WorkVersion) -> WorkLink:
    """Give the fields of a stored version that its hash covers."""
    return WorkLink(
        attempt_id=row.attempt_id,
        number=row.number,
        path=row.path,
        version=row.version,
        sha256=row.sha256,
        size=row.size,
        modified_at_ms=milliseconds(row.modified_at),
        received_at_ms=milliseconds(row.received_at),
        cause=row.cause,
        from_version=row.from_version,
        device_id=row.device_id,
        boot_id=row.boot_id,
        sequence=row.sequence,
        is_late=row.is_late,
    )


def path_key(path: str) -> str:
    """Give the short name of a path for keys."""
    return hashlib.sha256(path.encode()).hexdigest()


def _add(
    db: Session,
    folder: WorkFolder,
    sent: SentVersion,
    before: Sequence[WorkVersion],
    *,
    origin: Origin | None,
    is_late: bool,
    from_version: int | None = None,
    at: datetime,
) -> WorkVersion:
    row = WorkVersion(
        attempt_id=folder.attempt_id,
        number=folder.version_count + 1,
        path=sent.path,
        path_key=path_key(sent.path),
        version=before[-1].version + 1 if before else 1,
        sha256=sent.sha256,
        size=sent.size,
        modified_at=sent.modified_at,
        received_at=at,
        cause=sent.cause,
        from_version=from_version,
        device_id=origin.device_id if origin is not None else None,
        boot_id=origin.boot_id if origin is not None else "",
        sequence=origin.sequence if origin is not None else 0,
        is_late=is_late,
        previous_hash=folder.head_hash,
    )
    row.hash = link_hash(row.previous_hash, link_of(row))
    db.add(row)
    folder.version_count, folder.head_hash, folder.last_saved_at = row.number, row.hash, at
    return row


def _sizes_of_complete(db: Session, attempt_id: int, sent: Sequence[SentVersion]) -> dict[str, int]:
    """Give the size of each content by its hash, whatever the message says; refuse where one is not all here."""
    wanted = {one.sha256 for one in sent if one.sha256 is not None}
    is_whole = (WorkContent.attempt_id == attempt_id, WorkContent.completed_at.is_not(None))
    told = select(WorkContent.sha256, WorkContent.size).where(*is_whole, WorkContent.sha256.in_(wanted))
    uploaded = select(Upload.sha256, Upload.size).where(Upload.attempt_id == attempt_id, Upload.sha256.in_(wanted))
    here = {row[0]: row[1] for statement in (uploaded, told) for row in db.execute(statement)}
    for sha256 in sorted(wanted - here.keys()):
        raise Refused(CONTENT_MISSING, sha256=sha256)
    return here


def _as_moved(sent: SentVersion, moved_at: datetime) -> SentVersion:
    """Mark a version of a PC that was left: whoever touched it after the move was not the candidate."""
    return replace(sent, cause=WorkCause.MOVED, modified_at=min(sent.modified_at, moved_at))


def _same(rows: Sequence[WorkVersion], sha256: str | None, *, is_moved: bool) -> WorkVersion | None:
    """Find the version that a message adds nothing to: the one that stands; of a PC that was left any."""
    stands = rules.standing(rows)
    if not is_moved:
        return stands if stands is not None and stands.sha256 == sha256 else None
    return next((row for row in reversed(rows) if sha256 is not None and row.sha256 == sha256), None)


def _newest_here(rows: Sequence[WorkVersion]) -> set[str | None]:
    """Give what may lie at the candidate's PC: what it sent last, or what stands."""
    stands, own = rules.standing(rows), [row for row in rows if row.cause != WorkCause.MOVED]
    return {row.sha256 for row in (stands, *own[-1:]) if row is not None}


def _versions(db: Session, attempt_id: int, keys: set[str]) -> dict[str, list[WorkVersion]]:
    """List the versions of some paths, oldest first."""
    found: dict[str, list[WorkVersion]] = {}
    rows = db.scalars(
        select(WorkVersion)
        .where(WorkVersion.attempt_id == attempt_id, WorkVersion.path_key.in_(keys))
        .order_by(WorkVersion.number)
    )
    for row in rows:
        found.setdefault(row.path_key, []).append(row)
    return found


def _of_message(db: Session, attempt_id: int, origin: Origin) -> dict[tuple[str, str | None], WorkVersion]:
    """Find what an earlier copy of this message has left."""
    rows = db.scalars(
        select(WorkVersion).where(
            WorkVersion.attempt_id == attempt_id,
            WorkVersion.device_id == origin.device_id,
            WorkVersion.boot_id == origin.boot_id,
            WorkVersion.sequence == origin.sequence,
        )
    )
    return {(row.path, row.sha256): row for row in rows}


def _ended_at(attempt: Attempt) -> datetime | None:
    """Say when answering ended or will end; while it stands still nothing is late."""
    if attempt.state in ENDED:
        return attempt.ended_at
    return attempt.deadline_at if attempt.state == AttemptState.ANSWERING else None


def _journal(db: Session, attempt: Attempt, event: str, *, at: datetime, **details: object) -> None:
    entry = db.get_one(Entry, attempt.entry_id)
    name, seat = db.get_one(Candidate, entry.candidate_id).name, db.get_one(Seat, entry.seat_id).number
    told = {"name": name, "seat": seat, **details}
    journal.append(db, event, at=at, sitting_id=entry.sitting_id, entry_id=entry.id, **told)  # type: ignore[arg-type]
