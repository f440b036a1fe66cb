"""Save responses: what the one writer records for a group of requests (design §5, §13.1–5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from station.domain.attempt import AttemptState, ChainLink, link_hash
from station.errors import Missing, problem
from station.services import journal
from station.store.locking import to_change
from station.store.models import (
    Attempt,
    Candidate,
    CurrentAnswer,
    Entry,
    Place,
    Revision,
    SaveConflict,
    milliseconds,
)

PLACE_UNKNOWN = problem(
    "place_unknown",
    "本页的作答位置无效，请刷新页面；答案仍保存在本机并会自动重发。",
    "This page's place is not valid: reload. Answers stay on this PC and are sent again.",
)


class Save(NamedTuple):
    """One answer as a page sends it. `response` is canonical text (domain.attempt.response_text)."""

    sequence: int
    item_id: str
    response: str
    is_answered: bool


class SaveBatch(NamedTuple):
    """What one request brings: saves of one attempt from one place, in order. `view` None leaves it as it is."""

    attempt_id: int
    place: int
    saves: Sequence[Save]
    view: str | None
    at: datetime


class Acknowledged(NamedTuple):
    """A save that is on disk. `number` is its place in the attempt's chain."""

    sequence: int
    number: int
    saved_at: datetime
    is_late: bool


class BatchOutcome(NamedTuple):
    """What became of a batch. `conflicts` are sequences that came before with another body."""

    acknowledged: tuple[Acknowledged, ...]
    conflicts: tuple[int, ...]
    deadline_at: datetime
    state: str
    place: int


def record_saves(db: Session, batches: Sequence[SaveBatch]) -> list[BatchOutcome | Exception]:
    """Write a group of batches in one transaction.

    1. Lock the attempts; read their heads, the places, what is stored under the same identities, and the
       current answers.
    2. A save whose identity is stored already is acknowledged as it was, or kept as a conflict.
    3. Every other save becomes the next revision of its attempt's chain; one that arrived after the deadline,
       or after the attempt's end, is kept and flagged late.
    4. The current answer follows the highest (place, sequence) that is not late.
    A place that is unknown or another attempt's makes that batch's outcome an exception; the others stand.
    """
    heads = _read_heads(db, batches)
    written = _Written()
    outcomes: list[BatchOutcome | Exception] = []
    for batch in batches:
        head = heads.get(batch.attempt_id)
        if head is None or batch.place not in head.workstations:
            outcomes.append(Missing(PLACE_UNKNOWN))
            continue
        outcomes.append(_record(head, batch, written))
    _write(db, heads, written)
    _report(db, heads)
    return outcomes


class _Stored(NamedTuple):
    number: int
    item_id: str
    response: str
    saved_at: datetime
    is_late: bool


class _Current(NamedTuple):
    place: int
    sequence: int
    is_answered: bool
    is_new: bool


@dataclass
class _Head:
    """One attempt's chain end and what the group adds to it."""

    attempt_id: int
    state: str
    deadline_at: datetime
    place: int
    number: int
    hash: str
    answered: int
    late: int
    saved_at: datetime | None
    ended_at: datetime | None
    view: str | None = None
    changed: bool = False
    late_now: int = 0
    conflicts_now: int = 0
    workstations: dict[int, int | None] = field(default_factory=dict)
    stored: dict[tuple[int, int], _Stored] = field(default_factory=dict)
    current: dict[str, _Current] = field(default_factory=dict)


@dataclass
class _Written:
    revisions: list[dict[str, object]] = field(default_factory=list)
    conflicts: list[dict[str, object]] = field(default_factory=list)
    new_answers: dict[tuple[int, str], dict[str, object]] = field(default_factory=dict)
    changed_answers: dict[tuple[int, str], dict[str, object]] = field(default_factory=dict)


def _read_heads(db: Session, batches: Sequence[SaveBatch]) -> dict[int, _Head]:
    attempt_ids = sorted({batch.attempt_id for batch in batches})
    places = {batch.place for batch in batches}
    items = {save.item_id for batch in batches for save in batch.saves}
    lowest = min((save.sequence for batch in batches for save in batch.saves), default=0)
    heads = {
        row.id: _Head(
            attempt_id=row.id,
            state=row.state,
            deadline_at=row.deadline_at,
            place=row.place,
            number=row.revision_count,
            hash=row.head_hash,
            answered=row.answered_count,
            late=row.late_count,
            saved_at=row.last_saved_at,
            ended_at=row.ended_at,
        )
        for row in db.execute(
            to_change(
                select(
                    Attempt.id,
                    Attempt.state,
                    Attempt.deadline_at,
                    Attempt.place,
                    Attempt.revision_count,
                    Attempt.head_hash,
                    Attempt.answered_count,
                    Attempt.late_count,
                    Attempt.last_saved_at,
                    Attempt.ended_at,
                )
                .where(Attempt.id.in_(attempt_ids))
                .order_by(Attempt.id),
                Attempt,
            )
        )
    }
    for place in db.execute(select(Place.id, Place.attempt_id, Place.workstation_id).where(Place.id.in_(places))):
        if place.attempt_id in heads:
            heads[place.attempt_id].workstations[place.id] = place.workstation_id
    for row in db.execute(
        select(
            Revision.attempt_id,
            Revision.place,
            Revision.sequence,
            Revision.number,
            Revision.item_id,
            Revision.response,
            Revision.saved_at,
            Revision.is_late,
        ).where(Revision.attempt_id.in_(attempt_ids), Revision.place.in_(places), Revision.sequence >= lowest)
    ):
        stored = _Stored(row.number, row.item_id, row.response, row.saved_at, row.is_late)
        heads[row.attempt_id].stored[row.place, row.sequence] = stored
    for answer in db.execute(
        select(
            CurrentAnswer.attempt_id,
            CurrentAnswer.item_id,
            CurrentAnswer.place,
            CurrentAnswer.sequence,
            CurrentAnswer.is_answered,
        ).where(CurrentAnswer.attempt_id.in_(attempt_ids), CurrentAnswer.item_id.in_(items))
    ):
        heads[answer.attempt_id].current[answer.item_id] = _Current(
            answer.place, answer.sequence, answer.is_answered, False
        )
    return heads


