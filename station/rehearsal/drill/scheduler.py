"""Restart the station over deadlines: everybody is collected once, at the right moment, by one process only."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.clock import system_time
from station.config import CONFIG_NAME
from station.domain.attempt import AttemptState
from station.domain.incident import ExtensionState
from station.domain.sitting import interrupted_s
from station.rehearsal.drill.pressure import Pressure
from station.rehearsal.drill.proof import prove
from station.rehearsal.drill.result import FaultResult
from station.rehearsal.drill.times import (
    BUSY,
    RESOLUTION_S,
    check_deadlines,
    check_recoveries,
    closed_interruptions,
    machine_load,
)
from station.rehearsal.ground import Ground
from station.rehearsal.premises import HOST, START_TIMEOUT_S, Child, free_port
from station.setup import config_text
from station.store.locking import lock_attempts
from station.store.models import Attempt, Extension, JournalEntry, Sitting, Staff
from station.store.sole_use import FOLDER_IN_USE
from station.store.times import move_deadline

KIND = "scheduler"
CANDIDATES = 32
MINUTES = 30
# So long after everything runs the first deadline comes; the others one after the other.
FIRST_IN_S = 2
APART_S = 1
GROUPS = 4
_ALL_WITHIN_S = 90.0


def run(folder: Path, *, rounds: int, is_long: bool, patience: float = 1.0) -> FaultResult:
    """Play so many rounds, each with deadlines a second apart and kills between them.

    `patience` stretches what is allowed to take time, for busy machines.
    """
    saves = lost = broken = 0
    recoveries_s: list[float] = []
    wrong: list[str] = []
    late_s = 0.0
    for number in range(1, rounds + 1):
        port = free_port()
        ground = Ground.make(
            folder / str(number),
            candidates=CANDIDATES,
            minutes=MINUTES,
            settings={"candidate_listener.port": port},
        )
        try:
            pressure, restarts = _restart_over_deadlines(ground, port, wrong)
            store = ground.open_store()
            proof = prove(store, [pressure.acks], ground.items)
            with store.reading() as db:
                wrong += [*proof.wrong, *check_deadlines(db, ground, minutes=MINUTES), *_check_collected_once(db)]
                late_s = max(late_s, _latest_s(db))
            store.close()
        finally:
            ground.close()
        saves, lost, broken = saves + proof.saves_acked, lost + proof.acked_lost, broken + proof.chain_broken
        recoveries_s += restarts
    # On a machine that takes long to start the station, all else is as much slower.
    if late_s > (RESOLUTION_S + max(recoveries_s) / 2) * patience and machine_load() <= BUSY:
        wrong.append(f"收卷比截止时间晚 {late_s:.1f} 秒。 Collected {late_s:.1f} s after the deadline.")
    wrong += check_recoveries(recoveries_s, patience=patience)
    return FaultResult(
        KIND,
        rounds=rounds,
        saves_acked=saves,
        acked_lost=lost,
        chain_broken=broken,
        recovery_s=round(max(recoveries_s), 2),
        done_zh=f"{CANDIDATES} 名考生的截止时间相隔 1 秒，期间反复强行结束考站再启动，"
        "并试图在同一文件夹启动第二个考站。",
        done_en=f"{CANDIDATES} candidates with deadlines a second apart; the station was killed and started again over "
        "them, and a second one was started on the same folder.",
        notes=(
            (
                f"重启 {len(recoveries_s)} 次；最晚在截止后 {late_s:.1f} 秒收卷（每秒检查一次）",
                f"{len(recoveries_s)} restarts; collected within {late_s:.1f} s of the deadline (a look each second)",
            ),
        ),
        wrong=tuple(wrong),
    )


def _spread_deadlines(ground: Ground) -> None:
    """Let the time of all but be up, and give every group a second more than the one before."""
    store = ground.open_store()
    ground.started_at = system_time() - timedelta(minutes=MINUTES, seconds=-FIRST_IN_S)
    with store.transaction() as db:
        by, at = db.scalars(select(Staff.id).order_by(Staff.id)).first(), ground.started_at
        db.get_one(Sitting, ground.sitting_id).started_at = at
        for number, attempt in enumerate(lock_attempts(db, db.scalars(select(Attempt)).all())):
            seconds = number % GROUPS * APART_S
            if seconds:
                db.add(
                    Extension(
                        attempt_id=attempt.id,
                        seconds=seconds,
                        reason_kind="other",
                        state=ExtensionState.GRANTED,
                        proposed_by=by,
                        proposed_at=at,
                        site_by=by,
                        body_by=by,
                        decided_at=at,
                    )
                )
            move_deadline(db, attempt)
    store.close()


def _restart_over_deadlines(ground: Ground, port: int, wrong: list[str]) -> tuple[Pressure, Sequence[float]]:
    """Kill and restart until all are collected, and once more after that; gives how long each restart took."""
    chance, restarts = random.Random(), []
    station = ground.serve()
    pressure = Pressure.start(ground, "scheduler", port=port, mode="open", every_s=0.5)
    pressure.wait_for_ack(station=station)
    wrong += _check_second_is_refused(ground)
    _spread_deadlines(ground)
    until = time.monotonic() + _ALL_WITHIN_S
    while (due_at := _next_deadline(ground)) is not None and time.monotonic() < until:
        # Somewhere around a deadline: shortly before it, in the middle of the collecting, shortly after.
        lead_s = (due_at - system_time()).total_seconds() + chance.uniform(-0.4, 1.2)
        time.sleep(min(max(0.0, lead_s), 3.0))
        station, restarted_s = _restart(ground, pressure, station)
        restarts.append(restarted_s)
        time.sleep(chance.uniform(0.6, 1.6))
    station, restarted_s = _restart(ground, pressure, station)
    time.sleep(1.2)
    pressure.end()
    station.stop()
    return pressure, [*restarts, restarted_s]


def _restart(ground: Ground, pressure: Pressure, station: Child) -> tuple[Child, float]:
    station.process.kill()
    station.process.wait()
    size, began = pressure.settled_size(), time.monotonic()
    station = ground.serve()
    served, _ = pressure.wait_for_ack(beyond=size, station=station)
    return station, served - began


def _next_deadline(ground: Ground) -> datetime | None:
    store = ground.open_store()
    try:
        with store.reading() as db:
            return db.scalars(
                select(Attempt.deadline_at).where(Attempt.ended_at.is_(None)).order_by(Attempt.deadline_at).limit(1)
            ).first()
    finally:
        store.close()


def _check_second_is_refused(ground: Ground) -> list[str]:
    """Start a second station on the same store, at another address: only one may collect."""
    home = ground.premises.folder / "second"
    shutil.copytree(ground.config.keys, home / "keys")
    lines = {
        "candidate_listener.host": HOST,
        "candidate_listener.port": 0,
        "staff_listener.host": HOST,
        "staff_listener.port": 0,
        "store.folder": str(ground.config.folder),
    }
    text = config_text({name: json.dumps(value) for name, value in lines.items()})
    (home / CONFIG_NAME).write_text(text, encoding="utf-8")
    second = ground.premises.start("second", ["station", "serve", str(home)])
    try:
        status = second.process.wait(START_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        status = 0
    finally:
        second.stop()
    if status == 1 and FOLDER_IN_USE.code in second.log.read_text("utf-8", errors="replace"):
        return []
    return ["同一数据文件夹可以启动第二个考站。 A second station could be started on the same folder."]


def _check_collected_once(db: Session) -> list[str]:
    states = Counter(AttemptState(state) for state in db.scalars(select(Attempt.state)))
    collected = Counter(db.scalars(select(JournalEntry.entry_id).where(JournalEntry.event == "collected")))
    entries = list(db.scalars(select(Attempt.entry_id)))
    untimely = list(db.scalars(select(Attempt.id).where(Attempt.ended_at != Attempt.deadline_at)))
    wrong = []
    if states != {AttemptState.COLLECTED: CANDIDATES}:
        wrong.append(f"并非全部收卷：{dict(states)}。 Not everybody was collected.")
    if any(collected[entry_id] != 1 for entry_id in entries):
        wrong.append(f"收卷次数不是每人一次：{sorted(collected.values())}。 Somebody was not collected exactly once.")
    if untimely:
        wrong.append(f"{len(untimely)} 名考生的结束时间不是截止时间。 {len(untimely)} did not end at their deadline.")
    return wrong


def _latest_s(db: Session) -> float:
    """Say how long after the deadline somebody was collected at the latest, without what the station was away."""
    stretches = closed_interruptions(db)
    rows = db.execute(
        select(JournalEntry.at, Attempt.deadline_at)
        .join(Attempt, Attempt.entry_id == JournalEntry.entry_id)
        .where(JournalEntry.event == "collected")
    )
    return max(
        (at - deadline_at).total_seconds()
        - interrupted_s([one for one in stretches if one[1] <= at], since=deadline_at)
        for at, deadline_at in rows
    )
