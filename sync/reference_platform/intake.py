"""Check and open what has arrived, one package after the other, in a child process."""

from __future__ import annotations

import queue
import shutil
import threading

from sync.child import open_apart
from sync.errors import ContainerRefused, JobFailed, SyncError, problem
from sync.reference_platform.cabinet import ARRIVED, KEPT, REFUSED, Cabinet, Record
from sync.reference_platform.stations import Station, read_stations
from sync.reference_platform.vault import Vault

PACKAGE_MISLABELLED = problem(
    "package_mislabelled",
    "上传时声明的编号或类型与数据包清单不符。请由考点重新制作数据包。",
    "The package was announced under another id or kind than its manifest says. The site must make it again.",
)
NO_REAL_RESULT = problem(
    "no_real_result",
    "这是试考或演练的数据包（{named}），不是正式成果，平台不接收。",
    "This is the package of a trial or rehearsal ({named}), no real result: it is not taken.",
)
STATION_UNKNOWN = problem(
    "station_unknown",
    "考点 {id} 未登记，无法核对签名。请先登记考点，再点“重新核对”。",
    "The station {id} is not registered, so its signature cannot be checked. Register it, then check again.",
)
PLATFORM_DISK = problem(
    "platform_disk",
    "平台无法读写数据包文件（{why}）。请检查磁盘，再点“重新核对”。",
    "The platform cannot read or write the package's files ({why}). Check the disk, then check again.",
)

# The label `sitting_kind` of a result package (FORMAT.md); packages of older stations carry none and are real.
REAL = "real"


class Intake:
    """A thread that works off the arrived packages; those left by an earlier run come first."""

    def __init__(self, cabinet: Cabinet, vault: Vault) -> None:
        self._cabinet, self._vault = cabinet, vault
        self._waiting: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="intake", daemon=True)

    def start(self) -> None:
        for record in reversed(self._cabinet.records()):
            if record.state == ARRIVED:
                self.add(record.package_id)
        self._thread.start()

    def add(self, package_id: str) -> None:
        """Have a package checked (again)."""
        self._waiting.put(package_id)

    def stop(self) -> None:
        """Finish the package in hand and stop."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (package_id := self._waiting.get()) is not None:
            record = self._cabinet.find(package_id)
            if record is not None and record.state != KEPT:
                self._check(record)

    def _check(self, record: Record) -> None:
        try:
            station = read_stations(self._vault.folder).get(record.station_id)
            if station is None:
                raise ContainerRefused(STATION_UNKNOWN, id=record.station_id)
            self._open(record, station)
        except SyncError as error:
            state = REFUSED if isinstance(error, ContainerRefused) else ARRIVED
            self._cabinet.change(record.package_id, state=state, refusal=error.to_json())
        except OSError as error:
            refusal = JobFailed(PLATFORM_DISK, why=error.strerror or type(error).__name__)
            self._cabinet.change(record.package_id, refusal=refusal.to_json())

    def _open(self, record: Record, station: Station) -> None:
        opened = self._cabinet.opened(record.package_id)
        shutil.rmtree(opened, ignore_errors=True)
        manifest = open_apart(
            self._cabinet.package(record.package_id),
            verify_keys=station.verify_keys,
            identity=self._vault.identity,
            into=opened,
        )
        if (manifest.id, manifest.kind) != (record.package_id, "result_package"):
            shutil.rmtree(opened)
            raise ContainerRefused(PACKAGE_MISLABELLED)
        kind = manifest.labels.get("sitting_kind", REAL)
        if kind != REAL:
            shutil.rmtree(opened)
            raise ContainerRefused(NO_REAL_RESULT, named=kind)
        document = manifest.to_document()
        self._cabinet.change(record.package_id, state=KEPT, manifest=document, refusal=None)
