"""The kinds of fault that a drill tries, in the order in which it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from station.rehearsal.drill import (
    clock,
    disk_full,
    io_error,
    kill,
    long_cut,
    network,
    power_cut,
    read_only,
    scheduler,
)
from station.rehearsal.drill.result import FaultResult


class Run(Protocol):
    """Tries one kind of fault so many times on a throw-away station in an empty folder; ends what it starts."""

    def __call__(self, folder: Path, *, rounds: int, is_long: bool) -> FaultResult: ...


@dataclass(frozen=True)
class Fault:
    """A kind of fault: its name for people, what tries it, and how often in the short and the long form."""

    zh: str
    en: str
    run: Run
    short: int
    long: int


# kind → what tries it; a kind's name is that of its module.
FAULTS: Mapping[str, Fault] = {
    "kill": Fault("进程被强行结束", "process killed", kill.run, short=8, long=120),
    "power_cut": Fault("断电", "power cut", power_cut.run, short=2, long=8),
    "disk_full": Fault("磁盘写满", "disk full", disk_full.run, short=2, long=20),
    "read_only": Fault("磁盘变为只读", "disk turns read-only", read_only.run, short=1, long=10),
    "io_error": Fault("磁盘读写错误", "I/O errors", io_error.run, short=4, long=40),
    "long_cut": Fault("长时间中断后补传", "a long cut, then all queues", long_cut.run, short=1, long=5),
    "clock": Fault("时钟跳动", "the clock moves", clock.run, short=1, long=10),
    "scheduler": Fault("重启跨越截止时间", "restarts over a deadline", scheduler.run, short=1, long=10),
    "network": Fault("网络故障", "network faults", network.run, short=1, long=10),
}
