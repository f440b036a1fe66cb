"""The sample's practical paper: `practical_items.json` made into paper.json, keys.json and assets in a ZIP."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Font

from station.domain.paper import canonical_bytes, paper_sha256
from station.sample.drawings import draw_bars
from station.sample.files import workbook_bytes, zip_bytes

_MEDIA_TYPES = {
    "txt": "text/plain",
    "png": "image/png",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@cache
def practical_source() -> Mapping[str, Any]:
    """Read the practical paper's source: `paper` without assets, `keys`, and what the `materials` hold."""
    text = files("station.sample").joinpath("practical_items.json").read_text(encoding="utf-8")
    source: Mapping[str, Any] = json.loads(text)
    return source


def practical_assets() -> dict[str, bytes]:
    """Make the materials and pictures of the practical paper."""
    return {name: _material(content) for name, content in practical_source()["materials"].items()}


def practical_documents(assets: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make paper.json and the keys.json that belongs to just that paper."""
    source = practical_source()
    paper = {**source["paper"], "assets": {name: _described(name, content) for name, content in assets.items()}}
    keys = {
        "format": "exam-keys/1",
        "paper_code": paper["code"],
        "paper_sha256": paper_sha256(paper),
        "keys": source["keys"],
    }
    return paper, keys


def practical_archive() -> bytes:
    """Write the practical paper as a ZIP of paper.json, keys.json and assets/."""
    assets = practical_assets()
    paper, keys = practical_documents(assets)
    members = {"paper.json": canonical_bytes(paper), "keys.json": canonical_bytes(keys)}
    return zip_bytes(members | {f"assets/{name}": content for name, content in assets.items()})


def _material(content: Mapping[str, Any]) -> bytes:
    if "lines" in content:
        # Notepad on Windows 7 needs the mark and the line ends to show Chinese text as it is.
        return "\r\n".join(content["lines"]).encode("utf-8-sig")
    if "bars" in content:
        return draw_bars(content["bars"])
    return _workbook(content["sheets"])


def _workbook(sheets: list[Mapping[str, Any]]) -> bytes:
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for content in sheets:
        sheet = workbook.create_sheet(content["title"])
        for row in content["rows"]:
            sheet.append(row)
        for cell in sheet[1]:
            cell.font = Font(bold=True)
            sheet.column_dimensions[cell.column_letter].width = 24 if cell.column == 1 else 18
        sheet.freeze_panes = "A2"
    return workbook_bytes(workbook)


def _described(name: str, content: bytes) -> dict[str, object]:
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "media_type": _MEDIA_TYPES[name.rpartition(".")[2]],
        "size": len(content),
    }
