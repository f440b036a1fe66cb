"""What a restore refuses: a wrong code, a damaged or forged backup, a folder that is taken; nothing is left of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from station.backup.commands import SIGNING_KEY
from station.backup.recovery import RECOVERY_NAME, read_recovery
from station.backup.target import Target
from station.setup import make_station
from sync.keys import load_signing_key
from tests.backup.site import Site, flip, run


@pytest.mark.parametrize("code", ["0000-0000-0000-0000", "short", ""])
def test_a_wrong_code_is_refused_by_name_and_leaves_nothing(site: Site, tmp_path: Path, code: str) -> None:
    site.back_up()
    done = run("restore", site.stick, tmp_path / "second", "--code", code)
    assert (done.exit_code, "recovery_code_wrong" in done.output) == (1, True)
    assert not list(tmp_path.glob("second*"))


def _cut_off(target: Target, name: str) -> None:
    path = target.sealed_path(name)
    path.write_bytes(path.read_bytes()[:-1])


def _edit_list(target: Target, name: str) -> None:
    path = target.list_path(name)
    path.write_text(path.read_text("utf-8").replace('"sound":true', '"sound":false'), encoding="utf-8")


DAMAGES: dict[str, Callable[[Target, str], None]] = {
    "cut off": _cut_off,
    "a bit of the snapshot": lambda target, name: flip(target.sealed_path(name)),
    "a bit of a file": lambda target, name: flip(next(target.files.glob("*/*.age"))),
    "snapshot gone": lambda target, name: target.sealed_path(name).unlink(),
    "a file gone": lambda target, name: next(target.files.glob("*/*.age")).unlink(),
    "list altered": _edit_list,
    "list of nonsense": lambda target, name: target.list_path(name).write_bytes(b"[]"),
    "other content under the name": lambda target, name: shutil.copy(
        next(target.files.glob("*/*.age")), target.sealed_path(name)
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_or_incomplete_backup_is_refused_by_name_and_leaves_nothing(
    site: Site, tmp_path: Path, damage: Callable[[Target, str], None]
) -> None:
    site.back_up()
    (name,) = site.target.names()
    damage(site.target, name)
    done = site.restore(tmp_path / "second")
    assert done.exit_code == 1
    assert "[snapshot_damaged]" in done.output
    assert name in done.output
    assert not list(tmp_path.glob("second*"))


def test_of_a_damaged_backup_an_older_one_is_named_and_can_be_taken(site: Site, tmp_path: Path) -> None:
    site.back_up()
    site.back_up()
    older, newest = site.target.names()
    _cut_off(site.target, newest)
    done = site.restore(tmp_path / "second")
    assert str(site.target.list_path(older)) in done.output
    assert site.restore(tmp_path / "second", backup=site.target.list_path(older)).exit_code == 0


def test_a_folder_that_is_not_empty_or_holds_no_backup_is_refused(site: Site, tmp_path: Path) -> None:
    assert "no_backup_there" in site.restore(tmp_path / "second").output
    site.back_up()
    assert "restore_folder_taken" in site.restore(site.home).output
    (site.target.path / RECOVERY_NAME).write_text("{}")
    assert "recovery_unusable" in site.restore(tmp_path / "second").output


def test_a_recovery_file_with_another_stations_signing_key_is_refused(site: Site, tmp_path: Path) -> None:
    site.back_up()
    make_station(tmp_path / "forger", site_name="x")
    own = read_recovery(site.target.path / RECOVERY_NAME)
    forger = load_signing_key(tmp_path / "forger" / "keys" / SIGNING_KEY).public_key()
    (site.target.path / RECOVERY_NAME).write_bytes(replace(own, verify_key=forger).to_bytes())
    assert "recovery_unusable" in site.restore(tmp_path / "second").output


def test_a_database_that_is_not_there_is_named_before_anything_is_made(site: Site, tmp_path: Path) -> None:
    site.back_up()
    url = "postgresql+psycopg://nobody:secret@127.0.0.1:1/none"
    done = run("restore", site.stick, tmp_path / "second", "--code", site.code, "--database", url)
    assert "database_unreachable" in done.output
    assert "secret" not in done.output
    assert not list(tmp_path.glob("second*"))
