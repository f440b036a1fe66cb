"""A PC that brings a work folder, for rooms that are driven through the services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from station.domain.work_folder import WorkCause
from station.services import work_folders
from station.services.work_folders import Origin, SentVersion
from station.store.files import keep_file
from station.store.models import Attempt
from station.store.work_queries import versions_of
from tests.building import BuiltRoom, device_at


@dataclass
class Pc:
    """An agent's PC at seat 1, as the services see it."""

    room: BuiltRoom
    attempt_id: int
    device_id: int
    sequence: int = 0

    def save(self, path: str, content: bytes, *, made_at: datetime | None = None, cause: str = "rested") -> int:
        """Bring a version as of now; gives its number."""
        at = self.room.clock.now()
        sha256 = keep_file(self.room.edge.uploads, content)
        self.sequence += 1
        with self.room.changing() as db:
            work_folders.expect_content(db, self.attempt_id, sha256, size=len(content), is_here=True, at=at)
            work_folders.note_complete(db, self.attempt_id, sha256, at=at)
            sent = SentVersion(path, sha256, len(content), made_at or at, WorkCause(cause))
            attempt = db.get_one(Attempt, self.attempt_id)
            origin = Origin(self.device_id, "boot", self.sequence)
            ((_, version),) = work_folders.record_versions(db, attempt, [sent], origin=origin, at=at)
            return version

    def settle(self, **files: str) -> list[str]:
        with self.room.changing() as db:
            attempt = db.get_one(Attempt, self.attempt_id)
            return work_folders.settle(db, attempt, files.items(), at=self.room.clock.now())

    def settle_all(self) -> None:
        with self.room.store.reading() as db:
            newest = [versions[-1] for versions in versions_of(db, self.attempt_id).values()]
        assert self.settle(**{row.path: row.sha256 for row in newest if row.sha256 is not None}) == []


def pc_at(room: BuiltRoom, seat: str, attempt_id: int) -> Pc:
    """Register a PC at a seat."""
    with room.changing() as db:
        device = device_at(room.seat_id(seat), f"token {seat}", name=f"PC-{seat}", at=room.clock.now())
        db.add(device)
        db.flush()
        return Pc(room, attempt_id, device.id)
