"""Make a new station's folder, say what to do next, and examine a station that exists."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from station.backup.recovery import RECOVERY_NAME, make_recovery
from station.bootstrap import IDENTITY, SIGNING_KEY, WEB_SECRET, disk_limits, open_prepared_store
from station.clock import Clock
from station.config import CONFIG_NAME, Config, load_config
from station.domain.disk_budget import Space
from station.domain.staff import ROLE_NAMES, Role
from station.errors import Refused, problem
from station.services import answering, disk_space, journal, staffing, work_folders
from station.store import migrations
from station.store.copying import leave_gap
from station.store.models import Attempt
from station.web.disk_watch import DiskWatch
from station.web.server_probe import open_files
from sync.errors import SyncError
from sync.keys import (
    fingerprint,
    load_signing_key,
    make_identity,
    make_signing_key,
    recipient_of,
    save_identity,
    save_signing_key,
    verify_key_to_text,
)

STATION_EXISTS = problem(
    "station_exists",
    "文件夹 {path} 中已有考站，不会覆盖。请另选文件夹。",
    "There is a station in {path} already; it is not replaced. Choose another folder.",
)

FIRST_ACCOUNTS: tuple[tuple[str, Role], ...] = (
    ("zhukao", Role.CHIEF_EXAMINER),
    ("fuzhukao", Role.DEPUTY_CHIEF_EXAMINER),
    ("jiankao1", Role.INVIGILATOR),
    ("jiankao2", Role.INVIGILATOR),
    ("jiankao3", Role.INVIGILATOR),
    ("xunkao", Role.INSPECTOR),
    ("jishu", Role.TECHNICIAN),
    ("kaowu", Role.EXAM_OFFICER),
    ("zhichi", Role.TECHNICAL_SUPPORT),
)


@dataclass(frozen=True)
class MadeStation:
    """A new station. `passwords` and `recovery_code` are told once and kept nowhere."""

    config: Config
    passwords: tuple[tuple[str, Role, str], ...]
    station_id: str
    verify_key: str
    recipient: str
    recovery_code: str


def make_station(
    folder: Path,
    *,
    site_name: str,
    staff_address: str = "",
    invigilator_pc: str = "",
    settings: dict[str, str] | None = None,
) -> MadeStation:
    """Make settings, keys, store and accounts in a folder that holds no station yet.

    `settings` replaces lines of the example file: 'section.key' → TOML value. Nothing is left behind when an
    address is wrong.
    """
    if (folder / CONFIG_NAME).exists() or (folder / "keys").exists():
        raise Refused(STATION_EXISTS, path=folder)
    if invigilator_pc:
        staffing.check_address(invigilator_pc)
    folder.mkdir(parents=True, exist_ok=True)
    values = {"site.name": _toml(site_name)} | (settings or {})
    if staff_address:
        values["staff_listener.host"] = _toml(staff_address)
    elif invigilator_pc:
        values["staff_listener.host"] = _toml("0.0.0.0")
    signing_key, identity = make_signing_key(), make_identity()
    (folder / CONFIG_NAME).write_text(config_text(values), encoding="utf-8")
    config = load_config(folder)
    config.keys.mkdir(mode=0o700, exist_ok=True)
    save_signing_key(signing_key, config.keys / SIGNING_KEY)
    save_identity(identity, config.keys / IDENTITY)
    _write_secret(config.keys / WEB_SECRET)
    recovery_code = make_recovery(config.keys, signing_key.public_key())
    passwords = _make_accounts(config, invigilator_pc)
    return MadeStation(
        config=config,
        passwords=passwords,
        station_id=fingerprint(signing_key.public_key()),
        verify_key=verify_key_to_text(signing_key.public_key()),
        recipient=recipient_of(identity),
        recovery_code=recovery_code,
    )


def next_steps(made: MadeStation) -> list[str]:
    """Say what was made and what to do next, in Chinese with the English beside it."""
    config, home = made.config, made.config.home
    staff = config.staff_listener
    here = own_address(staff.host)
    staff_host = here if staff.host == "0.0.0.0" else staff.host
    lines = [
        f"考站已建立 station made: {home}",
        "",
        "工作人员账号（首次口令只显示这一次，首次登录须修改）/ staff accounts, passwords shown once:",
    ]
    for username, role, password in made.passwords:
        lines.append(f"  {username:<10} {password}   {ROLE_NAMES[role][0]} {ROLE_NAMES[role][1]}")
    lines += [
        "",
        f"考站编号 fingerprint:     {made.station_id}",
        f"验签公钥 verify key:      {made.verify_key}",
        f"收件公钥 recipient:       {made.recipient}",
        "（把以上三项交给认证机构登记 / register these three with the certificate body）",
        "",
        f"恢复码 recovery code:     {made.recovery_code}",
        "（只显示这一次：抄好装入信封，服务器损坏时用它和备份恢复 / shown once: it opens the backups）",
        "",
        "下一步 next:",
        f"  1. 填写 {home / CONFIG_NAME} 的 [central]（上级平台）/ fill in [central]",
        f"  2. exam-station serve {home}",
        f"     考生机打开 candidate PCs open: http://{here}:{config.candidate_listener.port}/",
        f"     监考机打开 invigilator's PC opens: http://{staff_host}:{staff.port}/",
    ]
    if staff.host == "127.0.0.1":
        lines += [
            f"     现在只有本机能打开监考台。要让监考机打开：把 [staff_listener] host 改为 {here}，重启，再运行",
            "     only this server can open the staff app now; to let another PC in, set host, restart, and run:",
        ]
    lines += [
        f"     exam-station allow {home} <监考机 IP>    （立即生效，无需重启 / at once）",
        f"  3. 导入 import: exam-station import {home} plan|roster|photos|paper <文件>",
        f"  4. 各考生机打开自己的考位链接 seat links: exam-station seats {home}",
        "     装了考试机程序的不用链接：监考台“考试机”点“开放登记” / with the agent: open the registration instead",
    ]
    return lines


def examine(config: Config) -> list[tuple[str, bool, str]]:
    """Check keys, schema, journal, attempts, disk and open files; gives (what, in order, sentence) each."""
    findings: list[tuple[str, bool, str]] = []
    for name in (SIGNING_KEY, IDENTITY, WEB_SECRET, RECOVERY_NAME):
        present = (config.keys / name).is_file()
        findings.append((f"key {name}", present, "ok" if present else "缺失 missing"))
    try:
        load_signing_key(config.keys / SIGNING_KEY)
    except (SyncError, OSError) as error:
        findings.append(("signing key", False, str(error)))
    store = open_prepared_store(config)
    found, wanted = migrations.current(store.engine), migrations.head()
    findings.append(("schema", found == wanted, f"{found} / {wanted}"))
    with store.reading() as db:
        broken = journal.first_broken_entry(db)
        findings.append(("journal", broken is None, "ok" if broken is None else f"断于 broken at {broken}"))
        attempts = db.scalars(select(Attempt.id)).all()
        checks = (answering.check_chain, work_folders.check_chain)
        bad = [one for one in attempts if any(check(db, one) is not None for check in checks)]
        findings.append(("attempts", not bad, f"{len(attempts)} ok" if not bad else f"断链 broken: {bad}"))
        zh, en, space = disk_space.say_budget(db, DiskWatch(config.folder, disk_limits(config)).disk())
        findings.append(("disk", space is not Space.SHORT, f"{zh} {en}"))
    store.close()
    files = open_files(config.candidate_listener.connection_limit)
    findings.append(("open files", files.value is not False, f"{files.shown[0]} {files.shown[1]}"))
    return findings


def config_text(values: dict[str, str]) -> str:
    """Write a configuration: the defaults with comments, with some values ('section.key' → TOML) replaced."""
    lines: list[str] = []
    section = ""
    for line in _example().splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
        key = line.partition("=")[0].strip()
        lines.append(f"{key} = {values[f'{section}.{key}']}" if f"{section}.{key}" in values else line)
    return "\n".join(lines) + "\n"


def own_address(known: str = "") -> str:
    """Guess this server's address in the room: one that another listener was given, else that of the route outwards.

    A server that reaches the Internet has that by another network card than the room (R-ROOM-2).
    """
    if known not in {"", "0.0.0.0", "::", "::1", "localhost"} and not known.startswith("127."):
        return known
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: nothing is sent
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _example() -> str:
    """Find config.example.toml: beside the packages in a checkout, under `share` when installed."""
    checkout = Path(__file__).resolve().parent.parent / "config.example.toml"
    installed = Path(sys.prefix) / "share" / "exam-station" / "config.example.toml"
    return (checkout if checkout.is_file() else installed).read_text("utf-8")


def _make_accounts(config: Config, invigilator_pc: str) -> tuple[tuple[str, Role, str], ...]:
    at = Clock().now()
    store = open_prepared_store(config)
    leave_gap(store, at=at)
    made: list[tuple[str, Role, str]] = []
    with store.transaction() as db:
        if invigilator_pc:
            staffing.allow_address(db, invigilator_pc, at=at)
        for username, role in FIRST_ACCOUNTS:
            password = staffing.first_password()
            staffing.add_staff(db, username=username, name=ROLE_NAMES[role][0], role=role, password=password, at=at)
            made.append((username, role, password))
    store.close()
    return tuple(made)


def _write_secret(path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(secrets.token_bytes(32))
        stream.flush()
        os.fsync(stream.fileno())


def _toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
