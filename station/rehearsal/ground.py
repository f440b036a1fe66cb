"""Ground for measuring and for drills: a throw-away station with a running sitting and everybody seated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from station import setup
from station.bootstrap import open_prepared_store
from station.clock import system_time
from station.config import Config
from station.domain.paper import paper_sha256
from station.domain.roster import Roster, RosterHead, RosterRow
from station.domain.staff import Role
from station.rehearsal.premises import HOST, Child, Premises
from station.services import admission, answering, intake, invigilation
from station.store import Store
from station.store.models import Candidate, CandidateLogin, Entry, Room, Sitting, Staff

STAFF_USER = "jiankao1"
_CERTIFICATE, _LEVEL = "压力测试", "初级"


@dataclass(frozen=True)
class Seated:
    """A candidate of the ground. Those who have not logged in yet have no token, attempt and place."""

    ticket_number: str
    candidate_id: int
    entry_id: int
    token: str = ""
    attempt_id: int = 0
    place: int = 0


@dataclass
class Ground:
    """A station in `premises`, its sitting running since the ground was made. Close it, whatever happens."""

    premises: Premises
    config: Config
    sitting_id: int
    started_at: datetime
    candidates: tuple[Seated, ...]
    items: tuple[str, ...]
    passwords: Mapping[str, str]
    _starts: int = field(default=0)

    @classmethod
    def make(
        cls,
        folder: Path,
        *,
        candidates: int = 45,
        items: int = 60,
        minutes: int = 600,
        outage_limit_s: int = 120,
        seated: bool = True,
        file_items: int = 0,
        early_leave_min: int = 15,
        settings: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> Ground:
        """Make a station whose sitting has just started.

        Beside the choices `items` the paper may have `file_items`: f1, f2 …, each with one text file `plan`.
        Everybody may hand in for the last `early_leave_min`.
        `settings` are lines of the configuration, 'section.key' → value ('store.url' among them). `seated`:
        everybody has logged in and opened the paper; otherwise they are only let in.
        """
        at = at or system_time()
        premises = Premises.at(folder)
        wanted = {
            "candidate_listener.host": HOST,
            "candidate_listener.port": 0,
            "candidate_listener.admit_unlinked": True,
            "candidate_listener.connection_limit": max(600, candidates * 3),
            "staff_listener.host": HOST,
            "staff_listener.port": 0,
        } | dict(settings or {})
        lines = {name: json.dumps(value, ensure_ascii=False) for name, value in wanted.items()}
        made = setup.make_station(premises.folder / "station", site_name="压力测试考点", settings=lines)
        store = open_prepared_store(made.config)
        try:
            with store.transaction() as db:
                sitting_id = _plan(
                    db, candidates, (items, file_items), (minutes, early_leave_min), outage_limit_s, at=at
                )
            with store.transaction() as db:
                people = _seat(db, sitting_id, at=at) if seated else _let_in(db, sitting_id, at=at)
        finally:
            store.close()
        return cls(
            premises,
            made.config,
            sitting_id,
            at,
            people,
            tuple(f"q{number}" for number in range(1, items + 1)),
            {username: password for username, _, password in made.passwords},
        )

    def serve(
        self, *, before: Sequence[str] = (), environment: Mapping[str, str] | None = None, options: Sequence[str] = ()
    ) -> Child:
        """Start the station as a program of its own. `before` are words that start it (strace …)."""
        self._starts += 1
        return self.premises.start(
            f"station-{self._starts}",
            ["station", "serve", str(self.config.home), *options],
            before=before,
            environment=environment,
        )

    def open_store(self) -> Store:
        """Open the station's store from this program: for reading while it serves, or when it is down."""
        return open_prepared_store(self.config)

    def close(self) -> None:
        self.premises.close()


def _plan(
    db: Session, candidates: int, items: tuple[int, int], minutes: tuple[int, int], outage_limit_s: int, *, at: datetime
) -> int:
    intake.import_plan(db, _plan_document(*minutes, outage_limit_s), at=at)
    starts_at = at.replace(second=0, microsecond=0)
    head = RosterHead(
        room_name="压力测试机房",
        site_name="压力测试考点",
        subject_name="理论",
        planned_start_at=starts_at,
        certificate_name=_CERTIFICATE,
        level=_LEVEL,
    )
    rows = tuple(
        RosterRow(name=f"考生{number:04d}", ticket_number=_ticket(number), seat=str(number), row=number)
        for number in range(1, candidates + 1)
    )
    intake.import_roster(db, Roster("名单", head, rows), at=at)
    paper = _paper_document(*items)
    intake.import_paper(db, paper, _keys_document(paper), assets={}, at=at)
    room = db.scalars(select(Room)).one()
    intake.add_spare_seats(db, room.id, [str(candidates + number) for number in range(1, 6)])
    sitting_id = db.scalars(select(Sitting.id)).one()
    db.flush()
    by = db.scalars(select(Staff.id).where(Staff.role == Role.INVIGILATOR)).first()
    assert by is not None
    invigilation.open_admission(db, sitting_id, by=by, at=at)
    invigilation.start_sitting(db, sitting_id, by=by, at=at)
    return sitting_id


