"""The candidate app: what a candidate PC can reach. Pages, log-in, and the state of the page.

Answering itself (paper, saves, files, hand-in) is in `candidate_answers`.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, render_template, request, send_file
from sqlalchemy.orm import Session

from station.errors import Forbidden, Invalid, Missing, StationError, Unauthenticated, problem
from station.services import admission, answering, seat_links
from station.store.candidate_queries import entry_on_page, held_entries
from station.store.files import path_of
from station.store.models import Asset, Candidate, CandidateLogin, Entry, Seat
from station.web.agent import add_agent_routes
from station.web.agent_checks import add_check_routes
from station.web.agent_entrance import add_entrance_routes
from station.web.agent_folders import add_folder_routes
from station.web.agent_rehearsal import add_rehearsal_routes
from station.web.bodies import SAVES_BYTES
from station.web.candidate_answers import add_answering_routes
from station.web.candidate_state import page_state
from station.web.cookies import LOGIN_LASTS, WORKSTATION_LASTS, set_cookie
from station.web.edge import Edge
from station.web.guards import (
    CANDIDATE_COOKIE,
    FIELD_WRONG,
    NO_SUCH_PAGE,
    WORKSTATION_COOKIE,
    PlainFlask,
    candidate_only,
    error_response,
    guard,
    install_guards,
    json_body,
    json_response,
    moment_text,
    number_field,
    open_to_all,
    say,
    text_field,
)
from station.web.packing import pack_static_files
from station.web.papers import PaperShelf
from station.web.save_gate import SaveGate
from station.web.throttle import LoginThrottle
from station.web.uploads import remove_leftovers
from station.web.work_pages import add_work_routes
from station.web.work_programs import add_program_routes

OTHER_ORIGIN = problem(
    "other_origin",
    "请求来自其他网页，未被接受。请回到考试页面操作。",
    "The request came from another page and was not accepted. Go back to the test page.",
)

LARGEST_NUMBER = 2**53
_HERE = Path(__file__).parent


def create_candidate_app(edge: Edge) -> Flask:
    """Make the app of the candidate listener."""
    app = PlainFlask("station.web.candidate", root_path=str(_HERE))
    app.config["MAX_CONTENT_LENGTH"] = SAVES_BYTES
    app.jinja_env.globals["say"] = say
    install_guards(app, edge)
    pack_static_files(app)
    _refuse_strange_requests(app)
    _show_refusals(app)
    shelf = PaperShelf()
    gate = SaveGate(edge.store, shelf, edge.secret)
    _add_pages(app, edge)
    _add_login(app, edge, gate)
    _add_state(app, edge)
    add_answering_routes(app, edge, shelf=shelf, gate=gate)
    edge.uploads.mkdir(parents=True, exist_ok=True)
    add_entrance_routes(app, edge)
    add_agent_routes(app, edge)
    add_folder_routes(app, edge)
    add_work_routes(app, edge)
    add_program_routes(app, edge)
    add_check_routes(app, edge)
    add_rehearsal_routes(app, edge)
    remove_leftovers(edge.uploads, at=edge.clock.now())
    return app


def _refuse_strange_requests(app: Flask) -> None:
    @app.before_request
    def check_origin() -> None:
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin is not None and urlsplit(origin).netloc != request.host:
            raise Forbidden(OTHER_ORIGIN)

    @app.before_request
    def check_numbers() -> None:
        """Refuse a number in the address that no database could hold."""
        if any(isinstance(value, int) and value > LARGEST_NUMBER for value in (request.view_args or {}).values()):
            raise Missing(NO_SUCH_PAGE)


def _show_refusals(app: Flask) -> None:
    """Show refusals of pages as a page; of the API they stay JSON."""

    @app.errorhandler(StationError)
    def refused(error: StationError) -> Response | tuple[str, int]:
        if request.path.startswith("/api/"):
            return error_response(error)
        return render_template("refusal.html", error=error), error.status


def _add_pages(app: Flask, edge: Edge) -> None:
    @app.get("/")
    @open_to_all(edge)
    def shell(db: Session, at: datetime) -> str:
        workstation = seat_links.workstation_of(db, request.cookies.get(WORKSTATION_COOKIE, ""))
        seat = db.get_one(Seat, workstation.seat_id).number if workstation else ""
        return render_template("shell.html", seat=seat, edge=edge)

    @app.get("/seat/<int:seat_id>/<code>")
    @open_to_all(edge, writes=True)
    def open_seat(db: Session, at: datetime, *, seat_id: int, code: str) -> Response:
        token, _ = seat_links.open_seat(db, seat_id, code=code, secret=edge.secret, address=_address(), at=at)
        seat = db.get_one(Seat, seat_id)
        response = Response(render_template("seat.html", seat=seat.number, is_spare=seat.is_spare, edge=edge))
        set_cookie(response, WORKSTATION_COOKIE, token, lasts=WORKSTATION_LASTS, edge=edge)
        return response

    @app.get("/api/clock")
    @open_to_all(edge)
    def tell_time(db: Session, at: datetime) -> Response:
        return json_response({"now": moment_text(at)})


def _add_login(app: Flask, edge: Edge, gate: SaveGate) -> None:
    throttle = LoginThrottle()

    @app.post("/api/login")
    @guard("open")
    def log_in() -> Response:
        body, at = json_body(), edge.clock.now()
        ticket = _plain(text_field(body, "ticket_number", longest=100)).upper()
        password = _plain(text_field(body, "password", longest=100))
        source = _source(edge)
        throttle.begin(ticket, source, at=at)
        try:
            # Guesses are answered from a reading session: no flood of them may hold up the writing of answers.
            with edge.store.reading() as db:
                admission.check_password(db, ticket, password)
            with edge.store.transaction() as db:
                workstation = seat_links.workstation_of(db, request.cookies.get(WORKSTATION_COOKIE, ""))
                logged_in = admission.log_in(
                    db,
                    ticket,
                    password,
                    workstation=workstation,
                    address=_address(),
                    at=at,
                    admit_unlinked=edge.admit_unlinked,
                )
        except Unauthenticated:
            with edge.store.reading() as db:
                is_known = admission.is_ticket_known(db, ticket)
            if is_known:
                with edge.store.transaction() as db:
                    admission.record_failed_login(db, ticket, address=_address(), at=at)
            raise
        except StationError:
            throttle.succeeded(ticket, source)  # the password was right; a rule said no
            raise
        throttle.succeeded(ticket, source)
        if not logged_in.waits_for_release:
            edge.presence.mark(logged_in.candidate_id, at)
        response = json_response({"login_id": logged_in.login_id, "waits_for_release": logged_in.waits_for_release})
        set_cookie(response, CANDIDATE_COOKIE, logged_in.token, lasts=LOGIN_LASTS, edge=edge)
        return response

    @app.post("/api/logout")
    @candidate_only(edge, writes=True)
    def log_out(db: Session, login: CandidateLogin, at: datetime) -> Response:
        json_body()
        admission.log_out(db, login, at=at)
        gate.forget(request.cookies.get(CANDIDATE_COOKIE, ""))
        response = json_response({"logged_out": True})
        response.delete_cookie(CANDIDATE_COOKIE, path="/", httponly=True, samesite="Strict")
        return response


def _add_state(app: Flask, edge: Edge) -> None:
    @app.get("/api/me")
    @candidate_only(edge)
    def tell_state(db: Session, login: CandidateLogin, at: datetime) -> Response:
        chosen_id = request.args.get("entry_id", type=int)
        return json_response(page_state(db, edge, login, chosen_id=chosen_id, at=at))

    @app.post("/api/confirm")
    @candidate_only(edge, writes=True)
    def confirm(db: Session, login: CandidateLogin, at: datetime) -> Response:
        body = json_body()
        entry = _entry_to_sit(db, login, body)
        if not isinstance(right := body.get("right"), bool):
            raise Invalid(FIELD_WRONG, field="right")
        (admission.confirm_identity if right else admission.dispute_identity)(db, entry, at=at)
        return json_response({"confirmed": right})

    @app.post("/api/enter")
    @candidate_only(edge, writes=True)
    def enter(db: Session, login: CandidateLogin, at: datetime) -> Response:
        attempt = answering.open_attempt(db, _entry_to_sit(db, login, json_body()), at=at)
        db.flush()
        return json_response({"attempt_id": attempt.id})

    @app.post("/api/help")
    @candidate_only(edge, writes=True)
    def raise_hand(db: Session, login: CandidateLogin, at: datetime) -> Response:
        held = entry_on_page(
            held_entries(db, login.candidate_id),
            logged_in_at=login.created_at,
            chosen_id=json_body().get("entry_id"),
        )
        if held is None:
            raise Missing(admission.ENTRY_UNKNOWN)
        admission.check_released(db, login, held.entry)
        answering.ask_for_help(db, held.entry, at=at)
        return json_response({"help_asked": True})

    @app.get("/api/photo")
    @candidate_only(edge)
    def photo(db: Session, login: CandidateLogin, at: datetime) -> Response:
        sha256 = db.get_one(Candidate, login.candidate_id).photo_sha256
        path = path_of(edge.assets, sha256)
        if login.released_at is None or not sha256 or not path.exists():
            raise Missing(NO_SUCH_PAGE)
        response = send_file(path, mimetype=db.get_one(Asset, sha256).media_type)
        response.headers["Cache-Control"] = "no-store"
        return response


def _entry_to_sit(db: Session, login: CandidateLogin, body: dict[str, Any]) -> Entry:
    entry = admission.entry_of(db, number_field(body, "entry_id"), login.candidate_id)
    admission.check_may_sit(db, login, entry)
    return entry


def _plain(text: str) -> str:
    """Read what was typed: full-width digits count as plain ones, spaces and unprintable signs as nothing."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", text) if sign.isprintable() and not sign.isspace())


def _address() -> str:
    return (request.remote_addr or "")[:64]


def _source(edge: Edge) -> str:
    """Tell the PCs behind one address apart where their seat links do."""
    with edge.store.reading() as db:
        workstation = seat_links.workstation_of(db, request.cookies.get(WORKSTATION_COOKIE, ""))
    return f"{_address()}#{workstation.id if workstation else ''}"
