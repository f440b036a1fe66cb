"""A small room over real HTTP: a store with one candidate a seat, two subjects, a paper of every kind."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.orm import Session
from waitress.server import create_server

from station.clock import Clock
from station.rehearsal.premises import free_port
from station.services import invigilation
from station.services.saving import SaveRecorder
from station.services.seat_links import seat_link_code
from station.store import Store, open_store
from station.store.files import keep_file
from station.store.models import (
    Asset,
    Base,
    Candidate,
    Entry,
    Plan,
    Room,
    Seat,
    Sitting,
    Staff,
    Subject,
)
from station.store.save_queue import SaveQueue
from station.web.candidate import create_candidate_app
from station.web.edge import Edge
from station.web.identity import StationIdentity
from tests.building import PLAN
from tests.web.seated_paper import ASSETS, PAPER, PIXEL, Papers, keep_paper

SECRET = b"a secret of this test room"
NOON = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


class HandClock(Clock):
    """A clock that a test moves by hand; it also runs by itself, until it is told to stand still."""

    def __init__(self, starts_at: datetime = NOON) -> None:
        super().__init__(starts_at=starts_at)
        self.moved = timedelta(0)
        self._stands_at: datetime | None = None

    def now(self) -> datetime:
        return (self._stands_at or super().now()) + self.moved

    def stand_still(self) -> None:
        """Go on by `move` alone: for what is counted in seconds, however slow the machine."""
        self._stands_at = super().now()

    def move(self, **by: float) -> None:
        self.moved += timedelta(**by)


@dataclass
class SeatedRoom:
    """A built room. Candidates sit at seats 1, 2, 3 …; `sittings` are theory and practical."""

    store: Store
    edge: Edge
    clock: HandClock
    sittings: dict[str, int]
    entries: dict[str, list[int]]
    tickets: list[str]
    staff_id: int
    port: int = 0
    _server: Any = None
    _thread: Any = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Serve the candidate app; a second time on the port of before."""
        port = self.port or free_port()
        self._server = create_server(
            create_candidate_app(self.edge), host="127.0.0.1", port=port, threads=16, backlog=512, ident=""
        )
        self.port = int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        """Stop serving, as a stopped server would: open connections are closed too."""
        server = self._server
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=5)

        def close_all() -> None:
            for channel in list(server.active_channels.values()):
                channel.handle_close()
            server.close()

        # The loop may run this, and close the trigger with all else, before the wake-up is written.

        with suppress(OSError):
            server.trigger.pull_trigger(close_all)  # runs in the server's own loop, which then ends
        self._thread.join(timeout=5)

    def sitting(self, code: str = "theory") -> int:
        return self.sittings[code]

    def admit(self, code: str = "theory") -> None:
        self.act(invigilation.open_admission, self.sittings[code])

    def start(self, code: str = "theory") -> None:
        with self.store.transaction() as db:
            planned = db.get_one(Sitting, self.sittings[code]).planned_start_at
        if self.clock.now() < planned:
            self.clock.moved += planned - self.clock.now()
        self.act(invigilation.start_sitting, self.sittings[code])

    def act(self, service: Any, *arguments: Any, **named: Any) -> Any:
        """Do what a member of the staff does."""
        with self.store.transaction() as db:
            return service(db, *arguments, by=self.staff_id, at=self.clock.now(), **named)

    def move(self, seat: int, reason: str = "死机") -> None:
        """Give the first candidate another seat for theory."""
        with self.store.transaction() as db:
            entry, there = db.get_one(Entry, self.entries["theory"][0]), db.get_one(Seat, self.seat_id(seat))
            invigilation.move_to_spare(db, entry, there, reason=reason, by=self.staff_id, at=self.clock.now())

    def seat_path(self, seat_id: int) -> str:
        return f"/seat/{seat_id}/{seat_link_code(SECRET, seat_id)}"

    def browser(self, seat: int | None = None) -> Browser:
        """A PC at a seat (1, 2 …), with the seat's link opened; None: a PC that was given no seat."""
        browser = Browser(self)
        if seat is not None:
            assert browser.get(self.seat_path(self.seat_id(seat))).status_code == 200
        return browser

    def seat_id(self, seat: int) -> int:
        with self.store.reading() as db:
            return db.scalars(select(Seat.id).where(Seat.number == str(seat))).one()

    def answering(self, seat: int = 1, code: str = "theory") -> Browser:
        """A candidate who has logged in, confirmed and opened the paper; the sitting must run."""
        browser = self.browser(seat)
        entry_id = self.entries[code][seat - 1]
        assert browser.log_in(self.tickets[seat - 1]).status_code == 200
        assert browser.post("/api/confirm", entry_id=entry_id, right=True).status_code == 200
        reply = browser.post("/api/enter", entry_id=entry_id)
        assert reply.status_code == 200, reply.text
        browser.attempt_id = reply.json()["attempt_id"]
        browser.place = browser.post("/api/places", attempt_id=browser.attempt_id).json()["place"]
        return browser


