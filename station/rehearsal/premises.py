"""The place of a rehearsal: a folder with platform, station and logs, and the child processes that run there."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import requests
from sqlalchemy import select

from station.bootstrap import WEB_SECRET, open_prepared_store
from station.config import CONFIG_NAME, Config, load_config, read_secret
from station.errors import Unsound, problem
from station.sample import SampleDay, write_sample_day
from station.services import staging
from station.services.seat_links import seat_link_code
from station.setup import MadeStation, config_text, make_station
from station.store.models import Paper, ResultPackage, Seat, Sitting, Subject
from sync.reference_platform.stations import add_station

CHILD_FAILED = problem(
    "rehearsal_child_failed",
    "演练所需的程序“{name}”没有正常运行。原因见日志：{log}",
    "The program {name} of the rehearsal did not run as it should. See its log: {log}",
)
FOLDER_TAKEN = problem(
    "rehearsal_folder_taken",
    "文件夹 {path} 不是空的，演练不会覆盖其中的内容。请另选文件夹。",
    "The folder {path} is not empty; a rehearsal replaces nothing. Choose another one.",
)

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
HOST = "127.0.0.1"
# Linux and Windows give these to no outgoing connection: one found free here is still free after a restart.
_PORTS = range(20_000, 30_000)
_ADDRESS = re.compile(r"http://[^\s/]+:(\d+)")


def free_port(*wanted: int) -> int:
    """Find a port that nobody uses, the `wanted` first, so that a program can come back at the same address.

    Raises:
        OSError: None of them is free.
    """
    for port in (*wanted, *random.sample(_PORTS, 100)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise OSError("no free port")


@dataclass
class Child:
    """A program that runs beside this one, with its output in a log file."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def ports(self, count: int) -> list[int]:
        """Wait until the program has said at which addresses it listens; gives their ports."""
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            found = _ADDRESS.findall(self.log.read_text("utf-8", errors="replace"))
            if len(found) >= count:
                return [int(port) for port in found[:count]]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise Unsound(CHILD_FAILED, name=self.name, log=self.log)

    def check_ended_well(self, *, timeout_s: float) -> None:
        """Wait for the program's end; refuse when it does not come or is not a good one."""
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            status = -1
        if status != 0:
            raise Unsound(CHILD_FAILED, name=self.name, log=self.log)

    def stop(self) -> None:
        """End the program; one that does not end when asked is killed, and so is what it leaves running."""
        if self.process.poll() is None:
            below = self._started_by_it()
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for program in below:
                with suppress(psutil.NoSuchProcess):
                    program.kill()

    def _started_by_it(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


@dataclass
class Premises:
    """A rehearsal's folder: `day`, `platform`, `station`, `logs`. Close it, whatever happens."""

    folder: Path
    children: list[Child] = field(default_factory=list)

    @classmethod
    def at(cls, folder: Path) -> Premises:
        if folder.exists() and any(folder.iterdir()):
            raise Unsound(FOLDER_TAKEN, path=folder)
        (folder / "logs").mkdir(parents=True)
        return cls(folder.resolve())

    @property
    def platform_folder(self) -> Path:
        return self.folder / "platform"

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        before: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a module of this Python as a program of its own, at need by another program's words `before`."""
        log = self.folder / "logs" / f"{name}.log"
        # A console's Ctrl+C goes to this program alone, which then ends the others in their order.
        apart: dict[str, Any] = (
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
            if os.name == "nt"
            else {"process_group": 0}
        )
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **(environment or {})},
                **apart,
            )
        child = Child(name, log, process)
        self.children.append(child)
        return child

    def start_platform(self, *, port: int = 0) -> str:
        """Start the reference platform; gives its address."""
        arguments = ["sync", "platform", "--folder", str(self.platform_folder), "--host", HOST, "--port", str(port)]
        return f"http://{HOST}:{self.start('platform', arguments).ports(1)[0]}"

    def start_station(self, config: Config, *, scale: float, starts_at: datetime | None) -> tuple[int, int]:
        """Start the station; gives the ports of candidate and staff listener."""
        arguments = ["station", "serve", str(config.home)]
        if starts_at is not None:
            arguments += ["--rehearsal-scale", str(scale), "--rehearsal-start", starts_at.isoformat()]
        candidate, staff = self.start("station", arguments).ports(2)
        return candidate, staff

    def check_programs(self) -> None:
        """Refuse to go on when a program has broken down; one that has finished its work is fine."""
        for child in self.children:
            if child.process.poll() not in {None, 0}:
                raise Unsound(CHILD_FAILED, name=child.name, log=child.log)

    def close(self) -> None:
        """End every program that is still running, the youngest first."""
        for child in reversed(self.children):
            child.stop()


