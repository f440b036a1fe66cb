"""What a work folder stands on, and what comes of taking its last state."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Sequence

from client_agent import clock
from client_agent.work_folder.files import Files, PlainFiles
from client_agent.work_folder.ledger import Ledger
from client_agent.work_folder.station import Link


@dataclass(frozen=True)
class Surroundings:
    """What a work folder stands on. `offset_s`: this PC's clock minus the station's; None: it is asked for."""

    link: Link
    ledger: Ledger
    drives: Callable[[], Sequence[Path]]
    boot_id: str
    files: Files = field(default_factory=PlainFiles)
    offset_s: Callable[[], float] | None = None
    monotonic: Callable[[], float] = clock.monotonic
    pause: Callable[[int], None] = lambda _size: None


@dataclass(frozen=True)
class LastState:
    """What came of taking the last state. `still_open`: files that were being written to the last."""

    cause: str
    complete: bool
    missing: Sequence[str]
    still_open: Sequence[str]
