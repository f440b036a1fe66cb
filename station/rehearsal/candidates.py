"""Simulated candidates: each a thread with a line of its own, together a process apart from the station.

    python -m station.rehearsal.candidates SCRIPT LOG

LOG gets one JSON line for everything that the station acknowledged, as the candidates' own record of the day.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TextIO

from station.rehearsal import script as play
from station.rehearsal.expected import items_of
from station.rehearsal.line import LOST, AnswerRefused, Line
from station.rehearsal.pace import RoomClock
from station.rehearsal.page import RETRY_S, AnswerPage
from station.rehearsal.script import CastMember, Part, PlannedSitting, Script

# Retried for as long as it takes: the station is away, or it is not yet time.
NOT_YET = frozenset({"no_sitting_now", "not_started", "sitting_paused", "waiting_for_release", "subject_before_open"})
LOGIN_FROM_MIN, LOGIN_UNTIL_MIN = 14, 5
LOOK_EVERY_S = 2.0
# A PC that dies before anything was saved on it would show nothing.
FEWEST_BEFORE_DEATH = 3
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
        self.random = Random(f"pace {member.ticket_number}")
        self.line = Line(script.host, script.port)

    def run(self) -> None:
        try:
            self._fetch(self.member.seat_path)
            for sitting in self.script.sittings:
                self._sit(sitting)
        except Exception as error:  # whatever it is, the day must tell of it
            self.notebook.note("fault", ticket=self.member.ticket_number, text=f"{type(error).__name__}: {error}")

    def _sit(self, sitting: PlannedSitting) -> None:
        """Sit one subject; what a part asks for is done in the first one."""
        part = self.member.part if sitting is self.script.sittings[0] else Part.STEADY
        if part == Part.WRONG_SEAT:
            self._fetch(self.member.spare_path)
        self._come(sitting, part)
        self._log_in()
        entry_id = self._confirm()
        self.clock.wait(sitting.planned_start_at + timedelta(seconds=self.random.uniform(5, 25)))
        attempt_id = self._post("/api/enter", entry_id=entry_id)["attempt_id"]
        # On a fast clock a second of waiting for others' papers would make half the room late.
        time.sleep(self.random.uniform(0.3, 1.0))
        page = self._open_page(sitting, attempt_id)
        self._answer(sitting, page, part)
        self._end(sitting, page)
        self._post("/api/logout")

    def _come(self, sitting: PlannedSitting, part: Part) -> None:
        minutes = play.LATE_BY_MIN if part == Part.LATE else -self.random.uniform(LOGIN_UNTIL_MIN, LOGIN_FROM_MIN)
        self.clock.wait(sitting.planned_start_at + timedelta(minutes=minutes))

    def _log_in(self) -> None:
        ticket = self.member.ticket_number
        self._post("/api/login", ticket_number=ticket, password=ticket[-6:])

    def _confirm(self) -> int:
        """Wait for the release if one is needed, look at the name shown, and confirm; gives the entry."""
        while (me := self._me())["view"] not in {"waiting", "paper"}:
            if me["view"] == "confirm":
                if me["candidate"]["ticket_number"] != self.member.ticket_number:
                    raise AssertionError("another candidate's name was shown")
                self._post("/api/confirm", entry_id=me["entry"]["id"], right=True)
            else:
                self._pause(60)
        return int(me["entry"]["id"])

    def _open_page(self, sitting: PlannedSitting, attempt_id: int) -> AnswerPage:
        page = AnswerPage(self.line, attempt_id, self.notebook, self.member.ticket_number, sitting.subject)
        page.repeats = self.member.part == Part.REPEATS
        self._until_let(page.open)
        paper = json.loads(self._fetch(f"/api/papers/{attempt_id}"))
        wanted = [item["id"] for item in items_of(self.script.papers[sitting.subject])]
        if [item["id"] for item in items_of(paper)] != wanted:
            raise AssertionError("the paper shown is not the subject's")
        for name in paper["assets"]:
            self._fetch(f"/api/assets/{attempt_id}/{name}")
        return page

    def _answer(self, sitting: PlannedSitting, page: AnswerPage, part: Part) -> None:
        """Go through the planned answers, spread over the time there is, and do what the part asks for."""
        started_at = sitting.planned_start_at
        dies_at = started_at + timedelta(minutes=play.PC_DIES_AFTER_MIN)
        has_died, has_asked = part != Part.MOVED, part != Part.RAISES_HAND
        for at, item_id, response in self._schedule(sitting, page, part):
            self._look(page, until=at)
            if page.state in ENDED:
                break
            self._cut_line(page, part == Part.OFFLINE and self._is_offline(started_at))
            if not has_died and self.clock.now() >= dies_at and len(page.current) >= FEWEST_BEFORE_DEATH:
                has_died = True
                self._change_pc(page)
            if not has_asked:
                has_asked = True
                self._post("/api/help", entry_id=self._me()["entry"]["id"])
            if "upload" in response:
                response = self._until_let(partial(page.upload, item_id, response["upload"]))
            page.answer(item_id, response)
        page.offline = False
        page.flush()

    def _look(self, page: AnswerPage, *, until: datetime) -> None:
        """Ask the station how things are every two seconds, as the page does, until a moment comes."""
        while True:
            if not page.offline and time.monotonic() >= page.look_again_at:
                page.look_again_at = time.monotonic() + LOOK_EVERY_S
                page.read_state(self._me())
            left_s = self.clock.real_s(until)
            if left_s <= 0 and page.state != "suspended":
                return
            time.sleep(min(left_s or 0.2, LOOK_EVERY_S))

    def _cut_line(self, page: AnswerPage, is_cut: bool) -> None:
        if is_cut and not page.offline:
            self.line.drop()
        page.offline = is_cut

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
        self._pause(120)
        page.line = self.line = Line(self.script.host, self.script.port)
        self._fetch(self.member.spare_path)
        self._log_in()
        while self._me()["view"] != "paper":
            self._pause(60)
        restored: dict[str, Any] = self._until_let(page.open)
        missing = [item_id for item_id, response in page.current.items() if restored.get(item_id) != response]
        self.notebook.note("restored", ticket=self.member.ticket_number, answers=len(restored), missing=missing)

    def _end(self, sitting: PlannedSitting, page: AnswerPage) -> None:
        """Hand in early with consent, or wait until the station collects; keep the receipt code."""
        while True:
            me = self._me()
            page.read_state(me)
            if page.state in ENDED:
                break
            attempt, now = me["attempt"], self.clock.now()
            may_leave = attempt["early_leave_allowed"] and now >= datetime.fromisoformat(attempt["early_leave_from"])
            if self.member.leaves_early and may_leave and page.state == "answering":
                self._post("/api/hand_in", attempt_id=page.attempt_id)
            else:
                self._pause(20 if now >= page.deadline_at else 120)
        self.notebook.note(
            "ended",
            ticket=self.member.ticket_number,
            subject=sitting.subject,
            attempt_id=page.attempt_id,
            how=page.state,
            receipt_code=me["attempt"]["receipt_code"],
            seat=me["entry"]["seat"],
        )

    def _me(self) -> dict[str, Any]:
        me: dict[str, Any] = json.loads(self._fetch("/api/me"))
        return me

    def _fetch(self, path: str) -> bytes:
        found: bytes = self._until_let(partial(self.line.fetch, path))
        return found

    def _post(self, path: str, **body: object) -> Any:
        return self._until_let(partial(self.line.post, path, body))

    def _until_let(self, ask: Callable[[], Any]) -> Any:
        """Ask until the station says yes: it may not be time yet, or the station may be away."""
        while True:
            try:
                return ask()
            except AnswerRefused as refusal:
                if refusal.code not in NOT_YET:
                    raise
            except LOST:
                time.sleep(RETRY_S)
            self._pause(30)

    def _pause(self, station_s: float) -> None:
        """Wait a little, as a person or a page does."""
        time.sleep(self.clock.short_s(station_s, least=0.1))


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
