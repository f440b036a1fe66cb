"""`exam-station demo`: hold the fast day and tell how it went, or keep an open day running for persons."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from station.errors import Refused, StationError, problem
from station.rehearsal.fast_day import FastDay, Outcome
from station.rehearsal.line import LOST, AnswerRefused
from station.rehearsal.open_day import OpenDay
from station.rehearsal.premises import Premises
from station.rehearsal.script import FEWEST_CANDIDATES
from station.sample.candidates import MOST_CANDIDATES
from sync.errors import SyncError

TOO_FEW_CANDIDATES = problem(
    "rehearsal_candidates",
    "模拟考生数应为 {fewest} 至 {most} 名。",
    "There are {fewest} to {most} simulated candidates.",
)

INTERRUPTED = 130


def hold_fast_day(folder: Path | None, *, candidates: int, database: str, as_json: bool) -> int:
    """Hold a whole day with no hands; exit status 0 only if nothing is lost and everything agrees.

    Without a folder everything lies in a temporary one, which is kept only if something went wrong. With
    `as_json` the last line printed is one JSON object.
    """
    _check_count(candidates)
    place = folder or Path(tempfile.mkdtemp(prefix="exam-station-demo-"))
    premises = Premises.at(place)
    with ending_by_request():
        day = FastDay(premises, candidates=candidates, database=database, tell=click.echo)
        try:
            outcome = day.hold()
        except KeyboardInterrupt:
            click.echo(f"已中断，数据保留在 Interrupted; data is kept in: {place}", err=True)
            return INTERRUPTED
        except (StationError, SyncError, AnswerRefused, *LOST) as error:
            outcome = day.outcome
            outcome.wrong.append(_sentence(_cause(error, premises)))
        finally:
            premises.close()
    _report(outcome, place, as_json=as_json)
    if folder is None and outcome.is_good:
        shutil.rmtree(place, ignore_errors=True)
    return 0 if outcome.is_good else 1


def hold_open_day(
    folder: Path | None,
    *,
    candidates: int,
    database: str,
    auto_staff: bool = False,
    open_browser: bool = False,
) -> int:
    """Run platform, station and simulated candidates in real time until Ctrl+C, with a seat left for a person."""
    _check_count(candidates)
    place = folder or Path(tempfile.mkdtemp(prefix="exam-station-demo-"))
    premises = Premises.at(place)
    with ending_by_request():
        day = OpenDay(premises, candidates=candidates, database=database, tell=click.echo)
        try:
            day.hold(auto_staff=auto_staff, open_browser=open_browser)
        except KeyboardInterrupt:
            click.echo("正在停止…… Stopping …")
        except (AnswerRefused, *LOST) as error:
            click.echo(f"✗ {_sentence(_cause(error, premises))}", err=True)
            return 1
        finally:
            premises.close()
    click.echo(f"数据保留在 kept in: {place}")
    return 0


@contextmanager
def ending_by_request() -> Iterator[None]:
    """Let a request to end this program end the others first, as Ctrl+C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_count(candidates: int) -> None:
    if not FEWEST_CANDIDATES <= candidates <= MOST_CANDIDATES:
        raise Refused(TOO_FEW_CANDIDATES, fewest=FEWEST_CANDIDATES, most=MOST_CANDIDATES)


def _report(outcome: Outcome, place: Path, *, as_json: bool) -> None:
    shown = outcome.document()
    click.echo("")
    click.echo(
        f"保存 {shown['saves_acked']} 次，成果包中找到 {shown['saves_found_in_package']}，"
        f"丢失 {shown['answers_lost']}；"
        f"得分一致 {shown['scores_equal']}/{shown['scores_expected']}；"
        f"成果包 {shown['packages']}，回执 {outcome.receipts_verified}；"
        f"保存耗时 p50 {shown['save_p50_ms']} ms，p99 {shown['save_p99_ms']} ms；用时 {shown['seconds']} 秒"
    )
    click.echo(
        f"saves {shown['saves_acked']}, found {shown['saves_found_in_package']}, lost {shown['answers_lost']}; "
        f"scores equal {shown['scores_equal']}/{shown['scores_expected']}; receipts {outcome.receipts_verified}"
    )
    for text in outcome.wrong[:20]:
        click.echo(f"✗ {text}")
    if outcome.is_good:
        click.echo("全部通过。All is well.")
    else:
        click.echo(f"未通过。数据与日志保留在 Failed; data and logs are in: {place}")
    if as_json:
        click.echo(json.dumps(shown, ensure_ascii=False))


def _cause(error: Exception, premises: Premises) -> Exception:
    """Name the program that broke down, where a lost line was only what came of it; its end may show late."""
    until = time.monotonic() + 2.0
    while isinstance(error, LOST) and time.monotonic() < until:
        try:
            premises.check_programs()
        except StationError as breakdown:
            return breakdown
        time.sleep(0.1)
    return error


def _sentence(error: Exception) -> str:
    if isinstance(error, StationError | SyncError):
        return f"{error.sentence('zh')} {error.sentence('en')}"
    return f"{type(error).__name__}: {error}"
