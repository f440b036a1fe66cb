"""What stations talk to: keys, tus uploads, receipts. Every answer that is a refusal is JSON with its code."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from typing import NoReturn

from flask import Blueprint, Response, abort, current_app, g, jsonify, request

from sync import clock
from sync.errors import TransferFailed, from_json, problem
from sync.reference_platform.cabinet import ARRIVED, KEPT
from sync.reference_platform.platform import Platform
from sync.reference_platform.stations import Station, station_of_token
from sync.reference_platform.uploads import Upload

TOKEN_WRONG = problem(
    "token_wrong",
    "考点凭证无效。请联系上级平台登记考点。",
    "The station's token is not valid. Ask the central platform to register the station.",
)
UPLOAD_MALFORMED = problem(
    "upload_malformed",
    "上传请求缺少或写错了 {field}。",
    "The upload request lacks {field}, or it is malformed.",
)
UPLOAD_TOO_LARGE = problem(
    "upload_too_large",
    "数据包超过平台上限 {limit} 字节。",
    "The package is larger than the platform's limit of {limit} bytes.",
)
PACKAGE_ID_TAKEN = problem(
    "package_id_taken",
    "编号为 {package_id} 的数据包已经收到。请查询其回执；内容有变时请使用新编号。",
    "A package with the id {package_id} is here already. Ask for its receipt; new content needs a new id.",
)

EXTENSIONS = "creation,termination,checksum"
MAX_CHUNK_BYTES = 16 * 1024 * 1024
STATUS_CHECKSUM_WRONG = 460  # tus: Checksum Mismatch

station_api = Blueprint("station_api", __name__)


def guard_station() -> None:
    """Find the station by its bearer token, or stop with 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    station = station_of_token(_platform().folder, token) if scheme == "Bearer" else None
    if station is None:
        refuse(401, TransferFailed(TOKEN_WRONG))
    g.station = station


def refuse(status: int, error: TransferFailed) -> NoReturn:
    """Stop the request with a named refusal."""
    document = {"code": error.code, "zh": error.sentence("zh"), "en": error.sentence("en")}
    response = jsonify(document)
    response.status_code = status
    abort(response)


@station_api.get("/keys")
def keys() -> Response:
    """Tell the public keys; a station compares the fingerprint over another channel before it trusts them."""
    vault = _platform().vault
    return jsonify(platform=_platform().name, recipient=vault.recipient, receipt_verify_key=vault.verify_key)


@station_api.route("/uploads", methods=["OPTIONS"], provide_automatic_options=False)
def abilities() -> Response:
    headers = {
        "Tus-Version": "1.0.0",
        "Tus-Extension": EXTENSIONS,
        "Tus-Checksum-Algorithm": "sha256",
        "Tus-Max-Size": str(_platform().max_bytes),
    }
    return Response(status=204, headers=headers)


@station_api.post("/uploads")
def create() -> Response:
    _check_version()
    length = _count("Upload-Length")
    if length > _platform().max_bytes:
        refuse(413, TransferFailed(UPLOAD_TOO_LARGE, limit=_platform().max_bytes))
    metadata = _metadata()
    package_id, sha256 = metadata.get("package_id", ""), metadata.get("sha256", "")
    if not _is_uuid(package_id) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
        refuse(400, TransferFailed(UPLOAD_MALFORMED, field="Upload-Metadata"))
    if _platform().cabinet.find(package_id) is not None:
        refuse(422, TransferFailed(PACKAGE_ID_TAKEN, package_id=package_id))
    upload = _platform().uploads.create(station_id=_station().id, package_id=package_id, sha256=sha256, length=length)
    return Response(status=201, headers={"Location": f"/uploads/{upload.id}"})


@station_api.route("/uploads/<id>", methods=["HEAD"])
def offset(id: str) -> Response:
    _check_version()
    upload = _upload(id)
    reached = _platform().uploads.offset(upload)
    _finish(upload)
    headers = {"Upload-Offset": str(reached), "Upload-Length": str(upload.length), "Cache-Control": "no-store"}
    return Response(status=200, headers=headers)


@station_api.patch("/uploads/<id>")
def append(id: str) -> Response:
    _check_version()
    upload = _upload(id)
    at = _count("Upload-Offset")
    if request.mimetype != "application/offset+octet-stream":
        refuse(415, TransferFailed(UPLOAD_MALFORMED, field="Content-Type"))
    try:
        reached = _platform().uploads.append(upload, at, request.stream, checksum=_checksum())
    except TransferFailed as error:
        statuses = {"upload_busy": 423, "upload_offset_wrong": 409, "upload_too_long": 413}
        refuse(statuses.get(error.code, STATUS_CHECKSUM_WRONG), error)
    _finish(upload)
    return Response(status=204, headers={"Upload-Offset": str(reached)})


@station_api.delete("/uploads/<id>")
def terminate(id: str) -> Response:
    _check_version()
    _platform().uploads.forget(_upload(id))
    return Response(status=204)


@station_api.get("/receipts/<package_id>")
def receipt(package_id: str) -> Response:
    """Give the receipt: 200 with it, 202 while the package is being checked, 422 with why it was refused."""
    record = _platform().cabinet.find(package_id)
    if record is None or record.station_id != _station().id:
        abort(404)
    if record.state == ARRIVED:
        return Response(status=202, headers={"Retry-After": "1"})
    if record.state != KEPT:
        assert record.refusal is not None
        error = from_json(record.refusal)
        refuse(422, TransferFailed(error.problem, **error.details))
    return jsonify(jws=_platform().signed_receipt(record))


@station_api.after_request
def name_protocol(response: Response) -> Response:
    response.headers["Tus-Resumable"] = "1.0.0"
    return response


def _platform() -> Platform:
    platform: Platform = current_app.extensions["platform"]
    return platform


def _station() -> Station:
    station: Station = g.station
    return station


def _finish(upload: Upload) -> None:
    try:
        _platform().finish_upload(upload, clock.now())
    except TransferFailed as error:
        refuse(STATUS_CHECKSUM_WRONG, error)


def _upload(id: str) -> Upload:
    upload = _platform().uploads.find(id, _station().id)
    if upload is None:
        abort(404)
    return upload


def _check_version() -> None:
    if request.headers.get("Tus-Resumable") != "1.0.0":
        refuse(412, TransferFailed(UPLOAD_MALFORMED, field="Tus-Resumable"))


def _count(header: str) -> int:
    text = request.headers.get(header, "")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        refuse(400, TransferFailed(UPLOAD_MALFORMED, field=header))
    return int(text)


def _checksum() -> str | None:
    text = request.headers.get("Upload-Checksum")
    if text is None:
        return None
    algorithm, _, value = text.partition(" ")
    if algorithm != "sha256":
        refuse(400, TransferFailed(UPLOAD_MALFORMED, field="Upload-Checksum"))
    return value


def _metadata() -> dict[str, str]:
    metadata = {}
    for pair in request.headers.get("Upload-Metadata", "").split(","):
        name, _, value = pair.strip().partition(" ")
        try:
            metadata[name] = base64.b64decode(value, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            refuse(400, TransferFailed(UPLOAD_MALFORMED, field="Upload-Metadata"))
    return metadata


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
