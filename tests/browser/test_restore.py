"""The server dies; a candidate's open page brings the station that was restored in its place everything it lacks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from station.backup.recovery import make_recovery
from station.config import load_config
from station.services import answering, backing_up, journal
from station.store import open_store
from station.store.models import Attempt, Candidate, Entry, StationLife
from sync.keys import load_signing_key
from tests.browser.day import ConsolePc, Pc, prepare_day
from tests.browser.pages import CandidatePc, wait_for_answer, wait_until
from tests.web.seating import SeatedRoom

pytestmark = pytest.mark.browser


def command(*words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "station", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def stored(home: Path, ticket: str) -> tuple[int, dict[str, object]]:
    """The attempt's number and its current answers."""
    config = load_config(home)
    store = open_store(config.store_url, config.folder)
    try:
        with store.reading() as db:
            of_candidate = (
                select(Attempt)
                .join(Entry, Entry.id == Attempt.entry_id)
                .join(Candidate, Candidate.id == Entry.candidate_id)
                .where(Candidate.ticket_number == ticket)
            )
            attempt = db.scalars(of_candidate).one_or_none()
            if attempt is None:
                return 0, {}
            assert answering.check_chain(db, attempt.id) is None
            assert journal.first_broken_entry(db) is None
            found = answering.current_answers(db, attempt.id)
            return attempt.id, {item: json.loads(text) for item, text in found.items()}
    finally:
        store.close()


def mark(pc: Pc, item: int, option: int) -> None:
    pc.page.locator(".item").nth(item).get_by_role("radio").nth(option).check()


def test_two_candidates_lose_nothing_when_another_machine_takes_over(tmp_path: Path, chromium: Browser) -> None:
    """One had the paper open before the backup; the other opened it after, so the backup knows nothing of that."""
    day = prepare_day(tmp_path)
    keys = day.home / "keys"
    code = make_recovery(keys, load_signing_key(keys / "station.pem").public_key())
    first, second = (day.sample.candidates[number].ticket_number for number in (0, 1))
    early, late, console = Pc(chromium), Pc(chromium), ConsolePc(chromium)
    try:
        day.start()
        console.log_in_staff(day, "zhukao")
        console.page.goto(f"{day.staff_url}/board/1")
        console.page.locator('#course-acts [data-act="open_admission"]').click()
        console.confirm_dialog("开放考生登录", "开放登录")
        for pc, ticket, seat in ((early, first, "1"), (late, second, "2")):
            pc.sit_down(day, ticket, seat)
            pc.confirm()
        console.page.locator('#course-acts [data-act="start"]').click()
        console.confirm_dialog("开始考试", "开始考试")
        early.page.wait_for_selector(".doors button")
        early.enter()
        mark(early, 0, 0)
        early.wait_saved()
        command("backup", day.home, tmp_path / "stick")
        late.enter()
        mark(late, 0, 1)
        mark(late, 1, 2)
        late.wait_saved()
        mark(early, 1, 3)
        early.wait_saved()
        # What the browser was writing to its disk as the page goes it may drop: the station names it to the new page.
        early.page.reload()  # a place of which the backup knows nothing
        early.page.wait_for_selector(".item")
        mark(early, 2, 0)
        early.wait_saved()
        wanted = {ticket: stored(day.home, ticket)[1] for ticket in (first, second)}
        assert [len(answers) for answers in wanted.values()] == [3, 2]
        lost_attempt = stored(day.home, second)[0]

        day.kill()
        mark(early, 3, 1)  # written while there is no server at all
        began = time.monotonic()
        restored = tmp_path / "second machine"
        command("restore", tmp_path / "stick", restored, "--code", code)
        day.home.rename(tmp_path / "dead")
        day.home = restored
        day.start()
        print(f"restored and serving after {time.monotonic() - began:.1f} s")

        wait_until(lambda: len(stored(restored, first)[1]) == 4)
        assert wanted[first].items() <= stored(restored, first)[1].items()
        early.wait_saved()

        late.page.wait_for_selector(".doors button")  # the station believes that nobody has opened this paper
        late.enter()
        expect(late.page.locator(".item").nth(1).get_by_role("radio").nth(2)).to_be_checked()
        wait_until(lambda: stored(restored, second)[1] == wanted[second])
        assert stored(restored, second)[0] > lost_attempt + 1_000_000
        late.page.reload()
        late.page.wait_for_selector(".item")
        expect(late.page.locator(".item").nth(0).get_by_role("radio").nth(1)).to_be_checked()
        assert early.errors == late.errors == []
    finally:
        day.stop()


def test_the_pc_keeps_a_collected_attempt_until_a_backup_has_it_too(room: SeatedRoom, pc: CandidatePc) -> None:
    room.hang_up()
    room.edge = replace(room.edge, has_backups=True)
    room.listen()
    pc.item("c1").get_by_text("选项B").click()
    wait_for_answer(room, "c1", {"base": {"identifier": "B"}})
    room.clock.move(minutes=61)
    with room.store.transaction() as db:
        assert answering.collect_due(db, at=room.clock.now()) == 1
    expect(pc.page.locator("main")).to_contain_text("已收卷")
    pc.page.wait_for_timeout(5000)
    assert rows_on(pc) > 0, "the server's disk is still the only other place"
    at = room.clock.now()
    with room.store.transaction() as db:
        db.add(StationLife(id=1, alive_at=at, started_at=at))
        db.flush()
        backing_up.note_made(
            db,
            number=1,
            folder="E:/",
            began_at=at + timedelta(seconds=1),
            flaws=[],
            is_on_same_disk=False,
            by_hand=False,
            at=at,
        )
    wait_until(lambda: rows_on(pc) == 0, page=pc.page)


def rows_on(pc: CandidatePc) -> int:
    """Count what lies in this PC's queue."""
    return int(
        pc.page.evaluate(
            """() => new Promise((resolve) => {
                const opened = indexedDB.open("exam-station-queue");
                opened.onsuccess = () => {
                    const count = opened.result.transaction("saves").objectStore("saves").count();
                    count.onsuccess = () => resolve(count.result);
                };
            })"""
        )
    )