def set_up_station(
    premises: Premises,
    platform_url: str,
    *,
    database: str = "",
    ports: tuple[int, int] = (0, 0),
) -> MadeStation:
    """Make a station that trusts the platform, and register it there."""
    keys = requests.get(f"{platform_url}/keys", timeout=30).json()
    settings = {
        "site.name": "示例职业技术学院考点",
        "candidate_listener.host": HOST,
        "candidate_listener.port": ports[0],
        "staff_listener.host": HOST,
        "staff_listener.port": ports[1],
        "store.url": database,
        "central.url": platform_url,
        "central.recipient": keys["recipient"],
        "central.verify_key": keys["receipt_verify_key"],
    }
    folder = premises.folder / "station"
    made = make_station(folder, site_name=str(settings["site.name"]), settings=_toml(settings))
    settings["central.token"] = add_station(
        premises.platform_folder, id=made.station_id, name=str(settings["site.name"]), verify_key=made.verify_key
    )
    (folder / CONFIG_NAME).write_text(config_text(_toml(settings)), encoding="utf-8")
    return replace(made, config=load_config(folder))


def write_day(folder: Path, *, theory_start_at: datetime, candidates: int) -> SampleDay:
    """Write the sample day with theory and practical back to back."""
    return write_sample_day(
        folder,
        theory_start_at=theory_start_at,
        practical_start_at=theory_start_at + timedelta(minutes=75),
        seats=candidates,
    )


def take_day_in(config: Config, day: SampleDay, *, at: datetime) -> None:
    """Import plan, rosters, photos and papers as the command line does."""
    spares = f"{day.spare_seats[0]}-{day.spare_seats[-1]}"
    plan = json.loads(day.plan.read_text("utf-8"))["certificates"][0]
    theory = {"certificate": plan["name"], "level": plan["level"], "subject": "theory"}
    files: list[tuple[str, Path, Mapping[str, Any]]] = [
        ("plan", day.plan, {}),
        ("roster", day.roster_theory, {"spares": spares}),
        ("roster", day.roster_practical, {}),
        ("photos", day.photos, {}),
        ("paper", day.theory, theory),
        ("paper", day.practical, {}),
    ]
    store = open_prepared_store(config)
    try:
        for kind, path, options in files:
            staged = staging.stage_file(kind, path, store=store, options=staging.Options(zone=config.zone, **options))
            with store.transaction() as db:
                staged.apply(db, at, None)
    finally:
        store.close()


def papers_and_keys(config: Config) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what the sittings will be marked by: subject code → paper.json, and → keys.json."""
    store = open_prepared_store(config)
    with store.reading() as db:
        rows = db.execute(
            select(Subject.code, Paper.document, Paper.keys)
            .join(Sitting, Sitting.subject_id == Subject.id)
            .join(Paper, Paper.id == Sitting.paper_id)
            .order_by(Sitting.planned_start_at)
        ).all()
    store.close()
    papers = {code: json.loads(document) for code, document, _ in rows}
    return papers, {code: json.loads(keys) for code, _, keys in rows}


def seat_paths(config: Config) -> dict[str, str]:
    """Give the path of every seat's link: seat number → path."""
    secret = read_secret(config, WEB_SECRET)
    store = open_prepared_store(config)
    with store.reading() as db:
        seats = {seat.number: seat.id for seat in db.scalars(select(Seat))}
    store.close()
    return {number: f"/seat/{seat_id}/{seat_link_code(secret, seat_id)}" for number, seat_id in seats.items()}


def kept_receipts(config: Config) -> dict[str, str]:
    """Read the receipts that the station keeps: package id → JWS."""
    store = open_prepared_store(config)
    with store.reading() as db:
        kept = {one.uuid: one.receipt for one in db.scalars(select(ResultPackage)) if one.receipt}
    store.close()
    return kept


def _toml(settings: Mapping[str, Any]) -> dict[str, str]:
    # JSON writes numbers and strings as TOML reads them.
    return {name: json.dumps(value, ensure_ascii=False) for name, value in settings.items()}
