"""Take in what a sitting needs: exam plan, roster, photos, paper; each whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from station.domain.answer_keys import parse_keys
from station.domain.marking import check_keys_against_themselves
from station.domain.paper import Paper as PaperDocument
from station.domain.paper import canonical_bytes, parse_paper
from station.domain.plan import CertificatePlan, SubjectPlan, parse_plan
from station.domain.practice import is_practice_code
from station.domain.roster import Roster, RosterRow
from station.domain.sitting import SittingState
from station.errors import Invalid, Missing, Refused, problem
from station.services import journal
from station.store.locking import lock_row
from station.store.models import (
    Asset,
    Attempt,
    Candidate,
    Entry,
    JournalEntry,
    Message,
    Paper,
    PaperAsset,
    Plan,
    Room,
    Seat,
    Sitting,
    Subject,
)

PLAN_MISSING = problem(
    "plan_missing", "请先导入考试计划（plan.json），再导入名单和试卷。", "Import the exam plan (plan.json) first."
)
PLAN_CHANGED = problem(
    "plan_changed",
    "考试计划 {code} 已导入且内容不同，已有场次或试卷在使用，不能更换。",
    "Exam plan {code} is here with other content; sittings or papers use it, so it cannot be replaced.",
)
HEAD_INCOMPLETE = problem(
    "head_incomplete",
    "名单表头缺少“{field}”，请补全后重新导入，或在导入时指定。",
    "The roster's head lacks {field}: complete it, or give it when importing.",
)
TWO_NAMES = problem(
    "two_names",
    "准考证号 {ticket} 已登记为“{known}”，名单中却是“{name}”（第 {row} 行）。",
    "Ticket {ticket} belongs to {known}, but row {row} says {name}.",
)
SITTING_BEGUN = problem(
    "sitting_begun",
    "该场次已开放登录、已开考，或已有考生的登记记录（缺考、换座等），名单不能再更换。",
    "This sitting has begun, or something is on record of a candidate of it; its roster cannot be replaced.",
)
PAPER_IN_USE = problem(
    "paper_in_use",
    "试卷 {code} 已有考生作答，不能更换内容。",
    "Candidates have opened paper {code}; it cannot be replaced.",
)
KEYS_UNSOUND = problem(
    "keys_unsound",
    "试卷 {code} 的答案未通过自检（{count} 处）：{first}",
    "The answer keys of {code} fail their own test ({count}): {first}",
)
SPARES_WRONG = problem(
    "spares_wrong", "备用机编号“{text}”不对，例：46-50 或 46,47。", "Spare seats {text!r}: write 46-50 or 46,47."
)


@dataclass(frozen=True)
class Summary:
    """What an import brings (or brought): kind, what it is called, how many, and lines worth reading."""

    kind: str
    title: str
    count: int
    notes: tuple[tuple[str, str], ...] = ()


def import_plan(db: Session, document: Mapping[str, object], *, at: datetime, by: int | None = None) -> Summary:
    """Take in an exam plan; the same one again changes nothing, an unused one is replaced."""
    plan = parse_plan(document)
    text = canonical_bytes(document).decode()
    known = db.scalars(select(Plan).where(Plan.code == plan.code)).one_or_none()
    if known is not None and known.document == text:
        return Summary(
            "plan", plan.title, len(plan.certificates), (("已导入过，内容相同", "Imported before, the same"),)
        )
    if known is not None:
        subject_ids = select(Subject.id).where(Subject.plan_id == known.id)
        in_use = (
            select(func.count()).select_from(model).where(model.subject_id.in_(subject_ids))
            for model in (Sitting, Paper)
        )
        if any(db.scalar(one) for one in in_use):
            raise Refused(PLAN_CHANGED, code=plan.code)
        db.execute(delete(Subject).where(Subject.plan_id == known.id))
        known.title, known.document, known.imported_at = plan.title, text, at
    else:
        known = Plan(code=plan.code, title=plan.title, document=text, imported_at=at)
        db.add(known)
    db.flush()
    for certificate in plan.certificates:
        db.add_all(_subject_row(known.id, certificate, subject) for subject in certificate.subjects)
    db.flush()
    journal.append(db, "plan_imported", at=at, by=by, code=plan.code)
    return Summary("plan", plan.title, len(plan.certificates))


def import_roster(
    db: Session,
    roster: Roster,
    *,
    at: datetime,
    by: int | None = None,
    room_name: str = "",
    planned_start_at: datetime | None = None,
    assign_seats: bool = False,
    site_name: str = "",
) -> Summary:
    """Make (or make again, while still planned) the sitting of a roster with its room, seats and entries.

    What the head lacks may be given: room, planned start, and seats in the order of the list.
    """
    room_name = roster.head.room_name or room_name
    starts_at = roster.head.planned_start_at or planned_start_at
    for value, field in ((room_name, "考场名称"), (starts_at, "考试时间")):
        if not value:
            raise Invalid(HEAD_INCOMPLETE, field=field)
    assert starts_at is not None
    subject = find_subject(
        db, certificate=roster.head.certificate_name, level=roster.head.level, subject=roster.head.subject_name
    )
    room = _room(db, room_name, roster.head.site_name or site_name)
    sitting = _planned_sitting(db, room, subject, starts_at)
    sitting.head = json.dumps(_head_document(roster), ensure_ascii=False, default=str)
    seats = _seats(db, room, roster.rows, assign=assign_seats)
    for row, seat in zip(roster.rows, seats, strict=True):
        candidate = _candidate(db, row)
        db.add(Entry(sitting_id=sitting.id, candidate_id=candidate.id, seat_id=seat.id))
    db.flush()
    title = f"{subject.certificate_name}（{subject.level}）{subject.name} {room.name}"
    journal.append(db, "roster_imported", at=at, by=by, sitting_id=sitting.id, subject=title, count=len(roster.rows))
    return Summary("roster", title, len(roster.rows))


def add_spare_seats(db: Session, room_id: int, numbers: Sequence[str]) -> int:
    """Add spare seats to a room; numbers that exist already stay what they are. Returns how many are new."""
    known = set(db.scalars(select(Seat.number).where(Seat.room_id == room_id)))
    new = [number for number in numbers if number not in known]
    db.add_all(Seat(room_id=room_id, number=number, is_spare=True) for number in new)
    db.flush()
    return len(new)


def parse_spares(text: str) -> list[str]:
    """Read '46-50' or '46,47,B1' into seat numbers."""
    numbers: list[str] = []
    for part in filter(None, (one.strip() for one in text.replace("，", ",").split(","))):
        first, dash, last = part.partition("-")
        if dash and first.isdigit() and last.isdigit() and 0 <= int(last) - int(first) < 200:
            numbers.extend(str(number) for number in range(int(first), int(last) + 1))
        elif not dash and len(part) <= 16:
            numbers.append(part)
        else:
            raise Invalid(SPARES_WRONG, text=text[:60])
    return numbers


def import_photos(
    db: Session, photos: Mapping[int, tuple[str, int]], *, at: datetime, by: int | None = None
) -> Summary:
    """Give candidates their photos: candidate id → (SHA-256, size) of a JPEG that lies in the asset folder."""
    for candidate_id, (sha256, size) in photos.items():
        _keep_asset(db, sha256, media_type="image/jpeg", size=size)
        db.get_one(Candidate, candidate_id).photo_sha256 = sha256
    without = (Candidate.photo_sha256 == "", Candidate.is_practice.is_(False))
    missing = db.scalar(select(func.count()).select_from(Candidate).where(*without)) or 0
    journal.append(db, "photos_imported", at=at, by=by, count=len(photos))
    notes = ((f"还有 {missing} 名考生没有照片", f"{missing} candidates have no photo yet"),) if missing else ()
    return Summary("photos", "照片", len(photos), notes)


def check_paper(paper_document: Mapping[str, object], keys_document: Mapping[str, object] | None) -> PaperDocument:
    """Read a paper and let its keys test themselves (design §7); refused by name when anything fails."""
    paper = parse_paper(paper_document)
    if keys_document is not None:
        keys = parse_keys(keys_document, paper)
        findings = check_keys_against_themselves(paper.document, keys.document)
        if findings:
            raise Invalid(KEYS_UNSOUND, code=paper.code, count=len(findings), first=findings[0].sentence())
    return paper


def import_paper(
    db: Session,
    paper_document: Mapping[str, object],
    keys_document: Mapping[str, object] | None,
    *,
    assets: Mapping[str, tuple[str, str, int]],
    at: datetime,
    by: int | None = None,
    is_backup: bool = False,
) -> Summary:
    """Take in a paper and give it to the sittings of its subject that have none.

    `assets`: name → (SHA-256, media type, size) of files that lie in the asset folder. `keys_document` None:
    the centre marks.
    """
    paper = check_paper(paper_document, keys_document)
    is_backup = is_backup or is_practice_code(paper.code)  # never given to a sitting by itself
    subject = find_subject(db, certificate=paper.certificate, level=paper.level, subject=paper.subject)
    row = db.scalars(select(Paper).where(Paper.code == paper.code)).one_or_none()
    if row is not None:
        if db.scalar(select(func.count()).select_from(Attempt).where(Attempt.paper_id == row.id)):
            raise Refused(PAPER_IN_USE, code=paper.code)
        db.execute(delete(PaperAsset).where(PaperAsset.paper_id == row.id))
    else:
        row = Paper(code=paper.code)
        db.add(row)
    row.subject_id, row.title, row.sha256 = subject.id, paper.title, paper.sha256
    row.document = canonical_bytes(paper_document).decode()
    row.keys = "" if keys_document is None else canonical_bytes(keys_document).decode()
    row.item_count, row.is_backup, row.imported_at = len(paper.items), is_backup, at
    db.flush()
    for name, (sha256, media_type, size) in assets.items():
        _keep_asset(db, sha256, media_type=media_type, size=size)
        db.add(PaperAsset(paper_id=row.id, name=name, sha256=sha256))
    given = 0
    if not is_backup:
        waiting = db.scalars(
            select(Sitting).where(
                Sitting.subject_id == subject.id,
                Sitting.paper_id.is_(None),
                Sitting.state.in_([SittingState.PLANNED, SittingState.ADMITTING]),
            )
        ).all()
        for sitting in waiting:
            sitting.paper_id = row.id
        given = len(waiting)
    db.flush()
    journal.append(db, "paper_imported", at=at, by=by, code=paper.code, items=len(paper.items), sha256=paper.sha256)
    note = (f"用于 {given} 个场次", f"given to {given} sittings")
    return Summary("paper", paper.title, len(paper.items), (note,))


def find_subject(db: Session, *, certificate: str, level: str, subject: str) -> Subject:
    """Find the subject that a roster or a paper means, in the plans that are here."""
    real = select(Plan).where(Plan.is_practice.is_(False))
    plans = db.scalars(real.order_by(Plan.imported_at.desc(), Plan.id.desc())).all()
    if not plans:
        raise Missing(PLAN_MISSING)
    refusal: Missing | None = None
    for plan in plans:
        try:
            found = parse_plan(json.loads(plan.document)).certificate(certificate, level)
            code = found.subject(subject).code
        except Missing as error:
            refusal = refusal or error
            continue
        return db.scalars(
            select(Subject).where(
                Subject.plan_id == plan.id,
                Subject.certificate_code == found.code,
                Subject.level == found.level,
                Subject.code == code,
            )
        ).one()
    assert refusal is not None
    raise refusal


def _subject_row(plan_id: int, certificate: CertificatePlan, subject: SubjectPlan) -> Subject:
    policy = certificate.policy
    return Subject(
        plan_id=plan_id,
        certificate_code=certificate.code,
        certificate_name=certificate.name,
        level=certificate.level,
        code=subject.code,
        name=subject.name,
        word=certificate.word,
        duration_min=subject.duration_min,
        entry_cutoff_min=subject.entry_cutoff_min,
        early_leave_min=subject.early_leave_min,
        remind_min=subject.remind_min,
        extension_limit_min=policy.extension_limit_min,
        extension_scope=policy.extension_scope,
        outage_limit_s=policy.outage_limit_s,
        outage_ask_min=policy.outage_ask_min,
        scores_shown_on_site=policy.scores_shown_on_site,
        rules=json.dumps(policy.rules, ensure_ascii=False),
        misconduct_rules=json.dumps(policy.misconduct_rules, ensure_ascii=False),
        pass_rule=json.dumps(certificate.pass_rule.document, ensure_ascii=False),
        lockdown=json.dumps(policy.lockdown.as_document(), ensure_ascii=False),
    )


def _room(db: Session, name: str, site_name: str) -> Room:
    room = db.scalars(select(Room).where(Room.name == name)).one_or_none()
    if room is None:
        room = Room(name=name, site_name=site_name)
        db.add(room)
        db.flush()
    return room


def _planned_sitting(db: Session, room: Room, subject: Subject, starts_at: datetime) -> Sitting:
    sitting = db.scalars(
        select(Sitting).where(
            Sitting.room_id == room.id, Sitting.subject_id == subject.id, Sitting.planned_start_at == starts_at
        )
    ).one_or_none()
    if sitting is None:
        paper_id = db.scalars(
            select(Paper.id)
            .where(Paper.subject_id == subject.id, Paper.is_backup.is_(False))
            .order_by(Paper.imported_at.desc(), Paper.id.desc())
        ).first()
        sitting = Sitting(room_id=room.id, subject_id=subject.id, paper_id=paper_id, planned_start_at=starts_at)
        db.add(sitting)
        db.flush()
    else:
        lock_row(db, Sitting, sitting.id)
        if sitting.state != SittingState.PLANNED or _is_recorded(db, sitting.id):
            raise Refused(SITTING_BEGUN)
    db.execute(delete(Entry).where(Entry.sitting_id == sitting.id))
    return sitting


def _is_recorded(db: Session, sitting_id: int) -> bool:
    """Say whether the journal or a message names an entry of the sitting, which must then stay."""
    entry_ids = select(Entry.id).where(Entry.sitting_id == sitting_id)
    named = (select(func.count()).where(model.entry_id.in_(entry_ids)) for model in (JournalEntry, Message))
    return any(db.scalar(one) for one in named)


def _seats(db: Session, room: Room, rows: Sequence[RosterRow], *, assign: bool) -> list[Seat]:
    known = {seat.number: seat for seat in db.scalars(select(Seat).where(Seat.room_id == room.id))}
    seats: list[Seat] = []
    for position, row in enumerate(rows, start=1):
        number = row.seat or (str(position) if assign else None)
        if number is None:
            raise Invalid(HEAD_INCOMPLETE, field="座位号")
        if number not in known:
            known[number] = Seat(room_id=room.id, number=number, is_spare=False)
            db.add(known[number])
        known[number].is_spare = False
        seats.append(known[number])
    db.flush()
    return seats


def _candidate(db: Session, row: RosterRow) -> Candidate:
    candidate = db.scalars(select(Candidate).where(Candidate.ticket_number == row.ticket_number)).one_or_none()
    if candidate is None:
        candidate = Candidate(ticket_number=row.ticket_number, name=row.name)
        db.add(candidate)
    elif candidate.name != row.name:
        raise Invalid(TWO_NAMES, ticket=row.ticket_number, known=candidate.name, name=row.name, row=row.row)
    candidate.pinyin = row.pinyin or candidate.pinyin or ""
    candidate.institution = row.institution or candidate.institution or ""
    if row.id_number and ("*" not in row.id_number or not candidate.id_number):
        candidate.id_number = row.id_number
    candidate.id_number = candidate.id_number or ""
    db.flush()
    return candidate


def _head_document(roster: Roster) -> dict[str, object]:
    head = roster.head
    return {
        "institution": head.institution,
        "invigilators": list(head.invigilators),
        "inspectors": list(head.inspectors),
        "expected_count": head.expected_count,
        "planned_end_at": head.planned_end_at,
    }


def _keep_asset(db: Session, sha256: str, *, media_type: str, size: int) -> None:
    if db.get(Asset, sha256) is None:
        db.add(Asset(sha256=sha256, media_type=media_type, size=size))
        db.flush()
