"""Single files encrypted to a recipient in the age format: written whole, and provable without any key.

pyrage reads and writes through Python file objects, so memory stays small whatever the size of a file. One core is
busy all the same: a server seals in a child process.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyrage

from sync.errors import ContainerRefused, problem
from sync.files import sync_folder
from sync.keys import read_identity, read_recipient
from sync.streams import Source, Tally

SEALED_FILE_UNREADABLE = problem(
    "sealed_file_unreadable",
    "文件 {name} 无法解密：已损坏，或不是用本站的密钥加密的。",
    "The file {name} cannot be decrypted: it is damaged, or encrypted to another key.",
)

COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Sealed:
    """An encrypted file: size and SHA-256 of the content, and of what lies on the disk."""

    size: int
    sha256: str
    sealed_size: int
    sealed_sha256: str


def seal_file(source: Path, target: Path, recipient: str) -> Sealed:
    """Encrypt a file to `target` in one step: temporary file, fsync, rename, fsync of the folder.

    After any error `target` is as it was before.
    """
    part = target.with_name(target.name + ".part")
    try:
        with source.open("rb") as plain, part.open("wb") as stream:
            content, sealed = Source(plain), Tally(stream)
            try:
                pyrage.encrypt_io(content, sealed, [read_recipient(recipient)])
            finally:
                content.raise_failure()
                sealed.raise_failure()
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
        sync_folder(target.parent)
    finally:
        part.unlink(missing_ok=True)
    return Sealed(content.tally.size, content.tally.sha256(), sealed.size, sealed.sha256())


def unseal_file(source: Path, target: Path, identity: str) -> tuple[int, str]:
    """Decrypt a file to `target`, flushed to the disk; gives size and SHA-256 of the content.

    What was written of a file that turns out damaged is removed.
    """
    try:
        with source.open("rb") as sealed, target.open("wb") as stream:
            content, plain = Source(sealed), Tally(stream)
            try:
                pyrage.decrypt_io(content, plain, [read_identity(identity)])
            except (pyrage.DecryptError, OSError):
                content.raise_failure()
                plain.raise_failure()
                raise ContainerRefused(SEALED_FILE_UNREADABLE, name=source.name) from None
            content.raise_failure()
            plain.raise_failure()
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return plain.size, plain.sha256()


def read_back(path: Path) -> tuple[int, str]:
    """Read a file from the disk and give its size and SHA-256.

    Where the system allows it (Linux), its copy in memory is dropped first, so that it is the disk that answers.
    """
    hashed, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        _forget_copy(stream)
        while chunk := stream.read(COPY_BYTES):
            hashed.update(chunk)
            size += len(chunk)
    return size, hashed.hexdigest()


def _forget_copy(stream: BinaryIO) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
