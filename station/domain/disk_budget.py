"""What sittings may still need on the station's disk, whether the free space is enough, and how long it lasts.

All sizes are bytes. The figures are upper estimates on purpose: a room that turns out to need less is no harm.

Where they come from (SQLite 3.40, 45 candidates x 60 items x 6 versions through `SaveRecorder`, measured with
`dbstat`, which counts the pages of every table and index):

- a revision takes 203 bytes and its response, with indexes and hashes; a response of 923 bytes took 1,402 in
  all, as pages are left half empty. Counted: `REVISION_BYTES` + `SPREAD` x the response.
- its line in the result package has 364 bytes and the response.
- the write-ahead log is brought into the database every few seconds and keeps 12 MB of its place: `WAL_BYTES`, which
  no sitting can do without. While a long reading, as of a backup, holds that up it grows; a commit brings it in by
  itself at 12 MB, or at 128 MB where the store was opened with more than 1 GiB free: `WAL_MOST_BYTES`, for all else.
- how often an item is saved follows from the page: at once on a choice, and while somebody types every 5 s,
  each time with the whole text so far. Chinese is typed at about 40 characters a minute; counted is half of the
  sitting's time spent typing, for each and every candidate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import mean

from station.domain.interaction import Blanks, Files, Table, Writing
from station.domain.item import Item
from station.domain.paper import Paper
from station.errors import problem

DISK_SHORT = problem(
    "disk_short",
    "服务器磁盘空间不足，不能开考：仅保存答案还需约 {minimum}，现空闲 {free}。"
    "请技术人员删除或移走 {folder} 所在磁盘上与考试无关的文件，然后再次点击“开始考试”，不必重启考站。",
    "Too little disk space to start: answers alone may need {minimum}, {free} are free. Remove what is not the "
    "exam's from the disk of {folder}, then start again; the station need not be restarted.",
)
DISK_TIGHT = problem(
    "disk_tight",
    "服务器磁盘空间偏紧：各场次预计还需约 {full}，现空闲 {free}。答案够存，考生文件或成果包可能存不下。"
    "请先清理磁盘；确要开考，须主考确认。",
    "Disk space is tight: the sittings may need {full}, {free} are free. Answers will fit; candidates' files or the "
    "result package may not. Make room first; to start all the same, the chief examiner has to confirm.",
)

MIB = 2**20
REVISION_BYTES = 256
LINE_BYTES = 400
SPREAD = 1.5
WAL_BYTES = 16 * MIB
WAL_MOST_BYTES = 128 * MIB
# Attempt, log-ins, places, journal entries, current answers and marks of one candidate.
CANDIDATE_BYTES = 64 * 1024
CHOICE_RESPONSE_BYTES = 64.0
CHOICE_REVISIONS = 4.0
FIELD_RESPONSE_BYTES = 80.0
FILE_RESPONSE_BYTES = 200.0
# Of each wanted file the station keeps every version that a work folder brings: the last and, on average, two more as
# large. What people save early on is smaller than the most that a file may have.
FILE_VERSIONS = 3
TYPED_PER_MIN = 40
TYPING = 0.5
BYTES_PER_CHARACTER = 3
SAVED_EVERY_S = 5
TYPED_PER_SAVE = TYPED_PER_MIN * SAVED_EVERY_S / 60
LONGEST_SHOWN_H = 99
# What changes the free space more slowly than this is noise of the machine.
NOISE_BYTES_PER_S = 512.0
BLOCK_S = 60.0
FEWEST_BLOCKS = 4


@dataclass(frozen=True)
class Limits:
    """The room's settings. Below `floor` free bytes, files are refused and the technical log falls silent.

    `ballast`: size of the file that is given up when the disk is full, so that answers can be saved on.
    `warn_h`: the board warns when the disk will be full within so many hours; `log`: most that the log takes.
    """

    floor: int = 256 * MIB
    ballast: int = 64 * MIB
    warn_h: float = 4.0
    log: int = 60 * MIB


@dataclass(frozen=True)
class Load:
    """What one candidate makes of a paper: revisions, their bytes in the store and as package lines, and files."""

    revisions: float
    answers: float
    lines: float
    files: int


# For a sitting that has no paper yet: as much as an hour of steady typing leaves.
UNKNOWN_LOAD = Load(revisions=720, answers=MIB, lines=MIB, files=0)


@dataclass(frozen=True)
class Need:
    """What sittings may still need: answers in the store, candidates' files, and result packages."""

    answers: int = 0
    files: int = 0
    packages: int = 0

    def __add__(self, other: Need) -> Need:
        return Need(self.answers + other.answers, self.files + other.files, self.packages + other.packages)


