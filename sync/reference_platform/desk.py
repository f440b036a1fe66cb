"""The duty desk's pages: log in with the desk's code, list of packages, one package, confirm."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    send_from_directory,
    session,
    url_for,
)
from werkzeug.wrappers import Response as AnyResponse

from sync import clock
from sync.codes import read_code
from sync.errors import SyncError, TransferFailed, from_json, problem
from sync.reference_platform.cabinet import KEPT, Record
from sync.reference_platform.contents import read_contents
from sync.reference_platform.platform import Platform
from sync.reference_platform.stations import read_stations

DESK_CODE_WRONG = problem(
    "desk_code_wrong",
    "值班码不正确。请核对平台启动时显示的值班码。",
    "That is not the desk's code. It is shown when the platform starts.",
)
NAME_MISSING = problem(
    "desk_name_missing",
    "请填写确认人姓名。",
    "Enter the name of the person who confirms.",
)

desk = Blueprint("desk", __name__)


def guard_desk() -> AnyResponse | None:
    """Let only a logged-in desk in, and change something only from its own pages."""
    if request.method == "POST" and not _is_own_page():
        abort(403)
    if request.endpoint in OPEN_ENDPOINTS or session.get("desk"):
        return None
    return redirect(url_for("desk.login"))


OPEN_ENDPOINTS = {"desk.login", "desk.log_in"}


@desk.before_app_request
def choose_language() -> None:
    chosen = request.args.get("lang") or request.cookies.get("exam_desk_lang") or "zh"
    g.language = "en" if chosen == "en" else "zh"


@desk.after_app_request
def keep_language(response: Response) -> Response:
    if request.args.get("lang") in ("zh", "en"):
        response.set_cookie("exam_desk_lang", g.language, samesite="Strict", httponly=True)
    return response


@desk.app_context_processor
def page_words() -> dict[str, Callable[[str, str], str]]:
    def say(zh: str, en: str) -> str:
        return en if g.language == "en" else zh

    def refusal_words(refusal: dict[str, object]) -> str:
        return from_json(refusal).sentence(g.language)

    return {"say": say, "refusal_words": refusal_words}  # type: ignore[dict-item]


@desk.get("/desk")
def login() -> str:
    return render_template("login.html", error=None)


@desk.post("/desk")
def log_in() -> AnyResponse:
    try:
        typed = read_code(request.form.get("code", ""))
        if not hmac.compare_digest(typed, read_code(_platform().vault.desk_code)):
            raise TransferFailed(DESK_CODE_WRONG)
    except SyncError:
        error = TransferFailed(DESK_CODE_WRONG).sentence(g.language)
        return make_response(render_template("login.html", error=error), 403)
    session["desk"] = True
    return redirect(url_for("desk.packages"))


@desk.get("/")
def packages() -> str:
    platform = _platform()
    rows = []
    for record in platform.cabinet.records():
        contents = read_contents(platform.cabinet.opened(record.package_id)) if record.state == KEPT else None
        rows.append((record, contents))
    return render_template("packages.html", platform=platform, rows=rows, stations=read_stations(platform.folder))


@desk.get("/packages/<package_id>")
def package(package_id: str) -> str:
    return _package_page(_record(package_id), error=None)


@desk.post("/packages/<package_id>/confirm")
def confirm(package_id: str) -> AnyResponse:
    record = _record(package_id)
    by = request.form.get("by", "").strip()[:60]
    try:
        if not by:
            raise TransferFailed(NAME_MISSING)
        _platform().confirm(package_id, by=by, at=clock.now())
    except TransferFailed as error:
        return make_response(_package_page(record, error=error.sentence(g.language)), 409)
    return redirect(url_for("desk.package", package_id=package_id))


@desk.post("/packages/<package_id>/check")
def check_again(package_id: str) -> AnyResponse:
    _platform().intake.add(_record(package_id).package_id)
    return redirect(url_for("desk.package", package_id=package_id))


@desk.get("/packages/<package_id>/files/<path:name>")
def download(package_id: str, name: str) -> Response:
    """Give a member out as a download, never shown: it was made on a candidate's PC."""
    folder = _platform().cabinet.opened(_record(package_id).package_id)
    return send_from_directory(folder, name, as_attachment=True, mimetype="application/octet-stream")


def _platform() -> Platform:
    platform: Platform = current_app.extensions["platform"]
    return platform


def _record(package_id: str) -> Record:
    record = _platform().cabinet.find(package_id)
    if record is None:
        abort(404)
    return record


def _package_page(record: Record, *, error: str | None) -> str:
    platform = _platform()
    kept = record.state == KEPT
    return render_template(
        "package.html",
        platform=platform,
        record=record,
        station=read_stations(platform.folder).get(record.station_id),
        contents=read_contents(platform.cabinet.opened(record.package_id)) if kept else None,
        receipt=platform.receipt(record) if kept else None,
        error=error,
    )


def _is_own_page() -> bool:
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host
