"""A whole run of the agent against a station over real HTTP, on a PC made of a folder."""

import json
import os
import urllib.request

import pytest

from client_agent import __version__
from client_agent.lockdown.sequence import Lockdown
from client_agent.store import Freed
from tests.agent.desk import until
from tests.agent.paired_station import CODE, LOCK

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in browser is a shell script")


def at_the_screen(agent, name, **typed):
    """Do something at the agent's own page, as the browser there would."""
    body = json.dumps(typed).encode() if name != "state" else None
    request = urllib.request.Request(agent.pages.url + name, body, {"Origin": agent.pages.origin})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return json.loads(refusal.read())


def last_state(station):
    return station.beats[-1]["state"] if station.beats else {}


def test_a_new_pc_registers_and_opens_the_page_and_is_free(paired, desk):
    desk.agent(paired.address)
    until(lambda: desk.pages() == [f"{paired.address}/agent/open/once"])
    assert paired.tokens["token-1"]["machine_id"] == "machine-1"
    assert not desk.is_locked
    until(lambda: last_state(paired).get("browser") == "running")
    desk.end()
    assert desk.lock_file.read_text() == "free"
    assert not list(desk.store.folder.glob("profile*")), "nothing of a candidate stays after an orderly end"


def test_orders_lock_the_pc_and_free_it_again(paired, desk):
    paired.lock = LOCK
    desk.agent(paired.address)
    until(lambda: desk.is_locked)
    until(lambda: last_state(paired).get("locked") is True)
    until(lambda: desk.notes.awake)
    paired.lock = None
    until(lambda: not desk.is_locked)
    until(lambda: last_state(paired).get("locked") is False)
    assert desk.lock_file.read_text() == "free"
    until(lambda: not desk.notes.awake)


def test_an_orderly_end_leaves_a_locked_pc_as_it_was(paired, desk):
    paired.lock = LOCK
    desk.agent(paired.address)
    until(lambda: desk.is_locked)
    desk.end()
    assert desk.lock_file.read_text() == "free"
    assert not (desk.store.folder / "undo.json").exists()


def test_a_lost_station_neither_unlocks_the_pc_nor_closes_its_page(paired, desk):
    paired.lock = LOCK
    agent = desk.agent(paired.address)
    until(lambda: desk.pages() and desk.is_locked and agent.screen.is_page_open)
    opened = desk.pages()
    paired.stop()
    until(lambda: not agent.heartbeat.is_heard and agent.heartbeat.trouble)
    assert agent.heartbeat.trouble.code == "station_unreachable"
    assert desk.is_locked
    assert desk.pages() == opened
    beats = len(paired.beats)
    paired.start()
    until(lambda: len(paired.beats) > beats + 1 and agent.heartbeat.is_heard)
    assert desk.is_locked
    assert desk.pages() == opened


def test_the_code_frees_the_pc_without_the_station_and_it_stays_free_until_orders_free_it_too(paired, desk):
    paired.lock = LOCK
    agent = desk.agent(paired.address)
    until(lambda: desk.is_locked and agent.heartbeat.orders)
    paired.stop()
    until(lambda: not agent.heartbeat.is_heard)
    desk.notes.keys["Ctrl+Alt+Shift+U"]()
    until(lambda: at_the_screen(agent, "state")["kind"] == "status")
    refused = at_the_screen(agent, "code", code="11111111")
    assert refused["error"]["code"] == "unlock_code_wrong"
    assert desk.is_locked
    assert at_the_screen(agent, "code", code=CODE) == {"ok": True}
    until(lambda: not desk.is_locked)
    paired.start()
    until(lambda: last_state(paired).get("unlocked_by_code") is True)
    assert last_state(paired)["unlock_code"] == "k1"
    assert not desk.is_locked, "the station still orders the lock, and a person decided otherwise"
    paired.lock = None
    until(lambda: agent.freed is None)
    paired.lock = LOCK
    until(lambda: desk.is_locked, what="a later test locks again")


