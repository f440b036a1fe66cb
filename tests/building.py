"""Builders: a real room on a real store, with whatever is not under test filled in."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from station.clock import Clock
from station.domain.paper import paper_sha256
from station.domain.roster import Roster, RosterHead, RosterRow
from station.domain.staff import Role
from station.domain.tokens import token_hash
from station.services import admission, answering, intake, invigilation, saving, seat_links, staffing
from station.store import Store, migrations, open_store
from station.store.models import (
    Attempt,
    Candidate,
    CandidateLogin,
    Device,
    Entry,
    JournalEntry,
    Room,
    Seat,
    Sitting,
    Staff,
    Workstation,
)
from station.store.save_queue import SaveQueue
from station.web.device_presence import DevicePresence
from station.web.edge import Edge
from station.web.identity import StationIdentity

PLANNED = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
PRACTICAL_PLANNED = PLANNED + timedelta(minutes=75)
PASSWORD = "first-password"

PLAN: dict[str, Any] = {
    "format": "exam-plan/1",
    "code": "T-1",
    "title": "测试计划",
    "organisation": "测试机构",
    "certificates": [
        {
            "code": "wdyy",
            "name": "网店运营推广",
            "level": "初级",
            "word": "考核",
            "pass_rule": {"kind": "each", "minimum": "60"},
            "policy": {"rules": ["保持安静"], "misconduct_rules": ["不得交头接耳"]},
            "subjects": [
                {"code": "theory", "name": "理论", "kind": "theory", "duration_min": 60, "early_leave_min": 15},
                {"code": "practical", "name": "实操", "kind": "practical", "duration_min": 150, "early_leave_min": 30},
            ],
        }
    ],
}

ITEMS: list[dict[str, Any]] = [
    {
        "id": "q1",
        "kind": "single",
        "points": "2.00",
        "body": "<p>点击率等于？</p>",
        "policy": "exact",
        "interaction": {
            "options": [{"id": "A", "html": "点击量 ÷ 展现量"}, {"id": "B", "html": "展现量 ÷ 点击量"}],
            "shuffle": False,
        },
    },
    {
        "id": "q2",
        "kind": "multiple",
        "points": "2.00",
        "body": "<p>哪些是流量指标？</p>",
        "policy": "exact",
        "interaction": {
            "options": [{"id": "A", "html": "访客数"}, {"id": "B", "html": "浏览量"}, {"id": "C", "html": "退款率"}],
            "shuffle": False,
        },
    },
    {
        "id": "q3",
        "kind": "true_false",
        "points": "1.00",
        "body": "<p>关键词越多越好。</p>",
        "policy": "exact",
        "interaction": {},
    },
    {
        "id": "q4",
        "kind": "fill_in",
        "points": "2.00",
        "body": '<p>投入产出比的英文缩写是 <span data-blank="b1"></span>。</p>',
        "policy": "blank_each",
        "interaction": {"blanks": [{"id": "b1", "width": 8}]},
    },
    {
        "id": "q5",
        "kind": "short_answer",
        "points": "3.00",
        "body": "<p>说说标题优化。</p>",
        "policy": "manual",
        "interaction": {"lines": 4, "max_length": 500},
    },
    {
        "id": "q6",
        "kind": "file",
        "points": "5.00",
        "body": "<p>上传方案。</p>",
        "policy": "manual",
        "interaction": {
            "files": [
                {
                    "id": "f1",
                    "label": "方案",
                    "extensions": [".txt", ".pdf"],
                    "max_bytes": 100_000,
                    "required": True,
                }
            ]
        },
    },
]
KEYS: dict[str, dict[str, Any]] = {
    "q1": {"policy": "exact", "answer": {"base": {"identifier": "A"}}},
    "q2": {"policy": "exact", "answer": {"list": {"identifier": ["A", "B"]}}},
    "q3": {"policy": "exact", "answer": {"base": {"boolean": False}}},
    "q4": {"policy": "blank_each", "blanks": {"b1": {"accepted": ["ROI", "投产比"], "points": "2.00"}}},
    "q5": {"policy": "manual", "guide": "关键词、属性、卖点"},
    "q6": {"policy": "manual", "guide": "结构完整"},
}


class SetClock(Clock):
    """A clock that stands still until a test moves it."""

    def __init__(self, at: datetime) -> None:
        super().__init__(starts_at=at)
        self.at = at

    def now(self) -> datetime:
        return self.at

    def pass_time(self, **parts: float) -> datetime:
        """Move on by minutes=…, seconds=… and give the new moment."""
        self.at += timedelta(**parts)
        return self.at


@dataclass
class BuiltRoom:
    """A room with theory (and practical) planned back to back; ids by what tests call them."""

    store: Store
    clock: Clock
    edge: Edge
    room_id: int
    theory: int
    practical: int
    staff: dict[str, int]
    tickets: list[str] = field(default_factory=list)

    @contextmanager
    def changing(self) -> Iterator[Session]:
        with self.store.transaction() as db:
            yield db

    def entry_id(self, ticket: str, sitting_id: int | None = None) -> int:
        with self.store.reading() as db:
            return db.scalars(
                select(Entry.id)
                .join(Candidate, Candidate.id == Entry.candidate_id)
                .where(Candidate.ticket_number == ticket, Entry.sitting_id == (sitting_id or self.theory))
            ).one()

    def attempt(self, ticket: str, sitting_id: int | None = None) -> Attempt:
        with self.store.reading() as db:
            return db.scalars(select(Attempt).where(Attempt.entry_id == self.entry_id(ticket, sitting_id))).one()

    def seat_id(self, number: str) -> int:
        with self.store.reading() as db:
            return db.scalars(select(Seat.id).where(Seat.room_id == self.room_id, Seat.number == number)).one()

    def seat_path(self, number: str) -> str:
        """The seat link's path for a seat."""
        seat_id = self.seat_id(number)
        return f"/seat/{seat_id}/{seat_links.seat_link_code(self.edge.secret, seat_id)}"

    def start(self, sitting_id: int | None = None) -> None:
        """Open admission and start a sitting now; the clock must not lie before its planned time."""
        with self.changing() as db:
            sitting = sitting_id or self.theory
            invigilation.open_admission(db, sitting, by=self.staff["invigilator"], at=self.clock.now())
            invigilation.start_sitting(db, sitting, by=self.staff["invigilator"], at=self.clock.now())

    def log_in(self, ticket: str, *, seat: str | None = None) -> CandidateLogin:
        """Log a candidate in at a seat (their own by default)."""
        with self.changing() as db:
            at = self.clock.now()
            candidate = db.scalars(select(Candidate).where(Candidate.ticket_number == ticket)).one()
            entry = db.scalars(select(Entry).where(Entry.candidate_id == candidate.id).order_by(Entry.id)).first()
            assert entry is not None
            seat_id = self.seat_id(seat) if seat else entry.seat_id
            code = seat_links.seat_link_code(self.edge.secret, seat_id)
            token, _ = seat_links.open_seat(db, seat_id, code=code, secret=self.edge.secret, address="127.0.0.1", at=at)
            workstation: Workstation | None = seat_links.workstation_of(db, token)
            done = admission.log_in(db, ticket, ticket[-6:], workstation=workstation, address="127.0.0.1", at=at)
            return db.get_one(CandidateLogin, done.login_id)

    def enter(self, ticket: str, sitting_id: int | None = None, *, seat: str | None = None) -> tuple[Attempt, int]:
        """Log in, confirm, open the paper; gives the attempt and the place of its page."""
        login = self.log_in(ticket, seat=seat)
        with self.changing() as db:
            at = self.clock.now()
            entry = db.get_one(Entry, self.entry_id(ticket, sitting_id))
            admission.confirm_identity(db, entry, at=at)
            attempt = answering.open_attempt(db, entry, at=at)
            place = answering.issue_place(db, attempt, db.get_one(CandidateLogin, login.id), at=at)
            return attempt, place.id

    def save(self, attempt_id: int, place: int, sequence: int, item_id: str, response: str) -> saving.BatchOutcome:
        """Save one answer through the real writer."""
        save = saving.Save(sequence, item_id, response, True)
        return self.edge.saves.save(saving.SaveBatch(attempt_id, place, (save,), None, self.clock.now()))

    def keep_heard(self) -> None:
        """Let a PC that was heard once count as heard, however slow the machine: what is lost is not under test."""
        object.__setattr__(self.edge, "devices", DevicePresence(lambda: 0.0))

    def close(self) -> None:
        self.edge.saves.stop()
        self.store.close()


