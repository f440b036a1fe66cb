"""The lockdown on Linux: which operations there are, in the order in which they are performed."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from client_agent.linux.lock_drives import RemovableDrives, SystemKeys
from client_agent.linux.lock_firewall import Firewall, StationName
from client_agent.linux.lock_keyboard import Keyboard
from client_agent.linux.lock_monitors import SecondScreens
from client_agent.linux.lock_policies import BrowserPolicies
from client_agent.linux.lock_programs import Programs
from client_agent.linux.lock_screen import Clipboard, ScreenSaver
from client_agent.linux.lock_terminals import Terminals
from client_agent.lockdown.operation import Operation


def operations(root: Path = Path("/")) -> Sequence[Operation]:
    """Make them anew for this process. Files, drives and network need root; the others an X server (`DISPLAY`)."""
    return (
        ScreenSaver(),
        RemovableDrives(root),
        SecondScreens(),
        Programs(),
        Clipboard(),
        BrowserPolicies(root),
        StationName(root),
        Firewall(),
        SystemKeys(root),
        Terminals(),
        Keyboard(),
    )
