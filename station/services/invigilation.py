"""Run the sitting: start, suspend, resume, extend, move, message, record what happens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from station.domain.attempt import ENDED, OPEN, AttemptState
from station.domain.incident import NOBODY_CHOSEN, REASON_MISSING, check_text
from station.domain.sitting import (
    SITTING_STATE_WRONG,
    SITTING_UNKNOWN,
    STATE_NAMES,
    TOO_EARLY_TO_START,
    SittingState,
    may_start,
    minutes_to_start,
)
from station.domain.staff import Role, may, not_allowed
from station.errors import Invalid, Missing, Refused, problem
from station.services import journal
from station.store.locking import lock_attempts, lock_attempts_of, lock_entries, lock_row
from station.store.models import (
    Attempt,
    Candidate,
    CandidateLogin,
    Entry,
    Interruption,
    Seat,
    SeatMove,
    Sitting,
    Staff,
    StationLife,
    Subject,
)
from station.store.times import move_deadline

SEAT_TAKEN = problem(
    "seat_taken", "考位 {seat} 已安排其他考生，请另选备用机。", "Seat {seat} is taken; choose another."
)
SEAT_UNKNOWN = problem("seat_unknown", "本考场没有该考位。", "This room has no such seat.")
ENTRY_ENDED = problem("entry_ended", "{name} 已交卷，不能再进行该操作。", "{name} has handed in already.")
CLOCK_IN_DOUBT = problem(
    "clock_in_doubt",
    "服务器时间不可信。请先在监控页面“确认时间”，再{act_zh}。",
    "The server's time is in doubt: confirm the right time on the board first, then the sitting can be {act}.",
)
CLOCK_BEHIND = problem(
    "clock_behind",
    "服务器时间比暂停开始的时刻还早 {behind_min} 分钟。请先校准服务器时间并重新启动考站，再继续考试。",
    "The server's clock is {behind_min} minutes behind the beginning of the suspension: set it right, restart the "
    "station, then resume.",
)
OUTAGE_NEEDS_BODY = problem(
    "outage_needs_body",
    "中断已超过 {limit_min} 分钟，须先请示认证机构，并填写机构的答复（何人、何时、如何决定）。",
    "The interruption is longer than {limit_min} minutes: ask the certificate body first and enter its answer "
    "(who, when, what).",
)
POSTPONEMENT_LENGTH = problem(
    "postponement_length", "推迟须为 1 至 {maximum_min} 分钟。", "A start is put off by 1 to {maximum_min} minutes."
)
SITTING_HAS_NO_PAPER = problem(
    "sitting_has_no_paper",
    "本场次还没有试卷，不能开考。请先导入“{subject}”试卷。",
    "The sitting has no paper: import one for {subject} first.",
)

POSTPONEMENT_MAXIMUM_MIN = 600


def check_may(person: Staff, act: str) -> None:
    """Refuse an act that the person's role may not do."""
    if not may(Role(person.role), act):
        raise not_allowed(Role(person.role), act)


def open_admission(db: Session, sitting_id: int, *, by: int, at: datetime) -> None:
    """Let candidates log in (R-DAY-2)."""
    _change_sitting(db, sitting_id, {SittingState.PLANNED}, SittingState.ADMITTING, act=("开放登录", "opened"))
    journal.append(db, "admission_opened", at=at, by=by, sitting_id=sitting_id)


def start_sitting(db: Session, sitting_id: int, *, by: int, at: datetime) -> None:
    """Start: never before the planned (or postponed) time (R-DAY-15)."""
    sitting = _locked(db, sitting_id)
    _check_believed(db, ("开考", "started"))
    subject = db.get_one(Subject, sitting.subject_id)
    if sitting.paper_id is None:
        raise Refused(SITTING_HAS_NO_PAPER, subject=subject.name)
    if not may_start(sitting.planned_start_at, sitting.postponement_s, at):
        wait_min = minutes_to_start(sitting.planned_start_at, sitting.postponement_s, at)
        raise Refused(TOO_EARLY_TO_START, wait_min=wait_min)
    _change_sitting(db, sitting_id, {SittingState.ADMITTING}, SittingState.RUNNING, act=("开考", "started"))
    db.refresh(sitting)
    sitting.started_at = at
    journal.append(db, "sitting_started", at=at, by=by, sitting_id=sitting_id, subject=subject.name)


