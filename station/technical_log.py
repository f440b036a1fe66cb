"""The technical log: bounded files in the data folder, which give way to answers when the disk is full.

A log that cannot be written never disturbs what it tells of: the entry is dropped and counted.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from station.errors import Unsound, problem

DATA_FOLDER_UNWRITABLE = problem(
    "data_folder_unwritable",
    "数据文件夹 {path} 不能写入：{reason}。请检查磁盘是否变为只读或已损坏，处理后再启动。",
    "The data folder {path} cannot be written: {reason}. See whether the disk is read-only or damaged, then start.",
)
LOG_FOLDER = "log"
LOG_NAME = "station.log"


class TechnicalLog(RotatingFileHandler):
    """Log files of at most `megabytes`, `files` old ones kept. `dropped` counts entries that were not written."""

    def __init__(self, folder: Path, *, megabytes: int, files: int) -> None:
        self.folder = folder.resolve()
        self.dropped = 0
        self.is_silent = False
        super().__init__(self.folder / LOG_NAME, maxBytes=megabytes * 2**20, backupCount=files, encoding="utf-8")
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write an entry, or drop it."""
        if self.is_silent:
            self.dropped += 1
        else:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Drop the entry and let go of the file: what stays in its buffer would fail again and again."""
        self.dropped += 1
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.close()

    def fall_silent(self) -> int:
        """Write nothing more and delete the old files; returns how many bytes that sets free."""
        self.is_silent = True
        return self.drop_old_files()

    def drop_old_files(self) -> int:
        """Delete the rotated files; the one in use stays."""
        freed = 0
        for path in self.folder.glob(f"{LOG_NAME}.*"):
            with suppress(OSError):
                size = path.stat().st_size
                path.unlink()
                freed += size
        return freed

    def speak_again(self) -> None:
        """Write again, beginning with how much was left out."""
        self.is_silent = False
        logging.getLogger(__name__).warning("the log goes on; %d entries were dropped", self.dropped)
        self.dropped = 0


def keep_log(data_folder: Path, *, level: str, megabytes: int, files: int) -> None:
    """Write the technical log into the data folder, within its bounds; once, however often it is asked for.

    A folder that cannot be written is refused as `data_folder_unwritable`.
    """
    folder = data_folder / LOG_FOLDER
    root = logging.getLogger()
    root.setLevel(level)
    if log_of(data_folder) is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            root.addHandler(TechnicalLog(folder, megabytes=megabytes, files=files))
        except OSError as error:
            raise Unsound(DATA_FOLDER_UNWRITABLE, path=data_folder, reason=error.strerror or error) from error
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def log_of(data_folder: Path) -> TechnicalLog | None:
    """Find the log of a data folder, if this process writes one."""
    folder = (data_folder / LOG_FOLDER).resolve()
    found = (one for one in logging.getLogger().handlers if isinstance(one, TechnicalLog) and one.folder == folder)
    return next(found, None)
