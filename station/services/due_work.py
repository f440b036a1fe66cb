"""What falls due by itself: one due thing at a time, claimed, done and recorded (design §6, §13.20).

All due times are columns, so any process may do the work and none of it is done twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from math import inf

from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from station.domain.sitting import SittingKind, SittingState
from station.services import answering, journal, outage
from station.store import Store
from station.store.locking import to_change
from station.store.models import Attempt, Entry, JournalHead, SignedHeads, Sitting, StationLife, WorkFolder

SIGN_EVERY = timedelta(seconds=60)


def tick(
    store: Store,
    at: datetime,
    *,
    sign: Callable[[bytes], str],
    stalled_from_s: float = inf,
    has_beaten: bool = False,
) -> bool:
    """Do what is due at this moment; say whether there was anything.

    1. Note that the station is alive, unless a save just has (`has_beaten`); a gap of `stalled_from_s` since it
       last could is an outage like any other.
    2. Sign the heads of all chains once a minute while somebody answers.
    3. Collect attempts whose deadline has come.
    Each in a transaction of its own: what fails in one undoes nothing of the others.
    """
    if not has_beaten:
        with store.transaction() as db:
            if stalled_from_s < inf:
                revive(db, at, stalled_from_s=stalled_from_s)
            beat(db, at)
    with store.transaction() as db:
        signed = _sign_heads(db, at, sign)
    return _collect(store, at) or signed


def begin_life(db: Session, at: datetime, *, version: str, is_beside: bool = False) -> float:
    """Note the start; give back an outage that lies behind it, and say its length in seconds (0: none).

    1. The gap is from the last sign of life to now; a clean stop in the middle of a sitting counts too.
    2. What it took from running sittings is given back, or waits for a person (`outage.give_back_outage`).
    3. With a clock that cannot be believed nothing goes on, and the last sign of life stays as it is.
    `is_beside`: another process of the station has been alive all the time, so there was no outage.
    """
    life = db.get(StationLife, 1)
    if life is None:
        db.add(StationLife(id=1, alive_at=at, started_at=at))
        journal.append(db, "station_started", at=at, version=version)
        return 0.0
    if is_beside:
        journal.append(db, "station_joined", at=at, version=version)
        return 0.0
    last, gap_s = life.alive_at, (at - life.alive_at).total_seconds()
    outage.doubt_clock(db, life, at)
    life.started_at, life.stopped_cleanly = at, False
    if not life.clock_in_doubt:
        life.alive_at = at
    answering.collect_due(db, at=last)  # whose time was over before the outage began gets nothing of it
    journal.append(db, "station_started", at=at, version=version, gap_s=round(gap_s, 1))
    if life.clock_in_doubt:
        off_zh, off_en = outage.off_by(gap_s)
        journal.append(db, "clock_doubted", at=at, off_zh=off_zh, off_en=off_en)
    did_run = outage.give_back_outage(db, last=last, at=at, in_doubt=life.clock_in_doubt)
    return max(gap_s, 0.0) if did_run else 0.0


def revive(db: Session, at: datetime, *, stalled_from_s: float) -> None:
    """Give back what a stall took: the program lived on and could not write, so no answer could be saved.

    The deadlines move before anything that came meanwhile is judged late.
    """
    life = db.scalars(to_change(select(StationLife), StationLife)).one_or_none()
    if life is None or life.clock_in_doubt or (at - life.alive_at).total_seconds() < stalled_from_s:
        return
    last, life.alive_at = life.alive_at, at
    answering.collect_due(db, at=last)
    outage.give_back_outage(db, last=last, at=at)


def beat(db: Session, at: datetime) -> None:
    """Note a sign of life, unless the clock cannot be believed."""
    believed = StationLife.clock_in_doubt.is_(False)
    db.execute(update(StationLife).where(StationLife.id == 1, believed).values(alive_at=at))


def alive_at(db: Session) -> datetime | None:
    """Say when the station, in whichever process, was last known alive."""
    life = db.get(StationLife, 1)
    return life.alive_at if life is not None else None


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
    """Say whether a deadline hangs on the clock's going on evenly: a sitting is held, by a clock not in doubt."""
    life = db.get(StationLife, 1)
    return outage.is_anything_held(db) and not (life is not None and life.clock_in_doubt)


def note_clock_followed(db: Session, at: datetime) -> None:
    """Put into the journal that the station goes by the machine's corrected time from now on."""
    life = db.get(StationLife, 1)
    if life is not None and life.clock_in_doubt:
        outage.doubt_clock(db, life, at)
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
            .where(Sitting.state.in_([SittingState.RUNNING, SittingState.SUSPENDED]), Sitting.kind == SittingKind.REAL)
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
        "work": _work_heads(db),
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    db.add(SignedHeads(at=at, heads=text, signature=sign(text.encode())))
    return True


def _work_heads(db: Session) -> dict[str, list[object]]:
    """Give the ends of the work folders' chains, of the sittings that run."""
    rows = db.execute(
        select(WorkFolder.attempt_id, WorkFolder.version_count, WorkFolder.head_hash)
        .join(Attempt, Attempt.id == WorkFolder.attempt_id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .join(Sitting, Sitting.id == Entry.sitting_id)
        .where(Sitting.state.in_([SittingState.RUNNING, SittingState.SUSPENDED]), Sitting.kind == SittingKind.REAL)
    )
    return {str(row.attempt_id): [row.version_count, row.head_hash] for row in rows}
