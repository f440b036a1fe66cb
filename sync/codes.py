"""Codes read out on the day, and identities that travel locked under them.

A locked identity is an age file with one scrypt recipient. pyrage picks the work factor itself, by the speed
of the machine that packs (measured here: 20, that is 5 s and 1 GiB of memory), so a fast centre would lock out
a slow room server. The file is therefore written here with a fixed factor; it is read back through pyrage, as
any age tool can, after a look at the factor that the file asks for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata

import pyrage
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sync.errors import KeyRefused, problem
from sync.keys import read_identity

CODE_WRONG = problem(
    "code_wrong",
    "启封码不正确。请对照通知逐组核对后重新输入。",
    "The code is not the right one. Compare it group by group with the notice and enter it again.",
)
CODE_MALFORMED = problem(
    "code_malformed",
    "启封码应为 16 位字母或数字（4 位一组）。",
    "A code has 16 letters or digits, in groups of four.",
)
LOCKED_IDENTITY_UNUSABLE = problem(
    "locked_identity_unusable",
    "加锁的密钥文件格式不正确或计算强度超过上限（2^{limit}）。请向上级平台重新索取。",
    "The locked key is malformed or asks for more work than allowed (2^{limit}). Ask the centre for it again.",
)

WORK_FACTOR = 16
MAX_LOCKED_BYTES = 4096
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LETTERS = 16

_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})
_LOCKED_HEADER = re.compile(
    rb"\Aage-encryption\.org/v1\n-> scrypt [A-Za-z0-9+/]{22} ([1-9][0-9]?)\n[A-Za-z0-9+/]{43}\n--- [A-Za-z0-9+/]{43}\n"
)


def make_code() -> str:
    """Make a code of 80 random bits to be read out and typed: `7K3Q-9XWM-…`."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(CODE_LETTERS))
    return "-".join(letters[at : at + 4] for at in range(0, CODE_LETTERS, 4))


def read_code(typed: str) -> str:
    """Return the code as its 16 letters.

    Case, blanks, dashes and full-width letters do not matter; O reads as 0, I and L as 1.
    """
    plain = unicodedata.normalize("NFKC", typed).upper().translate(_LOOKALIKES)
    letters = "".join(letter for letter in plain if not letter.isspace() and letter not in "-‐–—_")
    if len(letters) != CODE_LETTERS or any(letter not in LETTERS for letter in letters):
        raise KeyRefused(CODE_MALFORMED)
    return letters


def wrap_identity(identity: str, code: str) -> bytes:
    """Lock an identity under a code.

    Takes 64 MiB of memory and some tenths of a second, without holding the interpreter lock. Steps (age v1):
    1. a random file key is encrypted under scrypt(code, salt, 2^16);
    2. the header is authenticated with a key drawn from the file key;
    3. the identity, shorter than one chunk, is the only and last chunk of the payload.
    """
    read_identity(identity)
    file_key, salt, nonce = secrets.token_bytes(16), secrets.token_bytes(16), secrets.token_bytes(16)
    wrap_key = hashlib.scrypt(
        read_code(code).encode("ascii"),
        salt=b"age-encryption.org/v1/scrypt" + salt,
        n=2**WORK_FACTOR,
        r=8,
        p=1,
        maxmem=2 * 128 * 8 * 2**WORK_FACTOR,
        dklen=32,
    )
    wrapped = ChaCha20Poly1305(wrap_key).encrypt(bytes(12), file_key, None)
    header = b"age-encryption.org/v1\n-> scrypt %s %d\n%s\n---" % (_base64(salt), WORK_FACTOR, _base64(wrapped))
    mac = hmac.digest(_derive(file_key, b"", b"header"), header, "sha256")
    last_chunk = bytes(11) + b"\x01"
    payload = ChaCha20Poly1305(_derive(file_key, nonce, b"payload")).encrypt(
        last_chunk, identity.strip().encode("ascii"), None
    )
    return header + b" " + _base64(mac) + b"\n" + nonce + payload


def unwrap_identity(locked: bytes, code: str) -> str:
    """Unlock an identity with its code; a wrong code or a file that asks for too much work is refused.

    pyrage holds the interpreter lock while it works: a server calls `sync.child.unwrap_apart` instead.
    """
    check_locked(locked)
    try:
        identity: str = pyrage.passphrase.decrypt(locked, read_code(code)).decode("ascii")
    except (pyrage.DecryptError, UnicodeDecodeError):
        raise KeyRefused(CODE_WRONG) from None
    read_identity(identity)
    return identity


def check_locked(locked: bytes) -> None:
    """Raise unless the bytes are an age file for one code with a work factor of at most 16."""
    header = _LOCKED_HEADER.match(locked) if len(locked) <= MAX_LOCKED_BYTES else None
    if header is None or int(header[1]) > WORK_FACTOR:
        raise KeyRefused(LOCKED_IDENTITY_UNUSABLE, limit=WORK_FACTOR)


def _base64(raw: bytes) -> bytes:
    return base64.b64encode(raw).rstrip(b"=")


def _derive(file_key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, purpose).derive(file_key)
