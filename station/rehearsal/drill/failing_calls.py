"""Let a running program's writes or flushes fail, by strace, for a while."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from station.rehearsal.drill.disk_trace import may_trace

_ATTACHED_WITHIN_S = 20.0


def may_interfere() -> bool:
    """Say whether strace may take hold of a program that is running already."""
    if sys.platform != "linux" or not may_trace():
        return False
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        with failing(child.pid, "fdatasync:error=EIO", within_s=3.0):
            return True
    except OSError:
        return False
    finally:
        child.kill()
        child.communicate()


@contextmanager
def failing(pid: int, *rules: str, files: Sequence[Path] = (), within_s: float = _ATTACHED_WITHIN_S) -> Iterator[None]:
    """Let calls of a program fail by strace's rules ("fdatasync:error=EIO"), only on `files` where these are named.

    Raises OSError when strace cannot take hold of it.
    """
    calls = ",".join(sorted({rule.partition(":")[0] for rule in rules}))
    words = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={calls}", "-e", "signal=none"]
    words += (word for rule in rules for word in ("-e", f"inject={rule}"))
    words += (word for file in files for word in ("-P", str(file)))
    strace = subprocess.Popen([*words, "-p", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_held(pid, strace, within_s)
        yield
    finally:
        strace.terminate()
        strace.wait()


def _wait_until_held(pid: int, strace: subprocess.Popen[bytes], within_s: float) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until and strace.poll() is None:
        if all(_is_held(task) for task in Path(f"/proc/{pid}/task").iterdir()):
            return
        time.sleep(0.02)
    raise OSError("strace cannot take hold of the program")


def _is_held(task: Path) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return "TracerPid:\t0\n" not in (task / "status").read_text("ascii", errors="replace")
    return True
