"""Who may save into which attempt, remembered (design §5, §13.3).

Memory only ever says yes; everything else is looked up in the store. Nothing here depends on states or
deadlines: those are checked where the save is written.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.errors import Missing, Unauthenticated
from station.services.admission import NOT_LOGGED_IN, token_hash
from station.services.answering import attempt_of
from station.services.saving import PLACE_UNKNOWN
from station.store import Store
from station.store.models import CandidateLogin, Place, Upload
from station.web.papers import PaperShelf, ShelvedPaper

LARGEST = 5_000

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Passage:
    """A proven way from a candidate's cookie and a place to the attempt and its paper."""

    candidate_id: int
    attempt_id: int
    place: int
    shelved: ShelvedPaper


class SaveGate:
    """Check the right to save, at best without the store."""

    def __init__(self, store: Store, shelf: PaperShelf) -> None:
        self._store = store
        self._shelf = shelf
        self._candidates: _Bounded[str, int] = _Bounded()
        self._passages: _Bounded[tuple[int, int, int], Passage] = _Bounded()
        self._uploads: _Bounded[tuple[int, str, str, str], bool] = _Bounded()

    def pass_through(self, token: str, attempt_id: int, place: int) -> Passage:
        """Prove that the cookie's candidate may save into the attempt from the place.

        A log-in that was replaced by one elsewhere may still bring what its page had queued (design §13.1);
        one that was logged out may not. Another candidate's attempt is as unknown as none.
        """
        hashed = token_hash(token)
        candidate_id = self._candidates.get(hashed)
        if candidate_id is not None:
            known = self._passages.get((candidate_id, attempt_id, place))
            if known is not None:
                return known
        with self._store.reading() as db:
            if candidate_id is None:
                candidate_id = self._candidate_of(db, hashed)
            passage = self._passage(db, candidate_id, attempt_id, place)
        self._candidates.put(hashed, candidate_id)
        self._passages.put((candidate_id, attempt_id, place), passage)
        return passage

    def forget(self, token: str) -> None:
        """Forget a token that has been logged out."""
        self._candidates.drop(token_hash(token))

    def is_uploaded(self, attempt_id: int, item_id: str, part: str, sha256: str) -> bool:
        """Say whether a file of this hash was uploaded for this part of the attempt."""
        key = (attempt_id, item_id, part, sha256)
        if self._uploads.get(key):
            return True
        with self._store.reading() as db:
            found = db.execute(
                select(Upload.id).where(
                    Upload.attempt_id == attempt_id,
                    Upload.item_id == item_id,
                    Upload.part == part,
                    Upload.sha256 == sha256,
                )
            ).first()
        if found is None:
            return False
        self._uploads.put(key, True)
        return True

    @staticmethod
    def _candidate_of(db: Session, hashed: str) -> int:
        row = db.execute(
            select(CandidateLogin.candidate_id, CandidateLogin.ended_reason).where(CandidateLogin.token_hash == hashed)
        ).one_or_none()
        if row is None or row.ended_reason == "logged_out":
            raise Unauthenticated(NOT_LOGGED_IN)
        return int(row.candidate_id)

    def _passage(self, db: Session, candidate_id: int, attempt_id: int, place: int) -> Passage:
        attempt, _ = attempt_of(db, attempt_id, candidate_id)
        if db.execute(select(Place.id).where(Place.id == place, Place.attempt_id == attempt_id)).first() is None:
            raise Missing(PLACE_UNKNOWN)
        return Passage(candidate_id, attempt_id, place, self._shelf.take(db, attempt.paper_id))


class _Bounded(Generic[K, V]):
    """A dict that forgets its oldest keys; safe between threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        return self._kept.get(key)

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > LARGEST:
                self._kept.popitem(last=False)

    def drop(self, key: K) -> None:
        with self._lock:
            self._kept.pop(key, None)
