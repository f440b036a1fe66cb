"""Command line of the station."""

from __future__ import annotations

import json
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from station import __version__
from station.clock import Clock
from station.config import Config, load_config
from station.errors import StationError

FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


class BilingualGroup(click.Group):
    """Turns refusals into one plain line in both languages, and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StationError as error:
            from station.importers.rejections import ImportRejected

            click.echo(f"✗ {error.sentence('zh')}\n  {error.sentence('en')}  [{error.code}]", err=True)
            if isinstance(error, ImportRejected):
                for one in error.rejections:
                    click.echo(f"  · {one.place('zh')}：{one.zh}\n    {one.place('en')}: {one.en}", err=True)
            ctx.exit(1)


@click.group(cls=BilingualGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="exam-station")
def main() -> None:
    """考站：机房内的考试服务器。The exam station of one computer room."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)


@main.command()
@FOLDER
@click.option("--site-name", default="示例考核站点", help="考核站点名称。Name of the site.")
@click.option("--staff-address", default="", help="监考台监听地址。Address of this server that the staff app binds.")
@click.option("--invigilator-pc", default="", help="监考机 IP。Address of the invigilator's PC, let in at once.")
def init(folder: Path, site_name: str, staff_address: str, invigilator_pc: str) -> None:
    """新建考站：配置、数据、密钥、账号。Make a station: settings, store, keys, staff accounts."""
    from station import setup

    made = setup.make_station(folder, site_name=site_name, staff_address=staff_address, invigilator_pc=invigilator_pc)
    click.echo("\n".join(setup.next_steps(made)))


@main.command()
@FOLDER
@click.option("--rehearsal-scale", default=1.0, help="演练：时钟倍速。For rehearsals: clock seconds per second.")
@click.option("--rehearsal-start", default="", help="演练：时钟起点 ISO。For rehearsals: where the clock begins.")
def serve(folder: Path, rehearsal_scale: float, rehearsal_start: str) -> None:
    """启动考站，直到 Ctrl+C。Run the station until Ctrl+C (or SIGTERM)."""
    from station.bootstrap import build_station

    config = load_config(folder)
    starts_at = _moment(rehearsal_start, config, option="--rehearsal-start")
    station = build_station(config, clock=Clock(scale=rehearsal_scale, starts_at=starts_at))
    station.start()
    candidate, staff = station.config.candidate_listener, station.config.staff_listener
    click.echo(f"考生机地址 candidate PCs:  http://{_shown(candidate.host, staff.host)}:{station.candidate_port}/")
    click.echo(f"监考台地址 staff:          http://{_shown(staff.host, candidate.host)}:{station.staff_port}/")
    if not staff.behind_tls:
        click.echo("监考台为明文 http，仅限考场局域网使用。Staff pages are plain http: for the room's LAN only.")
    click.echo("已启动。Started.")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(0.5):
        pass
    station.stop()
    click.echo("已停止。Stopped.")


@main.command(name="import")
@FOLDER
@click.argument("kind", type=click.Choice(["plan", "roster", "photos", "paper"]))
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--dry-run", is_flag=True, help="只检查，不导入。Check and show, change nothing.")
@click.option("--certificate", default="", help="证书（Excel 试卷）。Certificate of a paper from Excel.")
@click.option("--level", default="", help="等级。Level.")
@click.option("--subject", default="", help="科目。Subject.")
@click.option("--code", default="", help="试卷编号。Code of the paper.")
@click.option("--backup-paper", is_flag=True, help="作为备用试卷。Take it in as backup paper.")
@click.option("--room", default="", help="名单表头没有考场名称时指定。Room, where the roster names none.")
@click.option("--start", default="", help="名单表头没有考试时间时指定，ISO。Planned start, where the roster has none.")
@click.option("--assign-seats", is_flag=True, help="名单无座位号时按顺序排座。Give seats in list order.")
@click.option("--spares", default="", help="备用机编号，如 46-50。Spare seats, such as 46-50.")
def import_(folder: Path, kind: str, file: Path, dry_run: bool, **given: Any) -> None:
    """导入考试计划、名单、照片或试卷。Import a plan, roster, photos or paper; errors change nothing."""
    from station.bootstrap import disk_limits
    from station.services import disk_space, staging
    from station.web.disk_watch import DiskWatch

    config = load_config(folder)
    options = staging.Options(
        zone=config.zone,
        certificate=given["certificate"],
        level=given["level"],
        subject=given["subject"],
        code=given["code"],
        is_backup=given["backup_paper"],
        room_name=given["room"],
        planned_start_at=_moment(given["start"], config, option="--start"),
        assign_seats=given["assign_seats"],
        spares=given["spares"],
    )
    store = _store(config)

    def say_disk(db: Session) -> None:
        disk = DiskWatch(config.folder, disk_limits(config)).disk()
        zh, en, _ = disk_space.say_budget(db, disk)
        click.echo(f"· {zh}\n  {en}")

    try:
        staged = staging.stage_file(kind, file, store=store, options=options, progress=_show_progress)
        for zh, en in staged.lines:
            click.echo(f"· {zh}\n  {en}")
        at = Clock().now()
        if dry_run:
            staging.dry_run(store, staged, at, look=say_disk)
            click.echo("检查通过，未做任何更改。Checked; nothing was changed.")
            return
        staged.keep()
        with store.transaction() as db:
            summaries = staged.apply(db, at, None)
            say_disk(db)
        for summary in summaries:
            notes = "；".join(zh for zh, _ in summary.notes)
            click.echo(f"✓ {summary.title}：{summary.count} {notes}")
    finally:
        store.close()


