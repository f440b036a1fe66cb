"""Processes, sessions, rights and services of this PC: thin calls.

psutil is not used here: `process_iter` fails under Wine and cannot tell sessions; Toolhelp works everywhere.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from ctypes import wintypes
from typing import Any, Sequence

from client_agent.windows import ffi
from client_agent.windows.api import RunningProcess, Started
from client_agent.windows.desktop import system_calls
from client_agent.windows.registry import Registry

SNAP_PROCESSES = 0x2
QUERY_LIMITED = 0x1000
TERMINATE = 0x1
SYNCHRONIZE = 0x100000
TIMED_OUT = 0x102
REMOTE_SESSION = 0x1000
NO_SESSION = 0xFFFFFFFF
NO_WINDOW = 0x08000000
UNICODE_ENVIRONMENT = 0x400
TOKEN_ALL = 0xF01FF
SECURITY_IMPERSONATION, TOKEN_PRIMARY = 2, 1
TOKEN_USER, TOKEN_SESSION, TOKEN_ELEVATION = 1, 12, 20
SERVICE_RUNNING = 4
OF_THE_SYSTEM = "S-1-5-18"


class ProcessEntry(ctypes.Structure):
    _fields_ = [
        ("size", wintypes.DWORD), ("usage", wintypes.DWORD), ("pid", wintypes.DWORD), ("heap", ctypes.c_size_t),
        ("module", wintypes.DWORD), ("threads", wintypes.DWORD), ("parent", wintypes.DWORD),
        ("priority", wintypes.LONG), ("flags", wintypes.DWORD), ("name", wintypes.WCHAR * 260),
    ]  # fmt: skip


class Startup(ctypes.Structure):
    _fields_ = [
        ("size", wintypes.DWORD), ("reserved", wintypes.LPWSTR), ("desktop", wintypes.LPWSTR),
        ("title", wintypes.LPWSTR), ("x", wintypes.DWORD), ("y", wintypes.DWORD), ("width", wintypes.DWORD),
        ("height", wintypes.DWORD), ("columns", wintypes.DWORD), ("rows", wintypes.DWORD), ("fill", wintypes.DWORD),
        ("flags", wintypes.DWORD), ("show", wintypes.WORD), ("more", wintypes.WORD), ("bytes", ctypes.c_void_p),
        ("input", wintypes.HANDLE), ("output", wintypes.HANDLE), ("error", wintypes.HANDLE),
    ]  # fmt: skip


class ProcessInformation(ctypes.Structure):
    _fields_ = [
        ("process", wintypes.HANDLE), ("thread", wintypes.HANDLE), ("pid", wintypes.DWORD), ("tid", wintypes.DWORD),
    ]  # fmt: skip


class StartedProcess:
    """A process that this one started; its handle is kept, so that its number is not given to another."""

    def __init__(self, handle: Any, pid: int) -> None:
        self._handle = handle
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self) -> int:
        while True:
            status = self._look(1000)
            if status is not None:
                return status

    def _look(self, milliseconds: int) -> int | None:
        if self._status is None:
            waited = ffi.kernel32("WaitForSingleObject", ffi.DWORD, ffi.HANDLE, ffi.DWORD)(self._handle, milliseconds)
            if waited != TIMED_OUT:
                status = wintypes.DWORD()
                ask = ffi.kernel32("GetExitCodeProcess", ffi.BOOL, ffi.HANDLE, ffi.POINTER)
                ask(self._handle, ctypes.byref(status))
                self._status = status.value
                ffi.close(self._handle)
        return self._status


class Processes(Registry):
    """What the interface calls `ProcessApi`."""

    _seen: dict[tuple[int, int, str], RunningProcess] = {}
    _names: dict[str, str] = {}

    def version(self) -> tuple[int, int, int]:
        """The registry and not `GetVersionEx`, which tells a program without a manifest that this is Windows 8."""
        if sys.platform == "win32":
            found = sys.getwindowsversion().platform_version
            return found[0], found[1], found[2]
        else:
            raise OSError("not Windows")

    def boot_id(self) -> str:
        return system_calls().volatile_id()

    def is_administrator(self) -> bool:
        return bool(ffi.function("shell32", "IsUserAnAdmin", ffi.BOOL)())

    def own_session(self) -> int:
        return _session_of(ffi.kernel32("GetCurrentProcessId", ffi.DWORD)())

    def console_session(self) -> int | None:
        session = ffi.kernel32("WTSGetActiveConsoleSessionId", ffi.DWORD)()
        return None if session == NO_SESSION else int(session)

    def person(self) -> str | None:
        token = self._token_of_person()
        if token is None:
            return None
        try:
            return _sid_of(token)
        finally:
            ffi.close(token)

    def is_remote_session(self) -> bool:
        return bool(ffi.user32("GetSystemMetrics", ctypes.c_int, ctypes.c_int)(REMOTE_SESSION))

    def processes(self) -> Sequence[RunningProcess]:
        """List what runs. What is known of a process is kept: asked each second, only new ones are opened."""
        snapshot = ffi.kernel32("CreateToolhelp32Snapshot", ffi.HANDLE, ffi.DWORD, ffi.DWORD)(SNAP_PROCESSES, 0)
        if snapshot in (None, ctypes.c_void_p(-1).value):
            raise ffi.last_error("CreateToolhelp32Snapshot")
        entry = ProcessEntry(size=ctypes.sizeof(ProcessEntry))
        seen = {}
        try:
            step = ffi.kernel32("Process32FirstW", ffi.BOOL, ffi.HANDLE, ffi.POINTER)
            while step(snapshot, ctypes.byref(entry)):
                key = (entry.pid, entry.parent, entry.name)
                seen[key] = self._seen.get(key) or _look_at(*key)
                step = ffi.kernel32("Process32NextW", ffi.BOOL, ffi.HANDLE, ffi.POINTER)
        finally:
            ffi.close(snapshot)
        self._seen = seen
        return list(seen.values())

    def original_name(self, path: str) -> str:
        if path not in self._names:
            self._names = {**self._names, path: _original_name(path)}
        return self._names[path]

    def end_process(self, process: RunningProcess) -> None:
        handle = ffi.kernel32("OpenProcess", ffi.HANDLE, ffi.DWORD, ffi.BOOL, ffi.DWORD)(
            TERMINATE | QUERY_LIMITED | SYNCHRONIZE, False, process.pid
        )
        if not handle:
            if _look_at(process.pid, process.parent, process.name).started == 0:
                return
            raise ffi.last_error(f"OpenProcess {process.name}")
        try:
            if _started(handle) != process.started:
                return
            end = ffi.kernel32("TerminateProcess", ffi.BOOL, ffi.HANDLE, ffi.DWORD)
            if not end(handle, 1) and _is_running(handle):
                raise ffi.last_error(f"TerminateProcess {process.name}")
            ffi.kernel32("WaitForSingleObject", ffi.DWORD, ffi.HANDLE, ffi.DWORD)(handle, 2000)
        finally:
            ffi.close(handle)

    def start_as_person(self, command: Sequence[str], desktop: str) -> Started:
        token = self._token_of_person()
        if token is None:
            raise OSError("nobody is logged in")
        try:
            is_own = _own_sid() != OF_THE_SYSTEM
            return _start(None if is_own else token, command, f"winsta0\\{desktop}")
        finally:
            ffi.close(token)

    def start_as_system(self, command: Sequence[str], session: int) -> Started:
        own, copy = _own_token(), wintypes.HANDLE()
        try:
            duplicate = ffi.advapi32(
                "DuplicateTokenEx",
                ffi.BOOL,
                ffi.HANDLE,
                ffi.DWORD,
                ffi.POINTER,
                ctypes.c_int,
                ctypes.c_int,
                ffi.POINTER,
            )
            made = duplicate(own, TOKEN_ALL, None, SECURITY_IMPERSONATION, TOKEN_PRIMARY, ctypes.byref(copy))
            ffi.checked(made, "DuplicateTokenEx")
            number = wintypes.DWORD(session)
            put = ffi.advapi32("SetTokenInformation", ffi.BOOL, ffi.HANDLE, ctypes.c_int, ffi.POINTER, ffi.DWORD)
            ffi.checked(put(copy, TOKEN_SESSION, ctypes.byref(number), 4), "SetTokenInformation")
            return _start(copy, command, "winsta0\\default", NO_WINDOW)
        finally:
            ffi.close(own)
            ffi.close(copy.value)

    def run(self, command: Sequence[str]) -> int:
        return subprocess.run(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            creationflags=NO_WINDOW if sys.platform == "win32" else 0, timeout=60, check=False,
        ).returncode  # fmt: skip

    def service_runs(self, name: str) -> bool:
        manager = ffi.advapi32("OpenSCManagerW", ffi.HANDLE, ffi.LPCWSTR, ffi.LPCWSTR, ffi.DWORD)(None, None, 1)
        ffi.checked(manager, "OpenSCManager")
        close = ffi.advapi32("CloseServiceHandle", ffi.BOOL, ffi.HANDLE)
        try:
            service = ffi.advapi32("OpenServiceW", ffi.HANDLE, ffi.HANDLE, ffi.LPCWSTR, ffi.DWORD)(manager, name, 4)
            if not service:
                return False
            try:
                state = (wintypes.DWORD * 7)()
                ask = ffi.advapi32("QueryServiceStatus", ffi.BOOL, ffi.HANDLE, ffi.POINTER)
                ffi.checked(ask(service, ctypes.byref(state)), f"QueryServiceStatus {name}")
                return bool(state[1] == SERVICE_RUNNING)
            finally:
                close(service)
        finally:
            close(manager)

    def _token_of_person(self) -> Any:
        """Give the token of who sits at the console. Only the system may ask; run by hand it is one's own."""
        session = self.console_session()
        token = wintypes.HANDLE()
        ask = ffi.function("wtsapi32", "WTSQueryUserToken", ffi.BOOL, wintypes.ULONG, ffi.POINTER)
        if session is not None and ask(session, ctypes.byref(token)):
            return token.value
        return None if _own_sid() == OF_THE_SYSTEM else _own_token()


