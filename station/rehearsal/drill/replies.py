"""What a traced station told its candidates, and when.

A save counts as acknowledged from the moment at which the station begins to hand its reply to the system: from then
on the reply can be on its way, whatever happens to the power. That is earlier than any candidate can know it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from station.rehearsal.drill.disk_trace import NEVER, Call

_SENDS = frozenset({"sendto", "sendmsg", "write", "writev"})
_RECEIVES = frozenset({"recvfrom", "recvmsg"})
_BLANK = b"\r\n\r\n"


class SaveTold(NamedTuple):
    """A save that was acknowledged; `line` says when."""

    line: int
    attempt_id: int
    place: int
    sequence: int
    number: int


class FileTold(NamedTuple):
    """A file that was taken."""

    line: int
    attempt_id: int
    item_id: str
    part: str
    sha256: str
    size: int


class HandInTold(NamedTuple):
    """A hand-in that was confirmed."""

    line: int
    attempt_id: int
    receipt_code: str


Told = SaveTold | FileTold | HandInTold


class _Exchange(NamedTuple):
    line: int
    path: str
    asked: bytes
    replied: bytes


@dataclass
class _Message:
    """One direction of a connection, cut into messages by their length."""

    kept: bytes = b""
    line: int = 0

    def take(self, content: bytes, line: int) -> Iterator[tuple[int, bytes, bytes]]:
        if not self.kept:
            self.line = line
        self.kept += content
        while _BLANK in self.kept:
            head, _, rest = self.kept.partition(_BLANK)
            length = _length(head)
            if len(rest) < length:
                return
            yield self.line, head, rest[:length]
            self.kept, self.line = rest[length:], line


def told_by(calls: Iterable[Call]) -> list[Told]:
    """List everything that the station confirmed, in the order in which it did."""
    found: list[Told] = []
    for exchange in _exchanges(calls):
        path = urlsplit(exchange.path)
        reply = json.loads(exchange.replied)
        if path.path == "/api/saves":
            asked = json.loads(exchange.asked)
            found += (
                SaveTold(exchange.line, asked["attempt_id"], asked["place"], one["sequence"], one["number"])
                for one in reply["acknowledged"]
            )
        elif path.path == "/api/files":
            query = {name: values[0] for name, values in parse_qs(path.query).items()}
            file: dict[str, Any] = reply["file"]
            found.append(
                FileTold(
                    exchange.line,
                    int(query["attempt_id"]),
                    query["item_id"],
                    query["part"],
                    file["sha256"],
                    file["size"],
                )
            )
        elif path.path == "/api/hand_in":
            attempt_id = json.loads(exchange.asked)["attempt_id"]
            found.append(HandInTold(exchange.line, attempt_id, reply["receipt_code"]))
    return sorted(found, key=lambda one: one.line)


def _exchanges(calls: Iterable[Call]) -> Iterator[_Exchange]:
    """Pair requests and good replies, connection by connection; a reply that was begun counts as sent."""
    asking: dict[str, _Message] = {}
    replying: dict[str, _Message] = {}
    asked: dict[str, list[tuple[str, bytes]]] = {}
    for call in sorted(calls, key=lambda one: one.began if one.name in _SENDS else one.ended):
        way = call.handle[1]
        if not way.startswith("socket:"):
            continue
        content = b"".join(call.texts[:1])
        if call.name in _RECEIVES and call.ended != NEVER:
            for _, head, body in asking.setdefault(way, _Message()).take(content[: call.result], call.ended):
                asked.setdefault(way, []).append((head.split(b" ", 2)[1].decode(), body))
        elif call.name in _SENDS:
            sent = content if call.ended == NEVER else content[: call.result]
            for line, head, body in replying.setdefault(way, _Message()).take(sent, call.began):
                path, question = asked[way].pop(0)
                if head.split(b" ", 2)[1] == b"200":
                    yield _Exchange(line, path, question, body)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
