"""When each candidate's page was last heard: kept in memory only, as heartbeats never write to disk (design §13.14)."""

from __future__ import annotations

from datetime import datetime


class Presence:
    """Last moment at which a candidate's page was heard, by candidate id. A single dict write is atomic."""

    def __init__(self) -> None:
        self._heard: dict[int, datetime] = {}

    def mark(self, candidate_id: int, at: datetime) -> None:
        """Note that the candidate's page has just been heard."""
        self._heard[candidate_id] = at

    def last_seen(self, candidate_id: int) -> datetime | None:
        """Say when the page was last heard; None since the station started."""
        return self._heard.get(candidate_id)
