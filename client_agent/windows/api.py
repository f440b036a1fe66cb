"""The calls to Windows that lockdown and service need, as a written interface.

`native.Windows` makes them by ctypes; the tests hold the operations against a model that answers the same calls and can
fail or die at any of them. Each call is thin: what to change, and in which order, is decided by the operations.
Whatever Windows refuses raises OSError.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Protocol, Sequence

from client_agent.errors import problem

NO_PERSON = problem(
    "nobody_logged_in",
    "还没有人登录 Windows，无法锁定桌面。请先登录考试用的账户。",
    "Nobody has logged in to Windows yet: its desktop cannot be locked. Log in with the account for the test.",
)
OTHER_SESSION = problem(
    "other_session",
    "要恢复的桌面属于另一个登录会话（{session}），将在该会话中恢复。",
    "What is to be put back belongs to another login session ({session}) and is put back there.",
)
NOT_ADMINISTRATOR = problem(
    "not_administrator",
    "没有管理员权限，无法锁定本机。请用安装程序安装（以系统服务运行），或以管理员身份运行。",
    "Without administrator rights this PC cannot be locked. Install the agent as a service, or run it as one.",
)


@dataclass(frozen=True)
class RegistryValue:
    """A value with its type by name (`REG_SZ` …). Binary and unknown types are hexadecimal text."""

    kind: str
    content: Any

    def as_json(self) -> list[Any]:
        return [self.kind, self.content]


def dword(number: int) -> RegistryValue:
    return RegistryValue("REG_DWORD", number)


def text(content: str) -> RegistryValue:
    return RegistryValue("REG_SZ", content)


@dataclass(frozen=True)
class RunningProcess:
    """A process. `started` tells it from a later one with the same number; `path` is empty where Windows hides it."""

    pid: int
    parent: int
    name: str
    path: str
    session: int
    started: int


@dataclass(frozen=True)
class Drive:
    """A drive letter with a medium in it; `is_removable` also for a hard disk behind USB."""

    letter: str
    is_removable: bool


@dataclass(frozen=True)
class KeyPress:
    """One key event as the keyboard hook sees it, with what else is held down."""

    code: int
    ctrl: bool = False
    alt: bool = False
    shift: bool = False
    windows: bool = False
    injected: bool = False


def system_program(name: str) -> str:
    """Give Windows' own program and not one of that name which lies in the working folder or earlier in PATH."""
    return f"{windows_folder()}\\System32\\{name}"


def windows_folder() -> str:
    return os.environ.get("SYSTEMROOT", r"C:\Windows")


class Started(Protocol):
    """A process that was started: as much of `subprocess.Popen` as the browser's keeper uses."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...


class RegistryApi(Protocol):
    """Keys are written `HKLM\\…` and `HKU\\…`, always in the 64-bit view."""

    def values(self, key: str) -> Mapping[str, RegistryValue] | None:
        """Give a key's values, None if there is no such key."""
        ...

    def subkeys(self, key: str) -> Sequence[str]:
        """Name the keys below; none if there is no such key."""
        ...

    def set_value(self, key: str, name: str, value: RegistryValue) -> None:
        """Write a value; the key is made if it is missing."""
        ...

    def delete_value(self, key: str, name: str) -> None:
        """Take a value away; one that is not there is no error."""
        ...

    def delete_key(self, key: str) -> None:
        """Take away a key without keys below; one that is not there is no error."""
        ...


