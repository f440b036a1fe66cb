"""One attempt's work folder on this PC, from the first fetch to the day it is emptied.

It is stepped by one thread, a little at a time: look at the files, talk with the station, and whatever stands in the
way is tried again later and told meanwhile.
"""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path
from typing import Generator, Sequence

from client_agent.errors import AgentError, problem
from client_agent.station_link import STATION_BUSY, STATION_UNREACHABLE, refusal_code
from client_agent.work_folder import fetcher, place
from client_agent.work_folder.ledger import HeldFiles, Kept
from client_agent.work_folder.names import is_safe
from client_agent.work_folder.outgoing import Outgoing
from client_agent.work_folder.sender import Sender
from client_agent.work_folder.station import FolderPlan, Station
from client_agent.work_folder.surroundings import LastState, Surroundings
from client_agent.work_folder.watcher import Watcher

WORK_DISK_FAILED = problem(
    "work_disk_failed",
    "作品文件夹读写失败：{reason}。系统会继续重试。",
    "The work folder could not be read or written: {reason}. This is tried again.",
)

OPEN_STATES = ("", "not_opened", "answering", "suspended")
# The candidate sits at another PC: what lies here is brought there by the station.
MOVED = "moved"
LAST_CAUSES = {"handed_in": "hand_in", "collected": "collect", "cancelled": "collect", MOVED: "collect"}
WORK_LEFT_OVER = problem(
    "work_left_over",
    "本机的“{folder}”中有 {count} 个文件尚未传到服务器，服务器不再从这台机接收：{sentence}"
    "请勿还原或清空本机，告知技术人员。",
    "{count} files in {folder} on this PC are not at the station, which takes no more of them from here: {sentence} "
    "Do not reset or clear this PC; tell the technician.",
)
EMPTIED = "emptied"
WRITERS_HAVE_S = 10.0
SNAPSHOTS_HAVE_S = 20.0
SETTLE_TRIES = 3
LONGEST_BACKOFF_S = 10.0
ASK_AGAIN_S = 60.0
ASIDE_AFTER_S = 30.0
REFUSED_AGAIN_S = 60.0
HELD_AGAIN_S = 3.0
A_TURN_S = 0.1


