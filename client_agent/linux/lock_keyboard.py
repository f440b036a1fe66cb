"""Keys of the desktop under X11, taken by grabs of XInput 2 on the root window.

A window manager takes its keys from the server's one common keyboard. These grabs are on every single keyboard, so
they are asked first. While such a grab lasts, that keyboard is cut off from the common one, which would then miss
that Alt was let go: so the keyboard is frozen at the key, and freed again without it. Another program's XInput 2
grabs of single keyboards do conflict: those keys are reported. Under Wayland nothing of this reaches the desktop.
"""

from __future__ import annotations

import ctypes
import os
import select
import threading
from ctypes import byref, c_char_p, c_double, c_int, c_uint, c_ulong, c_void_p
from typing import Dict, List, Set

from client_agent.errors import AgentError, problem
from client_agent.linux.lock_keys import ALT, ANY, CTRL, SHIFT, SUPER, SUPER_KEYS, by_code, keys_taken, modifiers_of
from client_agent.linux.x11 import Event, Screen, open_library
from client_agent.lockdown.operation import Before, NotHeld, describe_failure
from client_agent.lockdown.profile import LockProfile

NO_XINPUT = problem(
    "no_xinput",
    "X 服务器不支持 XInput 2，无法屏蔽系统按键。",
    "The X server lacks XInput 2: keys of the desktop cannot be taken.",
)
WAYLAND = problem(
    "wayland",
    "当前是 Wayland 桌面，无法屏蔽系统按键。请在登录界面选择 Xorg 会话。",
    "This is a Wayland desktop: its keys cannot be taken. Choose an Xorg session at the login screen.",
)

ALL_DEVICES = 0
FROZEN, RUNNING = 0, 1
PRESS, RELEASE = 2, 3
MAPPING_NOTIFY, GENERIC_EVENT = 34, 35
REAL_MODIFIERS = SHIFT | CTRL | ALT | SUPER
AGAIN_S = 3.0
ANSWER_S = 5.0
PROBED_AT_ONCE = 6


class _Mask(ctypes.Structure):
    _fields_ = [("device", c_int), ("length", c_int), ("mask", c_char_p)]


class _Modifiers(ctypes.Structure):
    _fields_ = [("modifiers", c_int), ("status", c_int)]


class _Cookie(ctypes.Structure):
    _fields_ = [
        ("type", c_int), ("serial", c_ulong), ("send_event", c_int), ("display", c_void_p), ("extension", c_int),
        ("kind", c_int), ("cookie", c_uint), ("data", c_void_p),
    ]  # fmt: skip


class _KeyEvent(ctypes.Structure):
    _fields_ = [
        ("type", c_int), ("serial", c_ulong), ("send_event", c_int), ("display", c_void_p), ("extension", c_int),
        ("kind", c_int), ("time", c_ulong), ("device", c_int), ("source", c_int), ("code", c_int), ("root", c_ulong),
        ("event", c_ulong), ("child", c_ulong), ("places", c_double * 4), ("flags", c_int),
        ("aligned", c_int), ("buttons_length", c_int), ("buttons", c_void_p), ("valuators_length", c_int),
        ("valuators", c_void_p), ("values", c_void_p), ("modifiers", c_int * 4),
    ]  # fmt: skip


