"""Read from a request whom an act is for: chosen entries, or all of a sitting."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_body
from station.domain.attempt import OPEN
from station.domain.incident import NOBODY_CHOSEN
from station.errors import Missing, Refused
from station.services.admission import ENTRY_UNKNOWN
from station.services.invigilation import sitting_of
from station.store.models import Attempt, Entry
from station.web.guards import number_field, numbers_field


def chosen_entries(db: Session, sitting_id: int | None = None) -> list[Entry]:
    """Give the entries that the body names by `entry_ids`, or all of `sitting_id` with `all`.

    All belong to one sitting, and to the given one if one is given; else none is known.
    """
    body = staff_body()
    if body.get("all") is True:
        whole = sitting_of(db, number_field(body, "sitting_id", lowest=1)).id
        return list(db.scalars(select(Entry).where(Entry.sitting_id == whole).order_by(Entry.id)))
    wanted = set(numbers_field(body, "entry_ids"))
    found = list(db.scalars(select(Entry).where(Entry.id.in_(wanted)).order_by(Entry.id)))
    if not found:
        raise Missing(ENTRY_UNKNOWN) if wanted else Refused(NOBODY_CHOSEN)
    sittings = {entry.sitting_id for entry in found}
    if len(found) != len(wanted) or len(sittings) != 1 or sitting_id not in {None, *sittings}:
        raise Missing(ENTRY_UNKNOWN)
    return found


def chosen_attempts(db: Session) -> list[Attempt]:
    """Give the open attempts of the chosen entries; refused when none of them is open."""
    entry_ids = [entry.id for entry in chosen_entries(db)]
    found = list(
        db.scalars(select(Attempt).where(Attempt.entry_id.in_(entry_ids), Attempt.state.in_(OPEN)).order_by(Attempt.id))
    )
    if not found:
        raise Refused(NOBODY_CHOSEN)
    return found


def named_entry(db: Session) -> Entry:
    """Give the one entry that the body names by `entry_id`."""
    entry = db.get(Entry, number_field(staff_body(), "entry_id", lowest=1))
    if entry is None:
        raise Missing(ENTRY_UNKNOWN)
    return entry
