"""Answer a paper: open it, save responses, look at revisions, hand in, collect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from station.domain import attempt as chain
from station.domain.attempt import ENDED, OPEN, AttemptState
from station.domain.sitting import (
    ENTRY_CLOSED,
    NOT_STARTED,
    TOO_EARLY_TO_LEAVE,
    SittingState,
    Times,
    deadline,
    interrupted_s,
    late_minutes,
    may_enter,
    may_leave_early,
    shift_after,
)
from station.errors import Missing, Refused, problem
from station.services import journal
from station.store.answers import current_answers as current_answers
from station.store.answers import highest_saves as highest_saves
from station.store.locking import lock_attempts, lock_row, lock_sitting
from station.store.models import (
    Attempt,
    Attendance,
    Candidate,
    CandidateLogin,
    Entry,
    Place,
    Revision,
    Seat,
    Sitting,
    Subject,
    Workstation,
    WorkstationState,
    milliseconds,
)
from station.store.times import closed_stretches, unknown_stretches

# Who enters within this many minutes of the start has clicked slowly, not come late.
LATE_FROM_MIN = 2

NO_PAPER = problem(
    "no_paper",
    "本场次还没有试卷，请报告监考员。",
    "This sitting has no paper yet. Tell the invigilator.",
)
SUBJECT_BEFORE_OPEN = problem(
    "subject_before_open",
    "上一科目“{subject}”尚未结束，交卷后方可进入本科目。",
    "The subject before ({subject}) is not finished. Hand it in first.",
)
NOT_CONFIRMED = problem("not_confirmed", "请先核对并确认个人信息。", "Please confirm your name and number first.")
ATTEMPT_UNKNOWN = problem("attempt_unknown", "未找到该作答记录。", "There is no such attempt.")
EARLY_LEAVE_NOT_ALLOWED = problem(
    "early_leave_not_allowed",
    "提前交卷须经主考同意，请举手示意监考员。",
    "Handing in early needs the chief examiner's consent. Please raise your hand.",
)
SITTING_PAUSED = problem(
    "sitting_paused",
    "考试暂停中，请在座位上等待，暂停的时间会补回。",
    "The sitting is suspended; the time is given back.",
)


# Run at every start by everybody: building them anew takes longer than running them.
_ATTEMPT_OF_ENTRY = select(Attempt).where(Attempt.entry_id == bindparam("entry_id"))
_ATTEMPT_OF_CANDIDATE = (
    select(Attempt, Entry)
    .join(Entry, Entry.id == Attempt.entry_id)
    .where(Attempt.id == bindparam("attempt_id"), Entry.candidate_id == bindparam("candidate_id"))
)
_NAME_AND_SEAT = (
    select(Candidate.name, Seat.number)
    .join(Seat, Seat.id == bindparam("seat_id"))
    .where(Candidate.id == bindparam("candidate_id"))
)
_SUBJECT_BEFORE = (
    select(Attempt, Subject.name)
    .join(Entry, Entry.id == Attempt.entry_id)
    .join(Sitting, Sitting.id == Entry.sitting_id)
    .join(Subject, Subject.id == Sitting.subject_id)
    .where(
        Entry.candidate_id == bindparam("candidate_id"),
        Entry.id != bindparam("entry_id"),
        Sitting.planned_start_at < bindparam("planned_start_at"),
    )
    .order_by(Sitting.planned_start_at.desc())
)


def open_attempt(db: Session, entry: Entry, *, at: datetime) -> Attempt:
    """Open the paper for an entry, or find the attempt that was opened before.

    1. The sitting runs, the identity is confirmed, the candidate's subject before has ended.
    2. Not later than the entry cut-off (R-DAY-3), which a late end of the subject before shifts (R-DAY-14),
       and so does every stretch in which the whole sitting stood still (R-DAY-9).
    3. The deadline counts from the sitting's start: who comes late gets nothing extra.
    """
    sitting, subject = lock_sitting(db, entry.sitting_id)
    lock_row(db, Entry, entry.id)
    existing = db.scalars(_ATTEMPT_OF_ENTRY, {"entry_id": entry.id}).one_or_none()
    if existing is not None:
        return existing
    if sitting.state == SittingState.SUSPENDED:
        raise Refused(SITTING_PAUSED)
    if sitting.state != SittingState.RUNNING or sitting.started_at is None:
        raise Refused(NOT_STARTED)
    if entry.confirmed_at is None:
        raise Refused(NOT_CONFIRMED)
    if sitting.paper_id is None:
        raise Refused(NO_PAPER)
    shift_s = shift_after(_end_of_subject_before(db, entry, sitting), sitting.started_at, at)
    own_start = sitting.started_at + timedelta(seconds=shift_s)
    stood_still = closed_stretches(db, sitting.id)
    stood_still_s = ceil(interrupted_s([*stood_still, *unknown_stretches(db)], since=own_start))
    if not may_enter(sitting.started_at, subject.entry_cutoff_min, at, shift_s=shift_s + stood_still_s):
        raise Refused(ENTRY_CLOSED, cutoff_min=subject.entry_cutoff_min)
    attempt = Attempt(
        entry_id=entry.id,
        paper_id=sitting.paper_id,
        state=AttemptState.ANSWERING,
        opened_at=at,
        shift_s=shift_s,
        deadline_at=deadline(
            Times(
                started_at=sitting.started_at,
                duration_s=subject.duration_min * 60,
                shift_s=shift_s,
                interruptions_s=interrupted_s(stood_still, since=own_start),
            )
        ),
        head_hash=chain.CHAIN_START,
    )
    db.add(attempt)
    _journal_entry_into(db, entry, sitting, shift_s=shift_s, stood_still_s=stood_still_s, at=at)
    return attempt


def issue_place(db: Session, attempt: Attempt, login: CandidateLogin, *, at: datetime) -> Place:
    """Issue the place from which this page saves; every earlier place of the attempt is superseded."""
    place = Place(attempt_id=attempt.id, login_id=login.id, workstation_id=login.workstation_id, opened_at=at)
    db.add(place)
    db.flush()
    attempt.place = place.id
    return place


def hand_in(db: Session, attempt: Attempt, *, at: datetime) -> str:
    """Hand in for the candidate and give the receipt code; handing in twice gives the same code.

    Not while suspended, as the time stands still. Before the end it needs the last minutes of the
    subject's policy and the chief examiner's consent (R-DAY-4).
    """
    lock_attempts(db, [attempt])
    if attempt.state in ENDED:
        return attempt.receipt_code
    if attempt.state == AttemptState.SUSPENDED:
        raise Refused(SITTING_PAUSED)
    entry = db.get_one(Entry, attempt.entry_id)
    subject = _subject_of(db, entry)
    if at < attempt.deadline_at:
        if not may_leave_early(attempt.deadline_at, subject.early_leave_min, at):
            opens_at = attempt.deadline_at - timedelta(minutes=subject.early_leave_min)
            wait_min = -(-int((opens_at - at).total_seconds()) // 60)
            raise Refused(TOO_EARLY_TO_LEAVE, early_leave_min=subject.early_leave_min, wait_min=wait_min)
        if entry.early_leave_allowed_by is None:
            raise Refused(EARLY_LEAVE_NOT_ALLOWED)
    _end(db, attempt, AttemptState.HANDED_IN, at=at, by=None)
    _journal_end(db, attempt, "handed_in", at=at, by=None)
    return attempt.receipt_code


def collect_attempts(
    db: Session, attempts: Sequence[Attempt], *, at: datetime, by: int | None = None, reason: str = ""
) -> int:
    """Collect for the station (`by` None: the deadline) or for staff; ended attempts are left as they are.

    Returns how many were collected now. By the deadline, answering ended then, however late the station came to it.
    """
    open_ones = [attempt for attempt in lock_attempts(db, attempts) if attempt.state not in ENDED]
    for attempt in open_ones:
        ended_at = min(at, attempt.deadline_at) if by is None else at
        _end(db, attempt, AttemptState.COLLECTED, at=ended_at, by=by)
    event = "collected" if by is None else "collected_by_staff"
    for attempt in open_ones:
        _journal_end(db, attempt, event, at=at, by=by, reason=reason)
    return len(open_ones)


def due_attempts(db: Session, *, at: datetime) -> list[Attempt]:
    """List the attempts whose deadline has come; suspended ones wait."""
    due = select(Attempt).where(Attempt.state == AttemptState.ANSWERING, Attempt.deadline_at <= at)
    return list(db.scalars(due.order_by(Attempt.id)))


def collect_due(db: Session, *, at: datetime, only: int | None = None) -> int:
    """Collect every attempt whose deadline has come, or `only` the one if its has. Returns how many."""
    due = [one for one in due_attempts(db, at=at) if only in {None, one.id}]
    still_due = [one for one in lock_attempts(db, due) if one.state == AttemptState.ANSWERING and one.deadline_at <= at]
    return collect_attempts(db, still_due, at=at)


def earlier_revisions(db: Session, attempt_id: int, item_id: str) -> list[Revision]:
    """List every revision of one item, newest first."""
    return list(
        db.scalars(
            select(Revision)
            .where(Revision.attempt_id == attempt_id, Revision.item_id == item_id)
            .order_by(Revision.number.desc())
        )
    )


def check_chain(db: Session, attempt_id: int) -> int | None:
    """Follow an attempt's chain; give the number of the first broken revision, None when whole."""
    rows = db.scalars(select(Revision).where(Revision.attempt_id == attempt_id).order_by(Revision.number)).all()
    broken = chain.first_broken_link((link_of(row), row.previous_hash, row.hash) for row in rows)
    attempt = db.get_one(Attempt, attempt_id)
    if broken is None and (len(rows), rows[-1].hash if rows else chain.CHAIN_START) != (
        attempt.revision_count,
        attempt.head_hash,
    ):
        return len(rows) + 1
    return broken


