"""What hangs on the X server: screen saver and sleep, and the clipboard.

A server that is gone took its state along: reverting has then nothing to do.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from ctypes import byref, c_int, c_ubyte, c_ulong, c_ushort, c_void_p
from pathlib import Path
from typing import Any, List

from client_agent.linux.lock_files import SYSTEM_FOLDERS
from client_agent.linux.x11 import Screen, open_library
from client_agent.lockdown.operation import Before, NotHeld, describe_failure
from client_agent.lockdown.profile import LockProfile

SOCKETS = Path("/tmp/.X11-unix")
BOOT = Path("/proc/sys/kernel/random/boot_id")
SYSTEMD = Path("/run/systemd/system")
SLEEPS = "sleep:idle:handle-lid-switch:handle-suspend-key:handle-power-key:handle-hibernate-key"
SELECTIONS = ("CLIPBOARD", "PRIMARY", "SECONDARY")


def display_name() -> str:
    return os.environ.get("DISPLAY", "")


def this_server() -> Before:
    """Name the X server so that it is known again: another start of it, or of the PC, is another server."""
    name = display_name()
    return {"display": name, "server": _started(name)}


def open_display_of(before: Before) -> Screen | None:
    """Open the X server that an undo entry speaks of; None if that server is gone.

    One that is still there and cannot be reached (no permission) raises: its state is still to be put back.
    """
    name = str(before["display"])
    started = _started(name)
    return Screen(name) if name and started and started == before["server"] else None


def _started(name: str) -> str:
    """Tell one start of a local X server from all others, by the boot and its socket; empty if there is none."""
    socket = SOCKETS / ("X" + name.partition(":")[2].partition(".")[0])
    try:
        found = socket.stat()
        return f"{BOOT.read_text(encoding='ascii').strip()} {found.st_ino} {found.st_mtime_ns}"
    except OSError:
        return ""


class ScreenSaver:
    """No screen saver, no dark screen; and where systemd runs no sleep, whatever key or lid asks for it."""

    name, needed = "screen_saver", False
    title = ("屏幕保护和休眠", "Screen saver and sleep")

    def __init__(self) -> None:
        self._inhibiting: Any = None

    def wanted(self, _profile: LockProfile) -> bool:
        return True

    def read(self) -> Before:
        with Screen() as screen:
            return {**this_server(), "saver": _read_saver(screen), "dpms": _read_dpms(screen)}

    def perform(self, _profile: LockProfile) -> None:
        with Screen() as screen:
            screen.x.XSetScreenSaver(screen.display, 0, *_read_saver(screen)[1:])
            if _read_dpms(screen):
                _dpms().DPMSDisable(screen.display)
            screen.x.XSync(screen.display, 0)
        self._inhibit()

    def revert(self, before: Before) -> None:
        self._let_sleep()
        screen = open_display_of(before)
        if screen is not None:
            with screen:
                _describe_saver(screen)
                screen.x.XSetScreenSaver(screen.display, *before["saver"])
                if before["dpms"]:
                    _dpms().DPMSEnable(screen.display)
                screen.x.XSync(screen.display, 0)

    def holds(self, _profile: LockProfile) -> NotHeld | None:
        with Screen() as screen:
            if _read_saver(screen)[0] != 0 or _read_dpms(screen):
                return describe_failure(self, "屏幕保护又被打开", "the screen saver is on again")
        if SYSTEMD.exists() and (self._inhibiting is None or self._inhibiting.poll() is not None):
            return describe_failure(self, "系统休眠未被阻止", "sleep is not inhibited")
        return None

    def _inhibit(self) -> None:
        """Ask systemd not to sleep: for as long as a process lives, and that no longer than this one."""
        program = shutil.which("systemd-inhibit", path=SYSTEM_FOLDERS)
        running = self._inhibiting is not None and self._inhibiting.poll() is None
        if program is None or running or not SYSTEMD.exists():
            return
        command = [program, f"--what={SLEEPS}", "--who=exam-agent", "--why=考试 exam", "--mode=block"]
        # `cat` ends when this process is gone, however it went: its input ends then.
        self._inhibiting = subprocess.Popen([*command, "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def _let_sleep(self) -> None:
        if self._inhibiting is not None:
            self._inhibiting.stdin.close()
            self._inhibiting.send_signal(signal.SIGTERM)
            self._inhibiting.wait(5)
            self._inhibiting = None


class Clipboard:
    """Empty at lock and unlock. `off`: emptied whenever it is filled. `inside`: emptied when another program comes
    to the front, unless the work needs several programs."""

    name, needed = "clipboard", False
    title = ("剪贴板", "Clipboard")

    def __init__(self) -> None:
        self._in_front: List[int] = []

    def wanted(self, profile: LockProfile) -> bool:
        return profile.clipboard != "open"

    def read(self) -> Before:
        """What lies in it is not kept: it may be anybody's secret, and the undo file is read by technicians."""
        return this_server()

    def perform(self, _profile: LockProfile) -> None:
        with Screen() as screen:
            _empty_clipboard(screen)
            self._in_front = _pids_in_front(screen)

    def revert(self, before: Before) -> None:
        screen = open_display_of(before)
        if screen is not None:
            with screen:
                _empty_clipboard(screen)

    def holds(self, profile: LockProfile) -> NotHeld | None:
        with Screen() as screen:
            if not _clipboard_owner(screen):
                self._in_front = _pids_in_front(screen)
                return None
            if profile.clipboard == "off":
                return describe_failure(self, "剪贴板有内容", "it is not empty")
            if not profile.programs_allowed and _pids_in_front(screen) != self._in_front:
                return describe_failure(self, "切换了程序，剪贴板有内容", "another program came to the front")
        return None


