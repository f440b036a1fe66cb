"""Start trials in which everyone is in, end those whose time is up, and rehearsals nobody sees to (R-ROOM-6)."""

from __future__ import annotations

from station.services import rehearsing, trial
from station.store.files import path_of
from station.web.edge import Edge


class TrialRound:
    """Called every two seconds; writes only where there is something to do."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def __call__(self) -> None:
        edge, at = self._edge, self._edge.clock.now()
        with edge.store.reading() as db:
            has_trial, has_overdue = trial.any_to_go_on(db), rehearsing.is_any_overdue(db, at=at)
        if has_trial:
            with edge.store.transaction() as db:
                trial.go_on(db, at=at)
        if has_overdue:
            with edge.store.transaction() as db:
                files = rehearsing.end_overdue(db, at=at)
            for sha256 in files:
                path_of(edge.uploads, sha256).unlink(missing_ok=True)
