"""Bring contents and versions of one work folder to the station: only what is new, in pieces, and surely.

1. A snapshot of the file is taken (`contents`).
2. The station is told hash and size, and says how much of it is there; only the rest is sent.
3. Complete contents are told as versions. The message is written into the ledger before it is sent, and sent again
   until it is answered: the station takes it once.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Generator, Mapping, NamedTuple, Sequence

from client_agent.errors import AgentError
from client_agent.station_link import refusal_code
from client_agent.work_folder.contents import NotAtRest, Snapshot, take_snapshot
from client_agent.work_folder.files import Files, Mark
from client_agent.work_folder.ledger import Held, Ledger, Message
from client_agent.work_folder.station import Station

MOST_VERSIONS = 200
TRIES = 3
EARLIEST = datetime(1980, 1, 1, tzinfo=timezone.utc)


class Version(NamedTuple):
    """What is to be told to the station. `sha256` None: the file was removed."""

    local: str
    path: str
    sha256: str | None
    mark: Mark
    cause: str


class Sender:
    """Sends for one attempt; used by one thread. `pause`: called with the bytes of each piece that was sent."""

    def __init__(
        self,
        station: Station,
        ledger: Ledger,
        files: Files,
        *,
        boot_id: str,
        offset_s: Callable[[], float],
        pause: Callable[[int], None],
    ) -> None:
        self._station = station
        self._ledger = ledger
        self._files = files
        self._boot_id = boot_id
        self._offset_s = offset_s
        self._pause = pause
        self._hashes: dict[str, tuple[Mark, str]] = {}
        self.sent = 0

    def send_content(self, path: str, mark: Mark, *, copy_to: str | None) -> Generator[None, None, Snapshot]:
        """Send a file's content, piece by piece; gives the snapshot when the station has it all.

        Raises NotAtRest, AgentError. The hash is kept in mind for the next try.
        """
        known = self._hashes.get(path)
        sha256 = known[1] if known is not None and known[0] == mark else ""
        snapshot = yield from take_snapshot(self._files, path, mark, known_sha256=sha256, copy_to=copy_to)
        self._hashes[path] = (mark, snapshot.sha256)
        try:
            for _ in range(TRIES):
                if (yield from self._send_pieces(snapshot)):
                    return snapshot
                yield
            # The station found other bytes than were hashed: the file changed without a sign.
            self._hashes.pop(path, None)
            raise NotAtRest(path)
        finally:
            snapshot.let_go()

    def tell(self, versions: Sequence[Version]) -> list[Held]:
        """Tell up to 200 versions whose contents are there; gives what the station holds now. Removals go first."""
        ordered = sorted(versions, key=lambda version: version.sha256 is not None)
        body = {"boot_id": self._boot_id, "versions": [self._as_json(version) for version in ordered]}
        marks = {version.path: [version.local, version.mark.size, version.mark.mtime_ns] for version in ordered}
        message = self._ledger.begin_message(self._station.attempt_id, body, marks)
        return self._deliver(message)

    def tell_again(self) -> list[Held]:
        """Send what was told before a crash or a cut and not answered."""
        messages = self._ledger.messages(self._station.attempt_id)
        return [held for message in messages for held in self._deliver(message)]

    def _deliver(self, message: Message) -> list[Held]:
        attempt_id = self._station.attempt_id
        try:
            answer = self._station.tell(message.body)
        except AgentError as failure:
            if refusal_code(failure):  # as it is it will never be taken; what it told is found changed again
                self._ledger.hold(attempt_id, [], answered=message.sequence)
            raise
        numbers = {str(one["path"]): int(one["version"]) for one in answer}
        held = [
            _held(version, message.marks[version["path"]], numbers.get(version["path"], 0))
            for version in message.body["versions"]
        ]
        self._ledger.hold(attempt_id, held, answered=message.sequence)
        self.sent += len(held)
        return held

    def _send_pieces(self, snapshot: Snapshot) -> Generator[None, None, bool]:
        """Send what the station lacks; False: it begins anew with this content."""
        have = self._station.offer(snapshot.sha256, snapshot.size)
        while have < snapshot.size:
            piece = snapshot.piece(self._files, have)
            try:
                have = self._station.put(snapshot.sha256, have, piece)
            except AgentError as failure:
                if refusal_code(failure) in ("piece_misplaced", "content_damaged"):
                    return False
                raise
            self._pause(len(piece))
            yield
        return True

    def _as_json(self, version: Version) -> Mapping[str, Any]:
        return {
            "path": version.path,
            "sha256": version.sha256,
            "size": version.mark.size if version.sha256 is not None else 0,
            "modified_at": _moment(version.mark.mtime_ns, self._offset_s()),
            "cause": version.cause,
        }


def _held(version: Mapping[str, Any], mark: Sequence[Any], number: int) -> Held:
    return Held(str(version["path"]), str(mark[0]), version["sha256"], number, Mark(int(mark[1]), int(mark[2])))


def _moment(mtime_ns: int, offset_s: float) -> str:
    """Write a file's time by the station's clock; one that no calendar holds becomes the earliest."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=mtime_ns // 1000)
        return max(EARLIEST, moment - timedelta(seconds=offset_s)).isoformat()
    except OverflowError:
        return EARLIEST.isoformat()