def test_a_killed_agent_is_followed_by_one_that_takes_the_lock_over(paired, desk):
    paired.lock = LOCK
    desk.browsers = [desk.script("""sh -c 'sleep 300; :' browser "$@" """)]  # that can be known by its switches
    first = desk.agent(paired.address)
    until(lambda: desk.is_locked and first.screen.is_page_open)
    opened = desk.pages()
    leave_as_a_kill_would(desk, with_browser=False)
    paired.stop()
    agent = desk.agent()
    until(lambda: agent.is_locked)
    assert desk.is_locked, "the same boot's orders still hold"
    assert agent.screen.is_page_open
    assert desk.pages() == opened, "the page was left alone"


def test_after_a_power_cut_the_pc_is_as_before_until_the_station_is_heard(paired, desk):
    paired.lock = LOCK
    agent = desk.agent(paired.address)
    until(lambda: desk.is_locked and agent.screen.is_page_open)
    leave_as_a_kill_would(desk)
    paired.stop()
    desk.restart(boot="boot-2")
    agent = desk.agent()
    until(lambda: not desk.is_locked)
    until(lambda: "Put back: the lock in a file" in desk.said)
    until(lambda: desk.pages()[-1] == agent.pages.url)
    assert at_the_screen(agent, "state")["kind"] == "waiting"
    paired.start()
    until(lambda: desk.is_locked)
    until(lambda: desk.pages()[-1].endswith("/agent/open/once"))
    asked = [json.loads(one["body"]) for one in paired.asked if one["path"] == "/api/agent/page"]
    assert asked[-1] == {"boot_id": "boot-2"}, "the station sees that the PC died, and lets the candidate back"


def test_a_pc_that_nobody_waits_at_shows_nothing_while_the_station_is_away(paired, desk):
    agent = desk.agent(paired.address)
    until(lambda: desk.pages())
    desk.end()
    paired.stop()
    opened = desk.pages()
    agent = desk.agent()
    until(lambda: agent.heartbeat.trouble)
    assert desk.pages() == opened
    assert at_the_screen(agent, "state")["kind"] == "status"


def test_a_locked_screen_with_a_message_stands_before_the_page_and_never_closes_it(paired, desk):
    paired.lock = LOCK
    agent = desk.agent(paired.address)
    until(lambda: agent.screen.is_page_open)
    paired.screen = {"kind": "locked", "text": "请停止操作", "since": "2026-11-21T08:30:00+00:00"}
    until(lambda: desk.pages()[-1] == agent.pages.url)
    assert at_the_screen(agent, "state")["text"] == "请停止操作"
    assert agent.screen.is_page_open
    until(lambda: desk.notes.forward, what="it is put before all other windows")
    paired.screen = {"kind": "page", "text": "", "since": None}
    until(lambda: agent.screen._over.pid is None)
    assert agent.screen.is_page_open
    assert len(desk.pages()) == 2


def test_the_browser_comes_back_while_locked_and_goes_with_the_lock(paired, desk):
    paired.lock = LOCK
    agent = desk.agent(paired.address)
    until(lambda: agent.screen.is_page_open and desk.is_locked)
    kill_the_browser(agent)
    until(lambda: len(desk.pages()) == 2 and agent.screen.is_page_open)
    paired.lock = None
    until(lambda: not desk.is_locked and not agent.screen.is_page_open)
    beats = len(paired.beats)
    until(lambda: len(paired.beats) > beats + 1)
    assert len(desk.pages()) == 2, "after the test the PC is as before"
    paired.lock = LOCK
    until(lambda: len(desk.pages()) == 3 and agent.screen.is_page_open)


def test_a_page_on_a_free_pc_may_be_closed_by_who_sits_there(paired, desk):
    agent = desk.agent(paired.address)
    until(lambda: agent.screen.is_page_open)
    assert len(desk.pages()) == 1
    agent.screen._main._started -= 60  # it has been open for a while
    kill_the_browser(agent)
    until(lambda: agent.is_left)
    assert not agent.screen.is_page_open
    assert len(desk.pages()) == 1


