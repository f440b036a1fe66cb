"""Writes and flushes that fail with an I/O error under load, all of them or now and then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

from station.rehearsal.drill.disk_trouble import Fault, Trouble
from station.rehearsal.drill.failing_calls import failing, may_interfere
from station.rehearsal.drill.result import FaultResult

KIND = "io_error"
NO_STRACE = (
    "strace 不能介入运行中的程序，无法制造读写错误。"
    "strace cannot take hold of a running program: no I/O errors can be made."
)
# strace's rules, and whether they let no save through at all.
ERRORS: tuple[tuple[tuple[str, ...], bool], ...] = (
    (("fdatasync:error=EIO", "fsync:error=EIO"), True),
    (("fdatasync:error=EIO:when=2+3", "pwrite64:error=EIO:when=40+61"), False),
    (("pwrite64:error=EIO",), True),
    (("fdatasync:error=EIO:when=1+2",), False),
)


def run(folder: Path, *, rounds: int, is_long: bool) -> FaultResult:
    """Let calls fail so many times, each time others: every flush, some of both, every write, every second flush."""
    if not may_interfere():
        return FaultResult(KIND, not_run=NO_STRACE)
    trouble = Trouble.begin(folder, KIND)
    try:
        for rules, stops_all in islice(cycle(ERRORS), rounds):
            trouble.endure(_failing(rules), stops_all=stops_all)
        return trouble.result(
            KIND,
            done=(
                "保存进行中让数据库的写入和刷盘返回读写错误（EIO）：每次都错，或时错时好。",
                "While saves went on, the database's writes and flushes failed with EIO: all of them, or now and then.",
            ),
        )
    finally:
        trouble.close()


def _failing(rules: tuple[str, ...]) -> Fault:
    @contextmanager
    def fail(trouble: Trouble) -> Iterator[None]:
        files = [trouble.database, Path(f"{trouble.database}-wal")]
        with failing(trouble.station.process.pid, *rules, files=files):
            yield

    return fail
