"""Paper, saves, revisions, files and hand-in, over real HTTP."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from station.services import answering, invigilation, room_record
from station.store.models import Attempt, Entry, JournalEntry, Revision, SaveConflict
from tests.web.seated_paper import PIXEL, WORKBOOK, A, B, text
from tests.web.seating import Browser, SeatedRoom, refusal


def test_a_save_is_acknowledged_and_there_after_a_reload(candidate: Browser) -> None:
    reply = candidate.save((1, "c1", A), (2, "w1", text("四月")), view={"item": "w1"}).json()
    assert [one["sequence"] for one in reply["acknowledged"]] == [1, 2]
    assert not any(one["is_late"] for one in reply["acknowledged"])
    assert reply["place"] == candidate.place
    reloaded = candidate.post("/api/places", attempt_id=candidate.attempt_id).json()
    assert reloaded["answers"] == {"c1": A, "w1": text("四月")}
    assert reloaded["view"] == {"item": "w1"}
    assert reloaded["highest"] == {str(candidate.place): 2}
    assert candidate.me()["attempt"]["answered_count"] == 2


def test_a_page_that_opens_is_told_under_which_name_each_answer_was_saved(candidate: Browser, room: SeatedRoom) -> None:
    """So that the PC can keep an answer that only the station has (design §13.4)."""
    candidate.save((1, "c1", A), (2, "c1", B), (3, "w1", text("四月")))
    last = candidate.save((4, "w1", text("五月"))).json()["acknowledged"][0]["saved_at"]
    saved_as = candidate.post("/api/places", attempt_id=candidate.attempt_id).json()["saved_as"]
    assert {item: (one["place"], one["sequence"]) for item, one in saved_as.items()} == {
        "c1": (candidate.place, 2),
        "w1": (candidate.place, 4),
    }
    assert saved_as["w1"]["saved_at"] == last


def test_saves_that_a_page_made_for_another_entry_are_refused_though_the_numbers_fit(
    candidate: Browser, room: SeatedRoom
) -> None:
    """As with what lies on a PC from a station of before, whose numbers a new one gives out again."""
    own = candidate.me()["entry"]["key"]
    assert candidate.save((1, "c1", A), owner=own).status_code == 200
    assert refusal(candidate.save((2, "c1", B), owner="0" * 20)) == (404, "attempt_unknown")
    assert refusal(candidate.save((2, "c1", B), owner=7)) == (400, "field_wrong")
    with room.store.reading() as db:
        assert db.scalar(select(func.count()).select_from(Revision)) == 1


def test_a_retry_gets_the_same_acknowledgement_and_adds_nothing(candidate: Browser, room: SeatedRoom) -> None:
    first = candidate.save((1, "c1", A)).json()["acknowledged"]
    room.clock.move(seconds=5)
    assert candidate.save((1, "c1", A)).json()["acknowledged"] == first
    with room.store.reading() as db:
        assert db.scalar(select(func.count()).select_from(Revision)) == 1


def test_the_same_identity_with_another_body_is_kept_and_told(candidate: Browser, room: SeatedRoom) -> None:
    candidate.save((1, "c1", A))
    assert candidate.save((1, "c1", B)).json()["conflicts"] == [1]
    with room.store.reading() as db:
        assert db.scalars(select(SaveConflict.response)).one() == '{"base":{"identifier":"B"}}'
        assert "save_conflict" in set(db.scalars(select(JournalEntry.event)))
        assert json.loads(answering.current_answers(db, candidate.attempt_id)["c1"]) == A


def test_a_save_after_the_deadline_is_kept_and_flagged_late(candidate: Browser, room: SeatedRoom) -> None:
    candidate.save((1, "c1", A))
    room.clock.move(minutes=61)
    with room.store.transaction() as db:
        assert answering.collect_due(db, at=room.clock.now()) == 1
    reply = candidate.save((2, "c1", B)).json()
    assert (reply["acknowledged"][0]["is_late"], reply["state"]) == (True, "collected")
    with room.store.reading() as db:
        assert json.loads(answering.current_answers(db, candidate.attempt_id)["c1"]) == A


def test_another_candidates_attempt_is_as_unknown_as_none(running: SeatedRoom) -> None:
    owner, other = running.answering(1), running.answering(2)
    owner.save((1, "c1", A))
    other.attempt_id, own_place = owner.attempt_id, other.place
    assert refusal(other.save((1, "c1", B))) == (404, "attempt_unknown")
    assert refusal(other.save((1, "c1", B), place=owner.place)) == (404, "attempt_unknown")
    for path in (
        f"/api/papers/{owner.attempt_id}",
        f"/api/assets/{owner.attempt_id}/chart.png",
        f"/api/revisions/{owner.attempt_id}/c1",
        f"/api/files/{owner.attempt_id}/{'0' * 64}",
    ):
        assert refusal(other.get(path)) == (404, "attempt_unknown"), path
    for path in ("/api/places", "/api/hand_in"):
        assert refusal(other.post(path, attempt_id=owner.attempt_id)) == (404, "attempt_unknown"), path
    assert refusal(other.upload(WORKBOOK)) == (404, "attempt_unknown")
    assert own_place != owner.place


def test_a_place_that_was_never_issued_is_refused(candidate: Browser) -> None:
    assert refusal(candidate.save((1, "c1", A), place=9999)) == (404, "place_unknown")


@pytest.mark.parametrize(
    ("item", "response", "code"),
    [
        ("c1", {"base": {"identifier": "Z"}}, "response_option_unknown"),
        ("c1", {"list": {"identifier": ["A"]}}, "response_malformed"),
        ("c1", "A", "response_malformed"),
        ("b1", {"record": [{"name": "nowhere", "base": {"string": "x"}}]}, "response_part_unknown"),
        ("w1", text("长" * 201), "response_too_long"),
        ("x9", A, "item_unknown"),
        (
            "f1",
            {"record": [{"name": "plan", "base": {"file": {"name": "a.xlsx", "sha256": "0" * 64, "size": 1}}}]},
            "response_file_unproven",
        ),
    ],
)
def test_what_an_item_cannot_hold_is_refused_by_name_and_the_rest_is_saved(
    candidate: Browser, item: str, response: object, code: str
) -> None:
    reply = candidate.save((1, item, response), (2, "c3", {"base": {"boolean": True}})).json()
    assert [(one["sequence"], one["code"]) for one in reply["refused"]] == [(1, code)]
    assert [one["sequence"] for one in reply["acknowledged"]] == [2]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"attempt_id":1,"place":1,"saves":{}}',
        b'{"attempt_id":1,"place":1,"saves":[1]}',
        b'{"attempt_id":1,"place":1,"saves":[{"sequence":"1","item_id":"c1","response":null}]}',
        b'{"attempt_id":1,"place":1,"saves":[{"sequence":-1,"item_id":"c1","response":null}]}',
        b'{"attempt_id":1,"place":1,"saves":[],"view":7}',
        b'{"attempt_id":1,"place":1,"saves":[],"view":{"x":NaN}}',
        b'{"attempt_id":1,"place":1,"saves":[],"view":{"x":"\\ud800"}}',
        b'{"attempt_id":1,"place":1,"saves":[],"view":{"x":"' + b"x" * 20_000 + b'"}}',
        b'{"attempt_id":1,"place":1,"saves":[],"view":{"x":' + b"[" * 960 + b"]" * 960 + b"}}",
        b"[" * 5000,
    ],
)
def test_malformed_saves_are_refused_by_name(candidate: Browser, body: bytes) -> None:
    reply = candidate.request("POST", "/api/saves", data=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] in {"bad_json", "field_wrong"}


def test_an_item_id_that_is_no_text_is_refused_and_the_rest_is_saved(candidate: Browser) -> None:
    reply = candidate.save((1, "c1", A), (2, "\ud800", A))
    assert reply.status_code == 200
    assert [one["sequence"] for one in reply.json()["acknowledged"]] == [1]
    assert [one["code"] for one in reply.json()["refused"]] == ["item_unknown"]


def test_more_than_500_saves_or_2_mb_in_one_request_are_refused(candidate: Browser) -> None:
    saves = [(number, "c1", A) for number in range(501)]
    assert refusal(candidate.save(*saves)) == (400, "field_wrong")
    reply = candidate.save(*[(number, "w2", text("长" * 2000)) for number in range(400)])
    assert refusal(reply) == (413, "request_too_large")


def test_packed_saves_are_read_and_a_bomb_is_refused(candidate: Browser) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body: dict[str, Any] = {"attempt_id": candidate.attempt_id, "place": candidate.place}
    body["saves"] = [{"sequence": 1, "item_id": "w2", "response": text("好" * 1999)}]
    packed = gzip.compress(json.dumps(body).encode())
    reply = candidate.request("POST", "/api/saves", data=packed, headers=headers)
    assert reply.json()["acknowledged"][0]["sequence"] == 1
    bomb = gzip.compress(b" " * 50_000_000)
    assert refusal(candidate.request("POST", "/api/saves", data=bomb, headers=headers)) == (400, "request_too_large")
    for broken in (b"not gzip", packed[:-20]):
        assert refusal(candidate.request("POST", "/api/saves", data=broken, headers=headers)) == (400, "bad_json")


def test_r_day_7_a_moved_candidates_old_pc_may_still_send_what_it_had(running: SeatedRoom) -> None:
    old = running.answering(1)
    old.save((1, "c1", A))
    running.move(4)
    assert refusal(old.get("/api/me")) == (401, "moved_to_seat")
    new = running.browser(4)
    assert new.log_in(running.tickets[0]).json()["waits_for_release"] is False
    assert new.me()["view"] == "paper"
    place = new.post("/api/places", attempt_id=old.attempt_id).json()
    assert place["answers"] == {"c1": A}
    reply = old.save((2, "c2", {"list": {"identifier": ["A", "C"]}})).json()
    assert reply["acknowledged"][0]["is_late"] is False
    assert reply["place"] == place["place"], "the old page learns that it is superseded"
    new.attempt_id, new.place = old.attempt_id, place["place"]
    new.save((1, "c1", B))
    old.save((3, "c1", A))
    with running.store.reading() as db:
        assert json.loads(answering.current_answers(db, old.attempt_id)["c1"]) == B


def test_a_log_in_that_was_logged_out_saves_no_more(candidate: Browser) -> None:
    candidate.save((1, "c1", A))
    token = candidate.cookies["station_candidate"]
    candidate.post("/api/logout")
    candidate.cookies.set("station_candidate", token)
    assert refusal(candidate.save((2, "c1", B))) == (401, "not_logged_in")


def test_many_candidates_save_side_by_side(running: SeatedRoom) -> None:
    browsers = [running.answering(seat) for seat in (1, 2, 3)]

    def sit(browser: Browser) -> int:
        for sequence in range(1, 21):
            assert browser.save((sequence, "w1", text(f"第{sequence}稿"))).status_code == 200
        return browser.me()["attempt"]["answered_count"]

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(sit, browsers)) == [1, 1, 1]
    with running.store.reading() as db:
        for browser in browsers:
            assert answering.check_chain(db, browser.attempt_id) is None


def test_earlier_revisions_are_shown_newest_first(candidate: Browser) -> None:
    candidate.save((1, "w1", text("一")), (2, "w1", text("二")))
    revisions = candidate.get(f"/api/revisions/{candidate.attempt_id}/w1").json()
    assert [revision["response"] for revision in revisions] == [text("二"), text("一")]


def test_of_a_text_typed_for_hours_the_newest_versions_and_one_a_minute_are_shown(
    candidate: Browser, room: SeatedRoom
) -> None:
    for number in range(1, 61):
        candidate.save((number, "w2", text(f"稿 {number}")))
        room.clock.move(seconds=5)
    shown = [one["number"] for one in candidate.get(f"/api/revisions/{candidate.attempt_id}/w2").json()]
    assert shown[:40] == list(range(60, 20, -1))
    assert len(shown) == 41
    assert shown[40] in {8, 9, 10}, "the next is a minute older"


def test_the_paper_comes_packed_without_keys_and_with_its_pictures(candidate: Browser) -> None:
    reply = candidate.get(f"/api/papers/{candidate.attempt_id}")
    assert reply.headers["Content-Encoding"] == "gzip"
    assert reply.headers["ETag"]
    assert reply.headers["Cache-Control"] == "no-store"
    assert [section["id"] for section in reply.json()["sections"]] == ["s1", "s2"]
    plain = candidate.get(f"/api/papers/{candidate.attempt_id}", headers={"Accept-Encoding": "identity"})
    assert plain.json() == reply.json()
    assert "Content-Encoding" not in plain.headers
    picture = candidate.get(f"/api/assets/{candidate.attempt_id}/chart.png")
    assert (picture.content, picture.headers["Content-Type"]) == (PIXEL, "image/png")
    material = candidate.get(f"/api/assets/{candidate.attempt_id}/bid.xlsx")
    assert material.content == WORKBOOK
    assert "filename*=UTF-8''%E6%8A%95%E6%A0%87%E7%B4%A0%E6%9D%90.xlsx" in material.headers["Content-Disposition"]
    for name in ("nothing.png", "../station.db", "%2e%2e/station.db"):
        assert candidate.get(f"/api/assets/{candidate.attempt_id}/{name}").status_code == 404


def test_no_answer_key_stands_in_anything_the_browser_receives(candidate: Browser) -> None:
    candidate.save((1, "b1", {"record": [{"name": "h", "base": {"string": "24"}}]}))
    received = [
        candidate.get("/").text,
        candidate.get("/api/me").text,
        candidate.get(f"/api/papers/{candidate.attempt_id}").text,
        candidate.post("/api/places", attempt_id=candidate.attempt_id).text,
        candidate.get(f"/api/revisions/{candidate.attempt_id}/b1").text,
        candidate.save((2, "c1", A)).text,
    ]
    for body in received:
        assert "二十四小时整" not in body
        assert "accepted" not in body


def test_r_day_4_an_early_hand_in_needs_the_last_minutes_and_the_chief_examiner(
    candidate: Browser, room: SeatedRoom
) -> None:
    candidate.save((1, "c1", A))
    assert refusal(candidate.post("/api/hand_in", attempt_id=candidate.attempt_id)) == (409, "too_early_to_leave")
    room.clock.move(minutes=50)
    reply = candidate.post("/api/hand_in", attempt_id=candidate.attempt_id)
    assert refusal(reply) == (409, "early_leave_not_allowed")
    with room.store.transaction() as db:
        entry = db.get_one(Entry, room.entries["theory"][0])
        room_record.allow_early_leave(db, [entry], by=room.staff_id, at=room.clock.now())
    assert candidate.me()["attempt"]["early_leave_allowed"] is True
    receipt = candidate.post("/api/hand_in", attempt_id=candidate.attempt_id).json()
    assert len(receipt["receipt_code"]) == 9
    assert candidate.post("/api/hand_in", attempt_id=candidate.attempt_id).json() == receipt
    state = candidate.me()
    assert (state["view"], state["attempt"]["receipt_code"]) == ("done", receipt["receipt_code"])


def test_after_the_end_paper_places_files_and_revisions_are_closed(candidate: Browser, room: SeatedRoom) -> None:
    room.clock.move(minutes=61)
    with room.store.transaction() as db:
        answering.collect_due(db, at=room.clock.now())
    assert candidate.me()["view"] == "done"
    assert refusal(candidate.get(f"/api/papers/{candidate.attempt_id}")) == (409, "not_answering")
    assert refusal(candidate.get(f"/api/revisions/{candidate.attempt_id}/c1")) == (409, "not_answering")
    assert refusal(candidate.post("/api/places", attempt_id=candidate.attempt_id)) == (409, "not_answering")
    assert refusal(candidate.upload(WORKBOOK)) == (409, "not_answering")


def test_r_day_14_the_practical_begins_after_the_theory_under_the_same_number(
    candidate: Browser, room: SeatedRoom
) -> None:
    room.admit("practical")
    candidate.post("/api/confirm", entry_id=room.entries["practical"][0], right=True)
    room.start("practical")
    reply = candidate.post("/api/enter", entry_id=room.entries["practical"][0])
    assert refusal(reply) == (409, "subject_before_open")
    with room.store.transaction() as db:
        answering.collect_due(db, at=room.clock.now())
    assert candidate.me()["view"] == "done"
    assert [choice["subject"] for choice in candidate.me()["choices"]] == ["实操"]
    assert candidate.log_in(room.tickets[0]).status_code == 200
    state = candidate.me()
    assert (state["view"], state["entry"]["subject"]) == ("waiting", "实操")
    assert candidate.post("/api/enter", entry_id=room.entries["practical"][0]).status_code == 200
    assert candidate.me()["view"] == "paper"


def test_r_day_9_while_suspended_the_remaining_time_stands_still(candidate: Browser, room: SeatedRoom) -> None:
    room.clock.move(minutes=10)
    room.act(invigilation.suspend_sitting, room.sitting(), reason="停电")
    before = candidate.me()["attempt"]["remaining_s"]
    room.clock.move(minutes=5)
    state = candidate.me()
    assert (state["view"], state["attempt"]["state"]) == ("paper", "suspended")
    assert state["attempt"]["remaining_s"] == pytest.approx(before)
    room.act(invigilation.resume_sitting, room.sitting())
    assert candidate.me()["attempt"]["remaining_s"] == pytest.approx(before, abs=2)


@pytest.mark.parametrize(
    "path",
    [
        f"/api/papers/{10**30}",
        f"/api/assets/{10**30}/x",
        f"/api/revisions/{10**30}/c1",
        "/api/revisions/1/%00",
        "/api/revisions/1/%ff%fe",
        f"/api/files/1/{'0' * 63}%00",
        "/api/assets/1/%00",
        f"/seat/{10**30}/x",
        "/static/../candidate.py",
        "/static/%2e%2e/candidate.py",
    ],
)
def test_addresses_that_nobody_types_are_not_found(candidate: Browser, path: str) -> None:
    assert candidate.get(path).status_code == 404


def test_a_seat_code_in_any_script_is_just_wrong(candidate: Browser) -> None:
    assert candidate.get("/seat/1/码").status_code == 403
    assert candidate.log_in("37\x00\ud800", "1").status_code in {400, 401}
    reply = candidate.request("POST", f"/api/files?attempt_id={10**30}&item_id=f1&part=plan&name=a.xlsx", data=b"x")
    assert refusal(reply) == (400, "field_wrong")


def test_a_reload_supersedes_the_page_before(candidate: Browser, room: SeatedRoom) -> None:
    first = candidate.place
    second = candidate.post("/api/places", attempt_id=candidate.attempt_id).json()["place"]
    assert second > first
    assert candidate.save((1, "c1", A)).json()["place"] == second
    assert candidate.me()["attempt"]["place"] == second
    with room.store.reading() as db:
        assert db.get_one(Attempt, candidate.attempt_id).place == second
