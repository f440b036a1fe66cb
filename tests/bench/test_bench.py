"""The bench measures what it says, each figure beside its floor, from real programs; no test asks how fast."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from station.__main__ import main
from station.rehearsal.bench import measures
from station.rehearsal.bench.disk import flushes_per_s, sqlite_commits_per_s
from station.rehearsal.bench.holding import Bench, Length
from station.rehearsal.bench.measures import Closed
from station.rehearsal.bench.probe import Probe
from station.rehearsal.load import item_of, response_of
from station.services import answering
from station.store.models import Attempt, Revision

TINY = Length(rounds=1, seconds=0.4, open_s=2.0, storms=1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, TINY, lambda text: None)


def test_the_bench_names_saves_beside_their_floor_at_8_45_and_200_connections(bench: Bench):
    bench.saves()
    for name in ("floor_per_s", "saves_per_s", "floor_p99_ms", "save_p99_ms", "floor_cpu_ms", "save_cpu_ms"):
        assert set(bench.document[name]) == {"8", "45", "200"}
        assert all(value > 0 for value in bench.document[name].values())
    assert set(bench.document["open_loop_p99_ms"]) == {"45", "200"}
    assert bench.document["failed"] == 0
    assert 30 < bench.document["rss_mb"] < 1000


def test_queues_after_an_outage_go_out_whole_and_in_order_while_others_save(bench: Bench):
    bench.outage()
    found = bench.document["after_outage"]
    assert (found["unordered"], found["unsent"]) == (0, 0)
    assert found["others_max_ms"] > 0


def test_a_storm_brings_everybody_to_the_paper(tmp_path: Path):
    waited = measures.start_storm(tmp_path / "storm", 45)
    assert len(waited) == 45
    assert waited == sorted(waited)


def test_what_a_load_was_acknowledged_lies_in_the_store_as_it_was_sent(tmp_path: Path):
    probe = Probe.make(tmp_path / "ground", candidates=5, items=7, with_floor=False)
    try:
        loaded = probe.load_station("closed", range(5), seconds=3.0)
        store = probe.ground.open_store()
        with store.reading() as db:
            assert db.scalar(select(func.count()).select_from(Revision)) == loaded.report.saves > 5
            for revision in db.scalars(select(Revision)):
                assert json.loads(revision.response) == {"base": {"identifier": response_of(revision.sequence)}}
                assert revision.item_id == item_of(probe.ground.items, revision.sequence)
            assert [answering.check_chain(db, attempt) for attempt in db.scalars(select(Attempt.id))] == [None] * 5
        store.close()
    finally:
        probe.close()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_delayed_flush_delays_the_saves_and_nothing_fails(tmp_path: Path):
    found = measures.slow_flush(tmp_path / "slow", 30, connections=4, seconds=0.5)
    assert found is not None
    assert found.flush_ms >= 30
    assert found.p99_ms >= 30


def test_the_floor_of_the_disk_is_measured_and_leaves_nothing_behind(tmp_path: Path):
    assert flushes_per_s(tmp_path, seconds=0.1) > 0
    assert sqlite_commits_per_s(tmp_path, seconds=0.1) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_ratio_compares_neighbours_of_the_same_round():
    closed = Closed(floor_per_s=[100, 400], saves_per_s=[50, 100])
    assert closed.ratio("saves_per_s", "floor_per_s") == (0.375, 0.25, 0.5)


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path: Path):
    refused = CliRunner().invoke(main, ["bench", "--folder", str(tmp_path / "nowhere")])
    assert refused.exit_code == 2
    assert "nowhere" in refused.output
