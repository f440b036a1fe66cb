"""The programs of a practical item: opened when the candidate asks on the page, brought forward, ended after the test.

The desktop with its menus is locked away, so this is the candidate's only way to them. Which programs may run at all
is the lockdown's business; here it is only made sure that nothing else is started.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any, Callable, Mapping, Protocol, Sequence

import psutil

from client_agent import clock
from client_agent.browser import end_with_children
from client_agent.errors import AgentError, problem
from client_agent.kiosk import Start
from client_agent.machine import Machine
from client_agent.opened import Opened, OpenedFile
from client_agent.orders import Orders

PROGRAM_NOT_ALLOWED = problem(
    "program_not_allowed",
    "现在不能打开软件“{program}”：本题没有列出，或当前不在作答中。",
    "The program {program} cannot be opened now: the item does not name it, or nobody is answering.",
)
PROGRAM_NOT_FOUND = problem(
    "program_not_found",
    "本机没有安装“{program}”，请举手更换考试机。",
    "The program {program} is not installed on this PC: raise your hand for another one.",
)
PROGRAM_NOT_STARTED = problem(
    "program_not_started",
    "“{program}”没有打开（{reason}），请再试一次；仍不行请举手。",
    "The program {program} did not open ({reason}). Try again; if that does not help, raise your hand.",
)
FILE_NOT_IN_FOLDER = problem(
    "file_not_in_folder",
    "作品文件夹中没有文件“{file}”。",
    "There is no file {file} in the work folder.",
)

ANSWERING = "answering"
OPEN_STATES = ("", "not_opened", ANSWERING, "suspended")
# A large program shows its first window within this on an old PC; later is no failure.
SHOWS_WITHIN_S = 20.0
LOOK_S = 0.25
# An agent that was started anew has its folder again within this; the page waits longer for its answer.
FOLDER_WITHIN_S = 12.0
# So long the last state of the work folder has before the programs are ended all the same.
LAST_STATE_HAS_S = 45.0


class WorkFiles(Protocol):
    """What is asked of the work folder. `is_there`: it lies on this PC with what the station has of it."""

    @property
    def is_there(self) -> bool: ...

    def find(self, path: str) -> Path | None: ...

    def programs_of(self, item_id: str) -> Sequence[str]: ...

    def has_last_state(self, attempt_id: int) -> bool: ...


class Programs:
    """What this run has opened, and those before it since the PC was started, where `kept` knows of them.

    `open` and `show` from any thread, `end_if_over` from one.
    """

    def __init__(
        self,
        machine: Machine,
        start: Start,
        *,
        kept: OpenedFile | None = None,
        shows_within_s: float = SHOWS_WITHIN_S,
    ) -> None:
        self._machine, self._start, self._shows_within_s = machine, start, shows_within_s
        self._kept = kept or OpenedFile(None, "")
        self._opened = self._kept.read()
        self._over_since: float | None = None

    def open(self, arguments: Mapping[str, Any], orders: Orders | None, work: WorkFiles | None) -> str:
        """Do the command `open`; raises why not. It is done when a window shows, or the program takes its time."""
        program = str(arguments.get("program", "")).strip().lower()
        allowed = _allowed(arguments, orders, work)
        if not program or program not in allowed:
            raise AgentError(PROGRAM_NOT_ALLOWED, program=program)
        wanted, file = str(arguments.get("file") or ""), None
        if wanted:
            file = _find(work, wanted) if work is not None else None
            if file is None:
                raise AgentError(FILE_NOT_IN_FOLDER, file=wanted)
        # Whoever works here now is whose programs these are: what an earlier candidate has open ends before.
        attempt_id = int(arguments.get("attempt_id") or 0)
        if self._opened.names and self._opened.attempt_id != attempt_id:
            self._end()
        self._opened.attempt_id = attempt_id
        if file is None and self._show(program):
            return ""
        self._launch(program, file)
        return ""

    def show(self) -> None:
        """Bring the programs that were opened before the test page (hot key); the last opened comes in front."""
        for program in list(self._opened.names):
            self._show(program)

    def end_if_over(self, work: Mapping[str, Any] | None, has_last_state: Callable[[int], bool]) -> None:
        """End what was opened once its attempt is over and the last state is taken; looks at it each turn.

        `work`: the orders'. A station that is lost gives no other orders, so that nothing ends then.
        """
        if not self._opened.names:
            return
        is_mine = work is not None and work.get("attempt_id") == self._opened.attempt_id
        if work is not None and is_mine and str(work.get("state", "")) in OPEN_STATES:
            self._over_since = None
            return
        now = clock.monotonic()
        self._over_since = now if self._over_since is None else self._over_since
        is_taken = work is not None and has_last_state(self._opened.attempt_id)
        if is_taken or now - self._over_since >= LAST_STATE_HAS_S:
            self._end()

    def _launch(self, program: str, file: Path | None) -> None:
        path = self._machine.find_program(program.rstrip("*"))
        if path is None:
            raise AgentError(PROGRAM_NOT_FOUND, program=program)
        try:
            process = psutil.Process(self._start([str(path), *([str(file)] if file is not None else [])]))
        except (OSError, psutil.Error) as failure:
            raise AgentError(PROGRAM_NOT_STARTED, program=program, reason=failure) from None
        self._note(program, process)
        try:
            self._wait_for_window(program, process)
        finally:
            self._opened.users |= {_user(one) for one in self._processes(program)}
            self._kept.keep(self._opened)

    def _note(self, program: str, process: psutil.Process) -> None:
        """Remember what was opened, at once: the agent may be killed while a large program takes its time."""
        self._opened.started.append(process)
        # The last opened stands last: it is brought forward after the others.
        self._opened.names[program] = self._opened.names.pop(program, process.create_time())
        self._kept.keep(self._opened)

    def _wait_for_window(self, program: str, process: psutil.Process) -> None:
        give_up = clock.monotonic() + self._shows_within_s
        while not self._show(program) and clock.monotonic() < give_up:
            if not _lives(process) and not self._processes(program):
                raise AgentError(PROGRAM_NOT_STARTED, program=program, reason="ended")
            time.sleep(LOOK_S)

    def _show(self, program: str) -> bool:
        desktop = self._machine.desktop()
        shown = [desktop.bring_forward(process.pid) for process in self._processes(program)]
        return any(shown)

    def _processes(self, program: str) -> list[psutil.Process]:
        """List what is this program: by its file's name, whoever started it, and what was started for it."""
        ours = {process.pid for process in _families(self._opened)}
        found = [one for one in psutil.process_iter() if one.pid in ours or _is_called(one, program)]
        return [one for one in found if one.pid != os.getpid()]

    def _end(self) -> None:
        """End what was started, and what took over from it (a program that runs once only hands its file on).

        Of the latter only what belongs to who opened it: the service may run under the name of a program (python).
        """
        opened, self._opened, self._over_since = self._opened, Opened(), None
        me = psutil.Process()
        users = (opened.users - {_user(me)}) or opened.users
        first = min(opened.names.values(), default=0.0)
        mine = {me.pid, *(one.pid for one in me.parents())}
        for process in _families(opened):
            end_with_children(process.pid)
        for process in psutil.process_iter():
            is_called = any(_is_called(process, program) for program in opened.names)
            with contextlib.suppress(psutil.Error):
                is_newer = is_called and process.pid not in mine and process.create_time() >= first - 1
                if is_newer and _user(process) in users:
                    end_with_children(process.pid)
        self._kept.forget()


