"""The answering page of a simulated candidate: a queue of saves that are sent in order until acknowledged."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Protocol

from station.rehearsal.answers import Response, make_file
from station.rehearsal.line import LOST, AnswerRefused, Line

RETRY_S = 0.3


class NoteTaker(Protocol):
    """Keeps what the station has acknowledged."""

    def note(self, kind: str, **details: object) -> None: ...


class AnswerPage:
    """One open paper. `current` holds the last acknowledged response of each item that counts."""

    def __init__(self, line: Line, attempt_id: int, notebook: NoteTaker, ticket_number: str, subject: str) -> None:
        self.line, self.attempt_id = line, attempt_id
        self.current: dict[str, Response] = {}
        self.state, self.deadline_at = "answering", datetime.max.replace(tzinfo=UTC)
        self.offline, self.repeats, self.look_again_at = False, False, 0.0
        self._notebook, self._ticket, self._subject = notebook, ticket_number, subject
        self._place, self._sequence = 0, 0
        self._queue: list[dict[str, Any]] = []

    def open(self) -> dict[str, Response]:
        """Get a place of its own, as every load of the page does; gives the answers that the station holds."""
        opened = self.line.post("/api/places", {"attempt_id": self.attempt_id})
        self._place, self._sequence, self._queue = opened["place"], 0, []
        self.state, self.deadline_at = opened["state"], datetime.fromisoformat(opened["deadline_at"])
        answers: dict[str, Response] = opened["answers"]
        return answers

    def read_state(self, me: dict[str, Any]) -> None:
        """Take over what the station says of the attempt."""
        attempt = me["attempt"]
        if attempt is not None and attempt["id"] == self.attempt_id:
            self.state, self.deadline_at = attempt["state"], datetime.fromisoformat(attempt["deadline_at"])

    def answer(self, item_id: str, response: Response) -> None:
        """Save a response: queue it, and send the queue unless the line is cut."""
        self._sequence += 1
        self._queue.append({"sequence": self._sequence, "item_id": item_id, "response": response})
        if not self.offline:
            self._send()

    def flush(self) -> None:
        """Send until the queue is empty, however long the station is away."""
        while self._queue and not self._send():
            time.sleep(RETRY_S)

    def upload(self, item_id: str, files: list[dict[str, str]]) -> Response:
        """Send the files of a file item; gives the response that names them."""
        record = []
        for wanted in files:
            content = make_file(wanted["name"][wanted["name"].rindex(".") :], wanted["text"])
            query = {
                "attempt_id": self.attempt_id,
                "item_id": item_id,
                "part": wanted["part"],
                "name": wanted["name"],
            }
            file = self.line.send_file("/api/files", content, **query)["file"]
            file.pop("uploaded_at")
            record.append({"name": wanted["part"], "base": {"file": file}})
            self._note("upload", item_id=item_id, sha256=file["sha256"], size=len(content))
        return {"record": record}

    def _send(self) -> bool:
        """Send all that waits in one request; what is acknowledged leaves the queue. False: still to be sent."""
        batch = self._queue[:500]
        body = {
            "attempt_id": self.attempt_id,
            "place": self._place,
            "saves": batch,
            "view": {"item": batch[-1]["item_id"], "font": 1},
        }
        began = time.monotonic()
        try:
            reply = self.line.post("/api/saves", body)
        except LOST:
            return False
        except AnswerRefused as refusal:
            if refusal.status != 503:
                raise
            return False
        taken_ms = (time.monotonic() - began) * 1000
        if self.repeats:
            self._check_repeated(body, reply)
        self._take_in(batch, reply, taken_ms)
        return not self._queue

    def _take_in(self, batch: list[dict[str, Any]], reply: dict[str, Any], taken_ms: float) -> None:
        self.state, self.deadline_at = reply["state"], datetime.fromisoformat(reply["deadline_at"])
        for refused in reply["refused"]:
            self._note("fault", text=f"a save was refused: {refused['code']} {refused['sentence']}")
        sent = {save["sequence"]: save for save in batch}
        for position, one in enumerate(reply["acknowledged"]):
            save = sent[one["sequence"]]
            if not one["is_late"]:
                self.current[save["item_id"]] = save["response"]
            self._note(
                "save",
                place=self._place,
                sequence=one["sequence"],
                item_id=save["item_id"],
                response=save["response"],
                number=one["number"],
                is_late=one["is_late"],
                ms=round(taken_ms, 2) if position == 0 else None,
            )
        done = {one["sequence"] for one in (*reply["acknowledged"], *reply["refused"])}
        self._queue = [save for save in self._queue if save["sequence"] not in done]

    def _check_repeated(self, body: dict[str, Any], first: dict[str, Any]) -> None:
        """Send the same once more, as a page does that has not heard the answer: it must change nothing."""
        again = self.line.post("/api/saves", body)
        if again["acknowledged"] != first["acknowledged"] or again["conflicts"]:
            self._note("fault", text="a repeated save was acknowledged otherwise than the first time")

    def _note(self, kind: str, **details: object) -> None:
        self._notebook.note(kind, ticket=self._ticket, subject=self._subject, attempt_id=self.attempt_id, **details)
