"""The station is killed again and again while PCs send their work folders: what it acknowledged is there, whole."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from station.clock import system_time
from station.services import work_folders
from station.store.files import path_of
from station.store.models import Entry, WorkVersion
from tests.building import device_at
from tests.chaos.stations import Station, station_of

PCS, KILLS, PIECE = 3, 8, 32 * 1024

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Sender:
    """An agent that makes file after file and sends each until it is acknowledged, however often the line breaks."""

    station: Station
    attempt_id: int
    token: str
    number: int
    sequence: int = 0
    resumed: int = 0
    acknowledged: dict[tuple[str, int], str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def run(self, is_over: threading.Event) -> None:
        chance = random.Random(self.number)
        while not is_over.is_set():
            content = os.urandom(chance.randrange(1, 40 * PIECE))
            self.sequence += 1
            self._send(f"甲/{self.sequence % 3}.psd", content)

    def _send(self, path: str, content: bytes) -> None:
        while not self._is_sent(path, content):
            time.sleep(0.05)

    def _is_sent(self, path: str, content: bytes) -> bool:
        """Go through the whole message once; False where the station was gone."""
        digest = hashlib.sha256(content).hexdigest()
        try:
            have = self._call("POST", f"/contents/{digest}", json={"size": len(content)})["have"]
            self.resumed += 0 < have < len(content)
            while have < len(content):
                piece = content[have : have + PIECE]
                have = self._call("PUT", f"/contents/{digest}", params={"offset": have}, data=piece)["have"]
            version = {
                "path": path, "sha256": digest, "size": len(content), "cause": "rested",
                "modified_at": system_time().isoformat(),
            }  # fmt: skip
            body = {"sequence": self.sequence, "boot_id": "b", "versions": [version]}
            (accepted,) = self._call("POST", "/versions", json=body)["accepted"]
        except requests.RequestException:
            return False
        self.acknowledged[path, accepted["version"]] = digest
        return True

    def _call(self, method: str, path: str, **named: Any) -> Any:
        url = f"{self.station.url}/api/agent/folders/{self.attempt_id}{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        reply = requests.request(method, url, headers=headers, timeout=30, **named)
        if reply.status_code != 200:
            self.wrong.append(reply.text)
            raise requests.ConnectionError(reply.text)
        return reply.json()


def register(station: Station, number: int) -> Sender:
    """Put a PC with an agent at a candidate's seat."""
    seated = station.ground.candidates[number - 1]
    token = f"token {number}"
    with station.store.transaction() as db:
        seat_id = db.get_one(Entry, seated.entry_id).seat_id
        db.add(device_at(seat_id, token, at=system_time()))
    return Sender(station, seated.attempt_id, token, number)


def test_every_acknowledged_version_outlives_kills_at_random_moments(tmp_path: Path):
    chance = random.Random(8)
    with station_of(tmp_path, candidates=PCS, items=4, outage_limit_s=3600) as station:
        senders = [register(station, number) for number in range(1, PCS + 1)]
        station.start()
        is_over = threading.Event()
        threads = [threading.Thread(target=one.run, args=(is_over,)) for one in senders]
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.5))
            station.kill()
            station.start()
        time.sleep(1)
        is_over.set()
        for thread in threads:
            thread.join(timeout=60)
        assert [one.wrong for one in senders] == [[]] * PCS
        assert min(len(one.acknowledged) for one in senders) > 0
        assert sum(one.resumed for one in senders) > 0, "no kill fell into a file"
        station.kill()
        check(station, senders)


def check(station: Station, senders: list[Sender]) -> None:
    uploads = station.ground.config.folder / "uploads"
    with station.store.reading() as db:
        for one in senders:
            rows = db.scalars(select(WorkVersion).where(WorkVersion.attempt_id == one.attempt_id)).all()
            assert {(row.path, row.version): row.sha256 for row in rows}.items() >= one.acknowledged.items()
            assert len(rows) == len({row.sha256 for row in rows}), "a message that came twice made two versions"
            assert work_folders.check_chain(db, one.attempt_id) is None
            for row in rows:
                content = path_of(uploads, str(row.sha256)).read_bytes()
                assert (hashlib.sha256(content).hexdigest(), len(content)) == (row.sha256, row.size)
