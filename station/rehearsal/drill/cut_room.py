"""The room of a power-cut drill: who sits there, what they do while the station is recorded, what it confirmed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

import psutil
import requests
from sqlalchemy import select

from station.clock import system_time
from station.domain.staff import Role
from station.rehearsal.drill.disk_trace import strace_words
from station.rehearsal.drill.replies import SaveTold, Told
from station.rehearsal.ground import Ground, Seated
from station.rehearsal.load import Sender, Task, item_of, response_of
from station.rehearsal.load import run as run_load
from station.rehearsal.premises import HOST, Child
from station.services import room_record
from station.store.models import Entry, Staff

ITEMS = 20
FILE_ITEMS = 4
# Candidates who save (so many of them whole queues, as after an outage), who send files, who hand in during a record.
SAVING, QUEUEING, SENDING, ENDING = 10, 4, 1, 2
QUEUED, BATCH = 600, 20
# A record goes on until SQLite has carried its log into the database file, and a little longer.
RECORD_S, LONGEST_RECORD_S = 3.0, 15.0
# Hand-ins are bound to the deadline, which moves with each outage.
BEGAN_BEFORE = timedelta(hours=2)
_FILE_SIZES = (700, 5_000, 40_000, 300_000)


@dataclass
class Room:
    """The station of the drill and who sits there; `promised` is what it has confirmed and the cuts left standing."""

    ground: Ground
    random: Random
    promised: list[Told] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.ground.config.home

    @property
    def folder(self) -> Path:
        return self.ground.premises.folder

    def senders(self) -> tuple[Sender, ...]:
        """Give those who save; each goes on behind its last confirmed save, as its page would."""
        highest: Counter[int] = Counter()
        for one in self.promised:
            if isinstance(one, SaveTold):
                highest[one.attempt_id] = max(highest[one.attempt_id], one.sequence)
        return tuple(
            Sender(one.token, one.attempt_id, one.place, highest[one.attempt_id] + 1)
            for one in self.ground.candidates[:SAVING]
        )


def make_ground(folder: Path, *, records: int) -> Ground:
    """Make a room in which everybody may hand in at any time."""
    ground = Ground.make(
        folder / "ground",
        candidates=SAVING + SENDING + ENDING * records,
        items=ITEMS,
        file_items=FILE_ITEMS,
        early_leave_min=600,
        outage_limit_s=3600,
        # No ballast and no floor: they would only make the record longer.
        settings={"disk.ballast_mb": 0, "disk.floor_mb": 1},
        at=system_time() - BEGAN_BEFORE,
    )
    store = ground.open_store()
    with store.transaction() as db:
        by = db.scalars(select(Staff.id).where(Staff.role == Role.CHIEF_EXAMINER)).one()
        room_record.allow_early_leave(db, db.scalars(select(Entry)).all(), by=by, at=ground.started_at)
    store.close()
    return ground


def record(room: Room, number: int, trace: Path, *, longest_s: float = LONGEST_RECORD_S, failing: str = "") -> None:
    """Let a traced station work until SQLite has carried its log over, and kill it in the middle of its work."""
    stop = room.folder / f"stop-{number}"
    child = room.ground.serve(before=strace_words(trace, failing=failing))
    try:
        port = child.ports(2)[0]
        database = room.ground.config.folder / "station.db"
        untouched = database.stat().st_mtime_ns
        senders = room.senders()
        singly = Task(
            HOST,
            port,
            "closed",
            senders[QUEUEING:],
            room.ground.items,
            seconds=longest_s * 2 + RECORD_S,
            stop_file=str(stop),
        )
        queued = Task(HOST, port, "queue", senders[:QUEUEING], room.ground.items, queued=QUEUED, batch=BATCH)
        threads = [
            threading.Thread(target=run_load, args=(singly,)),
            threading.Thread(target=run_load, args=(queued,)),
            threading.Thread(target=_send_files, args=(room, port, number, stop)),
            threading.Thread(target=_hand_in, args=(room, port, number)),
        ]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        while time.monotonic() - began < longest_s and database.stat().st_mtime_ns == untouched:
            time.sleep(0.1)
        time.sleep(max(RECORD_S / 2, began + RECORD_S - time.monotonic()))
        kill_traced(child)
        stop.touch()
        for thread in threads:
            thread.join()
    finally:
        kill_traced(child)


def kill_traced(child: Child) -> None:
    """Kill what runs under strace; strace then ends by itself, with all written down."""
    with suppress(psutil.NoSuchProcess):
        for below in psutil.Process(child.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                below.kill()
    child.process.wait()


def post_save(room: Room, port: int, sender: Sender) -> int:
    """Save once as soon as the station answers; gives the number under which it stands."""
    save = {
        "sequence": sender.from_sequence,
        "item_id": item_of(room.ground.items, sender.from_sequence),
        "response": {"base": {"identifier": response_of(sender.from_sequence)}},
    }
    body = {"attempt_id": sender.attempt_id, "place": sender.place, "saves": [save]}
    reply = requests.post(f"http://{HOST}:{port}/api/saves", json=body, cookies=_cookie(sender.token), timeout=30)
    reply.raise_for_status()
    return int(reply.json()["acknowledged"][0]["number"])


def _send_files(room: Room, port: int, number: int, stop: Path) -> None:
    """Send one file after the other, small and large, until the station is gone."""
    random = Random(number)
    seated = room.ground.candidates[SAVING]
    with suppress(requests.RequestException), requests.Session() as browser:
        for count in range(50):
            query = {"attempt_id": str(seated.attempt_id), "item_id": f"f{count % FILE_ITEMS + 1}", "part": "plan"}
            content = random.randbytes(_FILE_SIZES[count % len(_FILE_SIZES)] // 2).hex()
            browser.post(
                f"http://{HOST}:{port}/api/files",
                params=query | {"name": "方案.txt"},
                data=content,
                cookies=_cookie(seated.token),
                timeout=10,
            )
            if stop.exists():
                return
            time.sleep(0.2)


def _hand_in(room: Room, port: int, number: int) -> None:
    """Hand in, one at once and the others a little later."""
    start = SAVING + SENDING + ENDING * number
    with suppress(requests.RequestException):
        for seated in room.ground.candidates[start : start + ENDING]:
            _hand_in_one(seated, port)
            time.sleep(1.0)


def _hand_in_one(seated: Seated, port: int) -> None:
    requests.post(
        f"http://{HOST}:{port}/api/hand_in",
        json={"attempt_id": seated.attempt_id},
        cookies=_cookie(seated.token),
        timeout=10,
    )


def _cookie(token: str) -> dict[str, str]:
    return {"station_candidate": token}
