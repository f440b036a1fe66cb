#!/usr/bin/env python3
"""Say which wheels of a wheelhouse would install on Windows 7 and then not load there.

    python installers/check_wheels.py WHEELHOUSE [WHEELHOUSE|WHEEL …]

Reads what every .pyd, .dll and .exe in the wheels imports (also delayed) and refuses what Windows 7 SP1 with the
Universal CRT lacks, by name. 0: all load; 1: some do not, or a file cannot be read; 2: wrong command line, no wheels.
Needs nothing but Python 3.9 or later.
"""

from __future__ import annotations

import re
import struct
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

# Functions that came with Windows 8 or later and that compilers and runtimes are known to pull in.
NEWER_FUNCTIONS: dict[str, str] = {
    "ProcessPrng": "Windows 8 (bcryptprimitives)",
    "WaitOnAddress": "Windows 8",
    "WakeByAddressSingle": "Windows 8",
    "WakeByAddressAll": "Windows 8",
    "GetSystemTimePreciseAsFileTime": "Windows 8",
    "GetCurrentThreadStackLimits": "Windows 8",
    "SetProcessMitigationPolicy": "Windows 8",
    "GetProcessMitigationPolicy": "Windows 8",
    "CreateFile2": "Windows 8",
    "CopyFile2": "Windows 8",
    "PrefetchVirtualMemory": "Windows 8",
    "GetOverlappedResultEx": "Windows 8",
    "GetPackageFamilyName": "Windows 8",
    "PathCchCombineEx": "Windows 8",
    "DiscardVirtualMemory": "Windows 8.1",
    "GetDpiForMonitor": "Windows 8.1",
    "SetThreadDescription": "Windows 10",
    "GetThreadDescription": "Windows 10",
    "VirtualAlloc2": "Windows 10",
    "MapViewOfFile3": "Windows 10",
    "GetTempPath2W": "Windows 10",
    "GetDpiForWindow": "Windows 10",
    "GetSystemDpiForProcess": "Windows 10",
}
NEWER_LIBRARIES: dict[str, str] = {
    "bcryptprimitives.dll": "Windows 8 (ProcessPrng)",
    "api-ms-win-core-synch-l1-2-0.dll": "Windows 8",
    "api-ms-win-core-synch-l1-2-1.dll": "Windows 8",
    "api-ms-win-core-path-l1-1-0.dll": "Windows 8",
    "api-ms-win-core-winrt-l1-1-0.dll": "Windows 8",
    "api-ms-win-core-winrt-string-l1-1-0.dll": "Windows 8",
    "api-ms-win-core-winrt-error-l1-1-0.dll": "Windows 8",
    "api-ms-win-core-featurestaging-l1-1-0.dll": "Windows 8.1",
    "api-ms-win-shcore-scaling-l1-1-1.dll": "Windows 8.1",
    "pathcch.dll": "Windows 8",
    "shcore.dll": "Windows 8.1",
    "combase.dll": "Windows 8",
}
# These parts of the Universal CRT come with KB2999226 or beside the program; the rest of api-ms-win came later.
ON_WINDOWS_7 = re.compile(
    r"api-ms-win-(crt-[a-z]+-l1-1-0|core-(console|datetime|debug|errorhandling|file|handle|heap|interlocked|"
    r"libraryloader|localization|memory|namedpipe|processenvironment|processthreads|profile|rtlsupport|string|"
    r"synch|sysinfo|timezone|util)-l1-1-[0-3]|core-file-l[12]-(1|2)-0|core-localization-l1-2-0|"
    r"core-(fibers|delayload|io|localregistry|misc|threadpool|ums|xstate)-l1-1-0|security-base-l1-1-0|"
    r"service-[a-z0-9]+-l1-1-0)\.dll"
)
NEWEST_SUBSYSTEM = (6, 1)
SUFFIXES = (".pyd", ".dll", ".exe")


class Finding(NamedTuple):
    """One reason why a file of a wheel does not load."""

    wheel: str
    member: str
    reason: str


class NotPortableExecutable(Exception):
    """The bytes are no program that can be read; the argument says what was missed."""