class AttemptFolder:
    """Looks after the folder of one attempt; used by one thread, apart from the plain readings."""

    def __init__(self, attempt_id: int, around: Surroundings) -> None:
        self.attempt_id = attempt_id
        self.is_gone = False
        self.last_state: LastState | None = None
        self._around = around
        self._station = Station(around.link, attempt_id)
        self._sender = Sender(
            self._station, around.ledger, around.files,
            boot_id=around.boot_id, offset_s=self._offset, pause=around.pause,
        )  # fmt: skip
        self._kept: Kept | None = around.ledger.kept_folder(attempt_id)
        self._held = HeldFiles()
        self._watcher: Watcher | None = None
        self._outgoing: Outgoing | None = None
        self._plan: FolderPlan | None = None
        self._coming: Generator[None, None, None] | None = None
        self._is_made = False
        self._offset_s = 0.0
        self._ask_at = 0.0
        self._failures = 0
        self._not_before = 0.0
        self._is_seat_known = False
        self._seat_left_at: float | None = None
        self._ending: str = ""
        self._ends_at = 0.0
        self._settle_tries = 0
        self._settled_sent = 0
        self._trouble: dict[str, AgentError] = {}

    @property
    def path(self) -> Path | None:
        """Name the folder once everything the station named lies in it; None before, and while it is put aside."""
        return Path(self._kept.root) if self._is_made and self._kept is not None and not self._kept.aside else None

    @property
    def sent(self) -> int:
        return self._sender.sent

    @property
    def is_taken(self) -> bool:
        """Say whether the last state was taken, or this PC has nothing to take it from."""
        is_last = self.last_state is not None and self._plan is not None and self._plan.state in LAST_CAUSES
        return self._kept is None or is_last or bool(self._kept.settled)

    def find(self, path: str) -> Path | None:
        """Give the file that lies here for a path of the station."""
        held, root = self._held.get(path), self.path
        if root is None or not is_safe(path):
            return None
        found = place.find_file(str(root), held.local if held is not None else os.path.join(*path.split("/")))
        return Path(found) if found is not None else None

    def programs_of(self, item_id: str) -> Sequence[str]:
        return self._plan.programs.get(item_id, ()) if self._plan is not None else ()

    def sit_down(self) -> None:
        """Say that its candidate sits at this PC."""
        self._is_seat_known, self._seat_left_at = True, None

    def stand_up(self, *, at_once: bool) -> None:
        """Say that its candidate does not sit here any more; `at_once`: another one does."""
        self._is_seat_known = True
        if self._seat_left_at is None or at_once:
            self._seat_left_at = self._around.monotonic() - (ASIDE_AFTER_S if at_once else 0.0)

    def ask_again(self) -> None:
        """Fetch the folder's plan again: something changed at the station."""
        self._ask_at = 0.0

    def end(self, cause: str, *, again: bool = False) -> None:
        """Take the last state: hand-in or collect; `again`: also if it was taken for the same cause before."""
        is_done = self._kept is not None and self._kept.settled == cause and not again
        if is_done or self._ending == cause:
            return
        self._ending, self._settle_tries, self.last_state = cause, 0, None
        self._ends_at = self._around.monotonic() + WRITERS_HAVE_S

    def waiting(self) -> tuple[int, int, float]:
        """Say how many files and bytes are not at the station yet, and for how long the oldest waits."""
        unsent = self._outgoing.unsent() if self._outgoing is not None else []
        oldest_s = max((change.for_s for change in unsent), default=0.0)
        return len(unsent), sum(change.mark.size for change in unsent), round(oldest_s, 1)

    def problems(self) -> list[AgentError]:
        refused = [failure for _mark, failure in self._outgoing.refused.values()] if self._outgoing else []
        step = self._trouble.get("step")
        if self._seat_left_at is not None and step is not None and refusal_code(step):
            return self._left_over(step)
        refused += self._watcher.problems() if self._watcher else []
        return [*{failure.code: failure for failure in self._trouble.values()}.values(), *refused]

    def _left_over(self, refusal: AgentError) -> list[AgentError]:
        """Who sat here sits elsewhere: it matters only if something lies here that the station does not have."""
        count = self.waiting()[0]
        if not count or self._kept is None:
            return []
        sentence = refusal.details.get("sentence", "")
        folder = os.path.basename(self._kept.root)
        return [AgentError(WORK_LEFT_OVER, folder=folder, count=count, sentence=sentence)]

    def step(self) -> bool:
        """Do a little; says whether there is more to do at once."""
        if self._watcher is None and self._kept is not None and place.is_there(self._kept):
            self._watch(self._kept)
        if self._watcher is not None:
            self._watcher.look(at_once=bool(self._ending))
            if not self._watcher.is_there:
                self._lost_root()
        self._move_aside_if_due()
        if self.is_gone or self._around.monotonic() < self._not_before:
            return False
        try:
            more = self._talk()
            self._failures = 0
            self._trouble.pop("station", None)
            self._trouble.pop("step", None)
            return more
        except AgentError as failure:
            self.put_off(failure)
        except sqlite3.Error as failure:
            self.put_off(AgentError(WORK_DISK_FAILED, reason=failure))
        except OSError as failure:
            full = place.no_room(place.LEAST_ROOM_BESIDE) if place.is_full(failure) else None
            self.put_off(full or AgentError(WORK_DISK_FAILED, reason=failure))
        return False

    def _talk(self) -> bool:
        is_due = self._around.monotonic() >= self._ask_at
        if is_due and (self._coming is None or not self._ask_at):
            return self._ask()
        if self._outgoing is None or self._watcher is None:
            if self._ending and self._plan is not None:  # this PC never had it: there is nothing to take
                self.last_state, self._ending = LastState(self._ending, True, (), ()), ""
            return False
        if self._coming is not None:
            self._bring()
        self._take_back()
        now = self._around.monotonic()
        is_over = bool(self._ending) and now >= self._ends_at
        cause = self._ending or "rested"
        more = self._outgoing.step(cause, at_end=bool(self._ending), give_up_waiting=is_over)
        if self._ending and not more:
            more = self._settle(now)
        elif self._sender.sent > self._settled_sent and self._plan is not None and self._plan.state in LAST_CAUSES:
            self.end(LAST_CAUSES[self._plan.state], again=True)  # something came after the last state: it is another
        return more or self._coming is not None

    def _ask(self) -> bool:
        """Get the plan, after all that was told before is answered: the plan then counts it in."""
        self._offset_s = (
            self._around.offset_s() if self._around.offset_s is not None else self._station.clock_offset_s()
        )
        self._tell_again()
        plan = self._plan = self._station.plan()
        asked_at = self._around.monotonic()
        if self._watcher is not None:
            self._watcher.look(at_once=True)
        if plan.state == EMPTIED and not self.waiting()[0]:
            return self._empty()
        if self._kept is None and (plan.state not in OPEN_STATES or self._seat_left_at is not None):
            self.is_gone = self._seat_left_at is not None
            self._ask_at = asked_at + ASK_AGAIN_S
            return False
        if self._outgoing is None:
            self._open(plan)
        self._ask_at = asked_at + ASK_AGAIN_S
        if self._kept is not None and self._kept.largest != plan.largest_file:
            self._keep(self._kept._replace(largest=plan.largest_file))
        if plan.state in LAST_CAUSES:
            self.end(LAST_CAUSES[plan.state])
        elif self._kept is not None and self._kept.settled and plan.state in OPEN_STATES:
            self._keep(self._kept._replace(settled=""))  # the candidate was let go on
        if plan.state == MOVED:
            self._coming = None
        elif self._kept is not None and not self._kept.aside and self._watcher is not None:
            self._coming = self._fetcher().make_so(plan)
        return True

    def _offset(self) -> float:
        return self._offset_s

    def _tell_again(self) -> None:
        held = self._sender.tell_again()
        if self._outgoing is not None:
            self._outgoing.took(held)

    def _open(self, plan: FolderPlan) -> None:
        around = self._around
        known = self._kept
        kept, holds = place.find_or_make(plan, self.attempt_id, known, drives=around.drives, files=around.files)
        if kept.aside and self._is_seat_known and self._seat_left_at is None:
            kept = place.bring_back(kept)
        if not holds:
            around.ledger.forget_files(self.attempt_id)
        if known is None:  # `files` of the plan have in them what was taken back elsewhere
            newest = max((one.id for one in plan.taken_back), default=0)
            kept = kept._replace(taken_back=newest)
        self._keep(kept._replace(largest=plan.largest_file))
        self._watch(self._required())

    def _watch(self, kept: Kept) -> None:
        around = self._around
        self._held = around.ledger.files(self.attempt_id)
        taken = {held.local: held.mark for held in self._held.all() if held.sha256 is not None}
        self._watcher = Watcher(kept.aside or kept.root, around.files, taken, monotonic=around.monotonic)
        self._watcher.look(at_once=True)
        self._outgoing = Outgoing(
            self._watcher, self._sender, around.ledger, around.files, kept, self._held, monotonic=around.monotonic
        )

    def _bring(self) -> None:
        until = self._around.monotonic() + A_TURN_S
        try:
            while self._coming is not None:
                next(self._coming)
                if self._around.monotonic() >= until:
                    return
        except StopIteration:
            self._coming, self._is_made = None, True
            self._trouble.pop("folder", None)
        except (AgentError, OSError) as failure:
            # Asked anew after the pause: what came stays, and a cut file goes on where it was.
            self._coming, self._ask_at = None, 0.0
            # One file that does not come does not keep the candidate from working on the others.
            self._is_made = self._is_made or not _is_of_link(failure)
            if isinstance(failure, AgentError) and not _is_of_link(failure):
                self._trouble["folder"] = failure
            raise

    def _take_back(self) -> None:
        kept = self._required()
        if self._plan is None or self._watcher is None or self._coming is not None or kept.aside:
            return
        for wanted in fetcher.pending(self._plan, kept):
            held = self._held.get(wanted.path)
            if held is not None:
                self._watcher.look_at(held.local)
            if held is not None and self._watcher.is_changed(held.local):
                return  # first to the station with what lies there
            if not fetcher.all_of(self._fetcher().take_back(wanted)):
                return
            kept = kept._replace(taken_back=wanted.id)
            self._keep(kept)

    def _settle(self, now: float) -> bool:
        """Tell the last state when all is sent, or when what is still being written has had its time."""
        if self._outgoing is None or self._watcher is None or self._coming is not None:
            return False
        still_open = sorted(change.local for change in self._outgoing.unsent())
        is_being_written = self._watcher.is_being_written() and now < self._ends_at
        if (still_open or is_being_written or self._watcher.going()) and now < self._ends_at + SNAPSHOTS_HAVE_S:
            return False
        complete, missing = self._station.settle(self._outgoing.last_files())
        self._settle_tries += 1
        again = [path for path in missing if self._outgoing.forget(path)]
        if again and self._settle_tries < SETTLE_TRIES:
            self._ends_at = now
            return True
        self.last_state = LastState(self._ending, complete, missing, still_open)
        self._settled_sent = self._sender.sent
        if not still_open:
            self._keep(self._required()._replace(settled=self._ending))
            self._ending = ""
            if self._seat_left_at is not None:  # nothing more to wait for before it is put aside
                self._seat_left_at = now - ASIDE_AFTER_S
        else:  # goes on until the writer lets go; told as it is meanwhile
            self._ends_at, self._settle_tries = now, 0
            self._not_before = now + LONGEST_BACKOFF_S
        return False

    def _empty(self) -> bool:
        """Remove the folder: the station has it all, and the sitting is delivered."""
        if self._kept is not None:
            place.remove(self._kept, self._around.files)
            self._around.ledger.forget_folder(self.attempt_id)
        self._kept, self._watcher, self._outgoing, self._is_made = None, None, None, False
        self.is_gone = True
        return False

    def _move_aside_if_due(self) -> None:
        kept, now = self._kept, self._around.monotonic()
        if kept is None or self._watcher is None or self._coming is not None or not self._is_seat_known:
            return
        is_due = self._seat_left_at is not None and now - self._seat_left_at >= ASIDE_AFTER_S
        if is_due == bool(kept.aside) or (not is_due and self._seat_left_at is not None):
            return
        try:
            kept = place.put_aside(kept) if is_due else place.bring_back(kept)
            self._trouble.pop("held", None)
        except AgentError as failure:
            self._trouble["held"] = failure
            if self._seat_left_at is not None:
                self._seat_left_at = now - ASIDE_AFTER_S + HELD_AGAIN_S
            return
        self._keep(kept)
        self._watcher.root = kept.aside or kept.root
        if not is_due:
            self._ask_at = 0.0

    def _lost_root(self) -> None:
        """The folder as a whole went away, or its drive did: it is made anew from what the station has."""
        kept = self._kept
        if kept is not None and not os.path.isdir(kept.aside or kept.root):
            self._watcher, self._outgoing, self._coming, self._is_made = None, None, None, False
            self._kept = kept._replace(aside="")
            self._ask_at = 0.0

    def _keep(self, kept: Kept) -> None:
        self._around.ledger.keep_folder(kept)
        self._kept = kept
        if self._outgoing is not None:
            self._outgoing.kept = kept

    def _required(self) -> Kept:
        if self._kept is None:
            raise AgentError(WORK_DISK_FAILED, reason="no folder")
        return self._kept

    def _fetcher(self) -> fetcher.Fetcher:
        if self._watcher is None:
            raise AgentError(WORK_DISK_FAILED, reason="no folder")
        return fetcher.Fetcher(
            self._station, self._around.ledger, self._around.files, self._watcher, self._required(), self._held,
            offset_s=self._offset,
        )  # fmt: skip

    def put_off(self, failure: AgentError) -> None:
        """Try again later: the longer it lasts the rarer, and not all PCs of the room at the same moment."""
        self._failures += 1
        pause_s = min(LONGEST_BACKOFF_S, 2.0 ** min(self._failures - 1, 10))
        if self._seat_left_at is not None and refusal_code(failure):
            pause_s = REFUSED_AGAIN_S
        self._not_before = self._around.monotonic() + pause_s * random.uniform(0.5, 1.0)
        if self._outgoing is not None:
            self._outgoing.drop()
        if _is_of_link(failure):
            self._ask_at = 0.0
        self._trouble["station" if _is_of_link(failure) else "step"] = failure


def _is_of_link(failure: AgentError | OSError) -> bool:
    return isinstance(failure, AgentError) and failure.problem in (STATION_UNREACHABLE, STATION_BUSY)
