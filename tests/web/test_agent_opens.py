"""A real agent, a real station and a candidate: a program asked for on the page opens, and ends after the test."""

from __future__ import annotations

import os

import psutil
import pytest
from sqlalchemy import select

from client_agent.work_folder.folder import WorkFolder
from station.services import answering
from station.store.models import Attempt
from tests import building
from tests.agent.desk import until
from tests.agent_pc import Browser
from tests.building import build_room
from tests.console.serving import served_candidate_app
from tests.web.test_agent_and_station import Pc, open_pairing

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="the program is a shell script")]


@pytest.fixture
def room(tmp_path, monkeypatch):
    item = next(one for one in building.ITEMS if one["kind"] == "file")
    monkeypatch.setitem(item, "programs", ["Poster"])
    built = build_room(tmp_path / "station")
    yield built
    built.close()


@pytest.fixture
def pc(tmp_path):
    one = Pc(tmp_path / "pc")
    program = one.folder / "poster"
    program.write_text(f'#!/bin/sh\necho "$1" > {one.folder}/shown\nexec sleep 300\n')
    program.chmod(0o755)
    one.programs["poster"] = program
    yield one
    one.end()


def test_what_is_pressed_on_the_page_opens_at_this_pc_and_ends_once_the_last_state_is_taken(room, pc):
    item = next(one for one in building.ITEMS if one["kind"] == "file")
    open_pairing(room)
    with served_candidate_app(room) as address:
        drive = pc.folder / "drive"
        drive.mkdir()
        agent = pc.agent(
            address,
            work=lambda link, boot: WorkFolder(link, pc.store.folder, drives=lambda: [drive], boot_id=boot),
        )
        until(lambda: agent.heartbeat.is_registered)
        agent.heartbeat.register("3", "")
        until(lambda: len(pc.candidate_pages()) == 1)
        room.start()
        until(lambda: pc.is_locked and len(pc.candidate_pages()) == 2)
        with Browser(address, "none") as browser:
            assert browser.get(pc.candidate_pages()[-1]).status_code == 200
            browser.sit_down(room, room.tickets[2])
            with room.store.reading() as db:
                attempt_id = db.scalars(select(Attempt.id)).one()
            until(lambda: agent.work.path is not None, within_s=60, what="the work folder is there")
            root = agent.work.path

            def shown():
                return browser.get(f"/api/work_files/{attempt_id}").json()

            until(lambda: shown()["facts"]["agent"]["folder"] == str(root), what="the page names the folder")
            folder = shown()["programs"][0]["folder"]
            (root / folder / "海报.psd").write_bytes(b"8BPS")
            until(lambda: agent.orders.lock["programs_allowed"] == ["poster"])
            wish = {"item_id": item["id"], "program": "Poster", "file": f"{folder}/海报.psd"}
            asked = browser.act(f"/api/work_programs/{attempt_id}", **wish).json()
            until(lambda: (pc.folder / "shown").exists() and (pc.folder / "shown").read_text().endswith("\n"))
            assert (pc.folder / "shown").read_text().strip() == str(root / folder / "海报.psd")
            told = f"/api/work_programs/{attempt_id}/{asked['command_id']}"
            until(lambda: browser.get(told).json()["state"] == "opened")
            (process,) = agent.programs._opened.started
            with room.changing() as db:
                attempt = db.get_one(Attempt, attempt_id)
                answering.collect_attempts(
                    db, [attempt], at=room.clock.now(), by=room.staff["invigilator"], reason="到时"
                )
            until(lambda: not psutil.pid_exists(process.pid) or not process.is_running(), within_s=60)
            assert agent.work.has_last_state(attempt_id)
        pc.end()
