"""A real agent and a real candidate listener: pair, beat, lock, code, commands, and the station's restart."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from client_agent.agent_run import Agent
from client_agent.machine import Identity
from station.services import agent_commands, pairing, unlocking
from station.store.models import Device
from tests.agent.desk import Desk, until
from tests.building import build_room, events
from tests.console.serving import served_candidate_app


@pytest.fixture
def room(tmp_path):
    built = build_room(tmp_path / "station")
    yield built
    built.close()


class Pc(Desk):
    """A desk whose agent types its seat's number when it is asked."""

    def identity(self) -> Identity:
        return Identity("machine-0001", "PC-03", ["00:1b:21:aa:bb:cc"], "Linux", "", "", "cpu", 8 << 30)

    def sit(self, address: str, seat: str) -> Agent:
        agent: Agent = self.agent(address)
        until(lambda: agent.heartbeat.is_registered)
        agent.heartbeat.register(seat, "")
        return agent

    def candidate_pages(self) -> list[str]:
        """List the openings of the candidate's page; with the lock an open one is closed and opened anew."""
        return [page for page in self.pages() if "/agent/open/" in page]


@pytest.fixture
def pc(tmp_path):
    one = Pc(tmp_path / "pc")
    yield one
    one.end()


def open_pairing(room):
    with room.changing() as db:
        pairing.open_pairing(db, room.room_id, by=room.staff["technician"], at=room.clock.now())


def device(room):
    with room.store.reading() as db:
        return db.scalars(select(Device)).one()


def board(room):
    return room.edge.devices.last(device(room).id).beat


def test_a_pc_pairs_locks_with_the_sitting_and_is_free_again_after_it(room, pc):
    with served_candidate_app(room) as address:
        agent = pc.agent(address)
        until(lambda: agent.heartbeat.trouble is not None)
        assert agent.heartbeat.trouble.code == "pairing_closed"
        open_pairing(room)
        until(lambda: agent.heartbeat.is_registered)
        agent.heartbeat.register("3", "")
        until(lambda: agent.heartbeat.orders and agent.heartbeat.seat["number"] == "3")
        assert not pc.is_locked
        room.start()
        until(lambda: pc.is_locked)
        until(lambda: board(room).is_locked)
        until(lambda: agent.screen.is_page_open)
        until(lambda: pc.pages()[-1:] and pc.pages()[-1].startswith(f"{address}/agent/open/"))
        pc.end()
    assert pc.lock_file.read_text() == "free"


def test_the_code_from_the_console_frees_the_pc_while_the_station_is_away_and_staff_lock_it_again(room, pc):
    open_pairing(room)
    with served_candidate_app(room) as address:
        agent = pc.sit(address, "3")
        room.start()
        until(lambda: pc.is_locked)
        port = int(address.rpartition(":")[2])
        with room.changing() as db:
            _, _code, shown = unlocking.show_code(
                db, room.seat_id("3"), reason="服务器故障", secret=room.edge.secret,
                by=room.staff["invigilator"], at=room.clock.now(),
            )  # fmt: skip
    until(lambda: not agent.heartbeat.is_heard)
    assert pc.is_locked
    agent.use_code(shown)
    until(lambda: not pc.is_locked)
    with served_candidate_app(room, port=port):
        until(lambda: "unlocked_by_code" in events(room))
        until(lambda: agent.freed is None)
        assert not pc.is_locked
        with room.changing() as db:
            unlocking.hold_device(db, device(room).id, by=room.staff["invigilator"], at=room.clock.now())
        until(lambda: pc.is_locked)
        pc.end()


def test_a_command_from_the_console_is_done_once_and_told(room, pc):
    open_pairing(room)
    with served_candidate_app(room) as address:
        agent = pc.sit(address, "3")
        until(lambda: agent.screen.is_page_open)
        with room.changing() as db:
            devices = agent_commands.chosen_devices(db, [device(room).id])
            agent_commands.give_command(
                db, devices, "restart_browser", by=room.staff["invigilator"], at=room.clock.now()
            )
        until(lambda: len(pc.candidate_pages()) == 2)
        until(lambda: not room.edge.roll.commands(device(room).id), what="the console knows that it is done")
        assert [done["ok"] for done in pc.store.commands().values()] == [True]
        pc.end()


def test_a_restarted_station_finds_its_pcs_again_without_anybody_doing_anything(room, pc):
    open_pairing(room)
    with served_candidate_app(room) as address:
        agent = pc.sit(address, "3")
        until(lambda: len(pc.candidate_pages()) == 1)
        room.start()
        until(lambda: pc.is_locked and len(pc.candidate_pages()) == 2 and agent.screen.is_page_open)
        port = int(address.rpartition(":")[2])
        pages = pc.pages()
    until(lambda: not agent.heartbeat.is_heard)
    before = agent.heartbeat._sequence
    with served_candidate_app(room, port=port):
        until(lambda: agent.heartbeat.is_heard and agent.heartbeat._sequence > before + 1)
        assert pc.is_locked
        assert pc.pages() == pages, "the candidate's page was left alone all the time"
        pc.end()
