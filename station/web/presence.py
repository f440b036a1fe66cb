"""When each candidate's page was heard: kept in memory only, as heartbeats never write to disk (design §13.14)."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from itertools import pairwise

from station.services.seat_swap import Silence

# Enough to find a PC's return behind all that its page says while it opens.
REMEMBERED = 64


class Presence:
    """The last moments at which a candidate's page was heard, by candidate id. Single appends are atomic."""

    def __init__(self) -> None:
        self._heard: dict[int, deque[datetime]] = {}

    def mark(self, candidate_id: int, at: datetime) -> None:
        """Note that the candidate's page has just been heard."""
        self._heard.setdefault(candidate_id, deque(maxlen=REMEMBERED)).append(at)

    def last_seen(self, candidate_id: int) -> datetime | None:
        """Say when the page was last heard; None since the station started."""
        heard = self._heard.get(candidate_id)
        return heard[-1] if heard else None

    def silence_before(
        self, candidate_id: int, at: datetime, *, longer_than: timedelta, within: timedelta
    ) -> Silence | None:
        """Find the silence out of which the page came back, at most `within` before this moment.

        None: it was heard all the time. `began_at` None in it: never heard before, since the station started.
        """
        heard = self._heard.get(candidate_id)
        if not heard:
            return None
        moments = list(heard)
        for before, after in reversed(list(pairwise(moments))):
            if at - after > within:
                return None
            if after - before > longer_than:
                return Silence(before, after)
        if len(moments) < REMEMBERED and at - moments[0] <= within:
            return Silence(None, moments[0])
        return None
