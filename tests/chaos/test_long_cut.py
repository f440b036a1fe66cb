"""Ten minutes without the server: everybody has typed on, and hundreds of saves go out at once, also past the end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from station.domain.attempt import AttemptState
from tests.chaos.stations import QueueingPage, Station, station_of

START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
CUT = timedelta(minutes=10)
CANDIDATES, QUEUED = 45, 200

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def send_all(pages: list[QueueingPage]) -> None:
    with ThreadPoolExecutor(len(pages)) as pool:
        list(pool.map(QueueingPage.flush, pages))


def check_all(station: Station, pages: list[QueueingPage], *, late: int = 0) -> None:
    for page in pages:
        page.check_kept()
        attempt = station.attempt(page.seated.attempt_id)
        assert (attempt.revision_count, attempt.late_count) == (len(page.acknowledged), late)
    station.check_chains()


def test_after_ten_minutes_45_queues_of_200_go_out_in_order_though_the_deadline_lay_between(tmp_path: Path):
    with station_of(tmp_path, candidates=CANDIDATES, minutes=20, outage_limit_s=900, at=START) as station:
        station.start(at=START + timedelta(minutes=18))
        pages = [station.page(number) for number in range(1, CANDIDATES + 1)]
        for page in pages:
            page.answer(3)
        send_all(pages)
        before = station.attempt(pages[0].seated.attempt_id).deadline_at
        station.kill()
        last = station.alive_at()
        for page in pages:
            page.answer(QUEUED)
        station.start(at=last + CUT)
        send_all(pages)
        check_all(station, pages)
        for page in pages:
            assert len(page.acknowledged) == QUEUED + 3
            assert page.stored_answers() == page.last_answers()
        moved = station.attempt(pages[0].seated.attempt_id).deadline_at - before
        assert CUT <= moved < CUT + timedelta(minutes=1), "first the time is given back, then the queue is judged"
        assert station.events("outage_found", "outage_waits", "save_came_late", "save_conflict") == ["outage_found"]


def test_above_the_limit_the_queue_goes_out_while_all_wait_and_the_minutes_come_back_at_the_go_on(tmp_path: Path):
    with station_of(tmp_path, candidates=3, minutes=20, at=START) as station:
        station.start(at=START + timedelta(minutes=18))
        pages = [station.page(number) for number in (1, 2, 3)]
        before = station.attempt(pages[0].seated.attempt_id).deadline_at
        station.kill()
        last = station.alive_at()
        for page in pages:
            page.answer(QUEUED)
        station.start(at=last + CUT)
        assert pages[0].state()["attempt"]["held"]["by"] == "outage"
        send_all(pages)
        check_all(station, pages)
        with station.console() as console:
            assert console.board(station.ground.sitting_id)["halt"]["kind"] == "outage"
            assert console.act(f"/api/sittings/{station.ground.sitting_id}/resume").status_code == 200
        attempt = station.attempt(pages[0].seated.attempt_id)
        assert attempt.state == AttemptState.ANSWERING
        assert CUT <= attempt.deadline_at - before < CUT + timedelta(minutes=1)


def test_a_cut_cable_is_no_outage_of_the_station_what_comes_past_the_end_is_kept_late_and_counts_for_nothing(
    tmp_path: Path,
):
    with station_of(tmp_path, candidates=2, minutes=20, at=START) as station:
        station.start(at=START + timedelta(minutes=12), scale=20)
        cut, other = station.page(1), station.page(2)
        for page in (cut, other):
            page.answer(6)
            page.flush()
        in_time = cut.last_answers()
        cut.answer(QUEUED)
        until = time.monotonic() + 60
        while station.attempt(cut.seated.attempt_id).state != AttemptState.COLLECTED:
            assert time.monotonic() < until
            time.sleep(0.2)
        cut.flush()
        check_all(station, [cut], late=QUEUED)
        check_all(station, [other])
        assert [sequence for sequence, one in cut.acknowledged.items() if one["is_late"]] == list(range(7, QUEUED + 7))
        assert cut.stored_answers() == in_time
        with station.console() as console:
            told = console.seat(station.ground.sitting_id, "1")["problems"]
        assert "late_saves" in [one["code"] for one in told]
