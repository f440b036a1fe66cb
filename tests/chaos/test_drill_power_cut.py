"""The drill's power cuts, in their short form, and that their check can fail."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import delete, update

from station.rehearsal.drill import power_cut
from station.rehearsal.drill.cut_check import Promise, check_cut
from station.rehearsal.drill.cut_room import Room, make_ground, record
from station.rehearsal.drill.disk_trace import read_calls
from station.rehearsal.drill.replies import FileTold, HandInTold, SaveTold, told_by
from station.store import open_store
from station.store.files import path_of
from station.store.models import Attempt, Revision
from tests.chaos.machine import needs_tracing


@needs_tracing
@pytest.mark.slow
def test_after_a_power_cut_at_any_moment_every_confirmed_save_file_and_hand_in_is_there(tmp_path: Path) -> None:
    result = power_cut.run(tmp_path / "drill", rounds=2, is_long=False)
    assert result.wrong == ()
    assert (result.acked_lost, result.chain_broken, result.not_run) == (0, 0, "")
    assert result.rounds >= 100
    assert result.saves_acked > 100
    assert not any(en.startswith("0 flushes") for _, en in result.notes)
    assert result.recovery_s is not None


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Promise, tuple[str, ...]]]:
    """A station's folder as a kill left it, and what it had confirmed."""
    folder = tmp_path_factory.mktemp("left")
    ground = make_ground(folder, records=1)
    try:
        room = Room(ground, Random(1))
        record(room, 0, folder / "trace", longest_s=2.0)
        told = told_by(read_calls(folder / "trace"))
        assert {type(one) for one in told} == {SaveTold, FileTold, HandInTold}
        yield room.home, Promise.of(told, folder / "acks"), ground.items
    finally:
        ground.close()


@pytest.fixture
def copy(left: tuple[Path, Promise, tuple[str, ...]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(left[0], tmp_path / "copy"))


@needs_tracing
def test_a_store_that_kept_everything_is_found_good(left: tuple[Path, Promise, tuple[str, ...]], copy: Path) -> None:
    found = check_cut(copy, *left[1:])
    assert found.is_good, found.wrong
    assert found.saves_acked > 10


@needs_tracing
def test_a_missing_revision_counts_as_lost_and_its_chain_as_broken(
    left: tuple[Path, Promise, tuple[str, ...]], copy: Path
) -> None:
    store = open_store(f"sqlite:///{copy}/data/station.db", copy / "data")
    with store.transaction() as db:
        attempt_id, _, _, number = map(int, left[1].acks.read_text("ascii").split()[:4])
        db.execute(delete(Revision).where(Revision.attempt_id == attempt_id, Revision.number == number))
    store.close()
    found = check_cut(copy, *left[1:])
    assert (found.lost, found.chain_broken, found.is_good) == (1, 1, False)


@needs_tracing
def test_a_damaged_file_a_missing_one_and_a_hand_in_undone_count_as_lost(
    left: tuple[Path, Promise, tuple[str, ...]], copy: Path
) -> None:
    promise = left[1]
    # One that was on its way at the kill may lie there, too, and was not confirmed.
    damaged, missing = sorted({file.sha256 for file in promise.files})[:2]
    path_of(copy / "data/uploads", damaged).write_bytes(b"")
    path_of(copy / "data/uploads", missing).unlink()
    store = open_store(f"sqlite:///{copy}/data/station.db", copy / "data")
    with store.transaction() as db:
        ended = promise.hand_ins[0].attempt_id
        db.execute(update(Attempt).where(Attempt.id == ended).values(state="answering", receipt_code=""))
    store.close()
    found = check_cut(copy, *left[1:])
    assert found.lost == 3
    assert not found.is_good


@needs_tracing
def test_a_store_that_does_not_open_has_lost_everything(
    left: tuple[Path, Promise, tuple[str, ...]], copy: Path
) -> None:
    (copy / "data/station.db").write_bytes(b"\xff" * 4096)
    found = check_cut(copy, *left[1:])
    assert found.saves_acked == found.lost - len(left[1].files) - len(left[1].hand_ins) > 10
    assert "cannot be opened" in found.wrong[0]


@needs_tracing
def test_damaged_keys_are_found(left: tuple[Path, Promise, tuple[str, ...]], copy: Path) -> None:
    (copy / "keys/station.pem").write_bytes(b"")
    assert not check_cut(copy, *left[1:]).is_good


def test_without_strace_power_cuts_are_named_as_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = power_cut.run(tmp_path / "drill", rounds=1, is_long=False)
    assert "strace" in result.not_run
    assert result.rounds == 0
