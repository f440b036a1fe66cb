"""Kinds of files that candidates hand in: what their first bytes must be, and what is never taken."""

from __future__ import annotations

import unicodedata

from station.errors import Invalid, problem

UPLOAD_KIND_WRONG = problem(
    "upload_kind_wrong",
    "“{name}”的格式不符，本题只接收：{extensions}。请另存为要求的格式后重新上传。",
    "{name!r} is not of a wanted kind: {extensions}. Save it in one of them and upload again.",
)
UPLOAD_CONTENT_WRONG = problem(
    "upload_content_wrong",
    "“{name}”的内容与扩展名不符，文件可能已损坏或只改了扩展名。请用原软件打开并另存后重新上传。",
    "The content of {name!r} is not what its extension says. Open it in its program, save it and upload again.",
)
UPLOAD_NAME_WRONG = problem(
    "upload_name_wrong",
    "文件名不能为空，不能超过 200 个字，也不能含有 / \\ 等符号。请改名后重新上传。",
    "A file name has 1 to 200 characters and no slashes. Rename the file and upload again.",
)

# How many of the first bytes `check_content` wants to see.
HEAD_BYTES = 4096

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)
_SIGNATURES: dict[str, tuple[bytes, ...]] = {
    **dict.fromkeys((".docx", ".xlsx", ".pptx", ".xlsm", ".odt", ".ods", ".odp", ".zip", ".vsdx", ".epub"), _ZIP),
    **dict.fromkeys((".doc", ".xls", ".ppt", ".et", ".wps", ".dps"), _OLE + _ZIP),
    ".pdf": (b"%PDF-",),
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"),
    ".bmp": (b"BM",),
    ".psd": (b"8BPS",),
    ".webp": (b"RIFF",),
    ".wav": (b"RIFF",),
    ".avi": (b"RIFF",),
    ".mp3": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    ".rar": (b"Rar!\x1a\x07",),
    ".7z": (b"7z\xbc\xaf\x27\x1c",),
    ".rtf": (b"{\\rtf",),
    ".swf": (b"FWS", b"CWS", b"ZWS"),
}
_TEXT = frozenset({".txt", ".csv", ".html", ".htm", ".css", ".js", ".json", ".xml", ".svg", ".py", ".md", ".sql"})
_MARKED = (b"\xff\xfe", b"\xfe\xff")
_EXECUTABLE = (
    b"MZ",
    b"\x7fELF",
    b"\xca\xfe\xba\xbe",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
)
_MEDIA_TYPES = {
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".psd": "image/vnd.adobe.photoshop",
    ".txt": "text/plain",
    ".csv": "text/csv",
}


def check_name(name: str, extensions: tuple[str, ...]) -> str:
    """Check a file's name against the wanted extensions (lower case, with dot) and give it back in NFC."""
    tidy = unicodedata.normalize("NFC", name).strip()
    if not 0 < len(tidy) <= 200 or any(sign in '/\\:*?"<>|' or ord(sign) < 32 or ord(sign) == 127 for sign in tidy):
        raise Invalid(UPLOAD_NAME_WRONG)
    if not tidy.lower().endswith(extensions):
        raise Invalid(UPLOAD_KIND_WRONG, name=tidy, extensions="、".join(extensions))
    return tidy


def check_content(name: str, head: bytes) -> None:
    """Refuse a file whose first bytes are not what its name says; programs are refused under any name."""
    extension = extension_of(name)
    wanted = _SIGNATURES.get(extension)
    if wanted is not None:
        fits = head.startswith(wanted)
    elif extension in _TEXT:
        fits = head.startswith(_MARKED) or b"\0" not in head
    else:
        fits = bool(head)
    if not fits or head.startswith(_EXECUTABLE):
        raise Invalid(UPLOAD_CONTENT_WRONG, name=name)


def media_type_of(name: str) -> str:
    """Give the media type of a kind, of an unknown one `application/octet-stream`."""
    return _MEDIA_TYPES.get(extension_of(name), "application/octet-stream")


def extension_of(name: str) -> str:
    """Give the extension in lower case with its dot; '' for none."""
    stem, dot, extension = name.rpartition(".")
    return f".{extension.lower()}" if dot and stem else ""
