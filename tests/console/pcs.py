"""Candidate PCs over real HTTP, as browsers: they keep cookies, may die, and may come back."""

from __future__ import annotations

from typing import Any

import requests

from tests.building import BuiltRoom

ANSWER = {"base": {"identifier": "A"}}


class Pc(requests.Session):
    """One PC at a seat; what it has is its cookies."""

    def __init__(self, room: BuiltRoom, address: str, seat: str | None) -> None:
        super().__init__()
        self.room = room
        self.address = address
        self.attempt_id = 0
        self.place = 0
        self.sequence = 0
        if seat is not None:
            assert self.get(room.seat_path(seat)).status_code == 200

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> requests.Response:
        named.setdefault("timeout", 30)
        return super().request(method, self.address + url, *arguments, **named)

    def act(self, path: str, **body: Any) -> requests.Response:
        return self.request("POST", path, json=body)

    def log_in(self, ticket: str) -> dict[str, Any]:
        answer = self.act("/api/login", ticket_number=ticket, password=ticket[-6:])
        assert answer.status_code == 200, answer.text
        return answer.json()

    def me(self) -> dict[str, Any]:
        answer = self.get("/api/me")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sit_down(self, ticket: str) -> None:
        """Log in, confirm, enter, open the paper; the sitting must run."""
        self.log_in(ticket)
        entry_id = self.room.entry_id(ticket)
        self.act("/api/confirm", entry_id=entry_id, right=True)
        assert self.act("/api/enter", entry_id=entry_id).status_code == 200
        self.open_paper()

    def open_paper(self) -> dict[str, Any]:
        """Load the paper page: ask for the state, then for a place, as the page does."""
        state = self.me()
        assert state["view"] == "paper", state
        self.attempt_id = state["attempt"]["id"]
        answer = self.act("/api/places", attempt_id=self.attempt_id)
        assert answer.status_code == 200, answer.text
        self.place, self.sequence = answer.json()["place"], 0
        return answer.json()

    def save(self, item_id: str = "q1", response: object = None, *, place: int | None = None) -> None:
        self.sequence += 1
        save = {"sequence": self.sequence, "item_id": item_id, "response": response or ANSWER}
        answer = self.act("/api/saves", attempt_id=self.attempt_id, place=place or self.place, saves=[save])
        assert answer.status_code == 200, answer.text
