"""A real station as a program of its own, to be killed, started again and cut off, and pages that queue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import select
from urllib3.util import Retry

from station.rehearsal.ground import STAFF_USER, Ground, Seated
from station.rehearsal.premises import HOST, Child
from station.services import answering
from station.store import Store
from station.store.models import Attempt, JournalEntry, Revision, Staff
from tests.console.serving import Console

BATCH = 500  # the most saves that one request may bring


@dataclass
class Station:
    """A ground with its store open for looking; `start` and `kill` its program."""

    ground: Ground
    store: Store
    child: Child | None = None
    port: int = 0
    staff_port: int = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(
        self, *, at: datetime | None = None, scale: float = 1.0, environment: Mapping[str, str] | None = None
    ) -> None:
        """Serve; `at` is where the station's clock begins, None the machine's time."""
        options = [] if at is None else ["--rehearsal-start", at.isoformat(), "--rehearsal-scale", str(scale)]
        self.child = self.ground.serve(options=options, environment=environment)
        self.port, self.staff_port = self.child.ports(2)

    def kill(self) -> None:
        """End the program without a word, as a power cut would."""
        assert self.child is not None
        self.child.process.kill()
        self.child.process.wait(timeout=20)

    def restart_after(self, gap: timedelta) -> None:
        """Kill, and start again by a clock that has gone on by so much since the last sign of life."""
        self.kill()
        self.start(at=self.alive_at() + gap)

    def alive_at(self) -> datetime:
        from station.services import due_work

        with self.store.reading() as db:
            at = due_work.alive_at(db)
        assert at is not None
        return at

    def attempt(self, attempt_id: int) -> Attempt:
        with self.store.reading() as db:
            return db.get_one(Attempt, attempt_id)

    def first_attempt(self) -> Attempt:
        with self.store.reading() as db:
            return db.scalars(select(Attempt).order_by(Attempt.id).limit(1)).one()

    def events(self, *names: str) -> list[str]:
        """The journal's events in order, or those of some names."""
        with self.store.reading() as db:
            found = db.scalars(select(JournalEntry.event).order_by(JournalEntry.number)).all()
        return [one for one in found if not names or one in names]

    def revisions(self, attempt_id: int) -> list[Revision]:
        with self.store.reading() as db:
            rows = select(Revision).where(Revision.attempt_id == attempt_id).order_by(Revision.number)
            return list(db.scalars(rows))

    def check_chains(self) -> None:
        with self.store.reading() as db:
            for attempt_id in db.scalars(select(Attempt.id)):
                assert answering.check_chain(db, attempt_id) is None

    @contextmanager
    def console(self) -> Iterator[Console]:
        """An invigilator at the console."""
        with Console(f"http://{HOST}:{self.staff_port}") as console:
            assert console.log_in(STAFF_USER, self.ground.passwords[STAFF_USER]).status_code == 200
            yield console

    def page(self, number: int) -> QueueingPage:
        return QueueingPage(self, self.ground.candidates[number - 1])


@dataclass
class QueueingPage:
    """What a candidate's page keeps and sends: a queue in order, until each save is acknowledged."""

    station: Station
    seated: Seated
    place: int = 0
    sequence: int = 0
    queue: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: dict[int, dict[str, Any]] = field(default_factory=dict)
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.place = self.place or self.seated.place
        self.session.cookies.set("station_candidate", self.seated.token)
        # As a browser does: once more when the server has closed a connection that lay idle.
        self.session.mount("http://", HTTPAdapter(max_retries=Retry(connect=0, read=1, allowed_methods=None)))

    def answer(self, times: int = 1) -> None:
        """Change answers so often; each change waits in the queue."""
        items = self.station.ground.items
        for _ in range(times):
            self.sequence += 1
            sign = "ABCD"[self.sequence % 4]
            item = items[self.sequence // 3 % len(items)]
            response = {"base": {"identifier": sign}}
            self.queue.append({"sequence": self.sequence, "item_id": item, "response": response})

    def flush(self) -> None:
        """Send all that waits, in order, in batches."""
        while self.queue:
            self.send(self.queue[:BATCH])

    def send(self, saves: Sequence[dict[str, Any]]) -> dict[str, Any]:
        body = {"attempt_id": self.seated.attempt_id, "place": self.place, "saves": list(saves)}
        reply = self.session.post(f"{self.station.url}/api/saves", json=body, timeout=30)
        assert reply.status_code == 200, reply.text
        told: dict[str, Any] = reply.json()
        for one in told["acknowledged"]:
            self.acknowledged[one["sequence"]] = one
        self.queue = [save for save in self.queue if save["sequence"] not in self.acknowledged]
        return told

    def state(self) -> dict[str, Any]:
        reply = self.session.get(f"{self.station.url}/api/me", timeout=30)
        assert reply.status_code == 200, reply.text
        told: dict[str, Any] = reply.json()
        return told

    def check_kept(self) -> None:
        """Whatever was acknowledged is in the chain, once, in the order in which it was answered."""
        kept = [one for one in self.station.revisions(self.seated.attempt_id) if one.place == self.place]
        assert [one.sequence for one in kept] == sorted(self.acknowledged)
        assert all(self.acknowledged[one.sequence]["number"] == one.number for one in kept)

    def last_answers(self) -> dict[str, str]:
        """The last acknowledged response of each item, as this page has sent it."""
        items, last = self.station.ground.items, {}
        for sequence in sorted(self.acknowledged):
            last[items[sequence // 3 % len(items)]] = "ABCD"[sequence % 4]
        return last

    def stored_answers(self) -> dict[str, str]:
        with self.station.store.reading() as db:
            held = answering.current_answers(db, self.seated.attempt_id)
        return {item: json.loads(response)["base"]["identifier"] for item, response in held.items()}


@contextmanager
def station_of(folder: Path, **ground: Any) -> Iterator[Station]:
    """Make a ground whose staff may act at once; take everything down afterwards."""
    made = Ground.make(folder / "ground", **ground)
    store = made.open_store()
    with store.transaction() as db:
        for person in db.scalars(select(Staff)):
            person.must_change_password = False
    try:
        yield Station(made, store)
    finally:
        made.close()
        store.close()
