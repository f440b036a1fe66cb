"""What psutil tells alike on every system."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import psutil

from client_agent.checks.probes import Battery, Unreadable


class CommonProbes:
    """The part of `Probes` that is the same on every system."""

    def cores(self) -> int:
        return psutil.cpu_count(logical=False) or psutil.cpu_count() or 0

    def clock_ghz(self) -> float:
        """Give the highest clock, where that is told, else that of now."""
        told = psutil.cpu_freq()
        if told is None or not max(told.max, told.current):
            raise Unreadable("系统没有报告处理器主频。", "The system does not tell the processor's clock.")
        return max(told.max, told.current) / 1000

    def memory_bytes(self) -> int:
        return int(psutil.virtual_memory().total)

    def disk_bytes(self, folder: Path) -> tuple[int, int]:
        usage = psutil.disk_usage(str(folder))
        return usage.total, usage.free

    def battery(self) -> Battery | None:
        # Not there on systems without any way to ask.
        told = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
        if told is None:
            return None
        return Battery(told.power_plugged is not False, told.percent)

    def running(self) -> Sequence[str]:
        return [str(process.info["name"]) for process in psutil.process_iter(["name"]) if process.info["name"]]
