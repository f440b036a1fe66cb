"""Who may pass: every route of both apps states its guard, and a route without one answers nobody.

A guarded view runs inside one transaction (or one reading session) that the guard opens and commits, and
gets the session, the person and the moment. Refusals become one JSON shape:
`{"error": {"code", "sentence", "details"}}` in the language of the screen.
"""

from __future__ import annotations

import errno
import json
import logging
import mimetypes
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, cast

from flask import Flask, Response, g, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from station.errors import Invalid, Missing, StationError, Unsound, problem
from station.services import admission
from station.store.save_queue import SAVE_NOT_STORED
from station.web.disk_watch import NO_SPACE_FOR_FILES
from station.web.edge import Edge

CANDIDATE_COOKIE = "station_candidate"
WORKSTATION_COOKIE = "station_workstation"

BAD_JSON = problem(
    "bad_json",
    "请求内容不是有效的 JSON：{reason}。",
    "The request is not valid JSON: {reason}.",
)
FIELD_WRONG = problem(
    "field_wrong", "字段 {field} 缺失或类型不对。", "The field {field} is missing or of the wrong kind."
)
REQUEST_TOO_LARGE = problem(
    "request_too_large", "内容过大，超过 {limit} 字节。", "Too large: the limit is {limit} bytes."
)
NO_SUCH_PAGE = problem("no_such_page", "没有这个页面。", "There is no such page.")
REQUEST_WRONG = problem("request_wrong", "请求不被接受（{reason}）。", "The request is not accepted ({reason}).")
STATION_FAULT = problem(
    "station_fault",
    "考站内部错误，已记录。答案不受影响，请报告技术人员。",
    "An internal error of the station was logged. Answers are not affected; tell the technician.",
)

_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    (
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
)
_API_HEADERS = (*_HEADERS, ("Cache-Control", "no-store"))
View = Callable[..., Any]
# What the pages try again by themselves.
_TRIED_AGAIN = frozenset({SAVE_NOT_STORED.code, NO_SPACE_FOR_FILES.code})
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
log = logging.getLogger(__name__)


def guard(kind: str) -> Callable[[View], View]:
    """State who may pass a route. A view without this mark is refused by `deny_unguarded`."""

    def mark(view: View) -> View:
        view.guard = kind  # type: ignore[attr-defined]
        return view

    return mark


def open_to_all(edge: Edge, *, writes: bool = False) -> Callable[[View], View]:
    """Guard for what needs no log-in: `view(db, at, …)`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def run(**arguments: object) -> Any:
            with edge.store.transaction() if writes else edge.store.reading() as db:
                return view(db, edge.clock.now(), **arguments)

        return guard("open")(run)

    return decorate


def candidate_only(edge: Edge, *, writes: bool = False) -> Callable[[View], View]:
    """Guard for a logged-in candidate: `view(db, login, at, …)`; `login` is the CandidateLogin."""

    def decorate(view: View) -> View:
        @wraps(view)
        def run(**arguments: object) -> Any:
            with edge.store.transaction() if writes else edge.store.reading() as db:
                login = admission.login_of(db, request.cookies.get(CANDIDATE_COOKIE, ""))
                at = edge.clock.now()
                if login.released_at is not None:  # somebody who waits elsewhere must not look like the candidate
                    edge.presence.mark(login.candidate_id, at)
                return view(db, login, at, **arguments)

        return guard("candidate")(run)

    return decorate


class PlainFlask(Flask):
    """Flask for views that are plain functions: it need not ask five times a request whether they are."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def install_guards(app: Flask, edge: Edge) -> None:
    """Deny routes without a guard, and turn every refusal into its JSON or page."""
    # On Windows the registry may say that .js is plain text, and browsers then refuse our modules.
    for ending, kind in ((".js", "text/javascript"), (".css", "text/css"), (".svg", "image/svg+xml")):
        mimetypes.add_type(kind, ending)

    @app.before_request
    def deny_unguarded() -> None:
        g.language = chosen_language(edge)
        view = app.view_functions.get(request.endpoint or "")
        if view is not None and request.endpoint != "static" and not getattr(view, "guard", ""):
            raise Missing(NO_SUCH_PAGE)

    @app.errorhandler(StationError)
    def refused(error: StationError) -> Response:
        return error_response(error)

    @app.errorhandler(HTTPException)
    def http_refused(error: HTTPException) -> Response:
        if error.code == 404:
            return error_response(Missing(NO_SUCH_PAGE))
        if error.code == 413:
            refusal = Invalid(REQUEST_TOO_LARGE, limit=app.config.get("MAX_CONTENT_LENGTH"))
        else:
            refusal = Invalid(REQUEST_WRONG, reason=error.name)
        response = error_response(refusal)
        response.status_code = error.code or 400
        return response

    @app.errorhandler(OperationalError)
    def store_refused(error: OperationalError) -> Response:
        log.error("the store refused: %s", error)
        response = error_response(Unsound(SAVE_NOT_STORED))
        response.status_code = 503
        return response

    @app.errorhandler(OSError)
    def disk_refused(error: OSError) -> Response:
        if not is_disk_full(error):
            return fault(error)
        log.error("the disk is full: %s", error)
        return error_response(Unsound(NO_SPACE_FOR_FILES))

    @app.errorhandler(Exception)
    def fault(error: Exception) -> Response:
        log.exception("unexpected error in %s", request.endpoint, exc_info=error)
        return error_response(Unsound(STATION_FAULT))

    @app.after_request
    def harden(response: Response) -> Response:
        # Not setdefault: for each header that is missing it raises and catches an HTTP error.
        present = {name for name, _ in response.headers}
        wanted = _API_HEADERS if request.path.startswith("/api/") else _HEADERS
        for name, value in wanted:
            if name not in present:
                response.headers.add(name, value)
        return response