@main.command()
@click.argument("kind", type=click.Choice(["roster", "paper"]))
@click.argument("file", type=click.Path(path_type=Path))
def template(kind: str, file: Path) -> None:
    """写出 Excel 导入模板。Write an Excel template with one example row a kind."""
    from station.importers.templates import paper_template, roster_template

    file.write_bytes(roster_template() if kind == "roster" else paper_template())
    click.echo(f"✓ {file}")


@main.command()
@FOLDER
@click.argument("address")
def allow(folder: Path, address: str) -> None:
    """允许一台监考机打开监考台，立即生效。Let the PC at an address open the staff app, at once."""
    from station.services import staffing

    store = _store(load_config(folder))
    with store.transaction() as db:
        staffing.allow_address(db, address, at=Clock().now())
    store.close()
    click.echo(f"✓ {address}")


@main.command()
@FOLDER
@click.argument("username")
@click.option("--name", default="", help="姓名；账号不存在时新建。Name, to make a new account.")
@click.option("--role", default="", help="角色，如 invigilator。Role of a new account.")
def staff(folder: Path, username: str, name: str, role: str) -> None:
    """新建账号或重置口令，口令只显示一次。Add an account, or reset its password; shown once."""
    from station.services import staffing

    store, at = _store(load_config(folder)), Clock().now()
    with store.transaction() as db:
        if name or role:
            password = staffing.first_password()
            staffing.add_staff(db, username=username, name=name, role=role, password=password, at=at)
        else:
            password = staffing.reset_password(db, username, at=at)
    store.close()
    click.echo(f"✓ {username}  {password}")


@main.command()
@FOLDER
@click.option("--address", default="", help="考生机访问的地址，如 http://192.168.1.2:8080。As candidate PCs see it.")
def seats(folder: Path, address: str) -> None:
    """列出考位链接，每台考生机打开一次。List the seat links; each PC opens its own once."""
    from station.bootstrap import WEB_SECRET
    from station.config import read_secret
    from station.services.seat_links import seat_link_code
    from station.store.models import Room, Seat

    config = load_config(folder)
    shown = _shown(config.candidate_listener.host, config.staff_listener.host)
    base = address.rstrip("/") or f"http://{shown}:{config.candidate_listener.port}"
    secret, store = read_secret(config, WEB_SECRET), _store(config)
    with store.reading() as db:
        real = select(Seat, Room.name).join(Room, Room.id == Seat.room_id).where(Room.is_rehearsal.is_(False))
        rows = db.execute(real.order_by(Room.id, Seat.id)).all()
    store.close()
    for seat, room in rows:
        spare = "（备用）" if seat.is_spare else ""
        click.echo(f"{room}\t{seat.number}{spare}\t{base}/seat/{seat.id}/{seat_link_code(secret, seat.id)}")


@main.command()
@FOLDER
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--package", "package_id", type=int, default=0, help="成果包序号，默认最新。Which package; the newest by default."
)
def export(folder: Path, target: Path, package_id: int) -> None:
    """把成果包导出到 U 盘等（断网时）。Export a result package to a file or folder (R-END-2)."""
    from station.services import exporting

    store = _store(load_config(folder))
    path = exporting.export_package(store, package_id, target, by=None, at=Clock().now())
    store.close()
    click.echo(f"✓ {path}")


@main.command()
@FOLDER
@click.argument("target", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--new-code", is_flag=True, help="换新的恢复码（信封遗失时）。Make a new recovery code; the old is lost.")
@click.option("--json", "as_json", is_flag=True, help="输出一行 JSON。Print one JSON line.")
@click.option("--automatic", is_flag=True, help="由考站自行调用。What the station itself calls.")
def backup(folder: Path, target: Path | None, new_code: bool, as_json: bool, automatic: bool) -> None:
    """备份考站到文件夹或 U 盘，运行中也可以。Back a station up, running or not; checked after writing."""
    from station.backup import commands

    commands.back_up(load_config(folder), target, new_code=new_code, as_json=as_json, automatic=automatic)


@main.command()
@click.argument("backup", type=click.Path(path_type=Path, exists=True))
@FOLDER
@click.option("--code", prompt="恢复码 recovery code", help="信封中的恢复码。The recovery code from the envelope.")
@click.option("--database", default="", help="数据库地址；sqlite 为本机文件。A database URL, or 'sqlite'.")
@click.option("--json", "as_json", is_flag=True, help="输出一行 JSON。Print one JSON line.")
def restore(backup: Path, folder: Path, code: str, database: str, as_json: bool) -> None:
    """用备份和恢复码在另一台机器上恢复考站。Restore a station from a backup into a new folder."""
    from station.backup import commands

    commands.restore(backup, folder, code=code, database=database, as_json=as_json)


@main.command()
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="输出一行 JSON。Print one JSON line.")
def doctor(folder: Path, as_json: bool) -> None:
    """检查密钥、数据库版本、全部校验链和打开文件数。Check keys, schema, every hash chain, open files."""
    from station import setup

    findings = setup.examine(load_config(folder))
    if as_json:
        click.echo(json.dumps({name: ok for name, ok, _ in findings}, ensure_ascii=False))
    for name, ok, text in findings if not as_json else []:
        click.echo(f"{'✓' if ok else '✗'} {name}: {text}")
    sys.exit(0 if all(ok for _, ok, _ in findings) else 1)


