"""Result packages out: where each stands, and its receipt (design §4, §8; R-END-1, R-END-2)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from station.domain.sitting import NOT_A_REAL_SITTING, SittingKind, SittingState
from station.errors import Missing, Refused, problem
from station.services import journal
from station.store.locking import lock_row
from station.store.models import Attempt, Entry, PackageState, ResultPackage, Room, Sitting, Subject, WorkFolder

NOT_CLOSED = problem(
    "not_closed",
    "场次尚未结束，不能生成成果包。请先在“结束场次”中处理完毕。",
    "The sitting is not closed; close it first.",
)
PACKAGE_UNKNOWN = problem("package_unknown", "没有该成果包。", "There is no such package.")
PACKAGE_NOT_BUILT = problem(
    "package_not_built", "成果包正在生成，请稍候再试。", "The package is being built; try again in a moment."
)

QUIET = timedelta(seconds=60)
# Of the container's 10,002 entries some are not files (FORMAT.md).
MOST_FILES = 9_900
CONFIRMATION_EVERY = timedelta(seconds=60)
# A claim that nobody finished (the process died) is taken up again after this time.
CLAIM_LASTS = timedelta(minutes=45)


@dataclass(frozen=True)
class PackageJob:
    """One thing to do for a package: 'build', 'send', or 'ask' for the duty desk's confirmation."""

    kind: str
    package_id: int
    uuid: str
    sitting_id: int
    number: int
    file_name: str
    sha256: str
    upload_url: str
    tries: int


@dataclass(frozen=True)
class Built:
    """What a package's file is and holds. `files_left`: so many wait for the next package."""

    sha256: str
    size: int
    attempts: int
    revisions: int
    work_versions: int
    files: list[str]
    files_left: int


def queue_result_package(db: Session, sitting_id: int, *, at: datetime) -> ResultPackage:
    """Order the package of a closed sitting; after the first one a numbered supplement (design §13.12)."""
    sitting = lock_row(db, Sitting, sitting_id)
    if sitting is None:
        raise Missing(PACKAGE_UNKNOWN)
    if sitting.kind != SittingKind.REAL:
        raise Refused(NOT_A_REAL_SITTING)
    if sitting.state not in {SittingState.CLOSED, SittingState.DELIVERED}:
        raise Refused(NOT_CLOSED)
    last = db.scalar(select(func.max(ResultPackage.number)).where(ResultPackage.sitting_id == sitting_id)) or 0
    package = ResultPackage(
        uuid=str(uuid.uuid4()),
        sitting_id=sitting_id,
        number=last + 1,
        file_name=f"result-{sitting.planned_start_at:%Y%m%dT%H%M}Z-{sitting_id}-{last + 1}.exampkg",
        sha256="",
        size=0,
        state=PackageState.WAITING,
        built_at=at,
        next_try_at=at,
    )
    db.add(package)
    db.flush()
    return package


def sitting_without_package(db: Session, *, at: datetime) -> int | None:
    """Find a closed sitting for which a package is to be ordered: its first, or a supplement.

    A supplement is due when answers or files of work folders arrived after the last package was built, and none came
    for `QUIET` (design §13.12), and at once when not all files fitted into the last one.
    """
    first = db.scalars(
        select(Sitting.id)
        .outerjoin(ResultPackage, ResultPackage.sitting_id == Sitting.id)
        .where(Sitting.state == SittingState.CLOSED, Sitting.kind == SittingKind.REAL, ResultPackage.id.is_(None))
        .order_by(Sitting.closed_at)
    ).first()
    if first is not None:
        return first
    supplement = _sitting_to_supplement(db, at=at)
    return supplement if supplement is not None else _sitting_with_files_left(db)


def claim_package(db: Session, *, at: datetime, can_send: bool) -> PackageJob | None:
    """Claim the next due step of any package; the claim lapses when it is not finished in time.

    Building comes first; sending only when a central platform is configured (`can_send`).
    """
    due = or_(ResultPackage.next_try_at.is_(None), ResultPackage.next_try_at <= at)
    states = [PackageState.WAITING, PackageState.SENDING, PackageState.ARRIVED]
    candidates = db.scalars(
        select(ResultPackage).where(ResultPackage.state.in_(states), due).order_by(ResultPackage.id)
    ).all()
    for package in candidates:
        if not package.sha256:
            kind = "build"
        elif not can_send:
            continue
        else:
            kind = "ask" if package.state == PackageState.ARRIVED else "send"
        claimed = db.execute(
            update(ResultPackage)
            .where(ResultPackage.id == package.id, ResultPackage.state == package.state, due)
            .values(
                next_try_at=at + CLAIM_LASTS,
                state=PackageState.SENDING if kind == "send" else package.state,
            )
        )
        if claimed.rowcount == 1:  # type: ignore[attr-defined]
            db.refresh(package)
            return _job(kind, package)
    return None


