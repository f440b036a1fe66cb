"""Build, check and open containers: exam packages down, result packages up. FORMAT.md is the specification.

Contents are streamed in both directions: pyrage reads and writes through Python file objects, so memory stays
at some megabytes whatever the size of a member, and other threads run between chunks of 64 KiB. One core is
busy all the same (about 250 MB/s): a server calls `sync.child.pack_apart` and `open_apart` instead.
"""

from __future__ import annotations

import io
import os
import shutil
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyrage
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sync import codes
from sync.checking import COPY_BYTES, MANIFEST_NAME, MEMBER_MISSING, SIGNATURE_NAME, check_content, read_head
from sync.errors import ContainerRefused, problem
from sync.files import sync_folder
from sync.frame import (
    CONTAINER_TOO_LARGE,
    MAX_CONTAINER_BYTES,
    FrameEntry,
    frame_end,
    local_header,
)
from sync.keys import fingerprint, read_identity, read_recipient, recipient_of
from sync.manifest import (
    MANIFEST_UNREADABLE,
    MAX_MANIFEST_BYTES,
    Manifest,
    MemberEntry,
    check_manifest,
    sign_manifest,
)
from sync.streams import Range, Source, Tally

MEMBER_PLAIN_SIZE_WRONG = problem(
    "member_plain_size_wrong",
    "{name} 解密后的大小与清单不符，已拒绝。请向制作方重新索取。",
    "{name} decrypts to another size than the manifest says. Ask its maker for a sound one.",
)
CAPABILITY_MISSING = problem(
    "capability_missing",
    "此数据包需要本程序不具备的功能：{names}。请先升级程序。",
    "This package needs capabilities that this program lacks: {names}. Upgrade it first.",
)
NOT_FOR_THIS_KEY = problem(
    "not_for_this_key",
    "此数据包不是发给本机密钥 {recipient} 的。请确认拿到的是本考点的数据包。",
    "Nothing in this package is encrypted to this key, {recipient}. Make sure that it is meant for this site.",
)
DECRYPTION_FAILED = problem(
    "decryption_failed",
    "{name} 无法解密。请向制作方重新索取数据包。",
    "{name} cannot be decrypted. Ask the package's maker for a sound one.",
)
DESTINATION_EXISTS = problem(
    "destination_exists",
    "目标文件夹 {path} 已存在。请换一个文件夹。",
    "The folder {path} exists already. Choose another one.",
)


@dataclass(frozen=True)
class Member:
    """One content to be packed.

    `recipients` replaces the container's recipients for this member. With `code_label` the source is an identity
    locked by `sync.codes.wrap_identity`; it is stored as it is, and the label says which code opens it.
    """

    name: str
    source: Path | bytes
    media_type: str = "application/octet-stream"
    recipients: tuple[str, ...] | None = None
    code_label: str | None = None


def build_container(
    path: Path,
    *,
    kind: str,
    id: str,
    number: int,
    labels: Mapping[str, Any],
    members: Sequence[Member],
    recipients: Sequence[str],
    signing_key: Ed25519PrivateKey,
    made_at: datetime,
    made_by: str,
    requires: Sequence[str] = (),
) -> Manifest:
    """Write a container to `path` in one step (temporary file, fsync, rename) and return its manifest.

    Needs free space for the members twice. After any error `path` is as it was before.
    """
    body = path.with_name(path.name + ".body.part")
    whole = path.with_name(path.name + ".part")
    try:
        with body.open("w+b") as body_stream:
            packed = [_pack_member(member, recipients, body_stream) for member in members]
            manifest = Manifest(
                kind=kind,
                id=id,
                number=number,
                made_at=made_at,
                made_by=made_by,
                made_by_key=fingerprint(signing_key.public_key()),
                labels=labels,
                requires=tuple(sorted(set(requires))),
                members=tuple(entry for entry, _ in packed),
            )
            check_manifest(manifest)
            body_stream.seek(0)
            with whole.open("wb") as whole_stream:
                _write_frame(whole_stream, manifest, signing_key, body_stream, [crc for _, crc in packed])
                whole_stream.flush()
                os.fsync(whole_stream.fileno())
        whole.replace(path)
        sync_folder(path.parent)
    finally:
        body.unlink(missing_ok=True)
        whole.unlink(missing_ok=True)
    return manifest


def verify_container(path: Path, verify_keys: Mapping[str, Ed25519PublicKey]) -> Manifest:
    """Check frame, signature and every member's hash; nothing is decrypted."""
    with path.open("rb") as stream:
        manifest, entries = read_head(stream, verify_keys)
        for member, entry in zip(manifest.members, entries, strict=True):
            check_content(Range(stream, entry), member)
    return manifest


def open_container(
    path: Path,
    *,
    verify_keys: Mapping[str, Ed25519PublicKey],
    identity: str,
    into: Path,
    capabilities: Collection[str] = (),
) -> Manifest:
    """Check the whole container and put the members meant for `identity` into the new folder `into`.

    The folder appears in one step and only if all is sound; of a refused container no plaintext is left.
    Members for others are checked and left closed.
    """
    if into.exists():
        raise ContainerRefused(DESTINATION_EXISTS, path=into)
    opening = into.with_name(into.name + ".opening")
    shutil.rmtree(opening, ignore_errors=True)
    try:
        with path.open("rb") as stream:
            manifest, entries = read_head(stream, verify_keys)
            _check_addressed(manifest, recipient_of(identity), capabilities)
            opening.mkdir(mode=0o700, parents=True)
            for member, entry in zip(manifest.members, entries, strict=True):
                _open_member(Range(stream, entry), member, identity, opening)
        opening.rename(into)
        sync_folder(into.parent)
    finally:
        shutil.rmtree(opening, ignore_errors=True)
    return manifest


