"""A real X screen for tests: Xvfb with openbox, and what a person would see and press there."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Callable, Dict, List

import pytest

NEEDED = ("Xvfb", "openbox", "xdotool", "xev", "setxkbmap", "xkbcomp")
PATIENCE_S = 60.0


def skip_unless_installed(*programs: str) -> None:
    """Skip by name; on the build machine nothing may be wanting, so fail there."""
    missing = [one for one in programs if shutil.which(one, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"not installed, but must be when CI=true: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def until(what: Callable[[], object], *, patience_s: float = PATIENCE_S) -> bool:
    """Wait for something to become true; a slow machine is given time."""
    waiting = threading.Event()
    for _ in range(int(patience_s / 0.05)):
        if what():
            return True
        waiting.wait(0.05)
    return bool(what())


class XScreen:
    """An X server and a window manager of its own. Close it, whatever happens."""

    def __init__(self, folder: Path, *switches: str) -> None:
        skip_unless_installed(*NEEDED)
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1366x768x24", "-noreset", "-nolisten", "tcp"]
        command += switches
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.server = subprocess.Popen(command, pass_fds=[writing], **quiet)
        os.close(writing)
        with os.fdopen(reading) as told:
            self.name = ":" + told.readline().strip()
        self.environment = {**os.environ, "DISPLAY": self.name, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        self.environment.pop("WAYLAND_DISPLAY", None)
        self.others = [subprocess.Popen(["openbox"], env=self.environment, **quiet)]
        # It claims the screen first and lists windows last: one that opens in between is never shown.
        assert until(lambda: "_NET_CLIENT_LIST(WINDOW)" in self.says("xprop", "-root")), "openbox did not start"

    def start(self, *command: str, **named: object) -> subprocess.Popen:
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **named
        )
        self.others.append(process)
        return process

    def says(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False
        )
        return done.stdout.decode("utf-8", "replace")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.says("xdotool", "key", key)

    def titles(self) -> List[str]:
        """List the titles of the windows that a person sees."""
        return [
            self.says("xdotool", "getwindowname", window).strip()
            for window in self.says("xdotool", "search", "--onlyvisible", "--name", ".").split()
        ]

    def close(self) -> None:
        for process in reversed([self.server, *self.others]):
            if process.poll() is None:
                process.kill()
            process.wait()


class Site:
    """A web server that notes what was fetched; every page has the given title."""

    def __init__(self, title: str) -> None:
        self.fetched: List[str] = []
        outer = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.fetched.append(self.path)
                body = f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.port = int(self.server.server_address[1])
        self.address = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def pressed_in_xev(text: str) -> Dict[str, int]:
    """Count the key presses that xev wrote down, by X name."""
    found: Dict[str, int] = {}
    for event in text.split("\n\n"):
        if event.lstrip().startswith("KeyPress") and "keysym 0x" in event:
            name = event.split("keysym 0x")[1].split(", ")[1].split(")")[0]
            found[name] = found.get(name, 0) + 1
    return found
