"""What the agent needs of the system it runs on. One package per system provides it (`linux`, `windows`).

Only `__main__` imports those packages, so everything else is tested on Linux with any `Machine`.
What psutil measures alike on every system (cores, memory, disk) is not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Mapping, Protocol, Sequence

if TYPE_CHECKING:
    from client_agent.checks.probes import Probes


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


@dataclass(frozen=True)
class Identity:
    """Which PC this is. `machine_id` stays the same over restarts and reinstallation of the agent."""

    machine_id: str
    name: str
    macs: Sequence[str]
    system: str
    maker: str
    model: str
    cpu: str
    memory_bytes: int


class Desktop(Protocol):
    """What the agent does at this PC's screen and keyboard."""

    def picture(self) -> bytes:
        """Take a picture of the whole screen as PNG; raises AgentError when it cannot."""
        ...

    def watch_hot_keys(self, keys: Mapping[str, Callable[[], None]]) -> Callable[[], None]:
        """Call a function whenever its key (`"F1"`, `"Ctrl+Alt+Shift+U"`) is pressed anywhere; gives what ends it."""
        ...

    def keep_awake(self, on: bool) -> None:
        """Keep screen and PC from sleeping, or let them again."""
        ...

    def bring_forward(self, pid: int) -> bool:
        """Put the windows of a process before all others; False if it shows none."""
        ...

    def shut_down(self) -> None: ...

    def log_out(self) -> None: ...


class Machine(Protocol):
    """The system-specific part of a candidate PC."""

    def find_program(self, name: str) -> Path | None:
        """Find an installed program by its file's name (`photoshop.exe`); None if this PC has none."""
        ...

    def find_browsers(self) -> Sequence[Browser]:
        """List the usable browsers, the preferred one first; none is an empty list."""
        ...

    def state_folder(self) -> Path:
        """Name the folder that is the agent's own; it need not exist yet."""
        ...

    def identity(self) -> Identity: ...

    def boot_id(self) -> str:
        """Give what changes with every start of the system and with nothing else."""
        ...

    def work_drives(self) -> Sequence[Path]:
        """List folders on local drives in which a work folder may be made, the preferred one first."""
        ...

    def desktop(self) -> Desktop: ...

    def install(self, installer: Path) -> None:
        """Start the agent's own installer, silent, in a way that outlives this process; raises AgentError."""
        ...

    def probes(self) -> Probes:
        """Give what the room check asks of this system."""
        ...
