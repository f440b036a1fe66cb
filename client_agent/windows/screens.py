"""Desktops, shell, clipboard and screens of the own session: thin calls."""

from __future__ import annotations

import ctypes
import time
from ctypes import wintypes
from typing import Any, Callable, Sequence

from client_agent.windows import ffi

GENERIC_ALL = 0x10000000
NAME_OF_OBJECT = 2
QUIT_EXPLORER = 0x400 + 436
ACTIVE_PATHS, CURRENT_IN_DATABASE = 2, 4
APPLY_TOPOLOGY = 0x80
GET_SCREEN_SAVER, SET_SCREEN_SAVER = 0x10, 0x11
CLIPBOARD_TRIES = 10
ACCESS_DENIED = 5
EXTENDED_STYLE, TOOL_WINDOW, CLOAKED = -20, 0x80, 14
SECURE_DESKTOP = "Winlogon"  # closed to all but the system
PATH_BYTES, MODE_BYTES = 72, 64
# Numbers of SystemParametersInfo to read and to write, and the size of the structure.
KEY_AIDS = {"filter": (0x32, 0x33, 24), "toggle": (0x34, 0x35, 8), "sticky": (0x3A, 0x3B, 8)}


class Screens:
    """What the interface calls `ScreenApi`, but for the keyboard."""

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}

    def create_desktop(self, name: str) -> None:
        if name in self._held:
            return
        create = ffi.user32(
            "CreateDesktopW", ffi.HANDLE, ffi.LPCWSTR, ffi.POINTER, ffi.POINTER, ffi.DWORD, ffi.DWORD, ffi.POINTER
        )
        # Without a security descriptor it takes over the window station's: whoever is logged in there may use it.
        handle = create(name, None, None, 0, GENERIC_ALL, None)
        self._held[name] = ffi.checked(handle, "CreateDesktop")

    def release_desktop(self, name: str) -> None:
        handle = self._held.pop(name, None)
        if handle is not None:
            _close_desktop(handle)

    def show_desktop(self, name: str) -> None:
        handle = self._held.get(name) or _open_desktop(name)
        ffi.checked(handle, f"OpenDesktop {name}")
        try:
            ffi.checked(ffi.user32("SwitchDesktop", ffi.BOOL, ffi.HANDLE)(handle), f"SwitchDesktop {name}")
        finally:
            if name not in self._held:
                _close_desktop(handle)

    def shown_desktop(self) -> str:
        handle = ffi.user32("OpenInputDesktop", ffi.HANDLE, ffi.DWORD, ffi.BOOL, ffi.DWORD)(0, False, GENERIC_ALL)
        if not handle and ffi.last_number() == ACCESS_DENIED:
            return SECURE_DESKTOP
        ffi.checked(handle, "OpenInputDesktop")
        try:
            name = ctypes.create_unicode_buffer(256)
            ask = ffi.user32(
                "GetUserObjectInformationW", ffi.BOOL, ffi.HANDLE, ctypes.c_int, ffi.POINTER, ffi.DWORD, ffi.POINTER
            )
            ffi.checked(ask(handle, NAME_OF_OBJECT, name, 512, None), "GetUserObjectInformation")
            return name.value
        finally:
            _close_desktop(handle)

    def processes_on(self, desktop: str) -> Sequence[int]:
        return _owners_on(desktop, lambda _window: True)

    def processes_with_windows(self) -> Sequence[int]:
        shown = self.shown_desktop()
        return [] if shown == SECURE_DESKTOP else _owners_on(shown, _is_for_people)

    def ask_shell_to_quit(self) -> None:
        tray = ffi.user32("FindWindowW", wintypes.HWND, ffi.LPCWSTR, ffi.LPCWSTR)("Shell_TrayWnd", None)
        if tray:
            post = ffi.user32("PostMessageW", ffi.BOOL, wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
            post(tray, QUIT_EXPLORER, 0, 0)

    def empty_clipboard(self) -> None:
        """Another program may have it open for a moment: tried some times."""
        for _one in range(CLIPBOARD_TRIES):
            if ffi.user32("OpenClipboard", ffi.BOOL, wintypes.HWND)(None):
                try:
                    ffi.checked(ffi.user32("EmptyClipboard", ffi.BOOL)(), "EmptyClipboard")
                finally:
                    ffi.user32("CloseClipboard", ffi.BOOL)()
                return
            time.sleep(0.02)
        raise ffi.last_error("OpenClipboard")

    def clipboard_number(self) -> int:
        return int(ffi.user32("GetClipboardSequenceNumber", ffi.DWORD)())

    def screens(self) -> int:
        paths, modes = wintypes.UINT(), wintypes.UINT()
        _display_sizes(ACTIVE_PATHS, paths, modes)
        return int(paths.value)

    def topology(self) -> int:
        paths, modes, topology = wintypes.UINT(), wintypes.UINT(), ctypes.c_int()
        _display_sizes(CURRENT_IN_DATABASE, paths, modes)
        ask = ffi.user32(
            "QueryDisplayConfig", wintypes.LONG,
            wintypes.UINT, ffi.POINTER, ffi.POINTER, ffi.POINTER, ffi.POINTER, ffi.POINTER,
        )  # fmt: skip
        path_array = ctypes.create_string_buffer(max(1, paths.value) * PATH_BYTES)
        mode_array = ctypes.create_string_buffer(max(1, modes.value) * MODE_BYTES)
        status = ask(
            CURRENT_IN_DATABASE, ctypes.byref(paths), path_array, ctypes.byref(modes), mode_array,
            ctypes.byref(topology),
        )  # fmt: skip
        if status:
            raise OSError(status, f"QueryDisplayConfig {status}")
        return int(topology.value)

    def set_topology(self, topology: int) -> None:
        change = ffi.user32(
            "SetDisplayConfig", wintypes.LONG, wintypes.UINT, ffi.POINTER, wintypes.UINT, ffi.POINTER, wintypes.UINT
        )
        status = change(0, None, 0, None, APPLY_TOPOLOGY | topology)
        if status:
            raise OSError(status, f"SetDisplayConfig {status}")

    def accessibility_flags(self, kind: str) -> int:
        read, _write, _size = KEY_AIDS[kind]
        return int(_key_aid(kind, read)[1])

    def set_accessibility_flags(self, kind: str, flags: int) -> None:
        read, write, _size = KEY_AIDS[kind]
        values = _key_aid(kind, read)
        values[1] = flags
        _parameter(write, ctypes.sizeof(values), values)

    def has_screen_saver(self) -> bool:
        is_on = wintypes.BOOL()
        _parameter(GET_SCREEN_SAVER, 0, ctypes.byref(is_on))
        return bool(is_on.value)

    def set_screen_saver(self, on: bool) -> None:
        _parameter(SET_SCREEN_SAVER, int(on), None)


def _owners_on(desktop: str, counts: Callable[[int], bool]) -> Sequence[int]:
    handle = _open_desktop(desktop)
    if not handle:
        return []
    found: set[int] = set()

    def visit(window: int, _nothing: int) -> bool:
        if counts(window):
            found.add(_owner_of(window))
        return True

    try:
        callback = ffi.CALLBACK(ffi.BOOL, wintypes.HWND, wintypes.LPARAM)(visit)
        ffi.user32("EnumDesktopWindows", ffi.BOOL, ffi.HANDLE, ffi.POINTER, wintypes.LPARAM)(handle, callback, 0)
        return sorted(found - {0})
    finally:
        _close_desktop(handle)


def _is_for_people(window: int) -> bool:
    """Say whether a window is one that Alt+Tab would offer: seen, with a title, no tool's; input methods' are tools."""
    if not ffi.user32("IsWindowVisible", ffi.BOOL, wintypes.HWND)(window):
        return False
    style = ffi.user32("GetWindowLongW", wintypes.LONG, wintypes.HWND, ctypes.c_int)(window, EXTENDED_STYLE)
    if style & TOOL_WINDOW or _is_cloaked(window):
        return False
    return bool(ffi.user32("GetWindowTextLengthW", ctypes.c_int, wintypes.HWND)(window))


def _is_cloaked(window: int) -> bool:
    """Tell windows that Windows 8 and later keep ready but do not show."""
    is_cloaked = wintypes.DWORD()
    ask = ffi.function(
        "dwmapi", "DwmGetWindowAttribute", wintypes.LONG, wintypes.HWND, ffi.DWORD, ffi.POINTER, ffi.DWORD
    )
    return ask(window, CLOAKED, ctypes.byref(is_cloaked), 4) == 0 and bool(is_cloaked.value)


def _open_desktop(name: str) -> Any:
    return ffi.user32("OpenDesktopW", ffi.HANDLE, ffi.LPCWSTR, ffi.DWORD, ffi.BOOL, ffi.DWORD)(
        name, 0, False, GENERIC_ALL
    )


def _close_desktop(handle: Any) -> None:
    ffi.user32("CloseDesktop", ffi.BOOL, ffi.HANDLE)(handle)


def _owner_of(window: int) -> int:
    pid = wintypes.DWORD()
    ffi.user32("GetWindowThreadProcessId", ffi.DWORD, wintypes.HWND, ffi.POINTER)(window, ctypes.byref(pid))
    return int(pid.value)


def _display_sizes(which: int, paths: Any, modes: Any) -> None:
    ask: Callable[..., Any] = ffi.user32(
        "GetDisplayConfigBufferSizes", wintypes.LONG, wintypes.UINT, ffi.POINTER, ffi.POINTER
    )
    status = ask(which, ctypes.byref(paths), ctypes.byref(modes))
    if status:
        raise OSError(status, f"GetDisplayConfigBufferSizes {status}")


def _key_aid(kind: str, read: int) -> Any:
    size = KEY_AIDS[kind][2]
    values = (wintypes.DWORD * (size // 4))()
    values[0] = size
    _parameter(read, size, values)
    return values


def _parameter(action: int, number: int, content: Any) -> None:
    call = ffi.user32("SystemParametersInfoW", ffi.BOOL, wintypes.UINT, wintypes.UINT, ffi.POINTER, wintypes.UINT)
    ffi.checked(call(action, number, content, 0), f"SystemParametersInfo {action:#x}")
