"""Backups as the station sees them: when one is due, what came of it, and what a restore leaves in the journal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from station.domain.sitting import SittingState
from station.services import journal
from station.store.models import Attempt, Sitting, StationLife, Upload, WorkFolder

ACTIVE = (SittingState.ADMITTING, SittingState.RUNNING, SittingState.SUSPENDED)
# What no page can send again (a file, a hand-in) is in a backup after so long at the latest; a start or an end at once.
SOON = timedelta(seconds=60)
AT_ONCE = timedelta(seconds=5)
RETRY = timedelta(seconds=15)


def is_active(db: Session) -> bool:
    """Say whether candidates may be at work: a sitting admits, runs or is suspended."""
    return db.scalars(select(Sitting.id).where(Sitting.state.in_(ACTIVE)).limit(1)).first() is not None


def is_due(db: Session, *, every: timedelta, at: datetime) -> bool:
    """Say whether an automatic backup is due.

    1. While a sitting is active, each `every`.
    2. Soon after a hand-in, a collection or a file, and at once after a start or an end, whatever the pace: pages
       can send answers again, but none of these.
    3. After a failure, again and again.
    """
    life = db.get(StationLife, 1)
    if life is None:
        return False
    waited = at - life.backup_claimed_at if life.backup_claimed_at is not None else every + SOON
    if life.backup_trouble:
        return waited >= RETRY and (is_active(db) or _is_behind(life, _turns(db) + _losses(db)))
    if waited >= every and is_active(db):
        return True
    if waited >= AT_ONCE and _is_behind(life, _turns(db)):
        return True
    return waited >= SOON and _is_behind(life, _losses(db))


def claim(db: Session, *, every: timedelta, at: datetime) -> bool:
    """Take the backup that is due, so that no other process makes it, too."""
    life = db.get(StationLife, 1)
    if life is None or not is_due(db, every=every, at=at):
        return False
    before = life.backup_claimed_at
    unclaimed = StationLife.backup_claimed_at.is_(None) if before is None else StationLife.backup_claimed_at == before
    changed = db.execute(update(StationLife).where(StationLife.id == 1, unclaimed).values(backup_claimed_at=at))
    return bool(changed.rowcount == 1)  # type: ignore[attr-defined]


def note_made(
    db: Session,
    *,
    number: int,
    folder: str,
    began_at: datetime,
    flaws: Iterable[str],
    is_on_same_disk: bool,
    by_hand: bool,
    at: datetime,
) -> None:
    """Note a backup that was checked after writing. `flaws`: broken chains and missing files that it holds as such."""
    life = _life(db, at)
    had_trouble, life.backup_trouble = life.backup_trouble, ""
    life.backed_up_at, life.backup_on_same_disk = began_at, is_on_same_disk
    flaw = "、".join(flaws)[:300]
    if flaw:
        journal.append(db, "backup_unsound", at=at, number=number, flaw=flaw)
    elif had_trouble or by_hand:
        journal.append(db, "backup_confirmed", at=at, number=number, folder=folder)
    else:
        journal.append(db, "backup_made", at=at, number=number, folder=folder)


def note_failed(db: Session, *, reason: str, at: datetime) -> None:
    """Note a backup that could not be made; the same reason is told once."""
    life = _life(db, at)
    if life.backup_trouble != reason[:500]:
        life.backup_trouble = reason[:500]
        journal.append(db, "backup_failed", at=at, reason=reason[:300])


def note_code_made(db: Session, *, at: datetime) -> None:
    """Put into the journal that a recovery code was made and shown."""
    journal.append(db, "recovery_code_made", at=at)


def note_restored(
    db: Session, *, number: int, made_at: datetime, alive_at: datetime, machine: str, at: datetime
) -> None:
    """Note in a restored store where it comes from, and when the server that died was last alive.

    What the backup does not know reaches from its own last sign of life to that of the server. The outage that the
    next start finds begins there: before it candidates were at work, and their pages still hold what they did.
    """
    life = _life(db, at)
    life.restored_from = life.alive_at
    life.alive_at = life.restored_to = max(life.alive_at, min(alive_at, at))
    life.backup_claimed_at, life.backed_up_at, life.backup_trouble = None, None, ""
    journal.append(
        db,
        "station_restored",
        at=at,
        number=number,
        made_at=made_at.isoformat(timespec="seconds"),
        alive_at=life.alive_at.isoformat(timespec="seconds"),
        machine=machine,
    )


def last_alive_at(db: Session) -> datetime | None:
    """Say when the station was last alive as far as the store knows."""
    return db.scalar(select(StationLife.alive_at).where(StationLife.id == 1))


def _life(db: Session, at: datetime) -> StationLife:
    life = db.get(StationLife, 1)
    if life is None:
        life = StationLife(id=1, alive_at=at, started_at=at, backup_trouble="")
        db.add(life)
    return life


def _is_behind(life: StationLife, moments: list[datetime | None]) -> bool:
    known = [moment for moment in moments if moment is not None]
    return bool(known) and (life.backed_up_at is None or max(known) >= life.backed_up_at)


def _turns(db: Session) -> list[datetime | None]:
    """Give the newest start, end and delivery of any sitting."""
    newest = select(func.max(Sitting.started_at), func.max(Sitting.closed_at), func.max(Sitting.delivered_at))
    return list(db.execute(newest.where(or_(Sitting.started_at.is_not(None), Sitting.closed_at.is_not(None)))).one())


def _losses(db: Session) -> list[datetime | None]:
    """Give the newest of what a page could not send again."""
    newest = (Attempt.ended_at, Upload.uploaded_at, WorkFolder.last_saved_at)
    return [db.scalar(select(func.max(column))) for column in newest]
