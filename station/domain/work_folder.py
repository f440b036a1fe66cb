"""The work folder of practical items: its names, what is wanted in it, which file counts, and when one is late.

Candidates make files with programs of the PC; the agent brings every version that rests to the station. Which file
answers a wanted one follows from these rules alone, so that page, console and package say the same:

1. A file that bears the wanted name counts (`wanted_name`; letter case and width do not matter).
2. Else a file of a wanted kind, if no other wanted file is of that kind; the newest of several.
3. Untouched materials never count. In a paper with one file item every place in the folder is as good.
4. What was uploaded in the browser counts when it came later than what the folder has.
5. Of a file's versions the newest counts. What a PC brings that the candidate has left (`WorkCause.MOVED`) is taken as
   made at the move at the latest, and counts only over what that PC had brought itself and what came before it was
   made: never over what the candidate has saved at the new PC since.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar

from station.domain.file_kind import extension_of
from station.domain.interaction import Deliverable, Files
from station.domain.paper import Paper
from station.errors import Invalid, problem

PATH_UNUSABLE = problem(
    "path_unusable",
    "文件“{path}”的名称或位置不能使用，未保存到服务器。请改短名称，去掉特殊符号后重新保存。",
    "The file {path!r} has a name or place that cannot be kept. Shorten it and leave out special characters.",
)

LARGEST_FILE = 2 * 2**30
LONGEST_PATH = 400
LONGEST_PART = 200
MATERIALS = "素材"
# The last state may need so long on its way: 45 PCs with 300 MB each fill a gigabit network for two minutes.
LAST_STATE_WITHIN = timedelta(minutes=10)
# Clocks of PCs are known to some tenths of a second.
CLOCK_TOLERANCE = timedelta(seconds=2)
# A PC that the candidate has left may still bring what lies there: one that was dead is often back within this.
MOVED_WITHIN = timedelta(minutes=30)
MOVED_STATE = "moved"

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_FIRST_WORDS = re.compile(r"[，。；：、！？,.;:!?（）()\s].*", re.DOTALL)


class WorkCause(StrEnum):
    """Why a version was made."""

    RESTED = "rested"
    REMOVED = "removed"
    HAND_IN = "hand_in"
    COLLECT = "collect"
    TAKEN_BACK = "taken_back"
    MOVED = "moved"


CAUSES_OF_AGENT = frozenset(WorkCause) - {WorkCause.TAKEN_BACK, WorkCause.MOVED}


class Version(Protocol):
    """What of a version says whether it stands."""

    @property
    def cause(self) -> str: ...

    @property
    def device_id(self) -> int | None: ...

    @property
    def modified_at(self) -> datetime: ...

    @property
    def received_at(self) -> datetime: ...


V = TypeVar("V", bound=Version)


class WorkLink(NamedTuple):
    """What of a version goes into its hash; moments in milliseconds since 1970 UTC."""

    attempt_id: int
    number: int
    path: str
    version: int
    sha256: str | None
    size: int
    modified_at_ms: int
    received_at_ms: int
    cause: str
    from_version: int | None
    device_id: int | None
    boot_id: str
    sequence: int
    is_late: bool


@dataclass(frozen=True)
class Material:
    """A file of the paper that lies in an item's folder; `path` is relative to it."""

    path: str
    asset: str


@dataclass(frozen=True)
class Wanted:
    """A file to hand in. `name` is what it should be called, `suffixes` in lower case with their dot."""

    item_id: str
    part: str
    label: str
    name: str
    suffixes: tuple[str, ...]
    required: bool
    largest: int


@dataclass(frozen=True)
class ItemFolder:
    """The part of the work folder of an item that wants files or names programs; `number`: the item's in the paper."""

    item_id: str
    number: int
    folder: str
    programs: tuple[str, ...]
    materials: tuple[Material, ...]
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True)
class Held:
    """A file of the folder as it stands now. `version` 0: it was uploaded in the browser."""

    path: str
    sha256: str
    size: int
    version: int
    saved_at: datetime

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class AnswerState(StrEnum):
    """Whether a wanted file is there."""

    THERE = "there"
    MISSING = "missing"
    EMPTY = "empty"
    TOO_LARGE = "too_large"


