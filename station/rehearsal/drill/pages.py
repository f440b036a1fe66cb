"""Simulated pages that go on from load to load: each knows its next sequence, every load keeps its record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from station.rehearsal.ground import Ground, Seated
from station.rehearsal.load import Report, Sender, Task
from station.rehearsal.premises import Child

_GIVE_UP_S = 90.0
# As long as a page's own script waits for a reply.
_PATIENCE_S = 10.0


@dataclass
class Load:
    """A running load of some pages."""

    child: Child
    acks: Path
    candidates: Sequence[Seated]
    _report: Path
    _stop_file: Path
    _pages: Pages

    def acked(self) -> int:
        """Count the saves that were acknowledged so far."""
        return self.acks.read_bytes().count(b"\n")

    def end(self) -> Report:
        """Let it finish what is under way."""
        self._stop_file.touch()
        return self.finish()

    def finish(self) -> Report:
        """Wait for its end and let its pages go on from there next time."""
        self.child.check_ended_well(timeout_s=_GIVE_UP_S)
        report = Report.read(self._report)
        for one, last in zip(self.candidates, report.last_sequences, strict=True):
            self._pages.next_sequences[one.place] = last + 1
        return report


@dataclass
class Pages:
    """All pages of a ground. `acks` are the records of every load so far."""

    ground: Ground
    host: str
    port: int
    acks: list[Path] = field(default_factory=list)
    next_sequences: dict[int, int] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        folder = self.ground.premises.folder / "pages"
        folder.mkdir(exist_ok=True)
        return folder

    def start(
        self,
        name: str,
        candidates: Sequence[Seated],
        *,
        before: Sequence[str] = (),
        through: tuple[str, int] | None = None,
        **task: Any,
    ) -> Load:
        """Let pages save as `task` says (fields of the load's `Task`); `through`: by another address."""
        number = len(self.acks) + 1
        task_file, report, acks, stop_file = (
            self.folder / f"{number}-{name}.{end}" for end in ("task", "report", "acks", "stop")
        )
        acks.touch()
        self.acks.append(acks)
        host, port = through or (self.host, self.port)
        senders = tuple(
            Sender(one.token, one.attempt_id, one.place, self.next_sequences.get(one.place, 1)) for one in candidates
        )
        wanted = Task(
            host=host,
            port=port,
            senders=senders,
            items=self.ground.items,
            acks=str(acks),
            stop_file=str(stop_file),
            patience_s=_PATIENCE_S,
            **task,
        )
        task_file.write_text(json.dumps(asdict(wanted)), encoding="utf-8")
        words = ["station.rehearsal.load", str(task_file), str(report)]
        child = self.ground.premises.start(f"{number}-{name}", words, before=before)
        return Load(child, acks, candidates, report, stop_file, self)

    def note(self, one: Seated, acknowledged: Sequence[tuple[int, int]]) -> None:
        """Record saves that the drill itself sent: (sequence, number) of each that the station acknowledged."""
        path = self.folder / "own.acks"
        if path not in self.acks:
            self.acks.append(path)
        with path.open("a", encoding="ascii") as file:
            for sequence, number in acknowledged:
                file.write(f"{one.attempt_id} {one.place} {sequence} {number}\n")
