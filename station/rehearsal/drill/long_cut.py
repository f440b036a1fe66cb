"""A long cut: the station is away for many minutes while the pages go on, then all queues go out in one go.

One round, on one station with a sitting of 5 minutes:
1. Away for 10 minutes, less than the subject's limit: the deadline has passed on every page. The station gives the
   time back first, so nothing of what is sent now is late.
2. Away for 20 minutes, more than the limit: the sitting waits for the invigilator's 「继续考试」. What is sent
   while it waits is stored and not late; then the time is given back.
3. The station is there but the pages are cut off; the deadline passes, everybody is collected. What comes now is kept
   and flagged late, and changes no current answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from station.clock import system_time
from station.errors import Unsound, problem
from station.rehearsal.drill.pressure import Pressure
from station.rehearsal.drill.proof import prove
from station.rehearsal.drill.result import Bilingual, FaultResult
from station.rehearsal.drill.times import check_deadlines, check_recoveries, closed_interruptions
from station.rehearsal.ground import STAFF_USER, Ground
from station.rehearsal.premises import HOST, Child, free_port
from station.rehearsal.staff import StaffMember
from station.store.models import Attempt, Revision

NOT_COLLECTED = problem(
    "drill_not_collected",
    "截止时间已过，{seconds} 秒内仍有 {count} 名考生未收卷。",
    "{count} attempts were not collected within {seconds} s of their deadline.",
)

KIND = "long_cut"
CANDIDATES = 45
QUEUED = 200
BATCH = 50
MINUTES = 5
LIMIT_S = 900
SHORT_CUT = timedelta(minutes=10)
LONG_CUT = timedelta(minutes=20)
# So many station seconds a second, for the time until the deadline.
SCALE = 40.0
_COLLECTED_WITHIN_S = 60.0
_FLUSH_WITHIN_S = 120.0


@dataclass
class _Round:
    """One round's station, and what it has shown so far."""

    ground: Ground
    port: int
    next_sequence: int = 1
    acks: list[Path] = field(default_factory=list)
    flushes_s: list[float] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def queue_up(self, name: str) -> Pressure:
        """Let all pages try to send what they have queued, until they can."""
        pressure = Pressure.start(
            self.ground,
            name,
            port=self.port,
            mode="queue",
            from_sequence=self.next_sequence,
            queued=QUEUED,
            batch=BATCH,
        )
        self.next_sequence += QUEUED
        self.acks.append(pressure.acks)
        return pressure

    def flush(self, pressure: Pressure, station: Child) -> None:
        """Wait until every queue is empty."""
        began, _ = pressure.wait_for_ack(station=station)
        report = pressure.finish(timeout_s=_FLUSH_WITHIN_S)
        self.flushes_s.append(time.monotonic() - began)
        if report.unordered:
            self.wrong.append(
                f"补传次序错乱 {report.unordered} 次。 {report.unordered} queued saves were acknowledged out of order."
            )

    def come_back(self, at: datetime, pressure: Pressure, *, scale: float = 1.0) -> Child:
        """Start the station with its clock at this moment, and wait until it takes saves."""
        began = time.monotonic()
        options = ["--rehearsal-start", at.isoformat(), "--rehearsal-scale", str(scale)]
        station = self.ground.serve(options=options)
        served, _ = pressure.wait_for_ack(station=station)
        self.recoveries_s.append(served - began)
        return station

    def check_late(self, expected: int, when: Bilingual) -> None:
        """Compare how many saves are flagged late."""
        store = self.ground.open_store()
        with store.reading() as db:
            late = db.scalar(select(func.count()).select_from(Revision).where(Revision.is_late))
        store.close()
        if late != expected:
            self.wrong.append(
                f"{when[0]}：迟到的保存 {late} 次，应为 {expected}。 {when[1]}: {late} late saves, expected {expected}."
            )


