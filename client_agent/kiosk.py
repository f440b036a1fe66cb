"""A full-screen browser window that the agent opens, switches and ends; who drives it looks at it now and then.

A window stays open while the agent is away: the candidate's page works on without the station, and the next agent
takes the window over.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Sequence

import psutil

from client_agent import clock
from client_agent.browser import QUICK_DEATH_S, browser_command, end_with_children, pause_after
from client_agent.errors import AgentError, problem
from client_agent.machine import Browser

BROWSER_NOT_STARTED = problem(
    "browser_not_started",
    "浏览器 {path} 无法启动（{reason}）。请重新安装浏览器。",
    "The browser {path} cannot be started ({reason}). Install it anew.",
)

Start = Callable[[Sequence[str]], int]
Prepare = Callable[[Path], None]
Remove = Callable[[Path], None]

# To a browser in another language the page is not to be translated; no switch says so.
PREFERENCES = '{"translate": {"enabled": false}}'

_children: list[subprocess.Popen[bytes]] = []


def start_process(command: Sequence[str]) -> int:
    """Start a program on this desktop and give its process."""
    _children[:] = [child for child in _children if child.poll() is None]
    _children.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    return _children[-1].pid


class Kiosk:
    """One window with a profile folder of its own. Used by one thread."""

    def __init__(
        self,
        browser: Browser,
        profile: Path,
        *,
        start: Start = start_process,
        prepare: Prepare | None = None,
        remove: Remove | None = None,
    ) -> None:
        self.shown = ""
        self.profile = profile
        self._browser = browser
        self._start = start
        self._prepare = prepare or make_profile
        self._remove = remove or remove_profile
        self._process: psutil.Process | None = None
        self._started = 0.0
        self._pause_s = 0.0
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def died_young(self) -> bool:
        """Say whether it ended right after its start the last time."""
        return self._pause_s > 0.0

    def is_open(self) -> bool:
        """Look whether the window's process lives; one that ended is noted, and given a pause if it died young."""
        if self._process is None:
            return False
        with contextlib.suppress(psutil.Error):
            if self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
                if clock.monotonic() - self._started >= QUICK_DEATH_S:
                    self._pause_s = 0.0
                return True
        _reap(self._process)
        lived_s = clock.monotonic() - self._started
        self._process = None
        self._pause_s = pause_after(lived_s, self._pause_s)
        self._not_before = clock.monotonic() + self._pause_s
        return False

    def may_open(self) -> bool:
        """Say whether it may be opened now; one that keeps dying at its start is given longer and longer."""
        return clock.monotonic() >= self._not_before

    def open(self, what: str, page: str) -> None:
        """Show a page; what was open is ended first. `what` names it for who asks `shown`."""
        self.end()
        command = browser_command(self._browser, page, self.profile)
        self._started = clock.monotonic()
        try:
            self._prepare(self.profile)
            self._process = psutil.Process(self._start(command))
        except (OSError, subprocess.SubprocessError, psutil.Error) as failure:
            self._pause_s = pause_after(0.0, self._pause_s)
            self._not_before = clock.monotonic() + self._pause_s
            raise AgentError(BROWSER_NOT_STARTED, path=self._browser.path, reason=failure) from None
        self.shown = what

    def end(self) -> None:
        """Close the window and what its browser started."""
        if self._process is not None:
            end_with_children(self._process.pid)
            _reap(self._process)
        self._process = None
        self.shown = ""

    def let_be(self) -> None:
        """Leave the window open for the next agent."""
        self._process = None

    def take_over(self, what: str, page_start: str) -> None:
        """Take over a window that an earlier agent left, if it shows a page that begins so; end all others."""
        for process in _browsers_on(self.profile):
            if (
                page_start
                and self._process is None
                and any(argument.startswith(f"--app={page_start}") for argument in _command_of(process))
            ):
                self._process, self.shown = process, what
                self._started = clock.monotonic()
            else:
                end_with_children(process.pid)

    def clear(self) -> None:
        """Remove the profile: nothing of a candidate stays behind."""
        self._remove(self.profile)


def make_profile(profile: Path) -> None:
    """Make the folder, with the settings that a browser finds at its first start."""
    settings = profile / "Default" / "Preferences"
    if not settings.exists():
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(PREFERENCES, encoding="utf-8")


def remove_profile(profile: Path) -> None:
    """Remove the folder; on POSIX no link in it is followed, whatever its person changes meanwhile."""
    shutil.rmtree(profile, ignore_errors=True)


def _browsers_on(profile: Path) -> list[psutil.Process]:
    """List the browsers' main processes that hold a profile."""
    holding = f"--user-data-dir={profile}"
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        command = _command_of(process)
        if holding in command and not any(argument.startswith("--type=") for argument in command):
            found.append(process)
    # `runuser` has the same words as the browser that it started, and ends with it.
    numbers = {process.pid for process in found}
    return [process for process in found if _parent_of(process) not in numbers]


def _parent_of(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.Error:
        return 0


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _reap(process: psutil.Process) -> None:
    """Take a child's exit status, so that no zombie stays."""
    with contextlib.suppress(psutil.Error):
        process.wait(timeout=0)
