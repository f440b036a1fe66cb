"""Make the folder as the station says it shall be, and never at the cost of what only lies here.

For each file of the station's plan, in this order:
1. Here it is missing and the ledger does not know it: it is fetched.
2. The ledger does not know it, but it lies here: equal by hash, it is the same. Newer than the station's, it stays
   and will be sent. Older (this PC was used before, the candidate went elsewhere), the station's takes the place and
   the one found here is kept beside it under a name that says so.
3. The station has a newer version than the ledger and the file here is as the ledger says: it is replaced.
4. The same, but the file here was changed since: it stays and will be sent, the station's is put beside it.
A file that the ledger knows and that is not here was deleted by the candidate.
Whatever is replaced is at the station, byte for byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from datetime import datetime, timezone
from typing import Callable, Generator, Sequence

from client_agent.errors import AgentError, problem
from client_agent.work_folder import place
from client_agent.work_folder.contents import NotAtRest, fresh_file, hash_of
from client_agent.work_folder.files import Files, Mark, leads_elsewhere
from client_agent.work_folder.ledger import Held, HeldFiles, Kept, Ledger
from client_agent.work_folder.names import beside, local_path
from client_agent.work_folder.station import FolderPlan, Station, TakenBack, Wish
from client_agent.work_folder.watcher import Watcher

CONTENT_DAMAGED = problem(
    "content_damaged",
    "从考站取回的文件“{path}”不完整，将自动重新下载。",
    "The file {path} did not come whole from the station; it is fetched again.",
)

OLD_HERE = "（本机旧稿）"
FROM_STATION = "（服务器第{version}版）"
YIELD_BYTES = 4 * 1024 * 1024


class Fetcher:
    """Fetches into one folder; used by one thread."""

    def __init__(
        self,
        station: Station,
        ledger: Ledger,
        files: Files,
        watcher: Watcher,
        kept: Kept,
        held: HeldFiles,
        *,
        offset_s: Callable[[], float],
    ) -> None:
        self._station = station
        self._ledger = ledger
        self._files = files
        self._watcher = watcher
        self._kept = kept
        self._offset_s = offset_s
        self._held = held

    def make_so(self, plan: FolderPlan) -> Generator[None, None, None]:
        """Bring folders, materials and files to this PC, small ones first. Raises AgentError, OSError."""
        for folder in plan.item_folders:
            self._files.make_folder(self._kept.root, self._local(folder))
        newest = {wish.path for wish in plan.files}
        materials = [wish for wish in plan.materials if wish.path not in newest]
        wishes = [wish for wish in (*plan.files, *materials) if not self._is_taken_back(wish, plan)]
        failure: AgentError | OSError | None = None
        for wish in sorted(wishes, key=lambda wish: wish.size):
            try:
                yield from self._bring(wish)
            except OSError as failed:  # one file that cannot be laid down does not keep back the others
                failure = failure or failed
            except AgentError as failed:
                if failed.problem is not CONTENT_DAMAGED:
                    raise
                failure = failure or failed
        if failure is not None:
            raise failure

    def take_back(self, wanted: TakenBack) -> Generator[None, None, bool]:
        """Put an earlier version where the candidate wants it; False: what lies there must go to the station first.

        It is then a change like any other and will be sent, so that the newest version is what lies here.
        """
        content = yield from self._download(wanted.sha256, wanted.size, wanted.path)
        held = self._held.get(wanted.path)
        local = held.local if held else self._local(wanted.path)
        self._watcher.look_at(local)
        if self._watcher.is_changed(local):
            return False
        if self._is_held(local) or not self._replace(content, local):
            local = self._free_name(self._local(wanted.beside))
            self._replace_surely(content, local)
        self._watcher.forget(local)
        return True

    def _bring(self, wish: Wish) -> Generator[None, None, None]:
        held = self._held.get(wish.path)
        local = held.local if held else self._local(wish.path)
        here = self._watcher.mark_of(local)
        if held is None and here is not None:
            yield from self._meet(wish, local, here)
        elif held is None or (wish.version > held.version and (here is None or not self._watcher.is_changed(local))):
            yield from self._put(wish, local)
        elif wish.version > held.version:
            yield from self._put_beside(wish, local)

    def _meet(self, wish: Wish, local: str, here: Mark) -> Generator[None, None, None]:
        """Compare a file that lies here with the station's, the ledger knowing nothing of it."""
        with contextlib.suppress(NotAtRest):  # being written just now: it is the candidate's newest
            if here.size == wish.size and (yield from hash_of(self._files, self._path(local), here)) == wish.sha256:
                self._note(wish, local, here)
                return
            if wish.version == 0 or here.mtime_ns / 1e9 > self._here(wish).timestamp():
                return
            aside = self._free_name(beside(local, OLD_HERE))
            self._files.rename(self._kept.root, local, aside)
            yield from self._put(wish, local)

    def _put(self, wish: Wish, local: str) -> Generator[None, None, None]:
        content = yield from self._download(wish.sha256, wish.size, wish.path, is_material=wish.version == 0)
        # It took time: the candidate may have begun to work on the file.
        self._watcher.look_at(local)
        if self._watcher.is_changed(local) or self._is_held(local) or not self._replace(content, local, wish):
            yield from self._put_beside(wish, local)

    def _put_beside(self, wish: Wish, local: str) -> Generator[None, None, None]:
        """Keep both. What lies in the place counts as the newer from now on and will be sent."""
        there = self._free_name(beside(local, FROM_STATION.format(version=wish.version)))
        content = yield from self._download(wish.sha256, wish.size, wish.path)
        self._replace_surely(content, there)
        self._watcher.forget(there)
        held = Held(wish.path, local, wish.sha256, wish.version, Mark(-1, 0))
        self._held.note(held)
        self._ledger.hold(self._kept.attempt_id, [held])
        self._watcher.forget(local)

    def _replace(self, content: str, local: str, wish: Wish | None = None) -> bool:
        """Put what was fetched into its place in one step; False: another program holds what lies there."""
        target = self._path(local)
        if wish is not None and wish.modified_at is not None:
            seconds = self._here(wish).timestamp()
            with contextlib.suppress(OSError, OverflowError, ValueError):
                os.utime(content, (seconds, seconds))
        try:
            self._files.put(content, self._kept.root, local)
        except PermissionError:
            return False
        mark = self._files.mark(os.lstat(target))
        self._watcher.take(local, mark)
        if wish is not None:
            self._note(wish, local, mark)
        return True

    def _replace_surely(self, content: str, local: str) -> None:
        if not self._replace(content, local):
            raise AgentError(place.WORK_FOLDER_HELD, folder=os.path.basename(self._kept.root))

    def _is_taken_back(self, wish: Wish, plan: FolderPlan) -> bool:
        """Say whether a file comes by being taken back: that asks what lies in its place."""
        back = {(one.path, one.sha256) for one in pending(plan, self._kept)}
        return self._held.get(wish.path) is not None and (wish.path, wish.sha256) in back

    def _note(self, wish: Wish, local: str, mark: Mark) -> None:
        held = Held(wish.path, local, wish.sha256, wish.version, mark)
        self._held.note(held)
        self._ledger.hold(self._kept.attempt_id, [held])
        self._watcher.take(local, mark)

    def _download(self, sha256: str, size: int, path: str, *, is_material: bool = False) -> Generator[None, None, str]:
        """Fetch a content, going on where an earlier try ended; gives a file that may be moved away."""
        home = place.kept_folder(self._kept)
        coming = os.path.join(home, f"{sha256[:64]}.exam-part")
        original = os.path.join(home, "originals", sha256[:64])
        if not (is_material and os.path.isfile(original)):
            have = os.path.getsize(coming) if os.path.isfile(coming) else 0
            place.check_room(home, max(0, size - have) + (size if is_material else 0))
            yield from self._receive(coming, sha256, size, path)
            if not is_material:
                return coming
            os.makedirs(os.path.dirname(original), exist_ok=True)
            if leads_elsewhere(os.path.dirname(original)):
                raise OSError(f"a link: {os.path.dirname(original)}")
            os.chmod(coming, stat.S_IREAD)
            os.replace(coming, original)
        yield from _copy(original, coming)
        return coming

    def _receive(self, coming: str, sha256: str, size: int, path: str) -> Generator[None, None, None]:
        if os.path.lexists(coming) and (os.path.islink(coming) or os.stat(coming).st_nlink > 1):
            os.remove(coming)  # another's file under a second name: nothing is added to it
        have = os.path.getsize(coming) if os.path.isfile(coming) else 0
        since = 0
        with open(coming, "ab") as written:
            if have < size:
                with contextlib.closing(self._station.content(sha256, have)) as pieces:  # type: ignore[type-var]
                    for piece in pieces:
                        written.write(piece[: max(0, size - have)])
                        have += len(piece)
                        since += len(piece)
                        if since >= YIELD_BYTES:
                            since = 0
                            yield
            written.flush()
            os.fsync(written.fileno())
        digest = yield from _digest(coming)
        if digest != sha256:
            os.remove(coming)
            raise AgentError(CONTENT_DAMAGED, path=path)

    def _is_held(self, local: str) -> bool:
        path = self._path(local)
        return os.path.lexists(path) and self._files.is_held(path)

    def _local(self, path: str) -> str:
        return local_path(path, self._files.fit_name, lambda local: self._held.is_taken(local, by_other_than=path))

    def _free_name(self, local: str) -> str:
        found, number = local, 1
        while os.path.lexists(self._path(found)):
            number += 1
            found = beside(local, f" {number}")
        return found

    def _here(self, wish: Wish) -> datetime:
        """Give when a file was last changed, by this PC's clock."""
        earliest = datetime(1980, 1, 1, tzinfo=timezone.utc)
        moment = wish.modified_at or earliest
        return datetime.fromtimestamp(max(earliest.timestamp(), moment.timestamp() + self._offset_s()), timezone.utc)

    def _path(self, local: str) -> str:
        return os.path.join(self._kept.root, local)


def _copy(source: str, target: str) -> Generator[None, None, None]:
    with open(source, "rb") as read, fresh_file(target) as written:
        for piece in iter(lambda: read.read(YIELD_BYTES), b""):
            written.write(piece)
            yield


def _digest(path: str) -> Generator[None, None, str]:
    digest = hashlib.sha256()
    with open(path, "rb") as opened:
        for piece in iter(lambda: opened.read(YIELD_BYTES), b""):
            digest.update(piece)
            yield
    return digest.hexdigest()


def pending(plan: FolderPlan, kept: Kept) -> Sequence[TakenBack]:
    """List what the candidate took back and this PC has not put into the folder yet."""
    return sorted((one for one in plan.taken_back if one.id > kept.taken_back), key=lambda one: one.id)


def all_of(work: Generator[None, None, bool]) -> bool:
    """Do work that goes step by step in one go."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            return bool(done.value)
