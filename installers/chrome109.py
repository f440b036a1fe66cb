"""Fetch the Chromium that candidate PCs with Windows 7 hold at best: 109, for the browser tests.

Debian has current versions only. The npm package carries a Chromium 109 without a window, compressed with
brotli; npm fetches it by the machine's own npm settings, and node, which npm comes with, unpacks it.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@sparticuz/chromium@109.0.6"  # licence MIT; Chromium's own: BSD
SHA256 = "84171b067a588137a242c3dfb70d160c49d055a4227297aefc5eace94e47566c"
MEMBER = "package/bin/chromium.br"
UNPACK = "process.stdin.pipe(require('node:zlib').createBrotliDecompress()).pipe(process.stdout)"
FETCH_TIMEOUT_S = 300
REASON = "The browser tests on Chromium 109 are skipped by name."


class NotFetched(Exception):
    """Chromium 109 cannot be had here; the message says why and what to do."""


def program_in(venv: Path) -> Path:
    """Say where Chromium 109 stands once it was fetched; a file there is whole and of this version."""
    return venv / PACKAGE.rpartition("/")[2].replace("@", "-") / "chromium"


def fetch_chrome109(venv: Path) -> str:
    """Put Chromium 109 into the folder unless it is there; say what is missing, or nothing."""
    if program_in(venv).exists():
        return ""
    try:
        npm, node = _find_programs()
        print(f"Fetching Chromium 109 ({PACKAGE}, 58 MB) …", flush=True)
        program_in(venv).parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program_in(venv).parent) as folder:
            _unpack(_fetch(npm, Path(folder)), node, program_in(venv))
    except NotFetched as failure:
        sentence = f"No Chromium 109: {failure} {REASON}"
        print(sentence, flush=True)
        return sentence
    return ""


def _find_programs() -> tuple[str, str]:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise NotFetched("there is one for Linux on x86-64 only.")
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise NotFetched("npm and node are not on the PATH; install them (Debian package npm) and run this again.")
    return npm, node


def _fetch(npm: str, folder: Path) -> Path:
    """Let npm bring the package file, and make sure that it is the one that was chosen."""
    command = [npm, "pack", PACKAGE, "--loglevel=error", "--pack-destination", str(folder.resolve())]
    try:
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, timeout=FETCH_TIMEOUT_S, check=True)
        package = next(folder.glob("*.tgz"))
    except (OSError, subprocess.SubprocessError, StopIteration) as failure:
        raise NotFetched("npm could not bring it; check the network, or the machine's npm settings.") from failure
    if hashlib.sha256(package.read_bytes()).hexdigest() != SHA256:
        raise NotFetched(f"what npm brought as {PACKAGE} is not the file this project was tried with.")
    return package


def _unpack(package: Path, node: str, program: Path) -> None:
    """Unpack the program beside its place, then name it: what bears the name is whole."""
    packed, partial = package.with_name("chromium.br"), package.with_name("chromium")
    try:
        with tarfile.open(package) as archive, packed.open("wb") as output:
            member = archive.extractfile(MEMBER)
            assert member is not None
            shutil.copyfileobj(member, output)
        with packed.open("rb") as source, partial.open("wb") as output:
            subprocess.run([node, "-e", UNPACK], stdin=source, stdout=output, check=True)
        partial.chmod(0o755)
        os.replace(partial, program)
    except (OSError, KeyError, tarfile.TarError, subprocess.SubprocessError) as failure:
        raise NotFetched(f"it could not be unpacked ({failure}).") from failure
