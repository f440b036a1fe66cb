"""What candidate and staff are told of a work folder: what has come, what is missing, how the PC is heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from station.domain.attempt import ENDED
from station.domain.work_folder import ANSWER_STATE_NAMES, LAST_STATE_WITHIN, Held, WorkAnswer, WorkCause
from station.store.models import Attempt, WorkFolder, WorkVersion
from station.store.work_queries import counting, versions_of, work_answers, work_plan
from station.web.edge import Edge
from station.web.guards import moment_text, say
from station.web.work_programs import opens_programs

VERSIONS_SHOWN = 40
CAUSE_NAMES: dict[WorkCause, tuple[str, str]] = {
    WorkCause.RESTED: ("自动保存", "saved by itself"),
    WorkCause.REMOVED: ("已从文件夹删除", "removed from the folder"),
    WorkCause.HAND_IN: ("交卷时保存", "saved at hand-in"),
    WorkCause.COLLECT: ("收卷时保存", "saved at collection"),
    WorkCause.MOVED: ("由原考试机补送", "brought by the PC that was left"),
    WorkCause.TAKEN_BACK: ("由第 {from_version} 版恢复", "version {from_version} taken back"),
}


def work_facts(db: Session, edge: Edge, attempt: Attempt, *, at: datetime) -> dict[str, Any] | None:
    """Say shortly how the work folder stands, for polls; None where no PC holds one. `stamp` changes with the list."""
    folder = db.get(WorkFolder, attempt.id)
    if folder is None:
        return None
    has_ended = attempt.state in ENDED and attempt.ended_at is not None
    until = attempt.ended_at + LAST_STATE_WITHIN if has_ended and attempt.ended_at is not None else None
    return {
        "stamp": folder.version_count,
        "last_saved_at": None if folder.last_saved_at is None else moment_text(folder.last_saved_at),
        "late_count": folder.late_count,
        "settled_at": None if folder.settled_at is None else moment_text(folder.settled_at),
        "is_awaited": until is not None and folder.settled_at is None and at < until,
        "until": None if until is None else moment_text(until),
        "agent": _agent(edge, folder),
    }


def work_document(db: Session, attempt: Attempt) -> dict[str, Any]:
    """List what is wanted and what answers it, and every file with its versions, newest first."""
    versions = versions_of(db, attempt.id)
    folder = db.get(WorkFolder, attempt.id)
    folders = {one.item_id: one.folder for one in work_plan(db, attempt.paper_id).folders}
    return {
        "stamp": folder.version_count if folder is not None else 0,
        "has_folder": folder is not None,
        "wanted": [_wanted(one, folders[one.wanted.item_id]) for one in work_answers(db, attempt)],
        "files": [_file(path, rows) for path, rows in versions.items()],
    }


def _agent(edge: Edge, folder: WorkFolder) -> dict[str, Any]:
    """Say when the PC's agent was heard, what still waits there, where the folder lies, and if it opens programs."""
    heard = edge.devices.last(folder.device_id) if folder.device_id is not None else None
    if heard is None or folder.device_id is None:
        return {"heard_at": None, "is_lost": True, "waiting": 0, "waiting_bytes": 0, "folder": "", "opens": False}
    work = heard.beat.work
    mine = work if work is not None and work.attempt_id == folder.attempt_id else None
    return {
        "heard_at": moment_text(heard.heard_at),
        "is_lost": edge.devices.is_lost(folder.device_id),
        "waiting": mine.waiting if mine is not None else 0,
        "waiting_bytes": mine.waiting_bytes if mine is not None else 0,
        "folder": mine.folder if mine is not None else "",
        "opens": opens_programs(edge, folder.device_id),
    }


def _wanted(answer: WorkAnswer, folder: str) -> dict[str, Any]:
    wanted = answer.wanted
    return {
        "item_id": wanted.item_id,
        "part": wanted.part,
        "label": wanted.label,
        "name": wanted.name,
        "folder": folder,
        "required": wanted.required,
        "state": answer.state,
        "state_name": say(*ANSWER_STATE_NAMES[answer.state]),
        "is_missing": answer.is_missing,
        "file": None if answer.file is None else _held(answer.file),
    }


def _held(file: Held) -> dict[str, Any]:
    """Describe the file that counts; `version` null: it was uploaded in the browser."""
    return {
        "path": file.path,
        "name": file.name,
        "size": file.size,
        "version": file.version or None,
        "saved_at": moment_text(file.saved_at),
        "sha256": file.sha256,
    }


def _file(path: str, rows: Sequence[WorkVersion]) -> dict[str, Any]:
    counted = counting(list(rows))
    return {
        "path": path,
        "is_removed": rows[-1].sha256 is None,
        "version": counted.version if counted is not None else None,
        "saved_at": moment_text(rows[-1].received_at),
        "count": len(rows),
        "versions": [_version(row, counted) for row in reversed(rows[-VERSIONS_SHOWN:])],
    }


def _version(row: WorkVersion, counted: WorkVersion | None) -> dict[str, Any]:
    zh, en = CAUSE_NAMES[WorkCause(row.cause)]
    return {
        "version": row.version,
        "saved_at": moment_text(row.received_at),
        "size": row.size,
        "sha256": row.sha256,
        "cause": row.cause,
        "cause_name": say(zh, en).format(from_version=row.from_version),
        "is_removed": row.sha256 is None,
        "is_late": row.is_late,
        "is_accepted": row.accepted_by is not None,
        "is_current": counted is not None and row.number == counted.number,
    }
