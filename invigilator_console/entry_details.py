"""Everything about one candidate in one sitting, for comparing documents (R-DAY-3) and for looking back."""

from __future__ import annotations

import json
from datetime import datetime

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from invigilator_console.board import event_document
from invigilator_console.guards import staff_only
from invigilator_console.seat_state import moment
from station.domain.agent_orders import known_aids
from station.domain.lockdown import AIDS
from station.errors import Missing
from station.services.admission import ENTRY_UNKNOWN
from station.store.models import Attempt, Attendance, Candidate, Entry, JournalEntry, Seat, Staff
from station.store.work_queries import work_plan
from station.web.edge import Edge
from station.web.guards import json_response, say
from station.web.work_state import work_document, work_facts

NEWEST_EVENTS = 60
ATTENDANCE_NAMES: dict[Attendance, tuple[str, str]] = {
    Attendance.EXPECTED: ("未到", "not here yet"),
    Attendance.PRESENT: ("到考", "present"),
    Attendance.LATE: ("迟到", "late"),
    Attendance.ABSENT: ("缺考", "absent"),
}


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    @routes.get("/api/entries/<int:entry_id>")
    @staff_only(edge, "see_board")
    def details(db: Session, person: Staff, at: datetime, entry_id: int) -> Response:
        found = db.execute(
            select(Entry, Candidate, Seat, Attempt)
            .join(Candidate, Candidate.id == Entry.candidate_id)
            .join(Seat, Seat.id == Entry.seat_id)
            .outerjoin(Attempt, Attempt.entry_id == Entry.id)
            .where(Entry.id == entry_id)
        ).one_or_none()
        if found is None:
            raise Missing(ENTRY_UNKNOWN)
        entry, candidate, seat, attempt = found
        events = db.scalars(
            select(JournalEntry)
            .where(JournalEntry.sitting_id == entry.sitting_id, JournalEntry.entry_id == entry.id)
            .order_by(JournalEntry.number.desc())
            .limit(NEWEST_EVENTS)
        )
        return json_response(
            {
                **_person(entry, candidate, seat),
                **_attempt(attempt),
                "work": _work(db, edge, attempt, at=at),
                "events": [event_document(one) for one in events],
            }
        )


def _person(entry: Entry, candidate: Candidate, seat: Seat) -> dict[str, object]:
    attendance = say(*ATTENDANCE_NAMES[Attendance(entry.attendance)])
    return {
        "entry_id": entry.id,
        "seat": seat.number,
        "name": candidate.name,
        "pinyin": candidate.pinyin,
        "ticket_number": candidate.ticket_number,
        "id_number": candidate.id_number,
        "institution": candidate.institution,
        "photo": f"/photos/{candidate.photo_sha256}" if candidate.photo_sha256 else None,
        "attendance": entry.attendance,
        "attendance_name": attendance
        + (say(f" {entry.late_min} 分钟", f" by {entry.late_min} min") if entry.late_min else ""),
        "confirmed_at": moment(entry.confirmed_at),
        "aids": list(known_aids(json.loads(entry.accessibility))),
        "aid_names": {aid: say(*names) for aid, names in AIDS.items()},
    }


def _work(db: Session, edge: Edge, attempt: Attempt | None, *, at: datetime) -> dict[str, object] | None:
    """Tell of the candidate's files: what is wanted, what has come; None where the paper wants none."""
    if attempt is None or not work_plan(db, attempt.paper_id).folders:
        return None
    return work_document(db, attempt) | {"facts": work_facts(db, edge, attempt, at=at)}


def _attempt(attempt: Attempt | None) -> dict[str, object]:
    if attempt is None:
        return dict.fromkeys(("opened_at", "deadline_at", "last_saved_at", "revisions", "receipt"))
    return {
        "opened_at": moment(attempt.opened_at),
        "deadline_at": moment(attempt.deadline_at),
        "last_saved_at": moment(attempt.last_saved_at),
        "revisions": attempt.revision_count or None,
        "receipt": attempt.receipt_code or None,
    }