def share_of_files(db: Session, job: PackageJob, sizes: Mapping[str, int], *, at_most: int) -> tuple[list[str], int]:
    """Choose the files that go into a package, and count those that are left for the next one.

    All of them, if they fit. Else those that are in no earlier package of the sitting, as many as fit: a container
    has a limit (FORMAT.md), and a room's practical work may be larger.
    """
    if sum(sizes.values()) <= at_most and len(sizes) <= MOST_FILES:
        return list(sizes), 0
    earlier = db.scalars(
        select(ResultPackage.files).where(
            ResultPackage.sitting_id == job.sitting_id, ResultPackage.sha256 != "", ResultPackage.id != job.package_id
        )
    )
    packed = {sha256 for files in earlier for sha256 in json.loads(files)}
    waiting = [sha256 for sha256 in sizes if sha256 not in packed]
    chosen: list[str] = []
    total = 0
    for sha256 in waiting:
        if chosen and (total + sizes[sha256] > at_most or len(chosen) >= MOST_FILES):
            break
        chosen.append(sha256)
        total += sizes[sha256]
    return chosen, len(waiting) - len(chosen)


def record_built(db: Session, job: PackageJob, *, built: Built, at: datetime) -> None:
    """Note that the package's file is on disk; it is due to be sent at once."""
    package = db.get_one(ResultPackage, job.package_id)
    package.revisions, package.work_versions = built.revisions, built.work_versions
    package.files, package.files_left = json.dumps(built.files), built.files_left
    package.sha256, package.size, package.built_at, package.next_try_at = built.sha256, built.size, at, at
    journal.append(
        db,
        "package_built",
        at=at,
        sitting_id=job.sitting_id,
        number=job.number,
        attempts=built.attempts,
        sha256=built.sha256,
    )


def remember_upload(db: Session, job: PackageJob, url: str | None) -> None:
    """Keep the address of a begun upload, so that it goes on where it stopped."""
    db.get_one(ResultPackage, job.package_id).upload_url = url or ""


def record_arrived(
    db: Session,
    job: PackageJob,
    *,
    receipt: str,
    code: str,
    confirmed_by: str | None,
    at: datetime,
) -> None:
    """Keep a receipt that has been checked; the sitting is delivered. `confirmed_by`: the duty desk, once it has."""
    package = db.get_one(ResultPackage, job.package_id)
    first = package.state != PackageState.ARRIVED
    package.receipt, package.receipt_code, package.last_error = receipt, code, ""
    if confirmed_by:
        package.state, package.confirmed_at, package.next_try_at = PackageState.CONFIRMED, at, None
        journal.append(db, "package_confirmed", at=at, sitting_id=job.sitting_id, code=code, by_desk=confirmed_by)
    else:
        package.state, package.next_try_at = PackageState.ARRIVED, at + CONFIRMATION_EVERY
    if first:
        journal.append(db, "package_sent", at=at, sitting_id=job.sitting_id, code=code)
        delivered = db.execute(
            update(Sitting)
            .where(Sitting.id == job.sitting_id, Sitting.state == SittingState.CLOSED)
            .values(state=SittingState.DELIVERED, delivered_at=at)
        )
        if delivered.rowcount == 1:  # type: ignore[attr-defined]
            journal.append(db, "sitting_delivered", at=at, sitting_id=job.sitting_id, code=code)


def record_trouble(db: Session, job: PackageJob, *, reason: str, retry_after_s: float | None, at: datetime) -> None:
    """Note a failure: tried again after so many seconds, or (None) waiting for a person."""
    package = db.get_one(ResultPackage, job.package_id)
    package.tries += 1
    package.last_error = reason[:500]
    if retry_after_s is not None:
        if package.state == PackageState.SENDING:
            package.state = PackageState.WAITING
        package.next_try_at = at + timedelta(seconds=retry_after_s)
        return
    package.state, package.next_try_at = PackageState.NEEDS_ATTENTION, None
    journal.append(db, "package_troubled", at=at, sitting_id=job.sitting_id, reason=reason[:300])


