"""The few calls of Xlib that the agent's desktop needs, by ctypes: no package, and nothing to install.

Xlib ends the process when the X server goes away. The agent may go then: its screen is gone, its files are
written whole, and the service starts it again.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_ubyte, c_uint, c_ulong, c_void_p
from typing import Any

from client_agent.errors import AgentError, problem

NO_SCREEN = problem(
    "no_screen",
    "无法访问本机屏幕（{reason}）。请在考试机桌面登录后再试。",
    "This PC's screen cannot be reached ({reason}). Log in at its desktop and try again.",
)

ALL_PLANES = c_ulong(-1)
Z_PIXMAP = 2
GRAB_ASYNC = 1
KEY_PRESS = 2
CLIENT_MESSAGE = 33
SUBSTRUCTURE = 0x180000
MODIFIERS = {"shift": 1, "ctrl": 4, "alt": 8}
# Caps Lock and Num Lock must make no difference to a hot key.
LOCKS = (0, 2, 16, 18)

_first_call = threading.Lock()
# The libraries of X extensions keep one list of connections for the whole process and look into it without a lock,
# while a connection that another thread closes is freed from it.
_turn = threading.RLock()
_ERROR_HANDLER = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)
# Kept for as long as the process lives: Xlib holds the bare address. An error of one call is read from its result.
_pass_over_errors = _ERROR_HANDLER(lambda _display, _error: 0)


class XImage(ctypes.Structure):
    """The head of Xlib's XImage, as far as it is read here."""

    _fields_ = [
        ("width", c_int),
        ("height", c_int),
        ("xoffset", c_int),
        ("format", c_int),
        ("data", c_void_p),
        ("byte_order", c_int),
        ("bitmap_unit", c_int),
        ("bitmap_bit_order", c_int),
        ("bitmap_pad", c_int),
        ("depth", c_int),
        ("bytes_per_line", c_int),
        ("bits_per_pixel", c_int),
    ]


class KeyEvent(ctypes.Structure):
    _fields_ = [
        ("type", c_int),
        ("serial", c_ulong),
        ("send_event", c_int),
        ("display", c_void_p),
        ("window", c_ulong),
        ("root", c_ulong),
        ("subwindow", c_ulong),
        ("time", c_ulong),
        ("x", c_int),
        ("y", c_int),
        ("x_root", c_int),
        ("y_root", c_int),
        ("state", c_uint),
        ("keycode", c_uint),
        ("same_screen", c_int),
    ]


class MessageEvent(ctypes.Structure):
    _fields_ = [
        ("type", c_int),
        ("serial", c_ulong),
        ("send_event", c_int),
        ("display", c_void_p),
        ("window", c_ulong),
        ("message_type", c_ulong),
        ("format", c_int),
        ("data", c_long * 5),
    ]


class Event(ctypes.Union):
    _fields_ = [("type", c_int), ("key", KeyEvent), ("message", MessageEvent), ("room", c_long * 24)]


class Monitor(ctypes.Structure):
    """Xrandr's XRRMonitorInfo."""

    _fields_ = [
        ("name", c_ulong),
        ("primary", c_int),
        ("automatic", c_int),
        ("outputs_count", c_int),
        ("x", c_int),
        ("y", c_int),
        ("width", c_int),
        ("height", c_int),
        ("width_mm", c_int),
        ("height_mm", c_int),
        ("outputs", c_void_p),
    ]


