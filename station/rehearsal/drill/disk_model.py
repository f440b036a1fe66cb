"""What a disk may hold after the power has gone: everything that was flushed, and of the rest anything.

The model takes no file system's good habits for granted. Flushing a file makes its content and size durable, not its
name; flushing a folder makes the names in it durable, not what they stand for. Of what was written and not flushed,
every sector may have arrived or not, in any order, but is one of the versions that it had; a file may have grown
without its content, with zeros or with another file's old bytes in it. Names come and go in the order in which they
were made within one folder, up to any point; a move from folder to folder loses nothing.

A flush that failed leaves what it was to flush in doubt for ever: the kernel may call those pages clean, give them
back when they are read, and never write them, whatever flush succeeds later; until a page of theirs is written anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

SECTORS = (512, 4096)
PAGE = 4096


class Change(NamedTuple):
    """A change of a file's content that is not flushed: bytes written at an offset, or (content None) a new size."""

    ended: int
    offset: int
    content: bytes | None

    @property
    def end(self) -> int:
        return self.offset + len(self.content or b"")


@dataclass(eq=False)
class File:
    """A file: what is surely on disk, what came since, in order, and between them what a failed flush left in doubt."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)
    doubtful: list[Change] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The size that the program sees."""
        return _size(len(self.durable), self.unsure)

    @property
    def unsure(self) -> list[Change]:
        """Give every change that may not be on disk."""
        return [*self.doubtful, *self.pending]

    def flush(self, before: int) -> None:
        """Make durable what was complete when the flush began, in whole pages as they are seen."""
        done = self._take(before)
        for change in done:
            if change.content is None:
                self.doubtful = [one for one in self.doubtful if one.end <= change.offset]
                del self.durable[change.offset :]
                self.durable.extend(bytes(change.offset - len(self.durable)))
            else:
                self._believe(change)
                self._write(change)

    def doubt(self, before: int) -> None:
        """Leave in doubt what a flush that failed was to make durable, page by page."""
        for change in self._take(before):
            if change.content is None:
                self.doubtful.append(change)
                continue
            for start in range(change.offset - change.offset % PAGE, change.end, PAGE):
                first, last = max(start, change.offset), min(start + PAGE, change.end)
                content = change.content[first - change.offset : last - change.offset]
                self.doubtful.append(Change(change.ended, first, content))

    def _take(self, before: int) -> list[Change]:
        done = [change for change in self.pending if change.ended < before]
        self.pending = [change for change in self.pending if change.ended >= before]
        return done

    def _believe(self, change: Change) -> None:
        """What was in doubt of a page goes to disk with the page when that is written anew."""
        first, last = change.offset // PAGE, (change.end - 1) // PAGE
        pages = [one for one in self.doubtful if one.content is not None and first <= one.offset // PAGE <= last]
        for one in pages:
            self._write(one)
        self.doubtful = [one for one in self.doubtful if one not in pages]

    def _write(self, change: Change) -> None:
        assert change.content is not None
        self.durable.extend(bytes(max(0, change.offset - len(self.durable))))
        self.durable[change.offset : change.end] = change.content


class Entry(NamedTuple):
    """A change of a folder's names that is not flushed: taken away, then added. `after` must be there first."""

    ended: int
    gone: str
    name: str
    node: Node | None
    after: tuple[Folder, Entry] | None = None


@dataclass(eq=False)
class Folder:
    """A folder: names that are surely on disk, what came since, and what the program sees."""

    durable: dict[str, Node] = field(default_factory=dict)
    pending: list[Entry] = field(default_factory=list)
    seen: dict[str, Node] = field(default_factory=dict)

    def change(self, entry: Entry) -> None:
        self.pending.append(entry)
        _apply(self.seen, entry)

    def flush(self, before: int) -> None:
        """Make durable what was complete when the flush began."""
        kept = []
        for entry in self.pending:
            if entry.ended >= before:
                kept.append(entry)
            else:
                _apply(self.durable, entry)
        self.pending = kept


Node = File | Folder


@dataclass(frozen=True)
class Fate:
    """How a cut treats what was not flushed: `kept` is the chance of a sector, or None: all up to one moment."""

    kept: float | None
    sector: int = SECTORS[0]
    leaves_garbage: bool = False


NOTHING_MORE, EVERYTHING = Fate(0.0), Fate(1.0)


def any_fate(random: Random) -> Fate:
    """Choose how a cut treats what was not flushed."""
    return Fate(random.choice((None, 0.1, 0.5, 0.9)), random.choice(SECTORS), random.random() < 0.5)


class Disk:
    """The files below a folder, from when all was on disk, through each change. Paths are absolute."""

    def __init__(self, root: Path) -> None:
        """Take in what lies there now as flushed."""
        self.root = os.path.realpath(root)
        self.top = _read_folder(Path(self.root))

    def holds(self, path: str) -> bool:
        return path == self.root or path.startswith(self.root + os.sep)

    def find(self, path: str) -> Node | None:
        """Give what the program sees at a path."""
        node: Node | None = self.top
        for part in self._parts(path):
            if not isinstance(node, Folder):
                return None
            node = node.seen.get(part)
        return node

    def folder_of(self, path: str) -> tuple[Folder, str]:
        """Give the folder that holds a path, and the name in it."""
        above, _, name = path.rpartition(os.sep)
        folder = self.find(above)
        assert isinstance(folder, Folder), path
        return folder, name

    def after_cut(self, fate: Fate, random: Random, under_way: Sequence[tuple[File, Change]] = ()) -> dict[str, bytes]:
        """Give the files that may be there after a cut now: path below the root → content.

        `under_way`: writes that had begun and not come back, for which the same holds as for those not flushed.
        """
        more: dict[File, list[Change]] = {}
        for file, change in under_way:
            more.setdefault(file, []).append(change)
        names = _Names(fate, random)
        found: dict[str, bytes] = {}
        below: list[tuple[str, Folder]] = [("", self.top)]
        while below:
            path, folder = below.pop()
            for name, node in names.of(folder).items():
                if isinstance(node, Folder):
                    below.append((f"{path}{name}/", node))
                else:
                    changes = [*node.unsure, *more.get(node, ())]
                    found[path + name] = _content(node.durable, changes, fate, random)
        return found

    def _parts(self, path: str) -> list[str]:
        return [part for part in path[len(self.root) :].split(os.sep) if part]


class _Names:
    """What names each folder holds after one cut."""

    def __init__(self, fate: Fate, random: Random) -> None:
        self._fate, self._random = fate, random
        self._kept: dict[Folder, int] = {}

    def of(self, folder: Folder) -> dict[str, Node]:
        names = dict(folder.durable)
        for entry in folder.pending[: self._count(folder)]:
            if entry.after is None or self._arrived(*entry.after):
                _apply(names, entry)
        return names

    def _count(self, folder: Folder) -> int:
        if folder not in self._kept:
            count = len(folder.pending)
            if self._fate.kept in {0.0, 1.0}:
                self._kept[folder] = count if self._fate.kept else 0
            else:
                self._kept[folder] = self._random.randint(0, count)
        return self._kept[folder]

    def _arrived(self, folder: Folder, entry: Entry) -> bool:
        return not any(one is entry for one in folder.pending[self._count(folder) :])


def _content(durable: bytearray, changes: Sequence[Change], fate: Fate, random: Random) -> bytes:
    """Make one content out of what is flushed and what is not.

    1. Choose how far the size has come: any of the sizes that the file had.
    2. Choose for each sector how many of the changes that touch it have arrived. Shortening the file takes away what
       lay beyond if the size has come that far, and otherwise nothing.
    3. What the size has gained and no change has filled holds zeros, or garbage.
    """
    if not changes or fate.kept == 0.0:
        return bytes(durable)
    total = len(changes)
    upto = random.randint(0, total) if fate.kept is None else total
    sized = total if fate.kept == 1.0 else upto if fate.kept is None else random.randint(0, total)
    size = _size(len(durable), changes[:sized])
    shortened = {number: one.offset for number, one in enumerate(changes[:sized], 1) if one.content is None}
    touching: dict[int, list[int]] = {}
    for number, change in enumerate(changes, 1):
        if change.content is not None:
            for sector in range(change.offset // fate.sector, -(-change.end // fate.sector)):
                touching.setdefault(sector, []).append(number)
    made = bytearray(durable[: min([size, *shortened.values()])])
    made.extend(random.randbytes(size - len(made)) if fate.leaves_garbage else bytes(size - len(made)))
    for sector, numbers in touching.items():
        start = sector * fate.sector
        arrived = _arrived(numbers, upto, fate, random)
        if start >= size or arrived == 0:
            continue
        content = bytearray(durable[start : start + fate.sector].ljust(fate.sector, b"\0"))
        for number in sorted({*numbers, *shortened}):
            if number in shortened or number <= arrived:
                _lay(content, start, changes[number - 1])
        made[start : min(size, start + fate.sector)] = content[: size - start]
    return bytes(made)


def _arrived(numbers: Sequence[int], upto: int, fate: Fate, random: Random) -> int:
    """Choose the last of a sector's changes that arrived; 0: none."""
    if fate.kept is None:
        # The write at the boundary is torn.
        last = upto if random.random() < 0.5 else upto - 1
        return max((number for number in numbers if number <= last), default=0)
    return next((number for number in reversed(numbers) if random.random() < fate.kept), 0)


def _lay(content: bytearray, start: int, change: Change) -> None:
    if change.content is None:
        at = min(len(content), max(0, change.offset - start))
        content[at:] = bytes(len(content) - at)
        return
    first, last = max(start, change.offset), min(start + len(content), change.end)
    if first < last:
        content[first - start : last - start] = change.content[first - change.offset : last - change.offset]


def _size(size: int, changes: Sequence[Change]) -> int:
    for change in changes:
        size = change.offset if change.content is None else max(size, change.end)
    return size


def _apply(names: dict[str, Node], entry: Entry) -> None:
    if entry.gone:
        names.pop(entry.gone, None)
    if entry.name and entry.node is not None:
        names[entry.name] = entry.node


def _read_folder(path: Path) -> Folder:
    names: dict[str, Node] = {}
    for child in sorted(path.iterdir()):
        names[child.name] = _read_folder(child) if child.is_dir() else File(bytearray(child.read_bytes()))
    return Folder(names, [], dict(names))