def error_response(error: StationError) -> Response:
    """Write a refusal as JSON: code, sentence in the screen's language, details."""
    body = {
        "error": {
            "code": error.code,
            "sentence": error.sentence(g.get("language", "zh")),
            "details": {key: str(value) for key, value in error.details.items()},
        }
    }
    response = json_response(body, status=error.status)
    if error.code in _TRIED_AGAIN:
        response.status_code = 503
    return response


def is_disk_full(error: Exception) -> bool:
    """Say whether an error means that the disk, or a quota, is used up."""
    return isinstance(error, OSError) and error.errno in _DISK_FULL


def json_response(body: object, *, status: int = 200) -> Response:
    """Write JSON with a length, as waitress keeps the connection open only then (design §13.18)."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    # What a request said may stand in its refusal, half surrogates too.
    return Response(text.encode("utf-8", "replace"), status=status, mimetype="application/json")


def json_body() -> dict[str, Any]:
    """Read the request's JSON object, or refuse with `bad_json`."""
    if request.mimetype != "application/json":
        raise Invalid(BAD_JSON, reason="Content-Type")
    try:
        body = json.loads(request.get_data(cache=False))
    except (ValueError, RecursionError) as error:
        raise Invalid(BAD_JSON, reason=str(error)[:80]) from None
    if not isinstance(body, dict):
        raise Invalid(BAD_JSON, reason="{ }")
    return cast(dict[str, Any], body)


def text_field(body: dict[str, Any], name: str, *, longest: int = 2000, default: str | None = None) -> str:
    """Take a text of a JSON object; absent and no default, not a text that can be kept, or too long: `field_wrong`."""
    value = body.get(name, default)
    if not isinstance(value, str) or len(value) > longest or not _is_storable(value):
        raise Invalid(FIELD_WRONG, field=name)
    return value


def number_field(body: dict[str, Any], name: str, *, lowest: int = 0, highest: int = 2**53) -> int:
    """Take a whole number of a JSON object within bounds, or refuse with `field_wrong`."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise Invalid(FIELD_WRONG, field=name)
    return value


def numbers_field(body: dict[str, Any], name: str) -> list[int]:
    """Take a list of whole numbers, or refuse with `field_wrong`."""
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(one, int) and not isinstance(one, bool) for one in value):
        raise Invalid(FIELD_WRONG, field=name)
    return value


def chosen_language(edge: Edge) -> str:
    """Say the screen's language: the `language` cookie, else the room's setting."""
    chosen = request.cookies.get("language", edge.language)
    return chosen if chosen in {"zh", "en"} else "zh"


def moment_text(at: datetime) -> str:
    """Write a moment as the JSON of both apps does: ISO 8601 in UTC with milliseconds, as the store keeps them."""
    return at.isoformat(timespec="milliseconds")


def _is_storable(text: str) -> bool:
    """Say whether every database takes the text: PostgreSQL no NUL, none a half surrogate."""
    return "\x00" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def say(zh: str, en: str) -> str:
    """Give the text in the language of this request's screen."""
    return en if g.get("language", "zh") == "en" else zh
