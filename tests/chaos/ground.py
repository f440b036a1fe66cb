"""A served room on a small file system, what was acknowledged there, and the proof that it is there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from station.domain.attempt import response_text
from station.rehearsal.ground import Ground, Seated
from station.rehearsal.load import item_of, response_of
from station.rehearsal.premises import HOST, Child
from station.services import answering
from station.store.models import Attempt, JournalEntry, Revision

WITHIN_S = 90.0
LETS_GO_WITHIN_S = 10.0
Identity = tuple[int, int, int]


@contextmanager
def mounted(folder: Path, *words: str) -> Iterator[Path]:
    """Mount a file system for the test; skip by name where that is not permitted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("not permitted: mounting a small file system takes root on Linux")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *words, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"not permitted: mount {' '.join(words)}: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # A program that was killed lets go of its files a moment later; until then the file system lives on.
        ends = time.monotonic() + LETS_GO_WITHIN_S
        while subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode != 0:
            if time.monotonic() > ends or not os.path.ismount(folder):
                subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
                break
            time.sleep(0.1)


@contextmanager
def small_disk(folder: Path, *, mebibytes: int) -> Iterator[Path]:
    """A disk of so many MiB, in memory."""
    with mounted(folder, "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs") as disk:
        yield disk


def fill(disk: Path) -> Path:
    """Use up every byte; removing the file that is given makes room again."""
    filler = disk / "of-others.bin"
    with filler.open("ab", buffering=0) as stream:
        for size in (2**20, 4096, 1):
            try:
                while True:
                    stream.write(b"x" * size)
            except OSError:
                continue
    return filler


def eventually(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds; fail by its name when it does not come true."""
    until = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < until, f"never came true: {what}"
        time.sleep(0.05)


@dataclass
class Page:
    """One candidate's page: what it sends, and the record of what the station acknowledged."""

    seated: Seated
    items: Sequence[str]
    address: str
    acknowledged: dict[Identity, tuple[str, str]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    sequence: int = 0

    def __post_init__(self) -> None:
        self._browser = requests.Session()
        self._browser.headers["Cookie"] = f"station_candidate={self.seated.token}"

    def ask(self, method: str, path: str, **named: Any) -> requests.Response:
        return self._browser.request(method, self.address + path, timeout=WITHIN_S, **named)

    def save(self) -> bool:
        """Send the next answer; one that is refused is the next one again, as the real page does it."""
        sequence, one = self.sequence + 1, self.seated
        item, response = item_of(self.items, sequence), {"base": {"identifier": response_of(sequence)}}
        body = {
            "attempt_id": one.attempt_id,
            "place": one.place,
            "saves": [{"sequence": sequence, "item_id": item, "response": response}],
        }
        reply = self.ask("POST", "/api/saves", json=body)
        if reply.status_code == 200:
            assert [save["sequence"] for save in reply.json()["acknowledged"]] == [sequence]
            self.acknowledged[one.attempt_id, one.place, sequence] = (item, response_text(response))
            self.sequence = sequence
            return True
        code = reply.json()["error"]["code"]
        assert (reply.status_code, code) == (503, "save_not_stored"), reply.text
        self.refused[code] = self.refused.get(code, 0) + 1
        return False

    def save_on(self, count: int) -> None:
        for _ in range(count):
            assert self.save(), "an answer was refused"

    def save_until_refused(self) -> None:
        """Save on a disk that is full: a log that was carried over meanwhile starts anew, and takes a few more."""
        for _ in range(20_000):
            if not self.save():
                return
        pytest.fail("the disk never became full")

    def upload(self, size: int, *, item: str = "f1") -> requests.Response:
        query = {"attempt_id": self.seated.attempt_id, "item_id": item, "part": "plan", "name": "方案.txt"}
        headers = {"Content-Type": "application/octet-stream"}
        return self.ask("POST", "/api/files", params=query, data=b"text " * (size // 5), headers=headers)


@dataclass
class Served:
    """A ground that is being served, with a page a candidate."""

    ground: Ground
    child: Child
    pages: list[Page]

    @property
    def data(self) -> Path:
        return self.ground.config.folder

    def events(self) -> list[str]:
        """The journal so far, as another reader of the running store sees it."""
        store = self.ground.open_store()
        try:
            with store.reading() as db:
                return list(db.scalars(select(JournalEntry.event).order_by(JournalEntry.number)))
        finally:
            store.close()

    def check_nothing_is_lost(self) -> None:
        """Stop the station and find every acknowledged answer on the disk, in whole chains."""
        self.child.stop()
        check_held(self.ground, self.pages)


def check_held(ground: Ground, pages: Sequence[Page]) -> None:
    store = ground.open_store()
    try:
        with store.reading() as db:
            held = {
                (one.attempt_id, one.place, one.sequence): (one.item_id, one.response)
                for one in db.scalars(select(Revision))
            }
            broken = [one for one in db.scalars(select(Attempt.id)) if answering.check_chain(db, one) is not None]
    finally:
        store.close()
    acknowledged = {identity: answer for page in pages for identity, answer in page.acknowledged.items()}
    assert acknowledged
    assert {identity: held.get(identity) for identity in acknowledged} == acknowledged
    assert broken == []


@contextmanager
def served(folder: Path, *, candidates: int = 3, before: Sequence[str] = (), **settings: object) -> Iterator[Served]:
    """Make a room with a running sitting in the folder, and serve it as a program of its own."""
    wanted = {name.replace("__", "."): value for name, value in settings.items()}
    ground = Ground.make(folder / "ground", candidates=candidates, items=20, file_items=2, settings=wanted)
    try:
        yield serve(ground, before=before)
    finally:
        ground.close()


def serve(ground: Ground, *, before: Sequence[str] = ()) -> Served:
    """Start the station's program; pages begin anew from sequence 1."""
    child = ground.serve(before=before)
    address = f"http://{HOST}:{child.ports(1)[0]}"
    return Served(ground, child, [Page(one, ground.items, address) for one in ground.candidates])