@main.command()
@click.option("--fast", is_flag=True, help="无人值守，两分钟内考完一整天。Hold a whole day with no hands.")
@click.option("--json", "as_json", is_flag=True, help="最后一行输出 JSON 结果。Print the result as one last JSON line.")
@click.option("--folder", type=click.Path(path_type=Path), default=None, help="数据放在哪里。Where the data goes.")
@click.option("--candidates", default=45, help="模拟考生数。How many simulated candidates.")
@click.option("--database", default="", help="用此数据库而非 SQLite。A database URL instead of SQLite.")
@click.option("--auto-staff", is_flag=True, help="模拟工作人员自动主持。Simulated staff run the open day.")
@click.option("--open", "open_browser", is_flag=True, help="打开浏览器。Open the pages in a browser.")
def demo(
    fast: bool,
    as_json: bool,
    folder: Path | None,
    candidates: int,
    database: str,
    auto_staff: bool,
    open_browser: bool,
) -> None:
    """演示：上级平台、考站和 45 名模拟考生。Reference platform, station and simulated candidates."""
    from station.rehearsal import demo as rehearsal

    if fast:
        sys.exit(rehearsal.hold_fast_day(folder, candidates=candidates, database=database, as_json=as_json))
    sys.exit(
        rehearsal.hold_open_day(
            folder, candidates=candidates, database=database, auto_staff=auto_staff, open_browser=open_browser
        )
    )


@main.command()
@click.option("--short", is_flag=True, help="简短形式，5 分钟以内。The short form, within 5 minutes.")
@click.option("--json", "as_json", is_flag=True, help="最后一行输出 JSON 结果。Print the result as one last JSON line.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="报告页 HTML。Where the page goes.")
@click.option("--folder", type=click.Path(path_type=Path), help="在哪块磁盘上演练。An empty folder on the data disk.")
@click.option("--only", multiple=True, help="只演练这种故障，可重复。Only this kind of fault; may be repeated.")
def drill(short: bool, as_json: bool, report: Path | None, folder: Path | None, only: tuple[str, ...]) -> None:
    """故障演练：断电、强行结束、磁盘、时钟、网络等。Play faults against a throw-away station; nothing may be lost."""
    from station.rehearsal.drill.holding import hold_drill

    sys.exit(hold_drill(folder, is_long=not short, as_json=as_json, report=report, only=only))


@main.command()
@click.option("--short", is_flag=True, help="简短形式，约 1.5 分钟。The short form, about 1.5 minutes.")
@click.option("--json", "as_json", is_flag=True, help="最后一行输出 JSON 结果。Print the result as one last JSON line.")
@click.option("--growth", is_flag=True, help="另测 45 至 1000 名考生。Also from 45 to 1,000 candidates.")
@click.option("--database", default="", help="另测数据库服务器上的两个进程。Also two processes on this database URL.")
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="测哪块磁盘。On this disk."
)
def bench(short: bool, as_json: bool, growth: bool, database: str, folder: Path | None) -> None:
    """测速：本机保存答案的速度与代价。How fast and at what cost this server saves, beside what it could at most."""
    from station.rehearsal.bench.holding import hold_bench

    sys.exit(hold_bench(folder, is_short=short, as_json=as_json, with_growth=growth, database=database, say=click.echo))


def _store(config: Config) -> Any:
    from station.bootstrap import open_prepared_store

    return open_prepared_store(config)


def _moment(text: str, config: Config, *, option: str) -> datetime | None:
    """Read a moment that somebody typed; without an offset it is the room's local time."""
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r}: 2026-11-21T14:00", param_hint=option) from None
    return given if given.tzinfo is not None else given.replace(tzinfo=config.zone)


def _shown(host: str, known: str) -> str:
    from station.setup import own_address

    return own_address(known) if host in {"0.0.0.0", "::"} else host


def _show_progress(done: int, total: int) -> None:
    if total >= 200 and (done == total or done % 100 == 0):
        click.echo(f"  {done}/{total}", err=True)


if __name__ == "__main__":
    main()
