"""The room check: what the machines of a room must have, and the reports that they send (R-ROOM-3, R-DAY-1).

One report of each machine is kept, the last. Whether a machine is heard is known at the edges and comes in.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.checks import MachineRole
from station.domain.plan import CertificatePlan, parse_plan
from station.domain.readiness import (
    Finding,
    FindingState,
    Judgement,
    Readiness,
    SeatReport,
    gravity,
    judge_report,
    parse_findings,
)
from station.domain.requirements import Item, Requirements, digest_of, room_requirements
from station.domain.room_seal import freeze
from station.errors import Missing, problem
from station.services import journal
from station.store.models import Device, ReadinessReport, Room, Seat, Sitting
from station.store.room_reading import MachineReading, PcReading, plans_of_room, read_machines, read_pcs

NO_SUCH_ROOM = problem("room_not_here", "本考站没有这个考场。", "This station has no such room.")
REPORT_UNKNOWN = problem("report_unknown", "这台机器还没有检查报告。", "This machine has not been checked yet.")

# A PC that was asked to check itself and has not reported after so long will not: it is off, or its agent hangs.
CHECK_TAKES = timedelta(seconds=60)
SERVER = "server"


class PcState(StrEnum):
    """What the room's picture says of one seat, the worst first."""

    NOT_READY = "not_ready"
    UNHEARD = "unheard"
    UNCHECKED = "unchecked"
    STALE = "stale"
    LINK = "link"
    NONE = "none"
    WARNING = "warning"
    READY = "ready"


PC_STATE_NAMES: dict[PcState, tuple[str, str]] = {
    PcState.NOT_READY: ("未就绪", "not ready"),
    PcState.UNHEARD: ("联系不上", "not heard"),
    PcState.UNCHECKED: ("未检查", "not checked"),
    PcState.STALE: ("需重新检查", "check again"),
    PcState.LINK: ("仅考位链接", "seat link only"),
    PcState.NONE: ("没有考试机", "no PC"),
    PcState.WARNING: ("就绪，有提示", "ready, with advice"),
    PcState.READY: ("就绪", "ready"),
}
FIT = frozenset({PcState.READY, PcState.WARNING})


@dataclass(frozen=True)
class Machine:
    """A machine that reports. `name` is its key in the store, `title` what people call it."""

    name: str
    role: MachineRole
    title: tuple[str, str]
    room_id: int | None = None
    device_id: int | None = None

    @staticmethod
    def pc(device_id: int, *, seat_number: str, room_id: int | None) -> Machine:
        """Name a candidate PC by its device."""
        title = (
            (f"考位 {seat_number}", f"seat {seat_number}") if seat_number else ("未分配考位的考试机", "PC without seat")
        )
        return Machine(f"pc:{device_id}", MachineRole.CANDIDATE_PC, title, room_id, device_id)

    @staticmethod
    def server() -> Machine:
        """Name the server."""
        return Machine(SERVER, MachineRole.SERVER, ("服务器", "server"))

    @staticmethod
    def console(address: str) -> Machine:
        """Name an invigilator PC by its address."""
        return Machine(
            f"console:{address}", MachineRole.INVIGILATOR_PC, (f"监考机 {address}", f"invigilator PC {address}")
        )


@dataclass(frozen=True)
class Pc:
    """One seat of the room's picture. `faults` are the findings that need somebody, the worst first."""

    reading: PcReading
    state: PcState
    is_checking: bool
    faults: tuple[Finding, ...]

    @property
    def counted(self) -> SeatReport:
        """Give what the room's figures count: only a PC that is heard and was checked against today's wants is fit."""
        if self.state in FIT:
            return SeatReport(self.reading.is_spare, Readiness(self.state))
        failed = Readiness.NOT_READY if self.state is PcState.NOT_READY else None
        return SeatReport(self.reading.is_spare, failed)


