"""Screen and keyboard under X11. Where there is no X server each act refuses with `no_screen`."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading
from typing import Callable, Mapping

import psutil

from client_agent.errors import AgentError
from client_agent.linux.x11 import NO_SCREEN, Screen, Waking
from client_agent.png import write_png

LARGEST_PICTURE = 5 * 1024 * 1024
COMMAND_TIMEOUT_S = 20


class LinuxDesktop:
    """The desktop that `DISPLAY` names."""

    def __init__(self) -> None:
        self._waking: Waking | None = None

    def picture(self) -> bytes:
        with Screen() as screen:
            width, height, pixels, line_bytes = screen.picture()
        return write_png(width, height, pixels, line_bytes=line_bytes, largest=LARGEST_PICTURE)

    def watch_hot_keys(self, keys: Mapping[str, Callable[[], None]]) -> Callable[[], None]:
        """Grab the keys on the whole screen; a key that another program holds stays with it."""
        screen = Screen()
        acts = {screen.grab(key): act for key, act in keys.items()}
        told, tell = os.pipe()

        def watch() -> None:
            try:
                # What came before the first wait lies read in Xlib's queue and would not wake select.
                while True:
                    for pressed in screen.pressed():
                        if pressed in acts:
                            acts[pressed]()
                    ready, _, _ = select.select([screen.connection_number(), told], [], [])
                    if told in ready:
                        break
            finally:
                screen.close()
            os.close(told)

        thread = threading.Thread(target=watch, name="hot keys", daemon=True)
        thread.start()

        def end() -> None:
            os.close(tell)
            thread.join()

        return end

    def keep_awake(self, on: bool) -> None:
        if on and self._waking is None:
            self._waking = Waking()
        elif not on and self._waking is not None:
            self._waking.close()
            self._waking = None

    def bring_forward(self, pid: int) -> bool:
        """What runs as the person is a child of the process that was started (runuser): its windows count, too."""
        pids = [pid]
        with contextlib.suppress(psutil.Error):
            pids += [one.pid for one in psutil.Process(pid).children(recursive=True)]
        with Screen() as screen:
            windows = [window for one in pids for window in screen.windows_of(one)]
            for window in windows:
                screen.activate(window)
        return bool(windows)

    def shut_down(self) -> None:
        _run("systemctl", "poweroff")

    def log_out(self) -> None:
        session = os.environ.get("XDG_SESSION_ID")
        if not session:
            raise AgentError(NO_SCREEN, reason="XDG_SESSION_ID")
        _run("loginctl", "terminate-session", session)


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, timeout=COMMAND_TIMEOUT_S, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as failure:
        raise AgentError(NO_SCREEN, reason=failure) from None
