"""The board: every sitting, and one sitting's seats, problems, extensions and events in one answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from invigilator_console.backup_state import backup_alarms, backup_lines
from invigilator_console.device_state import read_devices
from invigilator_console.disk_state import disk_alarms, status_lines, to_confirm
from invigilator_console.guards import staff_only
from invigilator_console.outage import clock_document, halt_document
from invigilator_console.seal_state import seal_alarms, seal_lines
from invigilator_console.seat_state import Around, moment, seat_document
from invigilator_console.swaps import SwapsReading, read_swaps
from station.domain.events import CATALOGUE, Weight
from station.domain.incident import ExtensionState, needs_body
from station.domain.sitting import SITTING_UNKNOWN, STATE_NAMES, SittingKind, SittingState
from station.domain.staff import ROLE_NAMES
from station.domain.working_time import length_names
from station.errors import Missing
from station.services.outage import REASON as OUTAGE_REASON
from station.store import queries
from station.store.board_reading import BoardReading, ExtensionReading, read_board
from station.store.models import JournalEntry, Staff
from station.store.queries import SittingReading
from station.store.room_reading import read_seal
from station.web.edge import Edge
from station.web.guards import json_response, say

_IN_STATE = ("answering", "suspended", "handed_in", "collected", "cancelled", "absent", "waiting", "elsewhere")


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    @routes.get("/api/sittings")
    @staff_only(edge, "see_board")
    def sittings(db: Session, person: Staff, at: datetime) -> Response:
        counts = queries.count_entries(db)
        return json_response(
            [
                sitting_document(one) | {"counts": counts.get(one.sitting.id, {"expected": 0})}
                for one in queries.list_sittings(db)
            ]
        )

    @routes.get("/api/board/<int:sitting_id>")
    @staff_only(edge, "see_board")
    def board(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        reading = read_board(db, sitting_id, since=request.args.get("since", 0, type=int))
        if reading is None:
            raise Missing(SITTING_UNKNOWN)
        document = board_document(reading, read_swaps(db, sitting_id), edge, at)
        document["disk_to_confirm"] = to_confirm(db, edge, reading.sitting.sitting)
        seal = read_seal(db, reading.sitting.room.id)
        document["alarms"] += seal_alarms(seal)
        document["status"] += seal_lines(seal, edge)
        changed = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
        if not reading.events and request.args.get("changed") == changed:
            return json_response({"now": moment(at), "changed": changed, "unchanged": True})
        events = [event_document(one) for one in reading.events]
        return json_response({"now": moment(at), "changed": changed, **document, "events": events})


def board_document(reading: BoardReading, swaps: SwapsReading, edge: Edge, at: datetime) -> dict[str, Any]:
    """Compose all of a board that stays the same while nothing changes: no moment of now, no events."""
    extensions: dict[int, list[ExtensionReading]] = {}
    for one in reading.extensions:
        extensions.setdefault(one.extension.attempt_id, []).append(one)
    around = Around(
        sitting=reading.sitting.sitting,
        subject=reading.sitting.subject,
        item_count=reading.sitting.item_count or 0,
        logins=reading.logins,
        extensions=extensions,
        suspensions={one.attempt_id: one for one in reading.suspensions},
        swaps=swaps,
        presence=edge.presence,
        clock=edge.clock,
        at=at,
        devices=read_devices(edge),
    )
    seats = [seat_document(seat, around) for seat in reading.seats]
    return {
        "sitting": sitting_document(reading.sitting) | {"ends_at": _ends_at(reading)},
        "counts": count_seats(seats),
        "seats": seats,
        "pending_extensions": pending_documents(reading),
        "alarms": alarms_of(reading, edge),
        "status": status_lines(edge) + backup_lines(reading.life, edge),
        "halt": halt_document(reading),
        "clock_doubt": clock_document(reading),
    }


def sitting_document(one: SittingReading) -> dict[str, Any]:
    """Describe a sitting: names, planned and actual times, and what binds the day."""
    sitting, subject = one.sitting, one.subject
    shift = timedelta(seconds=sitting.postponement_s)
    started_at = sitting.started_at
    cutoff = timedelta(minutes=subject.entry_cutoff_min)
    return {
        "id": sitting.id,
        "subject": subject.name,
        "certificate": subject.certificate_name,
        "level": subject.level,
        "word": subject.word,
        "room": one.room.name,
        "kind": sitting.kind,
        "state": sitting.state,
        "state_name": say(*STATE_NAMES[SittingState(sitting.state)]),
        "planned_start_at": moment(sitting.planned_start_at),
        "postponement_s": sitting.postponement_s,
        "can_start_at": moment(sitting.planned_start_at + shift),
        "started_at": moment(started_at),
        "entry_closes_at": moment(started_at + cutoff) if started_at else None,
        "suspended_at": moment(sitting.suspended_at),
        "suspended_reason": sitting.suspended_reason,
        "closed_at": moment(sitting.closed_at),
        "delivered_at": moment(sitting.delivered_at),
        "duration_min": subject.duration_min,
        "entry_cutoff_min": subject.entry_cutoff_min,
        "early_leave_min": subject.early_leave_min,
        "remind_min": subject.remind_min,
        "extension_limit_min": subject.extension_limit_min,
        "extension_scope": subject.extension_scope,
        "paper": None if one.paper_code is None else {"code": one.paper_code, "title": one.paper_title},
        "items": one.item_count,
    }


def count_seats(seats: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Count the entries by state; `late`, `lost` and `help` cut across the states."""
    taken = [seat for seat in seats if seat["entry_id"] is not None]
    counts = {"expected": len(taken)}
    counts["logged_in"] = sum(seat["state"] not in {"expected", "absent", "elsewhere"} for seat in taken)
    for state in _IN_STATE:
        counts[state] = sum(seat["state"] == state for seat in taken)
    counts["late"] = sum(seat["attendance"] == "late" for seat in taken)
    for code in ("lost", "help"):
        counts[code] = sum(any(one["code"] == code for one in seat["problems"]) for seat in taken)
    return counts