@dataclass(frozen=True)
class RoomPicture:
    """A room at a glance."""

    room: Room
    pcs: tuple[Pc, ...]
    machines: tuple[MachineReading, ...]
    digest: str

    def pcs_of(self, *, is_spare: bool) -> list[Pc]:
        return [one for one in self.pcs if one.reading.is_spare is is_spare]


@dataclass(frozen=True)
class FaultGroup:
    """The same finding on several seats: what to do is said once."""

    finding: Finding
    pcs: tuple[Pc, ...]


def room_of(db: Session, room_id: int) -> Room:
    """Find a room."""
    room = db.get(Room, room_id)
    if room is None or room.is_rehearsal:
        raise Missing(NO_SUCH_ROOM)
    return room


def devices_in(db: Session, room_id: int) -> list[int]:
    """List the PCs with an agent that stand in a room."""
    stands = select(Device.id).join(Seat, Seat.id == Device.seat_id)
    return list(db.scalars(stands.where(Seat.room_id == room_id, Device.ended_at.is_(None))))


def requirements_in(db: Session, room_id: int | None) -> Requirements:
    """Merge what the certificates in a room want; None: in all rooms of the station (server, invigilator PC)."""
    rooms = [room_id] if room_id is not None else list(db.scalars(select(Sitting.room_id).distinct()))
    wanted = {(plan.id, plan.document, code, level) for one in rooms for plan, code, level in plans_of_room(db, one)}
    return _merged(tuple((document, code, level) for _, document, code, level in sorted(wanted)))


def certificates_in(db: Session, room_ids: Sequence[int]) -> list[CertificatePlan]:
    """List the certificates that are held in rooms, as their plans name them."""
    found = {(plan.document, code, level) for one in room_ids for plan, code, level in plans_of_room(db, one)}
    return [parse_plan(json.loads(document)).certificate(code, level) for document, code, level in sorted(found)]


def items_for(db: Session, machine: Machine) -> tuple[Item, ...]:
    """List what is wanted of one machine."""
    return requirements_in(db, machine.room_id).of(machine.role)


def keep_report(db: Session, machine: Machine, *, document: Mapping[str, object], at: datetime) -> Judgement:
    """Judge a machine's report and keep it in place of the one before; a malformed one is refused.

    A machine that is not fit any more, or is again, goes into the journal.
    """
    items = items_for(db, machine)
    findings = parse_findings(document.get("findings"))
    digest = digest_of(items)
    kept = db.scalars(select(ReadinessReport).where(ReadinessReport.machine == machine.name)).one_or_none()
    before = None if kept is None else kept.state
    previous = None if kept is None else _value_of(kept, "restore_card")
    told = str(document.get("requirements", ""))[:64]
    judged = judge_report(findings, items, is_outdated=told != digest, previous=previous)
    if kept is None:
        kept = ReadinessReport(machine=machine.name, role=machine.role, device_id=machine.device_id)
        db.add(kept)
    kept.requirements, kept.state, kept.reported_at = told, judged.readiness, at
    kept.document = json.dumps(dict(document), ensure_ascii=False)
    kept.faults = _as_text(judged.to_fix)
    kept.fingerprint = json.dumps(freeze(document.get("facts"), findings).as_json(), ensure_ascii=False)
    kept.took_ms = _milliseconds(document.get("took_s"))
    db.flush()
    _note(db, machine, before=before, judged=judged, at=at)
    return judged


def read_picture(db: Session, room_id: int, *, heard: Collection[int], at: datetime) -> RoomPicture:
    """Read a room at a glance. `heard`: devices that are heard at this moment."""
    room = room_of(db, room_id)
    digest = digest_of(requirements_in(db, room_id).of(MachineRole.CANDIDATE_PC))
    pcs = tuple(_pc(one, heard=heard, digest=digest, at=at) for one in read_pcs(db, room_id))
    return RoomPicture(room, pcs, tuple(read_machines(db)), digest)


