"""Hold a store against the load's own record of what was acknowledged.

Chains and current answers are worked out once more from the revisions, with nothing of the code that wrote them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from station.rehearsal.load import item_of, response_of
from station.store import Store
from station.store.models import Attempt, CurrentAnswer, Revision

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_HASH = "0" * 64
_READ_AT_ONCE = 5_000
# What does not hold is told by example: a store that has lost everything needs no line a save.
_TOLD = 20

# attempt → (place, sequence) → number under which the save was acknowledged.
Acknowledged = Mapping[int, Mapping[tuple[int, int], int]]


@dataclass
class Proof:
    """What a store proves. `acked_lost` counts saves that are missing or not as they were acknowledged.

    `chain_broken` counts attempts. `wrong`: what else does not hold, the first cases in words.
    """

    saves_acked: int = 0
    acked_lost: int = 0
    chain_broken: int = 0
    revisions: int = 0
    late: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.acked_lost or self.chain_broken or self.wrong)

    def tell(self, zh: str, en: str) -> None:
        """Note what does not hold, unless enough has been told already."""
        if len(self.wrong) < _TOLD:
            self.wrong.append(f"{zh} {en}")


def prove(store: Store, acks: Iterable[Path], items: Sequence[str]) -> Proof:
    """Compare a store with the records of acknowledged saves.

    1. Every acknowledged save is a revision, under the number that was told, with the item and answer that the
       load sends under this sequence.
    2. Every attempt's chain holds from its first revision to the end that the attempt names.
    3. No save stands there twice.
    4. What counts for an item is the revision with the highest (place, sequence) that is not late, or was accepted.
    """
    proof = Proof()
    told = read_acks(acks, proof)
    proof.saves_acked = sum(map(len, told.values()))
    with store.reading() as db:
        ends = {row.id: (row.revision_count, row.head_hash) for row in db.execute(_ENDS)}
        counting = _counting(db)
        seen: set[int] = set()
        for attempt_id, rows in groupby(
            db.execute(_REVISIONS).yield_per(_READ_AT_ONCE), key=lambda row: row.attempt_id
        ):
            own = list(rows)
            seen.add(attempt_id)
            _prove_attempt(proof, attempt_id, own, told.get(attempt_id, {}), items, end=ends.get(attempt_id))
            _prove_counting(proof, attempt_id, own, counting.pop(attempt_id, {}))
    for attempt_id, numbers in told.items():
        if attempt_id not in seen:
            proof.acked_lost += len(numbers)
    proof.chain_broken += sum(attempt_id not in seen and end != (0, _FIRST_HASH) for attempt_id, end in ends.items())
    for attempt_id in counting:
        proof.tell(f"作答 {attempt_id} 的最终答案没有来历。", "A current answer has no revision.")
    if proof.acked_lost:
        proof.tell(f"已确认的保存丢失 {proof.acked_lost} 次。", f"{proof.acked_lost} acknowledged saves are lost.")
    return proof


def read_acks(acks: Iterable[Path], proof: Proof) -> Acknowledged:
    """Read the records; a last line without its end was being written when the load ended, and says nothing."""
    told: dict[int, dict[tuple[int, int], int]] = {}
    for path in acks:
        for line in path.read_text("ascii").split("\n")[:-1]:
            attempt_id, place, sequence, number = map(int, line.split())
            before = told.setdefault(attempt_id, {}).setdefault((place, sequence), number)
            if before != number:
                proof.tell(
                    f"作答 {attempt_id}：同一次保存两次确认的序号不同（{before}、{number}）。",
                    "One save was acknowledged under two numbers.",
                )
    return told


_ENDS = select(Attempt.id, Attempt.revision_count, Attempt.head_hash)
_REVISIONS = select(
    Revision.attempt_id,
    Revision.number,
    Revision.place,
    Revision.sequence,
    Revision.item_id,
    Revision.response,
    Revision.saved_at,
    Revision.workstation_id,
    Revision.is_late,
    Revision.accepted_by,
    Revision.previous_hash,
    Revision.hash,
).order_by(Revision.attempt_id, Revision.number)


def _prove_attempt(
    proof: Proof,
    attempt_id: int,
    rows: Sequence[Row[*tuple[Any, ...]]],
    told: Mapping[tuple[int, int], int],
    items: Sequence[str],
    *,
    end: tuple[int, str] | None,
) -> None:
    proof.revisions += len(rows)
    proof.late += sum(row.is_late for row in rows)
    found = {(row.place, row.sequence): row for row in rows}
    if len(found) != len(rows):
        proof.tell(f"作答 {attempt_id}：同一次保存记录了两遍。", "A save stands there twice.")
    for identity, number in told.items():
        row = found.get(identity)
        if row is None or (row.number, row.item_id, row.response) != (number, *_sent(items, identity[1])):
            proof.acked_lost += 1
    if not _chain_holds(rows, end):
        proof.chain_broken += 1
        proof.tell(f"作答 {attempt_id} 的校验链断裂。", "A chain is broken.")


def _chain_holds(rows: Sequence[Row[*tuple[Any, ...]]], end: tuple[int, str] | None) -> bool:
    number, head = 0, _FIRST_HASH
    for row in rows:
        fields = [
            row.attempt_id,
            row.number,
            row.place,
            row.sequence,
            row.item_id,
            row.response,
            (row.saved_at - _EPOCH) // timedelta(milliseconds=1),
            row.workstation_id,
            row.is_late,
        ]
        text = f"{head}\n{json.dumps(fields, ensure_ascii=False, separators=(',', ':'))}"
        own = hashlib.sha256(text.encode()).hexdigest()
        if (row.number, row.previous_hash, row.hash) != (number + 1, head, own):
            return False
        number, head = row.number, row.hash
    return (number, head) == end


def _prove_counting(
    proof: Proof, attempt_id: int, rows: Sequence[Row[*tuple[Any, ...]]], counting: Mapping[str, int]
) -> None:
    expected: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: (row.place, row.sequence)):
        if not row.is_late or row.accepted_by is not None:
            expected[row.item_id] = row.number
    if expected != counting:
        proof.tell(f"作答 {attempt_id} 的最终答案不是最新的一次保存。", "A current answer is not the newest save.")


def _counting(db: Session) -> dict[int, dict[str, int]]:
    counting: dict[int, dict[str, int]] = {}
    rows = select(CurrentAnswer.attempt_id, CurrentAnswer.item_id, CurrentAnswer.revision_number)
    for attempt_id, item_id, number in db.execute(rows):
        counting.setdefault(attempt_id, {})[item_id] = number
    return counting


def _sent(items: Sequence[str], sequence: int) -> tuple[str, str]:
    return item_of(items, sequence), f'{{"base":{{"identifier":"{response_of(sequence)}"}}}}'
