"""The work folder on the candidate's page: what has come, and an earlier version taken back."""

from __future__ import annotations

from datetime import datetime

from flask import Flask, Response
from sqlalchemy.orm import Session

from station.domain.attempt import NOT_ANSWERING, OPEN, STATE_NAMES, AttemptState
from station.errors import Refused
from station.services import admission, answering, work_folders
from station.store.models import Attempt, CandidateLogin
from station.web.edge import Edge
from station.web.guards import candidate_only, json_body, json_response, number_field, text_field
from station.web.work_programs import programs_document
from station.web.work_state import work_document, work_facts


def add_work_routes(app: Flask, edge: Edge) -> None:
    """Add what a candidate sees of the work folder."""

    @app.get("/api/work_files/<int:attempt_id>")
    @candidate_only(edge)
    def show_work(db: Session, login: CandidateLogin, at: datetime, *, attempt_id: int) -> Response:
        attempt = _attempt_of(db, login, attempt_id)
        facts = {"facts": work_facts(db, edge, attempt, at=at), "programs": programs_document(db, attempt)}
        return json_response(work_document(db, attempt) | facts)

    @app.post("/api/work_files/<int:attempt_id>/take_back")
    @candidate_only(edge, writes=True)
    def take_back(db: Session, login: CandidateLogin, at: datetime, *, attempt_id: int) -> Response:
        attempt = _attempt_of(db, login, attempt_id)
        body = json_body()
        path, version = text_field(body, "file", longest=500), number_field(body, "version", lowest=1)
        added = work_folders.take_back(db, attempt, path=path, version=version, at=at)
        return json_response({"version": added.version})


def _attempt_of(db: Session, login: CandidateLogin, attempt_id: int) -> Attempt:
    """Find the candidate's open attempt; after the end nobody looks into it any more (R-END-4)."""
    attempt, entry = answering.attempt_of(db, attempt_id, login.candidate_id)
    admission.check_released(db, login, entry)
    if attempt.state not in OPEN:
        state_zh, state = STATE_NAMES[AttemptState(attempt.state)]
        raise Refused(NOT_ANSWERING, state_zh=state_zh, state=state)
    return attempt