class KeyScreen(Screen):
    """A connection that can take keys."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._input = open_library("Xi", "libXi.so.6")
        self._test = open_library("Xtst", "libXtst.so.6")
        self._describe()
        self._start()

    def _start(self) -> None:
        major, minor = c_int(2), c_int(2)
        opcode, event, error = c_int(), c_int(), c_int()
        known = self.x.XQueryExtension(self.display, b"XInputExtension", byref(opcode), byref(event), byref(error))
        if not known or self._input.XIQueryVersion(self.display, byref(major), byref(minor)):
            self.close()
            raise AgentError(NO_XINPUT)

    def codes(self, keys: List[str]) -> Dict[str, int]:
        """Look the keys' codes up on the present keyboard layout."""
        names = {modifiers_of(key)[0] for key in keys}
        symbols = {name: self.x.XStringToKeysym(name.encode("ascii")) for name in names}
        return {name: int(self.x.XKeysymToKeycode(self.display, symbol)) for name, symbol in symbols.items() if symbol}

    def take(self, code: int, modifiers: Set[int], mode: int = FROZEN) -> Set[int]:
        """Grab a key with several sets of modifiers; gives those that another program holds."""
        wanted = sorted(modifiers)
        asked = (_Modifiers * len(wanted))(*[_Modifiers(_signed(one), 0) for one in wanted])
        mask = _Mask(ALL_DEVICES, 4, bytes([1 << PRESS | 1 << RELEASE, 0, 0, 0]))
        failed = self._input.XIGrabKeycode(
            self.display, ALL_DEVICES, code, self.root, mode, RUNNING, 0, byref(mask), len(wanted), byref(asked)
        )
        return {asked[place].modifiers & 0xFFFFFFFF for place in range(max(0, failed))}

    def leave(self, code: int) -> None:
        """Let a key go, with whatever modifiers it was taken."""
        every = (_Modifiers * 1)(_Modifiers(_signed(ANY), 0))
        self._input.XIUngrabKeycode(self.display, ALL_DEVICES, code, self.root, 1, byref(every))

    def next_key(self) -> _KeyEvent | None:
        """Give the next of the taken keys that went down or up; None if none waits."""
        event = Event()
        while self.x.XPending(self.display):
            self.x.XNextEvent(self.display, byref(event))
            if event.type == MAPPING_NOTIFY:
                self.x.XRefreshKeyboardMapping(byref(event))
            if event.type != GENERIC_EVENT:
                continue
            cookie = _Cookie.from_buffer(event)
            if self.x.XGetEventData(self.display, byref(cookie)):
                key = _KeyEvent.from_buffer_copy(ctypes.string_at(cookie.data, ctypes.sizeof(_KeyEvent)))
                self.x.XFreeEventData(self.display, byref(cookie))
                return key
        return None

    def free(self, device: int) -> None:
        """Let a keyboard go on, without the key at which it was stopped."""
        self._input.XIUngrabDevice(self.display, device, 0)
        self.x.XSync(self.display, 0)

    def press(self, codes: List[int]) -> None:
        """Press keys in order, and let them go in reverse, as a keyboard would; one that is down goes down anew."""
        for code in reversed(codes):
            self._test.XTestFakeKeyEvent(self.display, code, 0, 0)
        for code in codes:
            self._test.XTestFakeKeyEvent(self.display, code, 1, 0)
        for code in reversed(codes):
            self._test.XTestFakeKeyEvent(self.display, code, 0, 0)
        self.x.XSync(self.display, 0)

    def _describe(self) -> None:
        x, test = self.x, self._test
        x.XQueryExtension.argtypes = [c_void_p, c_char_p] + [c_void_p] * 3
        x.XGetEventData.argtypes = x.XFreeEventData.argtypes = [c_void_p, c_void_p]
        x.XRefreshKeyboardMapping.argtypes = [c_void_p]
        self._input.XIQueryVersion.argtypes = [c_void_p] * 3
        self._input.XIGrabKeycode.argtypes = [
            c_void_p, c_int, c_int, c_ulong, c_int, c_int, c_int, c_void_p, c_int, c_void_p,
        ]  # fmt: skip
        self._input.XIUngrabKeycode.argtypes = [c_void_p, c_int, c_int, c_ulong, c_int, c_void_p]
        self._input.XIUngrabDevice.argtypes = [c_void_p, c_int, c_ulong]
        test.XTestFakeKeyEvent.argtypes = [c_void_p, c_uint, c_int, c_ulong]


