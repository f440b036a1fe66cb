"""Composition root: from settings to two listening apps, the save writer and the scheduler."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from typing import IO

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from invigilator_console.app import create_staff_app
from station import __version__
from station.announcer import Announcer
from station.backup.automatic import AutomaticBackup
from station.bell import STALLED_FROM_S, Bell, Pulse, Watched
from station.clock import Clock
from station.config import Config, read_secret
from station.domain.disk_budget import MIB, Limits
from station.errors import StationError, Unsound, problem
from station.listener import Listener
from station.services import due_work, saving
from station.services.delivery import Delivery, deliver_next, take_up_again
from station.services.saving import BatchOutcome, SaveBatch
from station.store import Store, migrations, open_store
from station.store.durability import check_durability
from station.store.save_queue import SaveQueue
from station.store.sole_use import take_folder
from station.technical_log import keep_log
from station.web.candidate import create_candidate_app
from station.web.candidate_answers import FILE_PATHS, SAVES_PATH
from station.web.disk_round import DiskRound
from station.web.edge import Edge, ServerSettings
from station.web.identity import StationIdentity
from station.web.seal_round import SealRound
from station.web.trial_round import TrialRound
from sync.central import Central
from sync.errors import SyncError
from sync.keys import fingerprint, load_signing_key, verify_key_from_text

SIGNING_KEY = "station.pem"
IDENTITY = "station.age"
WEB_SECRET = "web.secret"

KEY_UNUSABLE = problem("key_unusable", "密钥或公钥无法使用：{reason}", "A key cannot be used: {reason}")

TICK_S = 1.0
# Another process beats each second; so long one that starts listens for it, if the last sign of life is as fresh.
LISTEN_S = 2.5
ANOTHER_WITHIN = timedelta(seconds=60)
DISK_S = 2.0
# Often enough that the log stays short, seldom enough that its starting anew costs hardly a commit a flush.
CHECKPOINT_S = 4.0
SEAL_S = 30.0
TRIAL_S = 2.0
DELIVERY = "delivery"
DELIVERY_S = 2.0
STOP_WAITS_S = 10.0
STAFF_CONNECTIONS = 200
log = logging.getLogger(__name__)


class Pace(IntervalTrigger):  # type: ignore[misc]
    """So long after this turn, whenever the turn before should have been.

    The scheduler lists every turn that was missed, under its lock. Where a clock that started in 2000 is set right,
    two seconds apart, that is 400 million: the bell would wait for the lock and nobody be collected.
    """

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        turn: datetime = now + self.interval
        return turn


@dataclass
class Station:
    """A built station; `start` and `stop` it once."""

    config: Config
    edge: Edge
    delivery: Delivery
    signing_key: Ed25519PrivateKey
    sign: Callable[[bytes], str]
    pulse: Pulse
    _bell: Bell | None = None
    _disk_bell: Bell | None = None
    _log_bell: Bell | None = None
    _seal_bell: Bell | None = None
    _trial_bell: Bell | None = None
    _backups: AutomaticBackup | None = None
    _announcer: Announcer | None = None
    _is_stopping: bool = False
    _scheduler: BackgroundScheduler = field(default_factory=lambda: BackgroundScheduler(timezone="UTC"))
    _servers: list[Listener] = field(default_factory=list)
    _folder: IO[bytes] | None = None
    _refused_told: int = 0

    @property
    def candidate_port(self) -> int:
        """The port in use, which the system chose when the settings say 0."""
        return self._servers[0].port

    @property
    def staff_port(self) -> int:
        return self._servers[1].port

    def start(self) -> None:
        """Take the addresses, give back an outage that lies behind, then listen, then ring for what falls due.

        The addresses come first, then the folder: a second start beside a running station is refused before it
        touches the store. Several processes may share a database server; the one that comes later gives nothing back.
        """
        edge = self.edge
        self._take_addresses()
        edge.store.is_in_doubt = True  # nobody knows how the last process ended
        take_up_again(self.delivery)
        is_beside = not edge.store.is_sqlite and self._hears_another()
        with edge.store.transaction() as db:
            gap_s = due_work.begin_life(db, edge.clock.now(), version=__version__, is_beside=is_beside)
        self.pulse.beat()
        if gap_s:
            log.warning("the station was down for %.1f s in a running sitting", gap_s)
        for server in self._servers:
            server.start()
        _keep_collector_quiet()
        self._scheduler.add_job(
            Watched(DELIVERY, self._deliver, alarm=self._alarm),
            Pace(seconds=DELIVERY_S),
            id=DELIVERY,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
        self._scheduler.start()
        self._bell = Bell("tick", self._tick, every_s=TICK_S, alarm=self._alarm)
        self._bell.start()
        self._disk_bell = Bell("disk", DiskRound(edge), every_s=DISK_S, alarm=self._alarm)
        self._disk_bell.start()
        self._log_bell = Bell("checkpoint", edge.store.checkpoint, every_s=CHECKPOINT_S, alarm=self._alarm)
        self._log_bell.start()
        self._seal_bell = Bell("seal", SealRound(edge), every_s=SEAL_S, alarm=self._alarm)
        self._seal_bell.start()
        self._trial_bell = Bell("trial", TrialRound(edge), every_s=TRIAL_S, alarm=self._alarm)
        self._trial_bell.start()
        self._backups = AutomaticBackup(self.config, edge.store, edge.clock, self.signing_key, alarm=self._alarm)
        self._backups.start()
        self._announce()

    def stop(self) -> None:
        """Stop listening, finish what is being written, note the clean stop.

        After a start that was refused only the store is closed: it may be a running station's.
        """
        self._is_stopping = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        for bell in (self._bell, self._disk_bell, self._log_bell, self._seal_bell, self._trial_bell):
            if bell is not None:
                bell.stop(timeout_s=STOP_WAITS_S)
        if self._backups is not None:
            self._backups.stop()
        if self._announcer is not None:
            self._announcer.stop()
        for server in self._servers:
            server.stop()
        self.edge.saves.stop()
        if self._servers:
            with self.edge.store.transaction() as db:
                due_work.end_life(db, self.edge.clock.now())
        self.edge.store.close()
        if self._folder is not None:
            self._folder.close()

    def _take_addresses(self) -> None:
        candidate, staff = self.config.candidate_listener, self.config.staff_listener
        candidate_app, staff_app = create_candidate_app(self.edge), create_staff_app(self.edge)
        try:
            self._servers.append(
                Listener(
                    candidate_app,
                    candidate.host,
                    candidate.port,
                    threads=candidate.threads,
                    connection_limit=candidate.connection_limit,
                    saves_at=SAVES_PATH,
                    saves=self.edge.saves,
                    files_at=FILE_PATHS,
                )
            )
            self._servers.append(
                Listener(
                    staff_app,
                    staff.host,
                    staff.port,
                    threads=staff.threads,
                    connection_limit=STAFF_CONNECTIONS,
                    behind_front=staff.behind_tls,
                )
            )
            if self.edge.store.is_sqlite:
                self._folder = take_folder(self.edge.store.folder)
        except StationError:
            while self._servers:
                self._servers.pop().give_up()
            raise

    def _announce(self) -> None:
        """Let agents find the station by themselves."""
        settings = self.config.agent
        if not settings.port or self.edge.identity is None:
            return
        self._announcer = Announcer(
            self.edge.identity,
            site_name=self.edge.site_name,
            host=self.config.candidate_listener.host,
            port=settings.port,
            url=settings.url,
        )
        self._announcer.start(self.candidate_port)

    def _hears_another(self) -> bool:
        """Listen for the sign of life of another process, whatever its clock says."""
        at, first = self.edge.clock.now(), self._alive_at()
        if first is None or abs(at - first) > ANOTHER_WITHIN:
            return False
        until = time.monotonic() + LISTEN_S
        while time.monotonic() < until:
            time.sleep(TICK_S / 4)
            if self._alive_at() != first:
                return True
        return False

    def _alive_at(self) -> datetime | None:
        with self.edge.store.reading() as db:
            return due_work.alive_at(db)

    def _tick(self) -> None:
        edge = self.edge
        moved = edge.clock.jump()
        if moved is not None:
            # The scheduler works by the system's clock: set back, it would wait for as long as that was moved.
            if self._scheduler.running:
                self._scheduler.reschedule_job(DELIVERY, trigger=Pace(seconds=DELIVERY_S))
            with edge.store.transaction() as db:
                due_work.note_clock_jump(db, moved, edge.clock.now())
        if edge.clock.is_off:
            with edge.store.transaction() as db:
                if not due_work.is_time_running(db):
                    edge.clock.follow_system()
                    due_work.note_clock_followed(db, edge.clock.now())
        refused = edge.saves.refused
        if refused > self._refused_told:
            with edge.store.transaction() as db:
                due_work.note_refused_saves(db, refused - self._refused_told, edge.clock.now())
            self._refused_told = refused
        due_work.tick(
            edge.store,
            edge.clock.now(),
            sign=self.sign,
            stalled_from_s=_stalled_from_s(edge.clock),
            has_beaten=self.pulse.came_with_save(edge.saves.written_at),
        )
        self.pulse.beat()

    def _deliver(self) -> None:
        while not self._is_stopping and deliver_next(self.delivery):
            pass

    def _alarm(self, name: str, error: Exception) -> None:
        with self.edge.store.transaction() as db:
            due_work.note_trouble(db, name, error, self.edge.clock.now())


def _keep_collector_quiet() -> None:
    """Let the interpreter look seldom for garbage, and never among what is there for good.

    With its own settings it stops everything for 100 ms about each second while answers are being saved.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _stalled_from_s(clock: Clock) -> float:
    """Say from how many seconds a stall is an outage; at many times the speed every busy moment would be one."""
    return STALLED_FROM_S if clock.scale == 1 else inf


