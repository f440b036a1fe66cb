"""Xlib in an agent of many threads: the checks, the lock and the hot keys look at the screen at the same time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.x_ground import XScreen

ROOT = Path(__file__).resolve().parent.parent.parent
LOOK_IN_THREADS = """
import threading
from client_agent.linux.lock_monitors import Monitors
from client_agent.linux.lock_screen import ScreenSaver
from client_agent.linux.x11 import Screen, Waking
def look():
    for _ in range(40):
        with Screen() as screen, Monitors(screen) as monitors:
            assert screen.monitors() and monitors.lit()
        ScreenSaver().read()
        Waking().close()
threads = [threading.Thread(target=look) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("whole")
"""


@pytest.mark.skipif(os.name != "posix", reason="X11")
def test_threads_that_look_at_the_screen_at_once_do_not_break_the_process(tmp_path):
    screen = XScreen(tmp_path)
    try:
        looking = [sys.executable, "-c", LOOK_IN_THREADS]
        done = subprocess.run(looking, env=screen.environment, stdout=subprocess.PIPE, cwd=str(ROOT), timeout=120)
        assert (done.returncode, done.stdout) == (0, b"whole\n")
    finally:
        screen.close()
