"""The checks that every reader of a container makes, whatever it wants with it. FORMAT.md §6."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync.errors import ContainerRefused, problem
from sync.frame import FRAME_DAMAGED, NOT_A_CONTAINER, FrameEntry, read_frame
from sync.manifest import (
    MANIFEST_UNREADABLE,
    MAX_MANIFEST_BYTES,
    MAX_SIGNATURE_BYTES,
    SIGNATURE_WRONG,
    Manifest,
    MemberEntry,
    check_signature,
    read_manifest,
)
from sync.streams import Range

MEMBER_UNLISTED = problem(
    "member_unlisted",
    "数据包内的 {name} 不在清单中，已拒绝。请向制作方重新索取。",
    "{name} in the package is not in its manifest. Ask its maker for a sound one.",
)
MEMBER_MISSING = problem(
    "member_missing",
    "数据包缺少清单中的 {name}，已拒绝。请重新下载或拷贝。",
    "{name} is in the manifest but not in the package. Download or copy it again.",
)
MEMBER_CHANGED = problem(
    "member_changed",
    "数据包内的 {name} 已损坏或被改动过，已拒绝。请重新下载或拷贝。",
    "{name} in the package is damaged or was altered. Download or copy it again.",
)
MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.jws"
COPY_BYTES = 256 * 1024


def read_head(stream: BinaryIO, verify_keys: Mapping[str, Ed25519PublicKey]) -> tuple[Manifest, list[FrameEntry]]:
    """Check frame and signature; return the manifest and the members' places in its order."""
    entries = read_frame(stream)
    if [entry.name for entry in entries[:2]] != [MANIFEST_NAME, SIGNATURE_NAME]:
        raise ContainerRefused(NOT_A_CONTAINER)
    raw = _read_small(stream, entries[0], MAX_MANIFEST_BYTES)
    jws = _read_small(stream, entries[1], MAX_SIGNATURE_BYTES).decode("latin-1")
    signer = check_signature(raw, jws, verify_keys)
    manifest = read_manifest(raw)
    if manifest.made_by_key != signer:
        raise ContainerRefused(SIGNATURE_WRONG)
    _check_listing([member.file_name for member in manifest.members], [entry.name for entry in entries[2:]])
    return manifest, entries[2:]


def check_content(content: Range, member: MemberEntry) -> None:
    """Read what is left of a member and compare the whole with the manifest."""
    while content.read(COPY_BYTES):
        pass
    size, sha256, crc = content.tally.size, content.tally.sha256(), content.tally.crc
    if (size, sha256, crc) != (member.size, member.sha256, content.entry.crc):
        raise ContainerRefused(MEMBER_CHANGED, name=member.name)


def _check_listing(listed: Sequence[str], present: Sequence[str]) -> None:
    for name in sorted(set(present) - set(listed)):
        raise ContainerRefused(MEMBER_UNLISTED, name=name)
    for name in sorted(set(listed) - set(present)):
        raise ContainerRefused(MEMBER_MISSING, name=name)
    if list(listed) != list(present):
        raise ContainerRefused(MANIFEST_UNREADABLE, where="members")


def _read_small(stream: BinaryIO, entry: FrameEntry, limit: int) -> bytes:
    if entry.size > limit:
        raise ContainerRefused(MANIFEST_UNREADABLE, where=entry.name)
    stream.seek(entry.content_offset)
    content = stream.read(entry.size)
    if zlib.crc32(content) != entry.crc:
        raise ContainerRefused(FRAME_DAMAGED, offset=entry.content_offset)
    return content
