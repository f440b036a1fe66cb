"""Random tokens of log-ins, workstations and devices: only their digest is kept."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """Make a token of 256 random bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Digest a random token for keeping; tokens have 256 bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
