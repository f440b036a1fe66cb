"""The manifest of a container: what is in it, for whom, made by whom; and its signature. See FORMAT.md §3, §4."""

from __future__ import annotations

import binascii
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.utils import base64url_decode, base64url_encode

from sync import clock
from sync.errors import ContainerRefused, problem
from sync.files import canonical_json
from sync.frame import MAX_CONTAINER_BYTES, MAX_ENTRIES, check_member_name
from sync.keys import fingerprint

MANIFEST_UNREADABLE = problem(
    "manifest_unreadable",
    "数据包清单不符合格式（{where}）。请向制作方重新索取。",
    "The package's manifest does not keep the format ({where}). Ask its maker for a sound one.",
)
FORMAT_UNKNOWN = problem(
    "format_unknown",
    "数据包格式为 {format}，本程序只能处理 {known}。请升级程序。",
    "The package has the format {format}; this program knows {known}. Upgrade the program.",
)
SIGNER_UNKNOWN = problem(
    "signer_unknown",
    "数据包由未登记的密钥 {key} 签名，已拒绝。请先核对并登记该密钥。",
    "The package is signed with the unknown key {key}. Check and register that key first.",
)
SIGNATURE_WRONG = problem(
    "signature_wrong",
    "数据包的签名不正确，内容可能被改动过，已拒绝。请重新下载或拷贝。",
    "The package's signature is wrong: it may have been altered. Download or copy it again.",
)

FORMAT = "exam-container/1"
KINDS = ("result_package", "exam_package")
SIGNATURE_TYPE = "exam-container+jws"
MAX_MANIFEST_BYTES = 8 * 1024 * 1024
MAX_SIGNATURE_BYTES = 4096

_NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]{1,100}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RECIPIENT = re.compile(r"age1[a-z0-9]{10,4000}|code:[A-Za-z0-9_-]{1,64}")
_FIELDS = {"format", "kind", "id", "number", "made_at", "made_by", "labels", "requires", "members"}
_MEMBER_FIELDS = {"name", "size", "sha256", "plain_size", "media_type", "for"}


@dataclass(frozen=True)
class MemberEntry:
    """One encrypted member: `size` and `sha256` are the ciphertext's, `plain_size` the content's."""

    name: str
    size: int
    sha256: str
    plain_size: int
    media_type: str
    recipients: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """Return the member's name in the ZIP."""
        return self.name + ".age"


@dataclass(frozen=True)
class Manifest:
    """What a container says of itself; `made_by_key` is the fingerprint of the key that signs it."""

    kind: str
    id: str
    number: int
    made_at: datetime
    made_by: str
    made_by_key: str
    labels: Mapping[str, Any] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    members: tuple[MemberEntry, ...] = ()

    def to_document(self) -> dict[str, Any]:
        """Return the manifest as it stands in `manifest.json`."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "id": self.id,
            "number": self.number,
            "made_at": clock.to_text(self.made_at),
            "made_by": {"id": self.made_by, "key": self.made_by_key},
            "labels": dict(self.labels),
            "requires": list(self.requires),
            "members": [_member_document(member) for member in self.members],
        }

    def to_bytes(self) -> bytes:
        """Return the canonical bytes, which are signed."""
        return canonical_json(self.to_document())


def read_manifest(raw: bytes) -> Manifest:
    """Parse a manifest; anything but the canonical bytes of a complete and sound one is refused."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise _unreadable("JSON") from None
    if not isinstance(document, dict):
        raise _unreadable("JSON")
    if document.get("format") != FORMAT:
        raise ContainerRefused(FORMAT_UNKNOWN, format=ascii(document.get("format"))[:80], known=FORMAT)
    if set(document) != _FIELDS:
        raise _unreadable(", ".join(sorted(set(document) ^ _FIELDS)[:5]))
    manifest = _manifest_of(document)
    check_manifest(manifest)
    try:
        canonical = manifest.to_bytes()
    except ValueError:  # half a surrogate pair
        raise _unreadable("labels") from None
    _require(canonical == raw, "canonical JSON")
    return manifest


def check_manifest(manifest: Manifest) -> None:
    """Raise unless every value is within its bounds; used by maker and reader alike."""
    _require(manifest.kind in KINDS, "kind")
    _require(_is_uuid(manifest.id), "id")
    _require(_is_count(manifest.number, 1, 9999), "number")
    _require(_matches(_NAMES, manifest.made_by), "made_by")
    _require(_matches(_NAMES, manifest.made_by_key), "made_by")
    _require(isinstance(manifest.labels, Mapping) and _is_plain(manifest.labels, depth=4), "labels")
    _require(len(manifest.requires) <= 100, "requires")
    _require(all(_matches(_NAMES, name) for name in manifest.requires), "requires")
    _require(list(manifest.requires) == sorted(set(manifest.requires)), "requires")
    _require(1 <= len(manifest.members) <= MAX_ENTRIES - 2, "members")
    for member in manifest.members:
        _check_member(member)
    _check_names({member.name.lower() for member in manifest.members}, len(manifest.members))


