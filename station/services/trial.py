"""A trial test 试考: a practice sitting for all seats of a room, without an invigilator (R-ROOM-6, R-ROOM-7)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from station.domain.practice import is_practice_code
from station.domain.rehearsal import COUNTS_FOR
from station.domain.sitting import SITTING_STATE_WRONG, STATE_NAMES, SittingKind, SittingState
from station.errors import Invalid, Missing, Refused, problem
from station.services import journal, practice
from station.store.models import (
    Attempt,
    Candidate,
    Entry,
    Paper,
    Plan,
    Room,
    Seat,
    Sitting,
    Subject,
    Workstation,
)
from station.store.queries import seat_order

TRIAL_LENGTH = problem("trial_length", "试考时长须为 5 至 {most} 分钟。", "A trial takes 5 to {most} minutes.")
NOT_A_PRACTICE_PAPER = problem(
    "not_a_practice_paper",
    "这不是练习卷。练习卷的编号以“SK-”开头；正式试卷不能用于试考。",
    "This is no practice paper: its code begins with SK-. A real paper is never used in a trial.",
)
NO_SEATS = problem("no_seats", "本考场没有考位。", "The room has no seats.")
MINUTES_MOST = 180
# A trial that nobody started and nobody ended keeps its PCs locked no longer.
OPEN_AT_MOST = timedelta(hours=4)


@dataclass(frozen=True)
class TrialSeat:
    """A seat of a trial, its ticket, and how far it has come."""

    seat: str
    is_spare: bool
    ticket_number: str
    is_confirmed: bool
    attempt_state: str | None
    saves: int


def prepare(
    db: Session, room: Room, *, minutes: int, paper_id: int = 0, subject_id: int = 0, by: int, at: datetime
) -> Sitting:
    """Make a trial for every seat of a room, open for log-in at once.

    `paper_id` 0: the practice paper that every station has; `subject_id`: whose rules and lockdown hold (0: none).
    """
    if not 5 <= minutes <= MINUTES_MOST:
        raise Invalid(TRIAL_LENGTH, most=MINUTES_MOST)
    practice.check_free(db, room_id=room.id, lasts=timedelta(minutes=minutes), at=at)
    seats = sorted(
        db.scalars(select(Seat).where(Seat.room_id == room.id)),
        key=lambda one: seat_order(one.number, is_spare=one.is_spare),
    )
    if not seats:
        raise Refused(NO_SEATS)
    model = db.get(Subject, subject_id) if subject_id else None
    code = f"trial-{room.id}-{at:%Y%m%d%H%M%S%f}"
    name = f"{model.name if model is not None else '平台练习'}（试考）"
    subject = practice.keep_subject(db, code, name=name, duration_min=minutes, model=model, at=at)
    if paper_id:
        paper = db.get(Paper, paper_id)
        if paper is None or not is_practice_code(paper.code):
            raise Missing(NOT_A_PRACTICE_PAPER)
        paper = practice.copy_paper(db, paper, subject, at=at)
    else:
        paper = practice.keep_builtin_paper(db, subject, at=at)
    sitting = Sitting(
        room_id=room.id,
        subject_id=subject.id,
        paper_id=paper.id,
        planned_start_at=at,
        state=SittingState.ADMITTING,
        kind=SittingKind.TRIAL,
    )
    db.add(sitting)
    db.flush()
    practice.place_candidates(db, sitting, seats, by=by)
    journal.append(db, "trial_opened", at=at, by=by, sitting_id=sitting.id, room=room.name, seats=len(seats))
    return sitting


def start(db: Session, sitting_id: int, *, by: int | None, at: datetime) -> None:
    """Start a trial: by a click, or by itself (`by` None)."""
    sitting = practice.practice_sitting(db, sitting_id, SittingKind.TRIAL)
    if sitting.state != SittingState.ADMITTING:
        state_zh, state = STATE_NAMES[SittingState(sitting.state)]
        raise Refused(SITTING_STATE_WRONG, state_zh=state_zh, state=state, act_zh="开考", act="started")
    changed = update(Sitting).where(Sitting.id == sitting_id, Sitting.state == SittingState.ADMITTING)
    db.execute(changed.values(state=SittingState.RUNNING, started_at=at))
    db.refresh(sitting)
    journal.append(db, "trial_started", at=at, by=by, sitting_id=sitting_id, room=_room_name(db, sitting))


def end(db: Session, sitting_id: int, *, by: int | None, at: datetime) -> None:
    """End a trial: who still answers is collected, and what came of it is kept with the sitting."""
    sitting = practice.practice_sitting(db, sitting_id, SittingKind.TRIAL)
    if sitting.state not in practice.HELD:
        return
    practice.end_attempts(db, sitting_id, by=by, at=at)
    result = count(db, sitting_id)
    practice.close(db, sitting, at=at)
    sitting.head = json.dumps({"trial": result})
    db.flush()
    journal.append(db, "trial_ended", at=at, by=by, sitting_id=sitting_id, room=_room_name(db, sitting), **result)


def end_in_room(db: Session, room_id: int, *, by: int, at: datetime) -> None:
    """End what trial is held in a room: its real sitting begins."""
    for sitting_id in _held(db, room_id):
        end(db, sitting_id, by=by, at=at)


def wipe(db: Session, sitting_id: int, *, by: int, at: datetime) -> list[str]:
    """Remove the answers of an ended trial in one act; gives the files that nobody needs any more."""
    sitting = practice.practice_sitting(db, sitting_id, SittingKind.TRIAL)
    files = practice.wipe(db, sitting, at=at)
    journal.append(db, "trial_wiped", at=at, by=by, sitting_id=sitting_id, room=_room_name(db, sitting))
    return files


def go_on(db: Session, *, at: datetime) -> bool:
    """Start the trials in which everyone is in, and end those whose time is up. Says whether there was any.

    Everyone: each seat whose test page is open has logged in and confirmed, and that is at least one.
    """
    rows = db.execute(
        select(Sitting.id, Sitting.state, Sitting.planned_start_at, Sitting.started_at, Subject.duration_min)
        .join(Subject, Subject.id == Sitting.subject_id)
        .where(Sitting.kind == SittingKind.TRIAL, Sitting.state.in_((SittingState.ADMITTING, SittingState.RUNNING)))
    ).all()
    did = False
    for sitting_id, state, opened_at, started_at, minutes in rows:
        if state == SittingState.ADMITTING and _is_everyone_in(db, sitting_id):
            start(db, sitting_id, by=None, at=at)
            did = True
        elif at > (
            opened_at + OPEN_AT_MOST if started_at is None else started_at + timedelta(minutes=minutes, seconds=30)
        ):
            end(db, sitting_id, by=None, at=at)
            did = True
    return did


def any_to_go_on(db: Session) -> bool:
    """Say cheaply whether a trial is held at all."""
    held = select(Sitting.id).where(
        Sitting.kind == SittingKind.TRIAL, Sitting.state.in_((SittingState.ADMITTING, SittingState.RUNNING))
    )
    return db.scalars(held.limit(1)).first() is not None


def ticket_at(db: Session, seat_id: int) -> str | None:
    """Give the practice ticket of a seat while a trial is held there; None otherwise."""
    return db.scalars(
        select(Candidate.ticket_number)
        .join(Entry, Entry.candidate_id == Candidate.id)
        .join(Sitting, Sitting.id == Entry.sitting_id)
        .where(Entry.seat_id == seat_id, Sitting.kind == SittingKind.TRIAL, Sitting.state.in_(practice.HELD))
        .order_by(Sitting.id.desc())
        .limit(1)
    ).one_or_none()


def list_trials(db: Session, room_id: int) -> list[tuple[Sitting, Subject, str]]:
    """List a room's last trials with subject and paper title, the newest first."""
    rows = db.execute(
        select(Sitting, Subject, Paper.title)
        .join(Subject, Subject.id == Sitting.subject_id)
        .join(Paper, Paper.id == Sitting.paper_id)
        .where(Sitting.room_id == room_id, Sitting.kind == SittingKind.TRIAL)
        .order_by(Sitting.id.desc())
        .limit(10)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def list_seats(db: Session, sitting_id: int) -> list[TrialSeat]:
    """List the seats of a trial with their tickets, in seat order."""
    rows = db.execute(
        select(Seat.number, Seat.is_spare, Candidate.ticket_number, Entry.confirmed_at, Attempt.state)
        .add_columns(func.coalesce(Attempt.revision_count, 0))
        .select_from(Entry)
        .join(Seat, Seat.id == Entry.seat_id)
        .join(Candidate, Candidate.id == Entry.candidate_id)
        .outerjoin(Attempt, Attempt.entry_id == Entry.id)
        .where(Entry.sitting_id == sitting_id)
    )
    found = [TrialSeat(row[0], row[1], row[2], row[3] is not None, row[4], row[5]) for row in rows]
    return sorted(found, key=lambda one: seat_order(one.seat, is_spare=one.is_spare))


def count(db: Session, sitting_id: int) -> dict[str, int]:
    """Count the seats of a trial: all that are no spares, and of all how many came in and saved."""
    seats = list_seats(db, sitting_id)
    return {
        "seats": sum(not one.is_spare for one in seats),
        "came": sum(one.attempt_state is not None for one in seats),
        "saved": sum(one.saves > 0 for one in seats),
        "missing": sum(one.saves == 0 and not one.is_spare for one in seats),
    }


def count_now(db: Session, sitting: Sitting) -> dict[str, int]:
    """Count the seats of a trial as they stand, or as they stood at its end."""
    kept: dict[str, int] = json.loads(sitting.head).get("trial", {})
    return kept or count(db, sitting.id)


def last_result(db: Session, room_id: int, *, at: datetime) -> tuple[bool, datetime, str, str] | None:
    """Give the newest ended trial of a room that still counts: whether each seat saved, when, and in words."""
    query = select(Sitting).where(
        Sitting.room_id == room_id, Sitting.kind == SittingKind.TRIAL, Sitting.closed_at >= at - COUNTS_FOR
    )
    sitting = db.scalars(query.order_by(Sitting.id.desc()).limit(1)).one_or_none()
    if sitting is None or sitting.closed_at is None:
        return None
    told = json.loads(sitting.head).get("trial", {"seats": 0, "saved": 0, "missing": 1})
    zh = f"试考：{told['saved']} 台有作答保存，{told['missing']} 个考位没有"
    en = f"trial: {told['saved']} PCs saved answers, {told['missing']} seats did not"
    return told["missing"] == 0, sitting.closed_at, zh, en


def practice_papers(db: Session) -> Sequence[Paper]:
    """List the practice papers that were imported."""
    rows = select(Paper).join(Subject, Subject.id == Paper.subject_id).join(Plan, Plan.id == Subject.plan_id)
    found = db.scalars(rows.where(Plan.is_practice.is_(False)).order_by(Paper.id))
    return [one for one in found if is_practice_code(one.code)]


def _is_everyone_in(db: Session, sitting_id: int) -> bool:
    rows = db.execute(
        select(Entry.confirmed_at, Workstation.id)
        .outerjoin(Workstation, (Workstation.seat_id == Entry.seat_id) & Workstation.replaced_at.is_(None))
        .where(Entry.sitting_id == sitting_id)
    ).all()
    is_open = [row for row in rows if row[1] is not None]
    return any(row[0] is not None for row in rows) and all(row[0] is not None for row in is_open)


def _held(db: Session, room_id: int) -> list[int]:
    held = select(Sitting.id).where(
        Sitting.room_id == room_id, Sitting.kind == SittingKind.TRIAL, Sitting.state.in_(practice.HELD)
    )
    return list(db.scalars(held))


def _room_name(db: Session, sitting: Sitting) -> str:
    return db.get_one(Room, sitting.room_id).name
