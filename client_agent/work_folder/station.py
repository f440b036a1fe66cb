"""The station's side of one work folder: the routes of PROTOCOL.md 'Work folder', and the folder as it shall be."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Iterator, Mapping, Protocol, Sequence
from urllib.parse import quote

from client_agent import clock
from client_agent.errors import AgentError
from client_agent.station_link import NOT_A_STATION
from client_agent.work_folder.names import is_safe


class Link(Protocol):
    """What is used of `station_link.Link`."""

    origin: str

    def get(self, path: str) -> dict[str, Any]: ...

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]: ...

    def put_bytes(self, path: str, content: bytes) -> dict[str, Any]: ...

    def get_bytes(self, path: str, offset: int = 0) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Wish:
    """A file that shall lie in the folder. `version` 0: a material."""

    path: str
    sha256: str
    size: int
    version: int = 0
    modified_at: datetime | None = None


@dataclass(frozen=True)
class TakenBack:
    """An earlier version that the candidate wants back, in its place or, if that is held, beside it."""

    id: int
    path: str
    beside: str
    sha256: str
    size: int


@dataclass(frozen=True)
class FolderPlan:
    """The folder as the station says it shall be."""

    state: str
    name: str
    item_folders: Sequence[str]
    materials: Sequence[Wish]
    files: Sequence[Wish]
    taken_back: Sequence[TakenBack]
    largest_file: int
    programs: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Station:
    """Talks about one attempt's folder."""

    def __init__(self, link: Link, attempt_id: int) -> None:
        self._link = link
        self.attempt_id = attempt_id
        self._route = f"/api/agent/folders/{attempt_id}"

    def plan(self) -> FolderPlan:
        """Ask for the folder as it shall be. Raises not_a_station for what does not follow PROTOCOL.md."""
        answer = self._link.get(self._route)
        try:
            return _read_plan(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as failure:
            raise AgentError(NOT_A_STATION, address=self._link.origin, reason=f"folder: {failure}") from None

    def clock_offset_s(self) -> float:
        """Measure by how much this PC's clock is ahead of the station's."""
        started = clock.monotonic()
        answer = self._link.get("/api/clock")
        taken_s = clock.monotonic() - started
        moment = _moment({"modified_at": answer.get("now")})
        if moment is None:
            raise AgentError(NOT_A_STATION, address=self._link.origin, reason="clock")
        return (clock.now() - moment).total_seconds() - taken_s / 2

    def content(self, sha256: str, offset: int) -> Iterator[bytes]:
        return self._link.get_bytes(self._content_route(sha256), offset)

    def offer(self, sha256: str, size: int) -> int:
        """Say what is to come; gives how many of its bytes are there."""
        return self._have(self._link.post(self._content_route(sha256), {"size": size}), size)

    def put(self, sha256: str, offset: int, piece: bytes) -> int:
        """Send a piece; gives how many bytes are there."""
        answer = self._link.put_bytes(f"{self._content_route(sha256)}?offset={offset}", piece)
        have = self._have(answer, offset + len(piece))
        if have <= offset:  # it would never end
            raise AgentError(NOT_A_STATION, address=self._link.origin, reason="have")
        return have

    def tell(self, body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Tell versions; gives the numbers they got."""
        accepted = self._link.post(f"{self._route}/versions", body).get("accepted")
        if not isinstance(accepted, list) or not all(isinstance(one, dict) and "path" in one for one in accepted):
            raise AgentError(NOT_A_STATION, address=self._link.origin, reason="accepted")
        return accepted

    def settle(self, files: Sequence[Mapping[str, str]]) -> tuple[bool, Sequence[str]]:
        """Tell the last state; gives whether the station has it all, and the paths of what it lacks."""
        answer = self._link.post(f"{self._route}/settled", {"files": list(files)})
        missing = answer.get("missing", [])
        paths = [str(one.get("path") if isinstance(one, dict) else one) for one in missing]
        return answer.get("complete") is True, paths

    def _content_route(self, sha256: str) -> str:
        return f"{self._route}/contents/{quote(sha256, safe='')}"

    def _have(self, answer: Mapping[str, Any], most: int) -> int:
        have = answer.get("have")
        if not isinstance(have, int) or not 0 <= have <= most:
            raise AgentError(NOT_A_STATION, address=self._link.origin, reason="have")
        return have


def _read_plan(answer: Mapping[str, Any]) -> FolderPlan:
    items = answer.get("items", [])
    return FolderPlan(
        state=str(answer.get("state", "")),
        name=str(answer["folder"]),
        item_folders=[str(item["folder"]) for item in items if is_safe(str(item["folder"]))],
        materials=_safe(
            Wish(f"{item['folder']}/{one['path']}", str(one["sha256"]), int(one["size"]))
            for item in items
            for one in item.get("materials", [])
        ),
        files=_safe(
            Wish(str(one["path"]), str(one["sha256"]), int(one["size"]), int(one["version"]), _moment(one))
            for one in answer.get("files", [])
            if one.get("sha256")
        ),
        taken_back=[
            TakenBack(int(one["id"]), str(one["path"]), str(one["beside"]), str(one["sha256"]), int(one["size"]))
            for one in answer.get("taken_back", [])
            if is_safe(str(one["path"])) and is_safe(str(one["beside"]))
        ],
        largest_file=int(answer.get("largest_file", 2**31)),
        programs={str(item.get("item_id")): [str(one) for one in item.get("programs") or ()] for item in items},
    )


def _safe(wishes: Iterator[Wish]) -> list[Wish]:
    """Leave out what would lie outside the folder: no station says that."""
    return [wish for wish in wishes if is_safe(wish.path)]


def _moment(one: Mapping[str, Any]) -> datetime | None:
    text = str(one.get("modified_at") or "")
    if not text:
        return None
    moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