def _own_token() -> Any:
    token = wintypes.HANDLE()
    process = ffi.kernel32("GetCurrentProcess", ffi.HANDLE)()
    open_token = ffi.advapi32("OpenProcessToken", ffi.BOOL, ffi.HANDLE, ffi.DWORD, ffi.POINTER)
    ffi.checked(open_token(process, TOKEN_ALL, ctypes.byref(token)), "OpenProcessToken")
    return token.value


def _own_sid() -> str:
    token = _own_token()
    try:
        return _sid_of(token)
    finally:
        ffi.close(token)


def _session_of(pid: int) -> int:
    session = wintypes.DWORD()
    ask = ffi.kernel32("ProcessIdToSessionId", ffi.BOOL, ffi.DWORD, ffi.POINTER)
    return int(session.value) if ask(pid, ctypes.byref(session)) else 0


def _look_at(pid: int, parent: int, name: str) -> RunningProcess:
    handle = ffi.kernel32("OpenProcess", ffi.HANDLE, ffi.DWORD, ffi.BOOL, ffi.DWORD)(QUERY_LIMITED, False, pid)
    if not handle:
        return RunningProcess(pid, parent, name, "", _session_of(pid), 0)
    try:
        size = wintypes.DWORD(32768)
        path = ctypes.create_unicode_buffer(size.value)
        ask = ffi.kernel32("QueryFullProcessImageNameW", ffi.BOOL, ffi.HANDLE, ffi.DWORD, ffi.LPWSTR, ffi.POINTER)
        found = path.value if ask(handle, 0, path, ctypes.byref(size)) else ""
        return RunningProcess(pid, parent, name, found, _session_of(pid), _started(handle))
    finally:
        ffi.close(handle)


