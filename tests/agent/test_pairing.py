import json
from dataclasses import replace

import pytest

from client_agent.errors import AgentError
from client_agent.machine import Identity
from client_agent.pairing import register, say_hello, take_seat
from client_agent.station_link import Link, refusal_code
from client_agent.store import Pairing, Store, is_same_pc, of_this_pc
from client_agent.technician import Wish, pair, restore
from client_agent.trust import CAPABILITIES, is_same_fingerprint
from tests.agent.paired_station import Key

HERE = Identity("machine-1", "PC-12", ["00:1b:21:aa:bb:cc"], "Linux", "maker", "model", "cpu", 8 << 30)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


@pytest.fixture
def link(paired):
    """The way to the station, closed after the test."""
    way = Link(paired.address)
    yield way
    way.close()


def code_of(act, *arguments, **named):
    with pytest.raises(AgentError) as refusal:
        act(*arguments, **named)
    return refusal.value.code


def test_a_station_that_proves_its_key_is_known_by_its_fingerprint(paired, link):
    hello = say_hello(link)
    assert hello.public_key == paired.key.public
    assert say_hello(link, fingerprint=hello.fingerprint.replace("-", " ").upper()).site
    assert say_hello(link, fingerprint=hello.fingerprint[:14]).site, "its first letters will do"
    assert not is_same_fingerprint(hello.fingerprint[:9], paired.key.public), "but not a few"
    other = say_hello
    assert code_of(other, link, fingerprint="aaaa-bbbb-cccc") == "other_station"
    assert code_of(other, link, public_key=Key().public) == "other_station"


@pytest.mark.parametrize("lie", [
    {"signature": "00" * 64}, {"signature": "x"}, {"signature": None},
    {"public_key": "ed25519:AAAA"}, {"public_key": "rsa:AAAA"}, {"public_key": "ed25519:é"},
])  # fmt: skip
def test_who_cannot_sign_is_no_station(paired, link, lie):
    paired.hello = lie
    assert code_of(say_hello, link) == "not_proven"


def test_another_protocol_and_a_missing_capability_are_refused_by_name(paired, link):
    paired.hello = {"protocol": 2}
    assert code_of(say_hello, link) == "protocol_unknown"
    paired.hello = {"needs": ["beat", "telepathy"], "wanted_agent_version": "9.0"}
    with pytest.raises(AgentError) as refusal:
        say_hello(link)
    assert refusal.value.code == "capability_missing"
    assert "telepathy" in refusal.value.sentence("en")
    assert "9.0" in refusal.value.sentence("zh")


def test_an_old_agent_knows_that_it_is_old(paired, link):
    paired.hello = {"wanted_agent_version": "99.0"}
    assert say_hello(link).is_agent_old
    paired.hello = {"wanted_agent_version": "0.0.1"}
    assert not say_hello(link).is_agent_old


def test_a_pc_registers_with_what_it_is_and_sends_its_token_from_then_on(paired, link, store):
    pairing = register(link, store, HERE, say_hello(link), seat_number="12")
    assert paired.tokens["token-1"]["capabilities"] == list(CAPABILITIES)
    assert paired.tokens["token-1"]["hardware"]["memory_bytes"] == 8 << 30
    assert store.pairing() == pairing
    assert take_seat(link, store, pairing, seat_number="7").seat["number"] == "7"
    before = [one["headers"].get("Authorization") for one in paired.asked[:-2]]
    assert before == [None, None], "nothing secret before the proof"
    assert paired.asked[-1]["headers"]["Authorization"] == "Bearer token-1"
    assert "token-1" not in repr(pairing)


def test_a_closed_registration_keeps_nothing(paired, link, store):
    paired.pairing_open = False
    assert code_of(register, link, store, HERE, say_hello(link)) == "pairing_closed"
    assert store.pairing() is None


def test_the_token_goes_to_no_other_device_that_took_over_the_address(paired, link, store):
    register(link, store, HERE, say_hello(link))
    paired.stop()
    paired.key = Key()
    paired.start()
    asked = len(paired.asked)
    assert code_of(link.post, "/api/agent/beat", {}) == "other_station"
    later = paired.asked[asked:]
    assert [one["path"] for one in later] == ["/api/agent/hello"]
    assert "Authorization" not in later[0]["headers"]


def test_a_folder_copied_with_the_disk_to_another_pc_is_no_pairing_there(paired, link, store):
    pairing = register(link, store, HERE, say_hello(link))
    clone = replace(HERE, machine_id="machine-2", macs=["00:1b:21:dd:ee:ff"])
    assert not is_same_pc(pairing, clone)
    there = of_this_pc(pairing, clone)
    assert there.token == ""
    assert there.address == pairing.address
    assert store.machine_id(clone) == "machine-2"
    with_new_board = replace(HERE, machine_id="machine-3")
    assert of_this_pc(pairing, with_new_board).token == "token-1"
    assert store.machine_id(with_new_board) == "machine-1", "the same network card: the same PC"


def test_what_lies_damaged_in_the_folder_counts_as_absent(store):
    store.make_folder()
    for text in ("", "{", "[]", '{"address": 5}', '{"macs": null}'):
        store.path("pairing.json").write_text(text)
        assert store.pairing() is None
    store.path("commands.json").write_text('{"x": 1, "7": {"ok": true, "text": ""}, "8": 3}')
    assert list(store.commands()) == [7]


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    assert code_of(Store(tmp_path / "file" / "state").make_folder) == "state_not_written"
    assert code_of(Store(tmp_path / "file" / "state").keep_pairing, Pairing("http://a", "k")) == "state_not_written"


def test_pairing_again_takes_only_the_seat_and_registers_anew_where_the_station_forgot(paired, desk):
    said = []
    pair(desk, desk.store, Wish(paired.address, "12"), lambda _zh, en: said.append(en))
    pair(desk, desk.store, Wish(paired.address, "8"), lambda _zh, en: said.append(en))
    assert list(paired.tokens) == ["token-1"]
    assert desk.store.pairing().seat["number"] == "8"
    with pytest.raises(AgentError) as refusal:
        pair(desk, desk.store, Wish(paired.address, "99"), print)
    assert refusal_code(refusal.value) == "seat_unknown"
    assert desk.store.pairing().seat["number"] == "8", "a refusal loses nothing"
    paired.tokens.clear()
    pair(desk, desk.store, Wish(paired.address, "9"), lambda _zh, en: said.append(en))
    assert desk.store.pairing().seat["number"] == "9"
    assert said[-1] == "Registered: 第一机房, seat 9"
    paired.hello = {"wanted_agent_version": "9.9"}
    pair(desk, desk.store, Wish(paired.address), lambda _zh, en: said.append(en))
    assert "the station wants 9.9" in said[-2]


def test_restore_beside_a_running_agent_that_does_not_let_go_says_so(desk, monkeypatch):
    import os

    import psutil

    monkeypatch.setattr("client_agent.technician.FREED_WITHIN_S", 0.2)
    desk.store.make_folder()
    me = {"pid": os.getpid(), "started": psutil.Process().create_time()}
    (desk.store.folder / "running.json").write_text(json.dumps(me))
    lockdown = desk.lockdown()
    from tests.agent.lock_laws import a_profile

    lockdown.lock(a_profile())
    assert code_of(restore, desk.store, lockdown, print) == "not_freed_yet"
    assert desk.store.freed().by == "restore"
