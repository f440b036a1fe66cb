"""One round of the disk watch: look, work out the budget, tell the journal, remove what was promised to go."""

from __future__ import annotations

import time

from station.services import disk_space
from station.web.edge import Edge
from station.web.picture_round import remove_old_pictures

BUDGET_EVERY_S = 30.0


class DiskRound:
    """Called every few seconds. Looking comes first: what needs the store may fail on a full disk."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._budget_at: float | None = None

    def __call__(self) -> None:
        edge, watch = self._edge, self._edge.disk
        untold = watch.look(refused=edge.saves.refused)
        now = time.monotonic()
        if self._budget_at is None or now - self._budget_at >= BUDGET_EVERY_S:
            with edge.store.reading() as db:
                watch.budget = disk_space.read_budget(db, watch.limits)
            self._budget_at = now
            remove_old_pictures(edge)
        if untold:
            with edge.store.transaction() as db:
                disk_space.note_disk(db, untold, edge.clock.now())
            watch.told(len(untold))
