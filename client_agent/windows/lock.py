"""All operations of the lockdown on Windows, in the order in which they are performed."""

from __future__ import annotations

from pathlib import Path
from typing import List

from client_agent.lockdown.operation import Operation
from client_agent.windows import lock_registry as registry
from client_agent.windows.api import WindowsApi
from client_agent.windows.lock_firewall import Firewall
from client_agent.windows.lock_kiosk import KeyAids, Keys, NoShell, OwnDesktop, has_own_desktop
from client_agent.windows.lock_power import PowerPlan, ScreenSaver
from client_agent.windows.lock_programs import Programs
from client_agent.windows.lock_watch import Clipboard, Drives, RemoteControl, Rights, ScreenCount
from client_agent.windows.machine import WindowsMachine
from client_agent.windows.native import this_windows


def operations(api: WindowsApi | None = None, state_folder: Path | None = None) -> List[Operation]:
    """Give the operations of this PC: policies first, what the candidate sees last.

    The keyboard hook comes after the desktop, for a hook sees the keys of one desktop only.
    """
    windows = api if api is not None else this_windows()
    folder = state_folder if state_folder is not None else WindowsMachine().state_folder()
    return [
        Rights(windows),
        registry.BrowserPolicies(windows),
        registry.TableOperation(windows, registry.CTRL_ALT_DEL),
        registry.TableOperation(windows, registry.QUIET),
        registry.TableOperation(windows, registry.REMOTE),
        registry.UsbStorage(windows, registry.USB_STORAGE),
        Drives(windows),
        PowerPlan(windows),
        ScreenSaver(windows),
        RemoteControl(windows),
        Firewall(windows, folder),
        Programs(windows),
        Clipboard(windows),
        ScreenCount(windows),
        KeyAids(windows),
        OwnDesktop(windows) if has_own_desktop(windows) else NoShell(windows),
        Keys(windows),
    ]
