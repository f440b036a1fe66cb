"""By what agents know the station: the fingerprint of its signing key, and signatures over what they ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.keys import fingerprint, verify_key_to_text


@dataclass(frozen=True)
class StationIdentity:
    """The public half of the station's signing key, and its signing."""

    fingerprint: str
    public_key: str
    _key: Ed25519PrivateKey

    @classmethod
    def of(cls, key: Ed25519PrivateKey) -> Self:
        public = key.public_key()
        return cls(fingerprint(public), verify_key_to_text(public), key)

    def sign(self, text: str) -> str:
        """Sign a text with Ed25519, in hexadecimal digits."""
        return self._key.sign(text.encode()).hex()
