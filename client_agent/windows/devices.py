"""Drives and power plans: thin calls."""

from __future__ import annotations

import ctypes
import string
import uuid
from ctypes import wintypes
from typing import Any, Sequence

from client_agent.windows import ffi
from client_agent.windows.api import Drive

REMOVABLE, FIXED = 2, 3
BUS_USB = 7
QUERY_PROPERTY = 0x2D1400
LOCK_VOLUME, DISMOUNT_VOLUME, EJECT_MEDIA = 0x90018, 0x90020, 0x2D4808
READ_WRITE = 0xC0000000
SHARED = 3
OPEN_EXISTING = 3
NOT_FOUND = 2


class Devices:
    """What the interface calls `DeviceApi`."""

    def drives(self) -> Sequence[Drive]:
        """Hard disks behind USB are told by their bus; a reader without a card has no volume and does not count."""
        mask = ffi.kernel32("GetLogicalDrives", ffi.DWORD)()
        found = []
        for number, letter in enumerate(string.ascii_uppercase):
            kind = (
                ffi.kernel32("GetDriveTypeW", wintypes.UINT, ffi.LPCWSTR)(f"{letter}:\\") if mask >> number & 1 else 0
            )
            if kind == FIXED or (kind == REMOVABLE and _has_volume(letter)):
                found.append(Drive(letter, kind == REMOVABLE or _bus_of(letter) == BUS_USB))
        return found

    def eject(self, drive: Drive) -> None:
        """Lock, dismount, eject. Without the lock a program that writes to it would lose what it writes."""
        handle = _open_volume(drive.letter, READ_WRITE)
        try:
            for code, what in ((LOCK_VOLUME, "lock"), (DISMOUNT_VOLUME, "dismount"), (EJECT_MEDIA, "eject")):
                ffi.checked(_control(handle, code, None, None), f"{what} {drive.letter}:")
        finally:
            ffi.close(handle)

    def power_scheme(self) -> str:
        found = ctypes.c_void_p()
        status = ffi.function("powrprof", "PowerGetActiveScheme", ffi.DWORD, ffi.HANDLE, ffi.POINTER)(
            None, ctypes.byref(found)
        )
        _check(status, "PowerGetActiveScheme")
        try:
            return str(uuid.UUID(bytes_le=ctypes.string_at(found.value or 0, 16)))
        finally:
            ffi.kernel32("LocalFree", ffi.HANDLE, ffi.HANDLE)(found)

    def power_value(self, scheme: str, setting: str, plugged_in: bool) -> int | None:
        value = wintypes.DWORD()
        name = "PowerReadACValueIndex" if plugged_in else "PowerReadDCValueIndex"
        read = ffi.function("powrprof", name, ffi.DWORD, ffi.HANDLE, *[ffi.POINTER] * 4)
        status = read(None, *_ids(scheme, setting), ctypes.byref(value))
        if status == NOT_FOUND:
            return None
        _check(status, name)
        return int(value.value)

    def set_power_value(self, scheme: str, setting: str, plugged_in: bool, value: int) -> None:
        name = "PowerWriteACValueIndex" if plugged_in else "PowerWriteDCValueIndex"
        write = ffi.function("powrprof", name, ffi.DWORD, ffi.HANDLE, *[ffi.POINTER] * 3, ffi.DWORD)
        _check(write(None, *_ids(scheme, setting), value), name)
        if self.power_scheme() == scheme:
            activate = ffi.function("powrprof", "PowerSetActiveScheme", ffi.DWORD, ffi.HANDLE, ffi.POINTER)
            _check(activate(None, _id(scheme)), "PowerSetActiveScheme")


def _check(status: int, what: str) -> None:
    if status:
        raise OSError(status, f"{what} {status}")


def _id(text: str) -> Any:
    return ctypes.create_string_buffer(uuid.UUID(text).bytes_le, 16)


def _ids(scheme: str, setting: str) -> list[Any]:
    group, _separator, one = setting.partition("/")
    return [_id(scheme), _id(group), _id(one)]


def _has_volume(letter: str) -> bool:
    ask = ffi.kernel32(
        "GetVolumeInformationW", ffi.BOOL, ffi.LPCWSTR, ffi.LPWSTR, ffi.DWORD, *[ffi.POINTER] * 3, ffi.LPWSTR, ffi.DWORD
    )
    return bool(ask(f"{letter}:\\", None, 0, None, None, None, None, 0))


def _open_volume(letter: str, access: int) -> Any:
    create = ffi.kernel32(
        "CreateFileW", ffi.HANDLE, ffi.LPCWSTR, ffi.DWORD, ffi.DWORD, ffi.POINTER, ffi.DWORD, ffi.DWORD, ffi.HANDLE
    )
    handle = create(f"\\\\.\\{letter}:", access, SHARED, None, OPEN_EXISTING, 0, None)
    if handle in (None, ctypes.c_void_p(-1).value):
        raise ffi.last_error(f"CreateFile {letter}:")
    return handle


def _control(handle: Any, code: int, given: Any, taken: Any) -> bool:
    done = wintypes.DWORD()
    call = ffi.kernel32(
        "DeviceIoControl", ffi.BOOL, ffi.HANDLE, ffi.DWORD, ffi.POINTER, ffi.DWORD, ffi.POINTER, ffi.DWORD, ffi.POINTER,
        ffi.POINTER,
    )  # fmt: skip
    sizes = [0 if one is None else ctypes.sizeof(one) for one in (given, taken)]
    return bool(call(handle, code, given, sizes[0], taken, sizes[1], ctypes.byref(done), None))


def _bus_of(letter: str) -> int:
    """Ask a drive for its bus (STORAGE_DEVICE_DESCRIPTOR.BusType, the eighth number); -1 if it does not tell."""
    try:
        handle = _open_volume(letter, 0)
    except OSError:
        return -1
    try:
        answer = (wintypes.DWORD * 256)()
        return int(answer[7]) if _control(handle, QUERY_PROPERTY, (wintypes.DWORD * 3)(), answer) else -1
    finally:
        ffi.close(handle)
