"""A station that was just made and its stick, and the commands as a technician types them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result
from sqlalchemy import select

from station.__main__ import main
from station.backup.target import Target
from station.bootstrap import open_prepared_store
from station.config import Config, load_config
from station.store.files import keep_file, path_of
from station.store.models import Asset, JournalEntry


@dataclass
class Site:
    """A station that was just made, with two pictures, and a stick."""

    home: Path
    stick: Path
    code: str

    @property
    def config(self) -> Config:
        return load_config(self.home)

    @property
    def target(self) -> Target:
        (path,) = self.stick.glob("exam-backup-*")
        return Target(path)

    def back_up(self, *words: str) -> dict[str, object]:
        done = run("backup", self.home, self.stick, "--json", *words)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout.splitlines()[-1])

    def refused(self, *words: str) -> str:
        done = run("backup", self.home, self.stick, "--json", *words)
        assert done.exit_code == 1, done.output
        return str(json.loads(done.stdout.splitlines()[-1])["refused"]["code"])

    def restore(self, home: Path, *, backup: Path | None = None, code: str = "") -> Result:
        return run("restore", backup or self.stick, home, "--code", code or self.code)

    def keep_picture(self, content: bytes) -> Path:
        config = self.config
        sha256 = keep_file(config.folder / "assets", content)
        store = open_prepared_store(config)
        with store.transaction() as db:
            db.merge(Asset(sha256=sha256, media_type="image/png", size=len(content)))
        store.close()
        return path_of(config.folder / "assets", sha256)

    def events(self, home: Path | None = None) -> list[str]:
        store = open_prepared_store(load_config(home or self.home))
        with store.reading() as db:
            found = list(db.scalars(select(JournalEntry.event).order_by(JournalEntry.number)))
        store.close()
        return found


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
