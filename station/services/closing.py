"""End a sitting: what is not in order yet, and the closing itself (R-END-0, R-END-1)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from station.domain.attempt import OPEN
from station.domain.incident import ExtensionState
from station.domain.sitting import (
    NOT_A_REAL_SITTING,
    SITTING_STATE_WRONG,
    SITTING_UNKNOWN,
    STATE_NAMES,
    SittingKind,
    SittingState,
)
from station.domain.working_time import length_names
from station.errors import Missing, Refused, problem
from station.services import journal
from station.services.closing_points import ClosingPoint, work_points
from station.store.locking import lock_row
from station.store.models import (
    Attempt,
    Attendance,
    Candidate,
    Entry,
    Extension,
    Revision,
    SaveConflict,
    Seat,
    Sitting,
)

NOT_IN_ORDER = problem(
    "not_in_order",
    "还有 {count} 项必须先处理，场次不能结束：{first}",
    "{count} points must be settled before the sitting can be closed: {first}",
)


def closing_list(db: Session, sitting_id: int, *, at: datetime) -> list[ClosingPoint]:
    """List what is not in order, blocking points first, in seat order."""
    sitting = db.get(Sitting, sitting_id)
    if sitting is None:
        raise Missing(SITTING_UNKNOWN)
    if sitting.kind != SittingKind.REAL:
        raise Refused(NOT_A_REAL_SITTING)
    points = _entry_points(db, sitting) + _extension_points(db, sitting) + _save_points(db, sitting)
    points += work_points(db, sitting.id, at=at)
    return sorted(points, key=lambda point: not point.blocking)


def close_sitting(db: Session, sitting_id: int, *, by: int, at: datetime) -> None:
    """Close; refused while a blocking point stands. From here results are marked and packed."""
    sitting = lock_row(db, Sitting, sitting_id)  # from here nobody opens the paper any more
    if sitting is None:
        raise Missing(SITTING_UNKNOWN)
    blocking = [point for point in closing_list(db, sitting_id, at=at) if point.blocking]
    if blocking:
        raise Refused(NOT_IN_ORDER, count=len(blocking), first=blocking[0].zh)
    changed = db.execute(
        update(Sitting)
        .where(Sitting.id == sitting_id, Sitting.state == SittingState.RUNNING)
        .values(state=SittingState.CLOSED, closed_at=at)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        state_zh, state_en = STATE_NAMES[SittingState(sitting.state)]
        raise Refused(SITTING_STATE_WRONG, state_zh=state_zh, state=state_en, act_zh="结束", act="closed")
    journal.append(db, "sitting_closed", at=at, by=by, sitting_id=sitting_id)


def _entry_points(db: Session, sitting: Sitting) -> list[ClosingPoint]:
    rows = db.execute(
        select(Entry, Candidate.name, Seat.number)
        .join(Candidate, Candidate.id == Entry.candidate_id)
        .join(Seat, Seat.id == Entry.seat_id)
        .where(Entry.sitting_id == sitting.id)
        .order_by(Entry.id)
    )
    opened = select(Attempt.entry_id, Attempt.state).join(Entry).where(Entry.sitting_id == sitting.id)
    states = {row.entry_id: row.state for row in db.execute(opened)}
    points: list[ClosingPoint] = []
    for entry, name, seat in rows:
        state = states.get(entry.id)
        if state in OPEN:
            points.append(
                ClosingPoint(
                    "still_answering",
                    f"考位 {seat} {name} 仍在作答，请等待到时或收卷",
                    f"Seat {seat} {name} is still answering: wait or collect",
                    True,
                    entry.id,
                )
            )
        elif state is None and entry.attendance != Attendance.ABSENT:
            points.append(
                ClosingPoint(
                    "absence_open",
                    f"考位 {seat} {name} 未作答，请核实并记为缺考",
                    f"Seat {seat} {name} never opened the paper: check and record the absence",
                    True,
                    entry.id,
                )
            )
        if entry.leave_began_at is not None:
            points.append(
                ClosingPoint(
                    "leave_open",
                    f"考位 {seat} {name} 临时离场未登记返回",
                    f"Seat {seat} {name} left and has not come back in the record",
                    False,
                    entry.id,
                )
            )
        if entry.help_asked_at is not None:
            points.append(
                ClosingPoint(
                    "help_open",
                    f"考位 {seat} {name} 举手未应答",
                    f"Seat {seat} {name}: raised hand open",
                    False,
                    entry.id,
                )
            )
    return points


def _extension_points(db: Session, sitting: Sitting) -> list[ClosingPoint]:
    rows = db.execute(
        select(Entry.id, Seat.number, Candidate.name, Extension.seconds)
        .join(Attempt, Attempt.id == Extension.attempt_id)
        .join(Entry, Entry.id == Attempt.entry_id)
        .join(Candidate, Candidate.id == Entry.candidate_id)
        .join(Seat, Seat.id == Entry.seat_id)
        .where(Entry.sitting_id == sitting.id, Extension.state == ExtensionState.PROPOSED)
    )
    return [
        ClosingPoint(
            "extension_open",
            f"考位 {seat} {name} 的延时申请（{length_names(seconds)[0]}）尚未决定，请确认或不予批准",
            f"Seat {seat} {name}: the extension ({length_names(seconds)[1]}) is undecided: confirm or refuse it",
            True,
            entry_id,
        )
        for entry_id, seat, name, seconds in rows
    ]


def _save_points(db: Session, sitting: Sitting) -> list[ClosingPoint]:
    points: list[ClosingPoint] = []
    late = db.execute(
        select(Entry.id, Seat.number, Candidate.name, func.count())
        .join(Attempt, Attempt.entry_id == Entry.id)
        .join(Candidate, Candidate.id == Entry.candidate_id)
        .join(Seat, Seat.id == Entry.seat_id)
        .join(Revision, Revision.attempt_id == Attempt.id)
        .where(Entry.sitting_id == sitting.id, Revision.is_late, Revision.accepted_by.is_(None))
        .group_by(Entry.id, Seat.number, Candidate.name)
    )
    for entry_id, seat, name, count in late:
        points.append(
            ClosingPoint(
                "late_saves",
                f"考位 {seat} {name} 有 {count} 条截止后到达的答案，未采纳，已随包上报",
                f"Seat {seat} {name}: {count} late answers are kept and not counted",
                False,
                entry_id,
            )
        )
    conflicts = db.execute(
        select(Entry.id, Seat.number, Candidate.name, func.count())
        .join(Attempt, Attempt.entry_id == Entry.id)
        .join(Candidate, Candidate.id == Entry.candidate_id)
        .join(Seat, Seat.id == Entry.seat_id)
        .join(SaveConflict, SaveConflict.attempt_id == Attempt.id)
        .where(Entry.sitting_id == sitting.id)
        .group_by(Entry.id, Seat.number, Candidate.name)
    )
    for entry_id, seat, name, count in conflicts:
        points.append(
            ClosingPoint(
                "save_conflicts",
                f"考位 {seat} {name} 有 {count} 次保存冲突，已留存，请记入考场情况记录表",
                f"Seat {seat} {name}: {count} conflicting saves are kept; put them into the room record",
                False,
                entry_id,
            )
        )
    return points
