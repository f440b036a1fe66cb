"""The station backs itself up while it serves; what goes wrong stands on the board and holds up nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from station.backup.automatic import BACKUP_BROKE_OFF
from station.config import CONFIG_NAME
from station.rehearsal.ground import Ground
from station.store import Store
from station.store.models import JournalEntry, StationLife

pytestmark = pytest.mark.slow


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A station whose sitting has just begun, with its stick in."""
    (tmp_path / "stick").mkdir()
    made = Ground.make(tmp_path / "ground", candidates=2, items=5, settings={"backup.folder": str(tmp_path / "stick")})
    yield made
    made.close()


def wait_for(store: Store, event: str, *, count: int = 1, seconds: float = 60) -> JournalEntry:
    """Wait until the journal holds an event so often; gives the newest of them."""
    until = time.monotonic() + seconds
    while True:
        with store.reading() as db:
            found = db.scalars(
                select(JournalEntry).where(JournalEntry.event == event).order_by(JournalEntry.number)
            ).all()
        if len(found) >= count:
            return found[-1]
        assert time.monotonic() < until, f"{event} {len(found)} of {count}"
        time.sleep(0.2)


def test_a_stick_that_is_pulled_is_told_within_seconds_and_backups_go_on_when_it_is_back(
    ground: Ground, tmp_path: Path
) -> None:
    store = ground.open_store()
    ground.serve().ports(2)
    wait_for(store, "backup_made")
    with store.reading() as db:
        life = db.get_one(StationLife, 1)
        assert life.backed_up_at is not None
        assert life.backup_on_same_disk
    (tmp_path / "stick").rename(tmp_path / "pulled")
    told = wait_for(store, "backup_failed")
    assert "stick" in told.details
    assert not (tmp_path / "stick").exists(), "what is missing is not made up on the system's disk"
    (tmp_path / "pulled").rename(tmp_path / "stick")
    wait_for(store, "backup_confirmed")
    with store.reading() as db:
        assert db.get_one(StationLife, 1).backup_trouble == ""
    store.close()


def test_a_backup_process_that_breaks_off_is_told_with_its_last_words(ground: Ground) -> None:
    store = ground.open_store()
    path = ground.config.home / CONFIG_NAME
    ground.serve().ports(2)
    wait_for(store, "backup_made")
    path.write_text(path.read_text("utf-8") + "[nonsense]\n", encoding="utf-8")
    with store.transaction() as db:  # the next one is due at once
        db.get_one(StationLife, 1).backup_claimed_at = None
    wait_for(store, "backup_failed")
    with store.reading() as db:
        trouble = db.get_one(StationLife, 1).backup_trouble
    assert trouble.startswith(BACKUP_BROKE_OFF.zh.split("：")[0])
    assert "config_key_unknown" in trouble
    path.write_text(path.read_text("utf-8").replace("[nonsense]\n", ""), encoding="utf-8")
    wait_for(store, "backup_confirmed")
    store.close()
