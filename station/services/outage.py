"""The station comes back: what an outage took is measured and given back, or waits for a person (R-DAY-9)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from station.domain.attempt import OPEN, AttemptState
from station.domain.sitting import SittingState, is_clock_plausible
from station.domain.working_time import length_names
from station.errors import Refused, problem
from station.services import journal
from station.store.locking import lock_attempts_of, lock_row, to_change
from station.store.models import CandidateLogin, Interruption, Sitting, StaffLogin, StationLife, Subject
from station.store.times import move_deadline

HELD = (SittingState.RUNNING, SittingState.SUSPENDED)
_UNITS = ((86_400, "天", "days"), (3_600, "小时", "hours"), (60, "分钟", "minutes"), (1, "秒", "seconds"))
REASON = "考站中断 / station outage"

TIME_NOT_IN_DOUBT = problem(
    "time_not_in_doubt", "服务器时间没有疑问，无需校准。", "The server's time is not in doubt; nothing to set."
)
TIME_BEFORE_OUTAGE = problem(
    "time_before_outage",
    "这个时间比中断前的最后记录还早 {behind_min} 分钟，请核对日期和时间。",
    "That is {behind_min} minutes before the last record ahead of the outage: check date and time.",
)


def give_back_outage(db: Session, *, last: datetime, at: datetime, in_doubt: bool = False) -> bool:
    """Give back to every running sitting what lies between the last sign of life and now; say whether one ran.

    1. Up to the subject's limit the sitting gets the gap back and goes on by itself.
    2. Longer, or with a clock in doubt: it is suspended from the last sign of life, and an invigilator resumes it.
    """
    of_running = (
        select(Sitting, Subject.outage_limit_s)
        .join(Subject, Subject.id == Sitting.subject_id)
        .where(Sitting.state == SittingState.RUNNING)
        .order_by(Sitting.id)
    )
    running = db.execute(to_change(of_running, Sitting)).all()
    for sitting, _ in running:
        lock_attempts_of(db, sitting.id)
    for sitting, limit_s in running:
        if not in_doubt and (at - last).total_seconds() <= limit_s:
            _go_on(db, sitting, last=last, at=at)
        else:
            _wait(db, sitting, last=last, at=at)
    return bool(running)


def doubt_clock(db: Session, life: StationLife, at: datetime) -> None:
    """Note at the start whether the clock can be believed; while it cannot, the last sign of life stays as it is."""
    life.clock_in_doubt = not is_clock_plausible(life.alive_at, at, is_held=is_anything_held(db))


def off_by(gap_s: float) -> tuple[str, str]:
    """Say how far a clock lies after (or, negative, before) a moment, as people say it."""
    side_zh, side_en = ("早", "before") if gap_s < 0 else ("晚", "after")
    unit_s, zh, en = next(one for one in _UNITS if abs(gap_s) >= 2 * one[0] or one[0] == 1)
    count = int(abs(gap_s) // unit_s)
    return f"{side_zh} {count} {zh}", f"{count} {en} {side_en}"


def settle_clock(db: Session, told: datetime, *, by: int, at: datetime) -> None:
    """Take a person's word for the present moment; the edge sets the clock by it.

    Not before the last sign of life while a sitting is held: its outage would become shorter than nothing. Whoever
    has logged in by the wrong clock stays logged in.
    """
    life = lock_row(db, StationLife, 1)
    if life is None or not life.clock_in_doubt:
        raise Refused(TIME_NOT_IN_DOUBT)
    behind_s = (life.alive_at - told).total_seconds()
    if behind_s > 0 and is_anything_held(db):
        raise Refused(TIME_BEFORE_OUTAGE, behind_min=-(-int(behind_s) // 60))
    for logins in (StaffLogin, CandidateLogin):
        wrongly = logins.created_at.between(life.started_at, at)
        db.execute(update(logins).where(wrongly).values(created_at=told))
    life.alive_at, life.clock_in_doubt = told, False
    journal.append(db, "clock_settled", at=told, by=by, seconds=round((told - at).total_seconds()))


def is_anything_held(db: Session) -> bool:
    """Say whether a sitting runs or is suspended."""
    return db.scalars(select(Sitting.id).where(Sitting.state.in_(HELD)).limit(1)).first() is not None


def _go_on(db: Session, sitting: Sitting, *, last: datetime, at: datetime) -> None:
    db.add(Interruption(sitting_id=sitting.id, kind="outage", reason="", began_at=last, ended_at=at))
    open_ones = [attempt for attempt in lock_attempts_of(db, sitting.id) if attempt.state in OPEN]
    for attempt in open_ones:
        move_deadline(db, attempt)
    journal.append(db, "outage_found", at=at, sitting_id=sitting.id, compensated=len(open_ones), **_length(last, at))


def _wait(db: Session, sitting: Sitting, *, last: datetime, at: datetime) -> None:
    db.add(Interruption(sitting_id=sitting.id, kind="outage", reason="", began_at=last))
    sitting.state, sitting.suspended_at, sitting.suspended_reason = SittingState.SUSPENDED, last, REASON
    for attempt in lock_attempts_of(db, sitting.id):
        if attempt.state == AttemptState.ANSWERING:
            attempt.state = AttemptState.SUSPENDED
    journal.append(db, "outage_waits", at=at, sitting_id=sitting.id, **_length(last, at))


def _length(last: datetime, at: datetime) -> dict[str, Any]:
    """Say how long an outage was: exactly, and in words for the board."""
    seconds = (at - last).total_seconds()
    length_zh, length_en = length_names(round(seconds))
    return {"gap_s": round(seconds, 1), "length_zh": length_zh, "length_en": length_en}
