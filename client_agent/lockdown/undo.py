"""The undo file: what stood on this PC before the lockdown changed it. It is the only way back after a power cut.

One JSON file: `{"format": 1, "checksum": SHA-256 of the body's canonical JSON, "body": {"entries": [...]}}`. It is
replaced as a whole (temporary file, fsync, rename, fsync of the folder), so that it is the old or the new one at any
moment. No file means that nothing is changed. A file that cannot be understood is never touched: it may be the
only record of what to put back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence, Tuple

from client_agent.errors import AgentError, problem

FORMAT = 1

UNDO_UNREADABLE = problem(
    "undo_unreadable",
    "还原文件 {path} 无法读取（{reason}）。本机不再锁定，文件原样保留。"
    "请技术人员按《锁定说明》还原后运行 exam-agent restore --set-aside。",
    "The undo file {path} cannot be read ({reason}). This PC is not locked, the file is left as it is. "
    "A technician restores by hand (see the lockdown manual), then runs exam-agent restore --set-aside.",
)
UNDO_NOT_WRITTEN = problem(
    "undo_not_written",
    "还原文件 {path} 无法写入（{reason}），本机不锁定。请检查磁盘空间和权限。",
    "The undo file {path} cannot be written ({reason}); this PC is not locked. Check disk space and permissions.",
)


@dataclass(frozen=True)
class Entry:
    """What an operation found before it was first performed."""

    operation: str
    before: Mapping[str, Any]


class UndoFile:
    """The entries in the order in which they were pushed. One process uses the file at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> Tuple[Entry, ...]:
        """Read the file; none is empty. Refuses (`undo_unreadable`) what is damaged, foreign or of a later format."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as failure:
            raise self._unreadable(failure.strerror or failure) from None
        try:
            whole = json.loads(content.decode("utf-8"))
            number, checksum, body = whole["format"], whole["checksum"], whole["body"]
            if number != FORMAT:
                raise self._unreadable(f"format {number}")
            if checksum != _checksum(body):
                raise self._unreadable("checksum")
            return tuple(_entry(one) for one in body["entries"])
        except (ValueError, KeyError, TypeError) as failure:
            raise self._unreadable(f"{type(failure).__name__}: {failure}"[:120]) from None

    def push(self, entry: Entry) -> None:
        """Have the entry on disk before anything is changed; otherwise refuses (`undo_not_written`)."""
        self._write([*self.entries(), entry])

    def keep_only(self, entries: Sequence[Entry]) -> None:
        """Leave what is still to be put back; none removes the file. Needs no disk space for the last step."""
        if entries:
            self._write(entries)
            return
        try:
            for path in (self.path, self._temporary()):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(str(path))
            _flush_folder(self.path.parent)
        except OSError as failure:
            raise self._not_written(failure) from None

    def set_aside(self) -> Path | None:
        """Rename a file that cannot be read, so that this PC can be locked again; a technician's decision.

        Gives its new name; None if there is no file. A readable one is not set aside: it is restored.
        """
        try:
            self.entries()
        except AgentError:
            number = 1
            while (aside := self.path.with_name(f"{self.path.name}.unreadable-{number}")).exists():
                number += 1
            os.rename(str(self.path), str(aside))
            _flush_folder(self.path.parent)
            return aside
        return None

    def _write(self, entries: Sequence[Entry]) -> None:
        body = {"entries": [{"operation": one.operation, "before": dict(one.before)} for one in entries]}
        content = json.dumps({"format": FORMAT, "checksum": _checksum(body), "body": body}, ensure_ascii=False)
        temporary = self._temporary()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(str(temporary), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(number, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(str(temporary), str(self.path))
            _flush_folder(self.path.parent)
        except OSError as failure:
            raise self._not_written(failure) from None

    def _temporary(self) -> Path:
        return self.path.with_name(self.path.name + ".new")

    def _unreadable(self, reason: object) -> AgentError:
        return AgentError(UNDO_UNREADABLE, path=self.path, reason=reason)

    def _not_written(self, failure: OSError) -> AgentError:
        return AgentError(UNDO_NOT_WRITTEN, path=self.path, reason=failure.strerror or failure)


def _entry(found: Dict[str, Any]) -> Entry:
    name, before = found["operation"], found["before"]
    if not isinstance(name, str) or not isinstance(before, dict):
        raise TypeError("entry")
    return Entry(name, before)


def _checksum(body: Any) -> str:
    canonical = json.dumps(body, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _flush_folder(folder: Path) -> None:
    """Have a rename on disk. Windows has no such call for folders; its renames are journalled."""
    if os.name == "posix":
        number = os.open(str(folder), os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
