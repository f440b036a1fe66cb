"""The sample's theory paper: `theory_items.toml` written as the Excel question sheets in common use."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from openpyxl import Workbook
from openpyxl.drawing.image import Image
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from station.sample.drawings import draw_bars, draw_funnel
from station.sample.files import workbook_bytes

SHEETS = {
    "single": "单选题",
    "multiple": "多选题",
    "true_false": "判断题",
    "fill_in": "填空题",
    "short_answer": "简答题",
}
_DRAW = {"bars": draw_bars, "funnel": draw_funnel}
_WITH_OPTIONS = frozenset({"single", "multiple"})
_WIDTHS = {"题干": 60, "答案": 24, "解析": 40, "图片": 48}


@cache
def theory_source() -> Mapping[str, Any]:
    """Read the theory paper's source: code, title, a list of items under each kind, pictures."""
    return tomllib.loads(files("station.sample").joinpath("theory_items.toml").read_text(encoding="utf-8"))


def theory_workbook() -> bytes:
    """Write the theory paper as a workbook with one sheet a kind."""
    source = theory_source()
    pictures = {name: _DRAW[how["kind"]](how["values"]) for name, how in source["pictures"].items()}
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for kind, title in SHEETS.items():
        _write_sheet(workbook.create_sheet(title), kind, source[kind], pictures)
    return workbook_bytes(workbook)


def _write_sheet(sheet: Worksheet, kind: str, items: list[Mapping[str, Any]], pictures: Mapping[str, bytes]) -> None:
    titles = _titles(kind, items)
    sheet.append(titles)
    for cell in sheet[1]:
        cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="DDE7F5")
    for item in items:
        row = _row(kind, item)
        sheet.append([row.get(title) for title in titles])
        for cell in sheet[sheet.max_row]:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if isinstance(cell.value, str):
                cell.number_format = "@"
        if "picture" in item:
            _place(sheet, sheet.cell(sheet.max_row, titles.index("图片") + 1).coordinate, pictures[item["picture"]])
    for number, title in enumerate(titles, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = _WIDTHS.get(title, 12)
    sheet.freeze_panes = "A2"


def _titles(kind: str, items: list[Mapping[str, Any]]) -> list[str]:
    options = max(len(item["options"]) for item in items) if kind in _WITH_OPTIONS else 0
    titles = ["题型", "题干", *(f"选项{_letter(index)}" for index in range(options)), "答案", "分值"]
    if kind == "multiple":
        titles.append("部分分")
    titles += ["解析", "难度"]
    if any("picture" in item for item in items):
        titles.append("图片")
    return titles


def _row(kind: str, item: Mapping[str, Any]) -> dict[str, str | int | float]:
    row: dict[str, str | int | float] = {
        "题型": SHEETS[kind],
        "题干": item["stem"].strip(),
        "答案": _answer(kind, item),
        "分值": _number(item["points"]),
        "解析": item["explanation"],
        "难度": item["difficulty"],
    }
    if "partial" in item:
        row["部分分"] = _number(item["partial"])
    row.update({f"选项{_letter(index)}": option for index, option in enumerate(item.get("options", ()))})
    return row


def _answer(kind: str, item: Mapping[str, Any]) -> str:
    if kind == "fill_in":
        return "；".join("|".join(accepted) for accepted in item["answers"])
    return str(item["answer"])


def _place(sheet: Worksheet, cell: str, picture: bytes) -> None:
    image = Image(io.BytesIO(picture))
    image.width, image.height = image.width // 2, image.height // 2
    sheet.add_image(image, cell)
    sheet.row_dimensions[sheet[cell].row].height = image.height * 0.75 + 6


def _letter(index: int) -> str:
    return chr(ord("A") + index)


def _number(text: str) -> int | float:
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else float(value)