def run(folder: Path, *, rounds: int, is_long: bool, patience: float = 1.0) -> FaultResult:
    """Play so many rounds, each on a station of its own. `patience` stretches what is allowed to take time."""
    saves = lost = broken = 0
    wrong: list[str] = []
    flushes_s: list[float] = []
    recoveries_s: list[float] = []
    for number in range(1, rounds + 1):
        port = free_port()
        ground = Ground.make(
            folder / str(number),
            candidates=CANDIDATES,
            minutes=MINUTES,
            early_leave_min=0,
            outage_limit_s=LIMIT_S,
            settings={"candidate_listener.port": port},
        )
        try:
            played = _Round(ground, port)
            _play(played)
            store = ground.open_store()
            proof = prove(store, played.acks, ground.items)
            store.close()
        finally:
            ground.close()
        saves, lost, broken = saves + proof.saves_acked, lost + proof.acked_lost, broken + proof.chain_broken
        wrong += [*played.wrong, *proof.wrong]
        flushes_s += played.flushes_s
        recoveries_s += played.recoveries_s
    wrong += check_recoveries(recoveries_s, patience=patience)
    return FaultResult(
        KIND,
        rounds=rounds,
        saves_acked=saves,
        acked_lost=lost,
        chain_broken=broken,
        recovery_s=round(max(recoveries_s), 2),
        done_zh=f"考站中断 10 分钟和 20 分钟，{CANDIDATES} 名考生各积压 {QUEUED} 次保存后一次补传；"
        "期间本机倒计时已到零（先补时，不算迟到），以及真正过了截止时间（保留并标为迟到）。",
        done_en=f"Away for 10 and 20 minutes while {CANDIDATES} pages queued {QUEUED} saves each, then sent in one go; "
        "past the page's own zero (time given back first, nothing late) and past the real deadline (kept, late).",
        notes=(
            (
                f"{CANDIDATES * QUEUED} 次积压的保存全部确认最长 {max(flushes_s):.1f} 秒",
                f"all {CANDIDATES * QUEUED} queued saves acknowledged within {max(flushes_s):.1f} s",
            ),
        ),
        wrong=tuple(wrong),
    )


def _play(played: _Round) -> None:
    ground = played.ground
    station = ground.serve()
    first = played.queue_up("before")
    played.flush(first, station)
    _end_at_once(station)

    waiting = played.queue_up("after-10-minutes")
    back_at = system_time() + SHORT_CUT
    station = played.come_back(back_at, waiting)
    played.flush(waiting, station)
    _check_deadlines(played, least=SHORT_CUT)
    played.check_late(0, ("中断 10 分钟后", "after 10 minutes"))
    _end_at_once(station)

    waiting = played.queue_up("after-20-minutes")
    station = played.come_back(system_time() + SHORT_CUT + LONG_CUT, waiting, scale=SCALE)
    played.flush(waiting, station)
    _resume(ground, station)
    played.check_late(0, ("等待“继续考试”时", "while it waited to be resumed"))

    _wait_until_collected(ground)
    _check_deadlines(played, least=SHORT_CUT + LONG_CUT)
    late = played.queue_up("after-the-deadline")
    played.flush(late, station)
    played.check_late(CANDIDATES * QUEUED, ("截止时间过后", "after the deadline"))
    station.stop()


def _end_at_once(station: Child) -> None:
    station.process.kill()
    station.process.wait()


def _resume(ground: Ground, station: Child) -> None:
    invigilator = StaffMember(HOST, station.ports(2)[1], STAFF_USER, ground.passwords[STAFF_USER])
    invigilator.do(f"/api/sittings/{ground.sitting_id}/resume")
    invigilator.line.drop()


def _wait_until_collected(ground: Ground) -> None:
    store = ground.open_store()
    try:
        until = time.monotonic() + _COLLECTED_WITHIN_S
        while True:
            with store.reading() as db:
                open_ones = db.scalar(select(func.count()).select_from(Attempt).where(Attempt.ended_at.is_(None)))
            if not open_ones:
                return
            if time.monotonic() > until:
                raise Unsound(NOT_COLLECTED, seconds=round(_COLLECTED_WITHIN_S), count=open_ones)
            time.sleep(0.2)
    finally:
        store.close()


def _check_deadlines(played: _Round, *, least: timedelta) -> None:
    store = played.ground.open_store()
    with store.reading() as db:
        played.wrong += check_deadlines(db, played.ground, minutes=MINUTES)
        given = _sum(closed_interruptions(db))
    store.close()
    if given < least:
        played.wrong.append(f"只补回 {given}，至少应为 {least}。 Only {given} was given back, of at least {least}.")


def _sum(stretches: Sequence[tuple[datetime, datetime]]) -> timedelta:
    return sum((ended_at - began_at for began_at, ended_at in stretches), timedelta(0))
