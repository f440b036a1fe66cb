"""The service's part on Windows: `exam-agent service`, run as the system from the PC's start to its end.

A service has no desktop. It puts back what a power cut left, then starts `exam-agent run` in the session at keyboard
and screen, with its own rights, and starts it again whenever it ends. The browser is started by that part with the
rights of the person logged in.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Callable, Sequence

from client_agent import clock
from client_agent.browser import holder_of
from client_agent.errors import AgentError
from client_agent.lockdown.sequence import Lockdown
from client_agent.restarts import Restarts
from client_agent.windows.api import Started, WindowsApi

LOOK_S = 0.5
PUT_BACK_AGAIN_S = 5.0
PATIENCE_S = 20.0
STOP_FILE = "stop"

Say = Callable[[str, str], None]


class Supervisor:
    """Keeps the user part running. `turn` looks once; all waiting is `run`'s."""

    def __init__(
        self,
        api: WindowsApi,
        lockdown: Callable[[], Lockdown],
        folder: Path,
        *,
        agent: Sequence[str],
        say: Say,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        """`agent` is the command line of the agent, to which `run` or `restore` is added."""
        self._api = api
        self._lockdown = lockdown
        self._folder = folder
        self._agent = list(agent)
        self._say = say
        self._monotonic = monotonic
        self._part: Started | None = None
        self._session = 0
        self._restarts = Restarts(monotonic)
        self._put_back_at = 0.0

    def run(self, ending: threading.Event) -> None:
        """Work until `ending`; afterwards the user part has ended and this PC is as it was."""
        self.begin()
        while not ending.is_set():
            try:
                self.turn()
            except OSError as failure:
                # Windows refuses now and then while sessions change: tried again with the next look.
                self._say(f"Windows 未执行：{failure}", f"Windows refused: {failure}")
                self._restarts.hold_off(PUT_BACK_AGAIN_S)
            ending.wait(LOOK_S)
        self.end()

    def begin(self) -> None:
        """Put back what an earlier start left; not while a user part lives that holds the lock."""
        if holder_of(self._folder) is None:
            self._put_back()

    def turn(self) -> None:
        """Look once: start the user part when somebody is logged in and none runs."""
        if self._part is not None:
            if self._part.poll() is None:
                self._follow_session()
                return
            self._note_end()
        if holder_of(self._folder) is not None or not self._restarts.may_start:
            return
        session = self._api.console_session()
        if session is None or self._api.person() is None:
            # Nobody is logged in: what belongs to the machine is put back, theirs when they are there again.
            if self._monotonic() - self._put_back_at >= PUT_BACK_AGAIN_S:
                self._put_back()
            return
        self._start(session)

    def end(self) -> None:
        """Ask the user part to end, make it end if it does not, and put this PC back."""
        part, self._part = self._part, None
        if part is not None:
            self._stop(part)
            self._restore_in_session()
        self._put_back()

    def _start(self, session: int) -> None:
        stop = self._folder / STOP_FILE
        if stop.exists():
            stop.unlink()
        self._part = self._api.start_as_system([*self._agent, "run"], session)
        self._session = session
        self._restarts.note_start()
        self._say(f"已在会话 {session} 启动考试程序。", f"Started the agent in session {session}.")

    def _follow_session(self) -> None:
        """End the part when its session is at keyboard and screen no longer; the next turn starts one in the new."""
        session = self._api.console_session()
        if session is None or session == self._session or self._part is None:
            return
        part, self._part = self._part, None
        self._stop(part)
        self._put_back()

    def _note_end(self) -> None:
        self._part = None
        self._restarts.note_end()
        self._say(
            f"考试程序已退出，{self._restarts.pause_s:g} 秒后重新启动。",
            f"The agent ended; it is started again in {self._restarts.pause_s:g} s.",
        )
        if self._restarts.is_gone_for_good:
            # It will not come to put anything back: a candidate must not be locked in by a broken installation.
            self._restore_in_session()
            self._put_back()

    def _restore_in_session(self) -> None:
        """Desktop and shell belong to their session and are put back from inside it."""
        session = self._api.console_session()
        if session is None:
            return
        try:
            self._has_ended(self._api.start_as_system([*self._agent, "restore"], session))
        except OSError as failure:
            self._say(f"无法在会话中恢复：{failure}", f"Cannot put back inside the session: {failure}")

    def _put_back(self) -> None:
        self._put_back_at = self._monotonic()
        try:
            back = self._lockdown().restore()
        except AgentError as refusal:
            self._say(refusal.sentence("zh"), refusal.sentence("en"))
            return
        for zh, en in back.put_back:
            self._say(f"已恢复：{zh}", f"Put back: {en}")
        for left in back.left:
            self._say(left.zh, left.en)

    def _stop(self, part: Started) -> None:
        """Ask the part to end, which puts everything back; make it end if it does not."""
        stop = self._folder / STOP_FILE
        stop.write_text("", encoding="utf-8")
        try:
            if not self._has_ended(part):
                self._kill(part)
        finally:
            stop.unlink()

    def _has_ended(self, part: Started) -> bool:
        give_up = self._monotonic() + PATIENCE_S
        while part.poll() is None:
            if self._monotonic() >= give_up:
                return False
            threading.Event().wait(LOOK_S / 5)
        return True

    def _kill(self, part: Started) -> None:
        for process in self._api.processes():
            if process.pid == part.pid:
                self._api.end_process(process)


def end_when_asked(folder: Path, ending: threading.Event) -> None:
    """Set `ending` in the user part when the service asks for it; Windows has no signal between sessions."""

    def look() -> None:
        while not ending.wait(LOOK_S):
            if (folder / STOP_FILE).exists():
                ending.set()

    threading.Thread(target=look, name="asked to end", daemon=True).start()