def test_an_unknown_seat_is_typed_at_the_pc_by_the_technician(paired, desk):
    paired.seat = None
    agent = desk.agent(paired.address)
    until(lambda: desk.pages() == [agent.pages.url])
    until(lambda: at_the_screen(agent, "state")["kind"] == "seat")
    refused = at_the_screen(agent, "seat", seat_number="99", room="")
    assert refused["error"]["zh"] == "没有 99 号考位。"
    assert at_the_screen(agent, "seat", seat_number="7", room="") == {"ok": True}
    until(lambda: desk.pages()[-1].endswith("/agent/open/once"))
    assert desk.store.pairing().seat["number"] == "7"


def test_a_closed_registration_is_told_at_the_pc_and_waited_for(paired, desk):
    paired.pairing_open = False
    agent = desk.agent(paired.address)
    until(lambda: getattr(agent.heartbeat.trouble, "code", "") == "pairing_closed")
    assert paired.tokens == {}
    paired.pairing_open = True
    until(lambda: agent.heartbeat.is_registered)


def test_a_token_that_was_taken_away_is_asked_for_anew(paired, desk):
    agent = desk.agent(paired.address)
    until(lambda: paired.beats)
    paired.tokens.clear()
    until(lambda: paired.tokens and agent.heartbeat.is_registered)
    beats = len(paired.beats)
    until(lambda: len(paired.beats) > beats)


@pytest.mark.parametrize("wrong", [
    (200, b"<html>"), (200, b"[]"), (200, b'{"version": 7}'), (200, b'{"version": "x"}'), (500, b"oops"),
    (200, b'{"version": "x", "lock": "yes"}'), (200, b'{"version": "x", "lock": {"screens": "many"}, "seat": null}'),
])  # fmt: skip
def test_orders_that_cannot_be_read_leave_a_locked_pc_locked(paired, desk, wrong):
    paired.lock = LOCK
    agent = desk.agent(paired.address)
    until(lambda: desk.is_locked)
    paired.wrong["/api/agent/orders"] = wrong
    paired.lock = {**LOCK, "screens": 2}
    asked = paired.paths().count("/api/agent/orders")
    until(lambda: paired.paths().count("/api/agent/orders") > asked)
    until(lambda: agent.heartbeat.trouble or agent._not_locked or agent.orders.raw.get("seat", 0) is None)
    assert desk.is_locked
    paired.wrong.clear()
    paired.lock = None
    until(lambda: not desk.is_locked)


def test_a_lock_that_cannot_be_made_is_told_to_the_board_and_tried_again(paired, desk, monkeypatch):
    monkeypatch.setattr("client_agent.agent_run.TRY_LOCK_AGAIN_S", 0.2)
    desk.operation.fails = True
    paired.lock = LOCK
    desk.agent(paired.address)
    until(lambda: [one["code"] for one in last_state(paired).get("problems", [])] == ["lock_refused"])
    assert last_state(paired)["locked"] is False
    desk.operation.fails = False
    until(lambda: desk.is_locked)
    until(lambda: last_state(paired)["problems"] == [])


def test_what_could_not_be_put_back_is_told_once_and_until_it_is(paired, desk, monkeypatch):
    monkeypatch.setattr("client_agent.lockdown.keeping.LOOK_S", 0.05)
    monkeypatch.setattr("client_agent.lockdown.keeping.TRY_AGAIN_S", 0.1)
    paired.lock = LOCK
    agent = desk.agent(paired.address)
    until(lambda: desk.is_locked)
    desk.operation.stays = True
    paired.lock = None
    until(lambda: [one.code for one in agent.keeping.problems] == ["not_put_back"], what="it was tried again")
    assert [one["code"] for one in agent.state()["problems"]] == ["not_put_back"]
    desk.operation.stays = False
    until(lambda: not desk.is_locked)
    until(lambda: last_state(paired)["problems"] == [])


