"""What this PC does when it is asked: by the station's commands, by its own page, and by hot keys."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Callable, Mapping

from client_agent import clock
from client_agent.commands import Act
from client_agent.discovery import NO_STATION_FOUND
from client_agent.errors import AgentError, problem
from client_agent.hot_keys import PAGE_KEY, PROGRAM_KEY
from client_agent.local_pages import Act as PageAct
from client_agent.rehearsal import REHEARSE_WHILE_LOCKED, Player, check_arguments
from client_agent.station_link import STATION_BUSY, STATION_UNREACHABLE, Link
from client_agent.store import Freed
from client_agent.update import UPDATE_WHILE_LOCKED, fetch_installer

if TYPE_CHECKING:
    from client_agent.agent_run import Agent

PICTURE_NOT_ALLOWED = problem(
    "picture_not_allowed",
    "考试计划不允许截取本机画面，没有截取。",
    "The plan allows no pictures of this screen; none was taken.",
)
NOT_ABLE = problem("not_able", "本程序不能执行此操作：{what}。", "This program cannot do that: {what}.")

LONGEST_MESSAGE = 500
SAY_GOODBYE_S = 3.0
HELP_APART_S = 2.0
REPORT_TRIES = 6
REPORT_AGAIN_S = 3.0
HELP_FAILED = ("未能通知监考员，请举手示意。", "The invigilator could not be told: please raise your hand.")


class Duties:
    """The acts of one agent; each may be called from any thread."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._helped_at = -HELP_APART_S

    def by_kind(self) -> Mapping[str, Act]:
        """Give what each kind of command does."""
        return {
            "show_message": self._show_message,
            "restart_browser": self._restart_browser,
            "unlock": self._unlock,
            "shut_down": self._shut_down,
            "log_out": self._log_out,
            "picture": self._picture,
            "check": self._check,
            "update": self._update,
            "open": self._open,
            "rehearse": self._rehearse,
        }

    def on_local_page(self) -> Mapping[str, PageAct]:
        """Give what can be done at our own page."""
        return {"seat": self._take_seat, "code": self._use_code, "leave": self._leave, "close": self._close}

    def ask_for_status(self) -> None:
        """Show or take away the page with the status and the field for a code (hot key)."""
        self._agent.is_asked_for = not self._agent.is_asked_for
        self._agent.wake()

    def ask_for_help(self) -> None:
        """Call the invigilator (hot key); returns at once. The candidate's page shows that it was asked."""
        at = clock.monotonic()
        if at - self._helped_at >= HELP_APART_S:
            self._helped_at = at
            threading.Thread(target=self._call, name="help", daemon=True).start()

    def switching(self) -> Mapping[str, Callable[[], None]]:
        """Give the keys that lead from the test page to its programs and back."""
        acts = {PAGE_KEY: self._agent.screen.bring_page_forward, PROGRAM_KEY: self._agent.programs.show}
        return {key: _surely(act) for key, act in acts.items()}

    def _call(self) -> None:
        try:
            self._link().post("/api/agent/help", {})
        except AgentError:
            self._agent.message = HELP_FAILED
            self._agent.wake()

    def _show_message(self, _number: int, arguments: Mapping[str, Any]) -> str:
        text = str(arguments.get("text", ""))[:LONGEST_MESSAGE]
        self._agent.message = text, text
        self._agent.wake()
        return ""

    def _restart_browser(self, _number: int, _arguments: Mapping[str, Any]) -> str:
        self._agent.screen.restart_page()
        self._agent.wake()
        return ""

    def _unlock(self, _number: int, _arguments: Mapping[str, Any]) -> str:
        self._agent.free(Freed("command"))
        return ""

    def _shut_down(self, _number: int, _arguments: Mapping[str, Any]) -> str:
        self._agent.pause(SAY_GOODBYE_S)
        self._agent.machine.desktop().shut_down()
        return ""

    def _log_out(self, _number: int, _arguments: Mapping[str, Any]) -> str:
        self._agent.pause(SAY_GOODBYE_S)
        self._agent.machine.desktop().log_out()
        return ""

    def _picture(self, number: int, _arguments: Mapping[str, Any]) -> str:
        orders = self._agent.orders
        if orders is None or not orders.allows_pictures:
            raise AgentError(PICTURE_NOT_ALLOWED)
        picture = self._agent.machine.desktop().picture()
        headers = {"Content-Type": "image/png", "X-Command": str(number)}
        self._link().post_bytes("/api/agent/pictures", picture, headers)
        return ""

    def _check(self, _number: int, _arguments: Mapping[str, Any]) -> str:
        check = self._agent.parts.check
        if check is None:
            raise AgentError(NOT_ABLE, what="check")
        check(self._link())
        return ""

    def _update(self, _number: int, _arguments: Mapping[str, Any]) -> str:
        agent = self._agent
        if agent.is_locked:
            raise AgentError(UPDATE_WHILE_LOCKED)
        installer = fetch_installer(self._link(), agent.heartbeat.fresh_hello().installer, agent.store.path("update"))
        # Asked again: fetching takes its time, and a test may have begun meanwhile.
        if agent.is_locked:
            raise AgentError(UPDATE_WHILE_LOCKED)
        agent.machine.install(installer)
        return installer.name

    def _rehearse(self, _number: int, arguments: Mapping[str, Any]) -> str:
        """Play a candidate; refused while somebody has this PC: a locked one is in a test."""
        rehearsal_id = check_arguments(arguments)
        if self._agent.is_locked:
            raise AgentError(REHEARSE_WHILE_LOCKED)
        link = self._link()
        measured = Player(link.origin, arguments, self._agent.pause).play()
        self._report_rehearsal(link, {"rehearsal_id": rehearsal_id, "measured": measured})
        return ""

    def _report_rehearsal(self, link: Link, report: Mapping[str, Any]) -> None:
        """Tell what was measured; a whole room tells it at the same moment, so some ask the station again."""
        for _ in range(REPORT_TRIES - 1):
            try:
                link.post("/api/agent/rehearsal", report)
                return
            except AgentError as failure:
                if failure.problem not in (STATION_BUSY, STATION_UNREACHABLE) or self._agent.pause(REPORT_AGAIN_S):
                    raise
        link.post("/api/agent/rehearsal", report)

    def _open(self, _number: int, arguments: Mapping[str, Any]) -> str:
        return self._agent.programs.open(arguments, self._agent.orders, self._agent.work)

    def _take_seat(self, typed: Mapping[str, Any]) -> Mapping[str, Any]:
        self._agent.heartbeat.register(str(typed.get("seat_number", "")).strip(), str(typed.get("room", "")).strip())
        return {"ok": True}

    def _use_code(self, typed: Mapping[str, Any]) -> Mapping[str, Any]:
        self._agent.use_code(str(typed.get("code", "")))
        return {"ok": True}

    def _leave(self, _typed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give a free PC its desktop back, until the station wants it."""
        if not self._agent.is_locked:
            self._agent.is_left, self._agent.is_asked_for = True, False
            self._agent.wake()
        return {"ok": not self._agent.is_locked}

    def _close(self, _typed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take away a message or the status."""
        self._agent.message, self._agent.is_asked_for = ("", ""), False
        self._agent.wake()
        return {"ok": True}

    def _link(self) -> Link:
        link = self._agent.heartbeat.link
        if link is None:
            raise AgentError(NO_STATION_FOUND)
        return link


def _surely(act: Callable[[], object]) -> Callable[[], None]:
    """Make an act of a key that ends the watching of keys in no case; whoever presses it sees if it did nothing."""

    def run() -> None:
        with contextlib.suppress(AgentError, OSError):
            act()

    return run