def _record(head: _Head, batch: SaveBatch, written: _Written) -> BatchOutcome:
    acknowledged: list[Acknowledged] = []
    conflicts: list[int] = []
    for save in batch.saves:
        stored = head.stored.get((batch.place, save.sequence))
        if stored is None:
            stored = _append(head, batch, save, written)
        elif (stored.item_id, stored.response) != (save.item_id, save.response):
            conflicts.append(save.sequence)
            head.conflicts_now += 1
            written.conflicts.append(
                {
                    "attempt_id": head.attempt_id,
                    "place": batch.place,
                    "sequence": save.sequence,
                    "item_id": save.item_id,
                    "response": save.response,
                    "came_at": batch.at,
                }
            )
        acknowledged.append(Acknowledged(save.sequence, stored.number, stored.saved_at, stored.is_late))
    if batch.view is not None and batch.place == head.place:
        head.view, head.changed = batch.view, True
    return BatchOutcome(tuple(acknowledged), tuple(conflicts), head.deadline_at, head.state, head.place)


def _append(head: _Head, batch: SaveBatch, save: Save, written: _Written) -> _Stored:
    is_late = _is_late(head, batch.at)
    workstation_id = head.workstations[batch.place]
    number = head.number + 1
    link = ChainLink(
        head.attempt_id,
        number,
        batch.place,
        save.sequence,
        save.item_id,
        save.response,
        milliseconds(batch.at),
        workstation_id,
        is_late,
    )
    digest = link_hash(head.hash, link)
    written.revisions.append(
        {
            "attempt_id": head.attempt_id,
            "number": number,
            "place": batch.place,
            "sequence": save.sequence,
            "item_id": save.item_id,
            "response": save.response,
            "saved_at": batch.at,
            "workstation_id": workstation_id,
            "is_late": is_late,
            "is_answered": save.is_answered,
            "accepted_by": None,
            "previous_hash": head.hash,
            "hash": digest,
        }
    )
    head.number, head.hash, head.saved_at, head.changed = number, digest, batch.at, True
    stored = _Stored(number, save.item_id, save.response, batch.at, is_late)
    head.stored[batch.place, save.sequence] = stored
    if is_late:
        head.late += 1
        head.late_now += 1
    else:
        _make_current(head, batch.place, save, number, written)
    return stored


def _is_late(head: _Head, at: datetime) -> bool:
    """Say whether what arrived at this moment came after the end; while suspended the deadline stands still.

    The moment of arrival counts, not that of writing: what came in time is in time even if the station
    collected while it waited for the writer.
    """
    if head.state == AttemptState.SUSPENDED:
        return False
    return at > head.deadline_at or (head.ended_at is not None and at > head.ended_at)


def _make_current(head: _Head, place: int, save: Save, number: int, written: _Written) -> None:
    before = head.current.get(save.item_id)
    if before is not None and (before.place, before.sequence) > (place, save.sequence):
        return
    is_new = before is None or before.is_new
    head.current[save.item_id] = _Current(place, save.sequence, save.is_answered, is_new)
    head.answered += int(save.is_answered) - int(before is not None and before.is_answered)
    values: dict[str, object] = {
        "attempt_id": head.attempt_id,
        "item_id": save.item_id,
        "place": place,
        "sequence": save.sequence,
        "revision_number": number,
        "is_answered": save.is_answered,
    }
    (written.new_answers if is_new else written.changed_answers)[head.attempt_id, save.item_id] = values


def _write(db: Session, heads: dict[int, _Head], written: _Written) -> None:
    if written.revisions:
        db.execute(insert(Revision), written.revisions)
    if written.conflicts:
        db.execute(insert(SaveConflict), written.conflicts)
    if written.new_answers:
        db.execute(insert(CurrentAnswer), list(written.new_answers.values()))
    if written.changed_answers:
        db.execute(update(CurrentAnswer), list(written.changed_answers.values()))
    rows: list[dict[str, object]] = []
    views: list[dict[str, object]] = []
    for head in heads.values():
        if head.changed:
            rows.append(
                {
                    "id": head.attempt_id,
                    "revision_count": head.number,
                    "head_hash": head.hash,
                    "answered_count": head.answered,
                    "late_count": head.late,
                    "last_saved_at": head.saved_at,
                }
            )
        if head.view is not None:
            views.append({"id": head.attempt_id, "view": head.view})
    if rows:
        db.execute(update(Attempt), rows)
    if views:
        db.execute(update(Attempt), views)


def _report(db: Session, heads: dict[int, _Head]) -> None:
    """Tell the board of late and conflicting saves, one event an attempt and group."""
    for head in heads.values():
        if not head.late_now and not head.conflicts_now:
            continue
        entry, name = db.execute(
            select(Entry, Candidate.name)
            .join(Attempt, Attempt.entry_id == Entry.id)
            .join(Candidate, Candidate.id == Entry.candidate_id)
            .where(Attempt.id == head.attempt_id)
        ).one()
        for event, count in (("save_came_late", head.late_now), ("save_conflict", head.conflicts_now)):
            if count:
                assert head.saved_at is not None
                journal.append(
                    db,
                    event,
                    at=head.saved_at,
                    sitting_id=entry.sitting_id,
                    entry_id=entry.id,
                    name=name,
                    count=count,
                )