def test_an_undo_file_that_cannot_be_read_is_kept_and_the_pc_not_locked(paired, desk, monkeypatch):
    monkeypatch.setattr("client_agent.lockdown.keeping.LOOK_S", 0.05)
    monkeypatch.setattr("client_agent.lockdown.keeping.TRY_AGAIN_S", 0.1)
    desk.store.make_folder()
    (desk.store.folder / "undo.json").write_text("garbage")
    paired.lock = LOCK
    agent = desk.agent(paired.address)
    until(lambda: [one["code"] for one in last_state(paired).get("problems", [])] == ["undo_unreadable"])
    until(lambda: agent.keeping.problems and agent._not_locked, what="two parts of the agent have met it")
    assert not desk.is_locked
    shown = at_the_screen(agent, "state")
    assert [one["code"] for one in shown["problems"]] == ["undo_unreadable"], "the technician reads it at the PC, too"
    assert shown["version"] == __version__
    assert (desk.store.folder / "undo.json").read_text() == "garbage"


def test_a_pc_without_a_browser_says_so_to_the_board(paired, desk):
    desk.browsers = []
    paired.lock = LOCK
    desk.agent(paired.address)
    until(lambda: "no_browser" in [one["code"] for one in last_state(paired).get("problems", [])])
    assert last_state(paired)["locked"] is False


def test_a_disk_that_is_full_stops_neither_the_beat_nor_the_lock(paired, desk, monkeypatch):
    agent = desk.agent(paired.address)
    until(lambda: agent.heartbeat.orders)

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("client_agent.store.write_durably", full)
    paired.lock = LOCK
    until(lambda: desk.is_locked)
    until(lambda: "state_not_written" in [one["code"] for one in last_state(paired)["problems"]])
    assert at_the_screen(agent, "state")["problems"] == [], "not for who sits before a locked PC"
    paired.commands = [{"id": 5, "kind": "unlock", "arguments": {}}]
    until(lambda: not desk.is_locked, what="a full disk keeps nobody in")


def test_help_is_called_by_f1_and_by_another_key_where_programs_need_f1(paired, desk):
    paired.lock = LOCK
    desk.agent(paired.address)
    ask_for_help = until(lambda: desk.is_locked and desk.notes.keys.get("F1"))
    ask_for_help()
    until(lambda: "/api/agent/help" in paired.paths())
    paired.lock = {**LOCK, "programs_allowed": ["photoshop.exe"]}
    until(lambda: "Ctrl+Alt+H" in desk.notes.keys)
    assert "F1" not in desk.notes.keys


def test_help_that_does_not_reach_the_station_is_told_on_the_screen(paired, desk):
    agent = desk.agent(paired.address)
    ask_for_help = until(lambda: desk.notes.keys.get("F1"))
    paired.stop()
    ask_for_help()
    until(lambda: "请举手示意" in at_the_screen(agent, "state")["text"])
    assert "raise your hand" in at_the_screen(agent, "state")["text_en"]
    at_the_screen(agent, "close")
    until(lambda: at_the_screen(agent, "state")["text"] == "")


def test_what_the_technician_s_restore_wrote_frees_a_running_agent(paired, desk):
    paired.lock = LOCK
    desk.agent(paired.address)
    until(lambda: desk.is_locked)
    desk.store.keep_freed(Freed("restore"))
    until(lambda: not desk.is_locked)
    until(lambda: last_state(paired)["locked"] is False)
    assert last_state(paired)["unlocked_by_code"] is False


def test_a_second_agent_on_the_same_folder_is_refused(paired, desk):
    desk.agent(paired.address)
    until(lambda: paired.beats)
    from client_agent.browser import holder_of

    assert holder_of(desk.store.folder) == os.getpid()


def kill_the_browser(agent):
    agent.screen._main._process.kill()


def leave_as_a_kill_would(desk, *, with_browser=True):
    """End the threads of a run without any of its orderly end: what it changed on the PC stays."""
    agent = desk.running
    agent._finish = lambda: (agent.keeping.stop(), agent.pages.stop())
    desk.end()
    if with_browser:
        agent.screen.end()
    assert isinstance(agent.lockdown, Lockdown)
