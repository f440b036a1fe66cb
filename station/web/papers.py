"""The paper shelf: papers parsed once and packed once, kept in memory for all candidates of the room."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from station.domain.paper import Paper, parse_paper
from station.store import models

_HASH_OF_PAPER = select(models.Paper.sha256).where(models.Paper.id == bindparam("paper_id"))


@dataclass(frozen=True)
class ShelvedPaper:
    """A paper ready to be sent: never with its keys, which lie in another column."""

    paper: Paper
    plain: bytes
    packed: bytes

    @property
    def etag(self) -> str:
        return self.paper.sha256[:32]


class PaperShelf:
    """Papers by id; one whose stored hash has changed is read again."""

    def __init__(self) -> None:
        self._papers: dict[int, tuple[str, ShelvedPaper]] = {}
        self._lock = threading.Lock()

    def take(self, db: Session, paper_id: int) -> ShelvedPaper:
        """Give a paper, from memory if it is there."""
        sha256 = db.execute(_HASH_OF_PAPER, {"paper_id": paper_id}).scalar_one()
        known = self._papers.get(paper_id)
        if known is not None and known[0] == sha256:
            return known[1]
        with self._lock:
            known = self._papers.get(paper_id)
            if known is not None and known[0] == sha256:
                return known[1]
            text = db.execute(select(models.Paper.document).where(models.Paper.id == paper_id)).scalar_one()
            plain = text.encode()
            shelved = ShelvedPaper(parse_paper(json.loads(text)), plain, gzip.compress(plain, 9, mtime=0))
            self._papers[paper_id] = (sha256, shelved)
            return shelved
