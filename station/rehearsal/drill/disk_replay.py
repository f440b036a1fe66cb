"""Take a trace through the model of the disk: what each call changed, what each flush made durable."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from station.rehearsal.drill.disk_model import Change, Disk, Entry, File, Folder
from station.rehearsal.drill.disk_trace import FLUSHES, NEVER, Call, TraceUnreadable

# SQLite's index of its log: shared memory in a file, made anew from the log after a cut.
UNSYNCED_BY_DESIGN = "-shm"

_WRITES = frozenset({"write", "pwrite64", "writev", "pwritev", "pwritev2"})
_STARTS = frozenset({"fork", "vfork", "clone", "clone3"})
_NOT_MODELLED = frozenset(
    {"pwritev2", "sendfile", "copy_file_range", "splice", "symlink", "symlinkat", "dup", "dup2", "dup3"}
)
_AT = re.compile(r"(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>, \"((?:\\x[0-9a-f]{2})*)\"")
_PATH = re.compile(r"\"((?:\\x[0-9a-f]{2})*)\"")


@dataclass
class Replay:
    """A disk and the calls that still lie ahead of it. `position`: the line up to which calls have come back."""

    disk: Disk
    calls: Sequence[Call]
    position: int = -1
    _next: int = 0
    _offsets: dict[tuple[int, int], int | None] = field(default_factory=dict)
    _programs: dict[int, int] = field(default_factory=dict)

    def advance(self, line: int) -> None:
        """Let everything happen that had come back at that line."""
        while self._next < len(self.calls) and self.calls[self._next].ended <= line:
            self._happen(self.calls[self._next])
            self._next += 1
        self.position = max(self.position, line)

    def under_way(self) -> list[tuple[File, Change]]:
        """Give the writes at known places that have begun and not come back."""
        found = []
        for call in self.calls[self._next :]:
            if call.began <= self.position and call.name == "pwrite64":
                node = self.disk.find(call.handle[1])
                if isinstance(node, File):
                    found.append((node, Change(NEVER, call.numbers[-1], call.texts[-1])))
        return found

    def _happen(self, call: Call) -> None:
        if call.ended == NEVER:
            return
        if call.name in _STARTS:
            same = "CLONE_THREAD" in call.arguments
            self._programs[call.result] = self._program(call) if same else call.result
        elif call.name in {"openat", "open", "creat"}:
            self._open(call)
        elif call.name == "lseek":
            self._offsets[self._key(call)] = call.result
        elif call.name == "close":
            self._offsets.pop(self._key(call), None)
        elif call.name in _WRITES:
            self._write(call)
        elif call.name in {"ftruncate", "truncate", "fallocate"}:
            self._resize(call)
        elif call.name in FLUSHES:
            node = self._node(call)
            if call.result < 0 and isinstance(node, File):
                node.doubt(call.began)
            elif call.result >= 0 and node is not None:
                node.flush(call.began)
        elif call.name == "mmap":
            self._check_map(call)
        elif call.name in _NOT_MODELLED:
            self._refuse(call)
        else:
            self._rename(call)

    def _open(self, call: Call) -> None:
        path = self._paths(call)[0]
        flags = call.arguments.rpartition('"')[2]
        self._offsets[self._program(call), call.result] = None if "O_APPEND" in flags else 0
        if not self.disk.holds(path):
            return
        node = self.disk.find(path)
        if node is None and ("O_CREAT" in flags or call.name == "creat"):
            folder, name = self.disk.folder_of(path)
            folder.change(Entry(call.ended, "", name, File()))
        elif isinstance(node, File) and node.size and ("O_TRUNC" in flags or call.name == "creat"):
            node.pending.append(Change(call.ended, 0, None))

    def _write(self, call: Call) -> None:
        node, key = self._node(call), self._key(call)
        if call.name.startswith("pwrite"):
            if "RWF_" in call.arguments:
                self._refuse(call)
            offset: int | None = call.numbers[-2 if call.name == "pwritev2" else -1]
        elif node is None:
            return
        elif key not in self._offsets:
            raise TraceUnreadable(f"{call.name} to {call.handle[1]}: where is not known")
        else:
            offset = self._offsets[key]
            if offset is not None:
                self._offsets[key] = offset + call.result
        if isinstance(node, File):
            content = b"".join(call.texts)[: call.result]
            node.pending.append(Change(call.ended, node.size if offset is None else offset, content))

    def _resize(self, call: Call) -> None:
        node = self.disk.find(self._paths(call)[0]) if call.name == "truncate" else self._node(call)
        if isinstance(node, File):
            numbers = call.numbers
            size = numbers[-2] + numbers[-1] if call.name == "fallocate" else numbers[-1]
            if call.name != "fallocate" or (size > node.size and "KEEP_SIZE" not in call.arguments):
                node.pending.append(Change(call.ended, size, None))

    def _rename(self, call: Call) -> None:
        paths = self._paths(call)
        held = [self.disk.holds(path) for path in paths]
        if not any(held):
            return
        if not all(held):
            self._refuse(call)
        if call.name.startswith(("mkdir", "unlink", "rmdir")):
            folder, name = self.disk.folder_of(paths[0])
            is_new = call.name.startswith("mkdir")
            folder.change(
                Entry(call.ended, "" if is_new else name, name if is_new else "", Folder() if is_new else None)
            )
            return
        (old, old_name), (new, new_name) = (self.disk.folder_of(path) for path in paths)
        node = old.seen[old_name]
        is_move = call.name.startswith("rename")
        if is_move and old is new:
            new.change(Entry(call.ended, old_name, new_name, node))
            return
        added = Entry(call.ended, "", new_name, node)
        new.change(added)
        if is_move:
            old.change(Entry(call.ended, old_name, "", None, after=(new, added)))

    def _check_map(self, call: Call) -> None:
        if "MAP_SHARED" in call.arguments and "PROT_WRITE" in call.arguments:
            for path in self._handles(call):
                if self.disk.holds(path) and not path.endswith(UNSYNCED_BY_DESIGN):
                    self._refuse(call)

    def _refuse(self, call: Call) -> None:
        for path in (*self._handles(call), *self._paths(call)):
            if self.disk.holds(path):
                raise TraceUnreadable(f"{call.name} on {path} is not modelled")

    def _node(self, call: Call) -> File | Folder | None:
        path = call.handle[1]
        return self.disk.find(path) if self.disk.holds(path) else None

    def _program(self, call: Call) -> int:
        return self._programs.get(call.thread, 0)

    def _key(self, call: Call) -> tuple[int, int]:
        return self._program(call), call.handle[0]

    def _handles(self, call: Call) -> Iterator[str]:
        for found in re.finditer(r"\d+<((?:\\x[0-9a-f]{2})*)>", call.arguments):
            yield _text(found[1])

    def _paths(self, call: Call) -> list[str]:
        """Give the paths that a call names, absolute."""
        found = [(_text(one[1]), _text(one[2])) for one in _AT.finditer(call.arguments)]
        if not found:
            found = [("", _text(one[1])) for one in _PATH.finditer(call.arguments)]
        return [os.path.normpath(os.path.join(base, path)) for base, path in found]


def _text(escaped: str) -> str:
    return os.fsdecode(bytes.fromhex(escaped.replace("\\x", "")))
