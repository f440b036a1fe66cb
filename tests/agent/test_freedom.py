"""A PC that a code freed: how long ago, and the station's word that ends it."""

import os
from datetime import timedelta

import pytest

from client_agent import clock
from client_agent.freedom import Freedom
from client_agent.orders import Orders
from client_agent.store import Freed, Store
from tests.agent.desk import until
from tests.agent.paired_station import CODE, LOCK

LOCKED = Orders("1", {}, lock=LOCK)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_how_long_ago_a_code_was_used_is_known_over_a_restart(store):
    written = clock.now() - timedelta(minutes=5)
    store.keep_freed(Freed("code", "k1", written.isoformat()))
    told = Freedom(store).as_told()
    assert (told["unlocked_by_code"], told["unlock_code"]) == (True, "k1")
    assert 300 <= told["unlocked_s"] < 3600


@pytest.mark.parametrize("at", ["", "yesterday", "2999-01-01T00:00:00+00:00"])
def test_a_clock_that_cannot_be_right_counts_from_now(store, at):
    store.keep_freed(Freed("code", "k1", at))
    assert 0 <= Freedom(store).as_told()["unlocked_s"] < 3600


def test_only_the_code_that_is_named_is_ended_and_only_where_the_orders_lock(store):
    freedom = Freedom(store)
    freedom.take(Freed("code", "k2"))
    freedom.look(None)
    freedom.look(LOCKED)
    freedom.look(Orders("2", {}, lock=LOCK, lock_again=("k1",)))
    assert freedom.freed is not None
    freedom.look(Orders("3", {}, lock=LOCK, lock_again=("k1", "k2")))
    assert freedom.freed is None
    assert Freedom(store).freed is None, "nor after a restart"
    assert freedom.as_told() == {"unlocked_by_code": False, "unlock_code": "", "unlocked_s": 0.0}


def test_what_the_technician_restored_no_code_ends(store):
    freedom = Freedom(store)
    freedom.take(Freed("restore"))
    freedom.look(Orders("3", {}, lock=LOCK, lock_again=("", "k1")))
    assert freedom.freed is not None
    freedom.look(Orders("4", {}))
    assert freedom.freed is None


def test_orders_with_strange_codes_are_read_all_the_same():
    assert Orders.parse({"version": "1", "lock": None, "lock_again": "k1"}).lock_again == ()
    assert Orders.parse({"version": "1", "lock": None, "lock_again": ["k1", 2]}).lock_again == ("k1", "2")


@pytest.mark.skipif(os.name != "posix", reason="the stand-in browser is a shell script")
def test_staff_lock_a_freed_pc_again_whichever_orders_it_saw_between(paired, desk):
    paired.lock = LOCK
    agent = desk.agent(paired.address)
    until(lambda: desk.is_locked and agent.heartbeat.orders)
    agent.use_code(CODE)
    until(lambda: not desk.is_locked)
    until(lambda: paired.beats[-1]["state"]["unlock_code"] == "k1")
    until(lambda: paired.beats[-1]["state"]["unlocked_s"] > 0, what="it says how long ago")
    paired.more = {"lock_again": ["k1"]}  # orders that free it were never seen
    until(lambda: desk.is_locked)
    assert agent.freed is None
    until(lambda: paired.beats[-1]["state"]["unlocked_by_code"] is False)
    until(lambda: agent.screen.is_page_open, what="the test page is back")
