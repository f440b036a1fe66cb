"""What the candidate sees instead of the usual desktop, and the keys that lead out of it.

Two ways, chosen by version. Windows 7: a desktop of our own, where nothing else runs; the browser is started on it.
Windows 8 and later: the usual desktop without Explorer's shell, for the input methods of those versions do not appear
on any other desktop, and a candidate who cannot type Chinese cannot take the test.
"""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List

from client_agent import clock
from client_agent.errors import AgentError
from client_agent.lockdown.operation import LOCK_NOT_HELD, Before, NotHeld, not_held
from client_agent.lockdown.profile import LockProfile
from client_agent.windows import keys
from client_agent.windows.api import (
    NO_PERSON,
    OTHER_SESSION,
    KeyPress,
    RegistryValue,
    RunningProcess,
    WindowsApi,
    dword,
    system_program,
    windows_folder,
)

KIOSK_DESKTOP = "ExamAgent"
USUAL_DESKTOP = "Default"
SECURE_DESKTOP = "Winlogon"
WINDOWS_8 = (6, 2)
WINLOGON = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
RESTART = "AutoRestartShell"
SHELL = "explorer.exe"
INPUT_METHODS = "ctfmon.exe"
SHELL_WAIT_S = 3.0


def has_own_desktop(api: WindowsApi) -> bool:
    """Say which of the two ways this Windows takes."""
    return api.version()[:2] < WINDOWS_8


def desktop_for_programs(api: WindowsApi) -> str:
    """Name the desktop on which browser and permitted programs are started now: the one behind Windows' own screens."""
    shown = api.shown_desktop()
    if shown != SECURE_DESKTOP:
        return shown
    return KIOSK_DESKTOP if api.processes_on(KIOSK_DESKTOP) else USUAL_DESKTOP


class OfOneLogin:
    """Something that belongs to one login session: gone when the session is, and put back only from inside it."""

    name = ""
    title = ("", "")
    needed = True

    def __init__(self, api: WindowsApi) -> None:
        self._api = api

    def wanted(self, profile: LockProfile) -> bool:
        return True

    def _where(self) -> Dict[str, Any]:
        return {"boot": self._api.boot_id(), "session": self._api.own_session()}

    def _is_gone(self, before: Before) -> bool:
        """Say whether what was changed ended with its session; refuses while it lives elsewhere."""
        if before["boot"] != self._api.boot_id():
            return True
        if before["session"] == self._api.own_session():
            return False
        if any(process.session == before["session"] for process in self._api.processes()):
            raise AgentError(OTHER_SESSION, session=before["session"])
        return True

    def _not_held(self, reason: object) -> NotHeld:
        return not_held(LOCK_NOT_HELD, zh=self.title[0], en=self.title[1], reason=reason)


class OwnDesktop(OfOneLogin):
    """Windows 7: a desktop of our own is shown. The input methods' program is started on it."""

    name = "windows.own_desktop"
    title = ("考试专用桌面", "Desktop of the test")

    def read(self) -> Before:
        return {**self._where(), "shown": USUAL_DESKTOP}

    def perform(self, profile: LockProfile) -> None:
        if self._api.person() is None:
            raise AgentError(NO_PERSON)
        self._api.create_desktop(KIOSK_DESKTOP)
        if self._api.shown_desktop() != KIOSK_DESKTOP:
            self._api.show_desktop(KIOSK_DESKTOP)
            self._api.start_as_person([system_program(INPUT_METHODS)], KIOSK_DESKTOP)

    def revert(self, before: Before) -> None:
        """Show the usual desktop, end what still stands on ours, let go of it."""
        if self._is_gone(before):
            return
        # The usual one is shown from whichever is shown now, unless that is Windows' own (Ctrl+Alt+Del, log-in).
        if self._api.shown_desktop() == KIOSK_DESKTOP:
            self._api.show_desktop(before["shown"])
        mine = os.getpid()
        on_it = set(self._api.processes_on(KIOSK_DESKTOP)) - {mine}
        for process in self._api.processes():
            if process.pid in on_it:
                self._api.end_process(process)
        self._api.release_desktop(KIOSK_DESKTOP)

    def holds(self, profile: LockProfile) -> NotHeld | None:
        shown = self._api.shown_desktop()
        # On Windows' own desktop stand the log-in and Ctrl+Alt+Del: it is left to the candidate to come back.
        return None if shown in (KIOSK_DESKTOP, SECURE_DESKTOP) else self._not_held(shown)


