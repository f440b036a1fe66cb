"""What gives way to answers when the disk fills; here the bounds are moved instead of the disk (see tests/chaos)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from station.clock import system_time
from station.domain.disk_budget import MIB, Limits, Need, Space
from station.services.disk_space import read_budget
from station.store.models import JournalEntry
from station.technical_log import TechnicalLog, keep_log, log_of
from station.web.disk_round import DiskRound
from station.web.disk_watch import LEFTOVER_S, DiskWatch
from tests.web.seated_paper import A
from tests.web.seating import Browser, SeatedRoom, refusal

PLENTY = Limits(floor=MIB, ballast=MIB)
# More than any disk has: the bound is as good as reached.
NEVER_ENOUGH = Limits(floor=2**60, ballast=0)
OFFICE_FILE = b"%PDF-1.7\n" + b"x" * 100


@pytest.fixture
def watch(tmp_path: Path) -> DiskWatch:
    return DiskWatch(tmp_path, PLENTY)


@pytest.fixture
def kept_log(tmp_path: Path) -> Iterator[TechnicalLog]:
    level = logging.getLogger().level
    keep_log(tmp_path, level="INFO", megabytes=1, files=3)
    kept = log_of(tmp_path)
    assert kept is not None
    yield kept
    logging.getLogger().removeHandler(kept)
    logging.getLogger().setLevel(level)
    kept.close()


def seen(watch: DiskWatch, *, refused: int = 0) -> list[str]:
    """Look, and give what the journal is to be told."""
    noted = watch.look(refused=refused)
    watch.told(len(noted))
    return [one.event for one in noted]


def test_with_plenty_of_room_the_ballast_is_made_and_nothing_is_said(watch: DiskWatch, tmp_path: Path):
    assert seen(watch) == []
    assert (tmp_path / "ballast.bin").stat().st_size == MIB
    assert watch.alarms() == []
    assert watch.status()[1] == "ok"


def test_the_ballast_counts_as_free_since_answers_can_have_it(
    watch: DiskWatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """On a disk of which nobody else uses anything."""

    def usage(_folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=2**40 - sum(path.stat().st_size for path in tmp_path.iterdir()))

    monkeypatch.setattr("shutil.disk_usage", usage)
    before = watch.disk().free
    seen(watch)
    assert (tmp_path / "ballast.bin").exists()
    assert watch.disk().free == before


def test_below_the_floor_it_is_said_once_and_again_when_there_is_room(watch: DiskWatch):
    watch.limits = NEVER_ENOUGH
    assert "disk_low" in seen(watch)
    assert seen(watch) == []
    assert watch.status()[1] == "alarm"
    assert [code for code, _, _ in watch.alarms()] == ["disk_low"]
    watch.limits = PLENTY
    assert seen(watch) == ["disk_recovered"]
    assert watch.alarms() == []


def test_a_refused_save_sets_the_ballast_free_at_once_and_alarms(watch: DiskWatch, tmp_path: Path):
    seen(watch)
    assert seen(watch, refused=1) == ["ballast_released"]
    assert not (tmp_path / "ballast.bin").exists()
    assert [code for code, _, _ in watch.alarms()] == ["saves_refused"]
    assert seen(watch, refused=1) == []


def test_old_logs_and_what_a_crash_left_go_answers_and_fresh_parts_stay(
    watch: DiskWatch, kept_log: TechnicalLog, tmp_path: Path
):
    old, fresh, kept = (tmp_path / "uploads" / name for name in ("a.incoming", "b.incoming", "aa"))
    kept.mkdir(parents=True)
    answer = kept / ("a" * 64)
    for path in (old, fresh, answer, tmp_path / "log" / "station.log.1", tmp_path / "log" / "station.log.2"):
        path.write_bytes(b"x" * 1000)
    long_ago = system_time().timestamp() - LEFTOVER_S - 10
    for path in (old, answer):
        os.utime(path, (long_ago, long_ago))
    watch.limits = NEVER_ENOUGH
    seen(watch)
    assert [path.name for path in (tmp_path / "log").iterdir()] == ["station.log"]
    assert (old.exists(), fresh.exists(), answer.exists()) == (False, True, True)


def test_the_log_is_silent_while_there_is_no_room_and_says_afterwards_what_it_left_out(
    watch: DiskWatch, kept_log: TechnicalLog, tmp_path: Path
):
    path = tmp_path / "log" / "station.log"
    watch.limits = NEVER_ENOUGH
    seen(watch)
    size = path.stat().st_size
    for _ in range(100):
        logging.getLogger("station").error("x" * 100)
    assert path.stat().st_size == size
    watch.limits = PLENTY
    seen(watch)
    logging.getLogger("station").error("again")
    text = path.read_text("utf-8")
    assert "entries were dropped" in text
    assert "again" in text


def test_a_log_that_cannot_be_written_disturbs_nobody(kept_log: TechnicalLog, capsys: pytest.CaptureFixture[str]):
    stream = kept_log.stream
    assert stream is not None
    stream.close()
    logging.getLogger("station").error("lost")
    assert kept_log.dropped == 1
    logging.getLogger("station").error("written")
    assert "written" in Path(kept_log.baseFilename).read_text("utf-8")
    assert capsys.readouterr().err == ""


def test_a_budget_that_does_not_fit_shows_before_the_day(watch: DiskWatch):
    seen(watch)
    watch.budget = type(watch.budget)(Need(files=2**60))
    assert watch.space is Space.TIGHT
    assert [(code, level) for code, _, level in watch.alarms()] == [("disk_budget", "warn")]
    watch.budget = type(watch.budget)(Need(answers=2**60))
    assert [(code, level) for code, _, level in watch.alarms()] == [("disk_budget", "alarm")]


def test_below_the_floor_files_are_refused_and_answers_are_saved(candidate: Browser, running: SeatedRoom):
    running.edge.disk.limits = NEVER_ENOUGH
    assert refusal(candidate.upload(OFFICE_FILE, name="a.pdf")) == (503, "no_space_for_files")
    assert candidate.save((1, "c1", A)).status_code == 200
    running.edge.disk.limits = PLENTY
    assert candidate.upload(OFFICE_FILE, name="a.pdf").status_code == 200


def test_a_round_works_out_the_budget_and_tells_the_journal(running: SeatedRoom):
    running.edge.disk.limits = NEVER_ENOUGH
    DiskRound(running.edge)()
    with running.store.reading() as db:
        assert running.edge.disk.budget == read_budget(db, NEVER_ENOUGH)
        assert "disk_low" in db.scalars(select(JournalEntry.event)).all()
    assert running.edge.disk.budget.need.answers > 0
