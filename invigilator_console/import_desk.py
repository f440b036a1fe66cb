"""Files on their way in: read and tried out in the background, taken in by one short commit when confirmed.

The desk lives in the memory of one process: what is on it is not yet in the station, and a restart loses
nothing but the wish to import.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from sqlalchemy.orm import Session

from station.domain.disk_budget import Space
from station.errors import Missing, Refused, StationError, Unsound, problem
from station.importers.rejections import ImportRejected, Rejection
from station.services import staging
from station.services.disk_space import Disk, say_budget
from station.services.intake import Summary
from station.services.staging import Options, Staged
from station.store import Store
from station.web.disk_watch import NO_SPACE_FOR_FILES
from station.web.guards import is_disk_full

IMPORT_UNKNOWN = problem(
    "import_unknown", "没有该导入任务，请重新选择文件。", "There is no such import (any more); choose the file again."
)
IMPORT_NOT_READY = problem(
    "import_not_ready",
    "该文件尚未检查通过或已经导入，不能确认导入。",
    "This file has not passed its check, or is imported already.",
)
IMPORT_FAULT = problem(
    "import_fault",
    "读取文件时发生意外错误，未导入任何内容。请把文件交给技术支持。",
    "An unexpected error while reading; nothing was imported. Give the file to technical support.",
)
MOST_KEPT = 20
_SUFFIXES = frozenset({".json", ".xlsx", ".zip"})
log = logging.getLogger(__name__)


@dataclass
class ImportJob:
    """One file. `state`: reading → ready → done, or refused."""

    id: str
    kind: str
    name: str
    state: str = "reading"
    done: int = 0
    total: int = 0
    summaries: list[Summary] = field(default_factory=list)
    lines: tuple[tuple[str, str], ...] = ()
    refusal: StationError | None = None
    rejections: tuple[Rejection, ...] = ()
    staged: Staged | None = None
    disk: tuple[str, str, Space] | None = None


class ImportDesk:
    """Takes files one after the other; keeps the last `MOST_KEPT` jobs."""

    def __init__(self, store: Store, now: Callable[[], datetime], measure: Callable[[], Disk]) -> None:
        self._store = store
        self._now = now
        self._measure = measure
        self._jobs: OrderedDict[str, ImportJob] = OrderedDict()
        self._reading = threading.Lock()
        self._folder = store.folder / "imports"
        shutil.rmtree(self._folder, ignore_errors=True)  # what a power cut left lying

    def take(self, kind: str, name: str, content: BinaryIO, options: Options) -> ImportJob:
        """Put a file on the desk and begin to read it."""
        job = ImportJob(id=token_hex(8), kind=kind, name=name)
        folder = self._folder / job.id
        folder.mkdir(parents=True)
        # The suffix decides how a paper is read; the rest of the name is only shown, and never a path.
        suffix = Path(name).suffix.lower()
        path = folder / f"file{suffix if suffix in _SUFFIXES else ''}"
        with path.open("wb") as target:
            shutil.copyfileobj(content, target, 1024 * 1024)
        self._jobs[job.id] = job
        while len(self._jobs) > MOST_KEPT:
            self._jobs.popitem(last=False)
        threading.Thread(target=self._read, args=(job, path, options), name=f"import-{job.id}", daemon=True).start()
        return job

    def job(self, job_id: str) -> ImportJob:
        """Find a job or refuse by name."""
        try:
            return self._jobs[job_id]
        except KeyError:
            raise Missing(IMPORT_UNKNOWN) from None

    def confirm(self, db: Session, job_id: str, *, by: int, at: datetime) -> ImportJob:
        """Take a checked file in, inside the caller's transaction."""
        job = self.job(job_id)
        if job.state != "ready" or job.staged is None:
            raise Refused(IMPORT_NOT_READY)
        job.summaries = job.staged.apply(db, at, by)
        job.disk = say_budget(db, self._measure())
        job.state, job.staged = "done", None
        return job

    def _read(self, job: ImportJob, path: Path, options: Options) -> None:
        def progress(done: int, total: int) -> None:
            job.done, job.total = done, total

        def look(db: Session) -> None:
            job.disk = say_budget(db, self._measure())

        try:
            with self._reading:
                staged = staging.stage_file(job.kind, path, store=self._store, options=options, progress=progress)
                job.lines = staged.lines
                job.summaries = staging.dry_run(self._store, staged, self._now(), look=look)
                staged.keep()
            job.staged, job.state = staged, "ready"
        except StationError as refusal:
            if isinstance(refusal, ImportRejected):
                job.rejections = refusal.rejections
            job.refusal, job.state = refusal, "refused"  # last: who sees the state asks for nothing more
        except Exception as error:
            if is_disk_full(error):
                job.refusal, job.state = Unsound(NO_SPACE_FOR_FILES), "refused"
                return
            log.exception("unexpected error while reading an import of kind %s", job.kind)
            job.refusal, job.state = Unsound(IMPORT_FAULT), "refused"
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)
