"""Second screens: outputs beyond the allowed number are turned off, and on again with their mode and place.

Outputs are remembered by name and modes by size and rate: the numbers of the X server change with every start.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_ulong, c_ushort, c_void_p
from typing import Any, Dict, List, Tuple

from client_agent.linux.lock_screen import open_display_of, this_server
from client_agent.linux.x11 import Screen, open_library
from client_agent.lockdown.operation import Before, NotHeld, describe_failure
from client_agent.lockdown.profile import LockProfile


class _Mode(ctypes.Structure):
    _fields_ = [
        ("id", c_ulong), ("width", c_uint), ("height", c_uint), ("clock", c_ulong), ("h_start", c_uint),
        ("h_end", c_uint), ("h_total", c_uint), ("h_skew", c_uint), ("v_start", c_uint), ("v_end", c_uint),
        ("v_total", c_uint), ("name", c_char_p), ("name_length", c_uint), ("flags", c_ulong),
    ]  # fmt: skip


class _Resources(ctypes.Structure):
    _fields_ = [
        ("at", c_ulong), ("configured_at", c_ulong), ("crtcs_count", c_int), ("crtcs", POINTER(c_ulong)),
        ("outputs_count", c_int), ("outputs", POINTER(c_ulong)), ("modes_count", c_int), ("modes", POINTER(_Mode)),
    ]  # fmt: skip


class _Crtc(ctypes.Structure):
    _fields_ = [
        ("at", c_ulong), ("x", c_int), ("y", c_int), ("width", c_uint), ("height", c_uint), ("mode", c_ulong),
        ("rotation", c_ushort), ("outputs_count", c_int), ("outputs", POINTER(c_ulong)), ("rotations", c_ushort),
        ("possible_count", c_int), ("possible", POINTER(c_ulong)),
    ]  # fmt: skip


class _Output(ctypes.Structure):
    _fields_ = [
        ("at", c_ulong), ("crtc", c_ulong), ("name", c_char_p), ("name_length", c_int), ("mm_width", c_ulong),
        ("mm_height", c_ulong), ("connection", c_ushort), ("subpixel", c_ushort), ("crtcs_count", c_int),
        ("crtcs", POINTER(c_ulong)), ("clones_count", c_int), ("clones", POINTER(c_ulong)), ("modes_count", c_int),
        ("preferred", c_int), ("modes", POINTER(c_ulong)),
    ]  # fmt: skip


class Monitors:
    """The outputs of one X server, as RandR 1.3 shows them."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._randr = _describe(open_library("Xrandr", "libXrandr.so.2"))
        self._found = self._randr.XRRGetScreenResourcesCurrent(screen.display, screen.root)

    def __enter__(self) -> Monitors:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._randr.XRRFreeScreenResources(self._found)

    def lit(self) -> List[Dict[str, Any]]:
        """List what shows a picture, the primary first: name, place, size, rate and rotation."""
        primary = self._randr.XRRGetOutputPrimary(self._screen.display, self._screen.root)
        found = []
        for number in self._outputs():
            name, crtc = self._output(number)[:2]
            if crtc:
                found.append((number != primary, {"name": name, **self._crtc(crtc)}))
        return [one for _is_other, one in sorted(found, key=lambda pair: (pair[0], pair[1]["name"]))]

    def turn_off(self, name: str) -> None:
        """Take an output from its picture; another that shows the same picture keeps it."""
        for number in self._outputs():
            called, crtc, _possible, _modes = self._output(number)
            if called == name and crtc:
                others = [one for one in self._outputs() if one != number and self._output(one)[1] == crtc]
                self._configure(crtc, self._crtc(crtc), others)

    def turn_on(self, wanted: Dict[str, Any]) -> None:
        """Give an output its picture again; one that is no longer there or no longer has that mode is passed over."""
        for number in self._outputs():
            name, crtc, possible, modes = self._output(number)
            if name != wanted["name"] or crtc:
                continue
            mode = next((one for one in modes if self._mode(one) == tuple(wanted["mode"])), None)
            used = {self._output(one)[1] for one in self._outputs()}
            free = next((one for one in possible if one not in used), None)
            if mode is not None and free is not None:
                self._configure(free, {**wanted, "mode_id": mode}, [number])

    def _outputs(self) -> List[int]:
        found = self._found.contents
        return [int(found.outputs[place]) for place in range(found.outputs_count)]

    def _output(self, number: int) -> Tuple[str, int, List[int], List[int]]:
        described = self._randr.XRRGetOutputInfo(self._screen.display, self._found, number)
        try:
            one = described.contents
            crtcs = [int(one.crtcs[place]) for place in range(one.crtcs_count)]
            modes = [int(one.modes[place]) for place in range(one.modes_count)]
            return one.name.decode("utf-8", "replace"), int(one.crtc), crtcs, modes
        finally:
            self._randr.XRRFreeOutputInfo(described)

    def _crtc(self, number: int) -> Dict[str, Any]:
        described = self._randr.XRRGetCrtcInfo(self._screen.display, self._found, number)
        try:
            one = described.contents
            mode = int(one.mode)
            return {"x": one.x, "y": one.y, "rotation": one.rotation, "mode": list(self._mode(mode)), "mode_id": mode}
        finally:
            self._randr.XRRFreeCrtcInfo(described)

    def _mode(self, number: int) -> Tuple[int, int, int, int]:
        """Give what tells a mode from others, whatever its number: width, height, pixel clock, flags."""
        found = self._found.contents
        modes = (found.modes[place] for place in range(found.modes_count))
        return next(((m.width, m.height, m.clock, m.flags) for m in modes if m.id == number), (0, 0, 0, 0))

    def _configure(self, crtc: int, picture: Dict[str, Any], outputs: List[int]) -> None:
        numbers = (c_ulong * max(1, len(outputs)))(*outputs)
        mode = picture["mode_id"] if outputs else 0
        x, y, rotation = (picture["x"], picture["y"], picture["rotation"]) if outputs else (0, 0, 1)
        screen = self._screen
        self._randr.XRRSetCrtcConfig(
            screen.display, self._found, crtc, 0, x, y, mode, rotation, byref(numbers), len(outputs)
        )
        screen.x.XSync(screen.display, 0)


