"""Files that belong to a paper: what they are by their content, whatever their name says."""

from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO
from pathlib import PurePosixPath

from station.errors import Invalid, problem
from station.importers.pictures import MEDIA_TYPES, open_picture

ASSET_KIND_UNKNOWN = problem(
    "asset_kind_unknown",
    "附件“{name}”的格式不在允许之列。可用：{allowed}。",
    "The asset {name} is of a kind that is not allowed. Allowed: {allowed}.",
)
ASSET_CONTENT_DIFFERS = problem(
    "asset_content_differs",
    "附件“{name}”的内容不是 {wanted}。请检查文件是否损坏或改过扩展名。",
    "The content of the asset {name} is not {wanted}. Check whether it is damaged or renamed.",
)
ASSET_TOO_LARGE = problem(
    "asset_too_large", "附件“{name}”超过 {limit_mb} MB。", "The asset {name} is larger than {limit_mb} MB."
)

MAX_ASSET_BYTES = 20 * 1024 * 1024
_OFFICE = "application/vnd.openxmlformats-officedocument."
_BY_EXTENSION = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".docx": f"{_OFFICE}wordprocessingml.document",
    ".xlsx": f"{_OFFICE}spreadsheetml.sheet",
    ".pptx": f"{_OFFICE}presentationml.presentation",
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
}
_OFFICE_FOLDERS = {".docx": "word/", ".xlsx": "xl/", ".pptx": "ppt/"}
_SIGNATURES = {
    "application/pdf": (b"%PDF-",),
    "application/msword": (b"\xd0\xcf\x11\xe0",),
    "application/vnd.ms-excel": (b"\xd0\xcf\x11\xe0",),
    "application/vnd.ms-powerpoint": (b"\xd0\xcf\x11\xe0",),
    "audio/mpeg": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
}


def media_type_of(name: str, raw: bytes) -> str:
    """Tell a file's media type; refuse what is not allowed, too large, or not what its extension says.

    Pictures are unpacked whole, so that none can break a page later.
    """
    extension = PurePosixPath(name).suffix.lower()
    wanted = _BY_EXTENSION.get(extension)
    if wanted is None:
        raise Invalid(ASSET_KIND_UNKNOWN, name=name[:100], allowed=" ".join(sorted(_BY_EXTENSION)))
    if len(raw) > MAX_ASSET_BYTES:
        raise Invalid(ASSET_TOO_LARGE, name=name, limit_mb=MAX_ASSET_BYTES // 1024 // 1024)
    if not _is_what_it_says(name, extension, wanted, raw):
        raise Invalid(ASSET_CONTENT_DIFFERS, name=name, wanted=wanted)
    return wanted


def described(name: str, raw: bytes) -> dict[str, object]:
    """Describe a file as a paper's `assets` do."""
    return {"sha256": hashlib.sha256(raw).hexdigest(), "media_type": media_type_of(name, raw), "size": len(raw)}


def _is_what_it_says(name: str, extension: str, wanted: str, raw: bytes) -> bool:
    if wanted.startswith("image/"):
        return MEDIA_TYPES.get(open_picture(raw, name).format or "") == wanted
    if extension in _OFFICE_FOLDERS or extension == ".zip":
        return _is_archive_with(raw, _OFFICE_FOLDERS.get(extension, ""))
    if wanted.startswith("text/"):
        return _is_text(raw)
    if wanted == "video/mp4":
        return raw[4:8] == b"ftyp"
    return raw.startswith(_SIGNATURES[wanted])


def _is_archive_with(raw: bytes, folder: str) -> bool:
    try:
        with zipfile.ZipFile(BytesIO(raw)) as archive:
            return any(name.startswith(folder) for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def _is_text(raw: bytes) -> bool:
    for encoding in ("utf-8", "gb18030", "utf-16"):
        try:
            return "\x00" not in raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return False
