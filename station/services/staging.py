"""Read a file completely before anything changes; then one short commit takes it in (design §13.7).

`stage_file` reads and checks; the result says what would come in and applies it inside a transaction that the
edge holds. A file with errors never gets that far.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from hashlib import sha256
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.roster import RosterRow, mask_id_number, match_photos
from station.errors import Invalid, problem
from station.importers.paper_excel import read_paper_workbook
from station.importers.paper_json import read_paper_folder
from station.importers.photos import read_photos
from station.importers.roster_excel import read_rosters
from station.services import intake
from station.services.intake import Summary
from station.store import Store
from station.store.files import keep_file
from station.store.models import Candidate, Room

KINDS = ("plan", "roster", "photos", "paper")

PLAN_UNREADABLE = problem(
    "plan_unreadable",
    "考试计划文件无法读取：{reason}。应为 UTF-8 的 JSON 文件。",
    "The exam plan cannot be read: {reason}. It must be a JSON file in UTF-8.",
)
PHOTOS_AMBIGUOUS = problem(
    "photos_ambiguous",
    "{count} 张照片无法唯一对应考生（如 {first}），未导入任何照片。请改用完整身份证号的名单。",
    "{count} photos fit several candidates (such as {first}); nothing was imported. Use a roster with full numbers.",
)
NO_CANDIDATES = problem("no_candidates", "请先导入名单，再导入照片。", "Import the roster before the photos.")
PAPER_NEEDS_NAMES = problem(
    "paper_needs_names",
    "Excel 试卷须说明证书、等级、科目和试卷编号。",
    "A paper from Excel needs certificate, level, subject and a code.",
)

Progress = Callable[[int, int], None]
Apply = Callable[[Session, datetime, int | None], list[Summary]]


@dataclass(frozen=True)
class Options:
    """What a file may leave open. `code`, `certificate`, `level`, `subject` are for papers from Excel."""

    zone: tzinfo
    certificate: str = ""
    level: str = ""
    subject: str = ""
    code: str = ""
    is_backup: bool = False
    room_name: str = ""
    planned_start_at: datetime | None = None
    assign_seats: bool = False
    spares: str = ""


@dataclass(frozen=True)
class Staged:
    """A file that has been read and found sound. `lines` say what would come in, (Chinese, English) each.

    `enter` changes the store; `files` are what it takes to lie in `folder` by then.
    """

    kind: str
    lines: tuple[tuple[str, str], ...]
    enter: Apply = field(repr=False)
    folder: Path = Path()
    files: tuple[bytes, ...] = field(default=(), repr=False)

    def keep(self) -> None:
        """Write the files: before the transaction, as no candidate's save should wait for so many flushes."""
        for content in self.files:
            keep_file(self.folder, content)

    def apply(self, db: Session, at: datetime, by: int | None) -> list[Summary]:
        """Take everything in; what `keep` has written is not written again."""
        self.keep()
        return self.enter(db, at, by)


def stage_file(kind: str, path: Path, *, store: Store, options: Options, progress: Progress | None = None) -> Staged:
    """Read a plan, roster, photo archive or paper; raises what is wrong with it, with every place."""
    if kind == "plan":
        return _stage_plan(path)
    if kind == "roster":
        return _stage_rosters(path, options, progress)
    if kind == "photos":
        return _stage_photos(path, store, progress)
    return _stage_paper(path, store, options, progress)


def dry_run(
    store: Store, staged: Staged, at: datetime, *, look: Callable[[Session], None] | None = None
) -> list[Summary]:
    """Apply to a transaction that is then thrown away: every rule of the store is tried, nothing stays.

    `look` sees the store as it would be.
    """
    with store.transaction() as db:
        summaries = staged.enter(db, at, None)
        if look is not None:
            look(db)
        db.rollback()
    return summaries


def _stage_plan(path: Path) -> Staged:
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise Invalid(PLAN_UNREADABLE, reason=str(error)[:200]) from None
    if not isinstance(document, dict):
        raise Invalid(PLAN_UNREADABLE, reason="{ }")
    title, certificates = str(document.get("title", "")), document.get("certificates")
    count = len(certificates) if isinstance(certificates, list) else 0
    line = (f"考试计划 {title}：{count} 个证书等级", f"Exam plan {title}: {count} certificates")
    return Staged("plan", (line,), lambda db, at, by: [intake.import_plan(db, document, at=at, by=by)])


