"""The programs of practical items on the candidate's page: open one, and hear what came of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from flask import Flask, Response
from sqlalchemy.orm import Session

from station.domain.program_names import OPEN_PROGRAM, program_title
from station.domain.work_folder import ItemFolder, check_path
from station.services import admission, answering, work_programs
from station.store.models import Attempt, CandidateLogin, DeviceCommand
from station.store.work_queries import work_plan
from station.web.edge import Edge
from station.web.guards import candidate_only, json_body, json_response, text_field

NOT_FOR_CANDIDATES = frozenset({"unknown", "interrupted", work_programs.NOT_ANSWERED})


def add_program_routes(app: Flask, edge: Edge) -> None:
    """Add what a candidate's page asks of the programs on this PC."""

    @app.post("/api/work_programs/<int:attempt_id>")
    @candidate_only(edge, writes=True)
    def open_program(db: Session, login: CandidateLogin, at: datetime, *, attempt_id: int) -> Response:
        attempt = _attempt_of(db, login, attempt_id)
        body = json_body()
        item_id, file = text_field(body, "item_id", longest=64), text_field(body, "file", longest=400, default="")
        command = work_programs.ask_to_open(
            db,
            attempt,
            login,
            item_id=item_id,
            program=text_field(body, "program", longest=120),
            file=check_path(file) if file else "",
            listed=work_plan(db, attempt.paper_id).programs.get(item_id, ()),
            at=at,
        )
        edge.roll.look_again()
        return json_response(_told(command))

    @app.get("/api/work_programs/<int:attempt_id>/<int:command_id>")
    @candidate_only(edge)
    def show_opening(db: Session, login: CandidateLogin, at: datetime, *, attempt_id: int, command_id: int) -> Response:
        return json_response(_told(work_programs.wish_of(db, _attempt_of(db, login, attempt_id), command_id)))


def programs_document(db: Session, attempt: Attempt) -> list[dict[str, Any]]:
    """List what can be opened for each item: its programs, and the materials laid out for it."""
    plan = work_plan(db, attempt.paper_id)
    return [_item(folder) for folder in plan.folders if folder.programs]


def opens_programs(edge: Edge, device_id: int) -> bool:
    """Say whether a PC's agent can open programs."""
    return any(one.id == device_id and OPEN_PROGRAM in one.capabilities for one in edge.roll.devices())


def _item(folder: ItemFolder) -> dict[str, Any]:
    return {
        "item_id": folder.item_id,
        "folder": folder.folder,
        "programs": [{"name": name, "title": program_title(name)} for name in folder.programs],
        "materials": [f"{folder.folder}/{one.path}" for one in folder.materials],
    }


def _told(command: DeviceCommand) -> dict[str, Any]:
    """Say what came of a wish; `text` is the PC's reason where it could not."""
    state = "waiting" if command.done_at is None else "opened" if command.is_ok else "failed"
    program = str(json.loads(command.arguments)["program"])
    # The PC's own words are for the candidate; those that agent and station have between them are not.
    text = command.text if state == "failed" and command.text not in NOT_FOR_CANDIDATES else ""
    return {"command_id": command.id, "state": state, "text": text, "title": program_title(program)}


def _attempt_of(db: Session, login: CandidateLogin, attempt_id: int) -> Attempt:
    attempt, entry = answering.attempt_of(db, attempt_id, login.candidate_id)
    admission.check_released(db, login, entry)
    return attempt