def postpone_sitting(db: Session, sitting_id: int, *, minutes: int, reason: str, by: int, at: datetime) -> None:
    """Put the planned start off by so many more minutes, before it has started."""
    sitting = _locked(db, sitting_id)
    if sitting.state not in {SittingState.PLANNED, SittingState.ADMITTING}:
        raise _wrong_state(sitting, ("推迟", "postponed"))
    if not reason.strip():
        raise Invalid(REASON_MISSING)
    if not 1 <= minutes <= POSTPONEMENT_MAXIMUM_MIN:
        raise Invalid(POSTPONEMENT_LENGTH, maximum_min=POSTPONEMENT_MAXIMUM_MIN)
    sitting.postponement_s += minutes * 60
    journal.append(db, "sitting_postponed", at=at, by=by, sitting_id=sitting_id, minutes=minutes, reason=reason)


def suspend_sitting(db: Session, sitting_id: int, *, reason: str, by: int, at: datetime) -> None:
    """Suspend everybody; the time stands still until `resume_sitting`."""
    check_text(reason)
    _change_sitting(db, sitting_id, {SittingState.RUNNING}, SittingState.SUSPENDED, act=("暂停", "suspended"))
    sitting = sitting_of(db, sitting_id)
    db.refresh(sitting)
    sitting.suspended_at, sitting.suspended_reason = at, reason
    db.add(Interruption(sitting_id=sitting_id, kind="suspension", reason=reason, began_at=at, began_by=by))
    for attempt in lock_attempts_of(db, sitting_id):
        if attempt.state == AttemptState.ANSWERING:
            attempt.state = AttemptState.SUSPENDED
    journal.append(db, "sitting_suspended", at=at, by=by, sitting_id=sitting_id, reason=reason)


def resume_sitting(db: Session, sitting_id: int, *, by: int, at: datetime, body_word: str = "") -> None:
    """Go on where it stopped: the suspension is given back to everybody (also after a long outage).

    Above the subject's limit (R-DAY-9: 60 min) the certificate body has to be asked; `body_word` is its answer.
    """
    sitting = _locked(db, sitting_id)
    _check_believed(db, ("继续考试", "resumed"))
    if sitting.state == SittingState.SUSPENDED and sitting.suspended_at is not None:
        _check_clock(sitting.suspended_at, at)
        _hear_body(db, sitting, body_word, by=by, at=at)
    _change_sitting(db, sitting_id, {SittingState.SUSPENDED}, SittingState.RUNNING, act=("恢复", "resumed"))
    db.refresh(sitting)
    sitting.suspended_at, sitting.suspended_reason = None, ""
    attempts = lock_attempts_of(db, sitting_id)
    _close_interruptions(db, sitting_id, attempt_id=None, by=by, at=at)
    held = set(
        db.scalars(
            select(Interruption.attempt_id).where(
                Interruption.sitting_id == sitting_id,
                Interruption.attempt_id.is_not(None),
                Interruption.ended_at.is_(None),
            )
        )
    )
    for attempt in attempts:
        if attempt.state == AttemptState.SUSPENDED and attempt.id not in held:
            attempt.state = AttemptState.ANSWERING
        if attempt.state in OPEN:
            move_deadline(db, attempt)
    journal.append(db, "sitting_resumed", at=at, by=by, sitting_id=sitting_id)


def suspend_attempts(db: Session, attempts: Sequence[Attempt], *, reason: str, by: int, at: datetime) -> int:
    """Suspend chosen candidates; who is suspended or has ended already is left alone. Returns how many."""
    check_text(reason)
    changed = 0
    for attempt in _chosen(db, attempts):
        if attempt.state != AttemptState.ANSWERING:
            continue
        attempt.state = AttemptState.SUSPENDED
        entry, name = _entry_and_name(db, attempt)
        db.add(
            Interruption(
                sitting_id=entry.sitting_id,
                attempt_id=attempt.id,
                kind="suspension",
                reason=reason,
                began_at=at,
                began_by=by,
            )
        )
        _note(db, "attempt_suspended", entry, at=at, by=by, name=name, reason=reason)
        changed += 1
    return changed