def _started(handle: Any) -> int:
    times = [wintypes.FILETIME() for _one in range(4)]
    ask = ffi.kernel32("GetProcessTimes", ffi.BOOL, ffi.HANDLE, *[ffi.POINTER] * 4)
    if not ask(handle, *[ctypes.byref(one) for one in times]):
        return 0
    return int(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)


def _is_running(handle: Any) -> bool:
    waited = ffi.kernel32("WaitForSingleObject", ffi.DWORD, ffi.HANDLE, ffi.DWORD)(handle, 0)
    return bool(waited == TIMED_OUT)


def _start(token: Any, command: Sequence[str], desktop: str, flags: int = 0) -> StartedProcess:
    """Start with a token and the environment of its owner, or (no token) with one's own, on a desktop."""
    startup = Startup(size=ctypes.sizeof(Startup), desktop=desktop)
    started = ProcessInformation()
    line = ctypes.create_unicode_buffer(subprocess.list2cmdline(list(command)))
    rest = (
        ffi.LPCWSTR, ffi.LPWSTR, ffi.POINTER, ffi.POINTER, ffi.BOOL, ffi.DWORD, ffi.POINTER, ffi.LPCWSTR, ffi.POINTER,
        ffi.POINTER,
    )  # fmt: skip
    tail = (None, ctypes.byref(startup), ctypes.byref(started))
    if token is None:
        made = ffi.kernel32("CreateProcessW", ffi.BOOL, *rest)(None, line, None, None, False, flags, None, *tail)
        ffi.checked(made, f"CreateProcess {command[0]}")
    else:
        block = ctypes.c_void_p()
        make = ffi.function("userenv", "CreateEnvironmentBlock", ffi.BOOL, ffi.POINTER, ffi.HANDLE, ffi.BOOL)
        ffi.checked(make(ctypes.byref(block), token, False), "CreateEnvironmentBlock")
        try:
            create = ffi.advapi32("CreateProcessAsUserW", ffi.BOOL, ffi.HANDLE, *rest)
            made = create(token, None, line, None, None, False, flags | UNICODE_ENVIRONMENT, block, *tail)
            ffi.checked(made, f"CreateProcessAsUser {command[0]}")
        finally:
            ffi.function("userenv", "DestroyEnvironmentBlock", ffi.BOOL, ffi.POINTER)(block)
    ffi.close(started.thread)
    return StartedProcess(started.process, int(started.pid))


