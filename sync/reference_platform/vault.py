"""The platform's own keys, made at its first start: signing, opening, the duty desk's code, the cookie secret."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.codes import make_code
from sync.keys import (
    load_identity,
    load_signing_key,
    make_identity,
    make_signing_key,
    recipient_of,
    save_identity,
    save_secret,
    save_signing_key,
    verify_key_to_text,
)


@dataclass(frozen=True)
class Vault:
    """The keys of one platform folder."""

    folder: Path
    signing_key: Ed25519PrivateKey
    identity: str
    desk_code: str
    cookie_secret: bytes

    @property
    def recipient(self) -> str:
        return recipient_of(self.identity)

    @property
    def verify_key(self) -> str:
        return verify_key_to_text(self.signing_key.public_key())


def open_vault(folder: Path) -> Vault:
    """Return the keys in `folder/keys`; those that are not there yet are made."""
    kept = folder / "keys"
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    signing, identity, desk, cookie = (
        kept / name for name in ("receipt-signing.pem", "package-identity.txt", "desk-code.txt", "cookie.key")
    )
    if not signing.exists():
        save_signing_key(make_signing_key(), signing)
    if not identity.exists():
        save_identity(make_identity(), identity)
    if not desk.exists():
        save_secret(make_code().encode("ascii"), desk)
    if not cookie.exists():
        save_secret(secrets.token_bytes(32), cookie)
    return Vault(
        folder,
        load_signing_key(signing),
        load_identity(identity),
        desk.read_text("ascii").strip(),
        cookie.read_bytes(),
    )
