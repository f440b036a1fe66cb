"""What a program asked of the disk and the network, call by call, as strace wrote it down.

strace stops a thread at the beginning and at the end of a call and writes the line before it lets the thread go on,
so the order of the lines is an order in which things can have happened: what a thread did because another had
finished something stands behind that something's end.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Bytes of one call that are written down whole; a longer one stops the reading by name.
LARGEST_CALL = 8 * 2**20

_DISK = (
    "openat,open,creat,close,dup,dup2,dup3,lseek,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,"
    "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,"
    "sendfile,copy_file_range,splice,mmap,fork,vfork,clone,clone3"
)
_NETWORK = "sendto,sendmsg,recvfrom,recvmsg"


class Call(NamedTuple):
    """One call. `began` and `ended` are line numbers; one that never came back has ended at `NEVER`."""

    began: int
    ended: int
    thread: int
    name: str
    arguments: str
    result: int

    @property
    def texts(self) -> list[bytes]:
        """Give the strings among the arguments, whole."""
        return [_bytes(text) for text in _TEXT.findall(self.arguments)]

    @property
    def handle(self) -> tuple[int, str]:
        """Give the first argument when it is a file descriptor: its number, and what strace says it is."""
        found = _HANDLE.match(self.arguments)
        return (int(found[1]), _bytes(found[2]).decode(errors="surrogateescape")) if found else (-1, "")

    @property
    def numbers(self) -> list[int]:
        """Give what stands behind the last text or descriptor, number by number."""
        plain = self.arguments.rpartition('"')[2].rpartition(">")[2]
        return [int(one, 0) for one in _NUMBER.findall(plain)]


NEVER = 2**62
# Calls that make durable; one that failed says something, too: what it was to flush may never be.
FLUSHES = frozenset({"fsync", "fdatasync"})
_LINE = re.compile(r"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))", re.DOTALL)
_RESULT = re.compile(r"(.*)\)\s+= (-?\d+|0x[0-9a-f]+|\?)", re.DOTALL)
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_CUT_TEXT = re.compile(r'"\.\.\.')
_HANDLE = re.compile(r"(-?\d+)<((?:\\x[0-9a-f]{2})*)>")
_NUMBER = re.compile(r"-?\b(?:0x[0-9a-f]+|\d+)\b")
_UNFINISHED = " <unfinished ...>"


class TraceUnreadable(Exception):
    """The trace holds something that cannot be understood; the drill must not pass over it."""


def strace_words(trace: Path, *, is_network: bool = True, failing: str = "") -> list[str]:
    """Give the words that stand before a program's own, so that its calls are written to `trace`.

    `failing`: strace's rule for calls that shall fail ("fdatasync:error=EIO:when=20+31").
    """
    calls = f"{_DISK},{_NETWORK}" if is_network else _DISK
    options = ["-f", "-qq", "-y", "-xx", "-s", str(LARGEST_CALL), "--seccomp-bpf", "-e", "signal=none"]
    options += ["-e", f"inject={failing}"] if failing else []
    return [_strace(), *options, "-e", f"trace={calls}", "-o", str(trace), "--"]


def may_trace() -> bool:
    """Say whether this system has strace and lets it look into a program."""
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run([_strace(), "-f", "-o", os.devnull, "true"], capture_output=True, check=False)
    return tried.returncode == 0


def read_calls(trace: Path) -> list[Call]:
    """Read a trace: calls that succeeded and flushes that failed, as they ended, then calls that never came back."""
    calls: list[Call] = []
    begun: dict[int, tuple[int, str, str]] = {}
    with trace.open(encoding="ascii", errors="strict") as lines:
        for number, line in enumerate(lines):
            found = _LINE.match(line)
            if found is None:
                continue
            thread = int(found[1])
            if found[2]:
                rest = found[3].rstrip("\n")
                if rest.endswith(_UNFINISHED):
                    begun[thread] = (number, found[2], rest.removesuffix(_UNFINISHED))
                    continue
                began, name = number, found[2]
            else:
                began, name, start = begun.pop(thread)
                rest = start + found[5]
            calls += _finished(began, number, thread, name, rest)
    calls += (Call(began, NEVER, thread, name, arguments, -1) for thread, (began, name, arguments) in begun.items())
    return sorted(calls, key=lambda call: (call.ended, call.began))


def _finished(began: int, ended: int, thread: int, name: str, rest: str) -> Iterator[Call]:
    found = _RESULT.match(rest)
    if found is None or found[2] == "?":
        # The thread was killed in the call: whether it took effect is not known.
        yield Call(began, NEVER, thread, name, rest, -1)
        return
    result = int(found[2], 0)
    if result < 0 and name not in FLUSHES:
        return
    if _CUT_TEXT.search(found[1]):
        raise TraceUnreadable(f"{name}: more than {LARGEST_CALL} bytes in one call")
    yield Call(began, ended, thread, name, found[1], result)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _strace() -> str:
    return shutil.which("strace") or "strace"
