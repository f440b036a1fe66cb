"""Builders for packages and platforms: what is not under test is filled in."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sync import keys
from sync.central import Central
from sync.container import Member, build_container
from sync.manifest import Manifest
from sync.reference_platform.serve import RunningPlatform

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@dataclass
class Site:
    """A station with keys, and a reader that it packs for."""

    folder: Path
    signing_key: keys.Ed25519PrivateKey = field(default_factory=keys.make_signing_key)
    identity: str = field(default_factory=keys.make_identity)

    @property
    def fingerprint(self) -> str:
        return keys.fingerprint(self.signing_key.public_key())

    @property
    def verify_keys(self) -> dict[str, keys.Ed25519PublicKey]:
        return {self.fingerprint: self.signing_key.public_key()}

    @property
    def recipient(self) -> str:
        return keys.recipient_of(self.identity)

    def pack(
        self,
        name: str = "package.exam",
        *,
        members: list[Member] | None = None,
        recipients: list[str] | None = None,
        kind: str = "result_package",
        id: str | None = None,
        number: int = 1,
        requires: tuple[str, ...] = (),
        labels: dict[str, object] | None = None,
    ) -> tuple[Path, Manifest]:
        path = self.folder / name
        manifest = build_container(
            path,
            kind=kind,
            id=id or str(uuid.uuid4()),
            number=number,
            labels={"room": "第一考场"} if labels is None else labels,
            members=[Member("result.json", b'{"sitting":{}}')] if members is None else members,
            recipients=[self.recipient] if recipients is None else recipients,
            signing_key=self.signing_key,
            made_at=AT,
            made_by="site-1",
            requires=requires,
        )
        return path, manifest


@dataclass
class Centre:
    """A running platform where the site is registered."""

    running: RunningPlatform
    token: str
    site: Site

    @property
    def vault(self):
        return self.running.platform.vault

    @property
    def central(self) -> Central:
        return central_of(self.running.url, self.token, self.vault.verify_key)

    def pack(self, name: str = "result.exam", **changes) -> tuple[Path, Manifest]:
        return self.site.pack(name, recipients=[self.vault.recipient], **changes)


def central_of(url: str, token: str, verify_key: str, chunk_bytes: int = 64 * 1024) -> Central:
    key = keys.verify_key_from_text(verify_key)
    return Central(url, token, {keys.fingerprint(key): key}, chunk_bytes=chunk_bytes, read_timeout_s=20)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
