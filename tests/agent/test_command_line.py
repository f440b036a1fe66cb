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


def test_a_wrong_address_is_one_sentence_on_stderr(easy, tmp_path):
    for command in ("check", "run", "page", "pair"):
        done = run(command, "not-an-address", XDG_STATE_HOME=str(tmp_path))
        assert done.returncode == 1
        assert done.stderr.strip().startswith("“not-an-address”不是考站地址")
        assert "Traceback" not in done.stderr


def test_the_station_is_reached_past_any_proxy_setting(station, easy, path_with_browser):
    done = run("check", "--wanted", easy, station.address, http_proxy="http://127.0.0.1:1", PATH=path_with_browser)
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_says_which_command_does_not_lock_the_pc():
    assert "does not lock the PC" in " ".join(run("page", "--help").stdout.split())
    assert "does not lock the PC" not in " ".join(run("run", "--help").stdout.split())


@pytest.mark.skipif(os.name != "posix", reason="the stand-in browser is a shell script")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_page_opens_the_link_opens_it_again_and_ends_with_nothing_left(station, tmp_path, path_with_browser, ending):
    command, settings = agent(
        "page", f"{station.address}/seat/x", PATH=path_with_browser, XDG_STATE_HOME=str(tmp_path / "state")
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


def test_a_technician_pairs_asks_and_forgets_by_commands(paired, tmp_path):
    here = {"XDG_STATE_HOME": str(tmp_path)}
    done = run("pair", paired.address, "--seat", "12", "--lang", "en", **here)
    assert done.returncode == 0, done.stderr
    assert "Registered: 第一机房, seat 12" in done.stdout
    told = json.loads(run("status", "--json", **here).stdout)
    assert told["registered"]
    assert told["station_reached"]
    assert told["seat"]["number"] == "12"
    assert told["changed"] is False
    assert "考位：第一机房 12" in run("status", **here).stdout
    assert "token-1" not in run("status", **here).stdout
    paired.pairing_open = False
    done = run("pair", paired.address, "--forget", "--lang", "en", **here)
    assert done.returncode == 1
    assert "takes no new PCs now" in done.stderr
    assert json.loads(run("status", "--json", **here).stdout)["registered"] is False


def test_an_installer_only_notes_the_address_and_the_agent_registers_when_it_runs(paired, tmp_path):
    here = {"XDG_STATE_HOME": str(tmp_path)}
    assert run("pair", "http://127.0.0.1:1", "--fingerprint", "k3vd-7q2a-9f4c", "--later", **here).returncode == 0
    kept = json.loads((tmp_path / "exam-agent" / "pairing.json").read_text())
    assert kept["address"] == "http://127.0.0.1:1"
    assert kept["token"] == ""
    assert json.loads(run("status", "--json", **here).stdout)["fingerprint"] == "k3vd-7q2a-9f4c"


def test_restore_says_what_it_did_and_ends_with_0_when_nothing_is_left(tmp_path):
    done = run("restore", "--lang", "en", XDG_STATE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Nothing had to be put back." in done.stdout


def test_an_undo_file_that_cannot_be_read_ends_restore_with_1(tmp_path):
    (tmp_path / "exam-agent").mkdir()
    (tmp_path / "exam-agent" / "undo.json").write_text("garbage")
    done = run("restore", XDG_STATE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_code_is_refused_where_no_orders_ever_came(tmp_path):
    done = run("unlock", "12345678", "--lang", "en", XDG_STATE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "holds no unlock codes" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="the state folder's rights are those of POSIX")
def test_the_token_is_for_nobody_else_to_read(paired, tmp_path):
    assert run("pair", paired.address, XDG_STATE_HOME=str(tmp_path)).returncode == 0
    assert (tmp_path / "exam-agent").stat().st_mode & 0o077 == 0