class Screen:
    """One connection to the X server; use it from one thread. Ends with `close` or the `with` block.

    One thread at a time is in a `with` block, so keep it short: what asks Xrandr, Xss or Xext belongs into one.
    """

    def __init__(self, name: str = "") -> None:
        """Connect to a named X server; without a name to that of `DISPLAY`."""
        self.x = open_library("X11", "libX11.so.6")
        _describe(self.x)
        self.x.XSetErrorHandler(_pass_over_errors)
        self.display = self.x.XOpenDisplay(name.encode("ascii") or None)
        if not self.display:
            raise AgentError(NO_SCREEN, reason=name or "DISPLAY")
        self.root = self.x.XDefaultRootWindow(self.display)

    def __enter__(self) -> Screen:
        _turn.acquire()
        return self

    def __exit__(self, *_failure: object) -> None:
        try:
            self.close()
        finally:
            _turn.release()

    def close(self) -> None:
        with _turn:
            if self.display:
                self.x.XCloseDisplay(self.display)
                self.display = None

    def picture(self) -> tuple[int, int, bytes, int]:
        """Give width, height, pixels (blue, green, red, unused) and the bytes of a line."""
        root, sizes = c_ulong(), [c_int() for _ in range(2)]
        width, height, border, depth = (c_uint() for _ in range(4))
        self.x.XGetGeometry(
            self.display, self.root, byref(root), *map(byref, sizes), *map(byref, (width, height, border, depth))
        )
        image = self.x.XGetImage(self.display, self.root, 0, 0, width.value, height.value, ALL_PLANES, Z_PIXMAP)
        if not image:
            raise AgentError(NO_SCREEN, reason="XGetImage")
        try:
            seen = image.contents
            if seen.bits_per_pixel != 32:
                raise AgentError(NO_SCREEN, reason=f"{seen.bits_per_pixel} bits per pixel")
            pixels = ctypes.string_at(seen.data, seen.bytes_per_line * seen.height)
            return seen.width, seen.height, pixels, seen.bytes_per_line
        finally:
            self.x.XDestroyImage(image)

    def grab(self, key: str) -> tuple[int, int]:
        """Take a key like `Ctrl+Alt+Shift+U` for this connection; gives its code and modifiers."""
        *modifiers, letter = key.split("+")
        mask = 0
        for name in modifiers:
            mask |= MODIFIERS[name.lower()]
        symbol = letter.lower() if len(letter) == 1 else letter
        code = self.x.XKeysymToKeycode(self.display, self.x.XStringToKeysym(symbol.encode("ascii")))
        for lock in LOCKS:
            self.x.XGrabKey(self.display, code, mask | lock, self.root, 1, GRAB_ASYNC, GRAB_ASYNC)
        self.x.XSync(self.display, 0)
        return code, mask

    def pressed(self) -> list[tuple[int, int]]:
        """Give the codes and modifiers of the keys pressed since; does not wait."""
        pressed = []
        event = Event()
        while self.x.XPending(self.display):
            self.x.XNextEvent(self.display, byref(event))
            if event.type == KEY_PRESS:
                pressed.append((event.key.keycode, event.key.state & 13))
        return pressed

    def connection_number(self) -> int:
        return int(self.x.XConnectionNumber(self.display))

    def windows_of(self, pid: int) -> list[int]:
        """List the windows that a process showed to the window manager."""
        windows = self.numbers(self.root, "_NET_CLIENT_LIST")
        return [window for window in windows if self.numbers(window, "_NET_WM_PID") == [pid]]

    def processes_with_windows(self) -> list[int]:
        """List the processes that showed a window to the window manager."""
        windows = self.numbers(self.root, "_NET_CLIENT_LIST")
        return sorted({pid for window in windows for pid in self.numbers(window, "_NET_WM_PID")})

    def monitors(self) -> list[tuple[int, int]]:
        """List width and height of each monitor that shows something."""
        randr, count = open_library("Xrandr", "libXrandr.so.2"), c_int()
        randr.XRRGetMonitors.argtypes = [c_void_p, c_ulong, c_int, c_void_p]
        randr.XRRGetMonitors.restype = POINTER(Monitor)
        randr.XRRFreeMonitors.argtypes = [c_void_p]
        found = randr.XRRGetMonitors(self.display, self.root, 1, byref(count))
        if not found:
            raise AgentError(NO_SCREEN, reason="XRRGetMonitors")
        try:
            return [(found[place].width, found[place].height) for place in range(count.value)]
        finally:
            randr.XRRFreeMonitors(found)

    def activate(self, window: int) -> None:
        """Ask the window manager to put a window before all others."""
        event = Event()
        event.message.type = CLIENT_MESSAGE
        event.message.window = window
        event.message.message_type = self.x.XInternAtom(self.display, b"_NET_ACTIVE_WINDOW", 0)
        event.message.format = 32
        event.message.data[0] = 2  # as a pager would: not to be put off by the window in front
        self.x.XSendEvent(self.display, self.root, 0, SUBSTRUCTURE, byref(event))
        self.x.XRaiseWindow(self.display, window)
        self.x.XSync(self.display, 0)

    def numbers(self, window: int, name: str) -> list[int]:
        """Read a window's property of 32-bit values; none is an empty list."""
        kind, size, count, after = c_ulong(), c_int(), c_ulong(), c_ulong()
        content = POINTER(c_ubyte)()
        atom = self.x.XInternAtom(self.display, name.encode("ascii"), 0)
        failed = self.x.XGetWindowProperty(
            self.display, window, atom, 0, 1024, 0, 0, byref(kind), byref(size), byref(count), byref(after),
            byref(content),
        )  # fmt: skip
        if failed or not content:
            return []
        try:
            if size.value != 32:
                return []
            # Xlib gives 32-bit values in C longs.
            values = ctypes.cast(content, POINTER(c_ulong))
            return [int(values[place]) & 0xFFFFFFFF for place in range(count.value)]
        finally:
            self.x.XFree(content)


