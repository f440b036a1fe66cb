import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def agent(*arguments, **environment):
    return [sys.executable, "-m", "client_agent", *arguments], {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
        **environment,
    }


def run(*arguments, **environment):
    command, settings = agent(*arguments, **environment)
    return subprocess.run(command, env=settings, capture_output=True, encoding="utf-8", check=False)


@pytest.fixture
def easy(tmp_path):
    """Requirements that any build machine meets."""
    items = [
        {"check": "station"},
        {"check": "round_trip_ms", "recommended": 10**6, "minimum": 10**6},
        {"check": "memory_gb", "recommended": 0, "minimum": 0},
        {"check": "browser_version", "recommended": 1, "minimum": 1},
    ]
    document = {"items": items}
    path = tmp_path / "wanted.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


@pytest.fixture
def path_with_browser(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    browser = folder / "chromium"
    browser.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "Chromium 109.0.5412.0" && exit\n'
        f"sleep 300 & echo $! >> {tmp_path}/started\n"
        f'echo "$@" >> {tmp_path}/opened; wait\n',
        encoding="utf-8",
    )
    browser.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_a_fit_pc_ends_with_0_and_a_table(station, easy, path_with_browser):
    done = run("check", "--wanted", easy, station.address, PATH=path_with_browser)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "本机可以用于考试。" in done.stdout
    assert "Chromium 109.0.5412.0" in done.stdout


def test_the_check_speaks_english_and_json(station, easy, path_with_browser):
    done = run("check", "--lang", "en", "--wanted", easy, station.address, PATH=path_with_browser)
    assert "This PC is fit" in done.stdout
    done = run("check", "--json", "--wanted", easy, station.address, PATH=path_with_browser)
    assert json.loads(done.stdout)["fit"] is True


def test_a_pc_that_cannot_reach_the_station_ends_with_1(easy):
    done = run("check", "--wanted", easy, "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "连接不上" in done.stdout


def test_the_pc_alone_is_checked_where_no_station_is_named(easy, path_with_browser):
    done = run("check", "--json", "--wanted", easy, PATH=path_with_browser)
    found = [finding["check"] for finding in json.loads(done.stdout)["findings"]]
    assert (done.returncode, found) == (0, ["memory_gb", "browser_version"])


def test_a_wrong_address_is_one_sentence_on_stderr(easy):
    for command in ("check", "run"):
        done = run(command, "not-an-address")
        assert done.returncode == 1
        assert done.stderr.strip().startswith("“not-an-address”不是考试站地址")
        assert "Traceback" not in done.stderr


def test_the_station_is_reached_past_any_proxy_setting(station, easy, path_with_browser):
    done = run("check", "--wanted", easy, station.address, http_proxy="http://127.0.0.1:1", PATH=path_with_browser)
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_says_that_the_pc_is_not_locked():
    assert "does not lock the PC" in " ".join(run("--help").stdout.split())
    assert "does not lock the PC" in " ".join(run("run", "--help").stdout.split())


@pytest.mark.skipif(os.name != "posix", reason="the stand-in browser is a shell script")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_run_opens_the_page_opens_it_again_and_ends_with_nothing_left(station, tmp_path, path_with_browser, ending):
    command, settings = agent(
        "run", f"{station.address}/seat/x", PATH=path_with_browser, XDG_STATE_HOME=str(tmp_path / "state")
    )
    opened = tmp_path / "opened"
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, encoding="utf-8") as process:
        wait_for_lines(opened, 1)
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        wait_for_lines(opened, 2)
        process.send_signal(ending)
        output, _nothing = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"--app={station.address}/seat/x" in opened.read_text()
    assert "does not lock the PC" in output
    assert list((tmp_path / "state" / "exam-agent").iterdir()) == []
    last_started = int((tmp_path / "started").read_text().split()[-1])
    assert not is_alive(last_started), "what the browser started must end with it"


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_lines(path, count):
    give_up = time.monotonic() + 20
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert time.monotonic() < give_up, "the browser was not opened"
        time.sleep(0.05)
