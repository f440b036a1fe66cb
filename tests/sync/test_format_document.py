"""FORMAT.md says what the code does: its examples are read, its refusals exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import sync
from sync import errors, frame, manifest
from sync.codes import LETTERS, MAX_LOCKED_BYTES
from sync.files import canonical_json
from sync.keys import make_signing_key
from sync.receipts import Receipt, check_receipt, sign_receipt
from tests.sync.builders import Site

TEXT = (Path(sync.__file__).parent / "FORMAT.md").read_text("utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)\n```", TEXT, re.DOTALL)


def test_the_example_manifest_is_one() -> None:
    assert manifest.read_manifest(EXAMPLES[0].encode()).made_by == "site-1"


def test_the_signature_header_is_the_one_described(site: Site) -> None:
    jws = manifest.sign_manifest(b"{}", site.signing_key)
    header = json.loads(manifest.base64url_decode(jws.partition(".")[0]))
    assert canonical_json(header).decode() == EXAMPLES[1].replace("FINGERPRINT", site.fingerprint)


def test_the_example_receipt_is_one() -> None:
    document = json.loads(EXAMPLES[2])
    key = make_signing_key()
    receipt = Receipt(
        document["package_id"], document["package_sha256"], document["size"],
        manifest.clock.from_text(document["received_at"]), document["platform"],
    )  # fmt: skip
    jws = sign_receipt(receipt, key)
    assert canonical_json(document).decode() == EXAMPLES[2]
    assert json.loads(manifest.base64url_decode(jws.split(".")[1])) == document
    trusted = {manifest.fingerprint(key.public_key()): key.public_key()}
    how = {"package_sha256": receipt.package_sha256, "package_id": receipt.package_id}
    assert check_receipt(jws, platform_keys=trusted, **how).code == document["code"]


def test_every_refusal_it_lists_is_one_of_the_programs() -> None:
    listed = TEXT[TEXT.index("## 6.") : TEXT.index("## 7.")]
    named = {name for row in re.findall(r"^\| (`.*?) \|", listed, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named <= set(errors.CATALOGUE)
    assert len(named) == 19


def test_the_limits_it_names_are_the_programs() -> None:
    for number in (frame.MAX_CONTAINER_BYTES, frame.MAX_ENTRIES - 2):
        assert f"{number:,}".replace(",", " ") in TEXT
    assert str(MAX_LOCKED_BYTES) in TEXT
    assert LETTERS in TEXT
    assert (manifest.MAX_MANIFEST_BYTES, manifest.MAX_SIGNATURE_BYTES) == (8 * 1024**2, 4 * 1024)
