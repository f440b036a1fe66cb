"""ZIP files that come from outside: names in any encoding, nothing unpacked beyond its bounds, nothing to disk."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from station.errors import Invalid, problem
from station.importers.rejections import reject

NOT_ZIP = problem(
    "file_not_zip",
    "“{name}”不是完整的 ZIP 文件。请重新打包（ZIP 格式，不设密码）后重试。",
    "{name} is not a whole ZIP file. Pack it again as ZIP without a password.",
)
ZIP_TOO_LARGE = problem(
    "zip_too_large",
    "“{name}”解压后超过 {limit_mb} MB 或文件超过 {limit_count} 个，未导入。请分批打包。",
    "{name} unpacks to more than {limit_mb} MB or {limit_count} files. Pack it in parts.",
)
ENTRY_NAME_UNSAFE = problem(
    "entry_name_unsafe",
    "压缩包中的文件名不安全：“{name}”（含上级目录或绝对路径）。请重新打包。",
    "The archive holds an unsafe name: {name} (parent folder or absolute path). Pack it again.",
)
ENTRY_ENCRYPTED = problem(
    "entry_encrypted", "“{name}”设有密码，无法读取。请不设密码重新打包。", "{name} is protected by a password."
)
ENTRY_TOO_LARGE = problem(
    "entry_too_large", "“{name}”超过 {limit_mb} MB。请缩小后重试。", "{name} is larger than {limit_mb} MB."
)
ENTRY_DAMAGED = problem("entry_damaged", "“{name}”已损坏，无法解压。", "{name} is damaged and cannot be unpacked.")

_BY_SYSTEMS = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Entry:
    """One file of an archive; `name` is its decoded path with forward slashes."""

    name: str
    packed: zipfile.ZipInfo
    archive: zipfile.ZipFile

    @property
    def file_name(self) -> str:
        return PurePosixPath(self.name).name

    def read(self, limit: int) -> bytes:
        """Unpack one file; raise Invalid for one that is unsafe, encrypted, damaged or above `limit` bytes."""
        path = PurePosixPath(self.name)
        if path.is_absolute() or ".." in path.parts or ":" in self.name or "\x00" in self.name:
            raise Invalid(ENTRY_NAME_UNSAFE, name=self.name[:100])
        if self.packed.flag_bits & 1:
            raise Invalid(ENTRY_ENCRYPTED, name=self.name)
        if self.packed.file_size > limit:
            raise Invalid(ENTRY_TOO_LARGE, name=self.name, limit_mb=limit // 1024 // 1024)
        try:
            return self.archive.read(self.packed)
        except Exception as error:
            # zipfile lets zlib, lzma, EOF and its own errors through for damaged entries.
            raise Invalid(ENTRY_DAMAGED, name=self.name) from error


@contextmanager
def open_archive(path: Path, *, max_bytes: int, max_entries: int) -> Iterator[list[Entry]]:
    """Open a ZIP and list its files, what systems leave in archives apart; refuse one that unpacks too far."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise reject(NOT_ZIP, name=path.name) from error
    with archive:
        packed = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(packed) > max_entries or sum(entry.file_size for entry in packed) > max_bytes:
            limit_mb = max_bytes // 1024 // 1024
            raise reject(ZIP_TOO_LARGE, name=path.name, limit_mb=limit_mb, limit_count=max_entries)
        entries = [Entry(decoded_name(entry), entry, archive) for entry in packed]
        yield [entry for entry in entries if not set(PurePosixPath(entry.name).parts) & set(_BY_SYSTEMS)]


def decoded_name(entry: zipfile.ZipInfo) -> str:
    """Decode a name: Chinese Windows packs GBK without saying so, others UTF-8 without saying so."""
    if entry.flag_bits & 0x800:
        return entry.filename.replace("\\", "/")
    raw = entry.filename.encode("cp437", "replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding).replace("\\", "/")
        except UnicodeDecodeError:
            continue
    return entry.filename.replace("\\", "/")
