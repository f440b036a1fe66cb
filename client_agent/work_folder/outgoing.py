"""Which file of a folder goes to the station next.

Small files go at once, in batches; one large file at a time goes a piece a turn, so that neither waits for the other.
A file goes when it rests, looks whole and is held by nobody. One that does not come to rest goes as a copy of a
moment at which it stood still; a torn one never goes.
"""

from __future__ import annotations

import os
from typing import Callable, Generator

from client_agent import clock
from client_agent.errors import AgentError, problem
from client_agent.station_link import refusal_code
from client_agent.work_folder import place
from client_agent.work_folder.contents import PIECE, NotAtRest, Snapshot, looks_whole
from client_agent.work_folder.files import Files, Mark
from client_agent.work_folder.ledger import Held, HeldFiles, Kept, Ledger
from client_agent.work_folder.names import beside, station_path
from client_agent.work_folder.sender import MOST_VERSIONS, Sender, Version
from client_agent.work_folder.watcher import Change, Watcher

WORK_FILE_TOO_LARGE = problem(
    "work_file_too_large",
    "文件“{path}”超过 {most_mb} MB，无法保存到服务器。请减小文件后重新保存。",
    "The file {path} is larger than {most_mb} MB and cannot go to the station. Save it smaller.",
)
WORK_FILE_REFUSED = problem(
    "work_file_refused",
    "文件“{path}”未被服务器接受：{sentence}",
    "The station did not take the file {path}: {sentence}",
)

A_TURN = 20
PART_WRITTEN_RESTS_S = 15.0
NEXT_TRY_S = 1.0