def events(room: Any, *names: str) -> list[str]:
    """Give the events of a room's journal in their order, or those of some names."""
    with room.store.reading() as db:
        found = db.scalars(select(JournalEntry.event).order_by(JournalEntry.number)).all()
    return [one for one in found if not names or one in names]


def device_at(seat_id: int | None, token: str, *, at: datetime, **changes: Any) -> Device:
    """A registered candidate PC with an agent, which shows `token`."""
    known = {"machine_id": token, "name": token, "system": "linux", "version": "0.1.0", "address": ""}
    texts = {"macs": "[]", "capabilities": "[]", "hardware": "{}"}
    return Device(seat_id=seat_id, token_hash=token_hash(token), registered_at=at, **(known | texts | changes))


def paper_document(code: str = "P-1", subject: str = "theory", **changes: Any) -> dict[str, Any]:
    """A small sound paper with an item of most kinds, worth 15 points."""
    return {
        "format": "exam-paper/1",
        "code": code,
        "title": "测试试卷",
        "certificate": "网店运营推广",
        "level": "初级",
        "subject": subject,
        "full_points": "15.00",
        "sections": [{"id": "s1", "title": "一、题目", "instructions": "", "items": copy.deepcopy(ITEMS)}],
        "assets": {},
    } | changes


def keys_document(paper: dict[str, Any]) -> dict[str, Any]:
    """The keys of `paper_document`."""
    return {
        "format": "exam-keys/1",
        "paper_code": paper["code"],
        "paper_sha256": paper_sha256(paper),
        "keys": copy.deepcopy(KEYS),
    }


