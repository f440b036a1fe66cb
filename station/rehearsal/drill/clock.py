"""Move the server's clock while everybody answers: an hour on, an hour back, to the year 2000, and too fast.

libfaketime stands between the station and the system's clock; the machine's own clock is never touched. The
monotonic counter stays true, as it does where somebody sets the clock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from station.clock import system_time
from station.domain.sitting import SittingState
from station.rehearsal.drill.pressure import Pressure
from station.rehearsal.drill.proof import prove
from station.rehearsal.drill.result import Bilingual, FaultResult
from station.rehearsal.drill.times import check_deadlines, check_recoveries
from station.rehearsal.ground import Ground
from station.rehearsal.premises import Child, free_port
from station.store import Store
from station.store.models import Interruption, JournalEntry, Revision, Sitting

KIND = "clock"
CANDIDATES = 45
MINUTES = 600
EVERY_S = 1.0
TRUE = "+0"
# In libfaketime's words. After each comes the true time again, which is another jump.
MOVES: Sequence[tuple[str, Bilingual]] = (
    ("+3600", ("快 1 小时", "an hour on")),
    ("-3600", ("慢 1 小时", "an hour back")),
    ("@2000-01-01 00:00:00", ("重置到 2000 年", "reset to 2000")),
    ("+0 x3", ("走得过快", "running too fast")),
)
NOT_RUN = "本机没有 libfaketime（Debian/Ubuntu：apt install faketime） / no libfaketime on this machine"
_NOTICED_WITHIN_S = 30.0
_LIBRARIES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime")


class MovableClock:
    """The system's clock as a program sees it that was started with `environment`."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.set(TRUE)
        self.environment = {
            "LD_PRELOAD": str(library),
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(file),
        }

    def set(self, words: str) -> None:
        """Move it, at one stroke."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{words}\n", encoding="ascii")
        fresh.replace(self._file)


def find_library() -> Path | None:
    """Find libfaketime for programs with threads."""
    for pattern in _LIBRARIES:
        for found in sorted(Path("/").glob(f"{pattern[1:]}/libfaketimeMT.so.1")):
            return found
    return None


def run(folder: Path, *, rounds: int, is_long: bool, patience: float = 1.0) -> FaultResult:
    """Make every move so many times, then restart with a clock that has gone back."""
    library = find_library()
    if library is None:
        return FaultResult(KIND, not_run=NOT_RUN)
    port = free_port()
    ground = Ground.make(folder, candidates=CANDIDATES, minutes=MINUTES, settings={"candidate_listener.port": port})
    store = ground.open_store()
    wrong: list[str] = []
    try:
        clock = MovableClock(library, ground.premises.folder / "clock")
        station = ground.serve(environment=clock.environment)
        pressure = Pressure.start(ground, KIND, port=port, mode="open", every_s=EVERY_S)
        pressure.wait_for_ack(station=station)
        for _ in range(rounds):
            for words, name in MOVES:
                wrong += _move(store, clock, words, name)
                wrong += _move(store, clock, TRUE, ("拨回", "set right again"))
        with store.reading() as db:
            wrong += check_deadlines(db, ground, minutes=MINUTES)
            if db.scalar(select(func.count()).select_from(Interruption)):
                wrong.append("时钟跳动被当作中断补时。 Time was given back for a jump of the clock.")
        station, recovery_s = _restart_with_wrong_clock(ground, clock, pressure, station)
        pressure.end()
        station.stop()
        wrong += _check_nothing_resumed(store)
        proof = prove(store, [pressure.acks], ground.items)
    finally:
        store.close()
        ground.close()
    if proof.late:
        proof.tell(f"{proof.late} 次保存被误判为迟到。", f"{proof.late} saves were taken for late.")
    moves = rounds * len(MOVES)
    return FaultResult(
        KIND,
        rounds=rounds,
        saves_acked=proof.saves_acked,
        acked_lost=proof.acked_lost,
        chain_broken=proof.chain_broken,
        recovery_s=round(recovery_s, 2),
        done_zh=f"{CANDIDATES} 名考生作答时，服务器时钟跳快 1 小时、跳慢 1 小时、重置到 2000 年、走得过快，每次再拨回；"
        "最后在时钟慢 1 小时时重启。",
        done_en=f"While {CANDIDATES} candidates answered, the server's clock went an hour on, an hour back, to the "
        "year 2000 and too fast, each time back again; then a restart with a clock an hour back.",
        notes=(
            (
                f"时钟变动 {moves * 2} 次；截止时间、保存时间逐一核对；重启后应等待校准时间，不自动继续",
                f"{moves * 2} moves; deadlines and times of saves compared each time; a restart must wait for a person",
            ),
        ),
        wrong=(*wrong, *proof.wrong, *check_recoveries([recovery_s], patience=patience)),
    )


def _move(store: Store, clock: MovableClock, words: str, name: Bilingual) -> list[str]:
    """Move the clock: the journal must tell it, and answers go on to be stored under the true time."""
    jumps, before = _count(store, "clock_jumped"), system_time()
    clock.set(words)
    until = time.monotonic() + _NOTICED_WITHIN_S
    while _count(store, "clock_jumped") == jumps:
        if time.monotonic() > until:
            return [f"时钟{name[0]}没有记入日志。 The journal does not tell that the clock was {name[1]}."]
        time.sleep(0.1)
    until = time.monotonic() + _NOTICED_WITHIN_S
    while True:
        newest, after = _newest(store), system_time()
        if newest is not None and before <= newest <= after:
            return []
        # What is dated before may have come before; what is dated ahead can never be right.
        if (newest is not None and newest > after) or time.monotonic() > until:
            return [f"时钟{name[0]}后，保存时间记成 {newest}。 With the clock {name[1]}, a save is dated {newest}."]
        time.sleep(0.1)


def _restart_with_wrong_clock(
    ground: Ground, clock: MovableClock, pressure: Pressure, station: Child
) -> tuple[Child, float]:
    station.process.kill()
    station.process.wait()
    size = pressure.settled_size()
    clock.set("-3600")
    began = time.monotonic()
    station = ground.serve(environment=clock.environment)
    served, _ = pressure.wait_for_ack(beyond=size, station=station)
    return station, served - began


def _check_nothing_resumed(store: Store) -> list[str]:
    with store.reading() as db:
        state = db.scalars(select(Sitting.state)).one()
        given_back = db.scalars(select(Interruption.id).where(Interruption.ended_at.is_not(None))).first()
    if state == SittingState.SUSPENDED and given_back is None and _count(store, "clock_doubted") == 1:
        return []
    return ["时钟明显有误时考站自动继续了考试。 The station went on by itself with a clock that is plainly wrong."]


def _count(store: Store, event: str) -> int:
    with store.reading() as db:
        return db.scalar(select(func.count()).select_from(JournalEntry).where(JournalEntry.event == event)) or 0


def _newest(store: Store) -> datetime | None:
    with store.reading() as db:
        return db.scalars(select(Revision.saved_at).order_by(Revision.id.desc()).limit(1)).first()