class SecondScreens:
    name, needed = "second_screens", False
    title = ("第二块屏幕", "Second screens")

    def wanted(self, _profile: LockProfile) -> bool:
        return True

    def read(self) -> Before:
        with Screen() as screen, Monitors(screen) as monitors:
            return {**this_server(), "lit": monitors.lit()}

    def perform(self, profile: LockProfile) -> None:
        with Screen() as screen, Monitors(screen) as monitors:
            for one in monitors.lit()[profile.screens :]:
                monitors.turn_off(one["name"])

    def revert(self, before: Before) -> None:
        screen = open_display_of(before)
        if screen is not None:
            with screen:
                for one in before["lit"]:
                    with Monitors(screen) as monitors:
                        monitors.turn_on(one)

    def holds(self, profile: LockProfile) -> NotHeld | None:
        with Screen() as screen, Monitors(screen) as monitors:
            more = [one["name"] for one in monitors.lit()[profile.screens :]]
        names = ", ".join(more)
        return describe_failure(self, f"{names} 仍亮着", f"{names} is on") if more else None


def _describe(randr: Any) -> Any:
    randr.XRRGetScreenResourcesCurrent.argtypes = [c_void_p, c_ulong]
    randr.XRRGetScreenResourcesCurrent.restype = POINTER(_Resources)
    randr.XRRFreeScreenResources.argtypes = [POINTER(_Resources)]
    randr.XRRGetOutputPrimary.argtypes, randr.XRRGetOutputPrimary.restype = [c_void_p, c_ulong], c_ulong
    randr.XRRGetOutputInfo.argtypes = [c_void_p, POINTER(_Resources), c_ulong]
    randr.XRRGetOutputInfo.restype = POINTER(_Output)
    randr.XRRFreeOutputInfo.argtypes = [POINTER(_Output)]
    randr.XRRGetCrtcInfo.argtypes = [c_void_p, POINTER(_Resources), c_ulong]
    randr.XRRGetCrtcInfo.restype = POINTER(_Crtc)
    randr.XRRFreeCrtcInfo.argtypes = [POINTER(_Crtc)]
    randr.XRRSetCrtcConfig.argtypes = [
        c_void_p, POINTER(_Resources), c_ulong, c_ulong, c_int, c_int, c_ulong, c_ushort, c_void_p, c_int,
    ]  # fmt: skip
    return randr
