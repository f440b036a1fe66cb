"""What a result package says of a sitting: everything that proves who did what, when, and how it was marked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.marking import PassResult, judge
from station.domain.sitting import NOT_A_REAL_SITTING, SittingKind
from station.errors import Refused
from station.store.models import (
    Attempt,
    Attendance,
    Base,
    Candidate,
    Entry,
    Extension,
    Incident,
    Interruption,
    JournalEntry,
    Mark,
    Paper,
    Place,
    Revision,
    Room,
    SaveConflict,
    Score,
    Seat,
    SeatMove,
    SignedHeads,
    Sitting,
    Staff,
    Subject,
    Upload,
    WorkFolder,
    WorkVersion,
)
from station.store.work_queries import counting, versions_of, work_answers

FORMAT = "exam-result/1"


def result_document(db: Session, sitting_id: int, *, station_version: str) -> dict[str, Any]:
    """Give `result.json`: sitting, entries with attempts and times, what staff decided, files and what counts."""
    sitting = db.get_one(Sitting, sitting_id)
    if sitting.kind != SittingKind.REAL:
        raise Refused(NOT_A_REAL_SITTING)
    subject, room = db.get_one(Subject, sitting.subject_id), db.get_one(Room, sitting.room_id)
    paper = db.get_one(Paper, sitting.paper_id) if sitting.paper_id is not None else None
    entries = db.execute(
        select(Entry, Candidate, Seat)
        .join(Candidate, Candidate.id == Entry.candidate_id)
        .join(Seat, Seat.id == Entry.seat_id)
        .where(Entry.sitting_id == sitting_id)
        .order_by(Entry.id)
    ).all()
    of_sitting = select(Attempt).join(Entry, Entry.id == Attempt.entry_id).where(Entry.sitting_id == sitting_id)
    attempts = {attempt.entry_id: attempt for attempt in db.scalars(of_sitting)}
    attempt_ids = [attempt.id for attempt in attempts.values()]
    scores = {one.attempt_id: one for one in db.scalars(select(Score).where(Score.attempt_id.in_(attempt_ids)))}
    return {
        "format": FORMAT,
        "station_version": station_version,
        "sitting": _row(sitting)
        | {
            "site": room.site_name,
            "room": room.name,
            "certificate": subject.certificate_name,
            "level": subject.level,
            "subject": subject.name,
            "subject_code": subject.code,
            "paper_code": paper.code if paper else None,
            "paper_sha256": paper.sha256 if paper else None,
            "head": json.loads(sitting.head),
        },
        "attempts": [
            _attempt(entry, candidate, seat, attempts[entry.id], scores.get(attempts[entry.id].id))
            for entry, candidate, seat in entries
            if entry.id in attempts
        ],
        "absent": [
            {"ticket_number": candidate.ticket_number, "name": candidate.name, "seat_number": seat.number}
            for entry, candidate, seat in entries
            if entry.id not in attempts and entry.attendance == Attendance.ABSENT
        ],
        "extensions": _rows(db, select(Extension).where(Extension.attempt_id.in_(attempt_ids))),
        "interruptions": _rows(db, select(Interruption).where(Interruption.sitting_id == sitting_id)),
        "seat_moves": _rows(
            db, select(SeatMove).join(Entry, Entry.id == SeatMove.entry_id).where(Entry.sitting_id == sitting_id)
        ),
        "pcs_lost": _rows(
            db,
            select(Place).where(Place.attempt_id.in_(attempt_ids), Place.last_act_at.is_not(None)).order_by(Place.id),
        ),
        "incidents": _rows(db, select(Incident).where(Incident.sitting_id == sitting_id)),
        "save_conflicts": _rows(db, select(SaveConflict).where(SaveConflict.attempt_id.in_(attempt_ids))),
        "uploads": _rows(db, select(Upload).where(Upload.attempt_id.in_(attempt_ids))),
        "work_folders": _rows(db, select(WorkFolder).where(WorkFolder.attempt_id.in_(attempt_ids))),
        "deliverables": [one for attempt in attempts.values() for one in _deliverables(db, attempt)],
        "staff": [{"id": one.id, "name": one.name, "role": one.role} for one in db.scalars(select(Staff))],
        "signed_heads": _rows(db, select(SignedHeads).order_by(SignedHeads.id.desc()).limit(1)),
    }


def revision_lines(db: Session, sitting_id: int) -> Iterator[str]:
    """Give `revisions.jsonl`: every revision of every attempt in chain order, late ones too."""
    rows = db.scalars(
        select(Revision)
        .join(Attempt, Attempt.id == Revision.attempt_id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .where(Entry.sitting_id == sitting_id)
        .order_by(Revision.attempt_id, Revision.number)
        .execution_options(yield_per=500)
    )
    for row in rows:
        yield _line(_row(row) | {"response": json.loads(row.response)})


def work_version_lines(db: Session, sitting_id: int) -> Iterator[str]:
    """Give `work_versions.jsonl`: every version of every file of the work folders in chain order, late ones too."""
    rows = db.scalars(
        select(WorkVersion)
        .join(Attempt, Attempt.id == WorkVersion.attempt_id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .where(Entry.sitting_id == sitting_id)
        .order_by(WorkVersion.attempt_id, WorkVersion.number)
        .execution_options(yield_per=500)
    )
    for row in rows:
        yield _line(_row(row))


def journal_lines(db: Session) -> Iterator[str]:
    """Give `journal.jsonl`: the whole chain up to now, as a part of it proves nothing."""
    rows = db.scalars(select(JournalEntry).order_by(JournalEntry.number).execution_options(yield_per=500))
    for row in rows:
        yield _line(_row(row))


def marks_document(db: Session, sitting_id: int) -> dict[str, Any]:
    """Give `marks.json`: points and explanation of every item, sums, and what the pass rule says so far."""
    found = db.execute(
        select(Attempt.id, Entry.candidate_id, Score)
        .join(Entry, Entry.id == Attempt.entry_id)
        .join(Score, Score.attempt_id == Attempt.id)
        .where(Entry.sitting_id == sitting_id)
        .order_by(Attempt.id)
    ).all()
    marks: dict[int, list[dict[str, Any]]] = {attempt_id: [] for attempt_id, _, _ in found}
    for mark in db.scalars(select(Mark).where(Mark.attempt_id.in_(list(marks))).order_by(Mark.attempt_id)):
        marks[mark.attempt_id].append(
            {
                "item": mark.item_id,
                "policy": mark.policy,
                "points": mark.points,
                "max_points": mark.max_points,
                "explanation": json.loads(mark.explanation),
            }
        )
    attempts = []
    for attempt_id, candidate_id, score in found:
        judged = judge_candidate(db, candidate_id)
        attempts.append(
            {
                "attempt_id": attempt_id,
                "objective_points": score.objective_points,
                "objective_max": score.objective_max,
                "manual_max": score.manual_max,
                "paper_sha256": score.paper_sha256,
                "keys_sha256": score.keys_sha256,
                "passed": judged.passed if judged else None,
                "marks": marks[attempt_id],
            }
        )
    return {"format": "exam-marks/1", "attempts": attempts}


def judge_candidate(db: Session, candidate_id: int) -> PassResult | None:
    """Judge a candidate by the certificate's pass rule over all subjects that are placed here (R-SCORE-1).

    A subject with items for people, or not marked yet, is open; one that was missed is 0. None when the
    rule's subjects are not all placed in this room (then the centre judges).
    """
    rows = db.execute(
        select(Subject, Entry)
        .join(Sitting, Sitting.subject_id == Subject.id)
        .join(Entry, Entry.sitting_id == Sitting.id)
        .where(Entry.candidate_id == candidate_id, Sitting.kind == SittingKind.REAL)
    ).all()
    if not rows:
        return None
    subject = rows[0].Subject
    placed = {row.Subject.code for row in rows}
    wanted = set(
        db.scalars(
            select(Subject.code).where(
                Subject.plan_id == subject.plan_id,
                Subject.certificate_code == subject.certificate_code,
                Subject.level == subject.level,
            )
        )
    )
    rule: dict[str, Any] = json.loads(subject.pass_rule)
    if placed != wanted or rule.get("kind") == "parts":
        return None
    marked = db.execute(
        select(Attempt.entry_id, Score)
        .join(Score, Score.attempt_id == Attempt.id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .where(Entry.candidate_id == candidate_id)
    )
    scores = {row.entry_id: row.Score for row in marked}
    return judge(rule, {one.code: _score(entry.attendance, scores.get(entry.id)) for one, entry in rows})


def _score(attendance: str, score: Score | None) -> Decimal | None:
    if score is None:
        return Decimal("0.00") if attendance == Attendance.ABSENT else None
    return None if Decimal(score.manual_max) > 0 else Decimal(score.objective_points)


def text_of(document: dict[str, Any]) -> str:
    """Write a document as it goes into the package."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def files_of(db: Session, sitting_id: int) -> list[str]:
    """List the SHA-256 of every file that goes with the sitting, each once.

    All uploads; of the work folders what counts, and the newest of each path where that came late or was removed:
    earlier versions are proved by their hash and stay at the station.
    """
    attempts = db.scalars(
        select(Attempt.id).join(Entry, Entry.id == Attempt.entry_id).where(Entry.sitting_id == sitting_id)
    ).all()
    found = set(db.scalars(select(Upload.sha256).where(Upload.attempt_id.in_(attempts))))
    for attempt_id in attempts:
        for versions in versions_of(db, attempt_id).values():
            newest = [row.sha256 for row in versions if row.sha256 is not None][-1:]
            counted = counting(versions)
            found.update(newest if counted is None else [*newest, str(counted.sha256)])
    return sorted(found)