def read_locked_identity(path: Path, verify_keys: Mapping[str, Ed25519PublicKey], code_label: str) -> bytes:
    """Return the identity that is locked under the code `code_label`; see `sync.codes.unwrap_identity`."""
    with path.open("rb") as stream:
        manifest, entries = read_head(stream, verify_keys)
        for member, entry in zip(manifest.members, entries, strict=True):
            if f"code:{code_label}" in member.recipients:
                check_content(Range(stream, entry), member)
                locked = Range(stream, entry).read(codes.MAX_LOCKED_BYTES + 1)
                codes.check_locked(locked)
                return locked
    raise ContainerRefused(MEMBER_MISSING, name=f"code:{code_label}")


def remove_unfinished(path: Path) -> None:
    """Remove what a job that was cut off has left beside its target: half a package, or opened plaintext."""
    for suffix in (".body.part", ".part"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.rmtree(path.with_name(path.name + ".opening"), ignore_errors=True)


def _pack_member(member: Member, recipients: Sequence[str], body: BinaryIO) -> tuple[MemberEntry, int]:
    sealed = Tally(body)
    if member.code_label is not None:
        locked = member.source if isinstance(member.source, bytes) else member.source.read_bytes()
        codes.check_locked(locked)
        sealed.write(locked)
        readers, plain_size = [f"code:{member.code_label}"], len(locked)
    else:
        readers = list(recipients if member.recipients is None else member.recipients)
        plain_size = _encrypt(member.source, sealed, readers)
    if body.tell() > MAX_CONTAINER_BYTES:
        raise ContainerRefused(CONTAINER_TOO_LARGE)
    entry = MemberEntry(member.name, sealed.size, sealed.sha256(), plain_size, member.media_type, tuple(readers))
    return entry, sealed.crc


def _encrypt(source: Path | bytes, sealed: Tally, readers: Sequence[str]) -> int:
    """Encrypt a content into `sealed` and return how many bytes it had."""
    keys = [read_recipient(reader) for reader in readers]
    if not keys:
        raise ContainerRefused(MANIFEST_UNREADABLE, where="for")
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        content = Source(stream)
        try:
            pyrage.encrypt_io(content, sealed, keys)
        finally:
            content.raise_failure()
            sealed.raise_failure()
    return content.tally.size


def _write_frame(
    stream: BinaryIO, manifest: Manifest, key: Ed25519PrivateKey, body: BinaryIO, crcs: Sequence[int]
) -> None:
    raw = manifest.to_bytes()
    signature = sign_manifest(raw, key).encode("ascii")
    if len(raw) > MAX_MANIFEST_BYTES:
        raise ContainerRefused(MANIFEST_UNREADABLE, where=MANIFEST_NAME)
    entries = []
    for name, content in ((MANIFEST_NAME, raw), (SIGNATURE_NAME, signature)):
        entries.append(FrameEntry(name, stream.tell(), len(content), zlib.crc32(content)))
        stream.write(local_header(name, len(content), zlib.crc32(content)) + content)
    for member, crc in zip(manifest.members, crcs, strict=True):
        entries.append(FrameEntry(member.file_name, stream.tell(), member.size, crc))
        stream.write(local_header(member.file_name, member.size, crc))
        left = member.size
        while left:
            left -= stream.write(body.read(min(COPY_BYTES, left)))
    if stream.tell() <= MAX_CONTAINER_BYTES:  # beyond it the end's fields overflow
        stream.write(frame_end(entries))
    if stream.tell() > MAX_CONTAINER_BYTES:
        raise ContainerRefused(CONTAINER_TOO_LARGE)


def _check_addressed(manifest: Manifest, recipient: str, capabilities: Collection[str]) -> None:
    lacking = sorted(set(manifest.requires) - set(capabilities))
    if lacking:
        raise ContainerRefused(CAPABILITY_MISSING, names=", ".join(lacking))
    if not any(recipient in member.recipients for member in manifest.members):
        raise ContainerRefused(NOT_FOR_THIS_KEY, recipient=recipient)


def _open_member(content: Range, member: MemberEntry, identity: str, folder: Path) -> None:
    if recipient_of(identity) not in member.recipients:
        check_content(content, member)
        return
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as stream:
        plain = Tally(stream)
        failed = False
        try:
            pyrage.decrypt_io(content, plain, [read_identity(identity)])
        except (pyrage.DecryptError, OSError):
            content.raise_failure()
            failed = True
        plain.raise_failure()
        check_content(content, member)
    if failed:
        raise ContainerRefused(DECRYPTION_FAILED, name=member.name)
    if plain.size != member.plain_size:
        raise ContainerRefused(MEMBER_PLAIN_SIZE_WRONG, name=member.name)