class ProcessApi(Protocol):
    """Processes, sessions and services."""

    def version(self) -> tuple[int, int, int]:
        """Give major, minor and build of the real system: 6.1 is Windows 7, 10.0.22000 and later Windows 11."""
        ...

    def boot_id(self) -> str:
        """Give what changes with every start of the system."""
        ...

    def is_administrator(self) -> bool: ...

    def own_session(self) -> int: ...

    def console_session(self) -> int | None:
        """Give the session at keyboard and screen, None while Windows changes between two."""
        ...

    def person(self) -> str | None:
        """Give the SID of the person logged in at keyboard and screen, None at the log-in screen."""
        ...

    def is_remote_session(self) -> bool: ...

    def processes(self) -> Sequence[RunningProcess]: ...

    def original_name(self, path: str) -> str:
        """Read the original file name out of a program's version resource, lower case; "" if it has none."""
        ...

    def end_process(self, process: RunningProcess) -> None:
        """End exactly this process; one that is gone is no error."""
        ...

    def start_as_person(self, command: Sequence[str], desktop: str) -> Started:
        """Start a program with the rights of the person logged in, on a desktop of their session."""
        ...

    def start_as_system(self, command: Sequence[str], session: int) -> Started:
        """Start a program with the service's own rights in a session, on its usual desktop."""
        ...

    def run(self, command: Sequence[str]) -> int:
        """Run a program of Windows unseen to its end and give its status, which proves nothing by itself."""
        ...

    def service_runs(self, name: str) -> bool: ...


class ScreenApi(Protocol):
    """Desktop, shell, clipboard, screens and keyboard of the own session."""

    def create_desktop(self, name: str) -> None:
        """Make a desktop, or open the one that is there; it is held until `release_desktop`."""
        ...

    def release_desktop(self, name: str) -> None:
        """Let go of a desktop; Windows removes it with the last process on it. Not held is no error."""
        ...

    def show_desktop(self, name: str) -> None:
        """Give screen and keyboard to a desktop."""
        ...

    def shown_desktop(self) -> str:
        """Name the desktop that has screen and keyboard."""
        ...

    def processes_on(self, desktop: str) -> Sequence[int]:
        """Number the processes that have a window on a desktop; none if there is no such desktop."""
        ...

    def processes_with_windows(self) -> Sequence[int]:
        """Number the processes that show a window of their own, for people to see, on the desktop shown now."""
        ...

    def ask_shell_to_quit(self) -> None:
        """Ask Explorer's shell to go, as Ctrl+Shift and "Exit Explorer" does; Windows does not start it again then."""
        ...

    def hook_keys(self, passes: Callable[[KeyPress], bool]) -> None:
        """Ask `passes` about each key from now on, on the desktop shown now. Replaces an earlier hook."""
        ...

    def unhook_keys(self) -> None: ...

    def keys_are_hooked(self) -> bool:
        """Tell whether the hook still answers on the desktop shown now: Windows drops slow ones silently."""
        ...

    def empty_clipboard(self) -> None: ...

    def clipboard_number(self) -> int:
        """Give the number that changes with each change of the clipboard."""
        ...

    def screens(self) -> int:
        """Count screens that are lit, twins included."""
        ...

    def topology(self) -> int:
        """Give how screens are joined: 1 one only, 2 twins, 4 side by side, 8 the outer one only."""
        ...

    def set_topology(self, topology: int) -> None: ...

    def accessibility_flags(self, kind: str) -> int:
        """Read the flags of `sticky`, `toggle` or `filter` keys."""
        ...

    def set_accessibility_flags(self, kind: str, flags: int) -> None: ...

    def has_screen_saver(self) -> bool: ...

    def set_screen_saver(self, on: bool) -> None: ...


class DeviceApi(Protocol):
    """Drives and power."""

    def drives(self) -> Sequence[Drive]: ...

    def eject(self, drive: Drive) -> None:
        """Dismount a drive; raises while something on it is in use."""
        ...

    def power_scheme(self) -> str: ...

    def power_value(self, scheme: str, setting: str, plugged_in: bool) -> int | None:
        """Read one setting (`GROUP-GUID/SETTING-GUID`) of a power plan; None where this PC has none."""
        ...

    def set_power_value(self, scheme: str, setting: str, plugged_in: bool, value: int) -> None:
        """Write one setting and make the plan, if it is the active one, follow it at once."""
        ...


class WindowsApi(RegistryApi, ProcessApi, ScreenApi, DeviceApi, Protocol):
    """All of it."""
