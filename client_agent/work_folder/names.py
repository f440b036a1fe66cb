"""Names of files: which are only temporary, and how a file here and its path at the station belong together."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from typing import Callable

# What programs lay beside a file while they work on it: never a candidate's work. Whole names, case aside.
TEMPORARY = (
    r"~\$.*",  # Office: who has the document open
    r".*\.tmp",  # Office (~WRL0001.tmp), Photoshop (~PST123.tmp), LibreOffice (lu123.tmp), many others
    r"\.~lock\..*#",  # LibreOffice, WPS
    r"photoshop temp\d*",  # scratch file
    r".*\.(crdownload|part|partial|download)",  # browsers
    r"\..*\.sw[a-z]",  # vim
    r"#.*#|\.#.*",  # Emacs
    r"\.goutputstream-.*",  # GNOME
    r".*\.kate-swp|.*\.qt_temp\..*|\.directory",  # KDE
    r".*\.(lck|idlk|laccdb|ldb|dwl2?|sv\$)",  # Dreamweaver, InDesign, Access, AutoCAD
    r"thumbs\.db|desktop\.ini|\.ds_store|\._.*",  # what systems lay into folders
    r"\.exam-part.*",  # the agent's own
)
# Excel writes to eight hexadecimal digits without a suffix, and renames.
TEMPORARY_AS_WRITTEN = (r"(?=.*[A-F])[0-9A-F]{8}",)
FOLDERS_PASSED_OVER = ("$recycle.bin", "system volume information", "__macosx", "lost+found")

_IS_TEMPORARY = re.compile("|".join(f"(?:{pattern})" for pattern in TEMPORARY), re.IGNORECASE | re.DOTALL)
_IS_TEMPORARY_AS_WRITTEN = re.compile("|".join(TEMPORARY_AS_WRITTEN))
_UNUSABLE = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f\ud800-\udfff]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)
LONGEST_PART = 200
LONGEST_PATH = 400
LONG_PATHS = "长路径"


def is_temporary(name: str) -> bool:
    """Say whether a file of this name is left out."""
    return bool(_IS_TEMPORARY.fullmatch(name) or _IS_TEMPORARY_AS_WRITTEN.fullmatch(name))


def is_passed_over(folder: str) -> bool:
    """Say whether a folder of this name is the system's and not the candidate's."""
    return folder.lower() in FOLDERS_PASSED_OVER


def station_path(local: str) -> str:
    """Write a path of this PC as the station takes it: `/`, NFC, only names that every Windows PC can hold.

    A name that had to be changed carries a digest of what it was, so that two never become one.
    """
    parts = [_usable(part) for part in local.replace(os.sep, "/").split("/")]
    path = "/".join(parts)
    if len(path) <= LONGEST_PATH:
        return path
    deep = f"{LONG_PATHS}~{_digest(local)}"
    return "/".join([parts[0][:80].rstrip(". "), deep, parts[-1]])


def local_path(path: str, fit_name: Callable[[str], str], is_taken: Callable[[str], bool]) -> str:
    """Choose where a station's path lies here. `is_taken`: another file lies there.

    Paths that differ in case only would be one file on Windows: the later gets a number.
    """
    found = os.path.join(*(fit_name(part) for part in path.split("/")))
    wanted, number = found, 1
    while is_taken(wanted):
        number += 1
        wanted = beside(found, f"（{number}）")
    return wanted


def beside(path: str, words: str) -> str:
    """Name a file that is to lie next to another: `海报.psd` → `海报（本机旧稿）.psd`."""
    folder, name = os.path.split(path)
    stem, suffix = os.path.splitext(name)
    return os.path.join(folder, stem + words + suffix)


def is_safe(path: str) -> bool:
    """Say whether a path from the station stays inside the folder and can be a file's."""
    return not any(part in ("", ".", "..") or _UNUSABLE.search(part) for part in path.split("/"))


def _usable(part: str) -> str:
    composed = unicodedata.normalize("NFC", part)
    usable = _UNUSABLE.sub("_", composed).strip(" ").rstrip(". ") or "_"
    stem, suffix = os.path.splitext(usable)
    if _RESERVED.fullmatch(usable.partition(".")[0].rstrip()):
        usable, stem = "_" + usable, "_" + stem
    if usable == composed and len(usable) <= LONGEST_PART:
        return usable
    suffix = suffix[:16]
    return f"{stem[: LONGEST_PART - len(suffix) - 7]}~{_digest(part)}{suffix}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:6]
