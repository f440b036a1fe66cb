"""A rehearsal under way: the players' process or the agents, what the server takes meanwhile, and the result."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from station.domain.rehearsal import Server
from station.errors import StationError
from station.services import rehearsing, seat_links
from station.services.practice import SeatTicket
from station.services.rehearsing import Begun
from station.store.files import path_of
from station.web.edge import Edge

LOOK_S = 1.0
PLAYERS = "station.rehearsal.players"
log = logging.getLogger(__name__)


class ServerWatch:
    """Measures the station's process while a rehearsal runs: highest memory, mean share of all cores."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = psutil.Process()
        self._cpu: list[float] = []
        self._memory = 0
        self._cores = psutil.cpu_count() or 1
        self._own.cpu_percent()

    def look(self) -> None:
        self._cpu.append(self._own.cpu_percent() / self._cores)
        self._memory = max(self._memory, self._own.memory_info().rss)

    def told(self) -> Server:
        return Server(
            cpu_percent=sum(self._cpu) / len(self._cpu) if self._cpu else None,
            memory_mb=self._memory / 2**20 if self._memory else None,
            disk_free_gb=shutil.disk_usage(self._folder).free / 1e9,
        )


class RehearsalRun(threading.Thread):
    """Sees one rehearsal through. Where this process ends before it, nothing is heard of it: it is broken off."""

    def __init__(self, edge: Edge, begun: Begun, *, task: dict[str, Any] | None) -> None:
        super().__init__(name=f"rehearsal-{begun.rehearsal_id}", daemon=True)
        self._edge, self._begun, self._task = edge, begun, task
        self._until = time.monotonic() + (begun.ends_by - edge.clock.now()).total_seconds()
        self._watch = ServerWatch(edge.store.folder)

    def run(self) -> None:
        try:
            if self._task is not None:
                self._play(self._task)
            else:
                self._wait_for_agents()
            with self._edge.store.transaction() as db:
                files = rehearsing.finish(
                    db, self._begun.rehearsal_id, server=self._watch.told(), at=self._edge.clock.now()
                )
            remove_files(self._edge, files)
        except (StationError, SQLAlchemyError, OSError, ValueError) as error:
            log.error("the rehearsal has no result", exc_info=error)

    def _play(self, task: dict[str, Any]) -> None:
        """Let a process of its own play the room, and take in what it measured."""
        with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
            task_path, report_path = Path(folder, "task.json"), Path(folder, "report.json")
            task_path.write_text(json.dumps(task), encoding="utf-8")
            child = subprocess.Popen(
                [sys.executable, "-m", PLAYERS, str(task_path), str(report_path)], stdin=subprocess.DEVNULL
            )
            try:
                while child.poll() is None and time.monotonic() < self._until and self._is_wanted():
                    self._watch.look()
                    time.sleep(LOOK_S)
            finally:
                if child.poll() is None:
                    child.kill()
                child.wait()
            if report_path.exists():
                self._take_in(json.loads(report_path.read_text("utf-8")))

    def _take_in(self, reports: dict[str, Any]) -> None:
        with self._edge.store.transaction() as db:
            if rehearsing.is_running(db, self._begun.rehearsal_id):
                for seat, measured in reports.items():
                    rehearsing.take_report(
                        db, self._begun.rehearsal_id, measured, device_id=None, seat=seat, at=self._edge.clock.now()
                    )

    def _wait_for_agents(self) -> None:
        while time.monotonic() < self._until and self._is_wanted():
            self._watch.look()
            with self._edge.store.reading() as db:
                if rehearsing.is_complete(db, self._begun.rehearsal_id):
                    return
            time.sleep(LOOK_S)

    def _is_wanted(self) -> bool:
        with self._edge.store.reading() as db:
            return rehearsing.is_running(db, self._begun.rehearsal_id)


def task_of(edge: Edge, tickets: Sequence[SeatTicket], *, minutes: int) -> dict[str, Any]:
    """Write what the players' process needs."""
    return {
        "host": edge.candidate_host,
        "port": edge.candidate_port,
        "seconds": timedelta(minutes=minutes).total_seconds(),
        "seats": [
            {"seat": one.seat, "seat_path": seat_path(edge, one.seat_id), "ticket_number": one.ticket_number}
            for one in tickets
        ],
    }


def seat_path(edge: Edge, seat_id: int) -> str:
    """Give the path of a seat's link."""
    return f"/seat/{seat_id}/{seat_links.seat_link_code(edge.secret, seat_id)}"


def remove_once_wiped(db: Session, edge: Edge, files: Sequence[str]) -> None:
    """Remove files once the act that wiped their rows is on disk; where it fails they stay."""
    event.listen(db, "after_commit", lambda _: remove_files(edge, files), once=True)


def remove_files(edge: Edge, files: Sequence[str]) -> None:
    """Remove uploaded files that nobody has any more."""
    for sha256 in files:
        path_of(edge.uploads, sha256).unlink(missing_ok=True)
