"""Receipts prove something only for the package they name, signed by a key that is trusted."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import jwt
import pytest

from sync import keys
from sync.central import check_receipt
from sync.errors import ContainerRefused
from sync.files import canonical_json
from sync.receipts import Receipt, sign_receipt
from tests.sync.builders import AT

KEY = keys.make_signing_key()
FINGERPRINT = keys.fingerprint(KEY.public_key())
TRUSTED = {FINGERPRINT: KEY.public_key()}
RECEIPT = Receipt("6f9619ff-8b86-4d01-b42d-00c04fc964ff", "ab" * 32, 12345, AT, "上级平台")


def checked(jws: str, **changes):
    how = {
        "platform_keys": TRUSTED,
        "package_sha256": RECEIPT.package_sha256,
        "package_id": RECEIPT.package_id,
        **changes,
    }
    return check_receipt(jws, **how)


def test_a_receipt_comes_back_as_it_was_signed() -> None:
    assert checked(sign_receipt(RECEIPT, KEY)) == RECEIPT
    confirmed = replace(RECEIPT, confirmed_at=AT, confirmed_by="值班员")
    assert checked(sign_receipt(confirmed, KEY)) == confirmed


def test_the_short_code_is_the_packages_own_and_survives_the_confirmation() -> None:
    assert replace(RECEIPT, confirmed_at=AT, confirmed_by="值班员").code == RECEIPT.code
    assert replace(RECEIPT, package_sha256="cd" * 32).code != RECEIPT.code
    assert len(RECEIPT.code) == 9


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"package_id": "0f9619ff-8b86-4d01-b42d-00c04fc964ff"}, "receipt_for_another"),
        ({"package_sha256": "cd" * 32}, "receipt_for_another"),
        ({"platform_keys": {}}, "receipt_signer_unknown"),
        ({"platform_keys": {FINGERPRINT: keys.make_signing_key().public_key()}}, "receipt_signer_unknown"),
    ],
)
def test_a_receipt_for_another_package_or_of_an_unknown_key_is_refused(changes: dict, code: str) -> None:
    with pytest.raises(ContainerRefused) as refusal:
        checked(sign_receipt(RECEIPT, KEY), **changes)
    assert refusal.value.code == code


def forged() -> dict[str, str]:
    sound = sign_receipt(RECEIPT, KEY)
    header, payload, signature = sound.split(".")
    other = json.loads(base64.urlsafe_b64decode(payload + "=="))
    other["package_sha256"] = "ab" * 32
    other["size"] = 1
    changed = base64.urlsafe_b64encode(canonical_json(other)).decode().rstrip("=")
    none = base64.urlsafe_b64encode(canonical_json({"alg": "none", "kid": FINGERPRINT})).decode().rstrip("=")
    headers = {"kid": FINGERPRINT, "typ": "exam-receipt+jws"}
    confused = jwt.PyJWS().encode(b"{}", "a" * 32, algorithm="HS256", headers=headers)
    as_manifest = {"kid": FINGERPRINT, "typ": "exam-container+jws"}
    document = base64.urlsafe_b64decode(payload + "==")
    return {
        "nothing": "",
        "letters": "abc",
        "changed payload": f"{header}.{changed}.{signature}",
        "no signature": f"{header}.{payload}.",
        "alg none": f"{none}.{payload}.",
        "another algorithm": confused,
        "another purpose": jwt.PyJWS().encode(document, KEY, algorithm="EdDSA", headers=as_manifest),
        "not a receipt": jwt.PyJWS().encode(b"[]", KEY, algorithm="EdDSA", headers=headers),
        "fields missing": jwt.PyJWS().encode(b"{}", KEY, algorithm="EdDSA", headers=headers),
        "another format": jwt.PyJWS().encode(
            document.replace(b"exam-receipt/1", b"exam-receipt/2"), KEY, algorithm="EdDSA", headers=headers
        ),
    }


@pytest.mark.parametrize("name", forged())
def test_a_forged_receipt_is_refused(name: str) -> None:
    with pytest.raises(ContainerRefused) as refusal:
        checked(forged()[name])
    assert refusal.value.code in ("receipt_unsound", "receipt_signer_unknown")
