"""Decide about answers that arrived after the deadline: kept always, counted only if a person says so (design §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from station.domain.sitting import SittingState
from station.errors import Refused, problem
from station.services import journal
from station.store.locking import lock_attempts, lock_row
from station.store.models import Attempt, Candidate, CurrentAnswer, Entry, Revision, Seat, Sitting, WorkVersion
from station.store.queries import seat_order

LATE_SAVES_CLOSED = problem(
    "late_saves_closed",
    "场次已结束，迟到答案不能再采纳；它们已随成果包上报，由认证机构决定。",
    "The sitting is closed: late answers go to the certificate body with the package and are decided there.",
)
NO_LATE_SAVES = problem(
    "no_late_saves", "所选考生没有待决定的迟到答案。", "Those chosen have no late answers to decide."
)


@dataclass(frozen=True)
class LateSaves:
    """What of one attempt arrived late and is not accepted: answers, and versions of work files (`files`)."""

    attempt_id: int
    entry_id: int
    name: str
    seat: str
    count: int
    first_at: datetime
    last_at: datetime
    deadline_at: datetime
    files: int = 0


def late_saves_of(db: Session, sitting_id: int) -> list[LateSaves]:
    """List the attempts of a sitting with undecided late answers or work files, in seat order."""
    answers = _late(db, sitting_id, Revision, Revision.saved_at)
    files = _late(db, sitting_id, WorkVersion, WorkVersion.received_at)
    found = []
    for attempt_id in answers.keys() | files.keys():
        both = [kind[attempt_id] for kind in (answers, files) if attempt_id in kind]
        found.append(
            replace(
                both[0],
                count=answers[attempt_id].count if attempt_id in answers else 0,
                files=files[attempt_id].count if attempt_id in files else 0,
                first_at=min(one.first_at for one in both),
                last_at=max(one.last_at for one in both),
            )
        )
    return sorted(found, key=lambda one: seat_order(one.seat))


def accept_late_saves(db: Session, attempt_ids: Sequence[int], *, by: int, at: datetime) -> int:
    """Let the late answers and work files of these attempts count from now on; returns how many.

    Only while the sitting is not closed. What was late stays as it was written: that it was late, and who
    accepted them, stands beside.
    """
    accepted = 0
    chosen = db.scalars(select(Attempt).where(Attempt.id.in_(attempt_ids))).all()
    entries = {entry.id: entry for entry in db.scalars(select(Entry).where(Entry.id.in_([a.entry_id for a in chosen])))}
    sittings = {one: lock_row(db, Sitting, one) for one in sorted({entry.sitting_id for entry in entries.values()})}
    for attempt in lock_attempts(db, chosen):
        entry = entries[attempt.entry_id]
        sitting = sittings[entry.sitting_id]
        if sitting is None or sitting.state in {SittingState.CLOSED, SittingState.DELIVERED}:
            raise Refused(LATE_SAVES_CLOSED)
        late = db.scalars(
            select(Revision)
            .where(Revision.attempt_id == attempt.id, Revision.is_late, Revision.accepted_by.is_(None))
            .order_by(Revision.place, Revision.sequence)
        ).all()
        files = db.scalars(
            select(WorkVersion).where(
                WorkVersion.attempt_id == attempt.id, WorkVersion.is_late, WorkVersion.accepted_by.is_(None)
            )
        ).all()
        if not late and not files:
            continue
        for revision in late:
            revision.accepted_by = by
            _make_current(db, attempt, revision)
        for version in files:
            version.accepted_by = by
        accepted += len(late) + len(files)
        name = db.get_one(Candidate, entry.candidate_id).name
        journal.append(
            db,
            "late_saves_accepted",
            at=at,
            by=by,
            sitting_id=entry.sitting_id,
            entry_id=entry.id,
            name=name,
            count=len(late) + len(files),
            revisions=[revision.number for revision in late],
            files=[[version.path, version.version] for version in files],
        )
    if not accepted:
        raise Refused(NO_LATE_SAVES)
    return accepted


def _late(
    db: Session, sitting_id: int, model: type[Revision] | type[WorkVersion], came_at: InstrumentedAttribute[datetime]
) -> dict[int, LateSaves]:
    """Gather what of one kind is late and undecided, by attempt."""
    rows = db.execute(
        select(
            Attempt.id,
            Entry.id,
            Candidate.name,
            Seat.number,
            func.count(),
            func.min(came_at),
            func.max(came_at),
            Attempt.deadline_at,
        )
        .join(Entry, Entry.id == Attempt.entry_id)
        .join(Candidate, Candidate.id == Entry.candidate_id)
        .join(Seat, Seat.id == Entry.seat_id)
        .join(model, model.attempt_id == Attempt.id)
        .where(Entry.sitting_id == sitting_id, model.is_late, model.accepted_by.is_(None))
        .group_by(Attempt.id, Entry.id, Candidate.name, Seat.number, Attempt.deadline_at)
    )
    return {row[0]: LateSaves(*row) for row in rows}


def _make_current(db: Session, attempt: Attempt, revision: Revision) -> None:
    current = db.get(CurrentAnswer, (attempt.id, revision.item_id))
    if current is None:
        current = CurrentAnswer(attempt_id=attempt.id, item_id=revision.item_id, place=0, sequence=0, is_answered=False)
        db.add(current)
    if (current.place, current.sequence) >= (revision.place, revision.sequence):
        return
    attempt.answered_count += int(revision.is_answered) - int(current.is_answered)
    current.place, current.sequence = revision.place, revision.sequence
    current.revision_number, current.is_answered = revision.number, revision.is_answered
