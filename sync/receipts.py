"""Receipts: what the central platform signs when a package has arrived whole, was opened and is kept."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sync import clock
from sync.errors import ContainerRefused, problem
from sync.files import canonical_json
from sync.keys import fingerprint

RECEIPT_UNSOUND = problem(
    "receipt_unsound",
    "回执不符合格式或签名不正确，不能作为凭据。请核对上级平台的地址和公钥。",
    "The receipt does not keep the format or its signature is wrong: it proves nothing. "
    "Check the address and the key of the central platform.",
)
RECEIPT_SIGNER_UNKNOWN = problem(
    "receipt_signer_unknown",
    "回执由未登记的密钥 {key} 签名。请核对上级平台的公钥。",
    "The receipt is signed with the unknown key {key}. Check the central platform's key.",
)
RECEIPT_FOR_ANOTHER = problem(
    "receipt_for_another",
    "回执属于另一个数据包（{package_id}），不能作为本数据包的凭据。",
    "The receipt is for another package ({package_id}) and proves nothing for this one.",
)

FORMAT = "exam-receipt/1"
RECEIPT_TYPE = "exam-receipt+jws"


@dataclass(frozen=True)
class Receipt:
    """That the platform holds a package; `confirmed_at` and `confirmed_by` once its duty desk has said so."""

    package_id: str
    package_sha256: str
    size: int
    received_at: datetime
    platform: str
    confirmed_at: datetime | None = None
    confirmed_by: str | None = None

    @property
    def code(self) -> str:
        """Return eight letters to be compared over the telephone; the same for every receipt of a package."""
        digest = hashlib.sha256(f"{self.package_id} {self.package_sha256}".encode("ascii")).digest()
        letters = base64.b32encode(digest).decode("ascii")[:8]
        return f"{letters[:4]}-{letters[4:]}"


def sign_receipt(receipt: Receipt, key: Ed25519PrivateKey) -> str:
    """Return the receipt as a compact JWS."""
    headers = {"kid": fingerprint(key.public_key()), "typ": RECEIPT_TYPE}
    return jwt.PyJWS(algorithms=["EdDSA"]).encode(
        canonical_json(_document(receipt)), key, algorithm="EdDSA", headers=headers
    )


def check_receipt(
    receipt_jws: str,
    *,
    platform_keys: Mapping[str, Ed25519PublicKey],
    package_sha256: str,
    package_id: str,
) -> Receipt:
    """Return the receipt if one of the platform's keys signed it for exactly this package; else refuse it."""
    jws = jwt.PyJWS(algorithms=["EdDSA"])
    try:
        header = jws.get_unverified_header(receipt_jws)
        signer = str(header.get("kid"))
        key = platform_keys.get(signer)
        if key is None or fingerprint(key) != signer:
            raise ContainerRefused(RECEIPT_SIGNER_UNKNOWN, key=ascii(signer)[:80])
        payload: bytes = jws.decode(receipt_jws, key, algorithms=["EdDSA"])
        if header.get("typ") != RECEIPT_TYPE:
            raise ContainerRefused(RECEIPT_UNSOUND)
        receipt = _receipt_of(json.loads(payload))
    except (jwt.InvalidTokenError, ValueError, TypeError, KeyError, RecursionError):
        raise ContainerRefused(RECEIPT_UNSOUND) from None
    if (receipt.package_id, receipt.package_sha256) != (package_id, package_sha256):
        raise ContainerRefused(RECEIPT_FOR_ANOTHER, package_id=receipt.package_id)
    return receipt


def _document(receipt: Receipt) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "package_id": receipt.package_id,
        "package_sha256": receipt.package_sha256,
        "size": receipt.size,
        "received_at": clock.to_text(receipt.received_at),
        "platform": receipt.platform,
        "confirmed_at": None if receipt.confirmed_at is None else clock.to_text(receipt.confirmed_at),
        "confirmed_by": receipt.confirmed_by,
        "code": receipt.code,
    }


def _receipt_of(document: dict[str, Any]) -> Receipt:
    confirmed_at = document["confirmed_at"]
    receipt = Receipt(
        package_id=str(document["package_id"]),
        package_sha256=str(document["package_sha256"]),
        size=int(document["size"]),
        received_at=clock.from_text(document["received_at"]),
        platform=str(document["platform"]),
        confirmed_at=None if confirmed_at is None else clock.from_text(confirmed_at),
        confirmed_by=document["confirmed_by"],
    )
    if document["format"] != FORMAT or _document(receipt) != document:
        raise ValueError("receipt")
    return receipt
