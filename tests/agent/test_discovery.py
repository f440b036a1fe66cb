import json
import socket
import threading

import pytest

from client_agent.discovery import broadcast_addresses, find_station
from client_agent.errors import AgentError
from client_agent.trust import fingerprint_of
from tests.agent.desk import until
from tests.agent.paired_station import Key


class Announcer:
    """Answers the question on a UDP port of this machine, as one station, or as somebody who lies."""

    def __init__(self, key, at="http://192.168.1.2:8080", **lies):
        self.key, self.url, self.lies = key, at, lies
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.target = self.socket.getsockname()
        self.asked = 0
        self.thread = threading.Thread(target=self.answer, daemon=True)
        self.thread.start()

    def answer(self):
        while True:
            datagram, sender = self.socket.recvfrom(4096)
            if datagram == b"end":
                return
            self.asked += 1
            asked = json.loads(datagram)
            told = {
                "exam_station": 1, "url": self.url, "site": "示例考核站点", "public_key": self.key.public,
                "nonce": asked["nonce"],
                "signature": self.key.sign(f"exam-station find\n{asked['nonce']}\n{self.url}"), **self.lies,
            }  # fmt: skip
            self.socket.sendto(b"garbage", sender)
            self.socket.sendto(json.dumps(told).encode(), sender)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"end", self.target)
        self.thread.join()
        self.socket.close()


@pytest.fixture
def announce(monkeypatch):
    monkeypatch.setattr("client_agent.discovery.ASK_EVERY_S", 0.5)
    made = []

    def start(*arguments, **lies):
        made.append(Announcer(*arguments, **lies))
        return made[-1]

    yield start
    for one in made:
        one.close()


def refused(**named):
    with pytest.raises(AgentError) as refusal:
        find_station(**named)
    return refusal.value


def test_the_only_station_that_answers_is_taken(announce):
    one = announce(Key())
    found = find_station(targets=[("127.0.0.1", 1), one.target])
    assert found.url == "http://192.168.1.2:8080"
    assert found.public_key == one.key.public


def test_between_several_stations_none_is_chosen_but_by_its_fingerprint_or_key(announce):
    one, other = announce(Key()), announce(Key(), "http://192.168.1.3:8080")
    targets = [one.target, other.target]
    refusal = refused(targets=targets)
    assert refusal.code == "several_stations"
    assert "192.168.1.2" in refusal.sentence()
    assert "192.168.1.3" in refusal.sentence("en")
    wanted = fingerprint_of(other.key.public)
    assert find_station(targets=targets, fingerprint=wanted).url == "http://192.168.1.3:8080"
    assert find_station(targets=targets, public_key=one.key.public).url == "http://192.168.1.2:8080"


@pytest.mark.parametrize("lies", [
    {"signature": "00" * 64}, {"nonce": "another"}, {"url": "http://10.0.0.66:8080"}, {"exam_station": 2},
    {"public_key": Key().public},
])  # fmt: skip
def test_an_answer_that_is_not_signed_for_this_question_counts_for_nothing(announce, lies):
    one = announce(Key(), **lies)
    assert refused(targets=[one.target], asks=1).code == "no_station_found"
    until(lambda: one.asked)


def test_nobody_there_is_told_after_a_few_questions_and_the_search_can_be_ended(announce):
    one = announce(Key(), signature="")
    pauses = []
    assert (
        refused(targets=[one.target], wait=lambda _s: len(pauses) == 1 or pauses.append(1)).code == "no_station_found"
    )
    until(lambda: one.asked >= 2)
    assert one.asked == 2


def test_every_network_card_is_asked_on_its_own_broadcast_address():
    targets = broadcast_addresses()
    assert targets[-1] == ("255.255.255.255", 8079)
    assert len(set(targets)) == len(targets)
