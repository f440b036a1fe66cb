"""Mark the attempts of a closed sitting by the paper's keys, and keep every mark with its reason (R-SCORE-2)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from station.domain.answer_keys import parse_keys
from station.domain.attempt import ENDED
from station.domain.marking import PaperMark, mark_responses
from station.domain.paper import parse_paper
from station.domain.sitting import SittingKind, SittingState
from station.services import journal
from station.store.answers import current_answers
from station.store.models import Attempt, Entry, Mark, Paper, Score, Sitting


@dataclass(frozen=True)
class MarkingJob:
    """All that marking needs of one sitting, by value: it can go to another process."""

    sitting_id: int
    paper: str
    keys: str
    responses: Mapping[int, Mapping[str, str]]


def sitting_to_mark(db: Session, *, leave_out: Collection[int] = ()) -> MarkingJob | None:
    """Find a closed sitting whose attempts are not marked yet; None when there is none, or the centre marks."""
    closed = select(Sitting).where(Sitting.state == SittingState.CLOSED, Sitting.kind == SittingKind.REAL)
    for sitting in db.scalars(closed.order_by(Sitting.closed_at)):
        if sitting.id in leave_out:
            continue
        paper = db.get(Paper, sitting.paper_id) if sitting.paper_id is not None else None
        if paper is None or not paper.keys:
            continue
        unmarked = db.scalars(
            select(Attempt.id)
            .join(Entry, Entry.id == Attempt.entry_id)
            .outerjoin(Score, Score.attempt_id == Attempt.id)
            .where(Entry.sitting_id == sitting.id, Attempt.state.in_(ENDED), Score.attempt_id.is_(None))
        ).all()
        if unmarked:
            responses = {attempt_id: current_answers(db, attempt_id) for attempt_id in unmarked}
            return MarkingJob(sitting.id, paper.document, paper.keys, responses)
    return None


def mark(job: MarkingJob) -> dict[int, PaperMark]:
    """Mark every attempt of a job; keys that are not this paper's stop it by name."""
    paper = parse_paper(json.loads(job.paper))
    keys = parse_keys(json.loads(job.keys), paper)
    return {
        attempt_id: mark_responses(paper, keys, {item: json.loads(text) for item, text in responses.items()})
        for attempt_id, responses in job.responses.items()
    }


def record_marks(db: Session, job: MarkingJob, marks: Mapping[int, PaperMark], *, at: datetime) -> None:
    """Keep the marks and sums of a job; marks made before for the same attempts are replaced."""
    paper_sha256 = hashlib.sha256(job.paper.encode()).hexdigest()
    keys_sha256 = hashlib.sha256(job.keys.encode()).hexdigest()
    for attempt_id, paper_mark in marks.items():
        db.execute(delete(Mark).where(Mark.attempt_id == attempt_id))
        db.execute(delete(Score).where(Score.attempt_id == attempt_id))
        rows = [_mark_row(attempt_id, one.document()) for one in paper_mark.marks]
        if rows:
            db.execute(insert(Mark), rows)
        manual_max = sum((one.max_points for one in paper_mark.marks if one.points is None), Decimal("0.00"))
        db.add(
            Score(
                attempt_id=attempt_id,
                objective_points=str(paper_mark.objective_points),
                objective_max=str(paper_mark.objective_max),
                manual_max=str(manual_max),
                paper_sha256=paper_sha256,
                keys_sha256=keys_sha256,
                marked_at=at,
            )
        )
    journal.append(db, "marked", at=at, sitting_id=job.sitting_id, count=len(marks), keys_sha256=keys_sha256)


def note_failure(db: Session, job: MarkingJob, *, reason: str, at: datetime) -> None:
    """Put into the journal that a sitting could not be marked here."""
    journal.append(db, "marking_failed", at=at, sitting_id=job.sitting_id, reason=reason[:200])


def _mark_row(attempt_id: int, document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "attempt_id": attempt_id,
        "item_id": document["item"],
        "policy": document["policy"],
        "points": document["points"],
        "max_points": document["max_points"],
        "explanation": json.dumps({"outcome": document["outcome"], "parts": document["parts"]}, ensure_ascii=False),
    }
