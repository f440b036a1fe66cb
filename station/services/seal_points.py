"""What the station looks at itself before a room is sealed: what it found, and at which seats (R-ROOM-7)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.disk_budget import DISK_SHORT
from station.domain.readiness import FindingState, Readiness
from station.domain.sealing import CHECK_LASTS, Point, PointState, seats_text, sign_in_point
from station.domain.sitting import SittingKind, SittingState
from station.errors import StationError
from station.services.room_check import FIT, Pc, PcState, RoomPicture, faults_of
from station.store.models import ReadinessReport, Sitting, StationLife, Subject
from station.store.room_reading import MachineReading, count_roster

_OVER = (SittingState.CLOSED, SittingState.DELIVERED)
_WRONG_PC = frozenset({PcState.NOT_READY, PcState.UNCHECKED, PcState.STALE})
_NOT_REGISTERED = frozenset({PcState.LINK, PcState.NONE})
_NOT_HEARD = _NOT_REGISTERED | {PcState.UNHEARD}
BACKUP_LASTS = timedelta(hours=24)


@dataclass(frozen=True)
class Trial:
    """How the trial test went: whether it passed, when, and its figures in a sentence."""

    is_passed: bool
    held_at: datetime
    zh: str
    en: str


@dataclass(frozen=True)
class Facts:
    """What only the edges know, and what staff have entered.

    `disk`: what the gate on the disk refuses for the sittings to come; `sheets`: numbers on the paper sign-in sheets.
    """

    zone: ZoneInfo
    disk: Sequence[StationError] = ()
    has_backups: bool = False
    sheets: Mapping[int, int] = field(default_factory=dict)
    trial: Trial | None = None


@dataclass(frozen=True)
class Sheet:
    """A sitting to come, and how many stand on its roster."""

    sitting_id: int
    name: str
    expected: int
    has_paper: bool


def read_points(db: Session, picture: RoomPicture, facts: Facts, *, at: datetime) -> list[Point]:
    """List every point in the order of the page and of the form."""
    sheets = sheets_of(db, picture.room.id, zone=facts.zone)
    pcs, spares = picture.pcs_of(is_spare=False), picture.pcs_of(is_spare=True)
    return [
        _candidate_pcs(pcs, at),
        _paired(pcs),
        _seats_point("heard", pcs, _NOT_HEARD, ("未登记或联系不上", "not registered or not heard")),
        _internet(pcs, spares),
        _spares(spares),
        _machine("server", [one for one in picture.machines if one.role == "server"], at),
        _machine("invigilator_pc", [one for one in picture.machines if one.role == "invigilator_pc"], at),
        _clock(db),
        _disk(facts.disk),
        _backups(db, facts, at),
        _roster(sheets),
        sign_in_point((one.name, one.expected, facts.sheets.get(one.sitting_id)) for one in sheets),
        _papers(sheets),
        _trial(facts),
    ]


def sheets_of(db: Session, room_id: int, *, zone: ZoneInfo) -> list[Sheet]:
    """List the sittings of a room that are still to come or under way, with the number on the roster of each."""
    counts = count_roster(db, room_id)
    rows = db.execute(
        select(Sitting, Subject)
        .join(Subject, Subject.id == Sitting.subject_id)
        .where(Sitting.room_id == room_id, Sitting.state.not_in(_OVER), Sitting.kind == SittingKind.REAL)
        .order_by(Sitting.planned_start_at, Sitting.id)
    )
    return [
        Sheet(
            sitting.id,
            f"{sitting.planned_start_at.astimezone(zone):%m-%d %H:%M} {subject.certificate_name}"
            f"（{subject.level}）{subject.name}",
            counts.get(sitting.id, 0),
            sitting.paper_id is not None,
        )
        for sitting, subject in rows
    ]


def _candidate_pcs(pcs: Sequence[Pc], at: datetime) -> Point:
    total = len(pcs)
    fit = sum(one.state in FIT for one in pcs)
    if not total:
        return Point("candidate_pcs", PointState.OPEN, "本考场没有考位", "The room has no seats")
    wrong = tuple(one.reading.number for one in pcs if one.state in _WRONG_PC)
    if wrong:
        named = seats_text(wrong)
        zh, en = f"{fit} / {total} 就绪，未就绪：{named[0]}", f"{fit} of {total} ready; not: {named[1]}"
        return Point("candidate_pcs", PointState.OPEN, zh, en, wrong)
    if fit < total:
        zh = f"{fit} / {total} 就绪，其余未登记或联系不上"
        en = f"{fit} of {total} ready; the others are not registered or not heard"
        return Point("candidate_pcs", PointState.OPEN, zh, en)
    old = tuple(one.reading.number for one in pcs if _is_old(one.reading.reported_at, at))
    if old:
        named = seats_text(old)
        zh, en = f"检查已过期，请重新检查：{named[0]}", f"checked too long ago: {named[1]}"
        return Point("candidate_pcs", PointState.OPEN, zh, en, old)
    warned = tuple(one.reading.number for one in pcs if one.state is PcState.WARNING)
    if warned:
        named = seats_text(warned)
        zh, en = f"{fit} / {total} 就绪，有提示：{named[0]}", f"{fit} of {total} ready; advice: {named[1]}"
        return Point("candidate_pcs", PointState.NOTE, zh, en, warned)
    return Point("candidate_pcs", PointState.OK, f"{fit} / {total} 就绪", f"{fit} of {total} ready")


def _paired(pcs: Sequence[Pc]) -> Point:
    """Every seat has its PC, and of each of them the technician knows that it is the right one."""
    doubted = tuple(one.reading.number for one in pcs if one.reading.doubt)
    if not doubted:
        return _seats_point("paired", pcs, _NOT_REGISTERED, ("未登记", "not registered"))
    named = seats_text(doubted)
    zh, en = f"与原登记的电脑不同，待确认：{named[0]}", f"differ from the PCs registered before, confirm: {named[1]}"
    return Point("paired", PointState.OPEN, zh, en, doubted)


def _seats_point(code: str, pcs: Sequence[Pc], wrong_states: frozenset[PcState], what: tuple[str, str]) -> Point:
    wrong = tuple(one.reading.number for one in pcs if one.state in wrong_states)
    total, good = len(pcs), len(pcs) - len(wrong)
    if not wrong:
        return Point(code, PointState.OK, f"{good} / {total}", f"{good} of {total}")
    named = seats_text(wrong)
    zh, en = f"{good} / {total}，{what[0]}：{named[0]}", f"{good} of {total}; {what[1]}: {named[1]}"
    return Point(code, PointState.OPEN, zh, en, wrong)


def _internet(pcs: Sequence[Pc], spares: Sequence[Pc]) -> Point:
    """R-ROOM-2: it was tried on each PC; what could not be tried is open, and so is a spare that gets out."""
    wrong = [one.reading.number for one in pcs if one.reading.state is None or _internet_of(one) is not FindingState.OK]
    good = len(pcs) - len(wrong)
    wrong += [one.reading.number for one in spares if _internet_of(one) is FindingState.FAIL]
    if not wrong:
        zh, en = f"已在 {len(pcs)} 台上实测，均不通", f"tried on {len(pcs)} PCs, none gets out"
        return Point("internet", PointState.OK, zh, en)
    named = seats_text(wrong)
    zh = f"{good} / {len(pcs)} 已确认不通，须处理：{named[0]}"
    en = f"{good} of {len(pcs)} surely closed; to be seen to: {named[1]}"
    return Point("internet", PointState.OPEN, zh, en, tuple(wrong))


def _internet_of(pc: Pc) -> FindingState:
    return next((one.state for one in pc.faults if one.check == "internet"), FindingState.OK)


def _spares(pcs: Sequence[Pc]) -> Point:
    """Spares do not hold the sealing up; that none is fit is worth knowing (R-ROOM-1)."""
    fit = sum(one.state in FIT for one in pcs)
    state = PointState.OK if fit == len(pcs) and pcs else PointState.NOTE
    if not pcs:
        return Point("spares", state, "没有备用机", "There are none")
    return Point("spares", state, f"{fit} / {len(pcs)} 就绪", f"{fit} of {len(pcs)} ready")


def _machine(code: str, machines: Sequence[MachineReading], at: datetime) -> Point:
    if not machines:
        if code == "server":
            return Point(code, PointState.OPEN, "未检查", "not checked")
        return Point(
            code, PointState.NOTE, "未检查（在监考机上打开考场检查页面即可）", "not checked: open the room check on it"
        )
    failed = [one for one in machines if one.state == Readiness.NOT_READY]
    faults = [fault for one in failed or machines for fault in faults_of(one.faults)]
    if failed:
        faults = [one for one in faults if one.state is FindingState.FAIL]
    zh = "；".join(f"{one.title[0]}：{one.measured[0]}" for one in faults[:4])
    en = "; ".join(f"{one.title[1]}: {one.measured[1]}" for one in faults[:4])
    if failed:
        return Point(code, PointState.OPEN, zh, en)
    if all(_is_old(one.reported_at, at) for one in machines):
        return Point(code, PointState.OPEN, "检查已过期，请重新检查", "checked too long ago: check again")
    if any(one.state == Readiness.WARNING for one in machines):
        return Point(code, PointState.NOTE, zh or "有提示", en or "with advice")
    return Point(code, PointState.OK, "就绪", "ready")


def _clock(db: Session) -> Point:
    life = db.get(StationLife, 1)
    if life is not None and life.clock_in_doubt:
        return Point(
            "clock", PointState.OPEN, "时间不可信，请先在监控页面确认", "not believed: confirm it on the board first"
        )
    server = db.scalars(select(ReadinessReport).where(ReadinessReport.machine == "server")).one_or_none()
    found = [] if server is None else json.loads(server.document).get("findings", [])
    measured = next((one for one in found if one["check"] == "clock_offset_s"), None)
    if measured is None or measured["state"] == FindingState.UNKNOWN:
        return Point(
            "clock", PointState.NOTE, "没有可信时间可比对，请人工核对", "nothing to compare it with: look at a clock"
        )
    state = PointState.OPEN if measured["state"] == FindingState.FAIL else PointState.OK
    return Point("clock", state, measured["measured"]["zh"], measured["measured"]["en"])


def _disk(refusals: Sequence[StationError]) -> Point:
    if not refusals:
        return Point("disk", PointState.OK, "够各场次使用", "enough for all sittings")
    worst = next((one for one in refusals if one.code == DISK_SHORT.code), refusals[0])
    state = PointState.NEVER if worst.code == DISK_SHORT.code else PointState.OPEN
    return Point("disk", state, worst.sentence("zh"), worst.sentence("en"))


def _backups(db: Session, facts: Facts, at: datetime) -> Point:
    life = db.get(StationLife, 1)
    if not facts.has_backups:
        return Point("backups", PointState.OPEN, "没有设置自动备份", "automatic backups are not set up")
    if life is not None and life.backup_trouble:
        return Point("backups", PointState.OPEN, life.backup_trouble, life.backup_trouble)
    if life is None or life.backed_up_at is None:
        return Point("backups", PointState.NOTE, "已设置，尚未做过备份", "set up; none was made yet")
    if life.backup_on_same_disk:
        return Point("backups", PointState.NOTE, "备份与数据在同一磁盘上", "they lie on the same disk as the station")
    when = f"{life.backed_up_at.astimezone(facts.zone):%m-%d %H:%M}"
    state = PointState.OK if at - life.backed_up_at < BACKUP_LASTS else PointState.NOTE
    return Point("backups", state, f"上次备份 {when}，已校验", f"the last was made {when} and checked")


def _roster(sheets: Sequence[Sheet]) -> Point:
    if not sheets:
        return Point("roster", PointState.OPEN, "本考场没有待考场次", "no sitting is to come in this room")
    empty = [one.name for one in sheets if not one.expected]
    if empty:
        return Point("roster", PointState.OPEN, f"名单为空：{'、'.join(empty)}", f"empty: {', '.join(empty)}")
    total = sum(one.expected for one in sheets)
    return Point(
        "roster", PointState.OK, f"{len(sheets)} 个场次，{total} 人次", f"{len(sheets)} sittings, {total} entries"
    )


def _papers(sheets: Sequence[Sheet]) -> Point:
    without = [one.name for one in sheets if not one.has_paper]
    if without or not sheets:
        named = "、".join(without) or "—"
        return Point("papers", PointState.OPEN, f"缺少试卷：{named}", f"none for: {named}")
    return Point("papers", PointState.OK, f"{len(sheets)} 个场次均已到位", f"there for all {len(sheets)} sittings")


def _trial(facts: Facts) -> Point:
    if facts.trial is None:
        return Point(
            "trial_test", PointState.NOTE, "系统中没有试考记录，须人工确认", "none is on record: to be ticked by hand"
        )
    state = PointState.OK if facts.trial.is_passed else PointState.OPEN
    when = f"{facts.trial.held_at.astimezone(facts.zone):%m-%d %H:%M}"
    return Point("trial_test", state, f"{when} {facts.trial.zh}", f"{when} {facts.trial.en}")


def _is_old(reported_at: datetime | None, at: datetime) -> bool:
    return reported_at is None or at - reported_at > CHECK_LASTS
