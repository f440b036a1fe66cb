"""`exam-station drill`: play every fault against a throw-away station and say what was lost."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from station.clock import system_time
from station.config import CONFIG_NAME, load_config
from station.errors import Refused, StationError, Unsound, problem
from station.rehearsal.demo import INTERRUPTED, ending_by_request
from station.rehearsal.drill.faults import FAULTS, Fault
from station.rehearsal.drill.machine import this_machine
from station.rehearsal.drill.outcome import Outcome
from station.rehearsal.drill.report import report_page
from station.rehearsal.drill.result import FaultResult
from station.rehearsal.drill.times import machine_load
from station.rehearsal.premises import FOLDER_TAKEN
from station.store.sole_use import LOCK_NAME, take_folder

FAULT_UNKNOWN = problem(
    "drill_fault_unknown",
    "没有“{fault}”这种故障。可选：{kinds}",
    "There is no fault {fault!r}. There are: {kinds}",
)
STATION_RUNNING = problem(
    "drill_station_running",
    "考站 {folder} 正在运行。演练会占满磁盘和处理器，请停止考站后再演练，或用 --folder 指定别处。",
    "The station {folder} is running. A drill uses up disk and processor: stop it first, or name another --folder.",
)


def hold_drill(
    folder: Path | None = None,
    *,
    is_long: bool,
    as_json: bool = False,
    report: Path | None = None,
    only: Sequence[str] = (),
    faults: Mapping[str, Fault] = FAULTS,
) -> int:
    """Try the faults one after the other; exit status 0 only if something was tried and nothing was lost or wrong.

    All is done in `folder`, which is empty or new, else in a new folder within the present one: on that disk. It is
    removed at the end, and also when interrupted; only what a fault that went wrong leaves is kept and named.
    """
    for kind in only:
        if kind not in faults:
            raise Refused(FAULT_UNKNOWN, fault=kind, kinds=", ".join(faults))
    chosen = {kind: fault for kind, fault in faults.items() if not only or kind in only}
    is_new = folder is None or not folder.exists()
    place = _place(folder)
    outcome = Outcome(this_machine(place), system_time().astimezone(), is_long)
    began = time.monotonic()
    _say_where(outcome, place)
    with ending_by_request():
        try:
            for kind, fault in chosen.items():
                _say_result(fault, _keep(outcome, _try(kind, fault, place / kind, is_long=is_long)))
        except KeyboardInterrupt:
            _clear(place, is_new=is_new)
            click.echo("已中断，演练的数据已清除。 Interrupted; the drill's data has been removed.", err=True)
            return INTERRUPTED
    outcome.seconds = time.monotonic() - began
    if report is not None:
        report.write_text(report_page(outcome, {kind: (one.zh, one.en) for kind, one in chosen.items()}), "utf-8")
        click.echo(f"报告 report: {report}")
    _say_end(outcome, place)
    if outcome.is_good:
        _clear(place, is_new=is_new)
    if as_json:
        click.echo(json.dumps(outcome.document(), ensure_ascii=False))
    return 0 if outcome.is_good else 1


def _place(folder: Path | None) -> Path:
    """Take an empty or new folder; one below a running station's is refused."""
    wanted = (folder or Path.cwd()).resolve()
    for above in (wanted, *wanted.parents):
        if (above / CONFIG_NAME).is_file() and _is_running(above):
            raise Refused(STATION_RUNNING, folder=above)
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="exam-station-drill-", dir=wanted))
    if folder.exists() and any(folder.iterdir()):
        raise Unsound(FOLDER_TAKEN, path=folder)
    folder.mkdir(parents=True, exist_ok=True)
    return wanted


def _is_running(home: Path) -> bool:
    try:
        kept = load_config(home).folder
        if (kept / LOCK_NAME).exists():
            take_folder(kept).close()
    except StationError as error:
        return error.code == "folder_in_use"
    return False


def _try(kind: str, fault: Fault, folder: Path, *, is_long: bool) -> FaultResult:
    click.echo(f"… {fault.zh} {fault.en}")
    try:
        result = fault.run(folder, rounds=fault.long if is_long else fault.short, is_long=is_long)
    except StationError as error:
        return FaultResult(kind, wrong=(f"{error.sentence('zh')} {error.sentence('en')}",))
    except Exception as error:
        click.echo(traceback.format_exc(), err=True)
        return FaultResult(kind, wrong=(f"演练未能进行 the drill broke down: {type(error).__name__}: {error}",))
    if result.is_good:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def _keep(outcome: Outcome, result: FaultResult) -> FaultResult:
    outcome.results.append(result)
    outcome.load = max(outcome.load, machine_load())
    return result


def _clear(place: Path, *, is_new: bool) -> None:
    for below in place.iterdir():
        shutil.rmtree(below, ignore_errors=True)
    if is_new:
        shutil.rmtree(place, ignore_errors=True)


def _say_where(outcome: Outcome, place: Path) -> None:
    machine = outcome.machine
    click.echo(
        f"演练位置 {place}（{machine.disk}，{machine.file_system}，剩余 {machine.free_gib} GiB）；"
        f"不会触碰任何真实考站。\nThe drill is held there; it touches no real station."
    )
    if not machine.is_disk_real:
        click.echo(
            "注意：该文件夹在内存中，不能说明磁盘的情况。请用 --folder 指定数据盘上的文件夹。\n"
            "That folder lies in memory and tells nothing of the disk: name one on the data disk by --folder."
        )


def _say_result(fault: Fault, result: FaultResult) -> None:
    if result.not_run:
        click.echo(f"－ {fault.zh}：未做 not run：{result.not_run}")
        return
    recovery = "" if result.recovery_s is None else f"；恢复最长 longest recovery {result.recovery_s:.1f} s"
    click.echo(
        f"{'✓' if result.is_good else '✗'} {fault.zh}：{result.rounds} 次 rounds；"
        f"已确认保存 acknowledged {result.saves_acked}；丢失 lost {result.acked_lost}{recovery}"
    )
    for text in result.wrong:
        click.echo(f"    ✗ {text}")


def _say_end(outcome: Outcome, place: Path) -> None:
    click.echo(
        f"\n故障 {len(outcome.tried)} 种，共 {outcome.rounds} 次；已确认的保存 {outcome.saves_acked} 次，"
        f"丢失 {outcome.acked_lost} 次；校验链断裂 {outcome.chain_broken} 条；用时 {outcome.seconds:.0f} 秒"
    )
    click.echo(
        f"{len(outcome.tried)} kinds of fault, {outcome.rounds} rounds; {outcome.saves_acked} saves acknowledged, "
        f"{outcome.acked_lost} lost; {outcome.chain_broken} chains broken; {outcome.seconds:.0f} s"
    )
    if outcome.is_machine_busy:
        click.echo(
            "演练时本机另有繁忙的程序，恢复时间仅供参考。 The machine was busy otherwise: times were not judged."
        )
    if outcome.is_good:
        click.echo("全部通过。All is well.")
    elif outcome.tried:
        click.echo(f"未通过。数据与日志保留在 Failed; data and logs are in: {place}")
    else:
        click.echo("没有进行任何演练，不能说明问题。Nothing was tried, so nothing is shown.")
