"""One command sets a fresh machine up: tried on a small project in the place of the station."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.laws.sources import ROOT
from tests.laws.test_python38 import find_python38

BOOTSTRAP = ROOT / "installers" / "bootstrap.py"
PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "exam-station"
version = "0"
[project.scripts]
exam-station = "station_stand_in:main"
[tool.setuptools]
py-modules = ["station_stand_in"]
"""
PROGRAM = """
import sys
def main():
    print("called with", sys.argv[1:])
    return 7
"""


def bootstrap(folder, *arguments, python=sys.executable, **settings):
    return subprocess.run(
        [python, folder / "installers" / "bootstrap.py", *arguments],
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **settings},
        capture_output=True, encoding="utf-8", timeout=240, check=False,
    )  # fmt: skip


@pytest.fixture
def project(tmp_path):
    """A project with the station's file names and nothing in it."""
    folder = tmp_path / "with a space"
    (folder / "installers").mkdir(parents=True)
    for module in (BOOTSTRAP, BOOTSTRAP.with_name("chrome109.py")):
        shutil.copy(module, folder / "installers")
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (folder / "station_stand_in.py").write_text(PROGRAM, encoding="utf-8")
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    (folder / "constraints.txt").write_text(next(pin for pin in pins if pin.startswith("setuptools==")))
    return folder


@pytest.mark.slow
def test_demo_makes_what_is_missing_once_and_passes_arguments_and_status_on(project):
    first = bootstrap(project, "demo")
    assert first.returncode == 7, first.stderr
    assert "called with ['demo', '--fast']" in first.stdout
    assert "Installing the pinned packages" in first.stdout

    second = bootstrap(project, "demo", "--seats", "3")
    assert "called with ['demo', '--seats', '3']" in second.stdout
    assert "Installing" not in second.stdout

    with (project / "constraints.txt").open("a") as pins:
        pins.write("\nclick==8.5.1\n")
    assert "Installing the pinned packages" in bootstrap(project, "demo").stdout


@pytest.mark.slow
def test_packages_that_cannot_be_installed_are_told_with_what_to_check(project):
    (project / "constraints.txt").write_text("setuptools==0.0.0\n", encoding="utf-8")
    done = bootstrap(project, "demo")
    assert done.returncode == 1
    assert "pip could not install the packages" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_command_it_says_how_it_is_used(project):
    done = bootstrap(project)
    assert done.returncode == 2
    assert "bootstrap.py demo" in done.stdout
    assert bootstrap(project, "--help").returncode == 0
    assert not (project / ".venv").exists()


def test_an_older_python_is_told_in_a_sentence(project):
    older = find_python38()
    if older is None:
        pytest.skip("not installed: an older Python to try it with")
    done = bootstrap(project, "demo", python=older)
    assert done.returncode == 1
    assert "需要 Python 3.11" in done.stderr
    assert "SyntaxError" not in done.stderr
    assert not (project / ".venv").exists()


@pytest.mark.parametrize("uid", [0, 1000])
def test_debian_packages_are_installed_by_root_and_told_to_anybody_else(tmp_path, uid):
    """A fresh machine's package lists are empty: nothing is found before apt-get update."""
    programs = tmp_path / "bin"
    programs.mkdir()
    apt = programs / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/apt\n')
    apt.chmod(0o755)
    code = (
        f"import os, sys; os.geteuid = lambda: {uid}; sys.path.insert(0, {str(BOOTSTRAP.parent)!r})\n"
        "import bootstrap; print('still missing:', bootstrap.install_debian_packages())"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        env={"PATH": str(programs)}, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    if uid == 0:
        assert done.stdout.rstrip().endswith("still missing:")
        first, second = (tmp_path / "apt").read_text().splitlines()
        assert first == "-qq update"
        assert second.startswith("-qq install --yes")
        assert "chromium" in second
    else:
        assert "An administrator must run: apt-get update && apt-get install chromium" in done.stdout
        assert not (tmp_path / "apt").exists()


def test_ci_runs_the_test_command_and_nothing_else():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "installers/bootstrap.py test" in script.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", script], check=True)
