import os
import sys
import threading
from pathlib import Path

import psutil
import pytest

from client_agent.browser import LOOK_S, KioskRun, browser_command, choose_browser, pause_after
from client_agent.errors import AgentError
from client_agent.machine import Browser

PAGE = "http://10.0.0.1:8080/seat/abc"

posix_only = pytest.mark.skipif(os.name != "posix", reason="the stand-in browser is a shell script")


def browser(folder, script):
    """Write a real program that stands where the browser would."""
    path = folder / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return Browser("Chromium", path, "109.0")


class Ending(threading.Event):
    """Notes the pauses between openings without pausing; comes after the given number of openings."""

    def __init__(self, *, openings):
        super().__init__()
        self.openings = openings
        self.pauses = []

    def wait(self, timeout=None):
        if timeout == LOOK_S:
            return super().wait(0.01)
        self.pauses.append(timeout)
        if len(self.pauses) == self.openings:
            self.set()
        return self.is_set()


class Said(list):
    def __call__(self, _zh, en):
        self.append(en)


def test_the_page_is_opened_full_screen_with_its_own_profile(tmp_path):
    command = browser_command(Browser("Chrome", Path("/opt/chrome"), ""), PAGE, tmp_path)
    assert command[0] == str(Path("/opt/chrome"))
    assert "--kiosk" in command
    assert f"--app={PAGE}" in command
    assert f"--user-data-dir={tmp_path}" in command


@posix_only
def test_a_browser_that_dies_is_opened_again_on_the_same_profile(tmp_path):
    state = tmp_path / "state"
    script = 'for a in "$@"; do case $a in --user-data-dir=*) echo x >> "${a#*=}/kept";; esac; done\n'
    script += f"cat {state}/profile/kept > {tmp_path}/seen; exit 3"
    said, ending = Said(), Ending(openings=3)
    KioskRun(browser(tmp_path, script), PAGE, state).keep_open(said, ending)
    assert (tmp_path / "seen").read_text() == "x\nx\nx\n"
    assert ending.pauses == [1.0, 2.0, 4.0]
    assert "ended (3)" in said[0]


@posix_only
def test_an_orderly_end_leaves_neither_profile_nor_claim(tmp_path):
    said, ending = Said(), Ending(openings=1)
    KioskRun(browser(tmp_path, "exit 0"), PAGE, tmp_path / "state").keep_open(said, ending)
    assert list((tmp_path / "state").iterdir()) == []


@posix_only
def test_the_profile_of_a_run_that_was_cut_off_is_taken_over(tmp_path):
    state = tmp_path / "state"
    (state / "profile").mkdir(parents=True)
    (state / "profile" / "queue").write_text("not yet sent")
    (state / "running.json").write_text('{"pid": 1, "started": 5}')
    said, ending = Said(), Ending(openings=1)
    script = f"cp {state}/profile/queue {tmp_path}/seen"
    KioskRun(browser(tmp_path, script), PAGE, state).keep_open(said, ending)
    assert (tmp_path / "seen").read_text() == "not yet sent"
    assert "did not end properly" in said[0]


@posix_only
def test_a_second_agent_is_refused_while_the_first_lives(tmp_path):
    state = tmp_path / "state"
    other = psutil.Popen([sys.executable, "-c", "input()"], stdin=-1)
    try:
        state.mkdir()
        (state / "running.json").write_text(f'{{"pid": {other.pid}, "started": {other.create_time()}}}')
        with pytest.raises(AgentError) as refusal:
            KioskRun(browser(tmp_path, "exit 0"), PAGE, state).keep_open(print, threading.Event())
        assert refusal.value.code == "already_running"
        assert (state / "running.json").exists()
    finally:
        other.communicate(b"\n")


def test_a_browser_that_lived_is_opened_again_at_once():
    assert pause_after(60.0, 8.0) == 0.0


def test_a_browser_that_keeps_dying_is_given_longer_and_longer_up_to_ten_seconds():
    pauses = [0.0]
    for _ in range(6):
        pauses.append(pause_after(0.1, pauses[-1]))
    assert pauses[1:] == [1, 2, 4, 8, 10, 10]


def test_a_pc_without_browser_is_refused_by_name():
    class Bare:
        def find_browsers(self):
            return []

    with pytest.raises(AgentError) as refusal:
        choose_browser(Bare())
    assert refusal.value.code == "no_browser"
