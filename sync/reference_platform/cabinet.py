"""The packages that have arrived, one folder each: `package.exam`, `record.json`, `opened/`."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sync.files import replace_file, sync_folder

ARRIVED, KEPT, REFUSED = "arrived", "kept", "refused"


@dataclass(frozen=True)
class Record:
    """What the platform knows of a package; `state` goes arrived → kept | refused.

    `refusal` is the error's JSON: of a refused package why, of an arrived one why the check did not finish.
    """

    package_id: str
    station_id: str
    sha256: str
    size: int
    received_at: str
    state: str = ARRIVED
    manifest: dict[str, Any] | None = None
    refusal: dict[str, Any] | None = None
    confirmed_at: str | None = None
    confirmed_by: str | None = None


class Cabinet:
    """The packages folder of one platform process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._guard = threading.Lock()

    def folder_of(self, package_id: str) -> Path:
        return self._folder / package_id

    def package(self, package_id: str) -> Path:
        return self._folder / package_id / "package.exam"

    def opened(self, package_id: str) -> Path:
        return self._folder / package_id / "opened"

    def find(self, package_id: str) -> Record | None:
        """Return a package's record; anything that is no UUID is not there."""
        try:
            if str(uuid.UUID(package_id)) != package_id:
                return None
        except ValueError:
            return None
        path = self.folder_of(package_id) / "record.json"
        return Record(**json.loads(path.read_text("utf-8"))) if path.exists() else None

    def records(self) -> list[Record]:
        """Return all packages, latest first."""
        found = (self.find(folder.name) for folder in self._folder.iterdir())
        return sorted((record for record in found if record), key=lambda r: r.received_at, reverse=True)

    def take_in(self, record: Record, part: Path) -> None:
        """Keep a package that has come whole.

        The record comes last: after a power cut in between there is neither record nor upload, and the station
        sends again.
        """
        folder = self.folder_of(record.package_id)
        folder.mkdir(exist_ok=True)
        sync_folder(self._folder)
        part.replace(self.package(record.package_id))
        sync_folder(folder)
        self._write(record)

    def change(self, package_id: str, **changes: Any) -> Record:
        """Change fields of a record in one step."""
        with self._guard:
            record = self.find(package_id)
            assert record is not None
            changed = replace(record, **changes)
            self._write(changed)
            return changed

    def _write(self, record: Record) -> None:
        text = json.dumps(asdict(record), ensure_ascii=False, indent=1)
        replace_file(self.folder_of(record.package_id) / "record.json", text.encode("utf-8"))
