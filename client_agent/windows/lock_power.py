"""Screen and PC stay awake: the power plan's waiting times and the screen saver.

The plan is read and written by Windows' own calls and not by `powercfg`, whose answers are in the PC's language.
"""

from __future__ import annotations

from typing import Dict

from client_agent.lockdown.operation import LOCK_NOT_HELD, Before, NotHeld, not_held
from client_agent.lockdown.profile import LockProfile
from client_agent.windows.api import WindowsApi
from client_agent.windows.lock_kiosk import OfOneLogin

SLEEP = "238c9fa8-0aad-41ed-83f4-97be242c8f20"
SCREEN_OFF = "7516b95f-f776-4464-8c53-06167f40cc99/3c0bc021-c8a8-4e07-a973-6b14cbcb2b7e"
STAND_BY = f"{SLEEP}/29f6c1db-86da-48c5-9fdb-f2b67b1f44da"
HIBERNATE = f"{SLEEP}/9d7815a6-7ee4-497e-8888-515a05f02364"
SETTINGS = (SCREEN_OFF, STAND_BY, HIBERNATE)
SUPPLIES = (("plugged", True), ("battery", False))


class PowerPlan:
    """Never turn the screen off, sleep or hibernate; 0 is never."""

    name = "windows.power_plan"
    title = ("不休眠、不关屏", "No sleep, no dark screen")
    needed = False

    def __init__(self, api: WindowsApi) -> None:
        self._api = api

    def wanted(self, profile: LockProfile) -> bool:
        return True

    def read(self) -> Before:
        scheme = self._api.power_scheme()
        values: Dict[str, int | None] = {
            f"{setting} {supply}": self._api.power_value(scheme, setting, plugged_in)
            for setting in SETTINGS
            for supply, plugged_in in SUPPLIES
        }
        return {"scheme": scheme, "values": values}

    def perform(self, profile: LockProfile) -> None:
        scheme = self._api.power_scheme()
        for setting in SETTINGS:
            for _supply, plugged_in in SUPPLIES:
                if self._api.power_value(scheme, setting, plugged_in):
                    self._api.set_power_value(scheme, setting, plugged_in, 0)

    def revert(self, before: Before) -> None:
        for key, value in before["values"].items():
            setting, _space, supply = key.partition(" ")
            plugged_in = dict(SUPPLIES)[supply]
            if value is not None and self._api.power_value(before["scheme"], setting, plugged_in) != value:
                self._api.set_power_value(before["scheme"], setting, plugged_in, value)

    def holds(self, profile: LockProfile) -> NotHeld | None:
        scheme = self._api.power_scheme()
        left = [
            setting
            for setting in SETTINGS
            for _supply, plugged_in in SUPPLIES
            if self._api.power_value(scheme, setting, plugged_in)
        ]
        return not_held(LOCK_NOT_HELD, zh=self.title[0], en=self.title[1], reason=left[0]) if left else None


class ScreenSaver(OfOneLogin):
    """No screen saver, whose way back may ask for a password that the candidate does not have."""

    name = "windows.screen_saver"
    title = ("关闭屏幕保护", "No screen saver")
    needed = False

    def read(self) -> Before:
        return {**self._where(), "on": self._api.has_screen_saver()}

    def perform(self, profile: LockProfile) -> None:
        if self._api.has_screen_saver():
            self._api.set_screen_saver(False)

    def revert(self, before: Before) -> None:
        if not self._is_gone(before) and self._api.has_screen_saver() != before["on"]:
            self._api.set_screen_saver(before["on"])

    def holds(self, profile: LockProfile) -> NotHeld | None:
        return self._not_held("on") if self._api.has_screen_saver() else None
