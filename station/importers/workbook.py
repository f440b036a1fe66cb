"""Opening Excel workbooks that come from outside, and reading their cells as people see them."""

from __future__ import annotations

import re
import unicodedata
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from station.domain.roster import narrowed
from station.errors import problem
from station.importers.rejections import Faults, reject

NOT_XLSX = problem(
    "file_not_xlsx",
    "“{name}”不是 .xlsx 工作簿（{reason_zh}）。请用 Excel 或 WPS 打开原文件，另存为 .xlsx（不设密码）后重新导入。",
    "{name} is not an .xlsx workbook ({reason_en}). Open it in Excel or WPS, save it as .xlsx without a password, "
    "and import again.",
)
WORKBOOK_TOO_LARGE = problem(
    "workbook_too_large",
    "工作簿“{name}”解压后超过 {limit_mb} MB 或条目过多，未导入。请删除无关内容后重试。",
    "The workbook {name} unpacks to more than {limit_mb} MB or has too many parts. Remove what is not needed.",
)
CELL_ERROR = problem(
    "cell_error",
    "单元格公式出错（{found}）。请改为文字后重新导入。",
    "The cell's formula has an error ({found}). Replace it by its text.",
)

MAX_UNPACKED_BYTES = 300 * 1024 * 1024
MAX_PARTS = 10_000
HEADER_SEARCH_ROWS = 30
_EXCEL_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"})
_NOTE = re.compile(r"[（(\[【][^）)\]】]*[）)\]】]|[*＊:：]")


@dataclass(frozen=True)
class Sheet:
    """A visible sheet: the filled cells by row and column number, merged cells filled downwards."""

    title: str
    rows: Mapping[int, Mapping[int, object]]
    worksheet: Worksheet

    @property
    def last_row(self) -> int:
        return max(self.rows, default=0)


@dataclass(frozen=True)
class Header:
    """Where a table begins, and which of the known columns (field → column number) it has."""

    row: int
    columns: Mapping[str, int]


@dataclass(frozen=True)
class Line:
    """One row below a header: the filled known columns by field, and all filled cells."""

    row: int
    values: Mapping[str, object]
    cells: Mapping[int, object]


def read_sheets(path: Path) -> list[Sheet]:
    """Open an .xlsx file and read its visible sheets, values instead of formulas; else refuse it by name."""
    _check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and extensions that it leaves out
            book = openpyxl.load_workbook(path, data_only=True)
    except Exception as error:
        # openpyxl lets any of a dozen exceptions through for a damaged file.
        reason = type(error).__name__
        raise reject(
            NOT_XLSX, name=path.name, reason_zh=f"文件已损坏：{reason}", reason_en=f"damaged: {reason}"
        ) from error
    return [Sheet(sheet.title, _filled(sheet), sheet) for sheet in book.worksheets if sheet.sheet_state == "visible"]


def cell_text(value: object) -> str:
    """Read a cell as text: full-width letters and digits made plain, 57.0 as 57, white space folded."""
    return narrowed(raw_text(value))


def raw_text(value: object) -> str:
    """Read a cell as text with its line breaks: 57.0 as 57, moments as ISO text, an empty cell as ''."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return str(value).replace("\r\n", "\n").replace("\r", "\n").replace("_x000D_", "")


def header_word(value: object) -> str:
    """Read a header cell: NFKC, without white space, notes in brackets, stars and colons."""
    folded = unicodedata.normalize("NFKC", raw_text(value))
    return re.sub(r"\s+", "", _NOTE.sub("", folded)).upper()


def find_header(sheet: Sheet, synonyms: Mapping[str, Sequence[str]], *, least: int, naming: Set[str]) -> Header | None:
    """Find the row that names the most columns among the first 30; None when there is none.

    A header names at least `least` columns, one of `naming` among them.
    A column named twice counts where it stands first.
    """
    fields = fields_by_word(synonyms)
    best: Header | None = None
    for row in sorted(number for number in sheet.rows if number <= HEADER_SEARCH_ROWS):
        columns: dict[str, int] = {}
        for column, value in sorted(sheet.rows[row].items()):
            field = fields.get(header_word(value)) if isinstance(value, str) else None
            if field is not None:
                columns.setdefault(field, column)
        enough = len(columns) >= least and columns.keys() & naming
        if enough and (best is None or len(columns) > len(best.columns)):
            best = Header(row, columns)
    return best


def fields_by_word(synonyms: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Turn field → synonyms into header word → field."""
    return {header_word(word): field for field, words in synonyms.items() for word in words}


def lines_below(sheet: Sheet, header: Header) -> Iterator[Line]:
    """Go through the filled rows below a header; a repeated header is left out."""
    words = {field: header_word(sheet.rows[header.row][column]) for field, column in header.columns.items()}
    for row in sorted(number for number in sheet.rows if number > header.row):
        cells = sheet.rows[row]
        values = {field: cells[column] for field, column in header.columns.items() if column in cells}
        if any(header_word(value) != words[field] for field, value in values.items()) or not values:
            yield Line(row, values, cells)


def check_cells(line: Line, header: Header, *, sheet: str, faults: Faults) -> bool:
    """Note cells that hold an Excel error instead of a value; say whether there are none."""
    bad = {field: value for field, value in line.values.items() if value in _EXCEL_ERRORS}
    for field, value in bad.items():
        faults.add(CELL_ERROR, sheet=sheet, row=line.row, column=letter(header, field), found=value)
    return not bad


def letter(header: Header, field: str) -> str:
    """Give the letter of a field's column, '' when the table has none."""
    return get_column_letter(header.columns[field]) if field in header.columns else ""


def _filled(worksheet: Worksheet) -> dict[int, dict[int, object]]:
    """Gather the filled cells. Not through iter_rows: sheets formatted down to row 1,048,576 exist."""
    rows: dict[int, dict[int, object]] = {}
    for (row, column), cell in worksheet._cells.items():
        if cell.value is not None and not (isinstance(cell.value, str) and not cell_text(cell.value)):
            rows.setdefault(row, {})[column] = cell.value
    last = max(rows, default=0)
    for merged in worksheet.merged_cells.ranges:
        value = rows.get(merged.min_row, {}).get(merged.min_col)
        if value is not None:
            for row in range(merged.min_row + 1, min(merged.max_row, last) + 1):
                rows.setdefault(row, {})[merged.min_col] = value
    return rows


def _check_file(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise reject(
            NOT_XLSX,
            name=path.name,
            reason_zh="旧版 .xls 格式，或文件设有密码",
            reason_en="the old .xls format, or protected by a password",
        )
    if not start.startswith(b"PK"):
        raise reject(NOT_XLSX, name=path.name, reason_zh="CSV 或其他格式", reason_en="CSV or another format")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise reject(NOT_XLSX, name=path.name, reason_zh="文件不完整", reason_en="incomplete file") from error
    if "xl/workbook.xml" not in {part.filename for part in parts}:
        raise reject(NOT_XLSX, name=path.name, reason_zh="其中没有工作簿", reason_en="no workbook in it")
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        raise reject(WORKBOOK_TOO_LARGE, name=path.name, limit_mb=MAX_UNPACKED_BYTES // 1024 // 1024)
