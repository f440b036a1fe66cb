"""Save responses: what the one writer records for a group of requests (design §5, §13.1–5)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from station.domain.attempt import AttemptState, ChainLink, link_hash
from station.errors import Missing, problem
from station.services import journal
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
from station.store.save_rows import AnswerRow, AttemptRow, ChangedAttempt, RevisionRow, SaveRows

# Attempts of which is remembered what counts: more than sit in the largest room at once.
REMEMBERED = 2_000

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


class SaveRecorder:
    """Writes groups of saves, one group after the other.

    It remembers what it last read and wrote of an attempt: places, and which revision counts for each item. What is
    remembered holds exactly as long as the attempt's chain ends where it did, by number and hash; that end, the
    state and the deadline are read anew, and locked, for each group. So neither a commit that failed nor another
    process on the same database can make it write on a wrong picture.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._rows: SaveRows | None = None

    def record(self, db: Session, batches: Sequence[SaveBatch]) -> list[BatchOutcome | Exception]:
        """Write a group of batches in one transaction.

        1. Lock the attempts and read where they stand; read the places, what is stored under the same
           identities, and the current answers, where they are not remembered.
        2. A save whose identity is stored already is acknowledged as it was, or kept as a conflict.
        3. Every other save becomes the next revision of its attempt's chain; one that arrived after the deadline,
           or after the attempt's end, is kept and flagged late.
        4. The current answer follows the highest (place, sequence) that is not late.
        A place that is unknown or another attempt's makes that batch's outcome an exception; the others stand.
        """
        rows = self._rows = self._rows or SaveRows(db.get_bind().dialect)
        heads = self._heads(db, rows, batches)
        written = _Written()
        outcomes: list[BatchOutcome | Exception] = []
        for batch in batches:
            head = heads.get(batch.attempt_id)
            if head is None or batch.place not in head.known.workstations:
                outcomes.append(Missing(PLACE_UNKNOWN))
                continue
            outcomes.append(_record(head, batch, written))
        _write(db, rows, heads, written)
        _report(db, heads)
        self._remember(heads)
        return outcomes

    def _heads(self, db: Session, rows: SaveRows, batches: Sequence[SaveBatch]) -> dict[int, _Head]:
        sent: dict[int, list[SaveBatch]] = {}
        for batch in batches:
            sent.setdefault(batch.attempt_id, []).append(batch)
        heads: dict[int, _Head] = {}
        strange: list[int] = []
        repeating: list[int] = []
        for row in rows.read_attempts(db, list(sent)):
            known = self._known.pop(row.id, None)
            if known is None or not known.fits(row) or any(one.place not in known.workstations for one in sent[row.id]):
                known = _Known()
                strange.append(row.id)
            heads[row.id] = _Head(row, known)
        if strange:
            _read_known(db, strange, heads)
        for attempt_id, head in heads.items():
            if any(head.known.may_hold(batch) for batch in sent[attempt_id]):
                repeating.append(attempt_id)
        if repeating:
            _read_stored(db, [batch for one in repeating for batch in sent[one]], heads)
        return heads

    def _remember(self, heads: Mapping[int, _Head]) -> None:
        for attempt_id, head in heads.items():
            # A decision on late answers changes what counts without a new revision: such attempts are read each time.
            if not head.late:
                head.known.number, head.known.hash = head.number, head.hash
                self._known[attempt_id] = head.known
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


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


class _Known:
    """What is remembered of an attempt whose chain ends at `number` with `hash`."""

    __slots__ = ("current", "hash", "highest", "number", "workstations")

    def __init__(self) -> None:
        self.number, self.hash = -1, ""
        self.workstations: dict[int, int | None] = {}
        self.highest: dict[int, int] = {}
        self.current: dict[str, _Current] = {}

    def fits(self, row: AttemptRow) -> bool:
        return self.number == row.number and self.hash == row.hash and not row.late

    def may_hold(self, batch: SaveBatch) -> bool:
        """Say whether a save of the batch may be stored already."""
        highest = self.highest.get(batch.place)
        return highest is not None and any(save.sequence <= highest for save in batch.saves)


class _Head:
    """One attempt's chain end and what the group adds to it."""

    __slots__ = (
        "answered", "changed", "conflicts_now", "deadline_at", "ended_at", "hash", "id", "known", "late", "late_now",
        "new_items", "number", "place", "saved_at", "state", "stored", "view",
    )  # fmt: skip

    def __init__(self, row: AttemptRow, known: _Known) -> None:
        self.id, self.state, self.deadline_at, self.place = row.id, row.state, row.deadline_at, row.place
        self.number, self.hash, self.answered, self.late = row.number, row.hash, row.answered, row.late
        self.saved_at, self.ended_at = row.saved_at, row.ended_at
        self.known = known
        self.view: str | None = None
        self.changed, self.late_now, self.conflicts_now = False, 0, 0
        self.stored: dict[tuple[int, int], _Stored] = {}
        self.new_items: set[str] = set()