ANSWER_STATE_NAMES: dict[AnswerState, tuple[str, str]] = {
    AnswerState.THERE: ("已保存", "saved"),
    AnswerState.MISSING: ("还没有", "not there yet"),
    AnswerState.EMPTY: ("文件是空的", "the file is empty"),
    AnswerState.TOO_LARGE: ("文件过大", "the file is too large"),
}


@dataclass(frozen=True)
class WorkAnswer:
    """What answers a wanted file: `file` None when nothing does."""

    wanted: Wanted
    file: Held | None

    @property
    def state(self) -> AnswerState:
        if self.file is None:
            return AnswerState.MISSING
        if self.file.size == 0:
            return AnswerState.EMPTY
        return AnswerState.TOO_LARGE if self.file.size > self.wanted.largest else AnswerState.THERE

    @property
    def is_missing(self) -> bool:
        """Say whether a required file is not there as it should be."""
        return self.wanted.required and self.state is not AnswerState.THERE


def item_folders(paper: Paper) -> tuple[ItemFolder, ...]:
    """Lay out the work folder of a paper: one folder an item that wants files, or names programs to work with.

    () for a paper without any: its candidates have no work folder.
    """
    folders = []
    for number, item in enumerate(paper.items, start=1):
        files = item.interaction.files if isinstance(item.interaction, Files) else ()
        if not files and not item.programs:
            continue
        folders.append(
            ItemFolder(
                item_id=item.id,
                number=number,
                folder=_item_folder_name(number, item.body),
                programs=item.programs,
                materials=tuple(Material(f"{MATERIALS}/{_tidy(one.name)}", one.asset) for one in item.materials),
                wanted=tuple(_wanted(item.id, file) for file in files),
            )
        )
    return tuple(folders)


def folder_name(subject: str, seat: str, name: str) -> str:
    """Name a candidate's work folder as they see it on the PC: 实操_12_张三."""
    return "_".join(_tidy(part)[:30].strip() for part in (subject, seat, name))


def wanted_name(file: Deliverable) -> str:
    """Name the file that is wanted: its label with the first of its kinds (海报.psd)."""
    label = _tidy(re.sub(r"[（(].*?[）)]", "", file.label)) or _tidy(file.label)
    stem = label[: -len(extension_of(label))] if extension_of(label) in file.extensions else label
    return stem[:60].strip(" .") + file.extensions[0] if file.extensions else stem[:60].strip(" .")


def check_path(path: object) -> str:
    """Check a path of the folder and give it in NFC: relative, `/` between parts, and possible on Windows."""
    if not isinstance(path, str):
        raise Invalid(PATH_UNUSABLE, path=str(path)[:80])
    tidy = unicodedata.normalize("NFC", path)
    parts = tidy.split("/")
    is_sound = 0 < len(tidy) <= LONGEST_PATH and not any("\ud800" <= sign <= "\udfff" for sign in tidy)
    if not is_sound or not all(_is_usable(part) for part in parts):
        raise Invalid(PATH_UNUSABLE, path=path[:80].encode("utf-8", "replace").decode())
    return tidy


def is_late(received_at: datetime, modified_at: datetime, ended_at: datetime | None) -> bool:
    """Say whether a version came too late to count by itself; `ended_at` None: answering has not ended.

    What was made before the end may still be on its way (`LAST_STATE_WITHIN`).
    """
    if ended_at is None or received_at <= ended_at:
        return False
    made_before = modified_at <= ended_at + CLOCK_TOLERANCE
    return not made_before or received_at > ended_at + LAST_STATE_WITHIN


def may_still_bring(moved_at: datetime, at: datetime) -> bool:
    """Say whether a PC that its candidate left at `moved_at` may still bring versions."""
    return at <= moved_at + MOVED_WITHIN


def standing(versions: Iterable[V]) -> V | None:
    """Give the version that stands of one file's, given in the order in which they came (rule 5)."""
    found: V | None = None
    for one in versions:
        is_outdone = (
            found is not None
            and one.cause == WorkCause.MOVED
            and one.device_id != found.device_id
            and found.received_at >= one.modified_at
        )
        if not is_outdone:
            found = one
    return found


