"""Candidates of a rehearsal 压力演练 against a running station, from a process of its own.

    python -m station.rehearsal.players TASK REPORT

TASK and REPORT are JSON files. Each player has a thread and a line of its own and measures what it waits for.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from station.rehearsal.line import LOST, AnswerRefused, Line

SAVE_EVERY_S = 4.0
LOOK_EVERY_S = 2.0
FILE_EVERY_S = 45.0
MOST_FILES = 4
FILE_BYTES = 512 * 1024
# Candidates come within so many seconds, as in a room that is told to log in.
COME_WITHIN_S = 8.0
TRIES = 4
RETRY_S = 0.5
FILE_ITEM, FILE_PART = "f1", "file"
_T = TypeVar("_T")


@dataclass
class Measured:
    """What one player has measured; times in milliseconds."""

    log_in_ms: float | None = None
    paper_ms: float | None = None
    saves_ms: list[float] = field(default_factory=list)
    saves: int = 0
    lost: int = 0
    disconnects: int = 0
    file_bytes: int = 0
    file_s: float = 0.0
    faults: list[str] = field(default_factory=list)


class Player(threading.Thread):
    """One candidate from the seat's link to the hand-in."""

    def __init__(self, task: dict[str, Any], seat: dict[str, str], *, waits_s: float) -> None:
        super().__init__(name=f"player-{seat['seat']}", daemon=True)
        self.seat, self.measured = seat["seat"], Measured()
        self._ticket, self._path, self._waits_s = seat["ticket_number"], seat["seat_path"], waits_s
        self._line = Line(task["host"], task["port"])
        self._seconds = float(task["seconds"])
        self._attempt_id, self._place, self._sequence = 0, 0, 0
        self._answers: dict[str, Any] = {}

    def run(self) -> None:
        try:
            time.sleep(self._waits_s)
            ends_at = time.monotonic() + self._seconds - self._waits_s
            self._log_in()
            self._open_paper()
            self._work(ends_at)
            self._look_back()
            self._again(lambda: self._line.post("/api/hand_in", {"attempt_id": self._attempt_id}))
        except Exception as error:  # whatever it is, the report must tell of it
            self.measured.faults.append(f"{type(error).__name__}: {error}"[:200])
        finally:
            self._line.drop()

    def _log_in(self) -> None:
        self._again(lambda: self._line.fetch(self._path))
        began = time.monotonic()
        body = {"ticket_number": self._ticket, "password": self._ticket[-6:]}
        self._again(lambda: self._line.post("/api/login", body))
        me = self._again(lambda: self._line.get("/api/me"))
        self.measured.log_in_ms = _since(began)
        entry_id = me["entry"]["id"]
        if me["view"] == "confirm":
            self._again(lambda: self._line.post("/api/confirm", {"entry_id": entry_id, "right": True}))
        self._entry_id = entry_id

    def _open_paper(self) -> None:
        began = time.monotonic()
        entered = self._again(lambda: self._line.post("/api/enter", {"entry_id": self._entry_id}))
        self._attempt_id = entered["attempt_id"]
        self._place = self._again(lambda: self._line.post("/api/places", {"attempt_id": self._attempt_id}))["place"]
        paper = self._again(lambda: self._line.get(f"/api/papers/{self._attempt_id}"))
        for name in paper["assets"]:
            self._again(lambda name=name: self._line.fetch(f"/api/assets/{self._attempt_id}/{name}"))  # type: ignore[misc]
        self.measured.paper_ms = _since(began)

    def _work(self, ends_at: float) -> None:
        """Save, look and send files at the pace of a page until the time is up; at least once each."""
        next_save = next_look = next_file = time.monotonic()
        files = 0
        while True:
            now = time.monotonic()
            if now >= next_save:
                next_save += SAVE_EVERY_S
                self._save()
            if now >= next_look:
                next_look += LOOK_EVERY_S
                self._again(lambda: self._line.get("/api/me"))
            if now >= next_file and files < MOST_FILES:
                next_file += FILE_EVERY_S
                files += 1
                self._carry_file(files)
            if time.monotonic() >= ends_at:
                return
            wakes_at = min(next_save, next_look, ends_at)
            time.sleep(max(0.01, min(wakes_at - time.monotonic(), LOOK_EVERY_S)))

    def _save(self) -> None:
        self._sequence += 1
        item, response = _answer(self._sequence)
        self._acknowledged(item, response)

    def _acknowledged(self, item: str, response: Any) -> None:
        body = {
            "attempt_id": self._attempt_id,
            "place": self._place,
            "saves": [{"sequence": self._sequence, "item_id": item, "response": response}],
            "view": {"item": item, "flags": [], "font": 1},
        }
        began = time.monotonic()
        reply = self._again(lambda: self._line.post("/api/saves", body))
        self.measured.saves_ms.append(round(_since(began), 2))
        if [one["sequence"] for one in reply["acknowledged"]] != [self._sequence]:
            self.measured.faults.append(f"a save was not acknowledged: {reply.get('refused')}"[:200])
            return
        self.measured.saves += 1
        self._answers[item] = response

    def _carry_file(self, number: int) -> None:
        """Send a file nobody else has, name it in an answer, and read it back."""
        content = os.urandom(FILE_BYTES // 2).hex().encode()
        query = {"attempt_id": self._attempt_id, "item_id": FILE_ITEM, "part": FILE_PART, "name": f"演练{number}.txt"}
        began = time.monotonic()
        file = self._again(lambda: self._line.send_file("/api/files", content, **query))["file"]
        back = self._again(lambda: self._line.fetch(f"/api/files/{self._attempt_id}/{file['sha256']}"))
        self.measured.file_s += time.monotonic() - began
        self.measured.file_bytes += len(content) + len(back)
        if back != content:
            self.measured.faults.append("a file came back otherwise than it was sent")
        file.pop("uploaded_at", None)
        self._sequence += 1
        self._acknowledged(FILE_ITEM, {"record": [{"name": FILE_PART, "base": {"file": file}}]})

    def _look_back(self) -> None:
        """Open the page anew and count the answers that are not those which were acknowledged."""
        opened = self._again(lambda: self._line.post("/api/places", {"attempt_id": self._attempt_id}))
        held = opened["answers"]
        self.measured.lost = sum(held.get(item) != response for item, response in self._answers.items())

    def _again(self, ask: Callable[[], _T]) -> _T:
        """Ask again after a broken connection or a busy station, some times, as pages do."""
        for _ in range(TRIES - 1):
            try:
                return ask()
            except LOST:
                self.measured.disconnects += 1
            except AnswerRefused as refusal:
                if refusal.status != 503:
                    raise
            time.sleep(RETRY_S)
        return ask()


def play(task: dict[str, Any]) -> dict[str, Measured]:
    """Let all players of a task play; gives what each measured, by seat."""
    seats = task["seats"]
    spread = min(COME_WITHIN_S, float(task["seconds"]) / 4) / max(1, len(seats))
    players = [Player(task, seat, waits_s=number * spread) for number, seat in enumerate(seats)]
    for player in players:
        player.start()
    for player in players:
        player.join()
    return {player.seat: player.measured for player in players}


def main() -> None:
    task_path, report_path = map(Path, sys.argv[1:3])
    measured = play(json.loads(task_path.read_text("utf-8")))
    text = json.dumps({seat: vars(one) for seat, one in measured.items()}, ensure_ascii=False)
    part = report_path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(report_path)


def _answer(sequence: int) -> tuple[str, Any]:
    """Give an answer to some item of the practice paper; neighbours differ, so that no write is idle."""
    item = f"q{1 + sequence % 3}"
    if sequence % 5 == 0:
        return "q7", {"base": {"string": f"演练第 {sequence} 次输入。" * 20}}
    return item, {"base": {"identifier": "ABCD"[sequence // 3 % 4]}}


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000


if __name__ == "__main__":
    main()
