"""Operations that look again and again: rights, clipboard, screens, drives, remote session."""

from __future__ import annotations

from typing import Set

from client_agent.errors import AgentError, problem
from client_agent.lockdown.operation import Before, NotHeld, not_held
from client_agent.lockdown.profile import LockProfile
from client_agent.windows.api import NOT_ADMINISTRATOR, WindowsApi, windows_folder
from client_agent.windows.lock_kiosk import OfOneLogin

TOO_MANY_SCREENS = problem(
    "too_many_screens",
    "本机接了 {count} 个显示器，考试只允许 {allowed} 个。请拔下多余的显示器。",
    "{count} screens are connected, the test allows {allowed}. Unplug the others.",
)
DRIVE_LEFT = problem(
    "removable_drive_left",
    "移动存储设备 {letter}: 无法弹出，请拔下。",
    "The removable drive {letter}: could not be ejected. Unplug it.",
)
REMOTE_SESSION = problem(
    "remote_session",
    "有人正在通过远程桌面使用本机。请监考员查看。",
    "This PC is used through remote desktop. Have a look.",
)


class Rights(OfOneLogin):
    """Without an administrator's rights nothing is begun: half of the lock would look like one."""

    name = "windows.rights"
    title = ("管理员权限", "Administrator's rights")

    def read(self) -> Before:
        if not self._api.is_administrator():
            raise AgentError(NOT_ADMINISTRATOR)
        return {}

    def perform(self, profile: LockProfile) -> None:
        """Nothing: to have the rights is all."""

    def revert(self, before: Before) -> None:
        """Nothing was changed."""

    def holds(self, profile: LockProfile) -> NotHeld | None:
        return None if self._api.is_administrator() else not_held(NOT_ADMINISTRATOR)


class Clipboard(OfOneLogin):
    """Emptied at lock and unlock, so that nothing comes in or goes out; `off`: whenever something is in it."""

    name = "windows.clipboard"
    title = ("剪贴板", "Clipboard")
    needed = False

    def __init__(self, api: WindowsApi) -> None:
        super().__init__(api)
        self._emptied_at: int | None = None

    def wanted(self, profile: LockProfile) -> bool:
        return profile.clipboard != "open"

    def read(self) -> Before:
        return self._where()

    def perform(self, profile: LockProfile) -> None:
        self._api.empty_clipboard()
        self._emptied_at = self._api.clipboard_number()

    def revert(self, before: Before) -> None:
        self._emptied_at = None
        if not self._is_gone(before):
            self._api.empty_clipboard()

    def holds(self, profile: LockProfile) -> NotHeld | None:
        if self._emptied_at is None:
            return self._not_held("-")
        if profile.clipboard == "off" and self._api.clipboard_number() != self._emptied_at:
            return self._not_held("not empty")
        return None


class ScreenCount(OfOneLogin):
    """No more screens than allowed are lit: the others are switched off where Windows can."""

    name = "windows.screens"
    title = ("显示器", "Screens")
    needed = False
    ONE_ONLY = 1

    def read(self) -> Before:
        return {**self._where(), "topology": self._api.topology(), "screens": self._api.screens()}

    def perform(self, profile: LockProfile) -> None:
        if profile.screens == 1 and self._api.screens() > 1:
            self._api.set_topology(self.ONE_ONLY)

    def revert(self, before: Before) -> None:
        # How screens are joined outlives session and restart: put back wherever this runs with a desktop.
        if self._api.topology() != before["topology"] and before["screens"] > 1:
            self._api.set_topology(before["topology"])

    def holds(self, profile: LockProfile) -> NotHeld | None:
        count = self._api.screens()
        return not_held(TOO_MANY_SCREENS, count=count, allowed=profile.screens) if count > profile.screens else None


class Drives(OfOneLogin):
    """Removable drives that are in at the lock are ejected; one that cannot be is named. None comes back by itself."""

    name = "windows.drives"
    title = ("移动存储设备", "Removable drives")
    needed = False

    def wanted(self, profile: LockProfile) -> bool:
        return not profile.removable_drives

    def read(self) -> Before:
        return {}

    def perform(self, profile: LockProfile) -> None:
        for drive in self._api.drives():
            if drive.is_removable and drive.letter not in _drives_in_use(profile):
                self._api.eject(drive)

    def revert(self, before: Before) -> None:
        """Nothing to put back: a drive that was ejected comes back when it is plugged in again."""

    def holds(self, profile: LockProfile) -> NotHeld | None:
        left = [one.letter for one in self._api.drives() if one.is_removable]
        left = [letter for letter in left if letter not in _drives_in_use(profile)]
        return not_held(DRIVE_LEFT, letter=", ".join(left)) if left else None


class RemoteControl(OfOneLogin):
    """Tells when the session is shown elsewhere; changes nothing."""

    name = "windows.remote_session"
    title = ("远程会话", "Remote session")
    needed = False

    def read(self) -> Before:
        return {}

    def perform(self, profile: LockProfile) -> None:
        """Nothing that could be done without throwing the candidate out."""

    def revert(self, before: Before) -> None:
        """Nothing was changed."""

    def holds(self, profile: LockProfile) -> NotHeld | None:
        return not_held(REMOTE_SESSION) if self._api.is_remote_session() else None


def _drives_in_use(profile: LockProfile) -> Set[str]:
    """Name drives that Windows or the candidate's work lies on: those are never ejected."""
    work = str(profile.work_folder or "")[:2]
    return {path[0].upper() for path in (windows_folder(), work) if path[1:2] == ":"}
