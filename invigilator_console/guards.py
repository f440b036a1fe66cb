"""Who may pass in the staff app: an allowed PC, a live log-in, a role that may do the act, and our own page.

A view under `staff_only` gets the session, the person who acts and the moment. With `second=True` the request
may name somebody else, `"second": {"username", "password"}`, who then acts at this console without anybody
logging out: so chief examiner and inspector decide together at one screen (R-DAY-8).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, current_app, g, redirect, render_template, request
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from station.errors import Forbidden, Missing, StationError, TooMany, Unauthenticated, problem
from station.services import invigilation, staffing
from station.store.models import Staff, StaffLogin
from station.web.edge import Edge
from station.web.guards import error_response, guard, install_guards, json_body, text_field
from station.web.throttle import LoginThrottle

STAFF_COOKIE = "station_staff"

ADDRESS_NOT_ALLOWED = problem(
    "address_not_allowed",
    "本机（{address}）未被允许打开监考台。请在服务器上运行：exam-station allow {address}",
    "This PC ({address}) is not allowed to open the console. On the server, run: exam-station allow {address}",
)
NOT_FROM_OUR_PAGE = problem(
    "not_from_our_page",
    "请求不是从本监考台页面发出的，已拒绝。请刷新页面后重试。",
    "The request did not come from a page of this console and was refused. Reload the page and try again.",
)
PASSWORD_CHANGE_NEEDED = problem(
    "password_change_needed",
    "{name} 首次登录须先修改口令，然后才能进行其他操作。",
    "{name} must change the first password before doing anything else.",
)

STAFF_LOGIN_TOO_OFTEN = problem(
    "staff_login_too_often",
    "该账号在本机多次输错口令，请 {wait_s} 秒后再试。",
    "Too many wrong passwords for this account on this PC: try again in {wait_s} seconds.",
)

NO_SUCH_NUMBER = problem("no_such_number", "请求中的编号不存在。", "A number in the request is not that of anything.")

View = Callable[..., Any]
_T = TypeVar("_T")


def staff_only(
    edge: Edge, act: str, *, writes: bool = False, sends: bool = False, second: bool = False
) -> Callable[[View], View]:
    """Guard for staff whose role may do `act`: `view(db, person, at, …)`.

    `writes` opens a transaction; `sends` asks for our own page as `writes` does, without holding one meanwhile.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def run(**arguments: object) -> Any:
            at = edge.clock.now()
            acting_id = _second_person(edge, at) if second else None
            with edge.store.transaction() if writes else edge.store.reading() as db:
                person, _ = _logged_in(edge, db, at, writes=writes or sends)
                acting = db.get_one(Staff, acting_id) if acting_id is not None else person
                for one in (person, acting):
                    check_password_changed(one)
                invigilation.check_may(acting, act)
                return view(db, acting, at, **arguments)

        return guard(f"staff:{act}")(run)

    return decorate


def logged_in_only(edge: Edge, *, writes: bool = False) -> Callable[[View], View]:
    """Guard for one's own account, also before the first password is changed: `view(db, login, at)`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def run(**arguments: object) -> Any:
            at = edge.clock.now()
            with edge.store.transaction() if writes else edge.store.reading() as db:
                _, login = _logged_in(edge, db, at, writes=writes)
                return view(db, login, at, **arguments)

        return guard("staff")(run)

    return decorate


def allowed_pc(edge: Edge) -> Callable[[View], View]:
    """Guard for what an allowed PC may see before anybody logs in: `view(at)`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def run(**arguments: object) -> Any:
            with edge.store.reading() as db:
                _check_address(db)
            return view(edge.clock.now(), **arguments)

        return guard("open")(run)

    return decorate


def install_staff_guards(app: Flask, edge: Edge) -> None:
    """Deny by default as the candidate app does; answer a refused page with a page, not with JSON."""
    install_guards(app, edge)
    app.extensions["staff_throttle"] = LoginThrottle()

    @app.errorhandler(StationError)
    def refused(error: StationError) -> Response:
        if request.path.startswith("/api/"):
            return error_response(error)
        if isinstance(error, Unauthenticated):
            return redirect("/login")
        if error.code == PASSWORD_CHANGE_NEEDED.code:
            return redirect("/password")
        page = app.make_response(render_template("refused.html", error=error))
        page.status_code = error.status
        return page

    # A number that no key can be: SQLite's driver and PostgreSQL each say it in their own way.
    @app.errorhandler(OverflowError)
    @app.errorhandler(DataError)
    def out_of_range(error: Exception) -> Response:
        return refused(Missing(NO_SUCH_NUMBER))


def staff_body() -> dict[str, Any]:
    """Give the request's JSON object; read once."""
    if "body" not in g:
        g.body = json_body()
    body: dict[str, Any] = g.body
    return body


def remote_address() -> str:
    """Say from which PC the request comes."""
    return request.remote_addr or ""


def check_origin() -> None:
    """Refuse what another site's page has sent; what is no browser sends no Origin."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise Forbidden(NOT_FROM_OUR_PAGE)


def check_password_changed(person: Staff) -> None:
    """Refuse everything but the change itself while somebody still has the first password."""
    if person.must_change_password:
        raise Forbidden(PASSWORD_CHANGE_NEEDED, name=person.name)


def slowed_down(edge: Edge, username: str, at: datetime, check: Callable[[], _T]) -> _T:
    """Run a check of a password; wrong ones are slowed down per name and address, and journalled."""
    throttle: LoginThrottle = current_app.extensions["staff_throttle"]
    address = remote_address()
    try:
        throttle.begin(username, address, at=at)
    except TooMany as wait:
        raise TooMany(STAFF_LOGIN_TOO_OFTEN, **wait.details) from None
    try:
        found = check()
    except Unauthenticated:
        with edge.store.transaction() as db:
            staffing.record_failed_staff_login(db, username, address=address, at=at)
        raise
    throttle.succeeded(username, address)
    return found


def _logged_in(edge: Edge, db: Session, at: datetime, *, writes: bool) -> tuple[Staff, StaffLogin]:
    _check_address(db)
    person, login = staffing.staff_of(db, request.cookies.get(STAFF_COOKIE, ""), at=at)
    if writes:
        check_origin()
        if not hmac.compare_digest(request.headers.get("X-CSRF-Token", "").encode(), login.csrf_token.encode()):
            raise Forbidden(NOT_FROM_OUR_PAGE)
    g.person, g.login = person, login
    return person, login


def _check_address(db: Session) -> None:
    address = remote_address()
    if not staffing.is_address_allowed(db, address):
        raise Forbidden(ADDRESS_NOT_ALLOWED, address=address)


def _second_person(edge: Edge, at: datetime) -> int | None:
    """Find who else acts at this console; only somebody who is logged in may bring a second person."""
    with edge.store.reading() as db:
        _logged_in(edge, db, at, writes=True)
        named = staff_body().get("second")
        if not isinstance(named, dict):
            return None
        username, password = text_field(named, "username", longest=64), text_field(named, "password", longest=200)
        return slowed_down(edge, username, at, lambda: staffing.check_second_person(db, username, password).id)
