"""What a registered candidate PC asks and says all day: beats, orders, its page, help, pictures (PROTOCOL.md)."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from secrets import token_urlsafe

from flask import Flask, Response, render_template, request
from sqlalchemy.orm import Session

from station.errors import Forbidden, Invalid, Missing, StationError, Unauthenticated, problem
from station.services import admission, agent_commands, agent_page, answering, work_programs
from station.store.candidate_queries import entry_on_page, held_entries
from station.store.device_queries import KnownDevice, device_by_id
from station.store.files import keep_file
from station.web.agent_beat import read_beat, take_beat
from station.web.agent_guard import DEVICE_UNKNOWN, agent_only, agent_without_store
from station.web.cookies import LOGIN_LASTS, WORKSTATION_LASTS, set_cookie
from station.web.edge import Edge
from station.web.guards import (
    CANDIDATE_COOKIE,
    FIELD_WRONG,
    WORKSTATION_COOKIE,
    guard,
    json_body,
    json_response,
    moment_text,
    text_field,
)

PAGE_CODE_WRONG = problem(
    "page_code_wrong",
    "打开考试页面的一次性链接已失效，考试机程序会自动重新打开。",
    "The one-time link to the test page is no longer good; the agent opens it anew by itself.",
)

LARGEST_PICTURE = 5 * 2**20
PICTURES_PATH = "/api/agent/pictures"
# A browser that takes longer to open than this is opened again by the agent.
CODE_LASTS_S = 120.0
MOST_CODES = 500


@dataclass(frozen=True)
class Ticket:
    """A right to open the page once. `may_return`: the PC or its browser died, so its candidate may be let back."""

    device_id: int
    seat_id: int | None
    boot_id: str
    may_return: bool
    until_s: float


class Tickets:
    """One-time codes in memory; after a restart of the station the agent asks for another."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Ticket] = OrderedDict()
        self._lock = threading.Lock()

    def give(self, device: KnownDevice, *, boot_id: str, may_return: bool) -> str:
        code = token_urlsafe(24)
        with self._lock:
            until_s = time.monotonic() + CODE_LASTS_S
            self._kept[code] = Ticket(device.id, device.seat_id, boot_id, may_return, until_s)
            while len(self._kept) > MOST_CODES:
                self._kept.popitem(last=False)
        return code

    def take(self, code: str) -> Ticket:
        """Take a code out; a second time, or too late, it is refused."""
        with self._lock:
            ticket = self._kept.pop(code, None)
        if ticket is None or ticket.until_s < time.monotonic():
            raise Forbidden(PAGE_CODE_WRONG)
        return ticket


def add_agent_routes(app: Flask, edge: Edge) -> None:
    """Add what a registered agent says and asks."""
    _add_beat(app, edge)
    _add_page(app, edge, Tickets())
    _add_acts(app, edge)


def _add_beat(app: Flask, edge: Edge) -> None:
    @app.post("/api/agent/beat")
    @agent_without_store(edge)
    def beat(device: KnownDevice, at: datetime) -> Response:
        sent = read_beat(json_body())
        take_beat(edge, device, sent, at)
        orders = edge.roll.orders(device.id)
        done = {command_id for command_id, _, _ in sent.done}
        return json_response(
            {
                "now": moment_text(at),
                "orders": sent.beat.orders if orders is None else orders["version"],
                "commands": [
                    {"id": one.id, "kind": one.kind, "arguments": one.arguments}
                    for one in edge.roll.commands(device.id)
                    if one.id not in done and not work_programs.is_past(one.kind, one.given_at, at)
                ],
            }
        )

    @app.get("/api/agent/orders")
    @agent_without_store(edge)
    def orders(device: KnownDevice, at: datetime) -> Response:
        found = edge.roll.orders(device.id)
        if found is None:
            edge.roll.look_again()
            found = edge.roll.orders(device.id)
        if found is None:  # it was taken away in this moment
            raise Unauthenticated(DEVICE_UNKNOWN)
        return json_response(found)


