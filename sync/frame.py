"""The outer ZIP of a container: one byte layout for given members, and a reader that takes no other.

Every field of the ZIP that could vary without changing a member (dates, attributes, extra fields, comments,
order) is fixed. So nothing can hide in the frame, and one changed byte anywhere is noticed. Any ZIP program can
read a container; one that another program packed again is refused.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from sync.errors import ContainerRefused, problem

NOT_A_CONTAINER = problem(
    "not_a_container",
    "这不是考试数据包。请确认选对了文件，并重新下载或拷贝。",
    "This is not an exam package. Make sure that it is the right file, and download or copy it again.",
)
CONTAINER_TOO_LARGE = problem(
    "container_too_large",
    "数据包超过 4 GiB 的上限。请分成多个数据包。",
    "The package is larger than the limit of 4 GiB. Split it into several packages.",
)
FRAME_DAMAGED = problem(
    "frame_damaged",
    "数据包在第 {offset} 字节处损坏或被改动过。请重新下载或拷贝。",
    "The package is damaged or was altered at byte {offset}. Download or copy it again.",
)
MEMBER_COMPRESSED = problem(
    "member_compressed",
    "数据包内的 {name} 经过压缩，不符合格式（可能被其他软件重新打包）。请使用原始文件。",
    "{name} in the package is compressed, which the format forbids (packed again by another program?). "
    "Use the original file.",
)
MEMBER_DUPLICATE = problem(
    "member_duplicate",
    "数据包内 {name} 出现两次，已拒绝。请向制作方重新索取。",
    "{name} stands twice in the package. Ask its maker for a sound one.",
)
MEMBER_NAME_UNSAFE = problem(
    "member_name_unsafe",
    "数据包内有不安全的文件名 {name}，已拒绝。请向制作方重新索取。",
    "The package holds a member with the unsafe name {name}. Ask its maker for a sound one.",
)
TOO_MANY_MEMBERS = problem(
    "too_many_members",
    "数据包内的文件超过 {limit} 个。请分成多个数据包。",
    "The package holds more than {limit} members. Split it into several packages.",
)

MAX_CONTAINER_BYTES = 2**32 - 1
MAX_ENTRIES = 10_002

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 10
_DATE = 0x21  # 1980-01-01, the first day that ZIP knows
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,3}")
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)


@dataclass(frozen=True)
class FrameEntry:
    """One stored file of the ZIP; `offset` is where its local header begins."""

    name: str
    offset: int
    size: int
    crc: int

    @property
    def content_offset(self) -> int:
        return self.offset + _LOCAL.size + len(self.name)


def check_member_name(name: str) -> None:
    """Raise unless the name is safe as a relative path on every system.

    Up to four parts of letters, digits, `.`, `_`, `-`; no part begins or ends with a dot or is a device of
    Windows.
    """
    parts = name.split("/")
    if not _NAME.fullmatch(name) or any(part.endswith(".") or _WINDOWS_DEVICES.match(part) for part in parts):
        raise ContainerRefused(MEMBER_NAME_UNSAFE, name=ascii(name[:120]))


def local_header(name: str, size: int, crc: int) -> bytes:
    """Return the bytes that stand before a member's content."""
    fixed = _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, 0, _DATE, crc, size, size, len(name), 0)
    return fixed + name.encode("ascii")


def frame_end(entries: Sequence[FrameEntry]) -> bytes:
    """Return everything that stands behind the last member's content."""
    directory = b"".join(_central_header(entry) for entry in entries)
    last = entries[-1]
    start = last.content_offset + last.size
    count = len(entries)
    return directory + _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), start, 0)


def read_frame(stream: BinaryIO) -> list[FrameEntry]:
    """Walk through the ZIP once and return its entries; every byte outside the contents is checked.

    The contents are not: compare them with `crc` and with the manifest while reading them.
    """
    size = stream.seek(0, io.SEEK_END)
    if size > MAX_CONTAINER_BYTES:
        raise ContainerRefused(CONTAINER_TOO_LARGE)
    entries: list[FrameEntry] = []
    seen: set[str] = set()
    offset = 0
    while True:
        stream.seek(offset)
        fixed = stream.read(_LOCAL.size)
        if fixed[:4] != b"PK\3\4":
            break
        entry = _read_local(stream, fixed, offset)
        if entry.name.lower() in seen:
            raise ContainerRefused(MEMBER_DUPLICATE, name=entry.name)
        if len(entries) == MAX_ENTRIES:
            raise ContainerRefused(TOO_MANY_MEMBERS, limit=MAX_ENTRIES - 2)
        seen.add(entry.name.lower())
        entries.append(entry)
        offset = entry.content_offset + entry.size
    if not entries:
        raise ContainerRefused(NOT_A_CONTAINER)
    _check_end(stream, entries, offset, size)
    return entries


def _read_local(stream: BinaryIO, fixed: bytes, offset: int) -> FrameEntry:
    if len(fixed) < _LOCAL.size:
        raise ContainerRefused(FRAME_DAMAGED, offset=offset)
    _, _, _, method, _, _, crc, size, _, name_length, _ = _LOCAL.unpack(fixed)
    name = stream.read(name_length).decode("latin-1")
    check_member_name(name)
    if method != 0:
        raise ContainerRefused(MEMBER_COMPRESSED, name=name)
    if local_header(name, size, crc) != fixed + name.encode("ascii"):
        raise ContainerRefused(FRAME_DAMAGED, offset=offset)
    return FrameEntry(name, offset, size, crc)


def _check_end(stream: BinaryIO, entries: Sequence[FrameEntry], offset: int, size: int) -> None:
    expected = frame_end(entries)
    stream.seek(min(offset, size))
    if stream.read(len(expected) + 1) != expected:
        raise ContainerRefused(FRAME_DAMAGED, offset=offset)


def _central_header(entry: FrameEntry) -> bytes:
    fixed = _CENTRAL.pack(
        b"PK\1\2", _VERSION, _VERSION, 0, 0, 0, _DATE, entry.crc, entry.size, entry.size,
        len(entry.name), 0, 0, 0, 0, 0, entry.offset,
    )  # fmt: skip
    return fixed + entry.name.encode("ascii")
