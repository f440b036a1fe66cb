"""The answers of an attempt, read from the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.store.models import CurrentAnswer, Place, Revision


class StoredAnswer(NamedTuple):
    """The current answer of an item, as canonical response text, and the identity and moment of its save."""

    item_id: str
    response: str
    place: int
    sequence: int
    saved_at: datetime


def current_answers(db: Session, attempt_id: int) -> dict[str, str]:
    """Give the current answer of every item that has one, as canonical response text (design §13.2)."""
    return {answer.item_id: answer.response for answer in stored_answers(db, attempt_id)}


def stored_answers(db: Session, attempt_id: int) -> Sequence[StoredAnswer]:
    """Give the current answers with the identities of their saves: a page keeps on its PC what it lacks (§13.4)."""
    rows = db.execute(
        select(CurrentAnswer.item_id, Revision.response, Revision.place, Revision.sequence, Revision.saved_at)
        .join(
            Revision,
            (Revision.attempt_id == CurrentAnswer.attempt_id) & (Revision.number == CurrentAnswer.revision_number),
        )
        .where(CurrentAnswer.attempt_id == attempt_id)
    )
    return [StoredAnswer(*row) for row in rows]


def held_saves(db: Session, attempt_id: int) -> dict[int, int]:
    """Count the saves that the station holds of every place it has issued for the attempt, 0 where there are none.

    A page whose place is missing here, or that counts more, speaks to a station restored from a backup (§13.4).
    """
    rows = db.execute(
        select(Place.id, func.count(Revision.id).label("saves"))
        .outerjoin(Revision, (Revision.place == Place.id) & (Revision.attempt_id == Place.attempt_id))
        .where(Place.attempt_id == attempt_id)
        .group_by(Place.id)
    )
    return {row.id: row.saves for row in rows}


def highest_saves(db: Session, attempt_id: int) -> dict[int, int]:
    """Say per place the highest sequence that the station holds, so that pages send the rest again (§13.4)."""
    rows = db.execute(
        select(Revision.place, func.max(Revision.sequence).label("sequence"))
        .where(Revision.attempt_id == attempt_id)
        .group_by(Revision.place)
    )
    return {row.place: row.sequence for row in rows}