def link_of(row: Revision) -> chain.ChainLink:
    """Give the fields of a stored revision that its hash covers."""
    return chain.ChainLink(
        attempt_id=row.attempt_id,
        number=row.number,
        place=row.place,
        sequence=row.sequence,
        item_id=row.item_id,
        response=row.response,
        saved_at_ms=milliseconds(row.saved_at),
        workstation_id=row.workstation_id,
        is_late=row.is_late,
    )


def attempt_of(db: Session, attempt_id: int, candidate_id: int) -> tuple[Attempt, Entry]:
    """Find an attempt of this candidate; another's is as unknown as none."""
    found = db.execute(_ATTEMPT_OF_CANDIDATE, {"attempt_id": attempt_id, "candidate_id": candidate_id}).one_or_none()
    if found is None:
        raise Missing(ATTEMPT_UNKNOWN)
    return found


def ask_for_help(db: Session, entry: Entry, *, at: datetime) -> None:
    """Raise the candidate's hand on the board; raising it again changes nothing."""
    if entry.help_asked_at is not None:
        return
    entry.help_asked_at = at
    name, seat = _name_and_seat(db, entry)
    journal.append(db, "help_asked", at=at, sitting_id=entry.sitting_id, entry_id=entry.id, name=name, seat=seat)


def _end(db: Session, attempt: Attempt, state: AttemptState, *, at: datetime, by: int | None) -> None:
    receipt = chain.receipt_code(attempt.head_hash, attempt.id)
    changed = db.execute(
        update(Attempt)
        .where(Attempt.id == attempt.id, Attempt.state.in_(OPEN))
        .values(state=state, ended_at=at, ended_by=by, receipt_code=receipt)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused(chain.NOT_ANSWERING, state_zh="已交卷或已收卷", state="ended")
    db.refresh(attempt)
    seat_id = db.get_one(Entry, attempt.entry_id).seat_id
    db.execute(
        update(Workstation)
        .where(Workstation.seat_id == seat_id, Workstation.replaced_at.is_(None))
        .values(state=WorkstationState.RELEASED)
    )


def _journal_end(db: Session, attempt: Attempt, event: str, *, at: datetime, by: int | None, reason: str = "") -> None:
    entry = db.get_one(Entry, attempt.entry_id)
    name, seat = _name_and_seat(db, entry)
    journal.append(
        db,
        event,
        at=at,
        by=by,
        sitting_id=entry.sitting_id,
        entry_id=entry.id,
        name=name,
        seat=seat,
        receipt=attempt.receipt_code,
        revisions=attempt.revision_count,
        head=attempt.head_hash,
        reason=reason,
    )


def _name_and_seat(db: Session, entry: Entry) -> tuple[str, str]:
    who = {"candidate_id": entry.candidate_id, "seat_id": entry.seat_id}
    name, seat = db.execute(_NAME_AND_SEAT, who).one()
    return name, seat


def _subject_of(db: Session, entry: Entry) -> Subject:
    return db.scalars(
        select(Subject).join(Sitting, Sitting.subject_id == Subject.id).where(Sitting.id == entry.sitting_id)
    ).one()


def _end_of_subject_before(db: Session, entry: Entry, sitting: Sitting) -> datetime | None:
    """Find when the candidate's subject before this one ended; refuse while it is still open."""
    here = {
        "candidate_id": entry.candidate_id,
        "entry_id": entry.id,
        "planned_start_at": sitting.planned_start_at,
    }
    before = db.execute(_SUBJECT_BEFORE, here).first()
    if before is None:
        return None
    attempt, subject_name = before
    if attempt.state in OPEN:
        raise Refused(SUBJECT_BEFORE_OPEN, subject=subject_name)
    return attempt.ended_at


def _journal_entry_into(
    db: Session, entry: Entry, sitting: Sitting, *, shift_s: int, stood_still_s: int, at: datetime
) -> None:
    assert sitting.started_at is not None
    name, seat = _name_and_seat(db, entry)
    where = {"at": at, "sitting_id": sitting.id, "entry_id": entry.id, "name": name}
    journal.append(db, "paper_opened", seat=seat, **where)  # type: ignore[arg-type]
    if shift_s:
        journal.append(db, "late_start_shifted", seconds=shift_s, **where)  # type: ignore[arg-type]
    late = late_minutes(sitting.started_at, at, shift_s=shift_s + stood_still_s)
    if late > LATE_FROM_MIN:
        entry.attendance, entry.late_min = Attendance.LATE, late
        journal.append(db, "came_late", minutes=late, **where)  # type: ignore[arg-type]
