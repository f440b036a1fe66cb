"""Rehearsals and trials over HTTP: real log-ins, saves and files, a result for the sealing, and nothing left behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from invigilator_console.rehearsal_run import RehearsalRun, task_of
from station.domain.rehearsal import RehearsalState, Server, Way
from station.domain.sitting import SittingKind, SittingState
from station.services import intake, invigilation, rehearsing, trial
from station.store.models import (
    Attempt,
    Candidate,
    CandidateLogin,
    Entry,
    Rehearsal,
    Revision,
    Room,
    Sitting,
    Upload,
)
from station.web.trial_round import TrialRound
from tests.building import PLANNED, BuiltRoom, SetClock, build_room, events, keys_document, paper_document
from tests.console.pcs import Pc
from tests.console.serving import Console, refusal, served_candidate_app, served_staff_app

BEFORE = PLANNED - timedelta(hours=8)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    """A room eight hours before its first sitting."""
    built = build_room(tmp_path, clock=SetClock(BEFORE))
    yield built
    built.close()


@pytest.fixture
def candidates(room: BuiltRoom) -> Iterator[str]:
    with served_candidate_app(room) as url:
        room.edge = dataclasses.replace(room.edge, candidate_port=urlsplit(url).port or 0)
        yield url


@pytest.fixture
def technician(room: BuiltRoom, candidates: str) -> Iterator[Console]:
    with served_staff_app(room) as url, Console(url) as one:
        assert one.log_in("technician").status_code == 200
        yield one


def begin(room: BuiltRoom, *, players: int) -> rehearsing.Begun:
    with room.changing() as db:
        here = db.get_one(Room, room.room_id)
        by = room.staff["technician"]
        return rehearsing.begin(db, here, way=Way.SERVER, minutes=1, players=players, by=by, at=room.clock.now())


def count(room: BuiltRoom, model: type) -> int:
    with room.store.reading() as db:
        return db.scalar(select(func.count()).select_from(model)) or 0


def trial_point(one: Console, room: BuiltRoom) -> dict[str, str]:
    points = one.get(f"/api/rooms/{room.room_id}/seal").json()["points"]
    found: dict[str, str] = next(point for point in points if point["code"] == "trial_test")
    return found


def play(room: BuiltRoom, *, players: int = 3, seconds: float = 2.0) -> Rehearsal:
    begun = begin(room, players=players)
    task = task_of(room.edge, begun.tickets, minutes=1) | {"seconds": seconds}
    RehearsalRun(room.edge, begun, task=task).run()
    with room.store.reading() as db:
        return db.get_one(Rehearsal, begun.rehearsal_id)


def test_r_room_7_a_rehearsal_plays_real_candidates_and_its_result_stands_in_the_sealing(room, technician):
    assert trial_point(technician, room)["state"] == "note"
    played = play(room)
    listed = technician.get(f"/api/rooms/{room.room_id}/rehearsals").json()["rehearsals"]
    figures = {one["code"]: one["value"] for one in listed[0]["figures"]}
    assert (listed[0]["id"], listed[0]["reported"], len(listed[0]["seats"])) == (played.id, 3, 3)
    assert (figures["lost"], figures["faults"], figures["unfinished"], figures["disconnects"]) == (0, 0, 0, 0)
    assert figures["saves"] >= 6, "each saves an answer and names a file"
    assert figures["log_in_p95"] > 0
    assert figures["file_mb_s"] > 0
    judged = all(one["holds"] for one in listed[0]["figures"])
    assert played.state == (RehearsalState.PASSED if judged else RehearsalState.FAILED)
    point = trial_point(technician, room)
    assert point["state"] == ("ok" if judged else "open")
    assert "压力演练" in point["text"]
    assert "考场压力演练结果" in technician.get(f"/rehearsals/{played.id}/report").text


def test_a_rehearsal_leaves_nothing_but_its_result_and_the_journal(room, candidates):
    play(room)
    for model in (Attempt, Revision, Upload, CandidateLogin):
        assert count(room, model) == 0
    assert not [path for path in room.edge.uploads.rglob("*") if path.is_file()]
    assert events(room)[-1] in {"rehearsal_passed", "rehearsal_failed"}
    assert "rehearsal_begun" in events(room)
    assert "seat_opened" not in events(room), "the real boards are not told of seats that are nowhere"
    before = count(room, Candidate)
    room.clock.pass_time(minutes=1)
    assert play(room).id == 2
    assert count(room, Candidate) == before, "the same seats have the same tickets"


def test_answers_that_the_store_lacks_are_lost_whatever_the_player_says(room, candidates):
    begun = begin(room, players=1)
    with room.changing() as db:
        told = {"saves": 7, "saves_ms": [3.0], "log_in_ms": 5.0, "paper_ms": 9.0, "file_bytes": 9e6, "file_s": 1.0}
        rehearsing.take_report(db, begun.rehearsal_id, told, device_id=None, seat="1", at=room.clock.now())
        rehearsing.finish(db, begun.rehearsal_id, server=Server(10, 100, 50), at=room.clock.now())
        found = db.get_one(Rehearsal, begun.rehearsal_id)
        assert found.state == RehearsalState.FAILED
        assert '"lost": 7' in found.result
    assert events(room)[-1] == "rehearsal_failed"


def test_a_rehearsal_whose_players_told_nothing_is_broken_off(room, technician):
    begun = begin(room, players=2)
    room.clock.pass_time(minutes=5)
    listed = technician.get(f"/api/rooms/{room.room_id}/rehearsals").json()["rehearsals"]
    assert listed[0]["state"] == "broken"
    TrialRound(room.edge)()
    again = begin(room, players=2)
    with room.store.reading() as db:
        assert db.get_one(Rehearsal, begun.rehearsal_id).state == RehearsalState.BROKEN
    assert technician.act(f"/api/rehearsals/{again.rehearsal_id}/stop").ok
    assert technician.act(f"/api/rehearsals/{again.rehearsal_id}/stop").ok, "twice changes nothing"
    assert "rehearsal_broken" in events(room)
    assert refusal(technician.act("/api/rehearsals/99/stop")) == (404, "rehearsal_unknown")


def test_no_rehearsal_while_a_real_sitting_is_held_or_near(room, technician):
    path = f"/api/rooms/{room.room_id}/rehearsals"
    server = {"way": "server", "minutes": 3, "players": 60}
    room.clock.at = PLANNED - timedelta(minutes=20)
    assert refusal(technician.act(path, **server)) == (409, "room_not_free")
    assert refusal(technician.act(f"/api/rooms/{room.room_id}/trials", minutes=20)) == (409, "room_not_free")
    room.clock.at = PLANNED
    room.start()
    assert refusal(technician.act(path, **server)) == (409, "room_not_free")


def test_what_cannot_be_played_is_refused(room, technician):
    path = f"/api/rooms/{room.room_id}/rehearsals"
    assert refusal(technician.act(path, way="server", minutes=3, players=61)) == (400, "rehearsal_length")
    assert refusal(technician.act(path, way="server", minutes=31, players=5)) == (400, "rehearsal_length")
    assert refusal(technician.act(path, way="agents", minutes=3)) == (409, "no_player")
    assert refusal(technician.act(path, way="ghosts", minutes=3)) == (400, "field_wrong")
    begin(room, players=1)
    assert refusal(technician.act(path, way="server", minutes=3, players=5)) == (409, "practice_under_way")
    assert technician.log_in("invigilator").ok
    assert refusal(technician.act(path, way="server", minutes=3, players=5)) == (403, "not_allowed")


def opened(room: BuiltRoom, one: Console, **changes: int) -> int:
    answer = one.act(f"/api/rooms/{room.room_id}/trials", **({"minutes": 20} | changes))
    assert answer.status_code == 200, answer.text
    sitting_id: int = answer.json()["sitting_id"]
    return sitting_id


def test_r_room_6_a_trial_starts_by_itself_when_everyone_is_in(room, technician, candidates):
    with Pc(room, candidates, "1") as one, Pc(room, candidates, "2") as other:
        assert one.get("/api/trial").json() == {"ticket_number": None}
        sitting_id = opened(room, technician, subject_id=1)
        ticket = one.get("/api/trial").json()["ticket_number"]
        assert ticket == f"SK{room.room_id}-000001"
        one.log_in(ticket.lower())
        other.log_in(other.get("/api/trial").json()["ticket_number"])
        for pc in (one, other):
            TrialRound(room.edge)()
            with room.store.reading() as db:
                assert db.get_one(Sitting, sitting_id).state == SittingState.ADMITTING
            me = pc.me()
            assert me["is_trial"] is True
            pc.act("/api/confirm", entry_id=me["entry"]["id"], right=True)
        TrialRound(room.edge)()
        assert "trial_started" in events(room)
        assert one.act("/api/enter", entry_id=one.me()["entry"]["id"]).ok
        one.open_paper()
        answer = {"sequence": 1, "item_id": "q1", "response": {"base": {"identifier": "A"}}}
        body = {"attempt_id": one.attempt_id, "place": one.place, "saves": [answer], "view": {}}
        assert one.act("/api/saves", **body).ok
        board = technician.board(sitting_id)
        assert (board["sitting"]["kind"], board["alarms"][0]["code"]) == ("trial", "trial")
        query = {"attempt_id": one.attempt_id, "item_id": "f1", "part": "file", "name": "练习.txt"}
        assert one.post("/api/files", params=query, data="练习".encode()).ok
        assert one.act("/api/hand_in", attempt_id=one.attempt_id).ok, "at any time, without anybody's consent"
        assert technician.act(f"/api/trials/{sitting_id}/end").ok
        assert one.get("/api/me").status_code == 401, "the PC is back at the log-in"
    counts = technician.get(f"/api/rooms/{room.room_id}/trials").json()["trials"][0]["counts"]
    assert counts == {"seats": 5, "came": 1, "saved": 1, "missing": 4}
    assert technician.act(f"/api/trials/{sitting_id}/wipe").ok
    assert not [path for path in room.edge.uploads.rglob("*") if path.is_file()], "its files are gone with it"
    assert (trial_point(technician, room)["state"], "1 台有作答保存" in trial_point(technician, room)["text"]) == (
        "open",
        True,
    )


def test_a_trial_is_wiped_in_one_act_and_only_once_it_has_ended(room, technician):
    sitting_id = opened(room, technician)
    assert refusal(technician.act(f"/api/trials/{sitting_id}/wipe")) == (409, "still_under_way")
    assert technician.act(f"/api/trials/{sitting_id}/start").ok
    assert refusal(technician.act(f"/api/trials/{sitting_id}/start")) == (409, "sitting_state_wrong")
    room.clock.pass_time(minutes=21)
    TrialRound(room.edge)()
    assert technician.act(f"/api/trials/{sitting_id}/wipe").ok
    assert events(room)[-4:] == ["trial_opened", "trial_started", "trial_ended", "trial_wiped"]
    for path in (f"/api/trials/{room.theory}/wipe", f"/api/trials/{room.theory}/end"):
        assert refusal(technician.act(path)) == (404, "sitting_unknown"), "a real sitting is none"
    assert count(room, Entry) == 17, "entries are what the journal speaks of"


def test_a_trial_that_nobody_ends_frees_its_pcs_after_some_hours(room, technician):
    sitting_id = opened(room, technician)
    room.clock.pass_time(hours=4, minutes=1)
    TrialRound(room.edge)()
    with room.store.reading() as db:
        assert db.get_one(Sitting, sitting_id).state == SittingState.CLOSED


def test_a_trial_is_refused_by_name_where_it_cannot_be_held(room, technician):
    path = f"/api/rooms/{room.room_id}/trials"
    assert refusal(technician.act(path, minutes=4)) == (400, "trial_length")
    assert refusal(technician.act(path, minutes=20, paper_id=1)) == (404, "not_a_practice_paper")
    with room.changing() as db:
        bare = Room(name="空机房", site_name="测试考点")
        db.add(bare)
        db.flush()
        bare_id = bare.id
    assert refusal(technician.act(f"/api/rooms/{bare_id}/trials", minutes=20)) == (409, "no_seats")
    opened(room, technician)
    assert refusal(technician.act(path, minutes=20)) == (409, "practice_under_way")


def test_trial_and_rehearsal_end_where_the_real_sitting_opens(room, technician):
    sitting_id = opened(room, technician)
    assert technician.get(f"/trials/{sitting_id}/tickets").ok
    assert technician.act(f"/api/trials/{sitting_id}/end").ok
    started = begin(room, players=1)
    room.clock.pass_time(seconds=1)
    assert technician.act(f"/api/rooms/{room.room_id}/trials", minutes=20).ok
    with served_staff_app(room) as url, Console(url) as invigilator:
        assert invigilator.log_in("invigilator").ok
        assert invigilator.act(f"/api/sittings/{room.theory}/open_admission").ok
    with room.store.reading() as db:
        assert db.get_one(Sitting, sitting_id).state == SittingState.CLOSED
        assert db.get_one(Sitting, room.theory).state == SittingState.ADMITTING
        assert db.get_one(Rehearsal, started.rehearsal_id).state == RehearsalState.BROKEN
        held = [one.state for one in db.query(Sitting).where(Sitting.kind != SittingKind.REAL)]
        assert set(held) == {SittingState.CLOSED}


def test_a_practice_paper_of_the_centre_is_given_to_no_real_sitting(room, technician):
    with room.changing() as db:
        paper = paper_document("SK-2026", "theory")
        intake.import_paper(db, paper, keys_document(paper), assets={}, at=room.clock.now())
        assert db.get_one(Sitting, room.theory).paper_id == 1
    listed = technician.get(f"/api/rooms/{room.room_id}/trials").json()["papers"]
    assert [one["title"] for one in listed] == ["测试试卷"]
    opened(room, technician, paper_id=listed[0]["id"])
    with room.store.reading() as db:
        held = trial.list_trials(db, room.room_id)
        assert [title for _, _, title in held] == ["测试试卷"]


def test_a_trial_cannot_be_closed_as_a_real_sitting(room, technician):
    sitting_id = opened(room, technician)
    with room.changing() as db:
        trial.start(db, sitting_id, by=None, at=room.clock.now())
        assert invigilation.sitting_of(db, sitting_id).state == SittingState.RUNNING
    assert refusal(technician.act(f"/api/sittings/{sitting_id}/close")) == (409, "not_a_real_sitting")
