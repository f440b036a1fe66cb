"""The answers of an attempt, read from the store."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.store.models import CurrentAnswer, Revision


def current_answers(db: Session, attempt_id: int) -> dict[str, str]:
    """Give the current answer of every item that has one, as canonical response text (design §13.2)."""
    rows = db.execute(
        select(CurrentAnswer.item_id, Revision.response)
        .join(
            Revision,
            (Revision.attempt_id == CurrentAnswer.attempt_id) & (Revision.number == CurrentAnswer.revision_number),
        )
        .where(CurrentAnswer.attempt_id == attempt_id)
    )
    return {row.item_id: row.response for row in rows}


def highest_saves(db: Session, attempt_id: int) -> dict[int, int]:
    """Say per place the highest sequence that the station holds, so that pages send the rest again (§13.4)."""
    rows = db.execute(
        select(Revision.place, func.max(Revision.sequence).label("sequence"))
        .where(Revision.attempt_id == attempt_id)
        .group_by(Revision.place)
    )
    return {row.place: row.sequence for row in rows}
