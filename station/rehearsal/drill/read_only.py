"""A file system that turns read-only under load, as Linux does after a disk error, and its repair."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from station.rehearsal.drill.disk_trouble import Trouble
from station.rehearsal.drill.failing_calls import failing, may_interfere
from station.rehearsal.drill.result import FaultResult
from station.rehearsal.drill.small_disks import ImageDisk, may_mount

KIND = "read_only"
DISK_MB = 96
_STILL_WITHIN_S = 10.0
NO_MEANS = (
    "本机不能挂载小磁盘，strace 也不能介入运行中的程序。"
    "This system can neither mount a small disk nor let strace take hold of a running program."
)


def run(folder: Path, *, rounds: int, is_long: bool) -> FaultResult:
    """Let the disk turn read-only so many times.

    Root gets an ext4 disk of its own, which the kernel gives up in earnest; each time it is then repaired as a
    technician would do it, with the station stopped. Where that is not possible strace lets every write fail with
    EROFS, and the station goes on by itself.
    """
    with ExitStack() as held:
        disk = None
        if may_mount():
            try:
                disk = held.enter_context(ImageDisk.made(folder / "disk", mebibytes=DISK_MB))
            except (subprocess.CalledProcessError, OSError):
                disk = None
        if disk is None and not may_interfere():
            return FaultResult(KIND, not_run=NO_MEANS)
        settings: dict[str, object] = {"disk.floor_mb": 1, "disk.ballast_mb": 0}
        if disk is not None:
            settings["store.folder"] = str(disk.folder / "data")
        trouble = Trouble.begin(folder / "ground", KIND, settings=settings)
        held.callback(trouble.close)
        for _ in range(rounds):
            if disk is None:
                trouble.endure(refusing)
            else:
                _give_up_and_repair(trouble, disk)
        return trouble.result(KIND, done=_done(is_real=disk is not None), is_told=disk is None)


@contextmanager
def refusing(trouble: Trouble) -> Iterator[None]:
    """Let every write to the database fail as on a read-only disk."""
    files = [trouble.database, Path(f"{trouble.database}-wal")]
    rules = ("pwrite64:error=EROFS", "ftruncate:error=EROFS")
    with failing(trouble.station.process.pid, *rules, files=files):
        yield


def _give_up_and_repair(trouble: Trouble, disk: ImageDisk) -> None:
    """Turn the disk read-only, look, then end the station, repair the disk and start again."""

    @contextmanager
    def given_up(_: Trouble) -> Iterator[None]:
        with standing_still(trouble.station.process.pid):
            disk.turn_read_only()
        yield
        trouble.station.process.kill()
        trouble.station.process.wait()
        disk.repair()
        trouble.restart()

    trouble.endure(given_up)


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Let a program stand still, with no call under way.

    Linux (6.18 tried) may confirm a flush that meets the very moment in which ext4 is given up, and not do it: a
    few lines of code that do nothing but write and flush show that. No program can know; it is not what is tried here.
    """
    station = psutil.Process(pid)
    station.suspend()
    try:
        until = time.monotonic() + _STILL_WITHIN_S
        while time.monotonic() < until and not all(map(_is_still, Path(f"/proc/{pid}/task").iterdir())):
            time.sleep(0.01)
        yield
    finally:
        station.resume()


def _is_still(task: Path) -> bool:
    return (task / "stat").read_text("ascii", errors="replace").rpartition(") ")[2].startswith("T")


def _done(*, is_real: bool) -> tuple[str, str]:
    if is_real:
        return (
            "保存进行中磁盘（ext4）出错转为只读，停考站、检查修复、重新挂载、再启动。",
            "While saves went on the disk (ext4) turned read-only as after an error; the station was ended, the disk "
            "checked, mounted again, and the station started.",
        )
    return (
        "没有挂载权限：改由 strace 让数据库的每次写入返回只读错误（EROFS），再放开。",
        "Mounting is not permitted: strace let every write to the database fail with EROFS instead, then let go.",
    )