def build_station(config: Config, *, clock: Clock | None = None) -> Station:
    """Put a station together: keys and settings are checked, the store is brought to this version."""
    keep_log(config.folder, level=config.log.level, megabytes=config.log.megabytes, files=config.log.files)
    clock = clock or Clock()
    store = open_prepared_store(config)
    check_durability(store.engine)
    try:
        signing_key = load_signing_key(config.keys / SIGNING_KEY)
        central = _central(config)
    except SyncError as error:
        raise Unsound(KEY_UNUSABLE, reason=error.sentence()) from error
    pulse, recorder = Pulse(), saving.SaveRecorder()

    def record(db: Session, batches: Sequence[SaveBatch]) -> list[BatchOutcome | Exception]:
        if pulse.has_stalled and time.monotonic() - saves.written_at > STALLED_FROM_S:
            due_work.revive(db, clock.now(), stalled_from_s=_stalled_from_s(clock))
        elif pulse.has_stalled and pulse.is_first_missed():
            due_work.note_trouble(db, "tick", TimeoutError("stalled"), clock.now())
        if pulse.goes_with_save():
            due_work.beat(db, clock.now())
        return recorder.record(db, batches)

    saves = SaveQueue(store, record)

    edge = Edge(
        store=store,
        clock=clock,
        saves=saves,
        secret=read_secret(config, WEB_SECRET),
        zone=config.zone,
        site_name=config.site.name,
        language=config.site.language,
        admit_unlinked=config.candidate_listener.admit_unlinked,
        is_rehearsal=clock.scale != 1.0 or clock.starts_at is not None,
        is_encrypted=config.staff_listener.behind_tls,
        candidate_port=config.candidate_listener.port,
        candidate_host=_own_address(config.candidate_listener.host),
        has_backups=bool(config.backup.folder),
        disk_limits=disk_limits(config),
        identity=StationIdentity.of(signing_key),
        server=ServerSettings(config.central.url, config.central.ca_file, config.candidate_listener.connection_limit),
    )
    delivery = Delivery(
        store=store,
        now=clock.now,
        recipient=config.central.recipient,
        signing_key_file=config.keys / SIGNING_KEY,
        station_id=fingerprint(signing_key.public_key()),
        version=__version__,
        central=central,
    )
    return Station(config, edge, delivery, signing_key, sign=lambda text: signing_key.sign(text).hex(), pulse=pulse)


def open_prepared_store(config: Config) -> Store:
    """Open the store of a station and bring its schema to this version."""
    config.folder.mkdir(parents=True, exist_ok=True)
    store = open_store(config.store_url, config.folder)
    migrations.upgrade(store.engine)
    return store


def _own_address(host: str) -> str:
    """Say how this machine reaches a listener of its own."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def disk_limits(config: Config) -> Limits:
    """Give the bounds of the data folder's disk in bytes."""
    disk, kept = config.disk, config.log
    return Limits(
        floor=disk.floor_mb * MIB,
        ballast=disk.ballast_mb * MIB,
        warn_h=disk.warn_hours,
        log=kept.megabytes * (kept.files + 1) * MIB,
    )


def _central(config: Config) -> Central | None:
    settings = config.central
    if not settings.url:
        return None
    key = verify_key_from_text(settings.verify_key)
    return Central(
        url=settings.url,
        token=settings.token,
        receipt_keys={fingerprint(key): key},
        ca_file=Path(settings.ca_file) if settings.ca_file else None,
        read_timeout_s=settings.timeout_s,
    )
