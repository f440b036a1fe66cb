"""The work folder as the agent's core sees it: told what the orders say, it does the rest in a thread of its own."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from client_agent import clock
from client_agent.errors import AgentError, problem
from client_agent.work_folder.attempt_folder import LAST_CAUSES, MOVED, AttemptFolder
from client_agent.work_folder.files import Files, PlainFiles
from client_agent.work_folder.ledger import Ledger
from client_agent.work_folder.station import Link
from client_agent.work_folder.surroundings import LastState, Surroundings

WORK_FAULT = problem(
    "work_fault",
    "作品文件夹程序出错（{reason}），正在重试。请告知技术人员。",
    "The work folder's program failed ({reason}) and tries again. Tell the technician.",
)

WATCHING_S = 0.5
IDLE_S = 1.0
RESTING_S = 5.0


class WorkFolder:
    """The work folders of this PC: that of the candidate who sits here, and what others have left to send.

    `state_folder`: where the ledger lies. `drives`: the platform's `work_drives`. `offset_s`: this PC's clock minus
    the station's, measured when it is left out. `most_per_s`: bytes a second that files may take of the network; 0: as
    much as there is.
    `on_place`: called in the folder's thread with the path when the folder is there, and with None when it is not.
    """

    def __init__(
        self,
        link: Link,
        state_folder: Path,
        *,
        drives: Callable[[], Sequence[Path]],
        boot_id: str,
        files: Files | None = None,
        offset_s: Callable[[], float] | None = None,
        most_per_s: int = 0,
        on_place: Callable[[Path | None], None] = lambda _path: None,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._link, self._state_folder, self._drives, self._boot_id = link, state_folder, drives, boot_id
        self._files = files or PlainFiles()
        self._offset_s, self._most_per_s, self._monotonic = offset_s, most_per_s, monotonic
        self._on_place = on_place
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._changed = threading.Condition(self._guard)
        self._is_ending = False
        self._orders: tuple[int, str, str] | None = None
        self._has_orders = self._are_orders_new = False
        self._demand: tuple[str, int] = ("", 0)
        self._demand_done: tuple[int, LastState | None] = (0, None)
        self._told: dict[str, Any] | None = None
        self._problems: list[dict[str, str]] = []
        self._path: Path | None = None
        self._here: AttemptFolder | None = None
        self._untaken: frozenset[int] | None = None
        self._thread = threading.Thread(target=self._work, name="work-folder", daemon=True)

    def start(self) -> None:
        """Begin; what an earlier run left to send goes on at once."""
        self._thread.start()

    def follow(self, work: Mapping[str, Any] | None) -> None:
        """Take the orders' `work`, as often as they come; returns at once."""
        orders = None
        if work is not None and work.get("attempt_id") is not None:
            orders = (int(work["attempt_id"]), str(work.get("state", "")), str(work.get("refresh", "")))
        with self._guard:
            if self._has_orders and orders == self._orders:
                return
            self._orders, self._has_orders, self._are_orders_new = orders, True, True
        self._wake.set()

    def state(self) -> dict[str, Any] | None:
        """Give `work` of the heartbeat; None: no work folder is looked after here."""
        with self._guard:
            return self._told and dict(self._told)

    def problems(self) -> list[dict[str, str]]:
        """Give what stands in the way, as the heartbeat tells problems."""
        with self._guard:
            return list(self._problems)

    @property
    def path(self) -> Path | None:
        """Name the folder of the candidate who sits here once it is there."""
        with self._guard:
            return self._path

    @property
    def is_there(self) -> bool:
        """Say whether the folder of the candidate who sits here is there, with all that the station has of it."""
        return self.path is not None

    def find(self, path: str) -> Path | None:
        """Give the file that lies in the folder here for a path as the station writes it; None if there is none."""
        with self._guard:
            return self._here.find(path) if self._here is not None else None

    def programs_of(self, item_id: str) -> Sequence[str]:
        """List the programs that an item of the paper names, as far as the station has told."""
        with self._guard:
            return self._here.programs_of(item_id) if self._here is not None else ()

    def has_last_state(self, attempt_id: int) -> bool:
        """Say whether the last state of an attempt was taken, or none of its work lies here; not before it is known."""
        with self._guard:
            return self._untaken is not None and attempt_id not in self._untaken

    def take_last_state(self, cause: str, *, wait_s: float = 0.0) -> LastState | None:
        """Send the last state for `hand_in` or `collect` and tell that it is all; None: not done within `wait_s`.

        Orders that say handed in or collected do the same by themselves.
        """
        with self._guard:
            number = self._demand[1] + 1
            self._demand = (cause, number)
            self._wake.set()
            self._changed.wait_for(lambda: self._demand_done[0] >= number or self._is_ending, wait_s)
            return self._demand_done[1] if self._demand_done[0] >= number else None

    def stop(self) -> None:
        """End the thread; what was not sent goes on at the next start."""
        with self._guard:
            self._is_ending = True
            self._changed.notify_all()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        self._files.step_back()
        ledger = Ledger(self._state_folder / "work")
        try:
            _Rounds(self, ledger).go_on()
        finally:
            ledger.close()