def group_faults(pcs: Sequence[Pc]) -> list[FaultGroup]:
    """Put the same fault of several PCs together: worst first, then what concerns most PCs.

    The same check in the same state is the same fault if the same is to be done about it.
    """
    groups: dict[tuple[str, str, str], list[tuple[Finding, Pc]]] = {}
    for pc in pcs:
        if pc.state in {PcState.NOT_READY, PcState.WARNING}:
            for finding in pc.faults:
                groups.setdefault((finding.state, finding.check, finding.to_do[0]), []).append((finding, pc))
    listed = [FaultGroup(found[0][0], tuple(pc for _, pc in found)) for found in groups.values()]
    return sorted(listed, key=lambda one: (gravity(one.finding.state), -len(one.pcs), one.finding.check))


def read_report(db: Session, machine: str) -> tuple[ReadinessReport, tuple[Finding, ...]]:
    """Read the last report of a machine with all its findings."""
    kept = db.scalars(select(ReadinessReport).where(ReadinessReport.machine == machine)).one_or_none()
    if kept is None:
        raise Missing(REPORT_UNKNOWN)
    return kept, parse_findings(json.loads(kept.document).get("findings"))


def faults_of(text: str) -> tuple[Finding, ...]:
    """Read the faults that were kept with a report."""
    return parse_findings(json.loads(text))


def _pc(reading: PcReading, *, heard: Collection[int], digest: str, at: datetime) -> Pc:
    asked = reading.asked_at
    is_checking = (
        asked is not None
        and at - asked < CHECK_TAKES
        and (reading.reported_at is None or reading.reported_at < asked)
        and (reading.answered_at is None or bool(reading.is_answer_ok))
    )
    return Pc(reading, _state_of(reading, heard, digest), is_checking, faults_of(reading.faults or "[]"))


def _state_of(reading: PcReading, heard: Collection[int], digest: str) -> PcState:
    if reading.device_id is None:
        return PcState.LINK if reading.has_link else PcState.NONE
    if reading.device_id not in heard:
        return PcState.UNHEARD
    if reading.state is None:
        return PcState.UNCHECKED
    if reading.requirements != digest and reading.state != Readiness.NOT_READY:
        return PcState.STALE
    return PcState(reading.state)


@lru_cache(maxsize=8)
def _merged(wanted: tuple[tuple[str, str, str], ...]) -> Requirements:
    """Merge certificates by their plan's text; remembered, as every look at the room asks."""
    return room_requirements(
        parse_plan(json.loads(document)).certificate(code, level).requirements for document, code, level in wanted
    )


def _value_of(kept: ReadinessReport, check: str) -> object:
    found = json.loads(kept.document).get("findings", [])
    return next((one.get("value") for one in found if one.get("check") == check), None)


def _as_text(findings: Sequence[Finding]) -> str:
    return json.dumps([one.as_json() for one in findings], ensure_ascii=False)


def _milliseconds(seconds: object) -> int:
    if isinstance(seconds, int | float) and 0 <= seconds < 86_400:
        return round(seconds * 1000)
    return 0


def _note(db: Session, machine: Machine, *, before: str | None, judged: Judgement, at: datetime) -> None:
    now = judged.readiness
    zh, en = machine.title
    if now is Readiness.NOT_READY and before != now:
        fails = [one for one in judged.to_fix if one.state is FindingState.FAIL]
        journal.append(
            db,
            "readiness_worsened",
            at=at,
            machine_zh=zh,
            machine_en=en,
            faults_zh="；".join(f"{one.title[0]}：{one.measured[0]}" for one in fails),
            faults_en="; ".join(f"{one.title[1]}: {one.measured[1]}" for one in fails),
        )
    elif now is not Readiness.NOT_READY and before == Readiness.NOT_READY:
        journal.append(db, "readiness_restored", at=at, machine_zh=zh, machine_en=en)