def _deliverables(db: Session, attempt: Attempt) -> list[dict[str, Any]]:
    """Say for each wanted file of an attempt which one counts; `version` 0: uploaded in the browser."""
    return [
        {
            "attempt_id": attempt.id,
            "item_id": one.wanted.item_id,
            "part": one.wanted.part,
            "wanted": one.wanted.name,
            "state": one.state.value,
            "path": one.file.path if one.file else None,
            "sha256": one.file.sha256 if one.file else None,
            "version": one.file.version if one.file else None,
            "saved_at": one.file.saved_at.isoformat() if one.file else None,
        }
        for one in work_answers(db, attempt)
    ]


def _attempt(entry: Entry, candidate: Candidate, seat: Seat, attempt: Attempt, score: Score | None) -> dict[str, Any]:
    return _row(attempt) | {
        "ticket_number": candidate.ticket_number,
        "name": candidate.name,
        "id_number": candidate.id_number,
        "institution": candidate.institution,
        "seat_number": seat.number,
        "attendance": entry.attendance,
        "late_min": entry.late_min,
        "points": score.objective_points if score else None,
        "manual_max": score.manual_max if score else None,
    }


def _rows(db: Session, statement: Any) -> list[dict[str, Any]]:
    return [_row(one) for one in db.scalars(statement)]


def _row(one: Base) -> dict[str, Any]:
    """Write a table row as JSON values; moments as ISO text in UTC."""
    values: dict[str, Any] = {}
    for column in one.__table__.columns:
        value = getattr(one, column.key)
        values[column.key] = value.isoformat() if isinstance(value, datetime) else value
    return values


def _line(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
