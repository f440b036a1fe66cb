"""The set-up of the agent is built from checked inputs, and what it does to a PC is done in the order that is safe."""

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import skip_for_want_of
from tests.installers.test_check_wheels import CRT, OLD, program
from tests.laws.sources import ROOT, project_files

BUILD = ROOT / "installers" / "build_agent.py"
SCRIPT = (ROOT / "installers" / "agent" / "windows" / "exam-agent.nsi").read_text(encoding="utf-8")
SHELL = {
    name: (ROOT / "installers" / "agent" / "linux" / name).read_text(encoding="utf-8")
    for name in ("install.sh", "uninstall.sh")
}
PINS = {"psutil": "7.2.2", "cryptography": "42.0.8", "cffi": "1.17.1"}
MOST_S = 240


def build(*arguments):
    command = [sys.executable, str(BUILD), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=MOST_S, check=False)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel(folder, name, **members):
    with zipfile.ZipFile(folder / name, "w") as archive:
        package = name.partition("-")[0]
        archive.writestr(f"{package}/__init__.py", "")
        for member, content in members.items():
            archive.writestr(f"{package}/{member.replace('__', '.')}", content)


def wheels(folder, platform="win_amd64", **other_pins):
    folder.mkdir()
    for name, version in {**PINS, **other_pins}.items():
        wheel(folder, f"{name}-{version}-cp38-abi3-{platform}.whl", some__pyd=program([OLD, CRT]))
    wheel(folder, "pycparser-2.23-py3-none-any.whl")
    return folder


class Inputs:
    """Stand-ins for what whoever builds fetches: the runtime and the service program are not ours to keep."""

    def __init__(self, folder):
        self.folder = folder
        self.runtime, self.nssm = folder / "runtime.zip", folder / "nssm.exe"
        with zipfile.ZipFile(self.runtime, "w") as archive:
            for name in ("python.exe", "python38.dll", "python38.zip", "python38._pth", "vcruntime140.dll"):
                archive.writestr(name, f"stand-in for {name}")
        self.nssm.write_bytes(b"stand-in for nssm.exe")
        self.amd64 = wheels(folder / "amd64")

    def build(self, *more, runtime=None, nssm=None, out="out"):
        return build(
            "windows", "--nssm", self.nssm, nssm or sha256(self.nssm),
            "--amd64", self.runtime, runtime or sha256(self.runtime), self.amd64,
            *more, "--out", self.folder / out,
        )  # fmt: skip


@pytest.fixture
def inputs(tmp_path):
    if shutil.which("makensis") is None or shutil.which("7z") is None:
        skip_for_want_of("makensis and 7z (Debian packages nsis, p7zip-full)")
    return Inputs(tmp_path)


def unpacked(built, folder):
    subprocess.run(["7z", "x", "-y", f"-o{folder}", str(built)], capture_output=True, check=True)
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def files_of_the_agent():
    found = {path.as_posix() for path in project_files() if path.parts[0] == "client_agent" and "/." not in str(path)}
    return found - {"client_agent/pyproject.toml", "client_agent/constraints.txt"}


def test_the_windows_set_up_holds_the_whole_agent_its_packages_runtime_and_service(inputs, tmp_path):
    done = inputs.build()
    assert done.returncode == 0, done.stderr
    (built,) = (tmp_path / "out").iterdir()
    assert re.fullmatch(r"exam-agent-\d+\.\d+\.\d+\.exe", built.name)
    assert sha256(built) in done.stdout
    held = unpacked(built, tmp_path / "x")
    app = {name.removeprefix("new/app/") for name in held if name.startswith("new/app/")}
    assert files_of_the_agent() <= app
    assert {"psutil/some.pyd", "cryptography/some.pyd", "cffi/some.pyd", "pycparser/__init__.py"} <= app
    assert held["new/runtime/python.exe"].read_text() == "stand-in for python.exe"
    assert held["nssm.exe"].read_bytes() == inputs.nssm.read_bytes()
    assert {"exam-agent.cmd", "LICENSE.txt"} <= set(held)
    # The runtime looks in its own files and in `app`, nowhere else: no Python of the PC's comes between.
    assert held["new/runtime/python38._pth"].read_text().split() == ["python38.zip", ".", "..\\app"]
    assert '"%~dp0runtime\\python.exe" -m client_agent %*' in held["exam-agent.cmd"].read_text()


def test_one_set_up_can_hold_both_kinds_of_windows(inputs, tmp_path):
    win32 = wheels(tmp_path / "win32", "win32", psutil="7.1.1")
    done = inputs.build("--win32", inputs.runtime, sha256(inputs.runtime), win32)
    assert done.returncode == 0, done.stderr


def test_building_twice_gives_the_same_set_up(inputs, tmp_path):
    assert inputs.build(out="first").returncode == 0
    assert inputs.build(out="second").returncode == 0
    first, second = (next((tmp_path / name).iterdir()) for name in ("first", "second"))
    assert sorted(unpacked(first, tmp_path / "1")) == sorted(unpacked(second, tmp_path / "2"))


