"""Operations that are values in the registry: browsers' and Windows' own policies, drives, updates, remote help.

What stood there is kept value by value with its type. A value that was not there is taken away again, and so are keys
that were not there, if nothing else lies in them by then.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence, Tuple

from client_agent.errors import AgentError
from client_agent.lockdown.browser_policies import browser_policies
from client_agent.lockdown.operation import LOCK_NOT_HELD, Before, NotHeld, not_held
from client_agent.lockdown.profile import LockProfile
from client_agent.machine import Browser
from client_agent.windows.api import NO_PERSON, RegistryValue, WindowsApi, dword, text

# Key → value name → what it shall be. In an owned key nothing else may stand.
Wanted = Mapping[str, Mapping[str, RegistryValue]]

BROWSER_ROOTS = (
    r"HKLM\SOFTWARE\Policies\Google\Chrome",
    r"HKLM\SOFTWARE\Policies\Microsoft\Edge",
    r"HKLM\SOFTWARE\Policies\Chromium",
)
BROWSER_LISTS = ("URLBlocklist", "URLAllowlist", "ExtensionInstallBlocklist")
PERSON = "PERSON"  # stands for HKU\SID in the tables below
POLICIES = r"Software\Microsoft\Windows\CurrentVersion\Policies"


class RegistryOperation:
    """Values in the registry. Subclasses say which keys they touch and what shall stand in them."""

    name = ""
    title = ("", "")
    needed = True
    whole_keys: Sequence[str] = ()

    def __init__(self, api: WindowsApi) -> None:
        self._api = api

    def settings(self, profile: LockProfile) -> Wanted:
        """Say what shall stand where, `PERSON\\…` for the registry of who is logged in."""
        raise NotImplementedError

    def touched(self) -> Mapping[str, Sequence[str]]:
        """Name every key and value that any profile could set; for a whole key the names do not matter."""
        raise NotImplementedError

    def wanted(self, profile: LockProfile) -> bool:
        return True

    def read(self) -> Before:
        keys: Dict[str, Any] = {}
        for key, names in self.touched().items():
            real = self._real(key)
            values = self._api.values(real)
            is_whole = key in self.whole_keys
            shown = (values or {}) if is_whole else {name: (values or {}).get(name) for name in names}
            keys[real] = {
                "missing": self._missing(real) if values is None else [],
                "whole": is_whole,
                "values": {name: value.as_json() if value else None for name, value in shown.items()},
            }
        return {"keys": keys}

    def perform(self, profile: LockProfile) -> None:
        for key, values in self.settings(profile).items():
            real = self._real(key)
            present = self._api.values(real) or {}
            if key in self.whole_keys:
                for name in set(present) - set(values):
                    self._api.delete_value(real, name)
            for name, value in values.items():
                if present.get(name) != value:
                    self._api.set_value(real, name, value)

    def revert(self, before: Before) -> None:
        failures = []
        for key, kept in before["keys"].items():
            try:
                self._revert_key(key, kept)
            except OSError as failure:
                failures.append(failure)
        # The deepest first: a key is taken away only when those below it are.
        missing = {name for kept in before["keys"].values() for name in kept["missing"]}
        for key in sorted(missing, key=lambda name: name.count("\\"), reverse=True):
            if self._api.values(key) == {} and not self._api.subkeys(key):
                self._api.delete_key(key)
        if failures:
            raise failures[0]

    def holds(self, profile: LockProfile) -> NotHeld | None:
        for key, values in self.settings(profile).items():
            present = self._api.values(self._real(key)) or {}
            wrong = [name for name, value in values.items() if present.get(name) != value]
            if key in self.whole_keys:
                wrong += sorted(set(present) - set(values))
            if wrong:
                return self._not_held(f"{key}\\{wrong[0]}")
        return None

    def _not_held(self, reason: object) -> NotHeld:
        return not_held(LOCK_NOT_HELD, zh=self.title[0], en=self.title[1], reason=reason)

    def _revert_key(self, key: str, kept: Mapping[str, Any]) -> None:
        root = person_root(key)
        if root is not None and self._api.values(root) is None:
            # The person has logged out and taken their part of the registry along: tried again when it is back.
            raise OSError(f"{key}: not loaded, its owner is not logged in")
        present = self._api.values(key)
        if kept["whole"]:
            for name in set(present or {}) - set(kept["values"]):
                self._api.delete_value(key, name)
        for name, value in kept["values"].items():
            if value is None:
                if present is not None:
                    self._api.delete_value(key, name)
            elif (present or {}).get(name) != RegistryValue(*value):
                self._api.set_value(key, name, RegistryValue(*value))

    def _real(self, key: str) -> str:
        if not key.startswith(PERSON):
            return key
        person = self._api.person()
        if person is None:
            raise AgentError(NO_PERSON)
        return f"HKU\\{person}{key[len(PERSON) :]}"

    def _missing(self, key: str) -> Sequence[str]:
        """Name the key and those above it that are not there."""
        parts = key.split("\\")
        ways = ["\\".join(parts[:count]) for count in range(2, len(parts) + 1)]
        return [way for way in ways if self._api.values(way) is None]


def person_root(key: str) -> str | None:
    """Give `HKU\\SID` of a key of a person, None for the machine's."""
    parts = key.split("\\")
    return "\\".join(parts[:2]) if parts[0] == "HKU" else None


