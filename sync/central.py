"""Send packages to a central platform and get the receipt.

Every call ends as a value: `Sent`, `Transient` (try again later) or `Fatal` (a person must do something).
Nothing that goes wrong in the network raises. An upload goes on where it stopped: the caller stores the upload
address that `remember` gives it, and hands it in again at the next try.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from urllib.parse import quote

from sync.conversation import (
    NO_TUS,
    PACKAGE_UNREADABLE,
    RECEIPT_NOT_READY,
    REJECTED,
    Central,
    Conversation,
    Fatal,
    Outcome,
    Sent,
    Transient,
    failure_of,
    hold,
    retry_after,
)
from sync.errors import SyncError, TransferFailed
from sync.receipts import check_receipt
from sync.tus import Upload

__all__ = [
    "Central",
    "Fatal",
    "Outcome",
    "Sent",
    "Transient",
    "check_receipt",
    "fetch_receipt",
    "next_delay",
    "send_package",
]

FIRST_DELAY_S = 5.0
LONGEST_DELAY_S = 900.0


def send_package(
    central: Central,
    path: Path,
    *,
    package_id: str,
    upload_url: str | None = None,
    remember: Callable[[str | None], None] = lambda url: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Bring a package to the platform and its receipt back.

    Asks for the receipt first, so that a package whose receipt got lost is not sent twice. `remember` is called
    with the address of a new upload before the first byte goes out, and with None when the platform has
    forgotten it; `progress` with bytes sent and total.
    """
    try:
        sha256, size = _measure(path)
    except OSError as error:
        return Fatal(TransferFailed(PACKAGE_UNREADABLE, path=path, why=error.strerror))

    def converse(talk: Conversation) -> Outcome:
        known = _ask_receipt(talk, package_id, sha256)
        if known is not None:
            return known
        upload = Upload(talk, path, size, package_id, sha256, remember, progress)
        upload.send(upload_url)
        answer = _ask_receipt(talk, package_id, sha256)
        return answer or Transient(TransferFailed(RECEIPT_NOT_READY))

    return hold(central, converse)


def fetch_receipt(central: Central, *, package_id: str, package_sha256: str) -> Outcome:
    """Ask for the receipt again: for one that was not ready, or for the duty desk's confirmation."""

    def converse(talk: Conversation) -> Outcome:
        answer = _ask_receipt(talk, package_id, package_sha256)
        return answer or Fatal(TransferFailed(REJECTED, status=404, why=package_id))

    return hold(central, converse)


def next_delay(attempts: int, random: Random) -> float:
    """Return how many seconds to wait after so many failed attempts (1 or more).

    From 5 s doubling to 15 min; the upper half of each is random, so that a thousand rooms whose line failed
    together do not come back together.
    """
    longest: float = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(attempts, 16))
    return longest / 2 + random.random() * longest / 2


def _ask_receipt(talk: Conversation, package_id: str, sha256: str) -> Outcome | None:
    """Return the outcome that the platform's answer means; None if it has never had the package."""
    reply = talk.request("GET", talk.address(f"receipts/{quote(package_id, safe='')}"))
    if reply.status_code == 404:
        return None
    if reply.status_code == 202:
        return Transient(TransferFailed(RECEIPT_NOT_READY), retry_after(reply))
    if reply.status_code != 200:
        return failure_of(reply)
    try:
        jws = str(reply.json()["jws"])
        receipt = check_receipt(
            jws, platform_keys=talk.central.receipt_keys, package_sha256=sha256, package_id=package_id
        )
    except SyncError as refusal:
        return Fatal(refusal)
    except (ValueError, KeyError, TypeError):
        return Fatal(TransferFailed(NO_TUS, url=talk.central.url))
    return Sent(receipt, jws)


def _measure(path: Path) -> tuple[str, int]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
        return digest.hexdigest(), stream.tell()
