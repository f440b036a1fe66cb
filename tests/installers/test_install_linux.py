"""The Linux set-up installs, updates and removes the real agent on a PC without any network."""

import json
import shutil
import subprocess
import tarfile
import zipfile

import pytest

from tests.conftest import skip_for_want_of
from tests.installers.test_build_agent import build
from tests.laws.test_python38 import agent_python  # noqa: F401  (a fixture)

MOST_S = 240
# Gives the packages of a Python as wheels again: what its RECORD lists, zipped.
REPACK = """
import sys, zipfile
from importlib.metadata import distribution
for name in ("psutil", "cryptography", "cffi", "pycparser"):
    held = distribution(name)
    tag = next(line for line in held.read_text("WHEEL").splitlines() if line.startswith("Tag: "))[5:]
    with zipfile.ZipFile(f"{sys.argv[1]}/{name}-{held.version}-{tag}.whl", "w") as wheel:
        for file in held.files:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                wheel.write(str(held.locate_file(file)), str(file))
"""
# What a PC has and the set-up writes to stands on file systems of its own, which go with the process; /run too, so that
# the service manager of the machine that runs the tests is nowhere to be found.
PC = """
set -eu
for place in /run /opt /usr/local/bin /var/lib /etc/systemd/system; do mount -t tmpfs none $place; done
ip link set lo up
export PYTHON={python}
cd {folder}
status() {{ set +e; "$@" >>{log} 2>&1; echo $?; set -e; }}
"""
LOCK = """
sleep 600 >/dev/null 2>&1 & LOCKER=$!
mkdir -p /var/lib/exam-agent
$PYTHON - $LOCKER <<'END'
import hashlib, json, sys, psutil
body = {"entries": [{"operation": "of_another_version", "before": {}}]}
canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
whole = {"format": 1, "checksum": hashlib.sha256(canonical.encode()).hexdigest(), "body": body}
pid = int(sys.argv[1])
claim = {"pid": pid, "started": psutil.Process(pid).create_time()}
for name, content in {"undo.json": whole, "running.json": claim}.items():
    with open("/var/lib/exam-agent/" + name, "w") as file:
        file.write(json.dumps(content))
END
"""


