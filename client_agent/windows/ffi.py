"""Calling Windows' libraries: functions are looked up at their first call, so that this can be imported anywhere."""

from __future__ import annotations

import ctypes
import functools
import sys
from ctypes import wintypes
from typing import Any, Callable

HANDLE = wintypes.HANDLE
DWORD = wintypes.DWORD
BOOL = wintypes.BOOL
LPWSTR = wintypes.LPWSTR
LPCWSTR = wintypes.LPCWSTR
POINTER = ctypes.c_void_p

# Calls back from Windows use its own calling convention, which on 32 bits is not C's.
CALLBACK: Any = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)


@functools.lru_cache(maxsize=None)
def function(library: str, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Give a function with its types; without types a 64-bit handle would be cut to 32 bits."""
    found = getattr(_library(library), name)
    found.restype = result
    found.argtypes = arguments
    return found  # type: ignore[no-any-return]


def kernel32(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    return function("kernel32", name, result, *arguments)


def user32(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    return function("user32", name, result, *arguments)


def advapi32(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    return function("advapi32", name, result, *arguments)


def last_error(what: str) -> OSError:
    """Give the error of the call that just failed on this thread, with what was tried."""
    if sys.platform == "win32":
        number = last_number()
        return OSError(0, f"{what}: {ctypes.FormatError(number).strip()}", None, number)
    else:
        return OSError(f"{what}: not Windows")


def last_number() -> int:
    if sys.platform == "win32":
        return ctypes.get_last_error()
    else:
        return 0


def checked(result: Any, what: str) -> Any:
    """Pass a result on; zero or nothing is an error."""
    if not result:
        raise last_error(what)
    return result


def close(handle: Any) -> None:
    if handle:
        kernel32("CloseHandle", BOOL, HANDLE)(handle)


@functools.lru_cache(maxsize=None)
def _library(name: str) -> Any:
    if sys.platform == "win32":
        return ctypes.WinDLL(name, use_last_error=True)
    else:
        raise OSError(f"{name}: not Windows")
