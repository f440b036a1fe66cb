"""The service's part on Linux: `exam-agent service`, run as root from the PC's start to its end.

A service has no desktop. It puts back what a power cut left, looks who is logged in at the seat's X display, starts
`exam-agent run` there as root, and starts it again whenever it ends. The browser is started by that part as the person
logged in (`EXAM_AGENT_PERSON`).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator, Mapping, Sequence

from client_agent import clock
from client_agent.browser import holder_of
from client_agent.restarts import Restarts

LOOK_S = 0.5
PUT_BACK_AGAIN_S = 5.0
PATIENCE_S = 20.0
RESTORE_TIMEOUT_S = 60
LOGIND_TIMEOUT_S = 5
FIRST_PERSON = 1000
# What a desktop tells its programs about screen, language and input method, and a service does not know.
TOLD_BY_DESKTOP = (
    "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP", "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "XMODIFIERS", "GTK_IM_MODULE", "QT_IM_MODULE",
)  # fmt: skip

Say = Callable[[str, str], None]


@dataclass(frozen=True)
class Seat:
    """Who is logged in at screen and keyboard, and on which X display. Told apart by these two alone."""

    person: str
    display: str
    told: Mapping[str, str] = field(default_factory=dict, compare=False)

    def environment(self) -> dict[str, str]:
        """Give the environment of a program of ours on that display."""
        return {**os.environ, **self.told, "EXAM_AGENT_PERSON": self.person}


def active_person() -> int | None:
    """Ask logind who is at the screen; None if nobody is, or only the log-in screen. 0 where there is no logind."""
    session = _logind("show-seat", "seat0", "ActiveSession")
    if session is None:
        return 0
    if not session:
        return None
    is_person = _logind("show-session", session, "Class") == "user"
    number = _logind("show-session", session, "User") or ""
    return int(number) if is_person and number.isdigit() else None


def find_seat(proc: Path = Path("/proc"), active: Callable[[], int | None] = active_person) -> Seat | None:
    """Find the X display of who is at the screen, by what their oldest program was told; None if there is none."""
    person = active()
    if person is None:
        return None
    for uid, told in _programs(proc):
        is_theirs = uid == person if person else uid >= FIRST_PERSON
        if is_theirs and re.match(r":\d", told.get("DISPLAY", "")):
            name, home = _name_and_home(uid)
            return Seat(name, told["DISPLAY"], {"XAUTHORITY": str(home / ".Xauthority"), **told})
    return None


class Supervisor:
    """Keeps the part at the seat running. `turn` looks once; all waiting is `run`'s."""

    def __init__(
        self,
        folder: Path,
        *,
        agent: Sequence[str],
        say: Say,
        find: Callable[[], Seat | None] = find_seat,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        """`agent` is the command line of the agent, to which `run` or `restore` is added."""
        self._folder, self._agent, self._say = folder, list(agent), say
        self._find, self._monotonic = find, monotonic
        self._part: subprocess.Popen[bytes] | None = None
        self._seat: Seat | None = None
        self._restarts = Restarts(monotonic)
        self._put_back_at = -PUT_BACK_AGAIN_S

    def run(self, ending: threading.Event) -> None:
        """Work until `ending`; afterwards the part has ended and this PC is as it was."""
        self._put_back(None)
        while not ending.is_set():
            self.turn()
            ending.wait(LOOK_S)
        self.end()

    def turn(self) -> None:
        """Look once: start the part when somebody is logged in and none runs."""
        if self._part is not None:
            status = self._part.poll()
            if status is None:
                self._follow_seat()
                return
            self._note_end(status)
        if holder_of(self._folder) is not None or not self._restarts.may_start:
            return
        seat = self._find()
        if seat is None:
            self._put_back(None)
            return
        self._start(seat)

    def end(self) -> None:
        """Ask the part to end, which puts everything back; make it end if it does not, and put the PC back."""
        seat = self._seat
        self._stop()
        self._put_back_at = -PUT_BACK_AGAIN_S
        self._put_back(seat)

    def _start(self, seat: Seat) -> None:
        self._seat = seat
        self._restarts.note_start()
        self._part = subprocess.Popen([*self._agent, "run"], env=seat.environment())
        self._say(
            f"已在 {seat.person} 的桌面 {seat.display} 启动考试程序。",
            f"Started the agent on {seat.person}'s display {seat.display}.",
        )

    def _follow_seat(self) -> None:
        """End the part when another person's desktop is at the screen; the log-in screen alone changes nothing."""
        seat = self._find()
        if seat is not None and seat != self._seat:
            self._stop()

    def _note_end(self, status: int) -> None:
        self._part = None
        self._restarts.note_end()
        self._say(
            f"考试程序已退出（{status}），{self._restarts.pause_s:g} 秒后重新启动。",
            f"The agent ended ({status}); it is started again in {self._restarts.pause_s:g} s.",
        )
        if self._restarts.is_gone_for_good:
            # It will not come to put anything back: a candidate must not be locked in by a broken installation.
            self._put_back(self._seat)

    def _put_back(self, seat: Seat | None) -> None:
        """Put back what an undo file tells of; a process of its own, as it needs the seat's display."""
        is_early = self._monotonic() - self._put_back_at < PUT_BACK_AGAIN_S
        if is_early or not (self._folder / "undo.json").exists() or holder_of(self._folder) is not None:
            return
        self._put_back_at = self._monotonic()
        environment = seat.environment() if seat is not None else None
        try:
            subprocess.run([*self._agent, "restore"], env=environment, timeout=RESTORE_TIMEOUT_S, check=False)
        except (OSError, subprocess.SubprocessError) as failure:
            self._say(f"无法恢复：{failure}", f"Cannot put back: {failure}")

    def _stop(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        part.terminate()
        try:
            part.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            part.kill()
            part.wait()


def _logind(act: str, name: str, wanted: str) -> str | None:
    """Ask logind for one property; None where nobody answers."""
    try:
        done = subprocess.run(
            ["loginctl", act, name, f"--property={wanted}", "--value"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=LOGIND_TIMEOUT_S, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()


def _programs(proc: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Give the owner of each program, oldest number first, and what the desktop told it."""
    for number in sorted(int(folder.name) for folder in proc.iterdir() if folder.name.isdigit()):
        try:
            uid = re.search(r"^Uid:\s+(\d+)", (proc / str(number) / "status").read_text(), re.MULTILINE)
            content = (proc / str(number) / "environ").read_bytes()
        except OSError:
            continue
        pairs = (piece.partition(b"=") for piece in content.split(b"\0"))
        told = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
        if uid is not None:
            yield int(uid.group(1)), {name: told[name] for name in TOLD_BY_DESKTOP if name in told}


def _name_and_home(uid: int) -> tuple[str, Path]:
    if sys.platform != "win32":
        with contextlib.suppress(KeyError):
            account = pwd.getpwuid(uid)
            return account.pw_name, Path(account.pw_dir)
    return str(uid), Path("/")