def _sid_of(token: Any) -> str:
    size = wintypes.DWORD()
    ask = ffi.advapi32("GetTokenInformation", ffi.BOOL, ffi.HANDLE, ctypes.c_int, ffi.POINTER, ffi.DWORD, ffi.POINTER)
    ask(token, TOKEN_USER, None, 0, ctypes.byref(size))
    content = ctypes.create_string_buffer(size.value)
    ffi.checked(ask(token, TOKEN_USER, content, size, ctypes.byref(size)), "GetTokenInformation")
    sid = ctypes.cast(content, ctypes.POINTER(ctypes.c_void_p))[0]
    written = wintypes.LPWSTR()
    convert = ffi.advapi32("ConvertSidToStringSidW", ffi.BOOL, ffi.POINTER, ffi.POINTER)
    ffi.checked(convert(sid, ctypes.byref(written)), "ConvertSidToStringSid")
    try:
        return str(written.value)
    finally:
        ffi.kernel32("LocalFree", ffi.HANDLE, ffi.HANDLE)(ctypes.cast(written, ctypes.c_void_p))


def _original_name(path: str) -> str:
    ask_size = ffi.function("version", "GetFileVersionInfoSizeW", ffi.DWORD, ffi.LPCWSTR, ffi.POINTER)
    size = ask_size(path, None)
    if not size:
        return ""
    content = ctypes.create_string_buffer(size)
    read = ffi.function("version", "GetFileVersionInfoW", ffi.BOOL, ffi.LPCWSTR, ffi.DWORD, ffi.DWORD, ffi.POINTER)
    query = ffi.function("version", "VerQueryValueW", ffi.BOOL, ffi.POINTER, ffi.LPCWSTR, ffi.POINTER, ffi.POINTER)
    found, length = ctypes.c_void_p(), wintypes.UINT()
    if not read(path, 0, size, content) or not query(
        content, r"\VarFileInfo\Translation", ctypes.byref(found), ctypes.byref(length)
    ):
        return ""
    pairs = ctypes.cast(found, ctypes.POINTER(wintypes.WORD))
    for number in range(0, length.value // 2, 2):
        block = f"\\StringFileInfo\\{pairs[number]:04x}{pairs[number + 1]:04x}\\OriginalFilename"
        if query(content, block, ctypes.byref(found), ctypes.byref(length)) and length.value:
            return ctypes.wstring_at(found.value or 0, length.value).rstrip("\0").strip().lower()
    return ""