class Image:
    """As much of a portable executable as tells what it imports."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        if content[:2] != b"MZ":
            raise NotPortableExecutable("MZ")
        (start,) = self._unpack("<I", 0x3C)
        if content[start : start + 4] != b"PE\0\0":
            raise NotPortableExecutable("PE")
        _machine, sections, _stamp, _symbols, _count, optional_size = self._unpack("<HHIIIH", start + 4)
        optional = start + 24
        (magic,) = self._unpack("<H", optional)
        if magic not in (0x10B, 0x20B):
            raise NotPortableExecutable(f"magic {magic:#x}")
        self._is_64 = magic == 0x20B
        self.subsystem: tuple[int, int] = self._pair("<HH", optional + 48)
        self._base = self._unpack("<Q", optional + 24)[0] if self._is_64 else self._unpack("<I", optional + 28)[0]
        self._directories = optional + (112 if self._is_64 else 96)
        (self._directory_count,) = self._unpack("<I", self._directories - 4)
        table = optional + optional_size
        self._sections = [self._unpack("<8xIIII", table + 40 * number) for number in range(sections)]

    def imports(self) -> Iterator[tuple[str, str]]:
        """Give library and function of each import by name, lower case library; delayed ones, too."""
        for at in self._table(1, 20):
            names, _stamp, _chain, library, addresses = self._unpack("<IIIII", at)
            if not library:
                break
            yield from self._functions(self._text(library), names or addresses)
        for at in self._table(13, 32):
            attributes, library, _module, _addresses, names = self._unpack("<IIIII", at)
            if not library:
                break
            # Old linkers wrote addresses and not offsets from the base.
            base = 0 if attributes & 1 else self._base
            yield from self._functions(self._text(library - base), names - base)

    def _functions(self, library: str, names: int) -> Iterator[tuple[str, str]]:
        library = library.lower()
        yield library, ""
        size, form = (8, "<Q") if self._is_64 else (4, "<I")
        by_number = 1 << (size * 8 - 1)
        for number in range(100_000):
            (entry,) = self._unpack(form, self._offset(names + number * size))
            if not entry:
                return
            if not entry & by_number:
                yield library, self._text((entry & 0x7FFFFFFF) + 2)
        raise NotPortableExecutable("imports without an end")

    def _table(self, number: int, size: int) -> Iterator[int]:
        if number >= self._directory_count:
            return
        (address,) = self._unpack("<I", self._directories + 8 * number)
        if address:
            for entry in range(10_000):
                yield self._offset(address + size * entry)

    def _offset(self, address: int) -> int:
        for virtual_size, virtual, raw_size, raw in self._sections:
            if virtual <= address < virtual + max(virtual_size, raw_size):
                return int(raw + address - virtual)
        raise NotPortableExecutable(f"address {address:#x} lies in no section")

    def _text(self, address: int) -> str:
        start = self._offset(address)
        end = self._content.find(b"\0", start)
        return self._content[start : end if end >= 0 else len(self._content)].decode("ascii", "replace")

    def _pair(self, form: str, at: int) -> tuple[int, int]:
        first, second = self._unpack(form, at)
        return first, second

    def _unpack(self, form: str, at: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(form, self._content, at)
        except struct.error:
            raise NotPortableExecutable(f"ends before {at:#x}") from None


def reasons_against(content: bytes, beside: set[str]) -> list[str]:
    """Say why a program would not load on Windows 7; `beside` names libraries that come along with it."""
    try:
        image = Image(content)
        imports = sorted(set(image.imports()))
    except NotPortableExecutable as damage:
        return [f"cannot be read: {damage}"]
    found = []
    if image.subsystem > NEWEST_SUBSYSTEM:
        found.append(f"is made for Windows {image.subsystem[0]}.{image.subsystem[1]}")
    for library, function in imports:
        if library in beside:
            continue
        if not function:
            since = NEWER_LIBRARIES.get(library, "")
            if not since and library.startswith("api-ms-win-") and not ON_WINDOWS_7.fullmatch(library):
                since = "not known on Windows 7"
            if since:
                found.append(f"{library}: {since}")
        elif function in NEWER_FUNCTIONS:
            found.append(f"{function} of {library}: {NEWER_FUNCTIONS[function]}")
    return found


def check_wheel(wheel: Path) -> list[Finding]:
    """Look at every program in a wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(SUFFIXES)]
            beside = {name.rpartition("/")[2].lower() for name in members}
            # A wheel's own copy of the Universal CRT stands in for the system's.
            return [
                Finding(wheel.name, name, reason)
                for name in members
                for reason in reasons_against(archive.read(name), beside)
            ]
    except (OSError, zipfile.BadZipFile) as damage:
        return [Finding(wheel.name, "", f"cannot be read: {damage}")]


def main(arguments: Sequence[str]) -> int:
    """Check what is named, print what was found."""
    wheels = sorted(
        wheel for name in arguments for wheel in (Path(name).glob("*.whl") if Path(name).is_dir() else [Path(name)])
    )
    if not wheels:
        print(__doc__, file=sys.stderr)
        return 2
    findings = [finding for wheel in wheels for finding in check_wheel(wheel)]
    for finding in findings:
        print(f"{finding.wheel}: {finding.member}: {finding.reason}")
    print(f"{len(wheels)} wheels, {len({finding.wheel for finding in findings})} that Windows 7 would not load")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
