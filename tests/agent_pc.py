"""A candidate PC with an agent, as the station sees it: what it sends, and the browser it opens."""

from __future__ import annotations

from typing import Any

import requests

from station.services import pairing
from station.store.models import Device
from tests.building import BuiltRoom

NONCE = "0123456789abcdef" * 2
CAPABILITIES = ["beat", "orders", "lock", "work", "check", "picture", "open", "rehearse"]
STATE: dict[str, Any] = {
    "locked": False,
    "profile": "",
    "browser": "running",
    "unlocked_by_code": False,
    "unlock_code": "",
    "problems": [],
}


class AgentPc(requests.Session):
    """One PC; `token` after `register`. `browser` is what its agent opened last."""

    def __init__(self, room: BuiltRoom, address: str, machine_id: str = "machine-0001") -> None:
        super().__init__()
        self.room = room
        self.address = address
        self.machine_id = machine_id
        self.boot_id = "boot-1"
        self.device_id = 0
        self.sequence = 0

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> requests.Response:
        named.setdefault("timeout", 30)
        return super().request(method, self.address + url, *arguments, **named)

    def say(self, path: str, **body: Any) -> requests.Response:
        return self.request("POST", f"/api/agent/{path}", json=body)

    def hello(self, **changes: Any) -> requests.Response:
        known = {"protocol": 1, "nonce": NONCE, "agent_version": "0.1.0", "system": "windows"}
        return self.say("hello", **(known | changes))

    def ask_to_register(self, seat: str = "", **changes: Any) -> requests.Response:
        known: dict[str, Any] = {
            "machine_id": self.machine_id,
            "name": "PC-12",
            "macs": ["00:1b:21:aa:bb:cc"],
            "system": "windows",
            "agent_version": "0.1.0",
            "capabilities": CAPABILITIES,
            "hardware": {"cpu": "i5", "memory_bytes": 8589934592},
            "seat_number": seat,
            "room": "",
        }
        return self.say("register", **(known | changes))

    def register(self, seat: str = "", **changes: Any) -> dict[str, Any]:
        """Register, with the registration opened for it, and keep the token."""
        with self.room.changing() as db:
            pairing.open_pairing(db, self.room.room_id, by=self.room.staff["technician"], at=self.room.clock.now())
        answer = self.ask_to_register(seat, **changes)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        self.keep(document)
        return document

    def keep(self, registered: dict[str, Any]) -> None:
        self.device_id = registered["device_id"]
        self.headers["Authorization"] = f"Bearer {registered['device_token']}"

    def row(self) -> Device:
        """Give what the station keeps of this PC."""
        with self.room.store.reading() as db:
            return db.get_one(Device, self.device_id)

    def ask_beat(self, **changes: Any) -> requests.Response:
        self.sequence += 1
        state = STATE | changes.pop("state", {})
        known = {
            "boot_id": self.boot_id,
            "run_id": "run-1",
            "sequence": self.sequence,
            "orders": "",
            "state": state,
            "work": None,
            "done": [],
        }
        return self.say("beat", **(known | changes))

    def beat(self, **changes: Any) -> dict[str, Any]:
        answer = self.ask_beat(**changes)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def orders(self) -> dict[str, Any]:
        """Fetch the orders as they stand now, without the half second that a station may be behind."""
        self.room.edge.roll.look_again()
        answer = self.get("/api/agent/orders")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def open_browser(self, cookies: requests.cookies.RequestsCookieJar | None = None) -> Browser:
        """Ask for the page and open it in a browser; `cookies` of a profile that is still there."""
        answer = self.say("page", boot_id=self.boot_id)
        assert answer.status_code == 200, answer.text
        browser = Browser(self.address, answer.json()["relogin"])
        if cookies is not None:
            browser.cookies.update(cookies)
        opened = browser.get(answer.json()["url"])
        assert opened.status_code == 200, opened.text
        return browser


class Browser(requests.Session):
    """The browser of a PC; `relogin` as the station said when it was opened."""

    def __init__(self, address: str, relogin: str) -> None:
        super().__init__()
        self.address = address
        self.relogin = relogin

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> requests.Response:
        named.setdefault("timeout", 30)
        full = url if url.startswith("http") else self.address + url
        return super().request(method, full, *arguments, **named)

    def act(self, path: str, **body: Any) -> requests.Response:
        return self.request("POST", path, json=body)

    def log_in(self, ticket: str) -> None:
        answer = self.act("/api/login", ticket_number=ticket, password=ticket[-6:])
        assert answer.status_code == 200, answer.text

    def sit_down(self, room: BuiltRoom, ticket: str) -> None:
        """Log in, confirm, open the paper; the sitting must run."""
        self.log_in(ticket)
        entry_id = room.entry_id(ticket)
        assert self.act("/api/confirm", entry_id=entry_id, right=True).status_code == 200
        assert self.act("/api/enter", entry_id=entry_id).status_code == 200

    def view(self) -> str:
        """Say which page is shown; '' when nobody is logged in."""
        answer = self.get("/api/me")
        return str(answer.json()["view"]) if answer.ok else ""
