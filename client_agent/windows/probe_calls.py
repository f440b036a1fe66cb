"""The calls of Windows that only the room check needs, each as thin as it can be. Not run on a real Windows yet."""

from __future__ import annotations

import ctypes
from typing import Any, List, Protocol, Sequence, Tuple

from client_agent.windows import ffi

DISPLAY_DEVICE_BYTES, DEVICE_NAME_AT, FLAGS_AT = 840, 4, 324
ATTACHED = 1
MODE_BYTES, SIZE_AT, WIDTH_AT, HEIGHT_AT = 220, 68, 172, 176
CURRENT_SETTINGS = 0xFFFFFFFF
ANTIVIRUS = 4
MOST_SCREENS = 16


class ProbeCalls(Protocol):
    """What `WindowsProbes` asks besides the lockdown's interface."""

    def screen_sizes(self) -> Sequence[Tuple[int, int]]:
        """Give width and height of each display that belongs to the desktop, in true pixels."""
        ...

    def antivirus_health(self) -> int | None:
        """Ask the Security Center: 0 good, 1 not monitored, 2 poor, 3 paused; None where there is none."""
        ...


class RealCalls:
    """This PC."""

    def screen_sizes(self) -> Sequence[Tuple[int, int]]:
        """Ask for the display modes: windows' own figures are scaled for programs that do not know of it."""
        found: List[Tuple[int, int]] = []
        devices = ffi.user32("EnumDisplayDevicesW", ffi.BOOL, ffi.LPCWSTR, ffi.DWORD, ffi.POINTER, ffi.DWORD)
        settings = ffi.user32("EnumDisplaySettingsW", ffi.BOOL, ffi.LPCWSTR, ffi.DWORD, ffi.POINTER)
        for number in range(MOST_SCREENS):
            device = bytearray(DISPLAY_DEVICE_BYTES)
            device[0:4] = DISPLAY_DEVICE_BYTES.to_bytes(4, "little")
            if not devices(None, number, _pointer(device), 0):
                break
            if not _number(device, FLAGS_AT) & ATTACHED:
                continue
            mode = bytearray(MODE_BYTES)
            mode[SIZE_AT : SIZE_AT + 2] = MODE_BYTES.to_bytes(2, "little")
            name = device[DEVICE_NAME_AT : DEVICE_NAME_AT + 64].decode("utf-16-le").partition("\0")[0]
            if settings(name, CURRENT_SETTINGS, _pointer(mode)):
                found.append((_number(mode, WIDTH_AT), _number(mode, HEIGHT_AT)))
        return found

    def antivirus_health(self) -> int | None:
        health = ctypes.c_int(0)
        try:
            ask = ffi.function("wscapi", "WscGetSecurityProviderHealth", ctypes.c_long, ffi.DWORD, ffi.POINTER)
            return health.value if ask(ANTIVIRUS, ctypes.byref(health)) == 0 else None
        except (OSError, AttributeError):  # servers have no Security Center
            return None


def _pointer(buffer: bytearray) -> Any:
    return (ctypes.c_char * len(buffer)).from_buffer(buffer)


def _number(buffer: bytearray, at: int) -> int:
    return int.from_bytes(buffer[at : at + 4], "little")