def _seat(db: Session, sitting_id: int, *, at: datetime) -> tuple[Seated, ...]:
    seated = []
    for candidate, entry in _entries(db, sitting_id):
        done = admission.log_in(
            db,
            candidate.ticket_number,
            candidate.ticket_number[-6:],
            workstation=None,
            address=HOST,
            at=at,
            admit_unlinked=True,
        )
        admission.confirm_identity(db, entry, at=at)
        attempt = answering.open_attempt(db, entry, at=at)
        login = db.get_one(CandidateLogin, done.login_id)
        place = answering.issue_place(db, attempt, login, at=at)
        seated.append(
            Seated(candidate.ticket_number, candidate.id, entry.id, done.token, attempt.id, place.id),
        )
    return tuple(seated)


def _let_in(db: Session, sitting_id: int, *, at: datetime) -> tuple[Seated, ...]:
    return tuple(Seated(one.ticket_number, one.id, entry.id) for one, entry in _entries(db, sitting_id))


def _entries(db: Session, sitting_id: int) -> list[tuple[Candidate, Entry]]:
    rows = db.execute(
        select(Candidate, Entry)
        .join(Entry, Entry.candidate_id == Candidate.id)
        .where(Entry.sitting_id == sitting_id)
        .order_by(Entry.id)
    )
    return [(candidate, entry) for candidate, entry in rows]


def _ticket(number: int) -> str:
    return f"26990100{number:08d}{(number * 7919 + 104_729) % 1_000_000:06d}"


def _plan_document(minutes: int, early_leave_min: int, outage_limit_s: int) -> dict[str, Any]:
    return {
        "format": "exam-plan/1",
        "code": "GROUND",
        "title": "压力测试",
        "organisation": "压力测试",
        "certificates": [
            {
                "code": "ground",
                "name": _CERTIFICATE,
                "level": _LEVEL,
                "word": "考核",
                "pass_rule": {"kind": "each", "minimum": "60"},
                "policy": {"rules": ["保持安静"], "misconduct_rules": ["无"], "outage_limit_s": outage_limit_s},
                "subjects": [
                    {
                        "code": "theory",
                        "name": "理论",
                        "kind": "theory",
                        "duration_min": minutes,
                        "early_leave_min": early_leave_min,
                    }
                ],
            }
        ],
    }


def _paper_document(items: int, file_items: int) -> dict[str, Any]:
    return {
        "format": "exam-paper/1",
        "code": "GROUND",
        "title": "压力测试试卷",
        "certificate": _CERTIFICATE,
        "level": _LEVEL,
        "subject": "theory",
        "full_points": f"{items + file_items}.00",
        "sections": [
            {
                "id": "s1",
                "title": "一、单选题",
                "instructions": "",
                "items": [
                    *(_item(number) for number in range(1, items + 1)),
                    *(_file_item(number) for number in range(1, file_items + 1)),
                ],
            }
        ],
        "assets": {},
    }


def _item(number: int) -> dict[str, Any]:
    """Write an item as long as real ones are, each with words of its own, so that packing gains no more than there."""
    words = "展现量点击率转化率访客数客单价收藏加购关键词质量分出价人群定向创意落地页退款投产比搜索推荐流量来源"
    text = "".join(words[(number * 31 + step * step * 7) % len(words)] for step in range(60))
    options = [
        {"id": sign, "html": "".join(words[(number * 17 + step * 13 + place) % len(words)] for place in range(16))}
        for step, sign in enumerate("ABCD")
    ]
    return {
        "id": f"q{number}",
        "kind": "single",
        "points": "1.00",
        "body": f"<p>第{number}题：{text}？</p>",
        "policy": "exact",
        "interaction": {"options": options, "shuffle": False},
    }


def _file_item(number: int) -> dict[str, Any]:
    wanted = {"id": "plan", "label": "方案", "extensions": [".txt"], "max_bytes": 4 * 2**20, "required": True}
    return {
        "id": f"f{number}",
        "kind": "file",
        "points": "1.00",
        "body": f"<p>上传方案{number}。</p>",
        "policy": "manual",
        "interaction": {"files": [wanted]},
    }


def _keys_document(paper: dict[str, Any]) -> dict[str, Any]:
    keys: dict[str, dict[str, Any]] = {
        "exact": {"policy": "exact", "answer": {"base": {"identifier": "A"}}},
        "manual": {"policy": "manual", "guide": "结构完整"},
    }
    return {
        "format": "exam-keys/1",
        "paper_code": paper["code"],
        "paper_sha256": paper_sha256(paper),
        "keys": {item["id"]: keys[item["policy"]] for item in paper["sections"][0]["items"]},
    }