def resume_attempts(db: Session, attempts: Sequence[Attempt], *, by: int, at: datetime) -> int:
    """Resume chosen candidates and give the suspension back. Returns how many.

    In a suspended sitting they go on waiting for the sitting.
    """
    changed = 0
    for attempt in _chosen(db, attempts):
        if attempt.state != AttemptState.SUSPENDED:
            continue
        entry, name = _entry_and_name(db, attempt)
        before = attempt.deadline_at
        began = db.scalar(
            select(func.max(Interruption.began_at)).where(
                Interruption.attempt_id == attempt.id, Interruption.ended_at.is_(None)
            )
        )
        if began is None:  # the whole sitting is suspended, and nobody has held this one back
            continue
        _check_clock(began, at)
        _close_interruptions(db, entry.sitting_id, attempt_id=attempt.id, by=by, at=at)
        if db.get_one(Sitting, entry.sitting_id).state == SittingState.RUNNING:
            attempt.state = AttemptState.ANSWERING
        move_deadline(db, attempt)
        seconds = round((attempt.deadline_at - before).total_seconds())
        _note(db, "attempt_resumed", entry, at=at, by=by, name=name, seconds=seconds)
        changed += 1
    return changed


def terminate_attempt(db: Session, attempt: Attempt, *, reason: str, by: int, at: datetime) -> None:
    """Terminate the test of a candidate (R-DAY-11); every answer is kept."""
    check_text(reason)
    lock_attempts(db, [attempt])
    entry, name = _entry_and_name(db, attempt)
    if attempt.state in ENDED:
        raise Refused(ENTRY_ENDED, name=name)
    _close_interruptions(db, entry.sitting_id, attempt_id=attempt.id, by=by, at=at)
    attempt.state, attempt.ended_at, attempt.ended_by = AttemptState.CANCELLED, at, by
    _note(db, "attempt_cancelled", entry, at=at, by=by, name=name, reason=reason)


def move_to_spare(db: Session, entry: Entry, new_seat: Seat, *, reason: str, by: int, at: datetime) -> SeatMove:
    """Move a candidate to a free seat of the room with everything kept (R-DAY-7).

    The log-in at the old PC ends; a log-in of this candidate that waits at the new seat is released.
    """
    check_text(reason)
    sitting = db.get_one(Sitting, entry.sitting_id)
    lock_entries(db, [entry.id])
    lock_row(db, Seat, new_seat.id)  # of two moves to one seat the second finds it taken
    if new_seat.room_id != sitting.room_id:
        raise Missing(SEAT_UNKNOWN)
    taken = db.scalars(
        select(Entry.id).where(Entry.sitting_id == entry.sitting_id, Entry.seat_id == new_seat.id)
    ).one_or_none()
    if taken is not None or _is_answered_at(db, new_seat, besides=entry.candidate_id):
        raise Refused(SEAT_TAKEN, seat=new_seat.number)
    ended = db.scalars(select(Attempt.id).where(Attempt.entry_id == entry.id, Attempt.state.in_(ENDED))).one_or_none()
    candidate = db.get_one(Candidate, entry.candidate_id)
    if ended is not None:
        raise Refused(ENTRY_ENDED, name=candidate.name)
    old_seat = db.get_one(Seat, entry.seat_id)
    move = SeatMove(
        entry_id=entry.id,
        old_seat_id=old_seat.id,
        new_seat_id=new_seat.id,
        reason=reason,
        moved_at=at,
        moved_by=by,
    )
    db.add(move)
    entry.seat_id = new_seat.id
    _settle_logins(db, candidate.id, new_seat.id, by=by, at=at)
    _note(
        db,
        "seat_moved",
        entry,
        at=at,
        by=by,
        name=candidate.name,
        old_seat=old_seat.number,
        new_seat=new_seat.number,
        reason=reason,
    )
    return move


def sitting_of(db: Session, sitting_id: int) -> Sitting:
    """Find a sitting or refuse by name."""
    sitting = db.get(Sitting, sitting_id)
    if sitting is None:
        raise Missing(SITTING_UNKNOWN)
    return sitting


