"""The programs of a rehearsal: found when they break down, ended when it ends, however it ends."""

import os
import re
import signal
import sys

import psutil
import pytest
import requests

from station.errors import Refused, Unsound
from station.rehearsal.demo import hold_fast_day, hold_open_day
from station.rehearsal.fast_day import FastDay
from station.rehearsal.premises import Premises
from tests.rehearsal.running import running_demo, still_running, wait_for


def programs_of(process):
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.skipif(os.name == "nt", reason="a signal to one program alone is POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl+C", "a polite end"])
def test_an_interrupted_day_ends_every_program_that_it_has_started(tmp_path, number):
    with running_demo(tmp_path / "day", "--fast", "--candidates", "14") as (process, output):
        wait_for("log-in open", output, process)
        programs = programs_of(process)
        assert len(programs) >= 3
        process.send_signal(number)
        assert process.wait(30) == 130
    assert still_running(programs) == []


def test_a_station_that_dies_in_the_middle_fails_the_day_by_name_and_nothing_goes_on_running(tmp_path):
    with running_demo(tmp_path / "day", "--fast", "--json", "--candidates", "14") as (process, output):
        wait_for("log-in open", output, process)
        programs = programs_of(process)
        (station,) = [program for program in programs if "serve" in program.cmdline()]
        station.kill()
        assert process.wait(30) == 1
    assert "station.log" in output.read_text("utf-8")
    assert '"good": false' in output.read_text("utf-8").splitlines()[-1]
    assert still_running(programs) == []


def test_a_program_that_does_not_start_is_named_with_its_log(tmp_path):
    premises = Premises.at(tmp_path / "day")
    child = premises.start("nothing", ["station.rehearsal.no_such_program"])
    with pytest.raises(Unsound) as refusal:
        child.ports(1)
    assert refusal.value.code == "rehearsal_child_failed"
    assert "nothing.log" in refusal.value.sentence("en")
    with pytest.raises(Unsound, match="rehearsal_child_failed"):
        premises.check_programs()


def test_a_program_that_runs_on_and_on_does_not_end_well(tmp_path):
    premises = Premises.at(tmp_path / "day")
    child = premises.start("waiting", ["http.server", "--bind", "127.0.0.1", "0"])
    with pytest.raises(Unsound, match="rehearsal_child_failed"):
        child.check_ended_well(timeout_s=0.2)
    premises.close()
    assert child.process.poll() is not None


def test_a_day_that_takes_too_long_is_given_up(tmp_path):
    premises = Premises.at(tmp_path / "day")
    lines = []
    try:
        with pytest.raises(Unsound) as refusal:
            FastDay(premises, candidates=14, database="", tell=lines.append, limit_s=0).hold()
    finally:
        premises.close()
    assert refusal.value.code == "rehearsal_too_slow"
    assert lines


def test_a_rehearsal_replaces_nothing_in_a_folder_that_is_in_use(tmp_path):
    (tmp_path / "kept.txt").write_text("theirs")
    with pytest.raises(Unsound, match="rehearsal_folder_taken"):
        hold_fast_day(tmp_path, candidates=45, database="", as_json=False)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize("count", [13, 501])
def test_too_few_or_too_many_candidates_are_refused(tmp_path, count):
    for hold in (hold_fast_day, hold_open_day):
        more = {"as_json": False} if hold is hold_fast_day else {}
        with pytest.raises(Refused, match="rehearsal_candidates"):
            hold(tmp_path / "day", candidates=count, database="", **more)


def test_an_open_day_says_where_a_person_can_sit_and_log_in(tmp_path):
    with running_demo(tmp_path / "day", "--candidates", "14") as (process, output):
        told = wait_for("Ctrl+C", output, process)
        seat_link = re.search(r"seat link: (http\S+)", told).group(1)
        ticket, password = re.search(r"ticket number: (\d+) +口令 password: (\d+)", told).groups()
        console = re.search(r"staff app: (http\S+)", told).group(1)
        chief, first_password = re.search(r"(zhukao) +(\S+)", told).groups()
        with requests.Session() as browser, requests.Session() as staff:
            assert "14" in browser.get(seat_link, timeout=30).text
            address = seat_link.partition("/seat/")[0]
            early = browser.post(
                f"{address}/api/login", json={"ticket_number": ticket, "password": password}, timeout=30
            )
            assert early.json()["error"]["code"] == "no_sitting_now"
            entered = staff.post(
                f"{console}api/login", json={"username": chief, "password": first_password}, timeout=30
            )
            assert entered.json()["must_change_password"] is True
        if sys.platform != "win32":
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
