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

from station.domain.tokens import token_hash
from station.errors import Missing, Unauthenticated
from station.services.admission import NOT_LOGGED_IN, check_released
from station.services.answering import ATTEMPT_UNKNOWN, attempt_of
from station.services.saving import PLACE_UNKNOWN
from station.store import Store
from station.store.models import CandidateLogin, Place, Upload
from station.web.entry_key import entry_key
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
    owner: str

    def check_owner(self, owner: str) -> None:
        """Refuse saves that a page made for another entry; `owner` "" says nothing.

        Attempts and places of a station that was made anew bear the numbers of the one before, whose unsent answers
        may still lie on the PC.
        """
        if owner and owner != self.owner:
            raise Missing(ATTEMPT_UNKNOWN)


class SaveGate:
    """Check the right to save, at best without the store."""

    def __init__(self, store: Store, shelf: PaperShelf, secret: bytes) -> None:
        self._store = store
        self._shelf = shelf
        self._secret = secret
        self._passages: _Bounded[tuple[str, int, int], Passage] = _Bounded()
        self._logged_out: _Bounded[str, bool] = _Bounded()
        self._uploads: _Bounded[tuple[int, str, str, str], bool] = _Bounded()

    def pass_through(self, token: str, attempt_id: int, place: int) -> Passage:
        """Prove that the cookie's candidate may save into the attempt from the place.

        A log-in that was replaced by one elsewhere may still bring what its page had queued (design §13.1);
        one that was logged out may not, and one that waits for its release never could: whoever knows a
        neighbour's ticket number gets as far as that (R-ROST-2). Another candidate's attempt is as unknown as none.
        """
        hashed = token_hash(token)
        known = self._passages.get((hashed, attempt_id, place))
        if known is not None and not self._logged_out.get(hashed):
            return known
        with self._store.reading() as db:
            passage = self._passage(db, self._login(db, hashed), attempt_id, place)
        self._passages.put((hashed, attempt_id, place), passage)
        return passage

    def forget(self, token: str) -> None:
        """Forget a token that has been logged out."""
        self._logged_out.put(token_hash(token), True)

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
    def _login(db: Session, hashed: str) -> CandidateLogin:
        login = db.scalars(select(CandidateLogin).where(CandidateLogin.token_hash == hashed)).one_or_none()
        if login is None or login.ended_reason == "logged_out":
            raise Unauthenticated(NOT_LOGGED_IN)
        return login

    def _passage(self, db: Session, login: CandidateLogin, attempt_id: int, place: int) -> Passage:
        attempt, entry = attempt_of(db, attempt_id, login.candidate_id)
        if login.released_at is None:  # one let in at the seat of before may still bring its queue after a move
            check_released(db, login, entry)
        if db.execute(select(Place.id).where(Place.id == place, Place.attempt_id == attempt_id)).first() is None:
            raise Missing(PLACE_UNKNOWN)
        shelved = self._shelf.take(db, attempt.paper_id)
        return Passage(login.candidate_id, attempt_id, place, shelved, entry_key(self._secret, entry.id))


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
