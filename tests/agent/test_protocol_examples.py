"""The examples of PROTOCOL.md, as the agent takes and writes them."""

import json
import re
from pathlib import Path

import pytest

from client_agent.lockdown.profile import LockProfile
from client_agent.lockdown.unlock_codes import parse_codes
from client_agent.machine import Browser
from client_agent.orders import Orders
from tests.agent.desk import until
from tests.agent.paired_station import LOCK

TEXT = (Path(__file__).parent.parent.parent / "client_agent" / "PROTOCOL.md").read_text(encoding="utf-8")
EXAMPLES = {
    name: json.loads(body) for name, body in re.findall(r"<!-- example: (\S+) -->\n```json\n(.*?)```", TEXT, re.DOTALL)
}


def test_the_orders_of_the_protocol_are_read_whole():
    orders = Orders.parse(EXAMPLES["orders.answer"])
    assert orders.seat["number"] == "12"
    assert orders.screen == "page"
    assert orders.allows_pictures
    profile = LockProfile.from_orders(
        orders.lock,
        station_url="http://192.168.1.2:8080",
        local_port=1,
        browser=Browser("Chrome", Path("chrome"), "109"),
    )
    assert profile.programs_allowed == ("photoshop.exe",)
    code = {**EXAMPLES["orders.answer"]["unlock_codes"][0], "salt": "00", "digest": "ff"}
    assert [one.id for one in parse_codes([code])] == ["k1"]


def members(document):
    return {name: members(value) if isinstance(value, dict) else type(value) for name, value in document.items()}


@pytest.mark.parametrize("message", ["hello", "register", "beat"])
def test_what_the_agent_sends_has_the_members_of_the_protocol(paired, desk, message):
    paired.lock = LOCK
    desk.agent(paired.address)
    until(lambda: len(paired.beats) > 1)
    sent = [json.loads(one["body"]) for one in paired.asked if one["path"] == f"/api/agent/{message}"][-1]
    wanted, got = members(EXAMPLES[f"{message}.ask"]), members(sent)
    wanted.pop("work", None)  # null while nobody has a work folder
    if message == "register":
        got["hardware"] = {name: got["hardware"][name] for name in wanted["hardware"]}  # it may say more
    assert {name: got[name] for name in wanted} == wanted


def test_the_answers_of_the_protocol_have_what_the_station_of_these_tests_gives(paired):
    ours = {"orders": paired.orders(), "register": json.loads(paired.register({"seat_number": ""})[1])}
    for name, answer in ours.items():
        assert set(EXAMPLES[f"{name}.answer"]) <= set(answer), "else these tests test another protocol"