class BrowserPolicies(RegistryOperation):
    """Chrome, Edge and Chromium: only the station and the agent's own pages, no tools, no downloads."""

    name = "windows.browser_policies"
    title = ("浏览器限制", "Browser policies")
    whole_keys = tuple(f"{root}\\{name}" for root in BROWSER_ROOTS for name in BROWSER_LISTS)

    def settings(self, profile: LockProfile) -> Wanted:
        wanted: Dict[str, Dict[str, RegistryValue]] = {}
        for root in BROWSER_ROOTS:
            wanted[root] = {}
            for name, value in browser_policies(profile).items():
                if isinstance(value, list):
                    wanted[f"{root}\\{name}"] = {str(n): text(str(one)) for n, one in enumerate(value, start=1)}
                else:
                    wanted[root][name] = policy_value(value)
        return wanted

    def touched(self) -> Mapping[str, Sequence[str]]:
        names = [name for name, is_list in policy_names() if not is_list]
        return {**dict.fromkeys(BROWSER_ROOTS, names), **dict.fromkeys(self.whole_keys, ())}


def policy_value(value: Any) -> RegistryValue:
    """Write a policy as Chrome reads it from the registry: numbers and yes/no as REG_DWORD, else text."""
    if isinstance(value, (bool, int)):
        return dword(int(value))
    return text(value if isinstance(value, str) else json.dumps(value))


def policy_names() -> Sequence[Tuple[str, bool]]:
    """Name every policy with whether it is a list; no profile changes which ones there are."""
    any_profile = LockProfile("http://127.0.0.1", 1, Browser("", Path(), ""))
    return [(name, isinstance(value, list)) for name, value in browser_policies(any_profile).items()]


@dataclass(frozen=True)
class Table:
    """A registry operation that is the same for every profile."""

    name: str
    title: Tuple[str, str]
    settings: Wanted
    needed: bool = True
    # Keys of the settings that are changed only where they exist: a service that this PC does not have.
    only_if_there: Tuple[str, ...] = ()


SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
WINDOWS = r"HKLM\SOFTWARE\Policies\Microsoft\Windows"
CTRL_ALT_DEL = Table(
    "windows.ctrl_alt_del",
    ("Ctrl+Alt+Del 界面限制", "Choices of the Ctrl+Alt+Del screen"),
    {
        f"{PERSON}\\{POLICIES}\\System": {
            "DisableTaskMgr": dword(1), "DisableLockWorkstation": dword(1), "DisableChangePassword": dword(1),
            "DisableRegistryTools": dword(2),
        },
        f"{PERSON}\\{POLICIES}\\Explorer": {"NoLogoff": dword(1), "NoClose": dword(1), "NoRun": dword(1)},
        r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System": {"HideFastUserSwitching": dword(1)},
        f"{WINDOWS}\\System": {"DontDisplayNetworkSelectionUI": dword(1)},
    },
)  # fmt: skip
USB_STORAGE = Table(
    "windows.usb_storage",
    ("禁用 U 盘", "No USB storage"),
    {
        f"{SERVICES}\\USBSTOR": {"Start": dword(4)},
        f"{SERVICES}\\UASPStor": {"Start": dword(4)},
        f"{WINDOWS}\\RemovableStorageDevices": {"Deny_All": dword(1)},
    },
    only_if_there=(f"{SERVICES}\\USBSTOR", f"{SERVICES}\\UASPStor"),
)
QUIET = Table(
    "windows.quiet",
    ("暂停更新和通知", "No updates and notices during the test"),
    {
        f"{WINDOWS}\\WindowsUpdate\\AU": {"NoAutoUpdate": dword(1), "NoAutoRebootWithLoggedOnUsers": dword(1)},
        f"{PERSON}\\Software\\Policies\\Microsoft\\Windows\\CurrentVersion\\PushNotifications": {
            "NoToastApplicationNotification": dword(1)
        },
        f"{PERSON}\\Software\\Policies\\Microsoft\\Windows\\Explorer": {"DisableNotificationCenter": dword(1)},
        r"HKLM\SOFTWARE\Microsoft\Windows\Windows Error Reporting": {"DontShowUI": dword(1)},
    },
    needed=False,
)
REMOTE = Table(
    "windows.remote_access",
    ("禁用远程桌面和远程协助", "No remote desktop and remote assistance"),
    {
        r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server": {"fDenyTSConnections": dword(1)},
        r"HKLM\SYSTEM\CurrentControlSet\Control\Remote Assistance": {"fAllowToGetHelp": dword(0)},
    },
)


class TableOperation(RegistryOperation):
    """The operation of a table."""

    def __init__(self, api: WindowsApi, table: Table) -> None:
        super().__init__(api)
        self._table = table
        self.name, self.title, self.needed = table.name, table.title, table.needed

    def settings(self, profile: LockProfile) -> Wanted:
        return {
            key: values
            for key, values in self._table.settings.items()
            if key not in self._table.only_if_there or self._api.values(key) is not None
        }

    def touched(self) -> Mapping[str, Sequence[str]]:
        skipped = [key for key in self._table.only_if_there if self._api.values(key) is None]
        return {key: tuple(values) for key, values in self._table.settings.items() if key not in skipped}


class UsbStorage(TableOperation):
    """No driver for USB storage, and no access to what is in; a profile may allow it."""

    def wanted(self, profile: LockProfile) -> bool:
        return not profile.removable_drives
