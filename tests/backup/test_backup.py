"""What a backup holds, what it refuses, what the medium may do to it, and what may be thrown away."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from station.backup.commands import SIGNING_KEY
from station.backup.making import WORK_NAME, check_written
from station.backup.recovery import RECOVERY_NAME
from station.bootstrap import open_prepared_store
from station.config import Backup, load_config
from station.errors import StationError
from station.services import answering, backing_up
from station.store.models import Asset, JournalEntry
from sync.errors import SyncError
from sync.keys import make_identity, recipient_of
from sync.sealing import seal_file, unseal_file
from tests.backup.site import Site, flip, run
from tests.building import build_room
from tests.conftest import skip_for_want_of


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_backup_holds_everything_a_second_machine_needs_and_shows_nothing_of_it(site: Site, tmp_path: Path) -> None:
    secret = (site.home / "keys" / "web.secret").read_bytes()
    made = site.back_up()
    assert (made["number"], made["files"], made["new_files"], made["is_sound"]) == (1, 2, 2, True)
    written = b"".join(everything_in(site.stick).values())
    for shown in (secret, b"first picture", "测试考点".encode(), b"SQLite", b"PRIVATE KEY"):
        assert shown not in written
    before = everything_in(site.home)
    restored = tmp_path / "second"
    done = site.restore(restored)
    assert done.exit_code == 0, done.output
    after = everything_in(restored)
    alike = [name for name in before if name.startswith(("keys/", "data/assets/")) or name == "config.toml"]
    assert len(alike) == 7
    assert all(after[name] == before[name] for name in alike)
    assert run("doctor", restored).exit_code == 0
    assert site.events(restored)[-1] == "station_restored"
    assert [one for one in tmp_path.iterdir() if "restoring" in one.name] == []
    assert list((site.home / "data" / WORK_NAME).glob("*/*")) == [], "nothing unencrypted is left"


def test_a_file_is_written_once_and_a_snapshot_without_new_files_stays_small(site: Site) -> None:
    site.back_up()
    again = site.back_up()
    assert (again["number"], again["files"], again["new_files"]) == (2, 2, 0)
    assert int(str(again["snapshot_bytes"])) < 60_000
    site.keep_picture(b"third")
    assert site.back_up()["new_files"] == 1


def test_old_snapshots_go_but_never_the_newest_sound_one_and_files_only_with_the_last_that_needs_them(
    site: Site,
) -> None:
    path = site.home / "config.toml"
    path.write_text(path.read_text("utf-8").replace("keep = 24", "keep = 2"), encoding="utf-8")
    picture = site.keep_picture(b"only in the first")
    site.back_up()
    store = open_prepared_store(site.config)
    with store.transaction() as db:
        db.delete(db.get_one(Asset, picture.name))
        db.get_one(JournalEntry, 3).details = "{}"
    store.close()
    numbers = [site.back_up()["number"] for _ in range(3)]
    assert numbers == [2, 3, 4]
    assert [name[:15] for name in site.target.names()] == ["snapshot-000001", "snapshot-000003", "snapshot-000004"]
    assert site.target.file_path(picture.name).exists(), "the sound one still needs it"
    store = open_prepared_store(site.config)
    with store.transaction() as db:
        db.get_one(JournalEntry, 3).details = _details_that_hold(site, 3)
    store.close()
    assert site.events()[-1] == "backup_unsound"
    assert site.back_up()["is_sound"] is True
    assert [name[:15] for name in site.target.names()] == ["snapshot-000004", "snapshot-000005"]
    assert not site.target.file_path(picture.name).exists()


def _details_that_hold(site: Site, number: int) -> str:
    """Read an entry's own words from the first backup, which was sound."""
    home = site.stick.parent / "sound"
    (first,) = site.target.path.glob("snapshot-000001-*.json")
    assert site.restore(home, backup=first).exit_code == 0
    store = open_prepared_store(load_config(home))
    with store.reading() as db:
        details = db.get_one(JournalEntry, number).details
    store.close()
    return details


def test_a_file_that_the_station_itself_has_lost_or_damaged_is_named_and_stops_nothing(
    site: Site, tmp_path: Path
) -> None:
    lost, damaged = site.keep_picture(b"lost"), site.keep_picture(b"damaged")
    lost.unlink()
    damaged.write_bytes(b"other bytes")
    made = site.back_up()
    assert sorted(made["missing"]) == sorted([f"assets/{lost.name}", f"assets/{damaged.name}"])  # type: ignore[call-overload]
    assert site.events()[-1] == "backup_unsound"
    done = site.restore(tmp_path / "second")
    assert done.exit_code == 0
    assert lost.name in done.output


def test_a_station_without_a_recovery_code_gets_one_by_hand_and_is_told_so_otherwise(
    site: Site, tmp_path: Path
) -> None:
    (site.home / "keys" / RECOVERY_NAME).unlink()
    assert site.refused("--automatic") == "recovery_code_missing"
    done = run("backup", site.home, site.stick)
    assert done.exit_code == 0, done.output
    code = done.output.split("recovery code: ")[1][:19]
    assert "recovery_code_made" in site.events()
    assert site.restore(tmp_path / "second", code=code).exit_code == 0


def test_a_new_code_opens_what_comes_after_it_and_the_old_what_came_before(site: Site, tmp_path: Path) -> None:
    site.back_up()
    before = site.target.path
    done = run("backup", site.home, site.stick, "--new-code")
    code = done.output.split("recovery code: ")[1][:19]
    (after,) = [path for path in site.stick.glob("exam-backup-*") if path != before]
    several = site.restore(tmp_path / "s")
    assert "several_backups" in several.output
    assert "recovery_code_wrong" in site.restore(tmp_path / "s", backup=after).output
    assert site.restore(tmp_path / "old", backup=before).exit_code == 0
    assert site.restore(tmp_path / "new", backup=after, code=code.lower().replace("-", " ")).exit_code == 0