class Space(StrEnum):
    """How the free space stands to what is still to come."""

    ENOUGH = "enough"
    TIGHT = "tight"
    SHORT = "short"


@dataclass(frozen=True)
class Budget:
    """What is still to come, the most that the log takes, and what should be left free at the end."""

    need: Need = Need()
    log: int = 0
    reserve: int = 0

    @property
    def minimum(self) -> int:
        """Answers without files: what a sitting cannot do without. Below this none starts."""
        return self.need.answers + WAL_BYTES if self.need.answers else 0

    @property
    def full(self) -> int:
        """Everything: answers, files, packages, both logs and reserve; 0 when nothing is to come."""
        need = self.need
        if need == Need():
            return 0
        return need.answers + need.files + need.packages + WAL_MOST_BYTES + self.log + self.reserve

    def space(self, free: int) -> Space:
        """Judge the free bytes; what just reaches a bound is above it."""
        if free < self.minimum:
            return Space.SHORT
        return Space.ENOUGH if free >= self.full else Space.TIGHT


def load_of(paper: Paper, *, duration_min: int) -> Load:
    """Estimate what one candidate makes of a paper.

    1. What is typed into all texts together is what one can type in half of the time; each text gets its share.
    2. Each item: how often it is saved, and the average size of a response.
    3. All saves together are at most one in 5 s over the whole time, but at least one an item.
    4. Files: the sum of their largest sizes.
    """
    wanted = sum(item.interaction.max_length for item in paper.items if isinstance(item.interaction, Writing))
    typed_share = min(1.0, TYPING * TYPED_PER_MIN * duration_min / wanted) if wanted else 0.0
    expected = [_saves_of(item, typed_share=typed_share) for item in paper.items]
    total = sum(count for count, _ in expected)
    most = max(duration_min * 60 / SAVED_EVERY_S, len(expected))
    scale = min(1.0, most / total) if total else 1.0
    asked = [item.interaction for item in paper.items]
    return Load(
        revisions=total * scale,
        answers=sum(count * scale * (REVISION_BYTES + SPREAD * size) for count, size in expected),
        lines=sum(count * scale * (LINE_BYTES + size) for count, size in expected),
        files=sum(file.max_bytes for one in asked if isinstance(one, Files) for file in one.files),
    )


