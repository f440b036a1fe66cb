"""Keep one full-screen browser open on the station's page.

The profile folder is fresh for every run, and stays the same while the browser is opened again within a
run: what the page has not yet sent to the station lies in it. For the same reason the folder of a run that
did not end properly (power cut, killed agent) is taken over by the next run.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Callable, Iterator

import psutil

from client_agent import clock
from client_agent.errors import AgentError, problem
from client_agent.machine import Browser, Machine

NO_BROWSER = problem(
    "no_browser",
    "未找到 Chrome、Chromium 或 Edge。请安装 Chrome 109 或更高版本。",
    "No Chrome, Chromium or Edge was found. Install Chrome 109 or later.",
)
ALREADY_RUNNING = problem(
    "already_running",
    "本机已有一个 exam-agent 在运行（进程 {pid}）。请先结束它。",
    "Another exam-agent runs on this PC already (process {pid}). End it first.",
)

QUICK_DEATH_S = 5.0
LONGEST_PAUSE_S = 10.0
PATIENCE_S = 5.0
LOOK_S = 0.2
SAME_PROCESS_WITHIN_S = 10.0
CLAIM = "running.json"
# As few ways out of the page as switches allow; this is no lockdown. Policies and key hooks come with it.
SWITCHES = (
    "--kiosk",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-pinch",
    "--overscroll-history-navigation=0",
    "--disable-session-crashed-bubble",
    "--hide-crash-restore-bubble",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Its own words in the candidates' language.
    "--lang=zh-CN",
    "--disable-features=Translate,CalculateNativeWinOcclusion",
    # In practical work the page lies under the program for an hour and has to go on saving and counting.
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--password-store=basic",
)


def choose_browser(machine: Machine) -> Browser:
    """Take the preferred browser of this PC; refuses when there is none."""
    browsers = machine.find_browsers()
    if not browsers:
        raise AgentError(NO_BROWSER)
    return browsers[0]


def browser_command(browser: Browser, page: str, profile: Path) -> list[str]:
    """Write the command line that opens `page` full screen with its own profile."""
    return [str(browser.path), *SWITCHES, f"--user-data-dir={profile}", f"--app={page}"]


def pause_after(lived_s: float, pause_s: float) -> float:
    """Say how long to wait before opening again.

    A browser that lived a while is opened again at once; one that keeps dying at its start is given
    1, 2, 4 … up to 10 seconds, so that a broken installation does not eat the PC.
    """
    if lived_s >= QUICK_DEATH_S:
        return 0.0
    return min(max(1.0, pause_s * 2), LONGEST_PAUSE_S)


class KioskRun:
    """One run of the kiosk browser. Holds this PC's state folder for itself."""

    def __init__(self, browser: Browser, page: str, state_folder: Path) -> None:
        self._browser = browser
        self._page = page
        self._folder = state_folder
        self.profile = state_folder / "profile"

    def keep_open(self, say: Callable[[str, str], None], ending: threading.Event) -> None:
        """Open the browser, and open it again whenever it ends, until `ending` is set.

        Afterwards no browser of this run is left and the profile is removed. An exception leaves the profile
        for the next run. Refuses if another agent holds the state folder.
        """
        with claimed(self._folder):
            self._open_again_and_again(say, ending)
            shutil.rmtree(self.profile, ignore_errors=True)
            say("浏览器已关闭，考试页面已退出。", "The browser is closed and the page left.")

    def _open_again_and_again(self, say: Callable[[str, str], None], ending: threading.Event) -> None:
        if self.profile.exists():
            say("上次未正常退出，沿用其浏览器数据。", "The last run did not end properly: its profile is kept.")
        self.profile.mkdir(exist_ok=True)
        pause_s = 0.0
        while not ending.is_set():
            started = clock.monotonic()
            status = self._open_once(ending)
            if ending.is_set():
                return
            pause_s = pause_after(clock.monotonic() - started, pause_s)
            say(
                f"浏览器已退出（{status}），{pause_s:g} 秒后重新打开。",
                f"The browser ended ({status}); it is opened again in {pause_s:g} s.",
            )
            if pause_s:
                ending.wait(pause_s)

    def _open_once(self, ending: threading.Event) -> int:
        # An event and not an exception tells the end: one that came while the browser is being started
        # would leave it behind with nobody who knows of it.
        process = subprocess.Popen(browser_command(self._browser, self._page, self.profile))
        try:
            while process.poll() is None and not ending.wait(LOOK_S):
                pass
        finally:
            end_with_children(process.pid)
        return process.wait()


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a state folder for this process; refuses if another agent that lives holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / CLAIM
    holder = holder_of(folder)
    if holder is not None:
        raise AgentError(ALREADY_RUNNING, pid=holder)
    me = psutil.Process()
    lock.write_text(json.dumps({"pid": me.pid, "started": me.create_time()}), encoding="utf-8")
    try:
        yield
    finally:
        lock.unlink()


def holder_of(folder: Path) -> int | None:
    """Give the process of the agent that holds a state folder, None if there is none alive.

    The start time tells a live holder from another process that was given a dead one's number. It is
    compared roughly: on Linux it is worked out from the clock, which may have been set since.
    """
    try:
        claim = json.loads((folder / CLAIM).read_text(encoding="utf-8"))
        process = psutil.Process(int(claim["pid"]))
        apart_s = abs(process.create_time() - float(claim["started"]))
        return process.pid if apart_s < SAME_PROCESS_WITHIN_S else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def end_with_children(pid: int) -> None:
    """End a browser and the processes it started: politely, then for good."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        _signal(process.terminate)
    _ended, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    for process in alive:
        _signal(process.kill)


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        send()
