"""The real Windows behind `api.WindowsApi`. Loads anywhere, works on Windows only. Not run on a real Windows yet."""

from __future__ import annotations

from client_agent.windows.api import WindowsApi
from client_agent.windows.devices import Devices
from client_agent.windows.keyboard import Keyboard
from client_agent.windows.processes import Processes
from client_agent.windows.registry import Registry
from client_agent.windows.screens import Screens


class Windows(Processes, Screens, Keyboard, Devices):
    """This PC."""

    def __init__(self) -> None:
        Registry.__init__(self)
        Screens.__init__(self)
        Keyboard.__init__(self)


def this_windows() -> WindowsApi:
    """Give the real one; typed as the interface, so that the type checker compares the two."""
    return Windows()
