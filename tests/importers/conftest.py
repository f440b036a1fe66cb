"""Builders of the files that people bring: rosters, question sheets, photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest
from openpyxl import Workbook
from PIL import Image

HEAD = [
    ["2026年第4次考核 考场签到表"],
    ["考场名称：第一机房", None, "考核站点", "示例职业学院"],
    ["考试科目：理论", None, "考试证书：网店运营推广", None, "证书等级：初级"],
    ["考试时间：2026年11月21日 14:00—15:00", None, None, "监考老师：示例·甲、示例乙", None, "巡考老师", "示例丙"],
    ["应考人数：3", None, "实考人数：", "缺考人数："],
]
COLUMNS = ["序号", "学生姓名", "身份证号码", "准考证号", "所属院校", "座位号"]
ROWS = [
    [1, "张示例", "990000200501011118", "37028500000000000000001", "示例职业学院", 57],
    [2, "库尔班·热合曼", "370285*****5910", "37028500000000000000002", "示例职业学院", "58"],
    [3, "李样本", "H12345678", "37028500000000000000003", "另一学院（借考）", "０５９号"],
]


@dataclass
class Sheet:
    """A sheet to write: lines above the table, its columns, its rows, lines below."""

    title: str = "理论"
    head: Sequence[Sequence[object]] = field(default_factory=lambda: [list(line) for line in HEAD])
    columns: Sequence[object] = field(default_factory=lambda: list(COLUMNS))
    rows: Sequence[Sequence[object]] = field(default_factory=lambda: [list(row) for row in ROWS])
    below: Sequence[Sequence[object]] = ()

    def lines(self) -> list[Sequence[object]]:
        return [*self.head, self.columns, *self.rows, *self.below]


@pytest.fixture
def write_book(tmp_path: Path) -> Callable[..., Path]:
    """Write sheets into an .xlsx file."""

    def write(*sheets: Sheet, name: str = "book.xlsx", change: Callable[[Workbook], None] | None = None) -> Path:
        book = Workbook()
        book.remove(book.active)
        for sheet in sheets:
            page = book.create_sheet(sheet.title)
            for row, line in enumerate(sheet.lines(), 1):
                for column, value in enumerate(line, 1):
                    page.cell(row, column, value)
        if change:
            change(book)
        book.save(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Draw a picture."""

    def draw(width: int = 295, height: int = 413, kind: str = "JPEG", colour: str = "teal") -> bytes:
        out = BytesIO()
        Image.new("RGB", (width, height), colour).save(out, kind)
        return out.getvalue()

    return draw


@pytest.fixture
def sheet() -> type[Sheet]:
    return Sheet
