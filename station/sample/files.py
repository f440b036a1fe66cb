"""Workbooks and ZIP files that come out byte for byte the same each time."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping

from openpyxl import Workbook

_MADE_ON = (2026, 1, 1, 0, 0, 0)
_STAMP = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(</dcterms:)")


def zip_bytes(members: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Pack `members` in their order, all with one fixed date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name, _MADE_ON)
            entry.compress_type = compression
            archive.writestr(entry, content)
    return buffer.getvalue()


def workbook_bytes(workbook: Workbook) -> bytes:
    """Save `workbook` without the moment of saving, which openpyxl writes into properties and ZIP entries."""
    buffer = io.BytesIO()
    workbook.save(buffer)
    with zipfile.ZipFile(buffer) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    core = "docProps/core.xml"
    members[core] = _STAMP.sub(rb"\g<1>2026-01-01T00:00:00Z\g<2>", members[core])
    return zip_bytes(members)