def _families(opened: Opened) -> list[psutil.Process]:
    """List what was started and still lives, with what these have started."""
    opened.started = [process for process in opened.started if _lives(process)]
    family = []
    for process in opened.started:
        family.append(process)
        with contextlib.suppress(psutil.Error):
            family += process.children(recursive=True)
    return family


def _allowed(arguments: Mapping[str, Any], orders: Orders | None, work: WorkFiles | None) -> Sequence[str]:
    """List what may be opened for this wish: nothing, unless its attempt is the one that is answered here."""
    here = orders.work if orders is not None else None
    if orders is None or here is None:
        return ()
    if here.get("attempt_id") != arguments.get("attempt_id") or here.get("state") != ANSWERING:
        return ()
    if orders.lock is not None:
        listed: Sequence[str] = orders.lock.get("programs_allowed") or ()
    else:
        listed = work.programs_of(str(arguments.get("item_id", ""))) if work is not None else ()
    return [str(name).strip().lower() for name in listed]


def _find(work: WorkFiles, path: str) -> Path | None:
    """Find a file of the folder; one that is being taken up or filled is waited for a moment."""
    give_up = clock.monotonic() + FOLDER_WITHIN_S
    while True:
        is_there, found = work.is_there, work.find(path)
        if found is not None or is_there or clock.monotonic() >= give_up:
            return found
        time.sleep(LOOK_S)


def _is_called(process: psutil.Process, program: str) -> bool:
    names = set()
    with contextlib.suppress(psutil.Error):
        names.add(process.name().lower())
        names.add(os.path.basename(process.exe()).lower())
    is_called = any(name.startswith(program[:-1]) if program.endswith("*") else name == program for name in names)
    return is_called and _lives(process)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _user(process: psutil.Process) -> str:
    """Name whose process it is; empty where that is not told."""
    try:
        return str(process.username())
    except (psutil.Error, KeyError):
        return ""
