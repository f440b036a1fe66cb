"""A disk that fails: flushes that come back with an error, and a file system that turns read-only by itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from station.rehearsal.ground import Ground
from tests.chaos.ground import Served, check_held, eventually, mounted, serve, served
from tests.conftest import skip_for_want_of

pytestmark = pytest.mark.slow

LOG_FILE = re.compile(r"station\.db-wal>")


def under_strace(trace: Path, *injections: str) -> list[str]:
    """The words that start a program whose flushes fail now and then; skip by name where that cannot be done."""
    strace = shutil.which("strace")
    if strace is None:
        skip_for_want_of("strace (Debian package strace)")
    probe = subprocess.run([str(strace), "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"not permitted: strace: {probe.stderr.strip()}")
    calls = "trace=fdatasync,fsync,ftruncate,pwrite64"
    return [str(strace), "-f", "-y", "-qq", "-o", str(trace), "-e", calls, *injections]


def save_through(room: Served, count: int) -> None:
    """Let every page save on, whatever is refused meanwhile."""
    for page in room.pages:
        for _ in range(count):
            eventually(page.save, "an answer is taken in the end")


@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
def test_what_could_not_be_written_or_flushed_is_refused_and_saved_again(tmp_path: Path, call: str):
    """The errors hit every thread that writes: the save writer, the bells and those of requests."""
    before = under_strace(tmp_path / "trace", "-e", f"inject={call}:error=EIO:when=40..46")
    with served(tmp_path, before=before) as room:
        save_through(room, 40)
        assert sum(page.refused.get("save_not_stored", 0) for page in room.pages) > 0
        eventually(lambda: "saves_refused" in room.events(), "the console is told")
        room.child.stop()
        assert "(INJECTED)" in (tmp_path / "trace").read_text("utf-8", errors="replace")
        check_held(room.ground, room.pages)


def test_after_a_failed_flush_the_log_is_cut_before_anything_is_acknowledged_again(tmp_path: Path):
    """A kernel may call pages clean whose fsync failed: nothing may hang on what the log holds there."""
    before = under_strace(tmp_path / "trace", "-e", "inject=fdatasync:error=EIO:when=40..42")
    with served(tmp_path, candidates=1, before=before) as room:
        save_through(room, 60)
        room.child.stop()
        steps = steps_of(tmp_path / "trace")
        assert "failed" in steps
        doubts = 0
        for step in steps:
            if step == "failed":
                doubts = 1
            elif step == "cut":
                doubts = 0
            elif step == "flushed":
                assert not doubts, "the log was flushed and believed after an error, without having been cut"
        check_held(room.ground, room.pages)


def steps_of(trace: Path) -> list[str]:
    """What happened to SQLite's log, in order: failed, cut (to nothing), flushed with new frames in it."""
    steps: list[str] = []
    written = False
    for line in whole_lines(trace):
        if not LOG_FILE.search(line):
            continue
        if "pwrite64" in line:
            written = True
        elif "ftruncate" in line and re.search(r", 0\)", line):
            steps.append("cut")
            written = False
        elif "fdatasync" in line or "fsync" in line:
            if "EIO" in line:
                steps.append("failed")
            elif written:
                steps.append("flushed")
            written = False
    return steps


def whole_lines(trace: Path) -> Iterator[str]:
    """Give a line a call, where it ended: strace cuts one in two when another thread comes between."""
    begun: dict[str, str] = {}
    for line in trace.read_text("utf-8", errors="replace").splitlines():
        thread, cut = line.partition(" ")[0], " <unfinished ...>"
        if line.endswith(cut):
            begun[thread] = line.removesuffix(cut)
        elif found := re.search(r"<\.\.\. \w+ resumed>", line):
            yield begun.pop(thread) + line[found.end() :]
        else:
            yield line


@contextmanager
def disk_of_its_own(folder: Path, image: Path) -> Iterator[Path]:
    """An ext4 on a file, which turns read-only at its first error, as Debian's installer sets it up."""
    with mounted(folder, "-o", "loop,errors=remount-ro", str(image)) as disk:
        yield disk


def device_of(disk: Path) -> str:
    found = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    return next(device for device, place, *_ in found if place == str(disk)).rpartition("/")[2]


def test_on_a_file_system_that_turns_read_only_nothing_is_acknowledged_and_after_its_repair_all_is_there(
    tmp_path: Path,
):
    image, folder = tmp_path / "image", tmp_path / "disk"
    for program in ("mkfs.ext4", "e2fsck"):
        if shutil.which(program) is None:
            skip_for_want_of(f"{program} (Debian package e2fsprogs)")
    with image.open("wb") as stream:
        stream.truncate(96 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
    with disk_of_its_own(folder, image) as disk:
        switch = Path(f"/sys/fs/ext4/{device_of(disk)}/trigger_fs_error")
        if not switch.exists():
            pytest.skip("not permitted: this kernel cannot make ext4 fail")
        with served(disk, disk__floor_mb=1, disk__ballast_mb=0) as room:
            for page in room.pages:
                page.save_on(20)
            switch.write_text("an error for the test")
            for page in room.pages:
                assert not page.save()
                assert page.ask("GET", "/api/me").status_code == 200
            ground: Ground = room.ground
    assert subprocess.run(["e2fsck", "-fy", str(image)], capture_output=True, check=False).returncode < 4
    with disk_of_its_own(folder, image):
        again = serve(ground)
        try:
            for page, before in zip(again.pages, room.pages, strict=True):
                page.sequence, page.acknowledged = before.sequence, before.acknowledged
                page.save_on(5)
            again.check_nothing_is_lost()
        finally:
            ground.close()
