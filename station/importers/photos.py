"""Candidates' photos: a ZIP of pictures named by ID number (R-ROST-3)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from station.domain.roster import (
    IdKind,
    Roster,
    id_number_kind,
    is_valid_id_number,
    mask_id_number,
    match_photos,
    narrowed,
)
from station.errors import Invalid, problem
from station.importers.archives import Entry, open_archive
from station.importers.pictures import as_photo
from station.importers.rejections import Faults, reject

NO_PHOTOS = problem("no_photos", "“{name}”中没有照片。", "{name} holds no photos.")
PHOTO_NAME_WRONG = problem(
    "photo_name_wrong",
    "照片文件名“{found}”不是完整的证件号码加 .jpg 或 .png。请按“证件号码.jpg”命名。",
    "The photo's name {found} is not a full ID number with .jpg or .png. Name it so.",
)
PHOTO_TWICE = problem(
    "photo_twice", "证件号码 {found} 有两张照片。请只留一张。", "There are two photos for the ID number {found}."
)
PHOTO_AMBIGUOUS = problem(
    "photo_ambiguous",
    "照片 {found} 与遮盖的证件号码对不上唯一的考生（{tickets}）。请提供完整证件号码的名单，或单独为考生换照片。",
    "The photo {found} does not fit one candidate alone ({tickets}). Bring a roster with full ID numbers.",
)

MAX_PHOTO_BYTES = 5 * 1024 * 1024
MAX_ARCHIVE_BYTES = 2 * 1024 * 1024 * 1024
MAX_PHOTOS = 5_000
PHOTO_HEIGHT = 413


@dataclass(frozen=True)
class Photo:
    """A candidate's photo, written anew as JPEG of at most 413 pixels' height."""

    id_number: str
    jpeg: bytes
    sha256: str


def read_photos(path: Path, *, progress: Callable[[int, int], None] | None = None) -> list[Photo]:
    """Read all photos of a ZIP, folders or not. Raises ImportRejected with every file that cannot be taken."""
    faults, photos = Faults(), dict[str, Photo]()
    with open_archive(path, max_bytes=MAX_ARCHIVE_BYTES, max_entries=MAX_PHOTOS) as entries:
        if not entries:
            raise reject(NO_PHOTOS, name=path.name)
        for number, entry in enumerate(entries, 1):
            try:
                photo = _read_photo(entry)
                if photo.id_number in photos:
                    raise Invalid(PHOTO_TWICE, found=mask_id_number(photo.id_number))
                photos[photo.id_number] = photo
            except Invalid as refusal:
                faults.add_error(refusal, sheet=entry.name)
            if progress:
                progress(number, len(entries))
    faults.check()
    return list(photos.values())


def assign_photos(photos: Iterable[Photo], rosters: Iterable[Roster]) -> dict[str, Photo]:
    """Give each candidate their photo, by ticket number; photos of nobody here are left over.

    Raises ImportRejected when a masked row and the photos do not tell who is who.
    """
    by_id = {photo.id_number: photo for photo in photos}
    matches = match_photos(by_id, (row for roster in rosters for row in roster.rows))
    faults = Faults()
    for name, tickets in matches.ambiguous.items():
        faults.add(PHOTO_AMBIGUOUS, found=mask_id_number(name), tickets="、".join(tickets))
    faults.check()
    return {ticket: by_id[name] for ticket, name in matches.by_ticket.items()}


def _read_photo(entry: Entry) -> Photo:
    name = PurePosixPath(narrowed(entry.file_name))
    id_number = name.stem.upper()
    kind = id_number_kind(id_number)
    named = kind not in {IdKind.UNKNOWN, IdKind.MASKED} and (kind != IdKind.RESIDENT or is_valid_id_number(id_number))
    if not named or name.suffix.lower() not in {".jpg", ".jpeg", ".png"}:
        raise Invalid(PHOTO_NAME_WRONG, found=entry.file_name[:60])
    jpeg = as_photo(entry.read(MAX_PHOTO_BYTES), entry.file_name, height=PHOTO_HEIGHT)
    return Photo(id_number, jpeg, hashlib.sha256(jpeg).hexdigest())
