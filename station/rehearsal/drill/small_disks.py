"""Small file systems for disks that shall be full or broken; only root on Linux can mount them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
_STEP_S = 0.02
_IN_USE = 8
_LET_GO_WITHIN_S = 60.0


def may_mount() -> bool:
    """Say whether mounting is ours to do here."""
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def memory_disk(folder: Path, *, mebibytes: int) -> Iterator[Path]:
    """Mount a small disk in memory on a new folder."""
    folder.mkdir(parents=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _unmount(folder)


@dataclass(frozen=True)
class ImageDisk:
    """An ext4 file system in a file, on a device of its own, mounted on a folder."""

    device: str
    folder: Path

    @classmethod
    @contextmanager
    def made(cls, folder: Path, *, mebibytes: int) -> Iterator[ImageDisk]:
        """Make and mount one; raises CalledProcessError or OSError where the system cannot."""
        folder.mkdir(parents=True)
        image = folder.with_name(folder.name + ".img")
        with image.open("wb") as stream:
            stream.truncate(mebibytes * MIB)
        _run("mkfs.ext4", "-q", "-F", str(image))
        device = _run("losetup", "--find", "--show", str(image)).strip()
        disk = cls(device, folder)
        try:
            disk.mount()
            yield disk
        finally:
            _unmount(folder)
            with suppress(subprocess.CalledProcessError):
                _run("losetup", "--detach", device)
            image.unlink(missing_ok=True)

    def mount(self) -> None:
        _run("mount", self.device, str(self.folder))

    def turn_read_only(self) -> None:
        """Let the kernel do what it does after an error: nothing is written any more, open files or not."""
        _run("mount", "-o", "remount,abort", str(self.folder))

    def repair(self) -> None:
        """Do what a technician does, with nobody using the disk: unmount, check, mount again."""
        _run("umount", str(self.folder))
        until = time.monotonic() + _LET_GO_WITHIN_S
        while True:
            try:
                _run("e2fsck", "-f", "-p", self.device, good=(0, 1))
                break
            except subprocess.CalledProcessError as error:
                # Programs in mount namespaces of their own may hold the disk for a little longer.
                if error.returncode != _IN_USE or time.monotonic() > until:
                    raise
                time.sleep(0.1)
        self.mount()


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill a disk to the last block, and take whatever becomes free meanwhile; all is given back at the end."""
    filler, stop = folder / "filler.bin", threading.Event()

    def fill() -> None:
        with filler.open("wb", buffering=0) as stream:
            size = MIB
            while not stop.is_set():
                try:
                    stream.write(bytes(size))
                except OSError:
                    if size == 1:
                        stop.wait(_STEP_S)
                    size = max(1, size // 16)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        filler.unlink(missing_ok=True)


def _unmount(folder: Path) -> None:
    with suppress(subprocess.CalledProcessError, OSError):
        _run("umount", "--lazy", str(folder))


def _run(*words: str, good: Sequence[int] = (0,)) -> str:
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode not in good:
        raise subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)
    return done.stdout
