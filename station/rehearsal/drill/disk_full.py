"""A full disk under load: answers are refused as not stored, and taken again as soon as there is room."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from station.rehearsal.drill.disk_trouble import Trouble
from station.rehearsal.drill.result import FaultResult
from station.rehearsal.drill.small_disks import filled, may_mount, memory_disk

KIND = "disk_full"
DISK_MB, FLOOR_MB, BALLAST_MB = 64, 4, 8
NO_LIMITS = (
    "本机不能挂载小磁盘，也不能限制文件大小。This system can neither mount a small disk nor bound a file's size."
)
# The least that a program's files may be bound to: nothing of the log's pages fits.
_SMALLEST = 4096


def run(folder: Path, *, rounds: int, is_long: bool) -> FaultResult:
    """Fill the disk so many times.

    Root gets a small disk of its own for that. Others cannot mount one: there the station's files are forbidden to
    grow, which the system reports as EFBIG instead of ENOSPC.
    """
    if sys.platform != "linux":
        return FaultResult(KIND, not_run=NO_LIMITS)
    with ExitStack() as held:
        settings: dict[str, object] = {"disk.floor_mb": FLOOR_MB, "disk.ballast_mb": 0}
        is_small = may_mount()
        if is_small:
            try:
                disk = held.enter_context(memory_disk(folder / "disk", mebibytes=DISK_MB))
                settings |= {"store.folder": str(disk), "disk.ballast_mb": BALLAST_MB}
            except (subprocess.CalledProcessError, OSError):
                is_small = False
        trouble = Trouble.begin(folder / "ground", KIND, settings=settings)
        held.callback(trouble.close)
        for _ in range(rounds):
            trouble.endure(full if is_small else bounded)
        return trouble.result(KIND, done=_done(is_small))


@contextmanager
def full(trouble: Trouble) -> Iterator[None]:
    """Take every block of the disk, also those that the station gives up for its answers."""
    with filled(trouble.ground.config.folder):
        yield


@contextmanager
def bounded(trouble: Trouble) -> Iterator[None]:
    """Forbid the station's files to grow."""
    station = psutil.Process(trouble.station.process.pid)
    _, hard = station.rlimit(psutil.RLIMIT_FSIZE)
    station.rlimit(psutil.RLIMIT_FSIZE, (_SMALLEST, hard))
    try:
        yield
    finally:
        station.rlimit(psutil.RLIMIT_FSIZE, (hard, hard))


def _done(is_small: bool) -> tuple[str, str]:
    if is_small:
        return (
            f"在 {DISK_MB} MB 的磁盘上，保存进行中写满到最后一块（备用空间也占满），再腾出空间。",
            f"On a disk of {DISK_MB} MB every block was taken while saves went on, the ballast's too, and freed again.",
        )
    return (
        "没有挂载权限：改为禁止考站的文件增大（系统报 EFBIG，不是 ENOSPC），再放开。",
        "Mounting is not permitted: the station's files were kept from growing (EFBIG, not ENOSPC), then let go.",
    )
