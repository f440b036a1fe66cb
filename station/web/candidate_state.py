"""What a candidate's page is told of itself: one JSON, asked for every two seconds (design §13.13)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from station.domain.attempt import OPEN, AttemptState
from station.domain.roster import is_masked, mask_id_number
from station.domain.sitting import SittingKind
from station.services.admission import waits_for_release
from station.store.candidate_queries import (
    HeldEntry,
    entry_on_page,
    held_entries,
    messages_to,
    suspension_of,
    waiting_elsewhere,
)
from station.store.models import Attempt, Candidate, CandidateLogin, Seat, StationLife, Subject
from station.store.orders_reading import lock_policy
from station.web.edge import Edge
from station.web.entry_key import entry_key
from station.web.guards import moment_text, say
from station.web.work_state import work_facts

SCREENS_TOLD = (
    "考试期间，监考员可以查看本机屏幕画面，画面在成绩上报后删除。",
    "During the test an invigilator may look at this PC's screen; pictures are deleted after delivery.",
)


def page_state(
    db: Session, edge: Edge, login: CandidateLogin, *, chosen_id: int | None, at: datetime
) -> dict[str, Any]:
    """Say which view the page shows and everything that stands on it.

    A log-in that waits for its release is told the seats and nothing of the person: who knows a neighbour's
    ticket number can guess the password (R-ROST-2).
    """
    entries = held_entries(db, login.candidate_id)
    held = entry_on_page(entries, logged_in_at=login.created_at, chosen_id=chosen_id)
    view = _view(login, held)
    state: dict[str, Any] = {
        "view": view,
        "now": moment_text(at),
        "time_scale": edge.clock.scale,
        "is_rehearsal": edge.is_rehearsal,
        "is_trial": held is not None and held.sitting.kind != SittingKind.REAL,
        "login_id": login.id,
        "release": None,
        "candidate": None,
        "entry": None,
        "sitting": None,
        "attempt": None,
        "work": None,
        "messages": [],
        "tried_at": None,
        "choices": [_choice(one) for one in entries if one.may_be_chosen],
    }
    if held is None:
        if login.released_at is not None:
            state["candidate"] = _candidate(db, login.candidate_id)
        return state
    if view == "release":
        here = db.get(Seat, login.seat_id) if login.seat_id is not None else None
        state["release"] = {"seat": here.number if here else None, "own_seat": held.seat_number}
        state["choices"] = []
        return state
    state["candidate"] = _candidate(db, login.candidate_id)
    state["entry"] = _entry(held, edge)
    state["sitting"] = _sitting(held, with_rules=view in {"confirm", "waiting"})
    state["attempt"] = _attempt(db, held, edge, at=at)
    state["work"] = work_facts(db, edge, held.attempt, at=at) if held.attempt is not None else None
    state["tried_at"] = waiting_elsewhere(db, login)
    state["messages"] = [
        {"id": message.id, "text": message.text, "sent_at": moment_text(message.sent_at)}
        for message in messages_to(db, held.entry)
    ]
    return state


def _view(login: CandidateLogin, held: HeldEntry | None) -> str:
    if held is None:
        return "none"
    if login.released_at is None:  # nothing of the person, not even a receipt
        return "release"
    if held.is_ended:
        return "done"
    if waits_for_release(login, held.entry):
        return "release"
    if held.attempt is not None and held.attempt.state in OPEN:
        return "paper"
    return "waiting" if held.entry.confirmed_at is not None else "confirm"


def _candidate(db: Session, candidate_id: int) -> dict[str, Any]:
    candidate = db.get_one(Candidate, candidate_id)
    number = candidate.id_number
    return {
        "id": candidate.id,
        "name": candidate.name,
        "pinyin": candidate.pinyin,
        "ticket_number": candidate.ticket_number,
        "id_number": number if is_masked(number) else mask_id_number(number),
        "institution": candidate.institution,
        "photo": "/api/photo" if candidate.photo_sha256 else None,
    }


def _choice(held: HeldEntry) -> dict[str, Any]:
    return {
        "id": held.entry.id,
        "subject": held.subject.name,
        "certificate": held.subject.certificate_name,
        "level": held.subject.level,
        "seat": held.seat_number,
        "state": held.sitting.state,
        "planned_start_at": moment_text(held.sitting.planned_start_at),
    }


def _entry(held: HeldEntry, edge: Edge) -> dict[str, Any]:
    """Describe the entry. `key` marks on the PC whose answers lie there; it outlives a restore, as entries do."""
    return {
        "id": held.entry.id,
        "key": entry_key(edge.secret, held.entry.id),
        "seat": held.seat_number,
        "subject": held.subject.name,
        "certificate": held.subject.certificate_name,
        "level": held.subject.level,
        "word": held.subject.word,
        "room": held.room.name,
        "site": held.room.site_name,
        "help_asked": held.entry.help_asked_at is not None,
    }


def _sitting(held: HeldEntry, *, with_rules: bool) -> dict[str, Any]:
    sitting, subject = held.sitting, held.subject
    planned = sitting.planned_start_at + timedelta(seconds=sitting.postponement_s)
    return {
        "id": sitting.id,
        "state": sitting.state,
        "planned_start_at": moment_text(planned),
        "started_at": _moment(sitting.started_at),
        "duration_min": subject.duration_min,
        "remind_min": subject.remind_min,
        "early_leave_min": subject.early_leave_min,
        "entry_cutoff_min": subject.entry_cutoff_min,
        "rules": _rules(subject) if with_rules else [],
        "misconduct_rules": json.loads(subject.misconduct_rules or "[]") if with_rules else [],
    }


def _rules(subject: Subject) -> list[str]:
    """List the rules for candidates; where staff may look at screens, candidates are told."""
    told = [say(*SCREENS_TOLD)] if lock_policy(subject.lockdown).pictures else []
    return [*json.loads(subject.rules or "[]"), *told]


def _attempt(db: Session, held: HeldEntry, edge: Edge, *, at: datetime) -> dict[str, Any] | None:
    attempt = held.attempt
    if attempt is None:
        return None
    stands = suspension_of(db, held) if attempt.state == AttemptState.SUSPENDED else None
    remaining = attempt.deadline_at - (stands.since if stands else at)
    return {
        "id": attempt.id,
        "state": attempt.state,
        "deadline_at": moment_text(attempt.deadline_at),
        "remaining_s": max(0.0, remaining.total_seconds()),
        "held": None if stands is None else {"by": stands.by, "since": moment_text(stands.since)},
        "place": attempt.place,
        "early_leave_allowed": held.entry.early_leave_allowed_by is not None,
        "early_leave_from": moment_text(attempt.deadline_at - timedelta(minutes=held.subject.early_leave_min)),
        "receipt_code": attempt.receipt_code,
        "ended_at": _moment(attempt.ended_at),
        "answered_count": attempt.answered_count,
        "item_count": held.item_count,
        "late_count": attempt.late_count,
        "revisions": attempt.revision_count,
        "is_in_backup": _is_in_backup(db, attempt, edge),
        "last_saved_at": _moment(attempt.last_saved_at),
        "help_asked": held.entry.help_asked_at is not None,
    }


def _is_in_backup(db: Session, attempt: Attempt, edge: Edge) -> bool:
    """Say whether the PC may forget an ended attempt: a backup holds all of it, or none are made here (§13.4)."""
    if not edge.has_backups:
        return True
    life = db.get(StationLife, 1)
    backed_up_at = life.backed_up_at if life is not None else None
    newest = max((one for one in (attempt.ended_at, attempt.last_saved_at) if one is not None), default=None)
    return backed_up_at is not None and newest is not None and newest < backed_up_at


def _moment(at: datetime | None) -> str | None:
    return None if at is None else moment_text(at)
