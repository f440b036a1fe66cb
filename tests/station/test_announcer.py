"""Agents find the station by UDP: real datagrams on this machine."""

from __future__ import annotations

import json
import socket
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station.announcer import MOST_ANSWERS, MOST_ANSWERS_OF_ONE, Announcer, Share
from station.web.identity import StationIdentity
from sync.keys import fingerprint, verify_key_from_text

NONCE = "0f" * 16
QUESTION = {"exam_station": 1, "ask": "station", "nonce": NONCE}


@pytest.fixture
def announcer():
    identity = StationIdentity.of(Ed25519PrivateKey.generate())
    one = Announcer(identity, site_name="测试考点", host="127.0.0.1", port=0)
    one.start(8080)
    yield one
    one.stop()


@pytest.fixture
def asking():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        one.settimeout(10)
        yield one


def ask(asking, announcer, question):
    asking.sendto(
        question if isinstance(question, bytes) else json.dumps(question).encode(), ("127.0.0.1", announcer.port)
    )


def test_an_agent_that_asks_gets_the_address_signed_by_the_key_that_the_fingerprint_names(announcer, asking):
    ask(asking, announcer, QUESTION)
    answer = json.loads(asking.recv(2000))
    key = verify_key_from_text(answer["public_key"])
    key.verify(bytes.fromhex(answer["signature"]), f"exam-station find\n{NONCE}\n{answer['url']}".encode())
    assert answer["fingerprint"] == fingerprint(key)
    assert (answer["url"], answer["site"], answer["nonce"]) == ("http://127.0.0.1:8080", "测试考点", NONCE)


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\xff\xfe",
        b"[" * 400,
        [],
        {"exam_station": 2, "ask": "station", "nonce": NONCE},
        {"exam_station": 1, "ask": "weather", "nonce": NONCE},
        {"exam_station": 1, "ask": "station", "nonce": "../../etc"},
        {"exam_station": 1, "ask": "station", "nonce": 5},
    ],
)
def test_what_is_no_question_is_passed_over_and_the_next_one_answered(announcer, asking, noise):
    ask(asking, announcer, noise)
    ask(asking, announcer, QUESTION)
    assert json.loads(asking.recv(2000))["nonce"] == NONCE


def test_who_asks_without_end_gets_a_few_answers_and_keeps_none_from_others(announcer, asking):
    for _ in range(200):
        ask(asking, announcer, QUESTION)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.2", 0))
        other.settimeout(10)
        ask(other, announcer, QUESTION)
        assert json.loads(other.recv(2000))["nonce"] == NONCE
    asking.setblocking(False)
    answers = 0
    with suppress(BlockingIOError):
        while asking.recv(2000):
            answers += 1
    assert MOST_ANSWERS_OF_ONE <= answers < 100


def test_all_askers_together_have_a_bound_that_ends_with_the_moment(monkeypatch):
    monkeypatch.setattr("station.announcer.COUNTED_FOR_S", 3600.0)
    share = Share()
    assert sum(share.take(f"10.0.0.{number}") for number in range(300)) == MOST_ANSWERS
    monkeypatch.setattr("station.announcer.COUNTED_FOR_S", 0.0)
    fresh = Share()
    assert all(fresh.take("10.0.0.1") for _ in range(50))


def test_on_all_addresses_the_answer_names_the_one_by_which_the_asker_reaches_it():
    identity = StationIdentity.of(Ed25519PrivateKey.generate())
    everywhere = Announcer(identity, site_name="s", host="0.0.0.0", port=0)
    everywhere.listener_port = 8080
    answer = everywhere.answer_to(json.dumps(QUESTION).encode(), "127.0.0.7")
    assert json.loads(answer)["url"] == "http://127.0.0.1:8080"


def test_a_tls_front_is_named_as_the_settings_say():
    identity = StationIdentity.of(Ed25519PrivateKey.generate())
    behind = Announcer(identity, site_name="s", host="127.0.0.1", port=0, url="https://exam.local")
    answer = behind.answer_to(json.dumps(QUESTION).encode(), "127.0.0.1")
    assert json.loads(answer)["url"] == "https://exam.local"


def test_a_port_that_is_taken_keeps_no_station_from_starting(announcer):
    identity = StationIdentity.of(Ed25519PrivateKey.generate())
    second = Announcer(identity, site_name="s", host="127.0.0.1", port=announcer.port)
    second.start(8080)
    assert second.port == 0
    second.stop()