def _clipboard_owner(screen: Screen) -> int:
    return int(screen.x.XGetSelectionOwner(screen.display, _describe_selections(screen)[0]))


def _empty_clipboard(screen: Screen) -> None:
    for selection in _describe_selections(screen):
        screen.x.XSetSelectionOwner(screen.display, selection, 0, 0)
    screen.x.XSync(screen.display, 0)


def _describe_selections(screen: Screen) -> List[int]:
    screen.x.XSetSelectionOwner.argtypes = [c_void_p, c_ulong, c_ulong, c_ulong]
    screen.x.XGetSelectionOwner.argtypes, screen.x.XGetSelectionOwner.restype = [c_void_p, c_ulong], c_ulong
    return [screen.x.XInternAtom(screen.display, name.encode("ascii"), 0) for name in SELECTIONS]


def _pids_in_front(screen: Screen) -> List[int]:
    windows = screen.numbers(screen.root, "_NET_ACTIVE_WINDOW")
    return [pid for window in windows if window for pid in screen.numbers(window, "_NET_WM_PID")]


def _describe_saver(screen: Screen) -> None:
    screen.x.XGetScreenSaver.argtypes = [c_void_p] * 5
    screen.x.XSetScreenSaver.argtypes = [c_void_p] + [c_int] * 4


def _read_saver(screen: Screen) -> List[int]:
    """Read timeout and interval in seconds, whether it blanks, whether it exposes."""
    _describe_saver(screen)
    values = [c_int() for _ in range(4)]
    screen.x.XGetScreenSaver(screen.display, *map(byref, values))
    return [value.value for value in values]


def _dpms() -> Any:
    extension = open_library("Xext", "libXext.so.6")
    for name in ("DPMSCapable", "DPMSEnable", "DPMSDisable"):
        getattr(extension, name).argtypes = [c_void_p]
    extension.DPMSQueryExtension.argtypes = [c_void_p] * 3
    extension.DPMSInfo.argtypes = [c_void_p] * 3
    return extension


def _read_dpms(screen: Screen) -> bool:
    """Say whether the monitors are sent to sleep after a while."""
    extension, level, is_on = _dpms(), c_ushort(), c_ubyte()
    events, errors = c_int(), c_int()
    if not extension.DPMSQueryExtension(screen.display, byref(events), byref(errors)):
        return False
    if not extension.DPMSCapable(screen.display):
        return False
    extension.DPMSInfo(screen.display, byref(level), byref(is_on))
    return bool(is_on.value)