def test_a_missing_folder_is_not_made_up_and_one_that_cannot_be_used_is_named(site: Site) -> None:
    site.stick.rmdir()
    assert site.refused("--automatic") == "backup_folder_missing"
    assert not site.stick.exists()
    site.back_up()  # by hand the folder is made
    name = site.target.path
    shutil.rmtree(name)
    name.write_text("a file in the way")
    assert site.refused() == "backup_write_failed"
    assert "backup_folder_unset" in run("backup", site.home).output
    (site.home / "keys" / SIGNING_KEY).write_text("damaged")
    assert site.refused() == "backup_key_unusable"


def test_two_backups_are_not_made_at_once_and_what_was_cut_off_is_removed(site: Site) -> None:
    site.back_up()
    work = site.home / "data" / WORK_NAME
    (work / "cut off").mkdir()
    (work / "cut off" / "station.db").write_text("plain")
    (site.target.path / "snapshot-000002-20261121T060000Z.age").write_text("half")
    with closing(sqlite3.connect(work / "turn.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert site.refused() == "backup_under_way"
    assert site.back_up()["number"] == 3
    assert not (work / "cut off").exists()
    assert len(site.target.names()) == len(list(site.target.path.glob("snapshot-*.age"))) == 2


def test_what_is_read_back_must_be_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"answers" * 100)
    identity = make_identity()
    sealed = seal_file(tmp_path / "plain", tmp_path / "sealed", recipient_of(identity))
    check_written(tmp_path / "sealed", sealed)
    assert unseal_file(tmp_path / "sealed", tmp_path / "again", identity) == (sealed.size, sealed.sha256)
    flip(tmp_path / "sealed")
    with pytest.raises(SyncError) as unreadable:
        unseal_file(tmp_path / "sealed", tmp_path / "half", identity)
    assert unreadable.value.code == "sealed_file_unreadable"
    assert not (tmp_path / "half").exists()
    with pytest.raises(StationError) as refusal:
        check_written(tmp_path / "sealed", sealed)
    assert refusal.value.code == "backup_not_read_back"
    assert not (tmp_path / "sealed").exists(), "it must not be taken for a backup later"


@pytest.fixture
def small_stick(site: Site) -> Iterator[Site]:
    """A stick of one megabyte."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(site.stick)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        skip_for_want_of("a Linux on which this account may mount a small file system")
    yield site
    subprocess.run(["umount", str(site.stick)], check=True)


def test_a_full_stick_gives_up_its_oldest_snapshots_first_and_is_then_told(small_stick: Site, tmp_path: Path) -> None:
    site = small_stick
    filler = site.stick / "holiday pictures"
    for number in range(1, 6):
        assert site.back_up()["number"] == number
    free = shutil.disk_usage(site.stick).free
    filler.write_bytes(bytes(max(0, free - 4096)))
    assert site.back_up()["number"] == 6
    assert len(site.target.names()) <= 3
    site.keep_picture(bytes(range(256)) * 4096)
    assert site.refused() == "backup_full"
    assert site.restore(tmp_path / "second").exit_code == 0, "what is there stays good"
    subprocess.run(["mount", "-o", "remount,ro", str(site.stick)], check=True)
    assert site.refused() == "backup_read_only"


def test_a_backup_is_due_by_the_clock_while_a_sitting_is_held_and_told_once_when_it_fails(tmp_path: Path) -> None:
    every = timedelta(minutes=Backup().every_min)
    room = build_room(tmp_path)
    at = room.clock.now()
    with room.changing() as db:
        assert not backing_up.claim(db, every=every, at=at), "no station has begun its life here"
        backing_up.note_failed(db, reason="U 盘未插", at=at)
        backing_up.note_failed(db, reason="U 盘未插", at=at)
        assert not backing_up.is_due(db, every=every, at=at), "nothing has happened that could be lost"
        made = {"number": 1, "folder": "E:/", "flaws": [], "is_on_same_disk": False, "by_hand": False}
        backing_up.note_made(db, began_at=at, at=at, **made)  # type: ignore[arg-type]
    room.clock.pass_time(seconds=30)
    room.start()
    attempt, _ = room.enter(room.tickets[0])
    at = room.clock.pass_time(seconds=6)
    with room.changing() as db:
        assert backing_up.claim(db, every=every, at=at), "at once after the start"
        assert not backing_up.claim(db, every=every, at=at), "and only by one process"
        backing_up.note_made(db, began_at=at, at=at, **made)  # type: ignore[arg-type]
        assert not backing_up.is_due(db, every=every, at=at + every - timedelta(seconds=1))
        assert backing_up.is_due(db, every=every, at=at + every)
    ended = room.clock.pass_time(minutes=2)
    with room.changing() as db:
        answering.collect_attempts(db, [attempt], at=ended)
        assert backing_up.is_due(db, every=every, at=ended), "a hand-in is soon in a backup: no page sends it again"
        backing_up.claim(db, every=every, at=ended)
        backing_up.note_failed(db, reason="U 盘未插", at=ended)
        assert not backing_up.is_due(db, every=every, at=ended + timedelta(seconds=14))
        assert backing_up.is_due(db, every=every, at=ended + timedelta(seconds=15))
    with room.changing() as db:
        events = [one for one in db.scalars(select(JournalEntry.event)) if one.startswith("backup")]
    assert events == ["backup_failed", "backup_confirmed", "backup_made", "backup_failed"]
    room.close()
