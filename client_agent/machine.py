"""What the agent needs of the system it runs on. One platform module per system provides it.

Only `__main__` imports a platform module, so everything else is tested on Linux with any `Machine`.
What psutil measures alike on every system (cores, memory, disk) is not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Sequence


@dataclass(frozen=True)
class Browser:
    """A browser of the Chromium family found on this PC; `version` is empty if it could not be read."""

    name: str
    path: Path
    version: str

    @property
    def major_version(self) -> int | None:
        """Give the first number of the version, None if it is unknown."""
        first = self.version.partition(".")[0]
        return int(first) if first.isdigit() else None


class Machine(Protocol):
    """The system-specific part of a candidate PC."""

    def find_browsers(self) -> Sequence[Browser]:
        """List the usable browsers, the preferred one first; none is an empty list."""
        ...

    def state_folder(self) -> Path:
        """Name the folder that is the agent's own for the person logged in; it need not exist yet."""
        ...
