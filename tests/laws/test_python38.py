"""The client agent runs on Python 3.8, the last for Windows 7 (design §13.24)."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import skip_for_want_of
from tests.laws.sources import ROOT

AGENT = ROOT / "client_agent"
MOST_S = 240


def program(name):
    return str(Path(sys.executable).with_name(name))


def run(command, *, most_s=MOST_S, **settings):
    """Run a program in the source folder; what it said is in the failure."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **settings}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=most_s, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def find_python38():
    """Look where build machines have it: a variable, pyenv, PATH. None if it is nowhere."""
    candidates = [os.environ.get("EXAM_AGENT_PYTHON38", "")]
    if shutil.which("pyenv"):
        asked = subprocess.run(["pyenv", "prefix", "3.8.18"], capture_output=True, encoding="utf-8", check=False)
        candidates.append(f"{asked.stdout.strip()}/bin/python" if asked.returncode == 0 else "")
    candidates.append(shutil.which("python3.8") or "")
    for candidate in filter(None, candidates):
        # A pyenv shim stands on PATH for versions that are not there.
        answer = subprocess.run(
            [candidate, "-c", "import sys; print(sys.version_info[:2] == (3, 8))"],
            capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
        if answer.stdout.strip() == "True":
            return candidate
    return None


@pytest.fixture(scope="module")
def agent_python(tmp_path_factory):
    """Give a Python 3.8 with the agent's pinned packages and the agent itself installed as a package.

    It is kept beside this run's own packages, so that it is made once.
    """
    base = find_python38()
    if base is None:
        skip_for_want_of("Python 3.8 (set EXAM_AGENT_PYTHON38, or install 3.8.18 with pyenv)")
    home = Path(sys.prefix) / "agent-python3.8"
    python, stamp = home / "bin" / "python", home / "made-of.json"
    wanted = hashlib.sha256(
        (AGENT / "pyproject.toml").read_bytes() + (AGENT / "constraints.txt").read_bytes() + base.encode()
    ).hexdigest()
    if not stamp.exists() or json.loads(stamp.read_text()) != wanted:
        shutil.rmtree(home, ignore_errors=True)
        run([base, "-m", "venv", str(home)])
        pip = [str(python), "-m", "pip", "install", "-q", "-c", str(AGENT / "constraints.txt")]
        run([*pip, "setuptools", "wheel", "psutil", "cryptography", "pytest", "pytest-timeout", "pytest-xdist"])
        stamp.write_text(json.dumps(wanted))
    install_agent(python, tmp_path_factory.mktemp("agent"))
    return python


def install_agent(python, folder):
    # A copy, since the build leaves its own folders in the source.
    shutil.copytree(AGENT, folder / "client_agent", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    run([
        str(python), "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "--force-reinstall",
        str(folder / "client_agent"),
    ])  # fmt: skip


def test_nothing_in_the_agent_is_newer_than_python_3_8():
    run([program("vermin"), "-t=3.8-", "--no-tips", "client_agent"])


def test_the_agent_is_typed_for_windows_too():
    run([program("mypy"), "--platform", "win32", "-p", "client_agent"])


def test_every_module_of_the_agent_compiles_on_python_3_8(agent_python, tmp_path):
    run([str(agent_python), "-m", "compileall", "-q", "-f", "client_agent"], PYTHONPYCACHEPREFIX=str(tmp_path))


@pytest.mark.timeout(1200)  # a suite of its own
def test_the_tests_of_the_agent_pass_on_python_3_8(agent_python):
    output = run([
        str(agent_python), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider",
        "--import-mode=importlib", "-c", "client_agent/pyproject.toml", "--rootdir=.",  # fixtures count by folder
        "--confcutdir=tests/agent", "tests/agent",
    ], most_s=1100)  # fmt: skip
    assert " passed" in output


def test_the_installed_agent_starts_on_python_3_8_from_any_folder(agent_python, tmp_path):
    import client_agent

    done = subprocess.run(
        [agent_python.with_name("exam-agent"), "--version"],
        cwd=tmp_path, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert done.stdout.strip() == client_agent.__version__
    wanted = "import client_agent.__main__ as agent; print(agent.WANTED.exists())"
    asked = subprocess.run(
        [agent_python, "-c", wanted], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
    )
    assert asked.stdout.strip() == "True"
