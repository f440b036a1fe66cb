"""Screen and keyboard on Windows, over the thin calls of `desktop_calls`."""

from __future__ import annotations

import sys
import threading
from typing import Callable, Mapping

from client_agent.errors import AgentError, problem
from client_agent.png import write_png
from client_agent.windows.api import system_program
from client_agent.windows.desktop_calls import CONTINUOUS, DISPLAY_REQUIRED, SYSTEM_REQUIRED, DesktopCalls

DESKTOP_REFUSED = problem(
    "desktop_refused",
    "Windows 不允许此操作：{reason}。请确认程序以考试机服务的身份运行。",
    "Windows does not allow this: {reason}. See that the program runs as the exam PC's service.",
)

LARGEST_PICTURE = 5 * 1024 * 1024
MODIFIERS = {"alt": 0x0001, "ctrl": 0x0002, "shift": 0x0004}
NO_REPEAT = 0x4000
F1 = 0x70


def system_calls() -> DesktopCalls:
    """Give the real calls of Windows; refuses elsewhere."""
    if sys.platform == "win32":
        from client_agent.windows.desktop_calls import SystemCalls

        return SystemCalls()
    else:
        raise AgentError(DESKTOP_REFUSED, reason=sys.platform)


def hot_key_code(key: str) -> tuple[int, int]:
    """Turn `Ctrl+Alt+Shift+U` or `F1` into Windows' modifiers and key number."""
    *modifiers, letter = key.split("+")
    number = F1 + int(letter[1:]) - 1 if len(letter) > 1 else ord(letter.upper())
    return sum(MODIFIERS[name.lower()] for name in modifiers), number


class WindowsDesktop:
    """The desktop that is shown when something is done; a kiosk may have put up its own."""

    def __init__(self, calls: DesktopCalls) -> None:
        self._calls = calls
        self._awake: threading.Event | None = None

    def picture(self) -> bytes:
        taken: list[tuple[int, int, bytes]] = []
        failed: list[OSError] = []

        def take() -> None:
            try:
                self._calls.enter_input_desktop()
                taken.append(self._calls.screen_pixels())
            except OSError as failure:
                failed.append(failure)

        # A thread of its own: one that has a window or a hook cannot change its desktop.
        thread = threading.Thread(target=take, name="picture", daemon=True)
        thread.start()
        thread.join()
        if failed:
            raise AgentError(DESKTOP_REFUSED, reason=failed[0])
        width, height, pixels = taken[0]
        return write_png(width, height, pixels, line_bytes=width * 4, largest=LARGEST_PICTURE)

    def watch_hot_keys(self, keys: Mapping[str, Callable[[], None]]) -> Callable[[], None]:
        """Register the keys; a key that another program holds stays with it."""
        acts = list(keys.items())
        is_listening = threading.Event()
        thread_number: list[int] = []

        def watch() -> None:
            self._calls.enter_input_desktop()
            for number, (key, _act) in enumerate(acts):
                modifiers, code = hot_key_code(key)
                # NO_REPEAT: a key held down is one press (Windows 7 and later).
                self._calls.register_hot_key(number, modifiers | NO_REPEAT, code)
            thread_number.append(self._calls.thread_number())
            is_listening.set()
            while True:
                pressed = self._calls.wait_for_hot_key()
                if pressed is None:
                    break
                acts[pressed][1]()
            for number in range(len(acts)):
                self._calls.unregister_hot_key(number)

        thread = threading.Thread(target=watch, name="hot keys", daemon=True)
        thread.start()
        is_listening.wait()

        def end() -> None:
            self._calls.wake(thread_number[0])
            thread.join()

        return end

    def keep_awake(self, on: bool) -> None:
        """Ask for screen and system; the wish belongs to its thread and ends with it, also when the agent dies."""
        if on and self._awake is None:
            self._awake = ending = threading.Event()

            def stay_awake() -> None:
                self._calls.set_execution_state(CONTINUOUS | SYSTEM_REQUIRED | DISPLAY_REQUIRED)
                ending.wait()
                self._calls.set_execution_state(CONTINUOUS)

            threading.Thread(target=stay_awake, name="keep awake", daemon=True).start()
        elif not on and self._awake is not None:
            self._awake.set()
            self._awake = None

    def bring_forward(self, pid: int) -> bool:
        """Look on the desktop that is shown: on Windows 7 that is the test's own."""
        found: list[bool] = []

        def look() -> None:
            self._calls.enter_input_desktop()
            found.append(self._calls.foreground(pid))

        thread = threading.Thread(target=look, name="bring forward", daemon=True)
        thread.start()
        thread.join()
        return any(found)

    def shut_down(self) -> None:
        self._run(system_program("shutdown.exe"), "/s", "/f", "/t", "0")

    def log_out(self) -> None:
        self._run(system_program("shutdown.exe"), "/l", "/f")

    def _run(self, *command: str) -> None:
        try:
            status = self._calls.run(*command)
        except OSError as failure:
            raise AgentError(DESKTOP_REFUSED, reason=failure) from None
        if status:
            raise AgentError(DESKTOP_REFUSED, reason=f"{command[0]}: {status}")