def answers_of(
    folders: Sequence[ItemFolder],
    held: Sequence[Held],
    materials: Mapping[str, str],
    uploads: Mapping[tuple[str, str], Held],
) -> list[WorkAnswer]:
    """Say for each wanted file what answers it (see the rules above).

    `materials`: SHA-256 by asset name; `uploads`: what the current answer names, by item and part.
    """
    found: list[WorkAnswer] = []
    for folder in folders:
        originals = {materials[one.asset] for one in folder.materials if one.asset in materials}
        mine = [one for one in held if one.sha256 not in originals and _lies_in(one, folder, folders)]
        chosen = _chosen(folder.wanted, mine)
        for wanted in folder.wanted:
            both = (chosen.get(wanted.part), uploads.get((wanted.item_id, wanted.part)))
            newest = max((one for one in both if one is not None), key=lambda one: one.saved_at, default=None)
            found.append(WorkAnswer(wanted, newest))
    return found


def beside_name(path: str, version: int) -> str:
    """Name the place beside a file for a version that was taken back while a program holds the file open."""
    folder, slash, name = path.rpartition("/")
    suffix = extension_of(name)
    stem = name[: -len(suffix)] if suffix else name
    return f"{folder}{slash}{stem[: LONGEST_PART - 20]}（第{version}版）{name[len(stem) :]}"


def _lies_in(held: Held, folder: ItemFolder, folders: Sequence[ItemFolder]) -> bool:
    """Say whose a file is by its place; of the only item that wants files is what lies in no other item's folder."""
    if held.path.startswith(f"{folder.folder}/"):
        return True
    others = [one for one in folders if one is not folder]
    return not any(one.wanted or held.path.startswith(f"{one.folder}/") for one in others)


def _chosen(wanted: Sequence[Wanted], held: Iterable[Held]) -> dict[str, Held]:
    """Pick the file of the folder for each part."""
    newest_last = sorted(held, key=lambda one: (one.saved_at, one.path))
    chosen: dict[str, Held] = {}
    taken: set[str] = set()
    for one in wanted:
        for file in newest_last:
            if extension_of(file.name) in one.suffixes and _alike(file.name) == _alike(one.name):
                chosen[one.part] = file
                taken.add(file.path)
    open_ones = [one for one in wanted if one.part not in chosen]
    for one in open_ones:
        rivals = {suffix for other in open_ones if other is not one for suffix in other.suffixes}
        for file in newest_last:
            suffix = extension_of(file.name)
            if file.path not in taken and suffix in one.suffixes and suffix not in rivals:
                chosen[one.part] = file
    return chosen


def _alike(name: str) -> str:
    """Write a file's name without its extension, so that names that people take for the same are the same."""
    stem = name[: -len(extension_of(name))] if extension_of(name) else name
    return "".join(unicodedata.normalize("NFKC", stem).casefold().split())


def _wanted(item_id: str, file: Deliverable) -> Wanted:
    return Wanted(
        item_id=item_id,
        part=file.id,
        label=file.label,
        name=wanted_name(file),
        suffixes=file.extensions,
        required=file.required,
        largest=file.max_bytes,
    )


def _item_folder_name(number: int, body: str) -> str:
    """Name an item's folder by its number and the first words of its text: 03_海报设计."""
    text = html.unescape(_TAG.sub(" ", body)).strip()
    words = _tidy(_FIRST_WORDS.sub("", text))[:16].strip(" .")
    return f"{number:02d}_{words}" if words else f"{number:02d}"


def _is_usable(part: str) -> bool:
    """Say whether a name can stand in a path on Windows and Linux."""
    return (
        0 < len(part) <= LONGEST_PART
        and part[-1] not in " ."
        and part[0] != " "
        and not _FORBIDDEN.search(part)
        and not _RESERVED.fullmatch(part)
    )


def _tidy(name: str) -> str:
    """Make a usable name of any text."""
    tidy = _FORBIDDEN.sub("", unicodedata.normalize("NFC", name).replace("/", "")).strip(" .")
    return f"_{tidy}" if _RESERVED.fullmatch(tidy) else tidy[:LONGEST_PART].strip(" .")