def pending_documents(reading: BoardReading) -> list[dict[str, Any]]:
    """Describe the extensions that wait for a decision; those proposed together share `group`."""
    seats = {seat.entry_id: seat for seat in reading.seats}
    return [
        {
            "id": one.extension.id,
            "group": f"{one.extension.proposed_by}-{moment(one.extension.proposed_at)}",
            "entry_id": one.entry_id,
            "name": seats[one.entry_id].name if one.entry_id in seats else "",
            "seat": seats[one.entry_id].number if one.entry_id in seats else "",
            "minutes": round(one.extension.seconds / 60, 2),
            "length": say(*length_names(one.extension.seconds)),
            "granted_before": say(*length_names(sum(_granted_before(reading, one)))),
            "granted_before_min": round(sum(_granted_before(reading, one)) / 60, 2),
            "needs_body": needs_body(
                one.extension.seconds,
                _granted_before(reading, one),
                limit_min=reading.sitting.subject.extension_limit_min,
                scope=reading.sitting.subject.extension_scope,
            ),
            "reason": one.extension.reason,
            "asked_by_candidate": one.extension.asked_by_candidate,
            "proposed_by": one.proposed_by_name,
            "proposed_at": moment(one.extension.proposed_at),
            "site_decided": one.extension.site_by is not None,
            "body_decided": one.extension.body_by is not None,
        }
        for one in reading.extensions
        if one.extension.state == ExtensionState.PROPOSED
    ]


def alarms_of(reading: BoardReading, edge: Edge) -> list[dict[str, Any]]:
    """List what concerns the whole station or sitting, not one seat."""
    found = []
    sitting = reading.sitting.sitting
    if reading.life is not None and reading.life.clock_in_doubt:
        text = say(
            "服务器时间不可信，确认正确时间之前不能开考或继续考试",
            "The server's time is not believed: nothing starts or goes on before it is confirmed",
        )
        found.append({"code": "clock_in_doubt", "text": text, "level": "alarm"})
    if sitting.kind != SittingKind.REAL:
        text = say("试考：不是正式考试，不计分、不上报", "A trial, no real test: nothing is scored or sent")
        found.append({"code": "trial", "text": text, "level": "alarm"})
    if sitting.state == SittingState.SUSPENDED:
        reason = sitting.suspended_reason or "—"
        if reason == OUTAGE_REASON:
            reason = say(*reason.split(" / ", 1))
        text = say(f"全场已暂停：{reason}", f"The whole sitting is suspended: {reason}")
        found.append({"code": "sitting_suspended", "text": text, "level": "alarm"})
    if reading.sitting.paper_code is None:
        text = say("本场次还没有试卷，不能开考", "The sitting has no paper and cannot start")
        found.append({"code": "no_paper", "text": text, "level": "warn"})
    if reading.troubled_packages:
        text = say("成果包上传需要处理", "The upload of the results needs attention")
        found.append({"code": "package_troubled", "text": text, "level": "alarm"})
    paired = {device.seat_id for device in edge.roll.devices()}  # an agent opens its page by itself
    unlinked = sum(
        not seat.has_workstation and seat.seat_id not in paired for seat in reading.seats if seat.entry_id is not None
    )
    if unlinked and not edge.admit_unlinked and sitting.state in {SittingState.PLANNED, SittingState.ADMITTING}:
        text = say(f"{unlinked} 个考位的考生机尚未打开考位链接", f"{unlinked} seats have no workstation yet")
        found.append({"code": "seats_not_opened", "text": text, "level": "warn"})
    return found + disk_alarms(edge, sitting) + backup_alarms(reading.life)


def event_document(entry: JournalEntry) -> dict[str, Any]:
    """Say a journal entry in the language of the screen; one that the catalogue lost still shows by its id."""
    known = CATALOGUE.get(entry.event)
    details = json.loads(entry.details)
    if details.get("role") in ROLE_NAMES:
        details["role"] = say(*ROLE_NAMES[details["role"]])
    return {
        "number": entry.number,
        "at": moment(entry.at),
        "event": entry.event,
        "entry_id": entry.entry_id,
        "sentence": known.sentence(details, g.get("language", "zh")) if known else entry.event,
        "weight": known.weight if known else Weight.NORMAL,
    }


def _ends_at(reading: BoardReading) -> str | None:
    """Give the last deadline of those who are still answering, else the regular end."""
    started_at = reading.sitting.sitting.started_at
    if started_at is None:
        return None
    open_ones = [
        seat.deadline_at
        for seat in reading.seats
        if seat.attempt_state in {"answering", "suspended"} and seat.deadline_at is not None
    ]
    regular = started_at + timedelta(minutes=reading.sitting.subject.duration_min)
    return moment(max(open_ones, default=regular))


def _granted_before(reading: BoardReading, one: ExtensionReading) -> list[int]:
    return [
        other.extension.seconds
        for other in reading.extensions
        if other.extension.attempt_id == one.extension.attempt_id and other.extension.state == ExtensionState.GRANTED
    ]