def sign_manifest(raw: bytes, key: Ed25519PrivateKey) -> str:
    """Return the detached JWS (RFC 7515, RFC 7797) over the manifest's bytes."""
    return jwt.PyJWS(algorithms=["EdDSA"]).encode(
        raw, key, algorithm="EdDSA", is_payload_detached=True, headers=_protected(fingerprint(key.public_key()))
    )


def check_signature(raw: bytes, jws: str, verify_keys: Mapping[str, Ed25519PublicKey]) -> str:
    """Return the fingerprint of the key that signed; an unknown key or wrong signature is refused.

    Only one spelling of the JWS is taken: the header as this format writes it, base64url without spare bits.
    """
    signer = _signer(jws)
    key = verify_keys.get(signer)
    if key is None or fingerprint(key) != signer:
        raise ContainerRefused(SIGNER_UNKNOWN, key=signer)
    try:
        decoded = jwt.PyJWS(algorithms=["EdDSA"]).decode_complete(jws, key, algorithms=["EdDSA"], detached_payload=raw)
    except jwt.InvalidTokenError:
        raise ContainerRefused(SIGNATURE_WRONG) from None
    header = {"alg": "EdDSA", "b64": False, "crit": ["b64"], **_protected(signer)}
    exact = base64url_encode(canonical_json(header)) + b".." + base64url_encode(decoded["signature"])
    if exact.decode("ascii") != jws:
        raise ContainerRefused(SIGNATURE_WRONG)
    return signer


def _protected(signer: str) -> dict[str, str]:
    return {"kid": signer, "typ": SIGNATURE_TYPE}


def _signer(jws: str) -> str:
    try:
        header = json.loads(base64url_decode(jws.partition(".")[0]))
        signer = header["kid"]
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        raise ContainerRefused(SIGNATURE_WRONG) from None
    if not isinstance(signer, str) or not _NAMES.fullmatch(signer):
        raise ContainerRefused(SIGNATURE_WRONG)
    return signer


def _manifest_of(document: dict[str, Any]) -> Manifest:
    try:
        return Manifest(
            kind=document["kind"],
            id=document["id"],
            number=document["number"],
            made_at=clock.from_text(document["made_at"]),
            made_by=document["made_by"]["id"],
            made_by_key=document["made_by"]["key"],
            labels=document["labels"],
            requires=tuple(document["requires"]),
            members=tuple(_member_of(member) for member in document["members"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(ascii(str(error))[:80]) from None


def _member_of(document: dict[str, Any]) -> MemberEntry:
    if set(document) != _MEMBER_FIELDS:
        raise _unreadable("members")
    return MemberEntry(
        name=document["name"],
        size=document["size"],
        sha256=document["sha256"],
        plain_size=document["plain_size"],
        media_type=document["media_type"],
        recipients=tuple(document["for"]),
    )


def _member_document(member: MemberEntry) -> dict[str, Any]:
    return {
        "name": member.name,
        "size": member.size,
        "sha256": member.sha256,
        "plain_size": member.plain_size,
        "media_type": member.media_type,
        "for": list(member.recipients),
    }


def _check_member(member: MemberEntry) -> None:
    _require(isinstance(member.name, str), "name")
    check_member_name(member.file_name)
    _require(_is_count(member.size, 1, MAX_CONTAINER_BYTES), f"{member.name}: size")
    _require(_is_count(member.plain_size, 0, member.size), f"{member.name}: plain_size")
    _require(_matches(_SHA256, member.sha256), f"{member.name}: sha256")
    _require(_matches(_MEDIA_TYPE, member.media_type), f"{member.name}: media_type")
    _require(1 <= len(member.recipients) <= 20, f"{member.name}: for")
    _require(all(_matches(_RECIPIENT, name) for name in member.recipients), f"{member.name}: for")


def _check_names(names: set[str], count: int) -> None:
    """Raise if two members, or a member and a folder of another, would fall on one path."""
    folders = {name[:at] for name in names for at, letter in enumerate(name) if letter == "/"}
    _require(len(names) == count and not names & folders, "members")


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_count(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _is_plain(value: object, depth: int) -> bool:
    """Say whether a label is built of objects, lists, texts, whole numbers, true, false and null only."""
    if isinstance(value, Mapping):
        return depth > 0 and all(isinstance(k, str) and _is_plain(v, depth - 1) for k, v in value.items())
    if isinstance(value, list | tuple):
        return depth > 0 and all(_is_plain(entry, depth - 1) for entry in value)
    return value is None or isinstance(value, str | bool | int)


def _require(holds: bool, where: str) -> None:
    if not holds:
        raise _unreadable(where)


def _unreadable(where: str) -> ContainerRefused:
    return ContainerRefused(MANIFEST_UNREADABLE, where=where)
