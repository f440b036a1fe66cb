"""Small files of the system that the lockdown adds; they are its own by name, so reverting removes them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import List, Sequence

from client_agent.errors import AgentError, problem

PROGRAM_FAILED = problem(
    "lock_program_failed",
    "命令 {program} 失败：{reason}",
    "The command {program} failed: {reason}",
)
PROGRAM_MISSING = problem(
    "lock_program_missing",
    "本机未安装 {program}，请安装后再试。",
    "{program} is not installed on this PC. Install it and try again.",
)

PROGRAM_TIMEOUT_S = 10
# A service's PATH may lack them.
SYSTEM_FOLDERS = "/usr/sbin:/sbin:/usr/bin:/bin"


def missing_folders(folder: Path) -> List[str]:
    """List the folders that are to be made for this one, the outermost first."""
    missing = []
    while not folder.exists():
        missing.append(str(folder))
        folder = folder.parent
    return missing[::-1]


def write_whole(path: Path, content: str) -> None:
    """Write a file so that nobody, also after a power cut, finds half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_of(path)
    number = os.open(str(temporary), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with open(number, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(str(temporary), str(path))


def temporary_of(path: Path) -> Path:
    """Name the file that stands for this one while it is being written; no system program reads it."""
    return path.with_name(f".{path.name}.new")


def remove_with_folders(path: Path, folders: Sequence[str]) -> None:
    """Remove a file of ours, and the folders that were not there before unless somebody else uses them now."""
    for one in (path, temporary_of(path)):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            one.unlink()
    for folder in reversed(folders):
        try:
            os.rmdir(folder)
        except OSError as failure:
            if failure.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
                raise


def run(*command: str, given: str = "") -> str:
    """Run a system program and give what it says; refuses when it is missing, fails or hangs."""
    program = shutil.which(command[0], path=os.environ.get("PATH", "") + ":" + SYSTEM_FOLDERS)
    if program is None:
        raise AgentError(PROGRAM_MISSING, program=command[0])
    try:
        done = subprocess.run(
            [program, *command[1:]],
            input=given.encode("utf-8"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as failure:
        raise AgentError(PROGRAM_FAILED, program=command[0], reason=failure) from None
    if done.returncode != 0:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:200]
        raise AgentError(PROGRAM_FAILED, program=command[0], reason=said or done.returncode)
    return done.stdout.decode("utf-8", "replace")