def _add_page(app: Flask, edge: Edge, tickets: Tickets) -> None:
    @app.post("/api/agent/page")
    @agent_only(edge)
    def page(db: Session, device: KnownDevice, at: datetime) -> Response:
        boot_id = text_field(json_body(), "boot_id", longest=64)
        if not boot_id:
            raise Invalid(FIELD_WRONG, field="boot_id")
        agent_page.check_seated(device)
        may_return = _has_died(db, edge, device, boot_id)
        code = tickets.give(device, boot_id=boot_id, may_return=may_return)
        comes_back = may_return and agent_page.returning(db, device) is not None
        url = f"{request.host_url.rstrip('/')}/agent/open/{code}"
        return json_response({"url": url, "relogin": "resumed" if comes_back else "none"})

    @app.get("/agent/open/<code>")
    @guard("open")
    def open_page(code: str) -> Response:
        ticket, at, address = tickets.take(code), edge.clock.now(), (request.remote_addr or "")[:64]
        login_token = ""
        with edge.store.transaction() as db:
            device = device_by_id(db, ticket.device_id)
            if device is None or device.seat_id != ticket.seat_id:
                raise Forbidden(PAGE_CODE_WRONG)
            back = agent_page.returning(db, device) if ticket.may_return else None
            token, workstation = agent_page.open_page(db, device, boot_id=ticket.boot_id, address=address, at=at)
            if back is not None and not _is_still_in(db, back[0].candidate_id):
                login_token = agent_page.let_back(db, *back, workstation, address=address, at=at)
        response = Response(render_template("opening.html", seat=device.seat_number, edge=edge))
        response.headers["Cache-Control"] = "no-store"
        set_cookie(response, WORKSTATION_COOKIE, token, lasts=WORKSTATION_LASTS, edge=edge)
        if login_token:
            set_cookie(response, CANDIDATE_COOKIE, login_token, lasts=LOGIN_LASTS, edge=edge)
        return response


def _add_acts(app: Flask, edge: Edge) -> None:
    @app.post("/api/agent/help")
    @agent_only(edge, writes=True)
    def raise_hand_by_key(db: Session, device: KnownDevice, at: datetime) -> Response:
        json_body()
        login = agent_page.login_here(db, device)
        if login is None:
            raise Unauthenticated(admission.NOT_LOGGED_IN)
        held = entry_on_page(held_entries(db, login.candidate_id), logged_in_at=login.created_at, chosen_id=None)
        if held is None:
            raise Missing(admission.ENTRY_UNKNOWN)
        admission.check_released(db, login, held.entry)
        answering.ask_for_help(db, held.entry, at=at)
        return json_response({"help_asked": True})

    @app.post(PICTURES_PATH)
    @agent_without_store(edge)
    def take_picture(device: KnownDevice, at: datetime) -> Response:
        command_id = request.headers.get("X-Command", 0, type=int)
        with edge.store.reading() as db:  # asked before the body is read
            agent_commands.check_picture_asked(db, device.id, command_id)
        request.max_content_length = LARGEST_PICTURE
        content = request.get_data(cache=False)
        agent_commands.picture_kind(content)
        edge.disk.check_takes_file(len(content))
        keep_file(edge.pictures, content)
        with edge.store.transaction() as db:
            agent_commands.keep_picture(db, device.id, command_id, content, at=at)
        return json_response({"kept": True})


def _has_died(db: Session, edge: Edge, device: KnownDevice, boot_id: str) -> bool:
    """Say whether the PC was started anew, or its browser ended, since its page was opened last."""
    workstation = agent_page.workstation_at(db, device)
    if workstation is not None and workstation.boot_id != boot_id:
        return True
    heard = edge.devices.last(device.id)
    return heard is None or heard.beat.browser != "running"


def _is_still_in(db: Session, candidate_id: int) -> bool:
    """Say whether the browser has kept this candidate's log-in: then no other is needed."""
    try:
        return admission.login_of(db, request.cookies.get(CANDIDATE_COOKIE, "")).candidate_id == candidate_id
    except StationError:
        return False
