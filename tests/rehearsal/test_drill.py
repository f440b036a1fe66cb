"""The drill as an operator holds it: the command, its last line, its report, and what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil
import pytest

from station.clock import system_time
from station.errors import Refused, Unsound
from station.rehearsal.drill.faults import Fault
from station.rehearsal.drill.holding import hold_drill
from station.rehearsal.drill.machine import this_machine
from station.rehearsal.drill.outcome import Outcome
from station.rehearsal.drill.report import report_page
from station.rehearsal.drill.result import FaultResult
from station.rehearsal.premises import FOLDER_TAKEN
from station.setup import make_station
from station.store.sole_use import take_folder
from tests.rehearsal.running import still_running

GOOD = FaultResult(
    "kill", rounds=3, saves_acked=1000, recovery_s=1.5, done_zh="做了", done_en="Done", notes=(("数", "figure"),)
)
LOST = FaultResult("kill", rounds=1, saves_acked=10, acked_lost=2, recovery_s=1.0, wrong=("丢失 lost <2>",))
NOT_RUN = FaultResult("network", not_run="需要 Linux needs Linux")


@dataclass
class Played:
    """A fault whose outcome is known beforehand; it leaves a file, as real ones do."""

    result: FaultResult | Exception

    def __call__(self, folder, *, rounds, is_long):
        folder.mkdir()
        (folder / "left").write_text(f"{rounds} {is_long}")
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def faults(**results):
    return {kind: Fault(f"{kind} 故障", kind, Played(result), 1, 2) for kind, result in results.items()}


def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def command(*arguments):
    return [sys.executable, "-m", "station", "drill", "--short", *arguments]


@pytest.mark.slow
def test_the_command_kills_a_real_station_and_says_in_its_last_line_that_nothing_was_lost(tmp_path):
    report = tmp_path / "report.html"
    done = subprocess.run(
        command("--json", "--only", "kill", "--folder", str(tmp_path / "drill"), "--report", str(report)),
        capture_output=True, encoding="utf-8", timeout=280, check=False, env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["faults"], told["rounds"], told["acked_lost"], told["chain_broken"]) == (["kill"], 8, 0, 0)
    assert told["saves_acked"] > 100
    assert told["recovery_s"]["kill"] > 0
    assert told["not_run"] == {}
    assert done.returncode == (0 if told["good"] else 1)
    assert "进程被强行结束" in report.read_text("utf-8")
    assert told["good"] == (not (tmp_path / "drill").exists())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a signal to one program alone is POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl+C", "a polite end"])
def test_an_interrupted_drill_ends_every_program_and_leaves_no_data(tmp_path, number):
    place = tmp_path / "drill"
    process = subprocess.Popen(command("--only", "kill", "--folder", str(place)), stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    programs = []
    while len(programs) < 2:
        assert time.monotonic() < until
        assert process.poll() is None
        programs = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(60) == 130
    assert still_running(programs) == []
    assert not place.exists()


def test_without_a_folder_a_new_one_in_the_present_folder_is_used_and_removed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert hold_drill(is_long=False, as_json=True, faults=faults(kill=GOOD, network=NOT_RUN)) == 0
    assert list(tmp_path.iterdir()) == []
    out = capsys.readouterr().out
    assert str(tmp_path) in out
    told = json.loads(out.splitlines()[-1])
    assert told["faults"] == ["kill"]
    assert told["not_run"] == {"network": NOT_RUN.not_run}
    assert told["recovery_s"] == {"kill": 1.5}
    assert (told["rounds"], told["saves_acked"], told["good"], told["form"]) == (3, 1000, True, "short")


def test_the_long_form_plays_the_long_rounds_and_only_what_was_asked_for(tmp_path, capsys):
    lost = faults(kill=LOST, clock=GOOD)
    assert hold_drill(tmp_path / "drill", is_long=True, only=["kill"], faults=lost) == 1
    assert (tmp_path / "drill" / "kill" / "left").read_text() == "2 True"
    assert not (tmp_path / "drill" / "clock").exists()


def test_a_lost_answer_fails_the_drill_and_what_the_fault_left_is_kept_and_named(tmp_path, capsys):
    assert hold_drill(tmp_path / "drill", is_long=False, as_json=True, faults=faults(clock=GOOD, kill=LOST)) == 1
    out = capsys.readouterr().out
    assert "未通过" in out
    assert str(tmp_path / "drill") in out
    assert [path.name for path in (tmp_path / "drill").iterdir()] == ["kill"]
    assert json.loads(out.splitlines()[-1])["acked_lost"] == 2


def test_what_did_not_hold_fails_the_drill_even_if_nothing_was_lost(tmp_path, capsys):
    wrong = FaultResult("kill", rounds=1, saves_acked=5, wrong=("截止时间",))
    assert hold_drill(tmp_path / "drill", is_long=False, as_json=True, faults=faults(kill=wrong)) == 1
    assert last_line(capsys)["wrong"] == ["kill: 截止时间"]


def test_a_fault_that_breaks_down_is_told_and_the_others_are_tried_all_the_same(tmp_path, capsys):
    refusal = Unsound(FOLDER_TAKEN, path="somewhere")
    tried = faults(clock=RuntimeError("no such thing"), network=refusal, kill=GOOD)
    assert hold_drill(tmp_path / "drill", is_long=False, as_json=True, faults=tried) == 1
    told = last_line(capsys)
    assert "kill" in told["faults"]
    assert "no such thing" in told["wrong"][0]
    assert "somewhere" in told["wrong"][1]


def test_a_drill_in_which_nothing_could_be_tried_shows_nothing_and_fails(tmp_path, capsys):
    assert hold_drill(tmp_path / "drill", is_long=False, faults=faults(network=NOT_RUN)) == 1
    assert "Nothing was tried" in capsys.readouterr().out


def test_an_unknown_fault_is_refused_with_the_names_of_those_there_are(tmp_path):
    with pytest.raises(Refused) as refusal:
        hold_drill(tmp_path / "drill", is_long=False, only=["earthquake"])
    assert refusal.value.code == "drill_fault_unknown"
    assert "kill" in refusal.value.sentence()
    assert not (tmp_path / "drill").exists()


def test_a_folder_that_holds_something_is_left_as_it_is(tmp_path):
    (tmp_path / "kept.txt").write_text("theirs")
    with pytest.raises(Unsound, match="rehearsal_folder_taken"):
        hold_drill(tmp_path, is_long=False, faults=faults(kill=GOOD))
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_drill_within_a_running_stations_folder_is_refused_and_beside_a_stopped_one_it_is_not(tmp_path):
    station = make_station(tmp_path / "station", site_name="考点").config
    station.folder.mkdir(exist_ok=True)
    held = take_folder(station.folder)
    with pytest.raises(Refused) as refusal:
        hold_drill(station.home / "drill", is_long=False, faults=faults(kill=GOOD))
    assert refusal.value.code == "drill_station_running"
    assert not (station.home / "drill").exists()
    held.close()
    assert hold_drill(station.home / "drill", is_long=False, faults=faults(kill=GOOD)) == 0


def outcome(tmp_path, *results, load=0.5):
    return Outcome(this_machine(tmp_path), system_time().astimezone(), False, list(results), seconds=200.0, load=load)


def test_the_report_names_machine_figures_and_what_was_not_run_and_needs_nothing_from_outside(tmp_path):
    page = report_page(outcome(tmp_path, GOOD, NOT_RUN), {"kill": ("结束", "killed")})
    for text in (
        "通过：已确认的答案丢失 0",
        "结束",
        "1,000",
        "1.5 秒",
        "未做",
        NOT_RUN.not_run,
        this_machine(tmp_path).name,
    ):
        assert text in page
    assert not [word for word in ("http:", "https:", "<script", "<link", "src=", "url(") if word in page]


def test_the_report_of_a_failed_drill_says_so_first_and_escapes_what_it_quotes(tmp_path):
    page = report_page(outcome(tmp_path, LOST, load=5.0), {})
    assert "未通过：丢失 2" in page
    assert "lost &lt;2&gt;" in page
    assert "恢复时间仅供参考" in page
    assert "已确认的答案丢失 0" not in page
