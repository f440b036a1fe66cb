"""A rehearsal as a person starts it: the command, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil


def run_fast_day(folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Hold a fast day to its end; gives the process and the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-m", "station", "demo", "--fast", "--json", "--folder", str(folder), *arguments],
        capture_output=True, encoding="utf-8", timeout=280, check=False, env=_environment(),
    )  # fmt: skip
    return done, json.loads(done.stdout.splitlines()[-1])


@contextmanager
def running_demo(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a demo in the background; gives the process and the file with its output."""
    output = folder.with_name(folder.name + ".log")
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "station", "demo", "--folder", str(folder), *arguments],
            stdout=stream, stderr=subprocess.STDOUT, env=_environment(),
        )  # fmt: skip
        try:
            yield process, output
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)


def wait_for(text: str, output: Path, process: subprocess.Popen[bytes], *, seconds: float = 60) -> str:
    """Wait until the output holds a text; gives the output."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = output.read_text("utf-8", errors="replace")
        if text in found:
            return found
        assert process.poll() is None, found
        time.sleep(0.1)
    raise AssertionError(f"{text!r} did not come:\n{output.read_text('utf-8')}")


def still_running(programs: Sequence[psutil.Process], *, seconds: float = 10) -> list[psutil.Process]:
    """Give those that have not come to their end within so many seconds."""
    _, alive = psutil.wait_procs(programs, timeout=seconds)
    return alive


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
