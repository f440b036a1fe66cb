"""Simulated candidates: each a thread with a line of its own, together a process apart from the station.

    python -m station.rehearsal.candidates SCRIPT LOG

LOG gets one JSON line for everything that the station acknowledged, as the candidates' own record of the day.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TextIO

from station.rehearsal import script as play
from station.rehearsal.expected import items_of
from station.rehearsal.line import LOST, AnswerRefused, Line
from station.rehearsal.pace import RoomClock
from station.rehearsal.page import AnswerPage
from station.rehearsal.script import CastMember, Part, PlannedSitting, Script

# Retried for as long as it takes: the station is away, or it is not yet time.
NOT_YET = frozenset({"no_sitting_now", "not_started", "sitting_paused", "waiting_for_release", "subject_before_open"})
LOGIN_FROM_MIN, LOGIN_UNTIL_MIN = 14, 5
ENDED = frozenset({"handed_in", "collected", "cancelled"})


class Notebook:
    """The candidates' own record: JSON lines, one writer at a time, on the disk line by line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def note(self, kind: str, **details: object) -> None:
        text = json.dumps({"kind": kind, **details}, ensure_ascii=False, separators=(",", ":"))
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()


class SimulatedCandidate(threading.Thread):
    """Sits every subject of the script from log-in to receipt."""

    def __init__(self, member: CastMember, script: Script, notebook: Notebook, clock: RoomClock) -> None:
        super().__init__(name=f"seat-{member.seat}", daemon=True)
        self.member, self.script, self.notebook, self.clock = member, script, notebook, clock
        self.stop = threading.Event()
        self.random = Random(f"pace {member.ticket_number}")
        self.line = Line(script.host, script.port)
        self.seat_path = member.seat_path

    def run(self) -> None:
        try:
            self.line.fetch(self.seat_path)
            for sitting in self.script.sittings:
                if not self._sit(sitting):
                    return
        except Exception as error:  # whatever it is, the day must tell of it
            self.notebook.note("fault", ticket=self.member.ticket_number, text=f"{type(error).__name__}: {error}")

    def pause(self, station_s: float = 60.0, *, least: float = 0.1) -> None:
        """Wait a little, as a person or a page does."""
        self.stop.wait(self.clock.short_s(station_s, least=least))

    def _sit(self, sitting: PlannedSitting) -> bool:
        """Sit one subject; False when told to stop."""
        is_theory = sitting is self.script.sittings[0]
        part = self.member.part if is_theory else Part.STEADY
        if part == Part.WRONG_SEAT:
            self.line.fetch(self.member.spare_path)
        if not self._come(sitting, part):
            return False
        self._log_in()
        entry_id = self._confirm(sitting)
        begins_at = sitting.planned_start_at + timedelta(seconds=self.random.uniform(5, 25))
        if entry_id is None or not self.clock.wait(begins_at, self.stop):
            return False
        attempt_id = self._until_let(lambda: self.line.post("/api/enter", {"entry_id": entry_id}))["attempt_id"]
        # On a fast clock a second of waiting for others' papers would make half the room late.
        self.stop.wait(self.random.uniform(0.3, 1.0))
        page = self._open_page(sitting, attempt_id)
        self._answer(sitting, page, part)
        self._end(sitting, page)
        self.line.post("/api/logout", {})
        return not self.stop.is_set()

    def _come(self, sitting: PlannedSitting, part: Part) -> bool:
        if part == Part.LATE:
            at = sitting.planned_start_at + timedelta(minutes=play.LATE_BY_MIN)
        else:
            at = sitting.planned_start_at - timedelta(
                minutes=self.random.uniform(LOGIN_UNTIL_MIN, LOGIN_FROM_MIN)
            )
        return self.clock.wait(at, self.stop)

    def _log_in(self) -> None:
        ticket = self.member.ticket_number
        self._until_let(lambda: self.line.post("/api/login", {"ticket_number": ticket, "password": ticket[-6:]}))

    def _confirm(self, sitting: PlannedSitting) -> int | None:
        """Wait for the release if one is needed, look at the name shown, and confirm; gives the entry."""
        while not self.stop.is_set():
            me = self._me()
            if me["view"] == "confirm":
                if me["candidate"]["ticket_number"] != self.member.ticket_number:
                    raise AssertionError("another candidate's name was shown")
                self.line.post("/api/confirm", {"entry_id": me["entry"]["id"], "right": True})
            elif me["view"] in {"waiting", "paper"}:
                return int(me["entry"]["id"])
            self.pause()
        return None

    def _open_page(self, sitting: PlannedSitting, attempt_id: int) -> AnswerPage:
        page = AnswerPage(self.line, attempt_id, self.notebook, self.member.ticket_number, sitting.subject)
        page.repeats = self.member.part == Part.REPEATS
        page.open()
        paper = self.line.get(f"/api/papers/{attempt_id}")
        wanted = [item["id"] for item in items_of(self.script.papers[sitting.subject])]
        if [item["id"] for item in items_of(paper)] != wanted:
            raise AssertionError("the paper shown is not the subject's")
        for name in paper["assets"]:
            self.line.fetch(f"/api/assets/{attempt_id}/{name}")
        return page

    def _answer(self, sitting: PlannedSitting, page: AnswerPage, part: Part) -> None:
        """Go through the planned answers, spread over the time there is, and do what the part asks for."""
        steps = self._schedule(sitting, page, part)
        started_at = sitting.planned_start_at
        dies_at = started_at + timedelta(minutes=play.PC_DIES_AFTER_MIN) if part == Part.MOVED else None
        asked = part != Part.RAISES_HAND
        while steps and not self.stop.is_set():
            self._look(page, until=steps[0][0])
            page.offline = part == Part.OFFLINE and self._is_offline(started_at)
            if dies_at is not None and self.clock.now() >= dies_at:
                dies_at = None
                self._change_pc(page)
            if not asked:
                asked = True
                self.line.post("/api/help", {"entry_id": self._me()["entry"]["id"]})
            if steps and self.clock.now() >= steps[0][0] and page.state not in ENDED:
                _, item_id, response = steps.pop(0)
                self._do(page, item_id, response)
            elif page.state in ENDED:
                break
        page.offline = False
        page.flush(self.stop, patience_s=0.3)

    def _look(self, page: AnswerPage, *, until: datetime) -> None:
        """Ask the station how things are every two seconds, as the page does, until a moment comes."""
        while not self.stop.is_set():
            left_s = self.clock.real_s(until)
            if not page.offline and time.monotonic() >= page.look_again_at:
                page.look_again_at = time.monotonic() + 2.0
                page.read_state(self._me())
            if left_s <= 0 and page.state != "suspended":
                return
            self.stop.wait(min(left_s or 0.2, max(0.01, page.look_again_at - time.monotonic())))

    def _do(self, page: AnswerPage, item_id: str, response: dict[str, Any]) -> None:
        if "upload" in response:
            response = page.upload(item_id, response["upload"])
        page.answer(item_id, response)

    def _schedule(
        self, sitting: PlannedSitting, page: AnswerPage, part: Part
    ) -> list[tuple[datetime, str, dict[str, Any]]]:
        """Spread the answers over the time there is: first each item once, then what is changed."""
        answers = self.member.answers[sitting.subject]
        first = [(item_id, planned[0]) for item_id, planned in answers.items() if planned]
        again = [(item_id, response) for item_id, planned in answers.items() for response in planned[1:]]
        end = page.deadline_at - timedelta(minutes=sitting.duration_min * 0.08)
        if self.member.leaves_early:
            end = page.deadline_at - timedelta(minutes=sitting.duration_min * 0.3)
        if part == Part.EXTENDED:
            end += timedelta(minutes=play.EXTENSION_MIN)
        steps = [*first, *again]
        now = self.clock.now()
        span = (end - now) / max(1, len(steps))
        return [
            (now + span * (number + self.random.uniform(0.2, 0.9)), item_id, response)
            for number, (item_id, response) in enumerate(steps)
        ]

    def _is_offline(self, started_at: datetime) -> bool:
        since = self.clock.now() - started_at
        return timedelta(minutes=play.OFFLINE_FROM_MIN) <= since < timedelta(minutes=play.OFFLINE_UNTIL_MIN)

    def _change_pc(self, page: AnswerPage) -> None:
        """Let this PC die and go on at a spare one: what was not acknowledged is lost, what was must be there."""
        self.line.drop()
        self.pause(120, least=0.5)
        self.line = Line(self.script.host, self.script.port)
        self.line.fetch(self.member.spare_path)
        self._log_in()
        page.line = self.line
        while self._me()["view"] != "paper" and not self.stop.is_set():
            self.pause()
        restored = page.open()
        missing = [item_id for item_id, response in page.current.items() if restored.get(item_id) != response]
        self.notebook.note("restored", ticket=self.member.ticket_number, answers=len(restored), missing=missing)

    def _end(self, sitting: PlannedSitting, page: AnswerPage) -> None:
        """Hand in early with consent, or wait until the station collects; keep the receipt code."""
        while not self.stop.is_set():
            me = self._me()
            page.read_state(me)
            if page.state in ENDED:
                attempt = me["attempt"]
                self.notebook.note(
                    "ended",
                    ticket=self.member.ticket_number,
                    subject=sitting.subject,
                    attempt_id=page.attempt_id,
                    how=page.state,
                    receipt_code=attempt["receipt_code"],
                    seat=me["entry"]["seat"],
                )
                return
            may_leave = me["attempt"]["early_leave_allowed"] and self.clock.now() >= datetime.fromisoformat(
                me["attempt"]["early_leave_from"]
            )
            if self.member.leaves_early and may_leave and page.state == "answering":
                self.line.post("/api/hand_in", {"attempt_id": page.attempt_id})
                continue
            is_over = self.clock.now() >= page.deadline_at
            self.pause(20 if is_over else 120)

    def _me(self) -> dict[str, Any]:
        me: dict[str, Any] = self._until_let(lambda: self.line.get("/api/me"))
        return me

    def _until_let(self, ask: Any) -> Any:
        """Ask until the station says yes: it may not be time yet, or the station may be away."""
        while True:
            try:
                return ask()
            except AnswerRefused as refusal:
                if refusal.code not in NOT_YET or self.stop.is_set():
                    raise
                self.pause(30)
            except LOST:
                if self.stop.is_set():
                    raise
                self.pause(30, least=0.3)


def hold(script: Script, notebook: Notebook) -> None:
    """Let all candidates of a script sit their day, and return when the last has finished."""
    line = Line(script.host, script.port)
    clock = RoomClock(datetime.fromisoformat(line.get("/api/clock")["now"]), script.scale)
    line.drop()
    present = [member for member in script.cast if member.part != Part.ABSENT]
    candidates = [SimulatedCandidate(member, script, notebook, clock) for member in present]
    for candidate in candidates:
        candidate.start()
    for candidate in candidates:
        candidate.join()


def main() -> None:
    script_path, log_path = map(Path, sys.argv[1:3])
    with log_path.open("w", encoding="utf-8") as stream:
        hold(Script.load(script_path), Notebook(stream))


if __name__ == "__main__":
    main()
