"""The drill's full, read-only and failing disks, in their short form, and that their check can fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy import delete

from station.rehearsal.drill import disk_full, io_error, read_only
from station.rehearsal.drill.disk_trouble import Trouble
from station.rehearsal.drill.result import FaultResult
from station.store.models import Revision
from tests.chaos.machine import needs_linux, needs_tracing

pytestmark = pytest.mark.slow


@pytest.fixture
def trouble(tmp_path: Path) -> Iterator[Trouble]:
    begun = Trouble.begin(tmp_path / "ground", "trouble", settings={"disk.floor_mb": 1, "disk.ballast_mb": 0})
    yield begun
    begun.close()


def check(result: FaultResult, *, rounds: int) -> None:
    assert result.wrong == ()
    assert (result.not_run, result.rounds) == ("", rounds)
    assert (result.acked_lost, result.chain_broken) == (0, 0)
    assert result.saves_acked > 0
    assert result.recovery_s is not None


@needs_linux
def test_a_full_disk_loses_nothing_and_saves_go_on_when_there_is_room(tmp_path: Path) -> None:
    check(disk_full.run(tmp_path, rounds=2, is_long=False), rounds=2)


@needs_linux
def test_files_that_may_not_grow_stand_for_a_full_disk_where_nothing_can_be_mounted(trouble: Trouble) -> None:
    trouble.endure(disk_full.bounded)
    check(trouble.result("disk_full", done=("", "")), rounds=1)


@needs_tracing
def test_a_disk_that_turns_read_only_loses_nothing_and_saves_go_on_after_its_repair(tmp_path: Path) -> None:
    check(read_only.run(tmp_path, rounds=1, is_long=False), rounds=1)


@needs_tracing
def test_writes_refused_as_read_only_lose_nothing_and_need_no_restart(trouble: Trouble) -> None:
    trouble.endure(read_only.refusing)
    check(trouble.result("read_only", done=("", "")), rounds=1)


@needs_tracing
def test_writes_and_flushes_that_fail_always_or_now_and_then_lose_nothing(tmp_path: Path) -> None:
    rounds = len(io_error.ERRORS)
    check(io_error.run(tmp_path / "drill", rounds=rounds, is_long=False), rounds=rounds)


def test_a_save_that_is_missing_afterwards_counts_as_lost_and_a_fault_without_effect_is_told(trouble: Trouble) -> None:
    trouble.endure(lambda _: nullcontext(), stops_all=False)
    store, first = trouble.ground.open_store(), trouble.ground.candidates[0].attempt_id
    with store.transaction() as db:
        db.execute(delete(Revision).where(Revision.attempt_id == first, Revision.number == 1))
    store.close()
    result = trouble.result("disk_full", done=("", ""), is_told=False)
    assert (result.acked_lost, result.chain_broken) == (1, 1)
    assert any("had no effect" in text for text in result.wrong)
    assert not result.is_good


def test_without_strace_failing_disks_are_named_as_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "strace" in io_error.run(tmp_path / "drill", rounds=1, is_long=False).not_run