def ticket_number(number: int) -> str:
    """A ticket number of 22 digits whose last 6 differ from its neighbours' by more than one."""
    tail = int(hashlib.sha256(str(number).encode()).hexdigest(), 16) % 1_000_000
    return f"26110100{number:08d}{tail:06d}"


def build_room(
    folder: Path,
    *,
    seats: int = 5,
    spares: int = 2,
    planned_at: datetime = PLANNED,
    clock: Clock | None = None,
    url: str = "",
    with_practical: bool = True,
    plan: dict[str, Any] | None = None,
) -> BuiltRoom:
    """Build a room whose theory is planned at `planned_at` and whose practical 75 minutes later.

    The clock stands at the planned start. Staff: one of each role, user name = role, password PASSWORD.
    Seats are '1' … and spares follow; candidates 考生01 … have `tickets`.
    """
    clock = clock or SetClock(planned_at)
    folder.mkdir(parents=True, exist_ok=True)
    store = open_store(url or f"sqlite:///{folder / 'station.db'}", folder)
    migrations.upgrade(store.engine)
    at = planned_at - timedelta(days=1)
    tickets = [ticket_number(number) for number in range(1, seats + 1)]
    rows = tuple(
        RosterRow(name=f"考生{number:02d}", ticket_number=ticket, seat=str(number), row=number, institution="测试学校")
        for number, ticket in enumerate(tickets, start=1)
    )
    with store.transaction() as db:
        staff = {
            role.value: staffing.add_staff(
                db, username=role.value, name=f"测试{role.value}", role=role, password=PASSWORD, at=at
            ).id
            for role in Role
        }
        for person in db.scalars(select(Staff)):
            person.must_change_password = False
        intake.import_plan(db, plan or PLAN, at=at)
        subjects = ["theory", "practical"] if with_practical else ["theory"]
        for subject in subjects:
            starts_at = planned_at if subject == "theory" else planned_at + timedelta(minutes=75)
            head = RosterHead(
                room_name="第一机房",
                site_name="测试考点",
                subject_name="理论" if subject == "theory" else "实操",
                certificate_name="网店运营推广",
                level="初级",
                planned_start_at=starts_at,
            )
            intake.import_roster(db, Roster("名单", head, rows), at=at)
            paper = paper_document(f"P-{subject}", subject)
            intake.import_paper(db, paper, keys_document(paper), assets={}, at=at)
        room = db.scalars(select(Room)).one()
        intake.add_spare_seats(db, room.id, [str(seats + number) for number in range(1, spares + 1)])
        sittings = list(db.scalars(select(Sitting.id).order_by(Sitting.planned_start_at)))
    saves = SaveQueue(store, saving.SaveRecorder().record)
    edge = Edge(
        store=store,
        clock=clock,
        saves=saves,
        secret=b"a secret of tests",
        zone=ZoneInfo("Asia/Shanghai"),
        site_name="测试考点",
        identity=StationIdentity.of(Ed25519PrivateKey.generate()),
    )
    return BuiltRoom(
        store=store,
        clock=clock,
        edge=edge,
        room_id=room.id,
        theory=sittings[0],
        practical=sittings[-1],
        staff=staff,
        tickets=tickets,
    )