def release_claims(db: Session, *, at: datetime) -> list[str]:
    """Make every package due that is not confirmed; gives the names of those whose file is not built yet."""
    states = [PackageState.WAITING, PackageState.SENDING, PackageState.ARRIVED]
    open_ones = db.scalars(select(ResultPackage).where(ResultPackage.state.in_(states))).all()
    for package in open_ones:
        package.next_try_at = at
        if package.state == PackageState.SENDING:
            package.state = PackageState.WAITING
    return [package.file_name for package in open_ones if not package.sha256]


def try_again(db: Session, package_id: int, *, at: datetime, by: int | None = None) -> None:
    """Put a package that needs attention, or waits for its next try, in line at once: to be built or sent."""
    package = lock_row(db, ResultPackage, package_id)
    if package is None:
        raise Missing(PACKAGE_UNKNOWN)
    if package.state == PackageState.NEEDS_ATTENTION:
        journal.append(db, "package_retried", at=at, by=by, sitting_id=package.sitting_id, name=package.file_name)
    if package.state == PackageState.NEEDS_ATTENTION:
        package.state = PackageState.WAITING
    if package.state in {PackageState.WAITING, PackageState.ARRIVED}:
        package.next_try_at = at


def note_export(db: Session, package_id: int, *, name: str, by: int | None, at: datetime) -> None:
    """Put the export of a package into the journal (R-END-2)."""
    package = package_of(db, package_id)
    journal.append(db, "package_exported", at=at, by=by, sitting_id=package.sitting_id, name=name)


def package_of(db: Session, package_id: int) -> ResultPackage:
    """Find a package that is built, or refuse by name."""
    package = db.get(ResultPackage, package_id)
    if package is None:
        raise Missing(PACKAGE_UNKNOWN)
    if not package.sha256:
        raise Refused(PACKAGE_NOT_BUILT)
    return package


def labels_of(db: Session, sitting_id: int) -> dict[str, str]:
    """Give the open labels of a package: which sitting it is of, and no person."""
    sitting = db.get_one(Sitting, sitting_id)
    subject, room = db.get_one(Subject, sitting.subject_id), db.get_one(Room, sitting.room_id)
    return {
        "site": room.site_name,
        "room": room.name,
        "certificate": subject.certificate_name,
        "level": subject.level,
        "subject": subject.name,
        "planned_start_at": sitting.planned_start_at.isoformat(),
        "sitting_kind": sitting.kind,
    }


def _sitting_to_supplement(db: Session, *, at: datetime) -> int | None:
    """Find a sitting whose packages are all built and hold fewer answers or versions than are here by now."""
    packed = (
        select(
            ResultPackage.sitting_id,
            func.max(ResultPackage.revisions).label("revisions"),
            func.max(ResultPackage.work_versions).label("work_versions"),
            func.min(ResultPackage.size).label("smallest"),
        )
        .group_by(ResultPackage.sitting_id)
        .subquery()
    )
    came = (
        (Attempt.revision_count, Attempt.last_saved_at, packed.c.revisions),
        (WorkFolder.version_count, WorkFolder.last_saved_at, packed.c.work_versions),
    )
    return db.scalars(
        select(packed.c.sitting_id)
        .join(Entry, Entry.sitting_id == packed.c.sitting_id)
        .join(Attempt, Attempt.entry_id == Entry.id)
        .outerjoin(WorkFolder, WorkFolder.attempt_id == Attempt.id)
        .where(packed.c.smallest > 0)
        .group_by(packed.c.sitting_id, packed.c.revisions, packed.c.work_versions)
        .having(or_(*(and_(func.sum(count) > held, func.max(last) <= at - QUIET) for count, last, held in came)))
        .order_by(packed.c.sitting_id)
    ).first()


def _sitting_with_files_left(db: Session) -> int | None:
    last = select(func.max(ResultPackage.id)).group_by(ResultPackage.sitting_id)
    left = select(ResultPackage.sitting_id).where(ResultPackage.id.in_(last), ResultPackage.files_left > 0)
    return db.scalars(left.order_by(ResultPackage.id)).first()


def _job(kind: str, package: ResultPackage) -> PackageJob:
    return PackageJob(
        kind=kind,
        package_id=package.id,
        uuid=package.uuid,
        sitting_id=package.sitting_id,
        number=package.number,
        file_name=package.file_name,
        sha256=package.sha256,
        upload_url=package.upload_url,
        tries=package.tries,
    )
