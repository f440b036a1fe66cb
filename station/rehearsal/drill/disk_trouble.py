"""A disk that fails under load: what the station refuses meanwhile, and whether it goes on afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select

from station.rehearsal.drill.cut_check import Promise, check_cut
from station.rehearsal.drill.pressure import Pressure
from station.rehearsal.drill.result import FaultResult
from station.rehearsal.ground import Ground
from station.rehearsal.premises import HOST, Child, free_port
from station.store.models import JournalEntry

CANDIDATES = 12
# So long a disk stays broken once no save is acknowledged any more.
HELD_S = 1.5
_STANDS_STILL_S = 0.6
_STANDS_STILL_WITHIN_S = 30.0
_TOLD_WITHIN_S = 20.0

Fault = Callable[["Trouble"], AbstractContextManager[None]]


@dataclass
class Trouble:
    """A station under load whose disk is to fail. Close it, whatever happens."""

    ground: Ground
    port: int
    station: Child
    pressure: Pressure
    recovery_s: float = 0.0
    rounds: int = 0
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, folder: Path, kind: str, *, settings: dict[str, Any] | None = None) -> Trouble:
        port = free_port()
        ground = Ground.make(
            folder,
            candidates=CANDIDATES,
            items=30,
            outage_limit_s=3600,
            settings={"candidate_listener.port": port, **(settings or {})},
        )
        try:
            station = ground.serve()
            pressure = Pressure.start(ground, kind, port=port, mode="closed")
            pressure.wait_for_ack(station=station)
        except BaseException:
            ground.close()
            raise
        return cls(ground, port, station, pressure)

    @property
    def database(self) -> Path:
        return self.ground.config.folder / "station.db"

    def endure(self, fault: Fault, *, stops_all: bool = True) -> None:
        """Let the disk fail, see what happens, let it be well again, and wait until saves are acknowledged again.

        `stops_all`: no save may be acknowledged in this state, after those that were already written.
        """
        time.sleep(0.3)
        with fault(self):
            if stops_all:
                self._wait_until_still()
                size = self.pressure.acked_size()
            time.sleep(HELD_S)
            if stops_all and self.pressure.acked_size() != size:
                self.wrong.append("磁盘不可写时仍有保存被确认。 A save was acknowledged on a disk that takes none.")
            self._check_served()
            size = self.pressure.acked_size()
        self.recovered(beyond=size, since=time.monotonic())

    def recovered(self, *, beyond: int, since: float) -> None:
        """Wait for the next acknowledged save and keep how long that took."""
        back, _ = self.pressure.wait_for_ack(beyond=beyond, station=self.station)
        self.recovery_s = max(self.recovery_s, back - since)
        self.rounds += 1

    def restart(self) -> None:
        """Start the station again after it was ended."""
        self.station = self.ground.serve()

    def result(self, kind: str, *, done: tuple[str, str], is_told: bool = True) -> FaultResult:
        """End the load, then the station, and hold what is stored against what was acknowledged.

        `is_told`: the station lived on, so its journal must say that saves were refused.
        """
        time.sleep(0.5)
        report = self.pressure.end()
        if is_told:
            self._wait_until_told()
        self.station.stop()
        promise = Promise(self.pressure.acks, (), ())
        found = check_cut(self.ground.config.home, promise, self.ground.items)
        strange = {text: count for text, count in report.refusals.items() if "save_not_stored" not in text}
        wrong = [*self.wrong, *found.wrong]
        if strange:
            wrong.append(f"保存被以其他理由拒绝。 Saves were refused for another reason: {strange}")
        if not report.refused:
            wrong.append("没有保存被拒，故障未生效。 No save was refused: the fault had no effect.")
        if report.unordered:
            wrong.append(f"确认的次序错乱 {report.unordered} 次。 {report.unordered} acknowledgements out of order.")
        refused = (f"拒绝（可重发）{report.refused} 次", f"{report.refused} saves refused, to be sent again")
        return FaultResult(
            kind,
            rounds=self.rounds,
            saves_acked=found.saves_acked,
            acked_lost=found.lost,
            chain_broken=found.chain_broken,
            recovery_s=round(self.recovery_s, 2),
            done_zh=done[0],
            done_en=done[1],
            notes=(refused,),
            wrong=tuple(wrong),
        )

    def close(self) -> None:
        self.ground.close()

    def _wait_until_still(self) -> None:
        began, before, since = time.monotonic(), -1, time.monotonic()
        while time.monotonic() - began < _STANDS_STILL_WITHIN_S:
            size = self.pressure.acked_size()
            if size != before:
                before, since = size, time.monotonic()
            elif time.monotonic() - since > _STANDS_STILL_S:
                return
            time.sleep(0.05)
        self.wrong.append("磁盘不可写时保存仍不断被确认。 Saves go on being acknowledged on a disk that takes none.")

    def _check_served(self) -> None:
        """Whoever looks meanwhile must be answered."""
        try:
            status = requests.get(f"http://{HOST}:{self.port}/", timeout=15).status_code
        except requests.RequestException as error:
            self.wrong.append(f"故障期间页面打不开。 Pages are not served meanwhile: {error}")
        else:
            if status != 200:
                self.wrong.append(f"故障期间页面返回 {status}。 Pages answer {status} meanwhile.")

    def _wait_until_told(self) -> None:
        """The journal must say that saves were refused."""
        until = time.monotonic() + _TOLD_WITHIN_S
        store = self.ground.open_store()
        try:
            while time.monotonic() < until:
                with store.reading() as db:
                    if db.scalars(select(JournalEntry.number).where(JournalEntry.event == "saves_refused")).first():
                        return
                time.sleep(0.2)
        finally:
            store.close()
        self.wrong.append("日志中没有“保存被拒”的记录。 The journal does not say that saves were refused.")