@pytest.mark.parametrize("which", ["runtime", "nssm"])
def test_another_file_than_the_one_wanted_is_refused_by_name(inputs, tmp_path, which):
    done = inputs.build(**{which: "0" * 64})
    assert done.returncode == 1
    assert getattr(inputs, which).name in done.stderr
    assert sha256(getattr(inputs, which)) in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_wheel_that_windows_7_would_not_load_is_refused_by_name(inputs):
    newer = program([("bcryptprimitives.dll", ["ProcessPrng"])])
    wheel(inputs.amd64, "cryptography-42.0.8-cp38-abi3-win_amd64.whl", rust__pyd=newer)
    done = inputs.build()
    assert done.returncode == 1
    assert "cryptography-42.0.8" in done.stderr
    assert "ProcessPrng" in done.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cffi-1.16.0-cp38-cp38-win_amd64.whl", "1.17.1 is pinned"),
        ("requests-2.32.4-py3-none-any.whl", "needs no such package"),
        ("cffi-1.17.1-cp38-cp38-manylinux_2_17_x86_64.whl", "not for this system"),
    ],
)
def test_a_wheelhouse_holds_what_is_pinned_and_nothing_else(inputs, name, reason):
    wheel(inputs.amd64, name)
    done = inputs.build()
    assert done.returncode == 1
    assert name in done.stderr
    assert reason in done.stderr


def test_a_missing_wheel_and_a_runtime_of_another_python_are_refused(inputs):
    next(inputs.amd64.glob("psutil*")).unlink()
    assert "no wheel of psutil 7.2.2" in inputs.build().stderr
    wheel(inputs.amd64, "psutil-7.2.2-cp38-abi3-win_amd64.whl")
    with zipfile.ZipFile(inputs.runtime, "w") as archive:
        archive.writestr("python.exe", "")
        archive.writestr("python39.dll", "")
    done = inputs.build()
    assert done.returncode == 1
    assert "no python38.dll" in done.stderr


# --- what the scripts do, in which order -------------------------------------------------------------


def section(name):
    return re.search(rf'^Section "{name}"\n(.*?)^SectionEnd', SCRIPT, re.MULTILINE | re.DOTALL)[1]


def assert_in_order(text, *wanted):
    at = -1
    for one in wanted:
        found = text.find(one, at + 1)
        assert found > at, f"{one!r} does not follow in:\n{text}"
        at = found


def test_windows_restores_before_it_removes_and_refuses_while_the_pc_is_locked():
    assert_in_order(
        section("Uninstall"),
        'Agent "restore --unless-locked"', '!insertmacro Refuse ${LOCKED}', 'Service "stop ${SERVICE}"',
        'Agent "restore"', 'Service "start ${SERVICE}"', '!insertmacro Refuse ${NOT_PUT_BACK}',
        'Service "remove ${SERVICE} confirm"', 'RMDir /r "$INSTDIR\\app"', "DeleteRegKey",
        '${If} ${FileExists} "$APPDATA\\exam-agent\\undo.json*"', 'RMDir /r "$APPDATA\\exam-agent"',
    )  # fmt: skip
    assert 'RMDir /r "$INSTDIR"' not in SCRIPT


def test_windows_tries_the_new_program_before_it_touches_the_old_one():
    names = re.findall(r'^Section "(.+)"$', SCRIPT, re.MULTILINE)
    assert names == [
        "Unpack", "Try the new program", "Stop the old program", "Put the new program in its place", "Settings",
        "Service", "Links", "Uninstall",
    ]  # fmt: skip
    assert_in_order(
        section("Stop the old program"),
        'Agent "restore --unless-locked"', "Refuse ${LOCKED}", 'Service "stop ${SERVICE}"', 'Agent "restore"',
        'Service "start ${SERVICE}"', "Refuse ${NOT_PUT_BACK}",
    )  # fmt: skip
    assert_in_order(
        section("Put the new program in its place"),
        'Rename "$INSTDIR\\runtime" "$INSTDIR\\old\\runtime"', "${If} ${Errors}", 'Rename "$INSTDIR\\new\\runtime"',
    )  # fmt: skip


def test_windows_takes_station_fingerprint_seat_and_room_as_words_of_the_command_line():
    for word, name in {"STATION": "Station", "FINGERPRINT": "Fingerprint", "SEAT": "Seat", "ROOM": "Room"}.items():
        assert f'${{GetOptions}} $R0 "/{word}=" ${name}' in SCRIPT
    # Nobody is there to press a button of a silent set-up.
    assert not [line for line in SCRIPT.splitlines() if "MessageBox" in line and "/SD" not in line]


def test_what_candidates_may_change_is_removed_on_windows_without_going_through_their_junctions():
    removed = section("Uninstall")
    assert 'rd /s /q "$APPDATA\\exam-agent-browser"' in removed
    assert 'RMDir /r "$APPDATA\\exam-agent-browser"' not in removed


def test_the_windows_service_lies_where_only_administrators_write_and_keeps_spaces_together():
    assert 'StrCpy $INSTDIR "$PROGRAMFILES64\\Exam Agent"' in SCRIPT
    service = section("Service")
    assert 'AppDirectory "$INSTDIR"' in service
    assert 'AppParameters "-m client_agent service"' in service
    assert "AppExit Default Restart" in service
    unquoted = [line for line in SCRIPT.splitlines() if re.search(r'ExecToLog (?!\')|ExecToLog \'[^"]', line)]
    assert not unquoted


def test_every_exit_status_is_one_a_technician_can_look_up():
    told = (ROOT / "docs" / "agent-install.zh.md").read_text(encoding="utf-8")
    of_windows = set(re.findall(r"^!define \w+ (\d+)$", SCRIPT, re.MULTILINE))
    of_linux = {code for text in SHELL.values() for code in re.findall(r"refuse (\d+)|STATUS=(\d+)", text)}
    every = of_windows | {one or other for one, other in of_linux} - {"0", "2"}
    assert {"10", "11", "12", "13", "20"} <= every
    assert not {code for code in every if f"| {code} |" not in told}
