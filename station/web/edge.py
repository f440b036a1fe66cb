"""What both Flask apps hold of the station: store, clock, save queue and the settings of the room."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from station.clock import Clock
from station.domain.disk_budget import Limits
from station.services.saving import BatchOutcome, SaveBatch
from station.services.seat_swap import Silence
from station.store import Store
from station.store.save_queue import SaveQueue
from station.web.device_presence import DevicePresence
from station.web.device_roll import DeviceRoll
from station.web.disk_watch import DiskWatch
from station.web.identity import StationIdentity
from station.web.presence import Presence

# A page asks at least every two seconds, also one that is loaded again; who was silent for longer had no page.
BREAK_S = 10.0
# A page that comes back sends its queue for some seconds at most before it asks for its place.
RETURN_WITHIN_S = 20.0


@dataclass(frozen=True)
class ServerSettings:
    """Settings that the check of this server holds against what it measures."""

    central_url: str = ""
    central_ca_file: str = ""
    connection_limit: int = 600


@dataclass(frozen=True)
class Edge:
    """The parts that requests use; made once by the composition root.

    `secret` derives seat links and unlock codes; `identity` None: agents are refused. `is_rehearsal` marks every page
    as not a real test.
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
    candidate_host: str = "127.0.0.1"
    has_backups: bool = False
    presence: Presence = field(default_factory=Presence)
    devices: DevicePresence = field(default_factory=DevicePresence)
    identity: StationIdentity | None = None
    disk_limits: Limits = field(default_factory=Limits)
    server: ServerSettings = field(default_factory=ServerSettings)
    disk: DiskWatch = field(init=False)
    roll: DeviceRoll = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "roll", DeviceRoll(self.store, self.clock.now))
        object.__setattr__(self, "disk", DiskWatch(self.store.folder, self.disk_limits))

    def silence_before(self, candidate_id: int, at: datetime) -> Silence | None:
        """Find the silence out of which a candidate's page has just come back, in real seconds (rehearsals)."""
        scale = self.clock.scale
        return self.presence.silence_before(
            candidate_id,
            at,
            longer_than=timedelta(seconds=BREAK_S * scale),
            within=timedelta(seconds=RETURN_WITHIN_S * scale),
        )

    @property
    def uploads(self) -> Path:
        """Folder of candidates' files, named by SHA-256."""
        return self.store.folder / "uploads"

    @property
    def pictures(self) -> Path:
        """Folder of pictures of candidates' screens, named by SHA-256."""
        return self.store.folder / "pictures"

    @property
    def installers(self) -> Path:
        """Folder of the agents' installers."""
        return self.store.folder / "installers"

    @property
    def assets(self) -> Path:
        """Folder of pictures, materials and photos, named by SHA-256."""
        return self.store.folder / "assets"