def _change_sitting(
    db: Session, sitting_id: int, old: set[SittingState], new: SittingState, *, act: tuple[str, str]
) -> None:
    changed = db.execute(update(Sitting).where(Sitting.id == sitting_id, Sitting.state.in_(old)).values(state=new))
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise _wrong_state(sitting_of(db, sitting_id), act)


def _check_clock(began_at: datetime, at: datetime) -> None:
    """Refuse to go on by a clock that lies before the stretch that is to be given back."""
    if at < began_at:
        raise Refused(CLOCK_BEHIND, behind_min=-(-int((began_at - at).total_seconds()) // 60))


def _check_believed(db: Session, act: tuple[str, str]) -> None:
    life = db.get(StationLife, 1)
    if life is not None and life.clock_in_doubt:
        raise Refused(CLOCK_IN_DOUBT, act_zh=act[0], act=act[1])


def _hear_body(db: Session, sitting: Sitting, word: str, *, by: int, at: datetime) -> None:
    assert sitting.suspended_at is not None
    limit_min = db.get_one(Subject, sitting.subject_id).outage_ask_min
    minutes = int((at - sitting.suspended_at).total_seconds() // 60)
    if at - sitting.suspended_at <= timedelta(minutes=limit_min):
        return
    if not word.strip():
        raise Refused(OUTAGE_NEEDS_BODY, limit_min=limit_min)
    check_text(word)
    journal.append(db, "body_answered", at=at, by=by, sitting_id=sitting.id, minutes=minutes, word=word.strip())


def _wrong_state(sitting: Sitting, act: tuple[str, str]) -> Refused:
    state_zh, state_en = STATE_NAMES[SittingState(sitting.state)]
    return Refused(SITTING_STATE_WRONG, state_zh=state_zh, state=state_en, act_zh=act[0], act=act[1])


def _close_interruptions(db: Session, sitting_id: int, *, attempt_id: int | None, by: int, at: datetime) -> int:
    same = Interruption.attempt_id.is_(None) if attempt_id is None else Interruption.attempt_id == attempt_id
    open_ones = db.scalars(
        select(Interruption).where(Interruption.sitting_id == sitting_id, same, Interruption.ended_at.is_(None))
    ).all()
    for one in open_ones:
        one.ended_at, one.ended_by = at, by
    return len(open_ones)


def _settle_logins(db: Session, candidate_id: int, seat_id: int, *, by: int, at: datetime) -> None:
    live = db.scalars(
        select(CandidateLogin).where(CandidateLogin.candidate_id == candidate_id, CandidateLogin.ended_at.is_(None))
    )
    for login in live:
        if login.seat_id == seat_id:
            if login.released_at is None:
                login.released_at, login.released_by = at, by
        else:
            login.ended_at, login.ended_reason = at, "moved"


def _is_answered_at(db: Session, seat: Seat, *, besides: int) -> bool:
    """Say whether somebody else answers at a seat, in whatever sitting of the room."""
    found = db.execute(
        select(Attempt.id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .where(Entry.seat_id == seat.id, Entry.candidate_id != besides, Attempt.state.in_(OPEN))
    )
    return found.first() is not None


def _entry_and_name(db: Session, attempt: Attempt) -> tuple[Entry, str]:
    entry = db.get_one(Entry, attempt.entry_id)
    return entry, db.get_one(Candidate, entry.candidate_id).name


def _note(db: Session, event: str, entry: Entry, *, at: datetime, by: int, **details: object) -> None:
    journal.append(db, event, at=at, by=by, sitting_id=entry.sitting_id, entry_id=entry.id, **details)


def _chosen(db: Session, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Lock the sittings and then the attempts that an act is for; refuse an act for nobody."""
    if not attempts:
        raise Invalid(NOBODY_CHOSEN)
    entry_ids = [attempt.entry_id for attempt in attempts]
    for sitting_id in sorted(set(db.scalars(select(Entry.sitting_id).where(Entry.id.in_(entry_ids))))):
        _locked(db, sitting_id)
    return lock_attempts(db, attempts)


def _locked(db: Session, sitting_id: int) -> Sitting:
    sitting = lock_row(db, Sitting, sitting_id)
    if sitting is None:
        raise Missing(SITTING_UNKNOWN)
    return sitting
