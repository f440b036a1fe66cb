"""States of an attempt, and the hash chain of its revisions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from station.errors import problem

NOT_ANSWERING = problem(
    "not_answering",
    "当前不能作答：{state_zh}。已保存的答案不受影响。",
    "Answering is not open: {state}. Saved answers are not affected.",
)


class AttemptState(StrEnum):
    """What has become of an attempt."""

    NOT_OPENED = "not_opened"
    ANSWERING = "answering"
    SUSPENDED = "suspended"
    HANDED_IN = "handed_in"
    COLLECTED = "collected"
    CANCELLED = "cancelled"


STATE_NAMES: dict[AttemptState, tuple[str, str]] = {
    AttemptState.NOT_OPENED: ("未开卷", "not opened"),
    AttemptState.ANSWERING: ("作答中", "answering"),
    AttemptState.SUSPENDED: ("已暂停", "suspended"),
    AttemptState.HANDED_IN: ("已交卷", "handed in"),
    AttemptState.COLLECTED: ("已收卷", "collected"),
    AttemptState.CANCELLED: ("已终止", "cancelled"),
}
ENDED = frozenset({AttemptState.HANDED_IN, AttemptState.COLLECTED, AttemptState.CANCELLED})
OPEN = frozenset({AttemptState.ANSWERING, AttemptState.SUSPENDED})

CHAIN_START = "0" * 64


class ChainLink(NamedTuple):
    """What of a revision goes into its hash. `saved_at_ms`: station time, milliseconds since 1970 UTC."""

    attempt_id: int
    number: int
    place: int
    sequence: int
    item_id: str
    response: str
    saved_at_ms: int
    workstation_id: int | None
    is_late: bool


class Link(Protocol):
    """The fields of one link of any chain, in the order in which they are hashed."""

    @property
    def number(self) -> int: ...

    def __iter__(self) -> Iterator[object]: ...


def response_text(response: Mapping[str, object]) -> str:
    """Write a response as the one text that is stored and hashed."""
    return json.dumps(response, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def link_hash(previous_hash: str, link: Link) -> str:
    """Hash one link onto its chain: SHA-256 over the previous hash and the link's fields, in order."""
    fields = json.dumps(list(link), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{previous_hash}\n{fields}".encode()).hexdigest()


def first_broken_link(links: Iterable[tuple[Link, str, str]]) -> int | None:
    """Follow a chain of (link, previous hash, hash) in order; give the number of the first that does not hold."""
    expected_previous, expected_number = CHAIN_START, 1
    for link, previous, own in links:
        if link.number != expected_number or previous != expected_previous or link_hash(previous, link) != own:
            return link.number
        expected_previous, expected_number = own, expected_number + 1
    return None


def receipt_code(head_hash: str, attempt_id: int) -> str:
    """Make the short code that the candidate sees at the end, in the form ABCD-EFGH (no 0, 1, I, O)."""
    letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    digest = hashlib.sha256(f"receipt\n{attempt_id}\n{head_hash}".encode()).digest()
    code = "".join(letters[byte % 32] for byte in digest[:8])
    return f"{code[:4]}-{code[4:]}"
