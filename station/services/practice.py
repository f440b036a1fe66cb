"""What trials and rehearsals have in common: sittings, tickets and papers that are nobody's, and their removal."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from station.domain.attempt import OPEN
from station.domain.paper import canonical_bytes, paper_sha256
from station.domain.practice import practice_paper
from station.domain.rehearsal import KEEP_FREE, practice_ticket
from station.domain.sitting import SITTING_UNKNOWN, SittingKind, SittingState
from station.errors import Missing, Refused, problem
from station.store.locking import lock_attempts_of, lock_row
from station.store.models import (
    Attempt,
    Attendance,
    Candidate,
    CandidateLogin,
    CurrentAnswer,
    Entry,
    Extension,
    Incident,
    Interruption,
    Mark,
    Message,
    Paper,
    PaperAsset,
    Place,
    Plan,
    Revision,
    SaveConflict,
    Score,
    Seat,
    SeatMove,
    Sitting,
    Subject,
    Upload,
    WorkContent,
    WorkFolder,
    WorkVersion,
)

ROOM_NOT_FREE = problem(
    "room_not_free",
    "{what} 正在进行或即将开始（{when}），现在不能做试考或演练。",
    "{what} is under way or about to start ({when}): no trial or rehearsal now.",
)
PRACTICE_UNDER_WAY = problem(
    "practice_under_way",
    "已有一场试考或演练正在进行，请先结束。",
    "A trial or a rehearsal is under way already: end it first.",
)
STILL_UNDER_WAY = problem("still_under_way", "请先结束，再清除数据。", "End it before wiping it.")

HELD = (SittingState.ADMITTING, SittingState.RUNNING, SittingState.SUSPENDED)
_PLAN = "practice"


@dataclass(frozen=True)
class SeatTicket:
    """A seat and the number that is typed there; its last six digits are the password."""

    seat_id: int
    seat: str
    entry_id: int
    ticket_number: str


def check_free(db: Session, *, room_id: int | None, lasts: timedelta, at: datetime) -> None:
    """Refuse while a real sitting is held, or starts before the room would be free again; None: in any room.

    Also refused while a trial or rehearsal is held: they would measure each other.
    """
    starts = (Sitting.state == SittingState.PLANNED, Sitting.planned_start_at > at - timedelta(hours=1))
    real = select(Sitting, Subject.name).join(Subject, Subject.id == Sitting.subject_id)
    real = real.where(
        Sitting.kind == SittingKind.REAL,
        or_(
            Sitting.state.in_(HELD),
            starts[0] & starts[1] & (Sitting.planned_start_at <= at + lasts + KEEP_FREE),
        ),
    )
    practice = select(Sitting.id).where(Sitting.kind != SittingKind.REAL, Sitting.state.in_(HELD))
    if room_id is not None:
        real, practice = real.where(Sitting.room_id == room_id), practice.where(Sitting.room_id == room_id)
    for sitting, name in db.execute(real.order_by(Sitting.planned_start_at)):
        raise Refused(ROOM_NOT_FREE, what=name, when=f"{sitting.planned_start_at:%m-%d %H:%M} UTC")
    if db.scalars(practice.limit(1)).first() is not None:
        raise Refused(PRACTICE_UNDER_WAY)


def keep_subject(
    db: Session, code: str, *, name: str, duration_min: int, model: Subject | None = None, at: datetime
) -> Subject:
    """Make (or find) a subject of the practice plan; rules, word and lockdown are those of `model`.

    Everybody may come at any time and hand in at any time; nothing is scored.
    """
    plan = db.scalars(select(Plan).where(Plan.code == _PLAN)).one_or_none()
    if plan is None:
        plan = Plan(code=_PLAN, title="试考与演练", document="{}", imported_at=at, is_practice=True)
        db.add(plan)
        db.flush()
    known = db.scalars(select(Subject).where(Subject.plan_id == plan.id, Subject.code == code)).one_or_none()
    if known is not None:
        known.duration_min = known.entry_cutoff_min = known.early_leave_min = duration_min
        return known
    subject = Subject(
        plan_id=plan.id,
        certificate_code="practice",
        certificate_name=model.certificate_name if model is not None else "试考",
        level=model.level if model is not None else "练习",
        code=code,
        name=name,
        word=model.word if model is not None else "试考",
        duration_min=duration_min,
        entry_cutoff_min=duration_min,
        early_leave_min=duration_min,
        remind_min=5,
        extension_limit_min=15,
        extension_scope="total",
        outage_limit_s=600,
        outage_ask_min=60,
        scores_shown_on_site=False,
        rules=model.rules if model is not None else "[]",
        misconduct_rules="[]",
        pass_rule=json.dumps({"kind": "each", "minimum": "0"}),
        lockdown=model.lockdown if model is not None else "{}",
    )
    db.add(subject)
    db.flush()
    return subject


def keep_builtin_paper(db: Session, subject: Subject, *, at: datetime) -> Paper:
    """Put the practice paper that every station has under a subject, without keys."""
    return _keep_paper(db, subject, practice_paper(), at=at)


def copy_paper(db: Session, paper: Paper, subject: Subject, *, at: datetime) -> Paper:
    """Put an imported practice paper under a subject of the practice plan, with its files and without its keys."""
    copy = _keep_paper(db, subject, json.loads(paper.document), at=at)
    for asset in db.scalars(select(PaperAsset).where(PaperAsset.paper_id == paper.id)):
        db.merge(PaperAsset(paper_id=copy.id, name=asset.name, sha256=asset.sha256))
    return copy


def place_candidates(db: Session, sitting: Sitting, seats: Sequence[Seat], *, by: int) -> list[SeatTicket]:
    """Give every seat a ticket of its own in a trial or rehearsal; the same seat has the same number each time."""
    found = []
    for seat in seats:
        number = practice_ticket(sitting.kind, seat.room_id, _position(seat))
        candidate = db.scalars(select(Candidate).where(Candidate.ticket_number == number)).one_or_none()
        if candidate is None:
            word = "试考" if sitting.kind == SittingKind.TRIAL else "演练"
            candidate = Candidate(ticket_number=number, name=f"{word} {seat.number} 号", is_practice=True)
            db.add(candidate)
            db.flush()
        entry = Entry(sitting_id=sitting.id, candidate_id=candidate.id, seat_id=seat.id, early_leave_allowed_by=by)
        db.add(entry)
        db.flush()
        found.append(SeatTicket(seat.id, seat.number, entry.id, number))
    return found


def end_attempts(db: Session, sitting_id: int, *, by: int | None, at: datetime) -> int:
    """End whoever still answers in a trial or rehearsal. Returns how many."""
    open_ones = [one for one in lock_attempts_of(db, sitting_id) if one.state in OPEN]
    for attempt in open_ones:
        attempt.state, attempt.ended_at, attempt.ended_by = "collected", at, by
    return len(open_ones)


def close(db: Session, sitting: Sitting, *, at: datetime) -> None:
    """Close a trial or rehearsal: nobody enters or answers any more, and nothing follows. A real sitting never."""
    if sitting.kind == SittingKind.REAL:
        return
    changed = update(Sitting).where(Sitting.id == sitting.id, Sitting.kind != SittingKind.REAL)
    db.execute(changed.values(state=SittingState.CLOSED, closed_at=at))
    people = select(Entry.candidate_id).where(Entry.sitting_id == sitting.id)
    logins = update(CandidateLogin).where(CandidateLogin.candidate_id.in_(people), CandidateLogin.ended_at.is_(None))
    db.execute(logins.values(ended_at=at, ended_reason="logged_out"))  # the PCs' pages go back to the log-in
    db.refresh(sitting)


def practice_sitting(db: Session, sitting_id: int, kind: SittingKind) -> Sitting:
    """Find and lock a trial or rehearsal; a real sitting is as unknown as none."""
    sitting = lock_row(db, Sitting, sitting_id)
    if sitting is None or sitting.kind != kind:
        raise Missing(SITTING_UNKNOWN)
    return sitting


def wipe(db: Session, sitting: Sitting, *, at: datetime) -> list[str]:
    """Remove all that was answered in a trial or rehearsal; the journal and the bare sitting stay.

    Returns the SHA-256 of files that nobody has any more. Refused while it is under way, and for a real sitting.
    """
    if sitting.kind == SittingKind.REAL:
        raise Missing(SITTING_UNKNOWN)
    if sitting.state in HELD:
        raise Refused(STILL_UNDER_WAY)
    entries = select(Entry.id).where(Entry.sitting_id == sitting.id)
    attempts = select(Attempt.id).where(Attempt.entry_id.in_(entries))
    files = set(db.scalars(select(Upload.sha256).where(Upload.attempt_id.in_(attempts))))
    files |= set(db.scalars(select(WorkContent.sha256).where(WorkContent.attempt_id.in_(attempts))))
    of_attempt: tuple[Any, ...] = (Mark, Score, SaveConflict, CurrentAnswer, Upload, WorkVersion, WorkContent)
    for model in (*of_attempt, WorkFolder, Revision, Place, Extension):
        db.execute(delete(model).where(model.attempt_id.in_(attempts)))
    of_sitting: tuple[Any, ...] = (Interruption, Message, Incident)
    for model in of_sitting:
        db.execute(delete(model).where(model.sitting_id == sitting.id))
    db.execute(delete(SeatMove).where(SeatMove.entry_id.in_(entries)))
    db.execute(delete(Attempt).where(Attempt.entry_id.in_(entries)))
    people = select(Entry.candidate_id).where(Entry.sitting_id == sitting.id)
    db.execute(delete(CandidateLogin).where(CandidateLogin.candidate_id.in_(people)))
    values = {"attendance": Attendance.EXPECTED, "confirmed_at": None, "help_asked_at": None, "leave_began_at": None}
    db.execute(update(Entry).where(Entry.sitting_id == sitting.id).values(**values))
    sitting.wiped_at = at
    db.flush()
    return sorted(files - _still_wanted(db, files))


def _keep_paper(db: Session, subject: Subject, document: dict[str, Any], *, at: datetime) -> Paper:
    code = f"{subject.code}/{document['code']}"[:64]
    paper = db.scalars(select(Paper).where(Paper.code == code)).one_or_none()
    if paper is None:
        paper = Paper(code=code)
        db.add(paper)
    paper.subject_id, paper.title, paper.sha256 = subject.id, str(document["title"]), paper_sha256(document)
    paper.document, paper.keys = canonical_bytes(document).decode(), ""
    paper.item_count = sum(len(section["items"]) for section in document["sections"])
    paper.is_backup, paper.imported_at = True, at
    db.flush()
    return paper


def _position(seat: Seat) -> int:
    """Number a seat in its room for its ticket; names that are no plain numbers lie beyond all that are."""
    is_plain = seat.number.isascii() and seat.number.isdigit() and len(seat.number) <= 5
    return int(seat.number) if is_plain and str(int(seat.number)) == seat.number else 100_000 + seat.id % 900_000


def _still_wanted(db: Session, files: Collection[str]) -> set[str]:
    if not files:
        return set()
    found: set[str] = set()
    listed = sorted(files)
    for start in range(0, len(listed), 500):  # databases limit what a list may hold
        part = listed[start : start + 500]
        for column in (Upload.sha256, WorkContent.sha256):
            found |= set(db.scalars(select(column).where(column.in_(part))))
    return found