class Waking:
    """Keeps the X server's screen saver and power saving off for as long as the connection is open."""

    def __init__(self) -> None:
        self._screen = Screen()
        saver = open_library("Xss", "libXss.so.1")
        saver.XScreenSaverSuspend.argtypes = [c_void_p, c_int]
        with _turn:
            saver.XScreenSaverSuspend(self._screen.display, 1)
        self._screen.x.XSync(self._screen.display, 0)

    def close(self) -> None:
        self._screen.close()


def open_library(name: str, file: str) -> Any:
    try:
        if name == "X11":
            _let_threads_in(ctypes.CDLL(file))
        return ctypes.CDLL(file)
    except OSError:
        raise AgentError(NO_SCREEN, reason=f"lib{name}") from None


def _let_threads_in(x: Any) -> None:
    """Have Xlib guard what all connections share: the lock, the checks and the hot keys each have one of their own.

    It must be the first call of all; a second does nothing.
    """
    with _first_call:
        if not x.XInitThreads():
            raise AgentError(NO_SCREEN, reason="XInitThreads")


def _describe(x: Any) -> None:
    """Say what is a pointer: ctypes would cut it to 32 bits."""
    x.XOpenDisplay.argtypes, x.XOpenDisplay.restype = [c_char_p], c_void_p
    x.XSetErrorHandler.argtypes, x.XSetErrorHandler.restype = [_ERROR_HANDLER], c_void_p
    x.XDefaultRootWindow.argtypes, x.XDefaultRootWindow.restype = [c_void_p], c_ulong
    x.XGetGeometry.argtypes = [c_void_p, c_ulong] + [c_void_p] * 7
    x.XGetImage.argtypes = [c_void_p, c_ulong, c_int, c_int, c_uint, c_uint, c_ulong, c_int]
    x.XGetImage.restype = POINTER(XImage)
    x.XDestroyImage.argtypes = [POINTER(XImage)]
    x.XStringToKeysym.argtypes, x.XStringToKeysym.restype = [c_char_p], c_ulong
    x.XKeysymToKeycode.argtypes, x.XKeysymToKeycode.restype = [c_void_p, c_ulong], c_ubyte
    x.XGrabKey.argtypes = [c_void_p, c_int, c_uint, c_ulong, c_int, c_int, c_int]
    x.XInternAtom.argtypes, x.XInternAtom.restype = [c_void_p, c_char_p, c_int], c_ulong
    x.XSendEvent.argtypes = [c_void_p, c_ulong, c_int, c_long, c_void_p]
    x.XRaiseWindow.argtypes = [c_void_p, c_ulong]
    x.XGetWindowProperty.argtypes = [c_void_p, c_ulong, c_ulong, c_long, c_long, c_int, c_ulong] + [c_void_p] * 5
    x.XFree.argtypes = [c_void_p]
    x.XSync.argtypes = [c_void_p, c_int]
    x.XNextEvent.argtypes = [c_void_p, c_void_p]
    for name in ("XPending", "XConnectionNumber", "XCloseDisplay"):
        getattr(x, name).argtypes = [c_void_p]
