"""Bring a closed sitting to the central platform: mark, order, build, send, one step a call (R-END-1).

Each step is claimed in one transaction, done outside of any, and recorded in another (design §13.20).
Marking and packing run in child processes, so that no candidate's save waits for them (§13.19).
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import file_digest
from multiprocessing import get_context
from pathlib import Path
from random import Random

from sqlalchemy.exc import OperationalError

from station.services import marking, packages, results
from station.services.packages import PackageJob
from station.store import Store
from station.store.files import path_of
from sync.central import Central, Sent, Transient, fetch_receipt, next_delay, send_package
from sync.child import pack_apart
from sync.container import Member, remove_unfinished
from sync.errors import SyncError

# A container takes 4 GiB in all (FORMAT.md).
FILES_AT_MOST = 7 * 2**29
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivery:
    """What delivering needs to know. `central` None: packages are built and only exported.

    `unmarkable`: sittings whose marking failed since the start; they are delivered without marks. `files_at_most`:
    bytes of files in one package; the rest goes into the next.
    """

    store: Store
    now: Callable[[], datetime]
    recipient: str
    signing_key_file: Path
    station_id: str
    version: str
    central: Central | None = None
    unmarkable: set[int] = field(default_factory=set)
    files_at_most: int = FILES_AT_MOST

    @property
    def outbox(self) -> Path:
        return self.store.folder / "outbox"


def take_up_again(delivery: Delivery) -> None:
    """After a start: let nothing wait for the process that died, and remove what it left half done.

    That includes the work folder of a build, which holds answers in plain text. Where several processes may be at
    work on one database the claims are left to lapse.
    """
    if not delivery.store.is_sqlite:
        return
    with delivery.store.transaction() as db:
        unfinished = packages.release_claims(db, at=delivery.now())
    for file_name in unfinished:
        remove_unfinished(delivery.outbox / file_name)
    for work in delivery.outbox.glob("*.work"):
        shutil.rmtree(work, ignore_errors=True)


def deliver_next(delivery: Delivery) -> bool:
    """Take the next step of any closed sitting; say whether there was one."""
    return _mark_next(delivery) or _order_next(delivery) or _package_next(delivery)


def _mark_next(delivery: Delivery) -> bool:
    with delivery.store.reading() as db:
        job = marking.sitting_to_mark(db, leave_out=delivery.unmarkable)
    if job is None:
        return False
    try:
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            marks = pool.submit(marking.mark, job).result()
    except Exception as error:
        log.error("sitting %d cannot be marked", job.sitting_id, exc_info=error)
        delivery.unmarkable.add(job.sitting_id)
        with delivery.store.transaction() as db:
            marking.note_failure(db, job, reason=f"{type(error).__name__}: {error}", at=delivery.now())
        return True
    with delivery.store.transaction() as db:
        marking.record_marks(db, job, marks, at=delivery.now())
    return True


def _order_next(delivery: Delivery) -> bool:
    with delivery.store.transaction() as db:
        sitting_id = packages.sitting_without_package(db, at=delivery.now())
        if sitting_id is None:
            return False
        packages.queue_result_package(db, sitting_id, at=delivery.now())
    return True


def _package_next(delivery: Delivery) -> bool:
    with delivery.store.transaction() as db:
        job = packages.claim_package(db, at=delivery.now(), can_send=delivery.central is not None)
    if job is None:
        return False
    try:
        if job.kind == "build":
            _build(delivery, job)
        elif delivery.central is not None:
            _send(delivery, delivery.central, job)
    except OperationalError:
        raise  # the store itself: the claim lapses, and the step is taken again
    except Exception as error:
        if not isinstance(error, SyncError | OSError):
            log.error("package %s cannot go on", job.file_name, exc_info=error)
        reason = error.sentence() if isinstance(error, SyncError) else f"{type(error).__name__}: {error}"
        with delivery.store.transaction() as db:
            packages.record_trouble(db, job, reason=reason, retry_after_s=None, at=delivery.now())
    return True


def _build(delivery: Delivery, job: PackageJob) -> None:
    """Write the members into a work folder, pack them in a child process, and note the package."""
    delivery.outbox.mkdir(parents=True, exist_ok=True)
    work = delivery.outbox / f"{job.uuid}.work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        with delivery.store.reading() as db:
            document = results.result_document(db, job.sitting_id, station_version=delivery.version)
            members = [
                _json_member(work, "result.json", [results.text_of(document)]),
                _json_member(work, "marks.json", [results.text_of(results.marks_document(db, job.sitting_id))]),
                _json_member(work, "revisions.jsonl", results.revision_lines(db, job.sitting_id)),
                _json_member(work, "work_versions.jsonl", results.work_version_lines(db, job.sitting_id)),
                _json_member(work, "journal.jsonl", results.journal_lines(db)),
            ]
            revisions, work_versions = (_lines_of(work / f"{name}.jsonl") for name in ("revisions", "work_versions"))
            folder = delivery.store.folder / "uploads"
            sizes = {one: path_of(folder, one).stat().st_size for one in results.files_of(db, job.sitting_id)}
            files, files_left = packages.share_of_files(db, job, sizes, at_most=delivery.files_at_most)
            labels = packages.labels_of(db, job.sitting_id)
        members += [Member(f"files/{sha256}", path_of(folder, sha256)) for sha256 in files]
        target = delivery.outbox / job.file_name
        pack_apart(
            target,
            kind="result_package",
            id=job.uuid,
            number=job.number,
            labels=labels,
            members=members,
            recipients=[delivery.recipient],
            signing_key_file=delivery.signing_key_file,
            made_at=delivery.now(),
            made_by=delivery.station_id,
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    with target.open("rb") as stream:
        sha256 = file_digest(stream, "sha256").hexdigest()
    built = packages.Built(
        sha256=sha256,
        size=target.stat().st_size,
        attempts=len(document["attempts"]),
        revisions=revisions,
        work_versions=work_versions,
        files=files,
        files_left=files_left,
    )
    with delivery.store.transaction() as db:
        packages.record_built(db, job, built=built, at=delivery.now())


def _send(delivery: Delivery, central: Central, job: PackageJob) -> None:
    if job.kind == "ask":
        outcome = fetch_receipt(central, package_id=job.uuid, package_sha256=job.sha256)
    else:
        outcome = send_package(
            central,
            delivery.outbox / job.file_name,
            package_id=job.uuid,
            upload_url=job.upload_url or None,
            remember=partial(_remember, delivery, job),
        )
    with delivery.store.transaction() as db:
        if isinstance(outcome, Sent):
            packages.record_arrived(
                db,
                job,
                receipt=outcome.receipt_jws,
                code=outcome.receipt.code,
                confirmed_by=outcome.receipt.confirmed_by,
                at=delivery.now(),
            )
            return
        retry_after_s = None
        if isinstance(outcome, Transient):
            retry_after_s = outcome.retry_after_s or next_delay(job.tries + 1, Random())
        packages.record_trouble(
            db, job, reason=outcome.reason.sentence(), retry_after_s=retry_after_s, at=delivery.now()
        )


def _remember(delivery: Delivery, job: PackageJob, url: str | None) -> None:
    with delivery.store.transaction() as db:
        packages.remember_upload(db, job, url)


def _lines_of(path: Path) -> int:
    with path.open("rb") as written:
        return sum(1 for _ in written)


def _json_member(work: Path, name: str, lines: Iterable[str]) -> Member:
    path = work / name
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(lines)
    return Member(name, path, media_type="application/json")