@dataclass
class _Written:
    revisions: list[RevisionRow] = field(default_factory=list)
    conflicts: list[dict[str, object]] = field(default_factory=list)
    new_answers: dict[tuple[int, str], AnswerRow] = field(default_factory=dict)
    changed_answers: dict[tuple[int, str], AnswerRow] = field(default_factory=dict)


def _read_known(db: Session, attempt_ids: Sequence[int], heads: Mapping[int, _Head]) -> None:
    for place in db.execute(
        select(Place.id, Place.attempt_id, Place.workstation_id).where(Place.attempt_id.in_(attempt_ids))
    ):
        heads[place.attempt_id].known.workstations[place.id] = place.workstation_id
    for attempt_id, place_id, highest in db.execute(
        select(Revision.attempt_id, Revision.place, func.max(Revision.sequence))
        .where(Revision.attempt_id.in_(attempt_ids))
        .group_by(Revision.attempt_id, Revision.place)
    ):
        heads[attempt_id].known.highest[place_id] = highest
    for answer in db.execute(
        select(
            CurrentAnswer.attempt_id,
            CurrentAnswer.item_id,
            CurrentAnswer.place,
            CurrentAnswer.sequence,
            CurrentAnswer.is_answered,
        ).where(CurrentAnswer.attempt_id.in_(attempt_ids))
    ):
        current = _Current(answer.place, answer.sequence, answer.is_answered)
        heads[answer.attempt_id].known.current[answer.item_id] = current


def _read_stored(db: Session, batches: Sequence[SaveBatch], heads: Mapping[int, _Head]) -> None:
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
        ).where(
            Revision.attempt_id.in_({batch.attempt_id for batch in batches}),
            Revision.place.in_({batch.place for batch in batches}),
            Revision.sequence >= min(save.sequence for batch in batches for save in batch.saves),
        )
    ):
        stored = _Stored(row.number, row.item_id, row.response, row.saved_at, row.is_late)
        heads[row.attempt_id].stored[row.place, row.sequence] = stored


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
                    "attempt_id": head.id,
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
    known, place, sequence = head.known, batch.place, save.sequence
    workstation_id = known.workstations[place]
    number = head.number + 1
    link = ChainLink(
        head.id,
        number,
        place,
        sequence,
        save.item_id,
        save.response,
        milliseconds(batch.at),
        workstation_id,
        is_late,
    )
    digest = link_hash(head.hash, link)
    written.revisions.append(
        RevisionRow(
            head.id,
            number,
            place,
            sequence,
            save.item_id,
            save.response,
            batch.at,
            workstation_id,
            is_late,
            save.is_answered,
            head.hash,
            digest,
        )
    )
    head.number, head.hash, head.saved_at, head.changed = number, digest, batch.at, True
    known.highest[place] = max(known.highest.get(place, 0), sequence)
    stored = _Stored(number, save.item_id, save.response, batch.at, is_late)
    head.stored[place, sequence] = stored
    if is_late:
        head.late += 1
        head.late_now += 1
    else:
        _make_current(head, place, save, number, written)
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
    before = head.known.current.get(save.item_id)
    if before is not None and (before.place, before.sequence) > (place, save.sequence):
        return
    if before is None:
        head.new_items.add(save.item_id)
    head.known.current[save.item_id] = _Current(place, save.sequence, save.is_answered)
    head.answered += int(save.is_answered) - int(before is not None and before.is_answered)
    answers = written.new_answers if save.item_id in head.new_items else written.changed_answers
    answers[head.id, save.item_id] = AnswerRow(place, save.sequence, number, save.is_answered, head.id, save.item_id)


def _write(db: Session, rows: SaveRows, heads: Mapping[int, _Head], written: _Written) -> None:
    rows.add_revisions(db, written.revisions)
    if written.conflicts:
        db.execute(insert(SaveConflict), written.conflicts)
    rows.put_answers(db, list(written.new_answers.values()), list(written.changed_answers.values()))
    rows.change_attempts(
        db,
        [
            ChangedAttempt(head.number, head.hash, head.answered, head.late, head.saved_at, head.view, head.id)
            for head in heads.values()
            if head.changed
        ],
    )


def _report(db: Session, heads: dict[int, _Head]) -> None:
    """Tell the board of late and conflicting saves, one event an attempt and group."""
    for head in heads.values():
        if not head.late_now and not head.conflicts_now:
            continue
        entry, name = db.execute(
            select(Entry, Candidate.name)
            .join(Attempt, Attempt.entry_id == Entry.id)
            .join(Candidate, Candidate.id == Entry.candidate_id)
            .where(Attempt.id == head.id)
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
