"""A PC with an agent at a seat, as far as work folders go: it speaks PROTOCOL.md over real HTTP."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import requests

from tests.building import device_at
from tests.web.seating import SeatedRoom

PIECE = 4 * 2**20


class FolderPc(requests.Session):
    """A registered PC at a seat (1, 2 …); `attempt_id` is whose folder it speaks of."""

    def __init__(self, room: SeatedRoom, seat: int | None, attempt_id: int = 0, *, name: str = "") -> None:
        super().__init__()
        self.room = room
        self.attempt_id = attempt_id
        self.sequence = 0
        self.boot_id = "boot-1"
        self.waiting = (0, 0)  # files and bytes on their way, as the next beat says
        name = name or f"PC-{seat}"
        token = f"token of {name}"
        self.headers["Authorization"] = f"Bearer {token}"
        with room.store.transaction() as db:
            seat_id = room.seat_id(seat) if seat is not None else None
            more = {"name": name, "address": "127.0.0.1", "capabilities": '["work"]'}
            device = device_at(seat_id, token, at=room.clock.now(), machine_id=name, **more)
            db.add(device)
            db.flush()
            self.device_id = device.id

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beat all the time, over a connection of its own."""
        is_over = threading.Event()

        def beat() -> None:
            while not is_over.wait(0.5):
                with suppress(requests.ConnectionError):
                    self.beat()

        thread = threading.Thread(target=beat)
        self.beat()
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def beat(self) -> None:
        """Say that the PC is there, and what waits in the folder."""
        waiting, waiting_bytes = self.waiting
        work = {"attempt_id": self.attempt_id, "waiting": waiting, "waiting_bytes": waiting_bytes, "oldest_s": 1.0}
        state = {"locked": True, "browser": "running", "problems": []}
        body = {"boot_id": self.boot_id, "run_id": "run", "sequence": 1, "state": state, "work": work}
        headers = {"Authorization": str(self.headers["Authorization"])}
        reply = requests.post(f"{self.room.url}/api/agent/beat", json=body, headers=headers, timeout=60)
        assert reply.status_code == 200, reply.text

    def call(self, method: str, path: str = "", **named: Any) -> requests.Response:
        url = f"{self.room.url}/api/agent/folders/{self.attempt_id}{path}"
        return self.request(method, url, timeout=60, **named)

    def folder(self) -> dict[str, Any]:
        reply = self.call("GET")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def tell(self, content: bytes) -> int:
        reply = self.call("POST", f"/contents/{sha256(content)}", json={"size": len(content)})
        assert reply.status_code == 200, reply.text
        return int(reply.json()["have"])

    def piece(self, content: bytes, offset: int, *, length: int = PIECE) -> requests.Response:
        return self.put_bytes(sha256(content), offset, content[offset : offset + length])

    def put_bytes(self, digest: str, offset: int, piece: bytes) -> requests.Response:
        headers = {"Content-Type": "application/octet-stream"}
        return self.call("PUT", f"/contents/{digest}", params={"offset": offset}, data=piece, headers=headers)

    def bring(self, content: bytes, *, length: int = PIECE) -> None:
        """Send a content as the agent does: ask where to go on, then piece after piece."""
        have = self.tell(content)
        while have < len(content):
            reply = self.piece(content, have, length=length)
            assert reply.status_code == 200, reply.text
            have = reply.json()["have"]

    def versions(self, *versions: dict[str, Any], sequence: int | None = None) -> requests.Response:
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        return self.call(
            "POST", "/versions", json={"sequence": sequence, "boot_id": self.boot_id, "versions": versions}
        )

    def save(self, path: str, content: bytes, *, cause: str = "rested", at: datetime | None = None) -> int:
        """Bring one version of a file; gives its number."""
        self.bring(content)
        reply = self.versions(self.version(path, content, cause=cause, at=at))
        assert reply.status_code == 200, reply.text
        return int(reply.json()["accepted"][0]["version"])

    def version(
        self, path: str, content: bytes | None, *, cause: str = "rested", at: datetime | None = None
    ) -> dict[str, Any]:
        return {
            "path": path,
            "sha256": None if content is None else sha256(content),
            "size": 0 if content is None else len(content),
            "modified_at": (at or self.room.clock.now()).isoformat(),
            "cause": cause,
        }

    def settle(self, **files: bytes) -> dict[str, Any]:
        listed = [{"path": path, "sha256": sha256(content)} for path, content in files.items()]
        reply = self.call("POST", "/settled", json={"files": listed})
        assert reply.status_code == 200, reply.text
        return dict(json.loads(reply.text))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
