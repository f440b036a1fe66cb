"""Append one event to the tamper-evident journal: its only writer."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.attempt import CHAIN_START
from station.domain.events import CATALOGUE
from station.store.journal_rows import JournalRow, journal_rows
from station.store.models import JournalEntry, JournalHead, milliseconds


def append(
    db: Session,
    event: str,
    *,
    at: datetime,
    by: int | None = None,
    sitting_id: int | None = None,
    entry_id: int | None = None,
    **details: object,
) -> None:
    """Add an event of the catalogue with its details; `by` is a staff id.

    The head row is locked until the transaction ends, so appends stand in one order in every database.
    An event that the catalogue lacks is an error of the program (KeyError).
    """
    known = CATALOGUE[event]
    db.flush()  # what the entry refers to has to be there
    rows = journal_rows(db.get_bind().dialect)
    end = rows.read_end(db)
    number, last_hash = end or (0, CHAIN_START)
    entry = JournalRow(
        number=number + 1,
        at=at,
        event=known.id,
        sitting_id=sitting_id,
        entry_id=entry_id,
        staff_id=by,
        details=json.dumps(details, ensure_ascii=False, sort_keys=True, default=str),
        previous_hash=last_hash,
        hash="",
    )
    rows.add(db, entry._replace(hash=entry_hash(entry)), is_first=end is None)


def entry_hash(entry: JournalEntry | JournalRow) -> str:
    """Hash an entry onto its predecessor: SHA-256 over the previous hash and the fields in order."""
    fields = [
        entry.number,
        milliseconds(entry.at),
        entry.event,
        entry.sitting_id,
        entry.entry_id,
        entry.staff_id,
        entry.details,
    ]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{entry.previous_hash}\n{text}".encode()).hexdigest()


def first_broken_entry(db: Session) -> int | None:
    """Follow the whole chain; give the number of the first entry that does not hold, None when all do."""
    previous, number = CHAIN_START, 0
    for entry in db.scalars(select(JournalEntry).order_by(JournalEntry.number)):
        number += 1
        if entry.number != number or entry.previous_hash != previous or entry.hash != entry_hash(entry):
            return entry.number
        previous = entry.hash
    head = db.get(JournalHead, 1)
    if head is not None and (head.number, head.hash) != (number, previous):
        return number + 1
    return None