class Browser(requests.Session):
    """One PC's HTTP: cookies, JSON posts."""

    def __init__(self, room: SeatedRoom) -> None:
        super().__init__()
        self.room = room
        self.attempt_id = 0
        self.place = 0

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> requests.Response:  # type: ignore[override]
        named.setdefault("timeout", 30)
        return super().request(method, self.room.url + url if url.startswith("/") else url, *arguments, **named)

    def post(self, path: str, **body: Any) -> requests.Response:  # type: ignore[override]
        return self.request("POST", path, json=body)

    def log_in(self, ticket: str, password: str | None = None) -> requests.Response:
        return self.post("/api/login", ticket_number=ticket, password=ticket[-6:] if password is None else password)

    def me(self) -> dict[str, Any]:
        reply = self.get("/api/me")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def save(self, *saves: tuple[int, str, object], **more: Any) -> requests.Response:
        body = [{"sequence": sequence, "item_id": item, "response": response} for sequence, item, response in saves]
        return self.post(
            "/api/saves", attempt_id=self.attempt_id, place=more.pop("place", self.place), saves=body, **more
        )

    def upload(
        self, content: bytes, *, name: str = "方案.xlsx", item_id: str = "f1", part: str = "plan", **named: Any
    ) -> requests.Response:
        query = {"attempt_id": self.attempt_id, "item_id": item_id, "part": part, "name": name}
        headers = {"Content-Type": "application/octet-stream"}
        return self.request("POST", "/api/files", params=query, data=content, headers=headers, **named)


def refusal(reply: requests.Response) -> tuple[int, str]:
    """The status and the error's code."""
    return reply.status_code, reply.json()["error"]["code"]


@contextmanager
def served_room(folder: Path, *, seats: int = 3, papers: Papers | None = None, url: str = "") -> Iterator[SeatedRoom]:
    """Build a room, serve it, and take it down again."""
    room = build(folder, seats=seats, papers=papers, url=url)
    room.listen()
    try:
        yield room
    finally:
        room.hang_up()
        room.edge.saves.stop()
        room.store.close()


def build(folder: Path, *, seats: int = 3, papers: Papers | None = None, url: str = "") -> SeatedRoom:
    """Make the store of a room: `seats` candidates, one spare seat, theory at once and practical an hour later."""
    folder.mkdir(parents=True, exist_ok=True)
    store = open_store(url or f"sqlite:///{folder / 'station.db'}", folder)
    Base.metadata.create_all(store.engine)
    clock = HandClock()
    saves = SaveQueue(store, SaveRecorder().record)
    identity = StationIdentity.of(Ed25519PrivateKey.generate())
    edge = Edge(store, clock, saves, SECRET, ZoneInfo("Asia/Shanghai"), "示例职业学院考点", identity=identity)
    with store.transaction() as db:
        sittings = _sittings(db, edge, papers or {})
        tickets, entries = _candidates(db, edge, sittings, seats)
        staff = Staff(username="z", name="周监考", role="chief_examiner", password_hash="-")
        db.add(staff)
        db.flush()
        return SeatedRoom(store, edge, clock, sittings, entries, tickets, staff.id)


def _sittings(db: Session, edge: Edge, papers: Papers) -> dict[str, int]:
    room = Room(name="第一考场", site_name=edge.site_name)
    document = json.dumps(PLAN | {"code": "2026-4"}, ensure_ascii=False)
    plan = Plan(code="2026-4", title="2026年第4次考试", document=document, imported_at=NOON)
    db.add_all([room, plan])
    db.flush()
    sittings = {}
    for number, (code, name) in enumerate((("theory", "理论"), ("practical", "实操"))):
        subject = Subject(
            plan_id=plan.id,
            certificate_code="wdyy",
            certificate_name="网店运营推广",
            level="初级",
            code=code,
            name=name,
            word="考核",
            duration_min=60,
            entry_cutoff_min=30,
            early_leave_min=15,
            remind_min=15,
            extension_limit_min=15,
            extension_scope="total",
            outage_limit_s=120,
            outage_ask_min=60,
            rules=json.dumps(["带好身份证和准考证。", "保持安静，有事举手。"], ensure_ascii=False),
            misconduct_rules=json.dumps(["携带手机入座的，按违纪处理。"], ensure_ascii=False),
            pass_rule="{}",
        )
        db.add(subject)
        db.flush()
        paper = keep_paper(db, edge, subject, *papers.get(code, (PAPER, ASSETS)), at=NOON)
        sitting = Sitting(
            room_id=room.id,
            subject_id=subject.id,
            paper_id=paper.id,
            planned_start_at=NOON + timedelta(minutes=10 + 75 * number),
        )
        db.add(sitting)
        db.flush()
        sittings[code] = sitting.id
    return sittings


def _candidates(
    db: Session, edge: Edge, sittings: dict[str, int], seats: int
) -> tuple[list[str], dict[str, list[int]]]:
    room_id = db.get_one(Sitting, sittings["theory"]).room_id
    tickets: list[str] = []
    entries: dict[str, list[int]] = {code: [] for code in sittings}
    photo = keep_file(edge.assets, PIXEL)
    db.merge(Asset(sha256=photo, media_type="image/png", size=len(PIXEL)))
    for number in range(1, seats + 2):
        seat = Seat(room_id=room_id, number=str(number), is_spare=number > seats)
        db.add(seat)
        db.flush()
        if seat.is_spare:
            continue
        ticket = f"37080120261100{number:06d}"
        candidate = Candidate(
            ticket_number=ticket,
            name=f"考生{number}",
            pinyin=f"Kaosheng {number}",
            id_number=f"37028520050101{number:04d}",
            institution="示例职业学院",
            photo_sha256=photo if number == 1 else "",
        )
        db.add(candidate)
        db.flush()
        for code, sitting_id in sittings.items():
            entry = Entry(sitting_id=sitting_id, candidate_id=candidate.id, seat_id=seat.id)
            db.add(entry)
            db.flush()
            entries[code].append(entry.id)
        tickets.append(ticket)
    return tickets, entries
