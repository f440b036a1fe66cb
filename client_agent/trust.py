"""Knowing the station again: its signing key, and the proof that who answers holds it (PROTOCOL.md)."""

from __future__ import annotations

import base64
import hashlib
import secrets
import sys
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from client_agent import __version__
from client_agent.errors import AgentError, problem

OTHER_STATION = problem(
    "other_station",
    "{address} 的考站（编号 {found}）不是本机已登记的那一台（编号 {wanted}）。"
    "确要更换时，请运行 exam-agent pair --forget。",
    "The station at {address} (fingerprint {found}) is not the one this PC was registered at ({wanted}). "
    "If it was changed on purpose: exam-agent pair --forget.",
)
NOT_PROVEN = problem(
    "not_proven",
    "{address} 不能证明自己是考站（签名不符）。请通知技术人员，并检查网络中是否有冒充的设备。",
    "{address} cannot prove that it is the station (its signature does not fit). Tell the technician; "
    "another device may pose as the station.",
)
PROTOCOL_UNKNOWN = problem(
    "protocol_unknown",
    "考站使用第 {theirs} 版协议，本程序只会第 {ours} 版。请安装考站提供的程序版本。",
    "The station speaks protocol {theirs}, this program only {ours}. Install the version that the station serves.",
)
CAPABILITY_MISSING = problem(
    "capability_missing",
    "考站要求本程序具备：{names}。请安装考站提供的版本 {version}。",
    "The station needs of this program: {names}. Install version {version}, which the station serves.",
)

PROTOCOL = 1
SYSTEM = "windows" if sys.platform == "win32" else "linux"
CAPABILITIES = ("beat", "orders", "lock", "work", "check", "picture", "open", "rehearse")
HELLO = "/api/agent/hello"
KEY_PREFIX = "ed25519:"


@dataclass(frozen=True)
class Hello:
    """What a station said of itself, with its key proven. `installer` is empty where the station has not signed it."""

    site: str
    public_key: str
    fingerprint: str
    wanted_version: str
    installer: Mapping[str, Any] | None
    pairing_open: bool

    @property
    def is_agent_old(self) -> bool:
        return bool(self.wanted_version) and _version(__version__) < _version(self.wanted_version)


def say_hello(ask: Callable[[Mapping[str, Any]], Mapping[str, Any]], *, address: str, public_key: str = "") -> Hello:
    """Greet who answers at `address` by `ask` and have it prove its key; with `public_key` it must be that one.

    Raises not_proven, other_station, protocol_unknown and capability_missing.
    """
    nonce = secrets.token_hex(16)
    answer = ask({"protocol": PROTOCOL, "nonce": nonce, "agent_version": __version__, "system": SYSTEM})
    if answer.get("protocol") != PROTOCOL:
        raise AgentError(PROTOCOL_UNKNOWN, theirs=answer.get("protocol"), ours=PROTOCOL)
    theirs = str(answer.get("public_key", ""))
    check_signature(theirs, f"exam-station hello\n{nonce}", str(answer.get("signature", "")), address=address)
    if public_key and theirs != public_key:
        raise AgentError(
            OTHER_STATION, address=address, found=fingerprint_of(theirs), wanted=fingerprint_of(public_key)
        )
    wanted_version = str(answer.get("wanted_agent_version") or "")
    needs = answer.get("needs")
    lacking = [str(name) for name in needs if name not in CAPABILITIES] if isinstance(needs, list) else []
    if lacking:
        raise AgentError(CAPABILITY_MISSING, names=", ".join(lacking), version=wanted_version)
    return Hello(
        site=str(answer.get("site", "")),
        public_key=theirs,
        fingerprint=fingerprint_of(theirs),
        wanted_version=wanted_version,
        installer=_installer(answer.get("installer"), theirs, nonce, address=address),
        pairing_open=answer.get("pairing_open") is True,
    )


def check_signature(public_key: str, text: str, signature: str, *, address: str) -> None:
    """Return if `signature` (hex) over `text` is by the key; raises not_proven."""
    # Imported here: it costs memory and a quarter of a second, and only a pairing or a new connection needs it.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(_raw_key(public_key))
        key.verify(bytes.fromhex(signature), text.encode("utf-8"))
    except (ValueError, InvalidSignature):
        raise AgentError(NOT_PROVEN, address=address) from None


def fingerprint_of(public_key: str) -> str:
    """Name a key as the station's own pages do: 160 bits of SHA-256 in base32, groups of four letters."""
    try:
        digest = hashlib.sha256(_raw_key(public_key)).digest()[:20]
    except ValueError:
        return "?"
    letters = base64.b32encode(digest).decode("ascii").lower()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def is_same_fingerprint(typed: str, public_key: str) -> bool:
    """Compare a fingerprint a technician typed, whole or its first groups (at least 12 letters)."""
    letters = "".join(character for character in typed.lower() if character.isalnum())
    return len(letters) >= 12 and fingerprint_of(public_key).replace("-", "").startswith(letters)


def _installer(told: object, public_key: str, nonce: str, *, address: str) -> Mapping[str, Any] | None:
    """Give what the station serves; an empty description for one that it has not signed.

    It will run as the system, and on plain http the network could name another. Beats go on all the same.
    """
    if not isinstance(told, dict):
        return None
    text = "\n".join(("exam-station installer", nonce, *(str(told.get(name)) for name in ("name", "size", "sha256"))))
    try:
        check_signature(public_key, text, str(told.get("signature", "")), address=address)
    except AgentError:
        return {}
    return told


def _raw_key(text: str) -> bytes:
    if not text.startswith(KEY_PREFIX):
        raise ValueError("not an Ed25519 key")
    letters = text[len(KEY_PREFIX) :].encode("ascii")
    return base64.urlsafe_b64decode(letters + b"=" * (-len(letters) % 4))


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in text.split("."))
