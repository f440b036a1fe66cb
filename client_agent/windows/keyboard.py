"""The low-level keyboard hook: a thread with a message loop, which proves every second that it still lives.

Windows drops a hook that answered too slowly, and says nothing. So the thread sends a key that no keyboard
has, marked as its own: the hook swallows it and notes when. Not seen for a while means a new hook. A hook
sees the keys of one desktop; when another is shown, a new thread goes there.
"""

from __future__ import annotations

import ctypes
import threading
from ctypes import wintypes
from typing import Any, Callable, Sequence

from client_agent import clock
from client_agent.windows import ffi
from client_agent.windows.api import KeyPress
from client_agent.windows.keys import ALT_KEYS, CTRL_KEYS, LEFT_WINDOWS, SHIFT_KEYS, WINDOWS_KEYS

KEYBOARD_LOW_LEVEL = 13
KEY_DOWN, SYSTEM_KEY_DOWN = 0x100, 0x104
INJECTED = 0x10
KEY_UP_FLAG = 0x2
ALL_INPUT, NO_WAIT_REMOVE = 0x4FF, 1
UNASSIGNED_KEY = 0xE8
OURS = 0x45584147  # marks keys that this agent sends
BEAT_MS = 1000
DEAD_AFTER_S = 3.0
GENERIC_ALL = 0x10000000
START_S = 5.0
WINDOWS_KEY_FORGOTTEN_S = 5.0


class Event(ctypes.Structure):
    _fields_ = [
        ("code", wintypes.DWORD), ("scan", wintypes.DWORD), ("flags", wintypes.DWORD), ("time", wintypes.DWORD),
        ("extra", ctypes.c_size_t),
    ]  # fmt: skip


class _KeyInput(ctypes.Structure):
    _fields_ = [
        ("code", wintypes.WORD), ("scan", wintypes.WORD), ("flags", wintypes.DWORD), ("time", wintypes.DWORD),
        ("extra", ctypes.c_size_t),
    ]  # fmt: skip


class _AnyInput(ctypes.Union):
    # The mouse's is the largest of the three.
    _fields_ = [("key", _KeyInput), ("mouse", ctypes.c_byte * (32 if ctypes.sizeof(ctypes.c_void_p) == 8 else 24))]


class Input(ctypes.Structure):
    _fields_ = [("kind", wintypes.DWORD), ("any", _AnyInput)]


