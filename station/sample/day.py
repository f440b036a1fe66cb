"""Write a whole sample day into a folder, as the files that a site would receive."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from station.sample.candidates import HOME_INSTITUTION, SampleCandidate, invent_candidates
from station.sample.drawings import draw_portrait
from station.sample.files import zip_bytes
from station.sample.practical import practical_archive
from station.sample.rosters import RosterHead, roster_workbook
from station.sample.theory import theory_workbook

ROOM = "第一机房"
SITE = "示例职业技术学院考点"
CHINA = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class SampleDay:
    """Where the files of a sample day are, and who sits it. Moments are aware."""

    folder: Path
    plan: Path
    roster_theory: Path
    roster_practical: Path
    photos: Path
    theory: Path
    practical: Path
    staff: Path
    room: Path
    theory_start_at: datetime
    practical_start_at: datetime
    candidates: tuple[SampleCandidate, ...]
    spare_seats: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """List the files in the order in which a site would take them in."""
        return (
            self.plan,
            self.room,
            self.staff,
            self.roster_theory,
            self.roster_practical,
            self.photos,
            self.theory,
            self.practical,
        )


def write_sample_day(
    folder: Path,
    *,
    theory_start_at: datetime,
    practical_start_at: datetime,
    seats: int = 45,
    spares: int = 5,
    zone: tzinfo = CHINA,
) -> SampleDay:
    """Write plan, room, staff, rosters, photos and papers into `folder`, made if absent.

    The starts are aware and on whole minutes, which is all that a roster can say; rosters show them in
    `zone`. `seats` is the number of candidates, one a seat; spare seats follow the last one. Files of an
    earlier sample day in `folder` are replaced.
    """
    candidates = invent_candidates(seats)
    for start_at in (theory_start_at, practical_start_at):
        if start_at.tzinfo is None or start_at.second or start_at.microsecond:
            raise ValueError(f"a start is an aware moment on a whole minute, not {start_at!r}")
    day = SampleDay(
        folder=folder,
        plan=folder / "plan.json",
        roster_theory=folder / "roster-theory.xlsx",
        roster_practical=folder / "roster-practical.xlsx",
        photos=folder / "photos.zip",
        theory=folder / "theory.xlsx",
        practical=folder / "practical.zip",
        staff=folder / "staff.json",
        room=folder / "room.json",
        theory_start_at=theory_start_at,
        practical_start_at=practical_start_at,
        candidates=candidates,
        spare_seats=tuple(str(seats + number) for number in range(1, spares + 1)),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in _contents(day, zone).items():
        path.write_bytes(content)
    return day


def _contents(day: SampleDay, zone: tzinfo) -> dict[Path, bytes]:
    theory, practical = _certificate()["subjects"]
    return {
        day.plan: _source_bytes("plan.json"),
        day.staff: _source_bytes("staff.json"),
        day.room: _room(day),
        day.roster_theory: roster_workbook(_head(theory, day.theory_start_at.astimezone(zone)), day.candidates),
        day.roster_practical: roster_workbook(
            _head(practical, day.practical_start_at.astimezone(zone)), day.candidates
        ),
        day.photos: _photos(day.candidates),
        day.theory: theory_workbook(),
        day.practical: practical_archive(),
    }


def _head(subject: Mapping[str, Any], starts_at: datetime) -> RosterHead:
    certificate = _certificate()
    return RosterHead(
        room=ROOM,
        site=SITE,
        subject=subject["name"],
        certificate=certificate["name"],
        level=certificate["level"],
        word=certificate["word"],
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=subject["duration_min"]),
        institution=HOME_INSTITUTION,
        invigilators=_staff_names("invigilator"),
        inspectors=_staff_names("inspector"),
    )


def _photos(candidates: tuple[SampleCandidate, ...]) -> bytes:
    portraits = {
        candidate.photo_name: draw_portrait(
            candidate.number, image_format="PNG" if candidate.photo_name.endswith(".png") else "JPEG"
        )
        for candidate in candidates
    }
    return zip_bytes(portraits, compression=zipfile.ZIP_STORED)


def _room(day: SampleDay) -> bytes:
    document = {
        "format": "exam-room/1",
        "name": ROOM,
        "site": SITE,
        "seats": [candidate.seat for candidate in day.candidates],
        "spare_seats": list(day.spare_seats),
    }
    return json.dumps(document, ensure_ascii=False, indent=2).encode()


def _certificate() -> Mapping[str, Any]:
    certificate: Mapping[str, Any] = _source("plan.json")["certificates"][0]
    return certificate


def _staff_names(role: str) -> tuple[str, ...]:
    return tuple(person["name"] for person in _source("staff.json")["staff"] if person["role"] == role)


@cache
def _source(name: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(_source_bytes(name))
    return document


def _source_bytes(name: str) -> bytes:
    return files("station.sample").joinpath(name).read_bytes()
