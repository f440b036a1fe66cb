"""Registration under the id of a PC that is known: the PC itself comes back by itself, another one does not."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, update

from client_agent.heartbeat import Heartbeat
from client_agent.machine import Identity
from client_agent.store import Store
from station.services import pairing
from station.store.models import Device, JournalEntry
from tests.agent.desk import until
from tests.agent_pc import AgentPc
from tests.building import build_room, events
from tests.console.serving import Console, refusal, served_staff_app

OTHER_CARD = {"macs": ["00:1b:21:00:00:01"]}


@pytest.fixture
def room(tmp_path):
    built = build_room(tmp_path)
    yield built
    built.close()


@pytest.fixture
def pc(pc):
    """The PC of seat 3."""
    pc.register("3")
    return pc


@pytest.fixture
def twin(room, candidate_address):
    """Another PC that says to be the first."""
    with AgentPc(room, candidate_address) as one:
        yield one


@pytest.fixture
def technician(room):
    with served_staff_app(room) as url, Console(url) as one:
        assert one.log_in("technician").status_code == 200
        yield one


def fall_silent(room, pc):
    room.edge.devices.last(pc.device_id).heard_s -= 4.5


def seen(technician, number="3"):
    (document,) = technician.get("/api/workstations").json()["rooms"]
    return next(seat["device"] for seat in document["seats"] if seat["seat"] == number)


def test_while_a_pc_is_heard_nobody_else_becomes_it_and_the_refusal_says_what_to_do(room, pc, twin):
    pc.beat()
    answer = twin.ask_to_register("3")
    assert refusal(answer) == (409, "device_is_beating")
    assert "考位 3" in answer.json()["error"]["sentence"]
    assert "移除" in answer.json()["error"]["sentence"]
    assert pc.ask_beat().status_code == 200, "its token is as good as before"


def test_who_tries_it_from_elsewhere_stands_in_the_journal_once(room, pc, twin):
    with room.changing() as db:
        db.execute(update(Device).values(address="192.168.1.33"))
    pc.beat()
    for _ in range(3):
        assert refusal(twin.ask_to_register("3")) == (409, "device_is_beating")
    assert events(room).count("device_copy_refused") == 1


def test_a_pc_that_lost_its_token_and_tries_again_at_once_makes_no_alarm(room, pc):
    pc.beat()
    assert refusal(pc.ask_to_register()) == (409, "device_is_beating")
    assert "device_copy_refused" not in events(room)


def test_a_pc_whose_disk_was_reset_comes_back_to_its_seat_by_itself_on_another_address_and_under_another_name(room, pc):
    pc.beat()
    fall_silent(room, pc)
    with room.changing() as db:
        db.execute(update(Device).values(address="192.168.1.33"))
    macs = ["00:1b:21:aa:bb:cc", "02:42:ac:11:00:02"]  # a virtual card more
    back = pc.ask_to_register(name="WIN-8F3K2", macs=macs).json()
    assert back["seat"]["number"] == "3"
    assert pc.row().doubt == ""
    assert "device_doubted" not in events(room)


@pytest.mark.parametrize(
    "changed",
    [OTHER_CARD, {"system": "linux"}, {"hardware": {"cpu": "i3", "memory_bytes": 4 << 30}}],
)
def test_a_pc_that_is_not_like_the_one_before_is_shown_until_the_technician_has_confirmed_it(
    room, pc, twin, technician, changed
):
    pc.beat()
    fall_silent(room, pc)
    answer = twin.ask_to_register("3", **changed)
    assert answer.status_code == 200
    assert events(room)[-1] == "device_doubted"
    room.edge.roll.look_again()
    shown = seen(technician)
    assert shown["is_doubted"]
    assert "与原登记的电脑不同" in shown["problems"][0]
    assert technician.act("/api/devices/confirm", device_ids=[shown["id"]]).status_code == 200
    assert events(room)[-1] == "device_confirmed"
    room.edge.roll.look_again()
    assert (seen(technician)["is_doubted"], seen(technician)["problems"]) == (False, [])
    count = len(events(room))
    assert technician.act("/api/devices/confirm", device_ids=[shown["id"]]).status_code == 200
    assert len(events(room)) == count, "nothing to confirm"
    assert refusal(technician.act("/api/devices/confirm", device_ids=[999])) == (404, "devices_missing")


def test_what_is_not_known_of_a_pc_makes_no_doubt(room, pc, twin):
    assert twin.ask_to_register("3", macs=[], hardware={}).status_code == 200
    assert pc.row().doubt == ""
    assert twin.ask_to_register("3", **OTHER_CARD).status_code == 200
    assert pc.row().doubt == "", "the cards of before were not known"


def test_while_a_sitting_is_held_another_pc_takes_no_place_until_the_technician_has_taken_the_old_one_away(
    room, pc, twin, technician
):
    room.start()
    answer = twin.ask_to_register("3", **OTHER_CARD)
    assert refusal(answer) == (409, "device_differs")
    assert "网卡" in answer.json()["error"]["sentence"]
    assert pc.ask_beat().status_code == 200
    fall_silent(room, pc)
    assert twin.ask_to_register().json()["seat"]["number"] == "3", "the PC itself comes back all the same"
    assert technician.act("/api/devices/remove", device_ids=[], device_id=pc.device_id).status_code == 200
    room.edge.roll.look_again()
    assert twin.ask_to_register("3", **OTHER_CARD).json()["seat"]["number"] == "3"
    assert pc.row().doubt == ""


def test_an_agent_that_lost_its_token_is_registered_as_soon_as_its_last_beat_is_old(room, candidate_address, tmp_path):
    identity = Identity("machine-0007", "PC-7", ["00:1b:21:aa:bb:07"], "Linux", "maker", "model", "cpu", 8 << 30)
    with room.changing() as db:
        pairing.open_pairing(db, room.room_id, by=room.staff["technician"], at=room.clock.now())
    agents = [new_agent(Store(tmp_path / name), identity, candidate_address) for name in ("before", "after")]
    agents[0].step()
    agents[0].step()
    assert agents[0].is_registered
    agents[1].step()
    assert agents[1].trouble is not None
    assert agents[1].trouble.details["code"] == "device_is_beating"

    def comes_back():
        agents[1].step()
        return agents[1].is_registered

    until(comes_back, within_s=60)
    for one in agents:
        one.link.close()
    with room.store.reading() as db:
        names = [
            json.loads(row.details)["name"] for row in db.scalars(select(JournalEntry)) if "device_reg" in row.event
        ]
    assert names == ["PC-7", "PC-7"]


def new_agent(store, identity, address):
    class NoCommands:
        def take(self, _listed):
            pass

        def report(self):
            return []

    return Heartbeat(
        store, identity, boot_id="b", run_id="r", commands=NoCommands(), state=dict, address=address
    )  # fmt: skip