class HeldKeys:
    """Decides what becomes of each key event; keeps back the Windows key.

    What else is held is asked of the system: a hook that followed it would miss what is let go on the screen of
    Ctrl+Alt+Del, and take every letter after it for a key with Ctrl.
    """

    def __init__(
        self,
        passes: Callable[[KeyPress], bool],
        send: Callable[[int, bool], None],
        is_held: Callable[[Sequence[int]], bool],
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._passes = passes
        self._send = send
        self._is_held = is_held
        self._monotonic = monotonic
        self._windows_key_down_at: float | None = None
        self._windows_key_sent = False

    def take(self, code: int, is_down: bool, injected: bool) -> bool:
        """Say whether this event goes on. A key that is let go always does, or it would seem held for ever.

        The Windows key does not. When its pair with the next key is allowed it is sent then, and let go with the
        real key: so the input method's switch works and the Start menu does not open.
        """
        if code in WINDOWS_KEYS:
            self._windows_key_down_at = self._monotonic() if is_down else None
            if not is_down and self._windows_key_sent:
                self._windows_key_sent = False
                self._send(LEFT_WINDOWS, False)
            return False
        if not is_down:
            return True
        press = KeyPress(
            code,
            ctrl=self._is_held(CTRL_KEYS),
            alt=self._is_held(ALT_KEYS),
            shift=self._is_held(SHIFT_KEYS),
            windows=self._has_windows_key(),
            injected=injected,
        )
        if not self._passes(press):
            return False
        if press.windows and not self._windows_key_sent:
            self._windows_key_sent = True
            self._send(LEFT_WINDOWS, True)
        return True

    def _has_windows_key(self) -> bool:
        # A key held down repeats: one that was let go where the hook did not see it is forgotten soon.
        at = self._windows_key_down_at
        return at is not None and self._monotonic() - at < WINDOWS_KEY_FORGOTTEN_S


class HookThread:
    """One hook on the desktop that is shown at its start."""

    def __init__(self, passes: Callable[[KeyPress], bool]) -> None:
        self._keys = HeldKeys(passes, send_key, any_is_held)
        self._is_ready = threading.Event()
        self._failure: OSError | None = None
        self._ending = False
        self._seen_at = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name="keyboard hook", daemon=True)
        self._thread.start()
        if not self._is_ready.wait(START_S):
            raise OSError("the keyboard hook did not start")
        if self._failure is not None:
            raise self._failure

    def lives(self) -> bool:
        return self._thread.is_alive() and clock.monotonic() - self._seen_at < DEAD_AFTER_S

    def end(self) -> None:
        self._ending = True
        self._thread.join(START_S)

    def _run(self) -> None:
        desktop: Any = None
        try:
            desktop = ffi.user32("OpenInputDesktop", ffi.HANDLE, ffi.DWORD, ffi.BOOL, ffi.DWORD)(0, False, GENERIC_ALL)
            ffi.checked(desktop, "OpenInputDesktop")
            ffi.checked(ffi.user32("SetThreadDesktop", ffi.BOOL, ffi.HANDLE)(desktop), "SetThreadDesktop")
            self._hook_and_pump()
        except OSError as failure:
            self._failure = failure
        finally:
            self._is_ready.set()
            if desktop:
                ffi.user32("CloseDesktop", ffi.BOOL, ffi.HANDLE)(desktop)

    def _hook_and_pump(self) -> None:
        pass_on = ffi.user32(
            "CallNextHookEx", ctypes.c_ssize_t, ffi.HANDLE, ctypes.c_int, wintypes.WPARAM, wintypes.LPARAM
        )

        def on_key(code: int, message: int, event_address: int) -> int:
            if code == 0:
                event = Event.from_address(event_address)
                if event.extra == OURS:
                    if event.code == UNASSIGNED_KEY:
                        self._seen_at = clock.monotonic()
                        return 1
                elif not self._keys.take(
                    event.code, message in (KEY_DOWN, SYSTEM_KEY_DOWN), bool(event.flags & INJECTED)
                ):
                    return 1
            return int(pass_on(None, code, message, event_address))

        callback = ffi.CALLBACK(ctypes.c_ssize_t, ctypes.c_int, wintypes.WPARAM, wintypes.LPARAM)(on_key)
        module = ffi.kernel32("GetModuleHandleW", ffi.HANDLE, ffi.LPCWSTR)(None)
        hook = ffi.user32("SetWindowsHookExW", ffi.HANDLE, ctypes.c_int, ffi.POINTER, ffi.HANDLE, ffi.DWORD)(
            KEYBOARD_LOW_LEVEL, callback, module, 0
        )
        ffi.checked(hook, "SetWindowsHookEx")
        self._is_ready.set()
        try:
            self._pump()
        finally:
            ffi.user32("UnhookWindowsHookEx", ffi.BOOL, ffi.HANDLE)(hook)

    def _pump(self) -> None:
        message = wintypes.MSG()
        wait = ffi.user32(
            "MsgWaitForMultipleObjects", ffi.DWORD, ffi.DWORD, ffi.POINTER, ffi.BOOL, ffi.DWORD, ffi.DWORD
        )
        peek = ffi.user32("PeekMessageW", ffi.BOOL, ffi.POINTER, wintypes.HWND, ffi.DWORD, ffi.DWORD, ffi.DWORD)
        beat_at = 0.0
        while not self._ending:
            if clock.monotonic() - beat_at >= BEAT_MS / 1000:
                beat_at = clock.monotonic()
                send_key(UNASSIGNED_KEY, True)
            wait(0, None, False, BEAT_MS // 4, ALL_INPUT)
            while peek(ctypes.byref(message), None, 0, 0, NO_WAIT_REMOVE):
                pass  # low-level hooks are called inside the peek; the messages themselves are nobody's


def send_key(code: int, is_down: bool) -> None:
    """Send a key event marked as the agent's own."""
    event = Input(kind=1)
    event.any.key = _KeyInput(code=code, flags=0 if is_down else KEY_UP_FLAG, extra=OURS)
    send = ffi.user32("SendInput", wintypes.UINT, wintypes.UINT, ffi.POINTER, ctypes.c_int)
    send(1, ctypes.byref(event), ctypes.sizeof(event))


def any_is_held(codes: Sequence[int]) -> bool:
    """Ask the system whether one of these keys is down now."""
    ask = ffi.user32("GetAsyncKeyState", wintypes.SHORT, ctypes.c_int)
    return any(ask(code) & 0x8000 for code in codes)


class Keyboard:
    """The part of `ScreenApi` that holds the keys."""

    def __init__(self) -> None:
        self._hook: HookThread | None = None
        self._hooked_on = ""

    def hook_keys(self, passes: Callable[[KeyPress], bool]) -> None:
        self.unhook_keys()
        self._hooked_on = self.shown_desktop()
        self._hook = HookThread(passes)

    def unhook_keys(self) -> None:
        hook, self._hook = self._hook, None
        if hook is not None:
            hook.end()

    def keys_are_hooked(self) -> bool:
        return self._hook is not None and self._hook.lives() and self.shown_desktop() == self._hooked_on

    def shown_desktop(self) -> str:
        """Give what `Screens` gives; stands here for the type checker alone."""
        raise NotImplementedError
