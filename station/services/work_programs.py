"""Let a candidate open the programs of a practical item on a locked PC: asked on the page, done by the PC's agent.

The desktop is locked away, so the page is the only place to ask from. The wish goes to the PC as a command with its
next beat; the PC checks it again by its own orders.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.attempt import NOT_ANSWERING, STATE_NAMES, AttemptState
from station.domain.program_names import OPEN_PROGRAM, is_same_program
from station.errors import Missing, Refused, problem
from station.store.locking import lock_row
from station.store.models import Attempt, CandidateLogin, Device, DeviceCommand, Workstation

PROGRAM_NOT_OF_ITEM = problem(
    "program_not_of_item",
    "本题不使用软件“{program}”。",
    "This item does not use the program {program}.",
)
PROGRAM_NOT_HERE = problem(
    "program_not_here",
    "这台考试机的程序不能从网页打开软件，请举手。",
    "The agent of this PC cannot open programs from the page: please raise your hand.",
)
# A PC that was away for longer than this must not open by itself what was pressed long ago.
WISH_LASTS = timedelta(seconds=30)
NOT_ANSWERED = "not answered"


def ask_to_open(
    db: Session,
    attempt: Attempt,
    login: CandidateLogin,
    *,
    item_id: str,
    program: str,
    file: str,
    listed: Sequence[str],
    at: datetime,
) -> DeviceCommand:
    """Tell the PC of this log-in to open a program, with a file of the work folder or `""`; the same twice is one.

    `listed`: the programs that the item names.
    """
    if attempt.state != AttemptState.ANSWERING:
        state_zh, state = STATE_NAMES[AttemptState(attempt.state)]
        raise Refused(NOT_ANSWERING, state_zh=state_zh, state=state)
    if not any(is_same_program(one, program) for one in listed):
        raise Refused(PROGRAM_NOT_OF_ITEM, program=program[:80])
    device = device_of(db, login)
    if device is None or OPEN_PROGRAM not in json.loads(device.capabilities):
        raise Refused(PROGRAM_NOT_HERE)
    lock_row(db, Device, device.id)
    wish = {"attempt_id": attempt.id, "item_id": item_id, "program": program.strip().lower(), "file": file}
    arguments = json.dumps(wish, ensure_ascii=False, sort_keys=True)
    waiting = db.scalars(
        select(DeviceCommand).where(
            DeviceCommand.device_id == device.id,
            DeviceCommand.kind == OPEN_PROGRAM,
            DeviceCommand.done_at.is_(None),
        )
    ).all()
    for one in waiting:
        if one.arguments == arguments and not is_past(one.kind, one.given_at, at):
            return one
        if is_past(one.kind, one.given_at, at):
            one.done_at, one.text = at, NOT_ANSWERED
    command = DeviceCommand(device_id=device.id, kind=OPEN_PROGRAM, arguments=arguments, given_at=at)
    db.add(command)
    db.flush()
    return command


def is_past(kind: str, given_at: datetime, at: datetime) -> bool:
    """Say whether a command is a wish that its PC did not hear in time."""
    return kind == OPEN_PROGRAM and at - given_at >= WISH_LASTS


def wish_of(db: Session, attempt: Attempt, command_id: int) -> DeviceCommand:
    """Find what was asked for an attempt, to say what came of it."""
    command = db.get(DeviceCommand, command_id)
    if command is None or command.kind != OPEN_PROGRAM or json.loads(command.arguments)["attempt_id"] != attempt.id:
        raise Missing(PROGRAM_NOT_HERE)
    return command


def device_of(db: Session, login: CandidateLogin) -> Device | None:
    """Find the PC with an agent at which somebody is logged in; None for a seat link without one."""
    return db.scalars(
        select(Device)
        .join(Workstation, Workstation.device_id == Device.id)
        .where(Workstation.id == login.workstation_id, Device.ended_at.is_(None))
    ).first()
