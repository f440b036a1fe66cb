"""The agents' installers that lie in the station's folder `installers`: exam-agent-VERSION.exe or .tar.gz."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r"exam-agent-(\d{1,4}(?:\.\d{1,4}){1,3})\.(exe|tar\.gz)", re.ASCII)
ENDINGS = {"windows": "exe", "linux": "tar.gz"}
READ_AT_ONCE = 1024 * 1024


@dataclass(frozen=True)
class Installer:
    """One installer, its content named by hash."""

    name: str
    version: str
    size: int
    sha256: str


class Installers:
    """What lies in the folder; a file is hashed once, as long as its size and time stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hashed: dict[tuple[str, int, int], str] = {}

    def newest(self, system: str) -> Installer | None:
        """Give the installer with the highest version for a system; None when there is none."""
        ending = ENDINGS.get(system)
        if ending is None or not self._folder.is_dir():
            return None
        found = [match for path in self._folder.iterdir() if (match := NAME.fullmatch(path.name))]
        named = [match for match in found if match[2] == ending]
        if not named:
            return None
        best = max(named, key=lambda match: version_order(match[1]))
        path = self._folder / best[0]
        return Installer(best[0], best[1], path.stat().st_size, self._hash(path))

    def path(self, name: str) -> Path | None:
        """Give the file of a name that an installer can have; None when it is not there."""
        if not NAME.fullmatch(name):
            return None
        path = self._folder / name
        return path if path.is_file() else None

    def _hash(self, path: Path) -> str:
        state = path.stat()
        key = (path.name, state.st_size, state.st_mtime_ns)
        known = self._hashed.get(key)
        if known is None:
            digest = hashlib.sha256()
            with path.open("rb") as stream:
                while piece := stream.read(READ_AT_ONCE):
                    digest.update(piece)
            known = self._hashed[key] = digest.hexdigest()
        return known


def version_order(version: str) -> tuple[int, ...]:
    """Order versions as people count them: 0.10 after 0.9; what is no number counts as 0."""
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split("."))