class KeyGrabs:
    """A thread that holds keys, and throws away what is pressed. The connection is used in it only."""

    def __init__(self, keys: List[str]) -> None:
        self.refused: List[str] = []
        self._keys = keys
        self._super_is_down = False
        self._failures: List[AgentError] = []
        self._told, self._tell = os.pipe()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="holding keys", daemon=True)
        self._thread.start()
        self._ready.wait(ANSWER_S)
        if self._failures:
            self.end()
            raise self._failures[0]

    def end(self) -> None:
        os.close(self._tell)
        self._thread.join()
        os.close(self._told)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _hold(self) -> None:
        try:
            screen = KeyScreen()
        except AgentError as failure:
            self._failures.append(failure)
            self._ready.set()
            return
        try:
            self._take(screen)
            self._ready.set()
            self._hold_until_told(screen)
        finally:
            screen.close()

    def _hold_until_told(self, screen: KeyScreen) -> None:
        number = screen.connection_number()
        while True:
            self._throw_away(screen)
            ready = select.select([number, self._told], [], [], AGAIN_S)[0]
            if self._told in ready:
                return
            if not ready:
                self._take(screen)

    def _take(self, screen: KeyScreen) -> None:
        codes = screen.codes(self._keys)
        supers = {codes.get(name) for name in SUPER_KEYS}
        refused = {
            code: screen.take(code, masks, RUNNING if code in supers else FROZEN)
            for code, masks in by_code(self._keys, codes).items()
        }
        self.refused = [
            key
            for key in self._keys
            if refused.get(codes.get(modifiers_of(key)[0], 0), set()).intersection(modifiers_of(key)[1])
        ]

    def _throw_away(self, screen: KeyScreen) -> None:
        """Throw away what is pressed. Super keeps the keyboard until it is let go, so that Super+D types no D either;
        only Super+space, which changes the input method, is given back to the desktop."""
        codes = screen.codes([*SUPER_KEYS, "space"])
        space, super_code = codes.pop("space", 0), codes.get(SUPER_KEYS[0], 0)
        while True:
            key = screen.next_key()
            if key is None:
                return
            if key.code in codes.values():
                self._super_is_down = key.kind == PRESS
                # What was held before would be let go unseen.
                if key.kind == PRESS and key.modifiers[0] & REAL_MODIFIERS:
                    self._super_is_down = False
                    screen.free(key.device)
            elif key.kind == PRESS and not self._super_is_down:
                screen.free(key.device)
            elif key.kind == PRESS and key.code == space:
                self._super_is_down = False
                screen.leave(super_code)
                screen.free(key.device)
                screen.press([super_code, space])
                screen.take(super_code, {ANY}, RUNNING)


class Keyboard:
    """Alt+Tab, Super, Print, F-keys … do nothing while locked; see `lock_keys` for which."""

    name, needed = "keyboard", False
    title = ("系统按键", "Keys of the desktop")

    def __init__(self) -> None:
        self._grabs: KeyGrabs | None = None
        self._held: List[str] = []
        self._probe_from = 0

    def wanted(self, _profile: LockProfile) -> bool:
        return True

    def read(self) -> Before:
        """Nothing stays on the PC: grabs end with the process that holds them."""
        return {}

    def perform(self, profile: LockProfile) -> None:
        self.revert({})
        self._held = keys_taken(profile)
        self._grabs = KeyGrabs(self._held)

    def revert(self, _before: Before) -> None:
        if self._grabs is not None:
            self._grabs.end()
            self._grabs = None

    def holds(self, profile: LockProfile) -> NotHeld | None:
        """Try to take some of the keys by another connection: it must not get them."""
        if os.environ.get("WAYLAND_DISPLAY"):
            return describe_failure(self, AgentError(WAYLAND))
        if self._grabs is None or not self._grabs.is_alive or self._held != keys_taken(profile):
            return describe_failure(self, "按键未被接管", "the keys are not held")
        if self._grabs.refused:
            keys = ", ".join(self._grabs.refused)
            return describe_failure(self, f"{keys} 被桌面环境占用", f"the desktop keeps {keys}")
        free = self._probe()
        return describe_failure(self, f"{', '.join(free)} 可用", f"{', '.join(free)} can be used") if free else None

    def _probe(self) -> List[str]:
        """Give those of the next few keys that anybody could have; each comes round within some looks."""
        count = len(self._held)
        keys = [self._held[(self._probe_from + step) % count] for step in range(min(PROBED_AT_ONCE, count))]
        self._probe_from = (self._probe_from + PROBED_AT_ONCE) % count
        screen = KeyScreen()
        try:
            codes = screen.codes(keys)
            return [key for key in keys if _can_take(screen, key, codes)]
        finally:
            screen.close()


def _can_take(screen: KeyScreen, key: str, codes: Dict[str, int]) -> bool:
    name, masks = modifiers_of(key)
    return bool(codes.get(name)) and bool(set(masks) - screen.take(codes[name], set(masks)))


def _signed(mask: int) -> int:
    """Any modifier is the highest bit of a C int."""
    return mask - (1 << 32) if mask & ANY else mask
