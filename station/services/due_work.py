"""What falls due by itself: one due thing at a time, claimed, done and recorded (design §6, §13.20).

All due times are columns, so any process may do the work and none of it is done twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from station.domain.attempt import OPEN, AttemptState
from station.domain.sitting import SittingState
from station.services import answering, journal
from station.store import Store
from station.store.locking import lock_attempts_of, to_change
from station.store.models import (
    Attempt,
    Entry,
    Interruption,
    JournalHead,
    SignedHeads,
    Sitting,
    StationLife,
    Subject,
)
from station.store.times import move_deadline

SIGN_EVERY = timedelta(seconds=60)


def tick(store: Store, at: datetime, *, sign: Callable[[bytes], str]) -> bool:
    """Do what is due at this moment; say whether there was anything.

    1. Note that the station is alive.
    2. Sign the heads of all chains once a minute while somebody answers.
    3. Collect attempts whose deadline has come.
    Each in a transaction of its own: what fails in one undoes nothing of the others.
    """
    with store.transaction() as db:
        _beat(db, at)
    with store.transaction() as db:
        signed = _sign_heads(db, at, sign)
    return _collect(store, at) or signed


def begin_life(db: Session, at: datetime, *, version: str) -> float:
    """Note the start; give back an outage that lies behind it, and say its length in seconds (0: none).

    1. The gap is from the last sign of life to now; a clean stop in the middle of a sitting counts too.
    2. Up to the subject's limit a running sitting gets the gap back and goes on by itself.
    3. Longer, or with a clock that lies before the last sign of life: the sitting is suspended from the last
       sign of life, and an invigilator resumes it.
    """
    life = db.get(StationLife, 1)
    if life is None:
        db.add(StationLife(id=1, alive_at=at, started_at=at))
        journal.append(db, "station_started", at=at, version=version)
        return 0.0
    last, gap_s = life.alive_at, (at - life.alive_at).total_seconds()
    life.alive_at, life.started_at, life.stopped_cleanly = at, at, False
    life.clock_in_doubt = gap_s < 0
    of_running = (
        select(Sitting, Subject.outage_limit_s)
        .join(Subject, Subject.id == Sitting.subject_id)
        .where(Sitting.state == SittingState.RUNNING)
        .order_by(Sitting.id)
    )
    running = db.execute(to_change(of_running, Sitting)).all()
    for sitting, _ in running:
        lock_attempts_of(db, sitting.id)
    journal.append(db, "station_started", at=at, version=version, gap_s=round(gap_s, 1))
    for sitting, limit_s in running:
        _give_back(db, sitting, limit_s=limit_s, last=last, at=at)
    return max(gap_s, 0.0) if running else 0.0


def end_life(db: Session, at: datetime) -> None:
    """Note a clean stop."""
    life = db.get(StationLife, 1)
    if life is not None:
        life.alive_at, life.stopped_cleanly = at, True
    journal.append(db, "station_stopped", at=at)


def note_trouble(db: Session, name: str, error: Exception, at: datetime) -> None:
    """Put a job that failed into the journal, so that the board shows it."""
    reason = error.orig if isinstance(error, DBAPIError) else error
    journal.append(db, "station_trouble", at=at, job=name, reason=f"{type(error).__name__}: {reason}"[:200])


def note_refused_saves(db: Session, count: int, at: datetime) -> None:
    """Put saves that could not be written into the journal; their pages keep them and send them again."""
    journal.append(db, "saves_refused", at=at, count=count)


def note_clock_jump(db: Session, seconds: float, at: datetime) -> None:
    """Put a jump of the machine's clock into the journal; no deadline moves."""
    journal.append(db, "clock_jumped", at=at, seconds=round(seconds, 1))


def is_time_running(db: Session) -> bool:
    """Say whether a deadline hangs on the clock's going on evenly: a sitting runs or is suspended."""
    held = Sitting.state.in_([SittingState.RUNNING, SittingState.SUSPENDED])
    return db.scalars(select(Sitting.id).where(held)).first() is not None


def note_clock_followed(db: Session, at: datetime) -> None:
    """Put into the journal that the station goes by the machine's corrected time from now on."""
    journal.append(db, "clock_followed", at=at)


def _collect(store: Store, at: datetime) -> bool:
    """Collect all that is due at once; if that fails, one by one, so that one unsound attempt holds up no other."""
    try:
        with store.transaction() as db:
            return bool(answering.collect_due(db, at=at))
    except OperationalError:
        raise  # the disk or the database: no better one by one
    except Exception:
        with store.reading() as db:
            due = answering.due_attempts(db, at=at)
        failure: Exception | None = None
        for attempt in due:
            try:
                with store.transaction() as db:
                    answering.collect_due(db, at=at, only=attempt.id)
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure from None
        return True


def _beat(db: Session, at: datetime) -> None:
    db.execute(update(StationLife).where(StationLife.id == 1).values(alive_at=at))


def _give_back(db: Session, sitting: Sitting, *, limit_s: int, last: datetime, at: datetime) -> None:
    gap_s = (at - last).total_seconds()
    attempts = lock_attempts_of(db, sitting.id)
    if 0 <= gap_s <= limit_s:
        db.add(Interruption(sitting_id=sitting.id, kind="outage", reason="", began_at=last, ended_at=at))
        open_ones = [attempt for attempt in attempts if attempt.state in OPEN]
        for attempt in open_ones:
            move_deadline(db, attempt)
        journal.append(
            db, "outage_found", at=at, sitting_id=sitting.id, gap_s=round(gap_s, 1), compensated=len(open_ones)
        )
        return
    db.add(Interruption(sitting_id=sitting.id, kind="outage", reason="", began_at=last))
    sitting.state, sitting.suspended_at = SittingState.SUSPENDED, last
    sitting.suspended_reason = "考站中断 / station outage"
    for attempt in attempts:
        if attempt.state == AttemptState.ANSWERING:
            attempt.state = AttemptState.SUSPENDED
    journal.append(db, "outage_waits", at=at, sitting_id=sitting.id, gap_s=round(gap_s, 1))


def _sign_heads(db: Session, at: datetime, sign: Callable[[bytes], str]) -> bool:
    last = db.scalars(select(SignedHeads.at).order_by(SignedHeads.id.desc()).limit(1)).one_or_none()
    if last is not None and at - last < SIGN_EVERY:
        return False
    heads = {
        str(row.id): [row.revision_count, row.head_hash]
        for row in db.execute(
            select(Attempt.id, Attempt.revision_count, Attempt.head_hash)
            .join(Entry, Entry.id == Attempt.entry_id)
            .join(Sitting, Sitting.id == Entry.sitting_id)
            .where(Sitting.state.in_([SittingState.RUNNING, SittingState.SUSPENDED]))
        )
    }
    if not heads:
        return False
    head = db.get(JournalHead, 1)
    document = {
        "format": "exam-heads/1",
        "at": at.isoformat(),
        "journal": [head.number, head.hash] if head else [0, ""],
        "attempts": heads,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    db.add(SignedHeads(at=at, heads=text, signature=sign(text.encode())))
    return True