class _Rounds:
    """What the thread does, round by round."""

    def __init__(self, outer: WorkFolder, ledger: Ledger) -> None:
        self._outer = outer
        self._around = Surroundings(
            outer._link, ledger, outer._drives, outer._boot_id, outer._files,
            outer._offset_s, outer._monotonic, self._pause,
        )  # fmt: skip
        self._folders = {
            kept.attempt_id: AttemptFolder(kept.attempt_id, self._around) for kept in ledger.kept_folders()
        }
        # Until the first orders come nobody knows who sits here: each folder stays where it is.
        self._here: AttemptFolder | None = None
        self._demand = ("", 0)
        self._path: Path | None = None

    def go_on(self) -> None:
        outer = self._outer
        while not outer._is_ending:
            outer._wake.clear()
            self._take_orders()
            more = False
            for folder in sorted(self._folders.values(), key=lambda folder: folder is not self._here):
                more = self._step(folder) or more
                if folder.is_gone and folder is not self._here:
                    del self._folders[folder.attempt_id]
            self._tell()
            if not more:
                waiting = any(folder.waiting()[0] for folder in self._folders.values())
                outer._wake.wait(WATCHING_S if waiting else IDLE_S if self._folders else RESTING_S)

    def _step(self, folder: AttemptFolder) -> bool:
        """Step one folder; a fault of this program is told, and the folder taken up anew from what lies on disk."""
        try:
            return folder.step()
        except Exception as fault:
            anew = AttemptFolder(folder.attempt_id, self._around)
            anew.put_off(AgentError(WORK_FAULT, reason=f"{type(fault).__name__}: {fault}"))
            self._folders[folder.attempt_id] = anew
            if self._here is folder:
                self._here = anew
            else:
                anew.stand_up(at_once=True)
            return False

    def _take_orders(self) -> None:
        with self._outer._guard:
            orders, are_new = self._outer._orders, self._outer._are_orders_new
            self._outer._are_orders_new = False
            demand = self._outer._demand
        if are_new:
            self._seat(orders)
        if demand != self._demand and self._here is not None:
            self._here.end(demand[0], again=True)
        self._demand = demand

    def _seat(self, orders: tuple[int, str, str] | None) -> None:
        attempt_id = orders[0] if orders is not None and orders[1] != MOVED else None
        for folder in self._folders.values():
            if folder.attempt_id != attempt_id:
                folder.stand_up(at_once=attempt_id is not None)
                folder.ask_again()  # one that was left for another PC has its last state to send
        self._here = None
        if orders is None or attempt_id is None:
            return
        if attempt_id not in self._folders or self._folders[attempt_id].is_gone:
            self._folders[attempt_id] = AttemptFolder(attempt_id, self._around)
        self._here = self._folders[attempt_id]
        self._here.sit_down()
        self._here.ask_again()
        if orders[1] in LAST_CAUSES:
            self._here.end(LAST_CAUSES[orders[1]])

    def _tell(self) -> None:
        outer, here = self._outer, self._here
        failures = [failure for folder in self._folders.values() for failure in folder.problems()]
        one = here or next((folder for folder in self._folders.values() if folder.waiting()[0]), None)
        path = here.path if here is not None else None
        with outer._guard:
            outer._told = _told(one)
            outer._problems = [as_json(failure) for failure in failures]
            outer._path, outer._here = path, here
            outer._untaken = frozenset(one.attempt_id for one in self._folders.values() if not one.is_taken)
            if here is not None and here.last_state is not None and outer._demand_done[0] < self._demand[1]:
                outer._demand_done = (self._demand[1], here.last_state)
                outer._changed.notify_all()
        if path != self._path:
            self._path = path
            outer._on_place(path)

    def _pause(self, size: int) -> None:
        if self._outer._most_per_s:
            self._outer._wake.wait(size / self._outer._most_per_s)


def as_json(failure: AgentError) -> dict[str, str]:
    """Write a problem as the heartbeat tells it."""
    return {"code": failure.code, "zh": failure.sentence("zh"), "en": failure.sentence("en")}


def _told(folder: AttemptFolder | None) -> dict[str, Any] | None:
    if folder is None:
        return None
    waiting, size, oldest_s = folder.waiting()
    return {
        "attempt_id": folder.attempt_id,
        "waiting": waiting,
        "waiting_bytes": size,
        "oldest_s": oldest_s,
        "sent": folder.sent,
        "folder": str(folder.path or ""),
    }
