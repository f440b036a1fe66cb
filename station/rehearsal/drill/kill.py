"""Kill the station at random moments under load, again and again, and start it anew (kill -9)."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from station.clock import system_time
from station.domain.sitting import interrupted_s
from station.rehearsal.drill.pressure import Pressure
from station.rehearsal.drill.proof import prove
from station.rehearsal.drill.result import FaultResult
from station.rehearsal.drill.times import (
    BUSY,
    RESOLUTION_S,
    Stretch,
    check_deadlines,
    check_recoveries,
    closed_interruptions,
    machine_load,
)
from station.rehearsal.ground import Ground
from station.rehearsal.premises import Child, free_port

KIND = "kill"
CANDIDATES = 45
MINUTES = 600
# The station measures until it comes back; a page hears of it at its next try.
NOTICED_WITHIN_S = 1.0


@dataclass(frozen=True)
class Outage:
    """From the kill to the first acknowledged save; `recovery_s` from the (last) restart."""

    began_at: datetime
    ended_at: datetime
    length_s: float
    recovery_s: float


def run(folder: Path, *, rounds: int, is_long: bool, patience: float = 1.0) -> FaultResult:
    """Kill and restart so many times. `patience` stretches what is allowed to take time, for busy machines."""
    port, chance = free_port(), random.Random()
    ground = Ground.make(folder, candidates=CANDIDATES, minutes=MINUTES, settings={"candidate_listener.port": port})
    try:
        station = ground.serve()
        pressure = Pressure.start(ground, "kill", port=port, mode="closed")
        pressure.wait_for_ack(station=station)
        outages = []
        for number in range(rounds):
            time.sleep(chance.uniform(0.1, 1.5))
            # In every third round it dies a second time while it is coming up.
            dies_again = chance.uniform(0.2, 2.0) if number % 3 == 2 else None
            station, outage = _kill(ground, pressure, station, dies_again_after_s=dies_again)
            outages.append(outage)
        report = pressure.end()
        station.stop()
        return _judge(ground, pressure, outages, unordered=report.unordered, patience=patience)
    finally:
        ground.close()


def _kill(
    ground: Ground, pressure: Pressure, station: Child, *, dies_again_after_s: float | None
) -> tuple[Child, Outage]:
    began, began_at = time.monotonic(), system_time()
    _end_at_once(station)
    size = pressure.settled_size()
    if dies_again_after_s is not None:
        station = ground.serve()
        time.sleep(dies_again_after_s)
        _end_at_once(station)
        size = pressure.settled_size()
    restarted = time.monotonic()
    station = ground.serve()
    served, served_at = pressure.wait_for_ack(beyond=size, station=station)
    return station, Outage(began_at, served_at, served - began, served - restarted)


def _end_at_once(station: Child) -> None:
    station.process.kill()
    station.process.wait()


def _judge(
    ground: Ground, pressure: Pressure, outages: Sequence[Outage], *, unordered: int, patience: float
) -> FaultResult:
    store = ground.open_store()
    try:
        proof = prove(store, [pressure.acks], ground.items)
        with store.reading() as db:
            stretches = closed_interruptions(db)
            wrong = [*proof.wrong, *check_deadlines(db, ground, minutes=MINUTES)]
    finally:
        store.close()
    given_back = [_given_back_s(outage, stretches) for outage in outages]
    judged = () if machine_load() > BUSY else zip(outages, given_back, strict=True)
    for number, (outage, given_s) in enumerate(judged, start=1):
        wrong += _check_gap(number, outage, given_s, patience)
    if unordered:
        wrong.append(f"确认的次序错乱 {unordered} 次。 {unordered} acknowledgements were out of order.")
    wrong += check_recoveries([outage.recovery_s for outage in outages], patience=patience)
    recovery_s = max(outage.recovery_s for outage in outages)
    differences = [given_s - outage.length_s for outage, given_s in zip(outages, given_back, strict=True)]
    return FaultResult(
        KIND,
        rounds=len(outages),
        saves_acked=proof.saves_acked,
        acked_lost=proof.acked_lost,
        chain_broken=proof.chain_broken,
        recovery_s=round(recovery_s, 2),
        done_zh=f"{CANDIDATES} 名考生不停保存时，在随机时刻强行结束考站进程再启动（其中一部分在启动途中再结束一次）。",
        done_en=f"While {CANDIDATES} candidates saved without a pause the station was killed at random moments and "
        "started again, in part once more on its way up.",
        notes=(
            (
                f"中断最长 {max(one.length_s for one in outages):.1f} 秒，"
                f"补回与实际之差 {min(differences):+.1f} 至 {max(differences):+.1f} 秒",
                f"longest outage {max(one.length_s for one in outages):.1f} s, "
                f"given back minus measured {min(differences):+.1f} to {max(differences):+.1f} s",
            ),
        ),
        wrong=tuple(wrong),
    )


def _given_back_s(outage: Outage, stretches: Sequence[Stretch]) -> float:
    own = [one for one in stretches if outage.began_at <= one[1] <= outage.ended_at]
    return interrupted_s(own, since=min((began_at for began_at, _ in own), default=outage.began_at))


def _check_gap(number: int, outage: Outage, given_s: float, patience: float) -> list[str]:
    # On a machine that takes long to start it, the station is as much slower before and after, too.
    least = outage.length_s - (NOTICED_WITHIN_S + outage.recovery_s / 4) * patience
    most = outage.length_s + (RESOLUTION_S + outage.recovery_s / 2) * patience
    if least <= given_s <= most:
        return []
    return [
        f"第 {number} 次中断 {outage.length_s:.1f} 秒，补回 {given_s:.1f} 秒。 "
        f"Outage {number} took {outage.length_s:.1f} s, {given_s:.1f} s were given back."
    ]