@pytest.fixture(scope="module")
def archive(agent_python, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("set-up")
    (folder / "wheels").mkdir()
    subprocess.run([str(agent_python), "-c", REPACK, str(folder / "wheels")], check=True)
    done = build("linux", "--wheels", folder / "wheels", "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return next((folder / "out").iterdir())


@pytest.fixture
def pc(archive, agent_python, tmp_path):  # noqa: F811
    """Give what runs shell lines on a PC without network, and gives what they printed."""
    probe = subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True, check=False)
    if probe.returncode != 0 or shutil.which("ip") is None:
        skip_for_want_of("root, unshare and ip: a PC without network")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (folder,) = [path for path in tmp_path.iterdir() if path.name.startswith("exam-agent-")]
    log = tmp_path / "log"

    def run(lines):
        script = PC.format(python=agent_python, folder=folder, log=log) + lines
        done = subprocess.run(
            ["unshare", "-n", "-m", "sh", "-c", script],
            capture_output=True,
            encoding="utf-8",
            timeout=MOST_S,
            check=False,
        )
        told = log.read_text(encoding="utf-8") if log.exists() else ""
        assert done.returncode == 0, done.stdout + done.stderr + told
        return done.stdout.split("\n"), told

    return run


def test_it_installs_without_network_knows_its_station_and_systemd_understands_its_unit(pc):
    lines, told = pc("""
        STATION=http://192.168.1.2:8080 FINGERPRINT=abcd-efgh-ijkl; export STATION FINGERPRINT
        status sh install.sh --silent
        exam-agent status --json
        ls -l /var/lib | grep exam-agent
        cat /var/lib/exam-agent/pairing.json; echo
        status systemd-analyze verify /etc/systemd/system/exam-agent.service
    """)
    assert lines[0] == "0"
    if shutil.which("systemd-analyze") is None:
        skip_for_want_of("systemd-analyze (Debian package systemd)")
    assert lines[4] == "0", told
    assert "exam-agent.service:" not in told
    status, pairing = json.loads(lines[1]), json.loads(lines[3])
    assert status["station"] == pairing["address"] == "http://192.168.1.2:8080"
    assert pairing["fingerprint"] == "abcd-efgh-ijkl"
    assert lines[2].startswith("drwx------"), "nobody else may read the token of this PC"


def test_a_seat_that_cannot_be_taken_yet_says_so_and_the_program_is_there(pc):
    lines, told = pc("""
        STATION=http://127.0.0.1:9 SEAT=12; export STATION SEAT
        status sh install.sh --silent
        exam-agent --version
    """)
    assert lines[0] == "20"
    assert lines[1]
    assert "尚未登记考位" in told


def test_root_runs_nothing_of_the_folder_it_stands_in(pc):
    """`sudo exam-agent restore` is typed in a terminal at the candidate's desktop: that stands in their home."""
    lines, _told = pc("""
        mkdir planted
        cd planted
        mkdir client_agent
        for name in argparse json venv pip client_agent/__init__; do echo "open('$PWD/ran', 'w')" > $name.py; done
        status sh ../install.sh --silent
        exam-agent status --json >/dev/null
        status sh /opt/exam-agent/current/share/uninstall.sh
        if test -e ran; then echo ran; else echo nothing; fi
    """)
    assert lines[:3] == ["0", "0", "nothing"]


def test_an_update_leaves_a_locked_pc_alone_and_a_removal_too(pc):
    lines, told = pc(f"""
        status sh install.sh --silent
        readlink /opt/exam-agent/current
        {LOCK}
        status sh install.sh --silent
        status sh uninstall.sh
        readlink /opt/exam-agent/current
        ls /opt/exam-agent/versions | wc -l
        test -s /var/lib/exam-agent/undo.json; echo $?
        kill $LOCKER; wait $LOCKER || true
        status sh uninstall.sh
        test -x /opt/exam-agent/current/bin/python; echo $?
    """)
    assert lines[0] == "0"
    assert lines[2:4] == ["10", "10"]
    assert lines[4] == lines[1]
    assert lines[5].strip() == "1", "what was made for the update is gone again"
    assert lines[6] == "0"
    assert "正锁定考试" in told
    # The agent is dead now, but what it changed cannot all be put back: the program that could do it stays.
    assert lines[7:9] == ["10", "0"]


def test_an_update_takes_the_place_of_the_old_program_and_a_broken_one_does_not(pc):
    lines, _told = pc("""
        status sh install.sh --silent
        readlink /opt/exam-agent/current
        status sh install.sh --silent
        readlink /opt/exam-agent/current
        ls /opt/exam-agent/versions | wc -l
        rm wheels/psutil-*
        status sh install.sh --silent
        readlink /opt/exam-agent/current
        exam-agent --version
    """)
    first, second, kept = lines[1], lines[3], lines[6]
    assert [lines[0], lines[2], lines[5]] == ["0", "0", "13"]
    assert first != second == kept
    assert lines[4].strip() == "1"
    assert lines[7]


def test_the_agent_updates_itself_from_the_archive_that_the_station_serves(pc, archive, tmp_path):
    lines, told = pc(f"""
        status sh install.sh --silent
        first=$(readlink /opt/exam-agent/current)
        mkdir {tmp_path}/fetched; export TMPDIR={tmp_path}/fetched
        exec 2>>{tmp_path}/log
        /opt/exam-agent/current/bin/python -c "
from pathlib import Path
from client_agent.linux.machine import LinuxMachine
LinuxMachine().install(Path('{archive}'))"
        for turn in $(seq 200); do
            ls {tmp_path}/fetched/exam-agent-update-* >/dev/null 2>&1 || break
            sleep 0.5
        done
        [ "$(readlink /opt/exam-agent/current)" != "$first" ]; echo $?
        ls {tmp_path}/fetched | grep -c exam-agent-update- || true
        exam-agent --version
    """)
    assert lines[0] == "0"
    assert lines[-4:-2] == ["0", "0"], told
    assert lines[-2], told


def test_a_removal_leaves_nothing_behind(pc):
    lines, _told = pc("""
        status sh install.sh --silent
        exam-agent pair http://192.168.1.2:8080 --later >/dev/null
        status sh /opt/exam-agent/current/share/uninstall.sh
        find /opt /usr/local/bin /var/lib /etc/systemd/system -mindepth 1
    """)
    assert [line for line in lines if line] == ["0", "0"]


def test_the_wheel_of_the_agent_is_whole(archive, tmp_path):
    """pip checks RECORD only in parts; here each member is held against it."""
    import base64
    import hashlib

    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (path,) = tmp_path.glob("*/wheels/exam_station_agent-*.whl")
    with zipfile.ZipFile(path) as wheel:
        record = next(name for name in wheel.namelist() if name.endswith("/RECORD"))
        rows = [line.rsplit(",", 2) for line in wheel.read(record).decode().splitlines()]
        assert sorted(name for name, _hash, _size in rows) == sorted(wheel.namelist())
        for name, told, size in rows:
            if name != record:
                content = wheel.read(name)
                digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                assert (told, size) == (f"sha256={digest}", str(len(content)))