def need_of(load: Load, *, entries: int, revisions: int = 0, file_bytes: int = 0, is_over: bool = False) -> Need:
    """Compute what a sitting of so many entries still needs.

    1. What is saved already (`revisions`, `file_bytes`) is used up; after the end nothing more comes but the package.
    2. A package takes the answers as lines twice, as they are packed from a plain file, and the last version of every
       file once more, encrypted.
    """
    expected = entries * load.revisions
    share = max(0.0, 1 - revisions / expected) if expected else 0.0
    lines = load.lines / load.revisions * revisions if is_over and load.revisions else entries * load.lines
    files = file_bytes if is_over else max(entries * load.files * FILE_VERSIONS, file_bytes)
    packed = file_bytes if is_over else max(entries * load.files, min(file_bytes, files // FILE_VERSIONS))
    own = 0 if is_over else entries * CANDIDATE_BYTES
    return Need(
        answers=0 if is_over else math.ceil(entries * load.answers * share) + own,
        files=files - file_bytes,
        packages=math.ceil(2 * lines) + packed,
    )


def total_of(needs: Iterable[Need]) -> Need:
    """Add up the needs of all sittings of the station."""
    return sum(needs, Need())


def fall_per_s(samples: Sequence[tuple[float, int]]) -> float:
    """Compute how fast the free space falls, in bytes a second; 0 where it does not, or too little is known.

    `samples`: (seconds, free bytes), oldest first. SQLite grows by jumps and people copy files, so:

    1. cut the time into blocks of a minute and take the fall of each;
    2. leave out the greatest and the least of them, a tenth on either side but at least one;
    3. take the mean of the others.
    """
    falls: list[float] = []
    block_at, block_free = samples[0] if samples else (0.0, 0)
    for at, free in samples:
        if at - block_at >= BLOCK_S:
            falls.append((block_free - free) / (at - block_at))
            block_at, block_free = at, free
    if len(falls) < FEWEST_BLOCKS:
        return 0.0
    apart = max(1, len(falls) // 10)
    rate = mean(sorted(falls)[apart:-apart])
    return rate if rate >= NOISE_BYTES_PER_S else 0.0


def hours_left(free: int, rate: float) -> float | None:
    """Say in how many hours the disk is full at this rate; None when it does not fill."""
    return None if rate <= 0 else free / rate / 3600


def size_text(size: int) -> str:
    """Write a size as people read it: 950 MB, 3.2 GB, 79 GB."""
    if size >= 1000 * MIB:
        gib = size / 2**30
        return f"{gib:.1f} GB" if gib < 10 else f"{gib:.0f} GB"
    return f"{math.ceil(size / MIB)} MB" if size >= MIB else f"{math.ceil(size / 1024)} KB"


def hours_text(hours: float | None) -> tuple[str, str]:
    """Say in Chinese and English how long the disk lasts."""
    if hours is None or hours > LONGEST_SHOWN_H:
        return f"按当前速度可用超过 {LONGEST_SHOWN_H} 小时", f"lasts more than {LONGEST_SHOWN_H} h at this rate"
    if hours < 1:
        minutes = int(hours * 60)
        return f"按当前速度约 {minutes} 分钟后写满", f"full in about {minutes} min at this rate"
    return f"按当前速度约 {hours:.0f} 小时后写满", f"full in about {hours:.0f} h at this rate"


def budget_text(budget: Budget, free: int) -> tuple[str, str]:
    """Say in Chinese and English what this server may need and what it has."""
    need = budget.need
    parts = [size_text(one) for one in (budget.full, need.answers, need.files, need.packages)]
    zh = "本机需要约 {}（答案 {}、考生文件 {}、成果包 {}，含运行日志与预留），空闲 {}".format(*parts, size_text(free))
    en = "This server may need {} (answers {}, files {}, packages {}, with log and reserve); {} are free".format(
        *parts, size_text(free)
    )
    more = {
        Space.ENOUGH: ("，够用。", ": enough."),
        Space.TIGHT: (
            "，偏紧：答案够存，文件或成果包可能存不下，请清理磁盘。",
            ": tight. Answers will fit, files or packages may not: make room.",
        ),
        Space.SHORT: (
            "，不足：连答案也可能存不下，清理磁盘之前不能开考。",
            ": too little, even for the answers. No sitting can start before there is room.",
        ),
    }[budget.space(free)]
    return zh + more[0], en + more[1]


def _saves_of(item: Item, *, typed_share: float) -> tuple[float, float]:
    """Estimate how often an item is saved and the average size of its response, in bytes."""
    asked = item.interaction
    if isinstance(asked, Writing):
        characters = asked.max_length * typed_share
        return characters / TYPED_PER_SAVE + 1, characters * BYTES_PER_CHARACTER / 2
    if isinstance(asked, Blanks | Table):
        fields = len(asked.blanks) if isinstance(asked, Blanks) else len(asked.inputs)
        return 2.0 * fields, fields * FIELD_RESPONSE_BYTES
    if isinstance(asked, Files):
        return 2.0 * len(asked.files), len(asked.files) * FILE_RESPONSE_BYTES
    return CHOICE_REVISIONS, CHOICE_RESPONSE_BYTES
