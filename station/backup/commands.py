"""What `exam-station backup` and `exam-station restore` do and say."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import click

from station.backup.making import Made, go_gently, make_backup
from station.backup.recovery import RECOVERY_NAME, make_recovery
from station.backup.restoring import Restored, restore_station
from station.clock import Clock
from station.config import Config
from station.errors import Invalid, StationError, Unsound, problem
from station.services import backing_up
from station.store import Store, migrations, open_store
from sync.errors import SyncError
from sync.keys import load_signing_key

# As the composition root names it; that knows this module, not the other way round.
SIGNING_KEY = "station.pem"
BACKUP_FOLDER_UNSET = problem(
    "backup_folder_unset",
    "没有指定备份位置。请写明文件夹，或在 config.toml 的 [backup] 中填写 folder。",
    "No backup folder is named: give one, or set folder in [backup] of config.toml.",
)
BACKUP_KEY_UNUSABLE = problem(
    "backup_key_unusable", "本站密钥无法使用：{reason}", "The station's key cannot be used: {reason}"
)


def back_up(config: Config, target: Path | None, *, new_code: bool, as_json: bool, automatic: bool) -> None:
    """Make one backup and tell of it; with `automatic` the station that called tells."""
    if automatic:
        go_gently()
    try:
        made = _back_up(config, target, new_code=new_code, by_hand=not automatic, is_quiet=as_json)
    except StationError as error:
        if not as_json:
            raise
        refused = {"code": error.code, "zh": error.sentence("zh"), "en": error.sentence("en")}
        click.echo(json.dumps({"refused": refused}, ensure_ascii=False))
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(made.to_document(), ensure_ascii=False))
        return
    for line in _said_of_backup(made):
        click.echo(line)


def restore(backup: Path, home: Path, *, code: str, database: str, as_json: bool) -> None:
    """Restore a station and say what is to be done before it is started."""
    restored = restore_station(backup, home, code=code, database=database, at=Clock().now())
    if as_json:
        document = {
            "number": restored.number,
            "made_at": restored.made_at.isoformat(),
            "last_alive_at": restored.last_alive_at.isoformat(),
            "attempts": restored.attempts,
            "revisions": restored.revisions,
            "files": restored.files,
            "broken": list(restored.broken),
            "missing": list(restored.missing),
            "seconds": restored.seconds,
        }
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    for line in _said_of_restore(restored):
        click.echo(line)


def _back_up(config: Config, target: Path | None, *, new_code: bool, by_hand: bool, is_quiet: bool) -> Made:
    folder = target or config.backup_folder
    if folder is None:
        raise Invalid(BACKUP_FOLDER_UNSET)
    if by_hand and folder.parent.is_dir():
        folder.mkdir(exist_ok=True)
    try:
        signing_key = load_signing_key(config.keys / SIGNING_KEY)
    except SyncError as error:
        raise Unsound(BACKUP_KEY_UNUSABLE, reason=error.sentence()) from error
    store = open_store(config.store_url, config.folder, pool_size=2)
    try:
        migrations.upgrade(store.engine)
        if by_hand and (new_code or not (config.keys / RECOVERY_NAME).exists()):
            _show_code(make_recovery(config.keys, signing_key.public_key()), is_quiet=is_quiet)
            with store.transaction() as db:
                backing_up.note_code_made(db, at=Clock().now())
        at = Clock().now()
        made = make_backup(config, store, folder, signing_key=signing_key, at=at, check_all=by_hand)
        if by_hand:
            _note(store, made, folder)
        return made
    finally:
        store.close()


def _note(store: Store, made: Made, folder: Path) -> None:
    at = Clock().now()
    with store.transaction() as db:
        backing_up.note_made(
            db,
            number=made.number,
            folder=str(folder),
            began_at=at - timedelta(seconds=made.seconds),
            flaws=[*made.broken, *made.missing],
            is_on_same_disk=made.is_on_same_disk,
            by_hand=True,
            at=at,
        )


def _show_code(code: str, *, is_quiet: bool) -> None:
    click.echo(f"恢复码 recovery code: {code}", err=is_quiet)
    click.echo("只显示这一次，请抄好装入信封。Shown once: keep it in the envelope.", err=is_quiet)


def _said_of_backup(made: Made) -> list[str]:
    lines = [
        f"✓ 备份第 {made.number} 份 backup {made.number}: {made.path}",
        f"  用时 {made.seconds} 秒，{_megabytes(made.snapshot_bytes)}；新文件 {made.new_files} 个"
        f"（{_megabytes(made.new_bytes)}），共 {made.files} 个",
        f"  {made.seconds} s, {made.attempts} attempts, {made.revisions} saves, {made.journal_entries} journal entries",
        "  已检查：数据库完整性、全部校验链、每个文件的校验值；写入后逐个读回比对。",
        "  Checked: database, every hash chain, every file; all of it read back after writing.",
    ]
    if made.broken:
        lines.append(f"✗ 本站数据有缺损，备份照此保存 damaged, kept as it is: {', '.join(made.broken)}")
    if made.missing:
        lines.append(f"✗ 本站缺少或损坏的文件 files missing or damaged: {', '.join(made.missing)}")
    if made.is_on_same_disk:
        lines.append("! 备份与数据在同一磁盘上，磁盘损坏时会一起丢失，请改用 U 盘或另一块硬盘。")
        lines.append("! The backup lies on the same disk as the station: use a stick or another disk.")
    return lines


def _said_of_restore(restored: Restored) -> list[str]:
    config = restored.config
    zone = config.zone
    made = restored.made_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    alive = restored.last_alive_at.astimezone(zone).strftime("%H:%M:%S")
    lines = [
        f"✓ 考站已恢复 station restored: {config.home}（{restored.seconds} 秒 s）",
        f"  备份第 {restored.number} 份 backup {restored.number}: {made}；原服务器最后工作于 last alive {alive}",
        f"  {restored.attempts} 份作答 attempts，{restored.revisions} 次保存 saves，"
        f"{restored.files} 个文件 files，均已逐个核对 each checked",
        "",
        "下一步 next:",
        "  1. 原服务器断开网线，不要再开启 / unplug the old server and never start it again",
        "  2. 本机设为原服务器的 IP 地址（考生机只向原地址补交答案）/ give this machine the old server's IP address",
        f"  3. exam-station serve {config.home}",
        "  4. 考生机不要关：页面自动补交备份之后的答案，看到“已保存”后再由监考员继续考试",
        "     leave the candidates' PCs on: their pages send what came after the backup; then resume",
    ]
    if restored.broken:
        lines.insert(3, f"✗ 校验链不完整 broken chains: {', '.join(restored.broken)}")
    if restored.missing:
        lines.insert(3, f"✗ 备份中没有的文件 files that the backup lacks: {', '.join(restored.missing)}")
    return lines


def _megabytes(count: int) -> str:
    return f"{count / 2**20:.1f} MB"
