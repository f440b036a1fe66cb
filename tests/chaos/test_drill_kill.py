"""The drill's kills, long cut, restarts over deadlines and clock: short forms on a real station, and their checks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from station.clock import system_time
from station.errors import Unsound
from station.rehearsal.drill import clock, kill, long_cut, pressure, scheduler, times
from station.rehearsal.drill.pressure import Pressure
from station.rehearsal.drill.result import FaultResult
from station.rehearsal.ground import Ground
from station.rehearsal.premises import free_port
from station.store.models import Attempt, Interruption
from tests.conftest import skip_for_want_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# A machine that runs other tests beside is slow, not wrong.
PATIENCE = 20.0


def check(result: FaultResult, kind: str, *, saves: int) -> None:
    assert result.wrong == ()
    assert (result.kind, result.acked_lost, result.chain_broken, result.not_run) == (kind, 0, 0, "")
    assert result.saves_acked >= saves
    assert result.recovery_s is not None
    assert result.done_zh
    assert result.done_en
    assert result.notes


def test_kills_under_load_lose_nothing_and_every_outage_is_given_back(tmp_path: Path) -> None:
    result = kill.run(tmp_path / "kill", rounds=3, is_long=False, patience=PATIENCE)
    check(result, "kill", saves=45)
    assert result.rounds == 3


def test_a_long_cut_gives_the_time_back_before_it_judges_and_keeps_what_is_late(tmp_path: Path) -> None:
    result = long_cut.run(tmp_path / "cut", rounds=1, is_long=False, patience=PATIENCE)
    check(result, "long_cut", saves=45 * 200 * 4)


def test_restarts_over_deadlines_collect_everybody_once(tmp_path: Path) -> None:
    check(scheduler.run(tmp_path / "due", rounds=1, is_long=False, patience=PATIENCE), "scheduler", saves=32)


def test_a_moving_clock_takes_nobody_a_second(tmp_path: Path) -> None:
    if clock.find_library() is None:
        skip_for_want_of("libfaketime (Debian package faketime)")
    check(clock.run(tmp_path / "clock", rounds=1, is_long=False, patience=PATIENCE), "clock", saves=45)


def test_without_libfaketime_the_clock_is_named_as_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_LIBRARIES", ("/nowhere",))
    result = clock.run(tmp_path / "clock", rounds=1, is_long=False)
    assert "libfaketime" in result.not_run
    assert not result.rounds
    assert not (tmp_path / "clock").exists()


def test_a_deadline_that_is_a_second_off_is_noticed(tmp_path: Path) -> None:
    ground = Ground.make(tmp_path / "ground", candidates=2, minutes=30)
    store = ground.open_store()
    with store.transaction() as db:
        assert times.check_deadlines(db, ground, minutes=30) == []
        db.execute(
            update(Attempt)
            .where(Attempt.id == ground.candidates[0].attempt_id)
            .values(deadline_at=ground.started_at + timedelta(minutes=30, seconds=1))
        )
        (told,) = times.check_deadlines(db, ground, minutes=30)
        assert "+1.0" in told
    with store.transaction() as db:
        at = system_time()
        db.add(
            Interruption(sitting_id=ground.sitting_id, kind="outage", began_at=at, ended_at=at + timedelta(seconds=5))
        )
        assert "-5.0" in times.check_deadlines(db, ground, minutes=30)[0]
    store.close()


def test_an_outage_given_back_too_short_or_too_long_is_noticed() -> None:
    at = system_time()
    outage = kill.Outage(at, at + timedelta(seconds=10), length_s=10.0, recovery_s=1.0)
    whole = [(at - timedelta(seconds=1), at + timedelta(seconds=9.8))]
    assert kill._check_gap(1, outage, kill._given_back_s(outage, whole), 1.0) == []
    assert kill._check_gap(1, outage, kill._given_back_s(outage, []), 1.0)
    twice = [(at - timedelta(seconds=10), at + timedelta(seconds=9.8))]
    assert kill._check_gap(1, outage, kill._given_back_s(outage, twice), 1.0)


def test_most_restarts_must_be_quick_but_not_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "machine_load", lambda: 0.5)
    assert times.check_recoveries([1.0, 1.0, 9.0]) == []
    assert times.check_recoveries([1.0, 9.0, 9.0])
    monkeypatch.setattr(times, "machine_load", lambda: times.BUSY + 1)
    assert times.check_recoveries([1.0, 9.0, 9.0]) == []


def test_who_was_collected_twice_early_or_never_is_noticed(tmp_path: Path) -> None:
    ground = Ground.make(tmp_path / "ground", candidates=scheduler.CANDIDATES, minutes=30)
    first = ground.candidates[0].attempt_id
    store = ground.open_store()
    with store.transaction() as db:
        db.execute(update(Attempt).values(state="collected", ended_at=Attempt.deadline_at))
        assert len(scheduler._check_collected_once(db)) == 1, "none of them stands in the journal"
        db.execute(update(Attempt).where(Attempt.id == first).values(ended_at=ground.started_at))
        assert len(scheduler._check_collected_once(db)) == 2
        db.execute(update(Attempt).where(Attempt.id == first).values(state="answering", ended_at=None))
        assert any("answering" in text or "Not everybody" in text for text in scheduler._check_collected_once(db))
    store.close()


def test_a_station_that_never_serves_again_is_named_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "_GIVE_UP_S", 1.0)
    ground = Ground.make(tmp_path / "ground", candidates=1)
    try:
        load = Pressure.start(ground, "load", port=free_port(), mode="closed")
        with pytest.raises(Unsound) as refusal:
            load.wait_for_ack()
        assert refusal.value.code == "drill_not_serving"
    finally:
        ground.close()
    assert load.child.process.poll() is not None


def test_attempts_that_nobody_collects_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_cut, "_COLLECTED_WITHIN_S", 0.1)
    ground = Ground.make(tmp_path / "ground", candidates=2)
    with pytest.raises(Unsound) as refusal:
        long_cut._wait_until_collected(ground)
    assert refusal.value.code == "drill_not_collected"
    assert refusal.value.details["count"] == 2
