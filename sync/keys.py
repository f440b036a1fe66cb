"""Signing keys (Ed25519) and age identities (X25519): making, naming, keeping.

A key file is written once, never replaced, readable by its owner only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path

import pyrage
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sync.errors import KeyRefused, problem
from sync.files import sync_folder

KEY_FILE_EXISTS = problem(
    "key_file_exists",
    "密钥文件 {path} 已存在，不会覆盖。请换一个文件名，或先把旧文件移走保存。",
    "The key file {path} exists and is not replaced. Choose another name, or put the old file away first.",
)
KEY_FILE_UNUSABLE = problem(
    "key_file_unusable",
    "密钥文件 {path} 无法使用：{why}。",
    "The key file {path} cannot be used: {why}.",
)
KEY_TEXT_UNUSABLE = problem(
    "key_text_unusable",
    "“{text}”不是有效的公钥。请完整复制对方给出的公钥。",
    "{text!r} is not a usable public key. Copy the whole key as the other side shows it.",
)

VERIFY_KEY_PREFIX = "ed25519:"


def make_signing_key() -> Ed25519PrivateKey:
    """Make a new key to sign packages or receipts with."""
    return Ed25519PrivateKey.generate()


def make_identity() -> str:
    """Make a new age identity, `AGE-SECRET-KEY-1…`."""
    return str(pyrage.x25519.Identity.generate())


def recipient_of(identity: str) -> str:
    """Return the public half, `age1…`, of an identity."""
    return str(read_identity(identity).to_public())


def read_identity(identity: str) -> pyrage.x25519.Identity:
    """Parse an identity; anything else is refused without repeating the secret."""
    try:
        return pyrage.x25519.Identity.from_str(identity.strip())
    except (pyrage.IdentityError, ValueError):
        raise KeyRefused(KEY_TEXT_UNUSABLE, text="AGE-SECRET-KEY-1…") from None


def read_recipient(recipient: str) -> pyrage.x25519.Recipient:
    """Parse an `age1…` recipient."""
    try:
        return pyrage.x25519.Recipient.from_str(recipient.strip())
    except (pyrage.RecipientError, ValueError):
        raise KeyRefused(KEY_TEXT_UNUSABLE, text=recipient) from None


def fingerprint(key: Ed25519PublicKey) -> str:
    """Name a public key: 160 bits of its SHA-256 in base32, eight groups of four letters."""
    digest = hashlib.sha256(key.public_bytes_raw()).digest()[:20]
    letters = base64.b32encode(digest).decode("ascii").lower()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def verify_key_to_text(key: Ed25519PublicKey) -> str:
    """Write a public key on one line, `ed25519:<base64url>`, to be copied between stations and centre."""
    raw = base64.urlsafe_b64encode(key.public_bytes_raw()).decode("ascii")
    return VERIFY_KEY_PREFIX + raw.rstrip("=")


def verify_key_from_text(text: str) -> Ed25519PublicKey:
    """Read a public key written by `verify_key_to_text`."""
    text = text.strip()
    try:
        raw = base64.b64decode(text.removeprefix(VERIFY_KEY_PREFIX) + "=", altchars=b"-_", validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw)
    except (binascii.Error, ValueError):
        raise KeyRefused(KEY_TEXT_UNUSABLE, text=text) from None
    if verify_key_to_text(key) != text:
        raise KeyRefused(KEY_TEXT_UNUSABLE, text=text)
    return key


def save_signing_key(key: Ed25519PrivateKey, path: Path) -> None:
    """Write a signing key as PKCS #8 PEM, owner-readable; an existing file is refused, not replaced."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    save_secret(pem, path)


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read a signing key written by `save_signing_key`."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeyRefused(KEY_FILE_UNUSABLE, path=path, why=error.strerror) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyRefused(KEY_FILE_UNUSABLE, path=path, why="PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefused(KEY_FILE_UNUSABLE, path=path, why="Ed25519")
    return key


def save_identity(identity: str, path: Path) -> None:
    """Write an identity in the form that `age --identity` reads."""
    save_secret(f"# public key: {recipient_of(identity)}\n{identity}\n".encode("ascii"), path)


def load_identity(path: Path) -> str:
    """Read the first identity of an age identity file."""
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError as error:
        raise KeyRefused(KEY_FILE_UNUSABLE, path=path, why=error.strerror) from error
    except UnicodeDecodeError as error:
        raise KeyRefused(KEY_FILE_UNUSABLE, path=path, why="ASCII") from error
    for line in lines:
        if line.startswith("AGE-SECRET-KEY-1"):
            read_identity(line)
            return line.strip()
    raise KeyRefused(KEY_FILE_UNUSABLE, path=path, why="AGE-SECRET-KEY-1…")


def save_secret(content: bytes, path: Path) -> None:
    """Write a secret to a new file of mode 0600 and to the disk itself."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError as error:
        raise KeyRefused(KEY_FILE_EXISTS, path=path) from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(path.parent)
