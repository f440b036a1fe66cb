"""Every candidate's time of a sitting, to the second: as a page to print, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, render_template
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_only
from invigilator_console.pages import page_frame
from invigilator_console.seat_state import STATE_NAMES, moment
from station.domain.working_time import length_names
from station.services.working_time import Happening, TimeReport, TimeRow, time_report
from station.store.models import Staff
from station.web.edge import BREAK_S, Edge
from station.web.guards import json_response, say

# field of a line's times, Chinese and English head
COLUMNS = (
    ("entitled_s", "应有时间", "entitled"),
    ("given_s", "补回时间", "given back"),
    ("paused_s", "中断与暂停", "stood still"),
    ("fault_s", "考生机故障", "PC lost"),
    ("late_s", "迟到", "late"),
    ("away_s", "临时离场", "out of the room"),
    ("early_s", "结束后未用", "unused"),
    ("effective_s", "有效作答", "effective"),
    ("left_s", "剩余", "left"),
    ("short_s", "少于应有", "short"),
)


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    def report(db: Session, sitting_id: int, at: datetime) -> TimeReport:
        silent_after = timedelta(seconds=BREAK_S * edge.clock.scale)
        return time_report(db, sitting_id, at=at, heard=edge.presence.last_seen, silent_after=silent_after)

    @routes.get("/times/<int:sitting_id>")
    @staff_only(edge, "see_board")
    def page(db: Session, person: Staff, at: datetime, sitting_id: int) -> str:
        return render_template(
            "times.html",
            report=report(db, sitting_id, at),
            columns=[(field, say(zh, en)) for field, zh, en in COLUMNS],
            states={state: say(*names) for state, names in STATE_NAMES.items()},
            clock=lambda one: one.astimezone(edge.zone).strftime("%H:%M:%S") if one else "—",
            day=lambda one: one.astimezone(edge.zone).strftime("%Y-%m-%d"),
            stopwatch=stopwatch,
            length=lambda seconds: say(*length_names(seconds)),
            **page_frame(edge),
        )

    @routes.get("/api/sittings/<int:sitting_id>/times")
    @staff_only(edge, "see_board")
    def as_json(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        return json_response(report_document(report(db, sitting_id, at)))

    @routes.get("/times/<int:sitting_id>/csv")
    @staff_only(edge, "see_board")
    def as_csv(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        text = csv_text(report(db, sitting_id, at))
        answer = Response(text.encode("utf-8-sig"), mimetype="text/csv")
        answer.headers["Content-Disposition"] = f'attachment; filename="times-{sitting_id}.csv"'
        answer.headers["Cache-Control"] = "no-store"
        return answer


def report_document(report: TimeReport) -> dict[str, Any]:
    """Write a report as JSON: all lengths in whole seconds, all moments in UTC."""
    sitting, subject = report.sitting.sitting, report.sitting.subject
    return {
        "sitting_id": sitting.id,
        "certificate": subject.certificate_name,
        "level": subject.level,
        "subject": subject.name,
        "room": report.sitting.room.name,
        "site": report.sitting.room.site_name,
        "duration_s": subject.duration_min * 60,
        "planned_start_at": moment(sitting.planned_start_at),
        "postponement_s": sitting.postponement_s,
        "started_at": moment(sitting.started_at),
        "state": sitting.state,
        "at": moment(report.at),
        "short": len(report.short),
        "unsound": len(report.unsound),
        "for_all": [_happening_document(one) for one in report.for_all],
        "rows": [_row_document(row) for row in report.rows],
        "absent": [{"seat": seat, "name": name} for seat, name in report.absent],
        "not_opened": [{"seat": seat, "name": name} for seat, name in report.not_opened],
    }


def csv_text(report: TimeReport) -> str:
    """Write a report as a table for a spreadsheet; long numbers stand as text in it (R-ROST-2)."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\r\n")
    heads = ["考位", "姓名", "准考证号", "状态", "开卷", "截止", "结束", *(f"{zh}（秒）" for _, zh, _ in COLUMNS)]
    table.writerow([*heads, "核对", "原因"])
    for row in report.rows:
        times = [getattr(row.times, field) for field, _, _ in COLUMNS]
        moments = [moment(one) or "" for one in (row.attempt.opened_at, row.attempt.deadline_at, row.attempt.ended_at)]
        ticket = f'="{row.ticket_number}"'
        state = STATE_NAMES[row.attempt.state][0]
        check = "相符" if row.is_sound else "不符"
        reasons = "；".join(zh for zh, _ in row.reasons)
        table.writerow([_harmless(row.seat), _harmless(row.name), ticket, state, *moments, *times, check, reasons])
    return written.getvalue()


def stopwatch(seconds: int) -> str:
    """Write a length as 4:45 or 1:00:00; nothing is a dash, so that what is something stands out."""
    if not seconds:
        return "—"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _row_document(row: TimeRow) -> dict[str, Any]:
    return {
        "entry_id": row.entry.id,
        "seat": row.seat,
        "name": row.name,
        "ticket_number": row.ticket_number,
        "state": row.attempt.state,
        "opened_at": moment(row.attempt.opened_at),
        "deadline_at": moment(row.attempt.deadline_at),
        "ended_at": moment(row.attempt.ended_at),
        **{field: getattr(row.times, field) for field, _, _ in COLUMNS},
        "shift_s": row.attempt.shift_s,
        "is_sound": row.is_sound,
        "reasons": [say(*reason) for reason in row.reasons],
        "happenings": [_happening_document(one) for one in row.happenings],
    }


def _happening_document(one: Happening) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "began_at": moment(one.began_at),
        "ended_at": moment(one.ended_at),
        "seconds": one.seconds,
        "text": say(one.zh, one.en),
    }


def _harmless(text: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
