"""Candidates' pages over HTTP that keep what they saved, and send a restored station what it lacks (design §13.4)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from station.rehearsal.ground import Seated
from station.web.guards import CANDIDATE_COOKIE

Row = dict[str, Any]


@dataclass
class PageOnPc:
    """One page: its rows stay on the PC, acknowledged or not, as in the browser's queue."""

    port: int
    seated: Seated
    items: Sequence[str]
    rows: list[Row] = field(default_factory=list)
    place: int = 0
    number: int = 0
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.place = self.seated.place
        self.session.cookies.set(CANDIDATE_COOKIE, self.seated.token, domain="127.0.0.1")

    @property
    def acknowledged(self) -> list[Row]:
        return [row for row in self.rows if row["acknowledged"]]

    def post(self, path: str, **body: Any) -> requests.Response:
        return self.session.post(f"http://127.0.0.1:{self.port}{path}", json=body, timeout=30)

    def answer(self) -> None:
        """Change one answer and send what is not acknowledged yet; an absent station leaves it in the queue."""
        self.number += 1
        place = self.place  # which `reload` may change at any moment
        sequence = sum(row["place"] == place for row in self.rows) + 1
        item = self.items[self.number % len(self.items)]
        response = {"base": {"identifier": "ABCD"[self.number % 4]}}
        self.rows.append(
            {"place": place, "sequence": sequence, "item_id": item, "response": response, "acknowledged": False}
        )
        self.send()

    def send(self) -> bool:
        waiting = [row for row in self.rows if not row["acknowledged"]]
        while waiting:
            place = waiting[0]["place"]
            rows = [row for row in waiting if row["place"] == place][:100]
            saves = [{name: row[name] for name in ("sequence", "item_id", "response")} for row in rows]
            try:
                reply = self.post("/api/saves", attempt_id=self.seated.attempt_id, place=place, saves=saves, view=None)
            except requests.RequestException:
                return False
            assert reply.status_code == 200, reply.text
            assert len(reply.json()["acknowledged"]) == len(rows), reply.text
            for row in rows:
                row["acknowledged"] = True
            waiting = [row for row in self.rows if not row["acknowledged"]]
        return True

    def reload(self) -> None:
        """Take a new place, as every load of the page does."""
        self.place = self.post("/api/places", attempt_id=self.seated.attempt_id).json()["place"]

    def settle(self) -> None:
        """Ask what the station holds, and send the rest again, as the page's `Saving.settle` does."""
        reply = self.post("/api/places", attempt_id=self.seated.attempt_id)
        assert reply.status_code == 200, reply.text
        held, self.place = {int(place): count for place, count in reply.json()["held"].items()}, reply.json()["place"]
        kept = {place: sum(row["place"] == place for row in self.acknowledged) for place in held}
        sequence = 0
        for row in self.rows:
            if row["place"] not in held:
                sequence += 1
                row |= {"place": self.place, "sequence": sequence, "acknowledged": False}
            elif kept[row["place"]] > held[row["place"]]:
                row["acknowledged"] = False
        assert self.send()


class Room:
    """Everybody answers at once, each in a thread, until stopped."""

    def __init__(self, pages: Sequence[PageOnPc]) -> None:
        self.pages = pages
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._answer, args=(page,)) for page in pages]
        self.failures: list[BaseException] = []

    def __enter__(self) -> Room:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self.failures, self.failures

    def acknowledged(self) -> int:
        return sum(len(page.acknowledged) for page in self.pages)

    def wait_for(self, more: int) -> None:
        """Wait until so many more saves are acknowledged."""
        wanted = self.acknowledged() + more
        while self.acknowledged() < wanted:
            assert not self.failures, self.failures
            self._stop.wait(0.02)

    def _answer(self, page: PageOnPc) -> None:
        try:
            while not self._stop.is_set():
                page.answer()
                self._stop.wait(0.02)
        except BaseException as failure:
            self.failures.append(failure)
