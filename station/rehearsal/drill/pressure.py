"""Load on the throw-away station while a fault is played: a program of its own that keeps a record of every save."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from station.clock import system_time
from station.errors import Unsound, problem
from station.rehearsal.ground import Ground
from station.rehearsal.load import Report, Sender, Task
from station.rehearsal.premises import CHILD_FAILED, HOST, Child

NOT_SERVING = problem(
    "drill_not_serving",
    "演练中的考站在 {seconds} 秒内没有恢复保存。日志见：{log}",
    "The station of the drill acknowledged no save within {seconds} s. Its log: {log}",
)

_GIVE_UP_S = 60.0
_LOOK_S = 0.01


@dataclass
class Pressure:
    """A running load. `acks` is its record; `wait_for_ack` waits for the next line there."""

    ground: Ground
    child: Child
    acks: Path
    _report: Path
    _stop_file: Path
    _ended: bool = field(default=False)

    @classmethod
    def start(cls, ground: Ground, name: str, *, port: int, mode: str, from_sequence: int = 1, **more: Any) -> Pressure:
        """Let every seated candidate save, through outages too; `more` are further fields of the load's `Task`."""
        folder = ground.premises.folder / "load"
        folder.mkdir(exist_ok=True)
        acks, report, stop_file = (folder / f"{name}.{end}" for end in ("acks", "report", "stop"))
        acks.touch()
        task = Task(
            host=HOST,
            port=port,
            mode=mode,
            senders=tuple(
                Sender(one.token, one.attempt_id, one.place, from_sequence) for one in ground.candidates if one.token
            ),
            items=ground.items,
            persists=True,
            acks=str(acks),
            stop_file=str(stop_file),
            **{"seconds": 3_600.0 * 24, **more},
        )
        path = folder / f"{name}.task"
        path.write_text(json.dumps(asdict(task)), encoding="utf-8")
        child = ground.premises.start(f"load-{name}", ["station.rehearsal.load", str(path), str(report)])
        return cls(ground, child, acks, report, stop_file)

    def acked_size(self) -> int:
        """Say how long the record is now; it only grows."""
        return self.acks.stat().st_size

    def wait_for_ack(self, *, beyond: int = 0, station: Child | None = None) -> tuple[float, datetime]:
        """Wait for a save that is acknowledged after the record had this length; gives its moment twice.

        The first is for lengths (monotonic seconds), the second for comparing with what the station noted.
        """
        until = time.monotonic() + _GIVE_UP_S
        while time.monotonic() < until:
            if self.acked_size() > beyond:
                return time.monotonic(), system_time()
            if self.child.process.poll() is not None:
                raise Unsound(CHILD_FAILED, name=self.child.name, log=self.child.log)
            if station is not None and station.process.poll() is not None:
                raise Unsound(CHILD_FAILED, name=station.name, log=station.log)
            time.sleep(_LOOK_S)
        log = station.log if station is not None else self.child.log
        raise Unsound(NOT_SERVING, seconds=round(_GIVE_UP_S), log=log)

    def settled_size(self) -> int:
        """Wait until replies that were under way when the station died have been noted; gives the record's length."""
        before, still = -1, 0
        while still < 3:
            size = self.acked_size()
            still = still + 1 if size == before else 0
            before = size
            time.sleep(_LOOK_S * 3)
        return before

    def end(self, *, timeout_s: float = _GIVE_UP_S) -> Report:
        """Let the load finish what is under way; gives its report."""
        self._stop_file.touch()
        return self.finish(timeout_s=timeout_s)

    def finish(self, *, timeout_s: float = _GIVE_UP_S) -> Report:
        """Wait until the load has done all that it had to; gives its report."""
        self.child.check_ended_well(timeout_s=timeout_s)
        return Report.read(self._report)
