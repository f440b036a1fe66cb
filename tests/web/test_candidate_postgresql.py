"""The candidate's way through a sitting on PostgreSQL, where writers do not queue in one process."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from station.services import answering
from tests.web.seated_paper import WORKBOOK, A, text
from tests.web.seating import served_room

pytestmark = pytest.mark.postgresql


def test_a_sitting_on_postgresql_from_log_in_to_receipt(tmp_path: Path, postgresql_database: str) -> None:
    with served_room(tmp_path, seats=8, url=postgresql_database) as room:
        room.admit()
        room.start()
        with ThreadPoolExecutor(8) as pool:
            browsers = list(pool.map(room.answering, range(1, 9)))
            replies = list(pool.map(lambda browser: browser.save((1, "c1", A), (2, "w1", text("四月"))), browsers))
        assert [len(reply.json()["acknowledged"]) for reply in replies] == [2] * 8
        first = browsers[0]
        assert first.save((1, "c1", A)).json()["acknowledged"] == replies[0].json()["acknowledged"][:1]
        assert first.upload(WORKBOOK).status_code == 200
        assert first.post("/api/places", attempt_id=first.attempt_id).json()["answers"]["w1"] == text("四月")
        assert first.log_in("37\x00", "1").status_code == 400
        room.clock.move(minutes=61)
        with room.store.transaction() as db:
            assert answering.collect_due(db, at=room.clock.now()) == 8
        state = first.me()
        assert (state["view"], len(state["attempt"]["receipt_code"])) == ("done", 9)
        with room.store.reading() as db:
            assert answering.check_chain(db, first.attempt_id) is None
            assert json.loads(answering.current_answers(db, first.attempt_id)["c1"]) == A