class Outgoing:
    """Sends what changed in one folder; used by one thread."""

    def __init__(
        self,
        watcher: Watcher,
        sender: Sender,
        ledger: Ledger,
        files: Files,
        kept: Kept,
        held: HeldFiles,
        *,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._watcher = watcher
        self._sender = sender
        self._ledger = ledger
        self._files = files
        self.kept = kept
        self._monotonic = monotonic
        self._held = held
        self._ready: dict[str, Version] = {}
        self._large: tuple[Change, Generator[None, None, Snapshot]] | None = None
        self._later: dict[str, float] = {}
        self._unquiet: set[str] = set()
        self._whole: dict[str, tuple[Mark, bool]] = {}
        self.refused: dict[str, tuple[Mark, AgentError]] = {}

    def took(self, held: list[Held]) -> None:
        """Take down what the station has."""
        for one in held:
            ready = self._ready.pop(one.path, None)
            self._held.note(one)
            mark = ready.mark if ready is not None and ready.mark.fits(one.mark) else one.mark
            self._watcher.take(one.local, mark if one.sha256 is not None else None)

    def forget(self, path: str) -> bool:
        """Send a file again although it was sent; False: it is not here."""
        held = self._held.get(path)
        if held is None or self._watcher.mark_of(held.local) is None:
            return False
        self._watcher.forget(held.local)
        return True

    def last_files(self) -> list[dict[str, str]]:
        """List what the station has of what the candidate made, for the last state."""
        return [
            {"path": one.path, "sha256": one.sha256}
            for one in self._held.all()
            if one.sha256 is not None and one.version > 0
        ]

    def step(self, cause: str, *, at_end: bool = False, give_up_waiting: bool = False) -> bool:
        """Send a little; says whether there is more to do at once. Raises AgentError.

        `at_end`: removals need not rest. `give_up_waiting`: files go as they stand, as long as they stand still.
        """
        self._note_removed(at_end=at_end)
        due = [change for change in self._watcher.changes() if self._is_due(change, give_up_waiting)]
        small = [change for change in due if change.mark.size <= PIECE]
        for change in small[:A_TURN]:
            self._send_small(change, cause)
        self._step_large([change for change in due if change.mark.size > PIECE], cause)
        if self._ready and (len(small) <= A_TURN or len(self._ready) > MOST_VERSIONS - 2 * A_TURN):
            self._tell()
        return self._large is not None or len(small) > A_TURN

    def unsent(self) -> list[Change]:
        """List what is not at the station yet."""
        return [change for change in self._watcher.changes() if not self._is_refused(change)]

    def drop(self) -> None:
        """Forget what is under way: the next step begins it anew, from what the station has."""
        if self._large is not None:
            self._large[1].close()
        self._large = None
        self._ready.clear()

    def _send_small(self, change: Change, cause: str) -> None:
        work = self._content(change)
        try:
            while True:
                next(work)
        except StopIteration as done:
            self._is_ready(change, done.value, cause)
        except (NotAtRest, AgentError) as failure:
            self._failed(change, failure)

    def _step_large(self, due: list[Change], cause: str) -> None:
        if self._large is None and due:
            self._large = (due[0], self._content(due[0]))
        if self._large is None:
            return
        change, work = self._large
        try:
            next(work)
        except StopIteration as done:
            self._large = None
            self._is_ready(change, done.value, cause)
        except (NotAtRest, AgentError) as failure:
            self._large = None
            self._failed(change, failure)

    def _content(self, change: Change) -> Generator[None, None, Snapshot]:
        path = os.path.join(self._watcher.root, change.local)
        copy_to = None
        if change.is_restless or change.local in self._unquiet:
            size = "small" if change.mark.size <= PIECE else "large"
            copy_to = os.path.join(place.kept_folder(self.kept), f"{size}.exam-part")
        return self._sender.send_content(path, change.mark, copy_to=copy_to)

    def _is_ready(self, change: Change, snapshot: Snapshot, cause: str) -> None:
        path = self._path_of(change.local)
        self._ready[path] = Version(change.local, path, snapshot.sha256, snapshot.mark, cause)
        self._unquiet.discard(change.local)
        self._later.pop(change.local, None)
        self.refused.pop(change.local, None)

    def _failed(self, change: Change, failure: NotAtRest | AgentError) -> None:
        """Try a file that moved again soon, with a copy; put by what the station refuses; pass on the rest."""
        self._later[change.local] = self._monotonic() + NEXT_TRY_S
        if isinstance(failure, NotAtRest):
            self._unquiet.add(change.local)
            return
        if refusal_code(failure) in ("path_unusable", "work_file_too_large", "file_too_large", "field_wrong"):
            self._refuse(change.local, change.mark, failure)
            return
        raise failure

    def _refuse(self, local: str, mark: Mark, failure: AgentError) -> None:
        sentence = failure.details.get("sentence", "")
        self.refused[local] = (mark, AgentError(WORK_FILE_REFUSED, path=local, sentence=sentence))

    def _tell(self) -> None:
        versions = list(self._ready.values())[:MOST_VERSIONS]
        try:
            self.took(self._sender.tell(versions))
        except AgentError as failure:
            code = refusal_code(failure)
            if code:
                self._ready.clear()
            if code == "path_unusable":
                bad = _detail(failure, "path")
                for version in versions:
                    if version.path == bad or len(versions) == 1:
                        self._refuse(version.local, version.mark, failure)
                return
            if code == "content_missing":
                return
            raise

    def _note_removed(self, *, at_end: bool) -> None:
        for local in self._watcher.removed(absent_s=0.0) if at_end else self._watcher.removed():
            held = self._held.at(local)
            if held is None or held.version == 0 or held.sha256 is None:
                self._forget_material(local, held)
            elif held.path not in self._ready:
                self._ready[held.path] = Version(local, held.path, None, Mark(0, clock_ns()), "removed")

    def _forget_material(self, local: str, held: Held | None) -> None:
        """A material that the candidate deleted needs no telling: the station has it."""
        self._watcher.take(local, None)
        if held is not None:
            gone = held._replace(sha256=None)
            self._ledger.hold(self.kept.attempt_id, [gone])
            self._held.note(gone)

    def _is_due(self, change: Change, give_up_waiting: bool) -> bool:
        if self._large is not None and self._large[0].local == change.local:
            return False
        if self._monotonic() < self._later.get(change.local, 0.0) or self._is_refused(change):
            return False
        if any(version.local == change.local and version.mark == change.mark for version in self._ready.values()):
            return False
        if not (change.rests or change.is_restless or give_up_waiting):
            return False
        if change.rests_s >= PART_WRITTEN_RESTS_S or change.is_restless or give_up_waiting:
            return True
        return self._looks_whole(change)

    def _looks_whole(self, change: Change) -> bool:
        known = self._whole.get(change.local)
        if known is not None and known[0] == change.mark:
            return known[1]
        path = os.path.join(self._watcher.root, change.local)
        try:
            whole = looks_whole(self._files, path, change.mark)
        except NotAtRest:
            self._later[change.local] = self._monotonic() + NEXT_TRY_S
            return False
        self._whole[change.local] = (change.mark, whole)
        return whole

    def _is_refused(self, change: Change) -> bool:
        if change.mark.size > self.kept.largest:
            most_mb = self.kept.largest // 2**20
            failure = AgentError(WORK_FILE_TOO_LARGE, path=change.local, most_mb=most_mb)
            self.refused[change.local] = (change.mark, failure)
            return True
        refused = self.refused.get(change.local)
        return refused is not None and refused[0].fits(change.mark)

    def _path_of(self, local: str) -> str:
        """Give a file's path at the station: the one it has, or a new one that no other file here has."""
        own = self._held.at(local)
        if own is not None:
            return own.path
        path = first = station_path(local)
        number = 1
        while self._is_taken(path, local):
            number += 1
            path = beside(first, f"（{number}）").replace(os.sep, "/")
        before = self._held.get(path)
        if before is not None:  # renamed to what is the same name at the station
            self._watcher.take(before.local, None)
        return path

    def _is_taken(self, path: str, local: str) -> bool:
        ready, held = self._ready.get(path), self._held.get(path)
        if ready is not None and ready.sha256 is not None:
            return ready.local != local
        return held is not None and self._watcher.mark_of(held.local) is not None


def clock_ns() -> int:
    return int(clock.now().timestamp() * 1_000_000) * 1000


def _detail(failure: AgentError, name: str) -> str:
    details = failure.details.get("details")
    return str(details.get(name, "")) if isinstance(details, dict) else ""
