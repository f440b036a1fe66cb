"""Start trials in which everyone is in, and end those whose time is up, for the scheduler (R-ROOM-6)."""

from __future__ import annotations

from station.services import trial
from station.web.edge import Edge


class TrialRound:
    """Called every two seconds; writes only where a trial is held."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def __call__(self) -> None:
        with self._edge.store.reading() as db:
            is_any = trial.any_to_go_on(db)
        if is_any:
            with self._edge.store.transaction() as db:
                trial.go_on(db, at=self._edge.clock.now())
