"""Work folders over HTTP, for the agents (client_agent/PROTOCOL.md, 'Work folder').

Everything here goes to the threads for files: pieces must not keep a candidate's request waiting.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Flask, Response, request, send_file
from sqlalchemy.orm import Session

from station.domain.work_folder import (
    CAUSES_OF_AGENT,
    LARGEST_FILE,
    MOVED_STATE,
    ItemFolder,
    WorkCause,
    beside_name,
    check_path,
    folder_name,
)
from station.errors import Invalid, Missing, Refused
from station.services import work_folders, work_places
from station.services.work_folders import Origin, SentVersion
from station.store.device_queries import KnownDevice
from station.store.files import path_of
from station.store.models import Attempt, Candidate, Entry, Seat, Sitting, Subject, WorkVersion
from station.store.work_queries import WorkPlan, counting, versions_of, work_plan
from station.web.agent_guard import agent_only, agent_without_store
from station.web.edge import Edge
from station.web.entry_key import entry_key
from station.web.guards import (
    FIELD_WRONG,
    NO_SUCH_PAGE,
    json_body,
    json_response,
    moment_text,
    number_field,
    text_field,
)
from station.web.pieces import CONTENT_UNTOLD, LARGEST_PIECE, Pieces

FOLDERS_PATH = "/api/agent/folders/"
MOST_VERSIONS = 200
MOST_FILES = 20_000
SETTLED_BYTES = 8 * 2**20
LARGEST_NUMBER = 2**53
EMPTY = hashlib.sha256(b"").hexdigest()
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def add_folder_routes(app: Flask, edge: Edge) -> None:
    """Add what agents do with work folders."""
    pieces = Pieces(edge.uploads)
    pieces.remove_leftovers(at=edge.clock.now())
    _add_folder(app, edge)
    _add_contents(app, edge, pieces)
    _add_versions(app, edge)


def _add_folder(app: Flask, edge: Edge) -> None:
    @app.get("/api/agent/folders/<int:attempt_id>")
    @agent_only(edge, writes=True)
    def give_folder(db: Session, device: KnownDevice, at: datetime, *, attempt_id: int) -> Response:
        attempt, entry, moved_at = _held_by(db, device, attempt_id)
        plan = work_plan(db, attempt.paper_id)
        if not plan.folders:
            raise Missing(work_places.FOLDER_UNKNOWN)
        document = _folder_document(db, edge, attempt, entry, plan)
        if moved_at is not None:
            return json_response(document | _left(document))
        work_folders.open_folder(db, attempt, device_id=device.id, at=at)
        return json_response(document)

    @app.get("/api/agent/folders/<int:attempt_id>/contents/<sha256>")
    @agent_only(edge)
    def give_content(db: Session, device: KnownDevice, at: datetime, *, attempt_id: int, sha256: str) -> Response:
        attempt, _ = work_places.attempt_at_seat(db, attempt_id, device.seat_id)
        _check_hash(sha256)
        materials = {one for one, _ in work_plan(db, attempt.paper_id).materials.values()}
        if sha256 in materials:
            path = path_of(edge.assets, sha256)
        elif work_folders.is_of_folder(db, attempt.id, sha256):
            path = path_of(edge.uploads, sha256)
        else:
            raise Missing(NO_SUCH_PAGE)
        if not path.is_file():
            raise Missing(NO_SUCH_PAGE)
        response = send_file(path, mimetype="application/octet-stream", etag=sha256, conditional=True)
        response.headers["Cache-Control"] = "no-store"
        return response


def _add_contents(app: Flask, edge: Edge, pieces: Pieces) -> None:
    @app.post("/api/agent/folders/<int:attempt_id>/contents/<sha256>")
    @agent_without_store(edge)
    def tell_content(device: KnownDevice, at: datetime, *, attempt_id: int, sha256: str) -> Response:
        """Say where to go on. No transaction waits for a file here: answers would wait with it."""
        size = number_field(json_body(), "size", highest=LARGEST_FILE)
        path = path_of(edge.uploads, _check_hash(sha256))
        if not size and sha256 != EMPTY:  # whole at once: so another candidate's file would be taken by its hash
            raise Invalid(FIELD_WRONG, field="size")
        with edge.store.reading() as db:
            attempt = _bringing(db, device, attempt_id, at)[0]
            known = work_folders.content_of(db, attempt.id, sha256)
        if known is not None and known.completed_at is not None and path.is_file():
            return json_response({"have": known.size})
        have = pieces.have(attempt_id, sha256)
        if have and have >= size:  # told with another size before, or stopped between the last piece and its check
            pieces.drop(attempt_id, sha256)
            have = 0
        if not size:
            pieces.take_empty()
        edge.disk.check_takes_file(size - have)
        with edge.store.transaction() as db:
            work_folders.expect_content(db, attempt_id, sha256, size=size, is_here=path.is_file(), at=at)
        return json_response({"have": have})

    @app.put("/api/agent/folders/<int:attempt_id>/contents/<sha256>")
    @agent_without_store(edge)
    def take_piece(device: KnownDevice, at: datetime, *, attempt_id: int, sha256: str) -> Response:
        """Take a piece in three steps, so that reading and writing it hold no transaction."""
        request.max_content_length = LARGEST_PIECE
        offset = request.args.get("offset", -1, type=int)
        if not 0 <= offset <= LARGEST_FILE:
            raise Invalid(FIELD_WRONG, field="offset")
        with edge.store.reading() as db:
            attempt = _bringing(db, device, attempt_id, at)[0]
            content = work_folders.content_of(db, attempt.id, _check_hash(sha256))
            if content is None:
                raise Refused(CONTENT_UNTOLD)
            if content.completed_at is not None:
                return json_response({"have": content.size})
            size = content.size
        edge.disk.check_takes_file(request.content_length)
        have = pieces.take(attempt_id, sha256, size=size, offset=offset, piece=request.get_data(cache=False))
        if have == size:
            with edge.store.transaction() as db:
                work_folders.note_complete(db, attempt_id, sha256, at=at)
        return json_response({"have": have})


def _add_versions(app: Flask, edge: Edge) -> None:
    @app.post("/api/agent/folders/<int:attempt_id>/versions")
    @agent_only(edge, writes=True)
    def take_versions(db: Session, device: KnownDevice, at: datetime, *, attempt_id: int) -> Response:
        attempt, moved_at = _bringing(db, device, attempt_id, at)
        body = json_body()
        origin = Origin(device.id, text_field(body, "boot_id", longest=64), number_field(body, "sequence"))
        listed = body.get("versions")
        if not isinstance(listed, list) or len(listed) > MOST_VERSIONS:
            raise Invalid(FIELD_WRONG, field="versions")
        sent = [_sent_version(one) for one in listed]
        accepted = work_folders.record_versions(db, attempt, sent, origin=origin, moved_at=moved_at, at=at)
        return json_response({"accepted": [{"path": path, "version": version} for path, version in accepted]})

    @app.post("/api/agent/folders/<int:attempt_id>/settled")
    @agent_only(edge, writes=True)
    def settle(db: Session, device: KnownDevice, at: datetime, *, attempt_id: int) -> Response:
        request.max_content_length = SETTLED_BYTES
        attempt, _, moved_at = _held_by(db, device, attempt_id)
        listed = json_body().get("files")
        if not isinstance(listed, list) or len(listed) > MOST_FILES:
            raise Invalid(FIELD_WRONG, field="files")
        files = [(check_path(_member(one, "path")), _check_hash(_member(one, "sha256"))) for one in listed]
        if moved_at is not None:
            missing = work_places.missing_of(db, attempt, files)
        else:
            missing = work_folders.settle(db, attempt, files, at=at)
        return json_response({"complete": not missing, "missing": missing})


def _held_by(db: Session, device: KnownDevice, attempt_id: int) -> tuple[Attempt, Entry, datetime | None]:
    return work_places.attempt_of_pc(db, attempt_id, device_id=device.id, seat_id=device.seat_id)


def _bringing(db: Session, device: KnownDevice, attempt_id: int, at: datetime) -> tuple[Attempt, datetime | None]:
    """Find whose folder a PC brings files of, and since when its candidate sits elsewhere."""
    attempt, entry, moved_at = _held_by(db, device, attempt_id)
    work_places.check_may_bring(db, entry, moved_at, at=at)
    return attempt, moved_at


def _left(document: dict[str, Any]) -> dict[str, Any]:
    """Tell a PC that its candidate has left it: it brings what lies there and gets nothing."""
    state = "emptied" if document["state"] == "emptied" else MOVED_STATE
    return {"state": state, "items": [], "files": [], "taken_back": []}


def _folder_document(db: Session, edge: Edge, attempt: Attempt, entry: Entry, plan: WorkPlan) -> dict[str, Any]:
    name = db.get_one(Candidate, entry.candidate_id).name
    subject = db.get_one(Subject, db.get_one(Sitting, entry.sitting_id).subject_id).name
    versions = versions_of(db, attempt.id)
    counted = [row for row in map(counting, versions.values()) if row is not None]
    taken_back = [row for rows in versions.values() for row in rows if row.cause == WorkCause.TAKEN_BACK]
    return {
        "attempt_id": attempt.id,
        "entry_key": entry_key(edge.secret, entry.id),
        "state": "emptied" if work_folders.may_be_emptied(db, attempt, entry) else attempt.state,
        "folder": folder_name(subject, db.get_one(Seat, entry.seat_id).number, name),
        "items": [_item(folder, plan) for folder in plan.folders],
        "files": [_file(row) | {"modified_at": moment_text(row.modified_at)} for row in counted],
        "taken_back": [_taken_back(row) for row in sorted(taken_back, key=lambda row: row.number)],
        "largest_file": LARGEST_FILE,
    }


def _item(folder: ItemFolder, plan: WorkPlan) -> dict[str, Any]:
    return {
        "item_id": folder.item_id,
        "folder": folder.folder,
        "programs": list(folder.programs),
        "materials": [
            {"path": one.path, "sha256": plan.materials[one.asset][0], "size": plan.materials[one.asset][1]}
            for one in folder.materials
        ],
        "wanted": [
            {"name": one.name, "suffixes": list(one.suffixes), "required": one.required, "largest": one.largest}
            for one in folder.wanted
        ],
    }


def _file(row: WorkVersion) -> dict[str, Any]:
    return {"path": row.path, "sha256": row.sha256, "size": row.size, "version": row.version}


def _taken_back(row: WorkVersion) -> dict[str, Any]:
    from_version = row.from_version or 0
    return _file(row) | {
        "id": row.number,
        "from_version": from_version,
        "beside": beside_name(row.path, from_version),
    }


def _sent_version(one: object) -> SentVersion:
    """Read one version of a message; an unknown cause is refused by its field."""
    path, cause = check_path(_member(one, "path")), _member(one, "cause")
    assert isinstance(one, Mapping)
    if cause not in CAUSES_OF_AGENT:
        raise Invalid(FIELD_WRONG, field="cause")
    sha256 = None if _member(one, "sha256") is None else _check_hash(one["sha256"])
    if (sha256 is None) != (cause == WorkCause.REMOVED):
        raise Invalid(FIELD_WRONG, field="sha256")
    size = number_field(dict(one), "size", highest=LARGEST_FILE)
    return SentVersion(path, sha256, size, _moment(_member(one, "modified_at")), WorkCause(str(cause)))


def _member(one: object, name: str) -> object:
    if not isinstance(one, Mapping) or name not in one:
        raise Invalid(FIELD_WRONG, field=name)
    return one[name]


def _moment(value: object) -> datetime:
    """Read a moment with its zone, within what every database holds."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        raise Invalid(FIELD_WRONG, field="modified_at") from None
    if at.tzinfo is None or not 1970 < at.year < 9999:
        raise Invalid(FIELD_WRONG, field="modified_at")
    return at


def _check_hash(sha256: object) -> str:
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise Invalid(FIELD_WRONG, field="sha256")
    return sha256
