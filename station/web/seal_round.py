"""Look now and then whether the PCs of a sealed room are still those that were sealed, for the scheduler.

A report is held against the seal when it comes. That a PC was put at another seat, taken away or registered anew is
no report: this round finds it.
"""

from __future__ import annotations

from station.services import room_sealing
from station.web.edge import Edge


class SealRound:
    """Called every half minute; writes only where something has changed."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def __call__(self) -> None:
        with self._edge.store.reading() as db:
            changed = [one for one in room_sealing.sealed_rooms(db) if room_sealing.has_changed(db, one)]
        for room_id in changed:
            with self._edge.store.transaction() as db:
                room_sealing.hold_against_seal(db, room_id, at=self._edge.clock.now())
