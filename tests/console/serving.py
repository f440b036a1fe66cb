"""The staff app over real HTTP, and a console as one of the staff uses it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from flask import Flask
from waitress.server import create_server

from invigilator_console.app import create_staff_app
from station.rehearsal.premises import free_port
from station.web.candidate import create_candidate_app
from tests.building import PASSWORD, BuiltRoom


@contextmanager
def served_staff_app(room: BuiltRoom, *, port: int = 0) -> Iterator[str]:
    """Serve the staff app of a room; gives its address. `port` 0: any that is free."""
    with _served(create_staff_app(room.edge), port=port) as address:
        yield address


@contextmanager
def served_candidate_app(room: BuiltRoom, *, port: int = 0) -> Iterator[str]:
    """Serve what the candidate PCs of a room reach; gives its address."""
    with _served(create_candidate_app(room.edge), port=port) as address:
        yield address


@contextmanager
def _served(app: Flask, *, port: int) -> Iterator[str]:
    server = create_server(app, host="127.0.0.1", port=port or free_port(), threads=6, ident="")
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=5)

        def close_all() -> None:
            for channel in list(server.active_channels.values()):
                channel.handle_close()
            server.close()

        # The loop may run this, and close the trigger with all else, before the wake-up is written.

        with suppress(OSError):
            server.trigger.pull_trigger(close_all)
        thread.join(timeout=5)


class Console(requests.Session):
    """A browser at the staff app; after `log_in` it sends the token that our pages send."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> requests.Response:
        named.setdefault("timeout", 30)
        return super().request(method, self.address + url, *arguments, **named)

    def act(self, path: str, **body: Any) -> requests.Response:
        return self.request("POST", path, json=body)

    def log_in(self, role: str, password: str = PASSWORD) -> requests.Response:
        answer = self.act("/api/login", username=role, password=password)
        if answer.ok:
            self.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
        return answer

    def board(self, sitting_id: int, **query: object) -> dict[str, Any]:
        answer = self.get(f"/api/board/{sitting_id}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def seat(self, sitting_id: int, number: str) -> dict[str, Any]:
        return next(one for one in self.board(sitting_id)["seats"] if one["seat"] == number)


def refusal(answer: requests.Response) -> tuple[int, str]:
    """The status and the error's code."""
    return answer.status_code, answer.json()["error"]["code"]


def second(role: str, password: str = PASSWORD) -> dict[str, str]:
    """Somebody else who acts at the same console."""
    return {"username": role, "password": password}