class NoShell(OfOneLogin):
    """Windows 8 and later: taskbar, start menu and desktop icons are gone, for Explorer's shell is."""

    name = "windows.no_shell"
    title = ("关闭任务栏和开始菜单", "No taskbar and start menu")

    def read(self) -> Before:
        value = (self._api.values(WINLOGON) or {}).get(RESTART)
        return {
            **self._where(),
            "restart": value.as_json() if value else None,
            "runs": bool(self._shells(self._api.own_session())),
        }

    def perform(self, profile: LockProfile) -> None:
        self._api.set_value(WINLOGON, RESTART, dword(0))
        session = self._api.own_session()
        if self._shells(session):
            self._api.ask_shell_to_quit()
        give_up = clock.monotonic() + SHELL_WAIT_S
        while self._shells(session) and clock.monotonic() < give_up:
            time.sleep(0.1)
        for shell in self._shells(session):
            self._api.end_process(shell)

    def revert(self, before: Before) -> None:
        """Put the setting back, and start the shell if the session it ran in is still there."""
        kept = before["restart"]
        if kept is None:
            self._api.delete_value(WINLOGON, RESTART)
        else:
            self._api.set_value(WINLOGON, RESTART, RegistryValue(*kept))
        if not self._is_gone(before) and before["runs"] and not self._shells(before["session"]):
            self._api.start_as_person([f"{windows_folder()}\\{SHELL}"], USUAL_DESKTOP)

    def holds(self, profile: LockProfile) -> NotHeld | None:
        value = (self._api.values(WINLOGON) or {}).get(RESTART)
        if value != dword(0):
            return self._not_held(RESTART)
        shells = self._shells(self._api.own_session())
        return self._not_held(f"{SHELL} {shells[0].pid}") if shells else None

    def _shells(self, session: int) -> List[RunningProcess]:
        return [one for one in self._api.processes() if one.name.lower() == SHELL and one.session == session]


class Keys(OfOneLogin):
    """The keyboard hook. It ends with the process that has it: nothing of it outlives the agent."""

    name = "windows.keys"
    title = ("屏蔽系统按键", "Keys that lead out")

    def __init__(self, api: WindowsApi) -> None:
        super().__init__(api)
        self._profile: LockProfile | None = None

    def read(self) -> Before:
        return {}

    def perform(self, profile: LockProfile) -> None:
        self._profile = profile

        def passes(key: KeyPress) -> bool:
            return keys.passes(key, profile)

        self._api.hook_keys(passes)

    def revert(self, before: Before) -> None:
        self._profile = None
        self._api.unhook_keys()

    def holds(self, profile: LockProfile) -> NotHeld | None:
        if self._profile == profile and self._api.shown_desktop() == SECURE_DESKTOP:
            return None  # no hook is made there; the one behind it is looked at when the candidate is back
        if self._profile != profile or not self._api.keys_are_hooked():
            return self._not_held("hook")
        return None


class KeyAids(OfOneLogin):
    """Sticky, toggle and filter keys: their hot keys (Shift five times …) open a window that leads out of the test.

    What the profile allows stays; what a candidate had on stays on.
    """

    name = "windows.key_aids"
    title = ("粘滞键等快捷键", "Hot keys of sticky keys and the like")
    needed = False
    HOT_KEY_ACTIVE = 0x4
    KINDS = ("sticky", "toggle", "filter")

    def read(self) -> Before:
        return {**self._where(), "flags": {kind: self._api.accessibility_flags(kind) for kind in self.KINDS}}

    def perform(self, profile: LockProfile) -> None:
        for kind in self._shut(profile):
            flags = self._api.accessibility_flags(kind)
            if flags & self.HOT_KEY_ACTIVE:
                self._api.set_accessibility_flags(kind, flags & ~self.HOT_KEY_ACTIVE)

    def revert(self, before: Before) -> None:
        if self._is_gone(before):
            return
        for kind, flags in before["flags"].items():
            if self._api.accessibility_flags(kind) != flags:
                self._api.set_accessibility_flags(kind, flags)

    def holds(self, profile: LockProfile) -> NotHeld | None:
        active = [kind for kind in self._shut(profile) if self._api.accessibility_flags(kind) & self.HOT_KEY_ACTIVE]
        return self._not_held(", ".join(active)) if active else None

    def _shut(self, profile: LockProfile) -> List[str]:
        return [kind for kind in self.KINDS if f"{kind}_keys" not in profile.accessibility]
