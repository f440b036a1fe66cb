"""What both Flask apps hold of the station: store, clock, save queue and the settings of the room."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from station.clock import Clock
from station.services.saving import BatchOutcome, SaveBatch
from station.store import Store
from station.store.save_queue import SaveQueue
from station.web.presence import Presence


@dataclass(frozen=True)
class Edge:
    """The parts that requests use; made once by the composition root.

    `secret` derives seat links and nothing else; `is_rehearsal` marks every page as not a real test.
    """

    store: Store
    clock: Clock
    saves: SaveQueue[SaveBatch, BatchOutcome]
    secret: bytes
    zone: ZoneInfo
    site_name: str
    language: str = "zh"
    admit_unlinked: bool = False
    is_rehearsal: bool = False
    is_encrypted: bool = False
    candidate_port: int = 8080
    presence: Presence = field(default_factory=Presence)

    @property
    def uploads(self) -> Path:
        """Folder of candidates' files, named by SHA-256."""
        return self.store.folder / "uploads"

    @property
    def assets(self) -> Path:
        """Folder of pictures, materials and photos, named by SHA-256."""
        return self.store.folder / "assets"
