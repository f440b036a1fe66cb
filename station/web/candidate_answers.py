"""Answering over HTTP: places, saves, revisions, hand-in, paper, pictures and files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

from flask import Flask, Response, request, send_file
from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.attempt import NOT_ANSWERING, OPEN, STATE_NAMES, AttemptState, response_text
from station.domain.file_kind import check_name, media_type_of
from station.domain.item import Item
from station.domain.paper import Paper, check_response, is_answered
from station.domain.response import RESPONSE_FILE_UNPROVEN
from station.errors import Invalid, Missing, Refused, StationError
from station.services import admission, answering, seat_swap, uploading
from station.services.saving import BatchOutcome, Save, SaveBatch
from station.store.answers import StoredAnswer, held_saves, stored_answers
from station.store.files import path_of
from station.store.models import Attempt, CandidateLogin, Entry, Revision, Upload
from station.web.bodies import SentSave, read_saves
from station.web.edge import Edge
from station.web.guards import (
    CANDIDATE_COOKIE,
    FIELD_WRONG,
    NO_SUCH_PAGE,
    candidate_only,
    guard,
    json_body,
    json_response,
    moment_text,
    number_field,
)
from station.web.papers import PaperShelf
from station.web.save_gate import Passage, SaveGate
from station.web.uploads import check_length, deliverable_of, received

# The listener answers what is sent here in groups (station/listener.py).
SAVES_PATH = "/api/saves"
FILE_PATHS = ("/api/files", "/api/assets/", "/api/agent/folders/", "/api/agent/pictures", "/api/agent/installer")
VERSIONS_SHOWN = 40
VERSIONS_APART = timedelta(minutes=1)
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def add_answering_routes(app: Flask, edge: Edge, *, shelf: PaperShelf, gate: SaveGate) -> None:
    """Add everything that a candidate does with an attempt."""
    _add_places(app, edge)
    _add_saves(app, edge, gate)
    _add_looking_back(app, edge, shelf)
    _add_paper(app, edge, shelf)
    _add_files(app, edge, shelf)


def _add_places(app: Flask, edge: Edge) -> None:
    @app.post("/api/places")
    @candidate_only(edge, writes=True)
    def issue_place(db: Session, login: CandidateLogin, at: datetime) -> Response:
        attempt, entry = answering.attempt_of(db, number_field(json_body(), "attempt_id"), login.candidate_id)
        _check_open(db, login, attempt, entry)
        is_first = not attempt.place  # nothing can have been saved from anywhere
        highest = {} if is_first else answering.highest_saves(db, attempt.id)
        place = answering.issue_place(db, attempt, login, at=at)
        if not is_first:
            silence = edge.silence_before(login.candidate_id, at)
            seat_swap.note_return(db, attempt, place, login, silence=silence, zone=edge.zone, at=at)
        answers = [] if is_first else stored_answers(db, attempt.id)
        held = {place.id: 0} if is_first else held_saves(db, attempt.id)
        return json_response(
            {
                "place": place.id,
                "highest": {str(one): sequence for one, sequence in highest.items()},
                "held": {str(one): saves for one, saves in held.items()},
                "answers": {one.item_id: json.loads(one.response) for one in answers},
                "saved_as": {one.item_id: _named(one) for one in answers},
                "uploads": {upload.sha256: moment_text(upload.uploaded_at) for upload in _uploads_of(db, attempt.id)},
                "view": json.loads(attempt.view),
                "deadline_at": moment_text(attempt.deadline_at),
                "now": moment_text(at),
                "state": attempt.state,
            }
        )

    @app.post("/api/hand_in")
    @candidate_only(edge, writes=True)
    def hand_in(db: Session, login: CandidateLogin, at: datetime) -> Response:
        attempt, entry = answering.attempt_of(db, number_field(json_body(), "attempt_id"), login.candidate_id)
        admission.check_released(db, login, entry)
        receipt_code = answering.hand_in(db, attempt, at=at)
        ended_at = moment_text(attempt.ended_at) if attempt.ended_at else None
        return json_response({"receipt_code": receipt_code, "ended_at": ended_at})


def _named(answer: StoredAnswer) -> dict[str, object]:
    """Name the save of an answer, so that the page can keep it on its PC under its identity (design §13.4)."""
    return {"place": answer.place, "sequence": answer.sequence, "saved_at": moment_text(answer.saved_at)}


def _add_saves(app: Flask, edge: Edge, gate: SaveGate) -> None:
    @app.post(SAVES_PATH)
    @guard("candidate")
    def save() -> Response:
        """Save a batch. What an item cannot hold is refused by itself, so that it never holds up the rest."""
        sent = read_saves()
        passage = gate.pass_through(request.cookies.get(CANDIDATE_COOKIE, ""), sent.attempt_id, sent.place)
        passage.check_owner(sent.owner)
        at = edge.clock.now()
        saves: list[Save] = []
        refused: list[dict[str, object]] = []
        for one in sent.saves:
            try:
                saves.append(_checked(passage, one, gate))
            except StationError as error:
                refused.append({"sequence": one.sequence, "code": error.code, "sentence": error.sentence()})
        outcome = edge.saves.save(SaveBatch(sent.attempt_id, sent.place, saves, sent.view, at))
        if outcome.place == sent.place:
            edge.presence.mark(passage.candidate_id, at)
        return json_response(_acknowledgement(outcome, refused, at=at))


def _checked(passage: Passage, sent: SentSave, gate: SaveGate) -> Save:
    item = passage.shelved.paper.item(sent.item_id)
    check_response(item, sent.response)
    assert isinstance(sent.response, Mapping)
    if item.kind == "file":
        _check_uploaded(passage.attempt_id, item, sent.response, gate)
    return Save(sent.sequence, item.id, response_text(sent.response), is_answered(item, sent.response))


def _check_uploaded(attempt_id: int, item: Item, response: Mapping[str, object], gate: SaveGate) -> None:
    record = response.get("record")
    for entry in record if isinstance(record, list) else []:
        file = (entry["base"] or {}).get("file")
        if file is not None and not gate.is_uploaded(attempt_id, item.id, entry["name"], file["sha256"]):
            raise Invalid(RESPONSE_FILE_UNPROVEN, item=item.id, found=file["name"])


def _acknowledgement(outcome: BatchOutcome, refused: list[dict[str, object]], *, at: datetime) -> dict[str, object]:
    return {
        "acknowledged": [
            {
                "sequence": one.sequence,
                "number": one.number,
                "saved_at": moment_text(one.saved_at),
                "is_late": one.is_late,
            }
            for one in outcome.acknowledged
        ],
        "conflicts": list(outcome.conflicts),
        "refused": refused,
        "deadline_at": moment_text(outcome.deadline_at),
        "now": moment_text(at),
        "state": outcome.state,
        "place": outcome.place,
    }


def _add_looking_back(app: Flask, edge: Edge, shelf: PaperShelf) -> None:
    @app.get("/api/revisions/<int:attempt_id>/<item_id>")
    @candidate_only(edge)
    def list_revisions(db: Session, login: CandidateLogin, at: datetime, *, attempt_id: int, item_id: str) -> Response:
        attempt, entry = answering.attempt_of(db, attempt_id, login.candidate_id)
        _check_open(db, login, attempt, entry)
        item = shelf.take(db, attempt.paper_id).paper.item(item_id)
        return json_response(
            [
                {
                    "number": revision.number,
                    "saved_at": moment_text(revision.saved_at),
                    "response": json.loads(revision.response),
                    "is_late": revision.is_late,
                }
                for revision in _worth_showing(answering.earlier_revisions(db, attempt_id, item.id))
            ]
        )


def _add_paper(app: Flask, edge: Edge, shelf: PaperShelf) -> None:
    @app.get("/api/papers/<int:attempt_id>")
    @candidate_only(edge)
    def give_paper(db: Session, login: CandidateLogin, at: datetime, *, attempt_id: int) -> Response:
        attempt, entry = answering.attempt_of(db, attempt_id, login.candidate_id)
        _check_open(db, login, attempt, entry)
        shelved = shelf.take(db, attempt.paper_id)
        packed = request.accept_encodings["gzip"] > 0
        response = Response(shelved.packed if packed else shelved.plain, mimetype="application/json")
        if packed:
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.set_etag(shelved.etag, weak=True)
        return response

    @app.get("/api/assets/<int:attempt_id>/<path:name>")
    @candidate_only(edge)
    def give_asset(db: Session, login: CandidateLogin, at: datetime, *, attempt_id: int, name: str) -> Response:
        attempt, entry = answering.attempt_of(db, attempt_id, login.candidate_id)
        _check_open(db, login, attempt, entry)
        paper = shelf.take(db, attempt.paper_id).paper
        asset = paper.assets.get(name)
        path = path_of(edge.assets, asset.sha256) if asset else None
        if asset is None or path is None or not path.exists():
            raise Missing(NO_SUCH_PAGE)
        response = _unkept(send_file(path, mimetype=asset.media_type))
        if asset.media_type not in _PICTURES:
            _offer_as_file(response, _shown_name(paper, name))
        return response


def _add_files(app: Flask, edge: Edge, shelf: PaperShelf) -> None:
    @app.get("/api/files/room")
    @candidate_only(edge)
    def is_there_room(db: Session, login: CandidateLogin, at: datetime) -> Response:
        """Say whether a file would be taken, before it is sent: while it comes it lies on a disk, too."""
        return json_response({"room": edge.disk.takes_file(request.args.get("size", 0, type=int))})

    @app.post("/api/files")
    @guard("candidate")
    def take_file() -> Response:
        """Take a file in three steps, so that the long reading holds no transaction: check, read, record."""
        attempt_id = request.args.get("attempt_id", -1, type=int)
        item_id, part = request.args.get("item_id", ""), request.args.get("part", "")
        with edge.store.reading() as db:
            attempt, paper = _attempt_to_fill(db, edge, attempt_id, shelf)
            item = paper.item(item_id)
            wanted = deliverable_of(item, part)
            uploading.check_may_upload(db, attempt, item_id=item.id, part=part)
        name = check_name(request.args.get("name", ""), wanted.extensions)
        check_length(wanted)
        edge.disk.check_takes_file(request.content_length)
        request.max_content_length = wanted.max_bytes
        with received(edge.uploads, name, wanted) as file:
            file.settle_into(edge.uploads)
        with edge.store.transaction() as db:
            attempt, _ = _attempt_to_fill(db, edge, attempt_id, shelf)
            upload = uploading.record_upload(
                db,
                attempt,
                item_id=item.id,
                part=part,
                name=name,
                sha256=file.sha256,
                size=file.size,
                media_type=media_type_of(name),
                at=edge.clock.now(),
            )
            return json_response({"file": _described(upload)})

    @app.get("/api/files/<int:attempt_id>/<sha256>")
    @candidate_only(edge)
    def give_file(db: Session, login: CandidateLogin, at: datetime, *, attempt_id: int, sha256: str) -> Response:
        attempt, entry = answering.attempt_of(db, attempt_id, login.candidate_id)
        _check_open(db, login, attempt, entry)
        found = [upload for upload in _uploads_of(db, attempt_id) if upload.sha256 == sha256]
        if not found:
            raise Missing(NO_SUCH_PAGE)
        upload = found[-1]
        response = _unkept(send_file(path_of(edge.uploads, upload.sha256), mimetype=upload.media_type))
        _offer_as_file(response, upload.name)
        return response


def _attempt_to_fill(db: Session, edge: Edge, attempt_id: int, shelf: PaperShelf) -> tuple[Attempt, Paper]:
    login = admission.login_of(db, request.cookies.get(CANDIDATE_COOKIE, ""))
    if not 0 <= attempt_id <= 2**53:
        raise Invalid(FIELD_WRONG, field="attempt_id")
    attempt, entry = answering.attempt_of(db, attempt_id, login.candidate_id)
    admission.check_released(db, login, entry)
    edge.presence.mark(login.candidate_id, edge.clock.now())
    return attempt, shelf.take(db, attempt.paper_id).paper


def _check_open(db: Session, login: CandidateLogin, attempt: Attempt, entry: Entry) -> None:
    """Refuse the paper to a log-in that waits for release, and after the end to everybody (R-END-4)."""
    admission.check_released(db, login, entry)
    if attempt.state not in OPEN:
        state_zh, state = STATE_NAMES[AttemptState(attempt.state)]
        raise Refused(NOT_ANSWERING, state_zh=state_zh, state=state)


def _worth_showing(newest_first: Sequence[Revision]) -> list[Revision]:
    """Thin out what a long text leaves behind: the newest versions all, of older ones one a minute."""
    shown = list(newest_first[:VERSIONS_SHOWN])
    for revision in newest_first[VERSIONS_SHOWN:]:
        if shown[-1].saved_at - revision.saved_at >= VERSIONS_APART:
            shown.append(revision)
    return shown


def _unkept(response: Response) -> Response:
    """Keep the browser from leaving a test's files on the PC for the next candidate."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _uploads_of(db: Session, attempt_id: int) -> Sequence[Upload]:
    return db.scalars(select(Upload).where(Upload.attempt_id == attempt_id).order_by(Upload.id)).all()


def _shown_name(paper: Paper, asset_name: str) -> str:
    for item in paper.items:
        for material in item.materials:
            if material.asset == asset_name:
                return material.name
    return asset_name


def _offer_as_file(response: Response, name: str) -> None:
    """Make the browser save a file under its name, Chinese or not (RFC 5987), and never show it."""
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "_" for sign in name)
    named = f"filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    response.headers["Content-Disposition"] = f"attachment; {named}"


def _described(upload: Upload) -> dict[str, object]:
    return {
        "name": upload.name,
        "size": upload.size,
        "sha256": upload.sha256,
        "media_type": upload.media_type,
        "uploaded_at": moment_text(upload.uploaded_at),
    }
