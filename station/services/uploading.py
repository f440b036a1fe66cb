"""Take in the files that candidates hand in for file items."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.domain.attempt import NOT_ANSWERING, OPEN, STATE_NAMES, AttemptState
from station.errors import Refused, problem
from station.store.locking import lock_attempts
from station.store.models import Attempt, Upload

# More versions of one file than anybody makes; it bounds what one candidate can fill the disk with.
VERSIONS_MAX = 60

TOO_MANY_VERSIONS = problem(
    "too_many_versions",
    "本文件已上传 {maximum} 次，不能再上传，请举手报告监考员。",
    "This file has been uploaded {maximum} times; tell the invigilator.",
)


def check_may_upload(db: Session, attempt: Attempt, *, item_id: str, part: str) -> None:
    """Refuse a file for an attempt that has ended, or one version too many."""
    if attempt.state not in OPEN:
        state_zh, state = STATE_NAMES[AttemptState(attempt.state)]
        raise Refused(NOT_ANSWERING, state_zh=state_zh, state=state)
    versions = db.scalar(
        select(func.count())
        .select_from(Upload)
        .where(Upload.attempt_id == attempt.id, Upload.item_id == item_id, Upload.part == part)
    )
    if (versions or 0) >= VERSIONS_MAX:
        raise Refused(TOO_MANY_VERSIONS, maximum=VERSIONS_MAX)


def record_upload(
    db: Session,
    attempt: Attempt,
    *,
    item_id: str,
    part: str,
    name: str,
    sha256: str,
    size: int,
    media_type: str,
    at: datetime,
) -> Upload:
    """Record a file that already lies on disk (design §13.8); the same file again is the same upload."""
    lock_attempts(db, [attempt])
    known = db.scalars(
        select(Upload).where(
            Upload.attempt_id == attempt.id,
            Upload.sha256 == sha256,
            Upload.item_id == item_id,
            Upload.part == part,
        )
    ).one_or_none()
    if known is not None:
        known.name = name
        return known
    check_may_upload(db, attempt, item_id=item_id, part=part)
    upload = Upload(
        attempt_id=attempt.id,
        item_id=item_id,
        part=part,
        name=name,
        sha256=sha256,
        size=size,
        media_type=media_type,
        uploaded_at=at,
    )
    db.add(upload)
    db.flush()
    return upload
