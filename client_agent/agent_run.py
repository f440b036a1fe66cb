"""One run of the agent: restore, talk to the station, lock and unlock as ordered, show the right screen.

The loop below is the only thread that locks, unlocks and opens windows. What others want of it they leave as a
note and `wake` it. A lost station changes nothing here: what is locked stays locked with its page open, what is free
stays free, and the invigilator's code frees this PC at any time.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Callable, Mapping, Protocol

from client_agent import __version__, clock
from client_agent.browser import choose_browser, claimed
from client_agent.commands import Commands
from client_agent.discovery import NO_STATION_FOUND
from client_agent.duties import Duties
from client_agent.errors import AgentError
from client_agent.freedom import Freedom
from client_agent.heartbeat import Heartbeat
from client_agent.hot_keys import HotKeys
from client_agent.kiosk import Prepare, Remove, Start, start_process
from client_agent.local_pages import LocalPages
from client_agent.lockdown.keeping import Keeping
from client_agent.lockdown.profile import LockProfile
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.unlock_codes import UnlockCodes, parse_codes
from client_agent.machine import Browser, Machine
from client_agent.opened import OpenedFile
from client_agent.orders import Orders
from client_agent.programs import Programs, WorkFiles
from client_agent.screen import Screen
from client_agent.situation import Facts, decide
from client_agent.station_link import Link
from client_agent.store import Freed, Store

LOOK_S = 0.5
TRY_LOCK_AGAIN_S = 5.0
EXPECTED_FOR = timedelta(hours=12)

Say = Callable[[str, str], None]


class Work(WorkFiles, Protocol):
    """The work folder as far as it is driven here (`work_folder.folder.WorkFolder`)."""

    def start(self) -> None: ...

    def follow(self, work: Mapping[str, Any] | None) -> None: ...

    def state(self) -> dict[str, Any] | None: ...

    def problems(self) -> list[dict[str, str]]: ...

    @property
    def path(self) -> Path | None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Parts:
    """What a run is made of besides the machine: each can be left out."""

    lockdown: Callable[[], Lockdown]
    work: Callable[[Link, str], Work] | None = None
    check: Callable[[Link], object] | None = None
    start: Start = start_process
    browser_folder: Path | None = None
    prepare: Prepare | None = None
    remove: Remove | None = None


class Agent:
    """The agent of this PC."""

    def __init__(
        self, machine: Machine, store: Store, parts: Parts, *, say: Say, address: str = "", fingerprint: str = ""
    ) -> None:
        self.machine, self.store, self.say = machine, store, say
        self.boot_id = machine.boot_id()
        self.lockdown = parts.lockdown()
        self.keeping = Keeping(self.lockdown)
        self._freedom = Freedom(store)
        self.is_left = False
        self._is_taken_over = False
        self.message = "", ""
        self.is_asked_for = False
        self.parts = parts
        self._wake = threading.Event()
        self._ending: threading.Event | None = None
        self._kept = _kept_orders(store)
        self._is_expected = _is_expected(store)
        self._not_locked: AgentError | None = None
        self._lock_again_at = 0.0
        self.work: Work | None = None
        self._codes = UnlockCodes(store.path("unlock_codes.json"))
        duties = Duties(self)
        self.commands = Commands(store, duties.by_kind(), finished=self._hurry)
        self.heartbeat = Heartbeat(
            store, machine.identity(), boot_id=self.boot_id, run_id=secrets.token_hex(8), commands=self.commands,
            state=self.state, work=self._work_state, address=address, fingerprint=fingerprint, changed=self.wake,
        )  # fmt: skip
        self.pages = LocalPages(self.page_state, duties.on_local_page(), port=store.port())
        self._browser = _browser_or_refusal(machine)
        profiles = parts.browser_folder or store.folder
        self.screen = Screen(
            self._browser, profiles, self.pages.url, machine.desktop,
            start=parts.start, prepare=parts.prepare, remove=parts.remove,
        )  # fmt: skip
        self.programs = Programs(machine, parts.start, kept=OpenedFile(store, self.boot_id))
        self._keys = HotKeys(
            machine.desktop, help_asked=duties.ask_for_help, status_asked=duties.ask_for_status,
            switching=duties.switching(),
        )  # fmt: skip

    @property
    def orders(self) -> Orders | None:
        """The orders that hold: the station's newest, else those this boot was given before the agent restarted."""
        if self.heartbeat.orders is not None:
            return self.heartbeat.orders
        orders, boot_id = self._kept
        return orders if boot_id == self.boot_id else None

    @property
    def is_locked(self) -> bool:
        return self.lockdown.profile is not None

    @property
    def freed(self) -> Freed | None:
        """Say who freed this PC against its orders."""
        return self._freedom.freed

    def run(self, ending: threading.Event) -> None:
        """Work until `ending`; afterwards the PC is as it was before, and no window of ours is left."""
        self._ending = ending
        with claimed(self.store.folder):
            self._begin()
            talking = threading.Thread(target=self.heartbeat.run, name="heartbeat", daemon=True)
            talking.start()
            self.keeping.start()
            try:
                while not ending.is_set():
                    try:
                        self._turn()
                    except AgentError as failure:
                        self._not_locked = failure
                    self._wake.wait(LOOK_S)
                    self._wake.clear()
            finally:
                self.heartbeat.end()
                self._finish()
                talking.join()

    def wake(self) -> None:
        """Have the loop look again at once."""
        self._wake.set()

    def pause(self, seconds: float) -> bool:
        """Wait in another thread; True if the run ends meanwhile."""
        return self._ending is not None and self._ending.wait(seconds)

    def free(self, freed: Freed) -> None:
        """Have the PC unlocked against its orders; a disk that is full keeps nobody in."""
        self.is_left = True
        try:
            self._freedom.take(freed)
        except AgentError as failure:
            self.say(failure.sentence("zh"), failure.sentence("en"))
        self._hurry()

    def use_code(self, typed: str) -> None:
        """Free the PC by an invigilator's code; raises why not. Codes of earlier orders count, too."""
        orders = self.orders or self._kept[0]
        code = self._codes.use(typed, parse_codes(orders.unlock_codes if orders is not None else ()))
        self.is_asked_for = False
        self.free(Freed("code", code))

    def state(self) -> Mapping[str, Any]:
        """Give `state` of the heartbeat."""
        profile = self.lockdown.profile
        return {
            "locked": profile is not None,
            "profile": profile.digest if profile is not None else "",
            "browser": self.screen.state,
            **self._freedom.as_told(),
            "problems": self._problems(),
        }

    def page_state(self) -> Mapping[str, Any]:
        """Give what the local page shows."""
        shown = decide(self._facts())
        orders, hello, trouble = self.orders, self.heartbeat.hello, self.heartbeat.trouble or self.screen.trouble
        seat = self.heartbeat.seat or {}
        text, text_en = (orders.text,) * 2 if orders is not None and shown.local == "locked" else self.message
        return {
            "kind": shown.local,
            "text": text,
            "text_en": text_en,
            "seat": str(seat.get("number", "")),
            "room": str(seat.get("room", "")),
            "station": self.heartbeat.address,
            "site": hello.site if hello is not None else "",
            "is_heard": self.heartbeat.is_heard,
            "is_locked": self.is_locked,
            "is_registered": self.heartbeat.is_registered,
            "has_answers": self.screen.had_page,
            "trouble": {"zh": trouble.sentence("zh"), "en": trouble.sentence("en")} if trouble is not None else None,
            "large_type": bool((orders.accessibility or {}).get("large_type")) if orders is not None else False,
            "version": __version__,
            "problems": [] if self.is_locked else self._problems(),  # for the board, not for who sits here
        }

    def _begin(self) -> None:
        try:
            self._is_taken_over = self._restore_or_take_over()
        except AgentError as refusal:
            # An undo file that cannot be read: nothing is locked over it, and the board is told why.
            self._not_locked = refusal
            self.say(refusal.sentence("zh"), refusal.sentence("en"))
        self.screen.take_over(self.heartbeat.address if self._is_taken_over else "")
        self.pages.start()
        try:
            self.store.keep_port(self.pages.port)
        except AgentError as failure:
            self.say(failure.sentence("zh"), failure.sentence("en"))

    def _restore_or_take_over(self) -> bool:
        """Put back what an earlier run left, unless this boot's orders keep it locked: that is True."""
        orders = self.orders
        is_ordered = orders is not None and orders.lock is not None and self.freed is None
        if is_ordered and self.lockdown.has_something_to_restore():
            return True
        back = self.lockdown.restore()
        self.keeping.note(back.left)
        for zh, en in back.put_back:
            self.say(f"已恢复：{zh}", f"Put back: {en}")
        for left in back.left:
            self.say(left.zh, left.en)
        return False

    def _turn(self) -> None:
        """Look once at everything, and make the PC what it shall be now."""
        self.is_left = self._freedom.look(self.heartbeat.orders) or self.is_left
        self._lock_or_unlock()
        self._keys.watch(is_locked=self.is_locked, orders=self.orders)
        self._follow_work()
        was_closed = self.screen.show(decide(self._facts()), self._page_url, reopen=self.is_locked)
        self.is_left = self.is_left or was_closed

    def _lock_or_unlock(self) -> None:
        orders = self.orders
        wanted = orders.lock if orders is not None and self.freed is None else None
        if wanted is None:
            if self.is_locked:
                self._unlock()
            self._not_locked = None
            return
        if clock.monotonic() < self._lock_again_at:
            return
        try:
            profile = self._profile(wanted)
            if self.lockdown.profile == profile:
                return
            was_free = not self.is_locked
            self.lockdown.lock(profile)
            self._not_locked, self.is_left = None, False
            if was_free:
                self.say("本机已锁定。", "This PC is locked.")
                if not self._is_taken_over:
                    self.screen.close_page()  # a browser reads its policies when it starts
                self._keep_awake(True)
            self._is_taken_over = False
            self._hurry()
        except AgentError as failure:
            if self._not_locked is None or self._not_locked.code != failure.code:
                self.say(failure.sentence("zh"), failure.sentence("en"))
            self._not_locked = failure
            self._lock_again_at = clock.monotonic() + TRY_LOCK_AGAIN_S

    def _profile(self, lock: Mapping[str, Any]) -> LockProfile:
        if isinstance(self._browser, AgentError):
            raise self._browser
        return LockProfile.from_orders(
            lock,
            station_url=self.heartbeat.address,
            local_port=self.pages.port,
            browser=self._browser,
            browser_folder=self.parts.browser_folder or self.store.folder,
            work_folder=self.work.path if self.work is not None else None,
        )

    def _unlock(self) -> None:
        self.keeping.note(self.lockdown.unlock().left)
        # After the test the PC is as it was before, without our page, until it is locked or started again.
        self.is_left = True
        self.screen.close_page()
        self._keep_awake(False)
        self._hurry()

    def _keep_awake(self, on: bool) -> None:
        try:
            self.screen.desktop().keep_awake(on)
        except AgentError as failure:
            self.say(failure.sentence("zh"), failure.sentence("en"))

    def _follow_work(self) -> None:
        link = self.heartbeat.link
        if self.work is None and self.parts.work is not None and link is not None and self.heartbeat.is_registered:
            self.work = self.parts.work(link, self.boot_id)
            self.work.start()
        if self.work is not None and self.heartbeat.orders is not None:
            self.work.follow(self.heartbeat.orders.work)
            self.programs.end_if_over(self.heartbeat.orders.work, self.work.has_last_state)

    def _work_state(self) -> Mapping[str, Any] | None:
        return self.work.state() if self.work is not None else None

    def _page_url(self) -> str:
        """Ask the station where the candidate's page is, once for each opening."""
        link = self.heartbeat.link
        if link is None:
            raise AgentError(NO_STATION_FOUND)
        return str(link.post("/api/agent/page", {"boot_id": self.boot_id})["url"])

    def _facts(self) -> Facts:
        beat = self.heartbeat
        return Facts(
            orders=self.orders,
            is_registered=beat.is_registered,
            has_seat=beat.seat is not None,
            is_heard=beat.is_heard,
            is_page_open=self.screen.is_page_open,
            is_starting=beat.trouble is None and not (beat.is_heard and beat.is_registered),
            is_freed=self.freed is not None,
            is_left=self.is_left,
            is_expected=self._is_expected or self.screen.had_page,
            is_asked_for=self.is_asked_for,
            message=self.message[0],
        )

    def _problems(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = [one.as_json() for one in self.keeping.problems]
        for failure in (self._not_locked, self.heartbeat.unwritten, self.screen.trouble):
            # An undo file that cannot be read stands in the way of locking and of putting back: that is one problem.
            if failure is not None and all(one["zh"] != failure.sentence("zh") for one in found):
                found.append({"code": failure.code, "zh": failure.sentence("zh"), "en": failure.sentence("en")})
        if self.work is not None:
            found += self.work.problems()
        return found

    def _hurry(self) -> None:
        self.heartbeat.hurry()
        self.wake()

    def _finish(self) -> None:
        self.keeping.stop()
        self._keys.end()
        if self.work is not None:
            self.work.stop()
        self.screen.end()
        try:
            for left in self.lockdown.unlock().left:
                self.say(left.zh, left.en)
        except AgentError as refusal:
            self.say(refusal.sentence("zh"), refusal.sentence("en"))
        self._keep_awake(False)
        self.pages.stop()


def _kept_orders(store: Store) -> tuple[Orders | None, str]:
    kept = store.orders()
    try:
        document = kept.get("orders")
        return (Orders.parse(document) if isinstance(document, dict) else None), str(kept.get("boot_id", ""))
    except AgentError:
        return None, ""


def _is_expected(store: Store) -> bool:
    """Say whether a test was going on here within the last hours: the PC died in it, and somebody waits."""
    orders, _boot_id = _kept_orders(store)
    if orders is None or orders.lock is None:
        return False
    kept_at = clock.parse(str(store.orders().get("kept_at", "")))
    # A clock that lies before that moment was lost with the power; nobody can say how long it is.
    return kept_at is None or clock.now() - kept_at < EXPECTED_FOR


def _browser_or_refusal(machine: Machine) -> Browser | AgentError:
    try:
        return choose_browser(machine)
    except AgentError as refusal:
        return refusal
