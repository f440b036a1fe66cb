"""The recovery code: what opens a station's backups on another machine.

The station keeps the public half of the backup identity and the identity locked under the code; the code is shown
once and lies in the envelope. The public half of the signing key is bound to the identity by a MAC, so that who has
the code also knows whose signature to believe.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from station.errors import Unsound, problem
from sync.codes import check_locked, make_code, wrap_identity
from sync.errors import SyncError
from sync.files import canonical_json, replace_file
from sync.keys import make_identity, read_recipient, recipient_of, verify_key_from_text, verify_key_to_text

RECOVERY_NAME = "recovery.json"
FORMAT = "exam-recovery/1"

RECOVERY_CODE_MISSING = problem(
    "recovery_code_missing",
    "本站还没有恢复码，不能自动备份。请运行一次 exam-station backup，并把显示的恢复码存入信封。",
    "The station has no recovery code yet. Run exam-station backup once and keep the code that it shows.",
)
RECOVERY_UNUSABLE = problem(
    "recovery_unusable",
    "恢复信息 {path} 已损坏或不属于这份备份。",
    "The recovery file {path} is damaged or belongs to another backup.",
)


@dataclass(frozen=True)
class Recovery:
    """What stands in `recovery.json`: nothing of it opens a backup without the code."""

    recipient: str
    verify_key: Ed25519PublicKey
    locked: bytes
    mac: str

    def to_bytes(self) -> bytes:
        document = {
            "format": FORMAT,
            "recipient": self.recipient,
            "verify_key": verify_key_to_text(self.verify_key),
            "locked": base64.b64encode(self.locked).decode("ascii"),
            "mac": self.mac,
        }
        return canonical_json(document)


def make_recovery(keys: Path, verify_key: Ed25519PublicKey) -> str:
    """Make a new backup identity, keep it locked beside the station's keys, and give its code, shown only now.

    Backups made before stay with the code of before.
    """
    identity, code = make_identity(), make_code()
    recovery = Recovery(
        recipient=recipient_of(identity),
        verify_key=verify_key,
        locked=wrap_identity(identity, code),
        mac=_mac(identity, verify_key),
    )
    replace_file(keys / RECOVERY_NAME, recovery.to_bytes())
    return code


def read_recovery(path: Path) -> Recovery:
    """Read `recovery.json` of a station's keys or of a backup; an absent one is refused as `recovery_code_missing`."""
    try:
        document = json.loads(path.read_bytes())
        recovery = Recovery(
            recipient=str(document["recipient"]),
            verify_key=verify_key_from_text(document["verify_key"]),
            locked=base64.b64decode(document["locked"], validate=True),
            mac=str(document["mac"]),
        )
        check_locked(recovery.locked)
        read_recipient(recovery.recipient)
    except FileNotFoundError:
        raise Unsound(RECOVERY_CODE_MISSING) from None
    except (OSError, ValueError, TypeError, KeyError, binascii.Error, SyncError):
        raise Unsound(RECOVERY_UNUSABLE, path=path) from None
    return recovery


def check_belongs(recovery: Recovery, identity: str, path: Path) -> None:
    """Refuse a recovery file whose public keys are not those of the identity that the code has opened."""
    is_own = hmac.compare_digest(recovery.mac, _mac(identity, recovery.verify_key))
    if not is_own or recipient_of(identity) != recovery.recipient:
        raise Unsound(RECOVERY_UNUSABLE, path=path)


def _mac(identity: str, verify_key: Ed25519PublicKey) -> str:
    text = f"exam-recovery verify key {verify_key_to_text(verify_key)}"
    return hmac.new(identity.strip().encode("ascii"), text.encode("ascii"), hashlib.sha256).hexdigest()
