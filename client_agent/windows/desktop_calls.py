"""The calls of Windows that the agent's desktop needs, by ctypes, each as thin as it can be.

Not tried on a real Windows: `desktop.py` holds what can be tested elsewhere.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Protocol

SYSTEM_REQUIRED = 0x00000001
DISPLAY_REQUIRED = 0x00000002
CONTINUOUS = 0x80000000


class DesktopCalls(Protocol):
    """What `WindowsDesktop` asks of the system."""

    def enter_input_desktop(self) -> None:
        """Let this thread work on the desktop that is shown; a kiosk has its own."""
        ...

    def register_hot_key(self, number: int, modifiers: int, key: int) -> bool:
        """Take a key for this thread; False if another program has it."""
        ...

    def unregister_hot_key(self, number: int) -> None: ...

    def wait_for_hot_key(self) -> int | None:
        """Wait for the next registered key of this thread and give its number; None once `wake` was called."""
        ...

    def thread_number(self) -> int: ...

    def wake(self, thread: int) -> None: ...

    def screen_pixels(self) -> tuple[int, int, bytes]:
        """Give width, height and pixels of all screens, four bytes each, top line first."""
        ...

    def set_execution_state(self, flags: int) -> bool: ...

    def foreground(self, pid: int) -> bool:
        """Put the windows that a process shows before all others; False if it shows none."""
        ...

    def run(self, *command: str) -> int:
        """Run a command of the system without a window; gives its exit status."""
        ...

    def volatile_id(self) -> str:
        """Give an id that lives as long as the system runs, made at the first question."""
        ...


if sys.platform == "win32":
    import secrets
    import subprocess
    import winreg
    from ctypes import byref, c_int, c_void_p, wintypes

    VOLATILE_KEY = r"SOFTWARE\ExamStationAgent\Boot"
    REG_OPTION_VOLATILE = 1
    WM_HOTKEY, WM_QUIT = 0x0312, 0x0012
    SRCCOPY_LAYERED = 0x40CC0020
    VIRTUAL_X, VIRTUAL_Y, VIRTUAL_WIDTH, VIRTUAL_HEIGHT = 76, 77, 78, 79
    GENERIC_ALL = 0x10000000
    NO_WINDOW = 0x08000000
    SW_SHOW, SW_RESTORE = 5, 9

    class BitmapHead(ctypes.Structure):
        _fields_ = [
            ("size", wintypes.DWORD),
            ("width", wintypes.LONG),
            ("height", wintypes.LONG),
            ("planes", wintypes.WORD),
            ("bits", wintypes.WORD),
            ("compression", wintypes.DWORD),
            ("image_size", wintypes.DWORD),
            ("x_per_metre", wintypes.LONG),
            ("y_per_metre", wintypes.LONG),
            ("colours", wintypes.DWORD),
            ("important", wintypes.DWORD),
        ]

    class SystemCalls:
        """The real ones."""

        def __init__(self) -> None:
            self._user = ctypes.WinDLL("user32", use_last_error=True)
            self._gdi = ctypes.WinDLL("gdi32", use_last_error=True)
            self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            self._registry = ctypes.WinDLL("advapi32", use_last_error=True)
            self._describe()

        def _describe(self) -> None:
            """Say what is a handle: ctypes would cut it to 32 bits."""
            user, gdi = self._user, self._gdi
            user.OpenInputDesktop.restype = user.GetDC.restype = user.GetForegroundWindow.restype = c_void_p
            user.GetWindowThreadProcessId.argtypes = [wintypes.HWND, c_void_p]
            user.SetThreadDesktop.argtypes = [c_void_p]
            user.GetDC.argtypes = [c_void_p]
            user.ReleaseDC.argtypes = [c_void_p, c_void_p]
            gdi.CreateCompatibleDC.argtypes, gdi.CreateCompatibleDC.restype = [c_void_p], c_void_p
            gdi.CreateCompatibleBitmap.argtypes = [c_void_p, c_int, c_int]
            gdi.CreateCompatibleBitmap.restype = gdi.SelectObject.restype = c_void_p
            gdi.SelectObject.argtypes = [c_void_p, c_void_p]
            gdi.BitBlt.argtypes = [c_void_p, c_int, c_int, c_int, c_int, c_void_p, c_int, c_int, wintypes.DWORD]
            gdi.GetDIBits.argtypes = [c_void_p, c_void_p, wintypes.UINT, wintypes.UINT, c_void_p, c_void_p, c_int]
            gdi.DeleteObject.argtypes = gdi.DeleteDC.argtypes = [c_void_p]

        def enter_input_desktop(self) -> None:
            desktop = self._user.OpenInputDesktop(0, False, GENERIC_ALL)
            if desktop:
                self._user.SetThreadDesktop(desktop)

        def register_hot_key(self, number: int, modifiers: int, key: int) -> bool:
            return bool(self._user.RegisterHotKey(None, number, modifiers, key))

        def unregister_hot_key(self, number: int) -> None:
            self._user.UnregisterHotKey(None, number)

        def wait_for_hot_key(self) -> int | None:
            message = wintypes.MSG()
            while self._user.GetMessageW(byref(message), None, 0, 0) > 0:
                if message.message == WM_HOTKEY:
                    return int(message.wParam)
            return None

        def thread_number(self) -> int:
            return int(self._kernel.GetCurrentThreadId())

        def wake(self, thread: int) -> None:
            self._user.PostThreadMessageW(thread, WM_QUIT, 0, 0)

        def screen_pixels(self) -> tuple[int, int, bytes]:
            left, top, width, height = (
                int(self._user.GetSystemMetrics(which))
                for which in (VIRTUAL_X, VIRTUAL_Y, VIRTUAL_WIDTH, VIRTUAL_HEIGHT)
            )
            screen = self._user.GetDC(None)
            memory = self._gdi.CreateCompatibleDC(screen)
            bitmap = self._gdi.CreateCompatibleBitmap(screen, width, height)
            try:
                before = self._gdi.SelectObject(memory, bitmap)
                done = self._gdi.BitBlt(memory, 0, 0, width, height, screen, left, top, SRCCOPY_LAYERED)
                self._gdi.SelectObject(memory, before)
                # A negative height asks for the top line first.
                head = BitmapHead(ctypes.sizeof(BitmapHead), width, -height, 1, 32, 0, 0, 0, 0, 0, 0)
                pixels = ctypes.create_string_buffer(width * height * 4)
                lines = self._gdi.GetDIBits(memory, bitmap, 0, height, pixels, byref(head), 0)
                if not done or lines != height:
                    raise ctypes.WinError(ctypes.get_last_error())
                return width, height, pixels.raw
            finally:
                self._gdi.DeleteObject(bitmap)
                self._gdi.DeleteDC(memory)
                self._user.ReleaseDC(None, screen)

        def set_execution_state(self, flags: int) -> bool:
            return bool(self._kernel.SetThreadExecutionState(wintypes.DWORD(flags)))

        def foreground(self, pid: int) -> bool:
            found: list[int] = []
            visit = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)

            def look(window: int, _nothing: int) -> bool:
                owner = wintypes.DWORD()
                self._user.GetWindowThreadProcessId(wintypes.HWND(window), byref(owner))
                if owner.value == pid and self._user.IsWindowVisible(wintypes.HWND(window)):
                    found.append(window)
                return True

            self._user.EnumWindows(visit(look), 0)
            # Windows lets only the thread in front give the front away, so this one joins it for a moment.
            in_front = self._user.GetWindowThreadProcessId(self._user.GetForegroundWindow(), None)
            me = self._kernel.GetCurrentThreadId()
            joined = bool(in_front) and in_front != me and self._user.AttachThreadInput(me, in_front, True)
            try:
                for window in reversed(found):  # they come top first
                    handle = wintypes.HWND(window)
                    self._user.ShowWindow(handle, SW_RESTORE if self._user.IsIconic(handle) else SW_SHOW)
                    self._user.BringWindowToTop(handle)
                    self._user.SetForegroundWindow(handle)
            finally:
                if joined:
                    self._user.AttachThreadInput(me, in_front, False)
            return bool(found)

        def run(self, *command: str) -> int:
            return subprocess.run(command, creationflags=NO_WINDOW, timeout=20, check=False).returncode

        def volatile_id(self) -> str:
            access = winreg.KEY_ALL_ACCESS | winreg.KEY_WOW64_64KEY
            for root in (winreg.HKEY_LOCAL_MACHINE, winreg.HKEY_CURRENT_USER):
                key = c_void_p()
                failed = self._registry.RegCreateKeyExW(
                    c_void_p(int(root)),
                    VOLATILE_KEY,
                    0,
                    None,
                    REG_OPTION_VOLATILE,
                    access,
                    None,
                    byref(key),
                    None,
                )
                if failed:
                    continue
                self._registry.RegCloseKey(key)
                with winreg.OpenKey(root, VOLATILE_KEY, 0, access) as opened:
                    try:
                        return str(winreg.QueryValueEx(opened, "id")[0])
                    except OSError:
                        made = secrets.token_hex(16)
                        winreg.SetValueEx(opened, "id", 0, winreg.REG_SZ, made)
                        return made
            return ""
