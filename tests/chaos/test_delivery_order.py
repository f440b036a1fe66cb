"""Requests that come twice, late, changed or out of order: exactly once, in order, the newest wins, and it is told."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from station.services import answering
from station.store.models import JournalEntry, Revision, SaveConflict, Upload
from tests.web.seated_paper import WORKBOOK
from tests.web.seating import Browser, SeatedRoom, served_room

A, B, C = ({"base": {"identifier": option}} for option in "ABC")
SEQUENCES = range(1, 13)


def text(words: str) -> dict[str, Any]:
    return {"base": {"string": words}}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SeatedRoom]:
    url = request.getfixturevalue("postgresql_database") if request.param == "postgresql" else ""
    with served_room(tmp_path, url=url) as built:
        built.admit()
        built.start()
        yield built


def acknowledged(browser: Browser, sequence: int, item: str, response: object, **more: Any) -> tuple[Any, ...]:
    """Save once; gives what the station says of it, which must be the same whenever it is asked."""
    reply = browser.save((sequence, item, response), **more)
    assert reply.status_code == 200, reply.text
    (one,) = reply.json()["acknowledged"]
    return one["sequence"], one["number"], one["saved_at"], one["is_late"]


def stored(room: SeatedRoom, attempt_id: int) -> dict[str, Any]:
    with room.store.reading() as db:
        assert answering.check_chain(db, attempt_id) is None
        return {item: json.loads(found) for item, found in answering.current_answers(db, attempt_id).items()}


def count(room: SeatedRoom, model: Any, *conditions: Any) -> int:
    with room.store.reading() as db:
        return db.scalar(select(func.count()).select_from(model).where(*conditions)) or 0


def test_saves_that_come_twice_and_in_any_order_stand_there_once_and_the_newest_counts(room: SeatedRoom) -> None:
    pages = [room.answering(seat) for seat in (1, 2, 3)]
    deliveries = [(page, sequence) for page in pages for sequence in SEQUENCES for _ in range(2)]
    random.Random(3).shuffle(deliveries)

    def deliver(delivery: tuple[Browser, int]) -> tuple[int, tuple[Any, ...]]:
        page, sequence = delivery
        again = room.browser()  # each over a connection of its own
        again.cookies.update(page.cookies)
        again.attempt_id, again.place = page.attempt_id, page.place
        with again:
            return page.attempt_id, acknowledged(again, sequence, f"w{sequence % 2 + 1}", text(f"稿 {sequence}"))

    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(deliver, deliveries))
    assert len(replies) == 2 * len(set(replies)), "both deliveries of a save are told the same"
    for page in pages:
        assert count(room, Revision, Revision.attempt_id == page.attempt_id) == len(SEQUENCES)
        newest = {"w1": text("稿 12"), "w2": text("稿 11")}
        assert stored(room, page.attempt_id) == newest, "by the page's own sequence, whatever came last"


def test_a_batch_that_is_sent_again_with_more_in_it_adds_only_what_is_new(room: SeatedRoom) -> None:
    page = room.answering(1)
    first = page.save((1, "w1", text("一")), (2, "w1", text("二"))).json()["acknowledged"]
    reply = page.save((1, "w1", text("一")), (2, "w1", text("二")), (3, "w1", text("三"))).json()
    assert reply["acknowledged"][:2] == first
    assert [one["number"] for one in reply["acknowledged"]] == [1, 2, 3]
    assert reply["conflicts"] == []


def test_an_old_save_that_is_replayed_changes_nothing_even_after_the_end(room: SeatedRoom) -> None:
    page = room.answering(1)
    first = acknowledged(page, 1, "c1", A)
    acknowledged(page, 2, "c1", B)
    assert acknowledged(page, 1, "c1", A) == first
    assert stored(room, page.attempt_id) == {"c1": B}
    room.clock.move(hours=2)
    assert acknowledged(page, 1, "c1", A) == first, "it came in time, and still has"
    assert stored(room, page.attempt_id) == {"c1": B}
    assert count(room, Revision) == 2
    assert count(room, JournalEntry, JournalEntry.event.in_(("save_came_late", "save_conflict"))) == 0


def test_an_old_identity_with_another_answer_is_kept_and_alarmed_and_counts_for_nothing(room: SeatedRoom) -> None:
    page = room.answering(1)
    first = acknowledged(page, 1, "c1", A)
    for _ in range(2):
        reply = page.save((1, "c1", C)).json()
        assert reply["conflicts"] == [1]
        assert reply["acknowledged"][0]["number"] == first[1]
    assert stored(room, page.attempt_id) == {"c1": A}
    with room.store.reading() as db:
        assert set(db.scalars(select(SaveConflict.response))) == {'{"base":{"identifier":"C"}}'}
    assert count(room, JournalEntry, JournalEntry.event == "save_conflict") >= 1


def test_of_two_tabs_the_older_is_told_and_what_it_still_sends_overrides_nothing_newer(room: SeatedRoom) -> None:
    older = room.answering(1)
    acknowledged(older, 1, "c1", A)
    newer_place = older.post("/api/places", attempt_id=older.attempt_id).json()["place"]
    acknowledged(older, 1, "c1", B, place=newer_place)
    reply = older.save((2, "c1", C), (3, "w1", text("只在旧页写的"))).json()
    assert reply["place"] == newer_place > older.place, "the reply names the place that counts now"
    assert stored(room, older.attempt_id) == {"c1": B, "w1": text("只在旧页写的")}
    assert older.me()["attempt"]["place"] == newer_place, "and so does the poll of a page that saves nothing"


def test_of_two_pcs_with_one_log_in_the_first_is_told_and_its_queue_still_comes_in(room: SeatedRoom) -> None:
    first = room.answering(1)
    acknowledged(first, 1, "c1", A)
    second = room.browser(1)  # the same seat's link, opened on another PC
    assert second.log_in(room.tickets[0]).json()["waits_for_release"] is False
    second.attempt_id = first.attempt_id
    second.place = second.post("/api/places", attempt_id=first.attempt_id).json()["place"]
    acknowledged(second, 1, "c1", B)
    me = first.get("/api/me")
    assert (me.status_code, me.json()["error"]["code"]) == (401, "logged_in_elsewhere")
    reply = first.save((2, "c1", C), (3, "w2", text("断线时写的"))).json()
    assert [one["sequence"] for one in reply["acknowledged"]] == [2, 3]
    assert reply["place"] == second.place
    assert stored(room, first.attempt_id) == {"c1": B, "w2": text("断线时写的")}
    assert count(room, JournalEntry, JournalEntry.event == "second_login") == 1


def test_after_a_move_the_dead_pcs_queue_comes_in_late_and_in_its_order(room: SeatedRoom) -> None:
    dead = room.answering(1)
    acknowledged(dead, 1, "w1", text("一"))
    room.move(4)
    spare_pc = room.browser(4)
    spare_pc.log_in(room.tickets[0])
    spare_pc.attempt_id = dead.attempt_id
    spare_pc.place = spare_pc.post("/api/places", attempt_id=dead.attempt_id).json()["place"]
    acknowledged(spare_pc, 1, "w1", text("备用机上写的"))
    for sequence in (4, 2, 3):
        acknowledged(dead, sequence, "w2", text(f"旧机 {sequence}"))
    assert stored(room, dead.attempt_id) == {"w1": text("备用机上写的"), "w2": text("旧机 4")}


def test_the_same_file_over_several_connections_at_once_lies_there_once(room: SeatedRoom) -> None:
    page = room.answering(1)

    def upload(_: int) -> tuple[int, str]:
        again = room.browser()
        again.cookies.update(page.cookies)
        again.attempt_id = page.attempt_id
        with again:
            reply = again.upload(WORKBOOK)
            return reply.status_code, reply.json()["file"]["sha256"]

    with ThreadPoolExecutor(8) as pool:
        replies = set(pool.map(upload, range(16)))
    assert len(replies) == 1
    assert replies.pop()[0] == 200
    assert count(room, Upload) == 1
    assert len(files(room)) == 1


def test_an_upload_that_breaks_off_leaves_nothing_and_can_be_repeated(room: SeatedRoom) -> None:
    page = room.answering(1)
    content = WORKBOOK * 300
    head = (
        f"POST /api/files?attempt_id={page.attempt_id}&item_id=f1&part=plan&name=a.xlsx HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nCookie: station_candidate={page.cookies['station_candidate']}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode()
    for sent in (0, 1, len(content) // 2, len(content) - 1):
        with socket.create_connection(("127.0.0.1", room.port), timeout=10) as broken:
            broken.sendall(head + content[:sent])
            time.sleep(0.05)
    assert files(room) == []
    assert count(room, Upload) == 0
    assert page.upload(content, name="a.xlsx").status_code == 200
    assert len(files(room)) == 1


def test_requests_sent_before_the_reply_of_the_one_before_are_answered_in_order(room: SeatedRoom) -> None:
    """A page does not pipeline, but a repeating middlebox does."""
    page = room.answering(1)
    saves = [{"sequence": one, "item_id": "w1", "response": text(f"稿 {one}")} for one in (1, 2, 3)]
    bodies = [json.dumps({"attempt_id": page.attempt_id, "place": page.place, "saves": [save]}) for save in saves]
    cookie = f"station_candidate={page.cookies['station_candidate']}"
    requests = "".join(
        f"POST /api/saves HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
        for body in bodies
    )
    received = b""
    with socket.create_connection(("127.0.0.1", room.port), timeout=10) as line:
        line.sendall(requests.encode())
        while received.count(b'"place":') < 3:
            content = line.recv(1 << 16)
            assert content, received
            received += content
    order = [received.index(f'"sequence":{one},"number":{one},'.encode()) for one in (1, 2, 3)]
    assert order == sorted(order)
    assert stored(room, page.attempt_id) == {"w1": text("稿 3")}


def files(room: SeatedRoom) -> list[str]:
    return sorted(path.name for path in room.edge.uploads.rglob("*") if path.is_file())