def _stage_rosters(path: Path, options: Options, progress: Progress | None) -> Staged:
    rosters = read_rosters(path, zone=options.zone, progress=progress)
    spares = intake.parse_spares(options.spares)

    def apply(db: Session, at: datetime, by: int | None) -> list[Summary]:
        summaries = [
            intake.import_roster(
                db,
                roster,
                at=at,
                by=by,
                room_name=options.room_name,
                planned_start_at=options.planned_start_at,
                assign_seats=options.assign_seats,
            )
            for roster in rosters
        ]
        if spares:
            names = {roster.head.room_name or options.room_name for roster in rosters}
            for room_id in db.scalars(select(Room.id).where(Room.name.in_(names))).all():
                intake.add_spare_seats(db, room_id, spares)
        return summaries

    lines = tuple(
        (
            f"{roster.head.certificate_name}{roster.head.level} {roster.head.subject_name}："
            f"{roster.head.room_name or options.room_name}，{len(roster.rows)} 名考生",
            f"{roster.head.certificate_name} {roster.head.subject_name}: {len(roster.rows)} candidates",
        )
        for roster in rosters
    )
    return Staged("roster", lines, apply)


def _stage_photos(path: Path, store: Store, progress: Progress | None) -> Staged:
    real = select(Candidate).where(Candidate.is_practice.is_(False))
    with store.reading() as db:
        known = {one.ticket_number: (one.id, one.name, one.id_number) for one in db.scalars(real)}
    if not known:
        raise Invalid(NO_CANDIDATES)
    photos = {photo.id_number: photo for photo in read_photos(path, progress=progress)}
    rows = [RosterRow(name=name, ticket_number=ticket, id_number=number) for ticket, (_, name, number) in known.items()]
    matches = match_photos(photos, rows)
    if matches.ambiguous:
        first = mask_id_number(next(iter(matches.ambiguous)))
        raise Invalid(PHOTOS_AMBIGUOUS, count=len(matches.ambiguous), first=first)

    def apply(db: Session, at: datetime, by: int | None) -> list[Summary]:
        kept = {
            known[ticket][0]: (sha256(photos[name].jpeg).hexdigest(), len(photos[name].jpeg))
            for ticket, name in matches.by_ticket.items()
        }
        return [intake.import_photos(db, kept, at=at, by=by)]

    lines = [(f"照片 {len(matches.by_ticket)} 张对应到考生", f"{len(matches.by_ticket)} photos match candidates")]
    if matches.photos_without_row:
        count = len(matches.photos_without_row)
        lines.append((f"{count} 张照片不在名单中，忽略", f"{count} photos of people not in the roster: left out"))
    if matches.tickets_without_photo:
        count = len(matches.tickets_without_photo)
        lines.append((f"{count} 名考生没有照片", f"{count} candidates without a photo"))
    files = tuple(photos[name].jpeg for name in matches.by_ticket.values())
    return Staged("photos", tuple(lines), apply, store.folder / "assets", files)


def _stage_paper(path: Path, store: Store, options: Options, progress: Progress | None) -> Staged:
    if path.suffix.lower() == ".xlsx":
        if not (options.certificate and options.subject):
            raise Invalid(PAPER_NEEDS_NAMES)
        with store.reading() as db:
            subject = intake.find_subject(
                db, certificate=options.certificate, level=options.level, subject=options.subject
            )
        code = options.code or f"{subject.certificate_code}-{subject.code}-A"
        read = read_paper_workbook(
            path,
            code=code,
            certificate=subject.certificate_name,
            level=subject.level,
            subject=subject.code,
            progress=progress,
        )
    else:
        read = read_paper_folder(path)
    paper = intake.check_paper(read.paper_document, read.keys_document)

    def apply(db: Session, at: datetime, by: int | None) -> list[Summary]:
        assets = {
            name: (sha256(content).hexdigest(), paper.assets[name].media_type, len(content))
            for name, content in read.assets.items()
        }
        summary = intake.import_paper(
            db, read.paper_document, read.keys_document, assets=assets, at=at, by=by, is_backup=options.is_backup
        )
        return [summary]

    line = (
        f"试卷 {paper.code} {paper.title}：{len(paper.items)} 题，{paper.full_points} 分，附件 {len(read.assets)} 个",
        f"Paper {paper.code} {paper.title}: {len(paper.items)} items, {paper.full_points} points",
    )
    return Staged("paper", (line,), apply, store.folder / "assets", tuple(read.assets.values()))
