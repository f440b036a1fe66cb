"""One row of a roster: a candidate, or what is wrong with the row (R-ROST-2, R-ROST-3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from station.domain.roster import (
    IdKind,
    RosterRow,
    check_ticket_number,
    id_number_kind,
    is_valid_id_number,
    mask_id_number,
    seat_number,
    tidy_name,
)
from station.errors import Invalid, Problem, problem
from station.importers.rejections import Faults
from station.importers.roster_head import HEAD_LABELS, labels_in
from station.importers.workbook import Header, Line, cell_text, check_cells, letter

NUMBER_IN_NUMERIC_CELL = problem(
    "number_in_numeric_cell",
    "“{title}”是数值单元格，Excel 只保留 15 位，号码可能已损坏（{found}）。请从报名平台重新导出为文本格式。",
    "{title} is in a numeric cell: Excel keeps 15 digits only, the number may be damaged ({found}). "
    "Export it again as text.",
)
NAME_MISSING = problem("name_missing", "缺少姓名。", "The name is missing.")
TICKET_MISSING = problem("ticket_missing", "缺少准考证号。", "The ticket number is missing.")
SEAT_MISSING = problem("seat_missing", "缺少座位号。", "The seat is missing.")
SEAT_MALFORMED = problem("seat_malformed", "座位号“{found}”无法识别。", "The seat {found!r} cannot be read.")
ID_NUMBER_WRONG = problem(
    "id_number_wrong",
    "身份证号码校验位不对（{found}）。请核对证件。",
    "The ID number's check digit is wrong ({found}). Check the document.",
)
ID_NUMBER_UNKNOWN = problem(
    "id_number_unknown",
    "证件号码“{found}”无法识别：可用身份证、港澳台证件、护照号码，或以 * 遮盖的号码。",
    "The ID number {found!r} is of no known kind: resident card, Hong Kong/Macao/Taiwan card, passport, or masked.",
)
TEXT_TOO_LONG = problem("text_too_long", "“{title}”超过 {maximum} 字。", "{title} is longer than {maximum} characters.")

HEAD_COLUMNS = frozenset(
    {"room_name", "site_name", "subject_name", "certificate_name", "level", "window", "start", "end", "institution"}
)
COLUMNS: dict[str, Sequence[str]] = {
    "number": ("序号", "No", "No."),
    "name": ("姓名", "学生姓名", "考生姓名", "学员姓名"),
    "pinyin": ("姓名拼音", "拼音", "拼音姓名", "英文姓名"),
    "id_number": (
        "身份证号码",
        "身份证号",
        "身份证",
        "证件号码",
        "证件号",
        "身份证件号",
        "身份证件号码",
        "有效证件号码",
    ),
    "ticket_number": ("准考证号", "准考证号码", "准考证", "准考证编号"),
    "seat": ("座位号", "座号", "座位", "机位号", "机位", "考位号", "考位", "机号", "座位编号"),
    "candidate_code": ("考生号", "考生编号", "报名号", "报名编号", "科目代码", "科目编码"),
    **{field: words for field, words in HEAD_LABELS.items() if field in HEAD_COLUMNS},
}
TITLES = {
    "name": "姓名",
    "pinyin": "姓名拼音",
    "ticket_number": "准考证号",
    "id_number": "身份证号码",
    "candidate_code": "考生号",
    "institution": "所属院校",
    "subject_name": "考试科目",
    "certificate_name": "考试证书",
    "room_name": "考场名称",
    "window": "考试时间",
}
Note = Callable[..., None]
_OF_A_CANDIDATE = frozenset({"name", "ticket_number", "id_number", "pinyin"})
_LONGEST = {"name": 100, "pinyin": 100, "institution": 200}
_NOTE = re.compile(r"^[^：:\d]{1,12}[：:]|签字|签名|^(备注|说明|合计|总计|共\s*\d+\s*[人页]|第\s*\d+\s*页)")
_LONG_NUMBER = re.compile(r"[0-9*]{5}|e\+", re.IGNORECASE)
_EXACT_DIGITS = 10**15  # Excel keeps whole numbers below this exactly


def is_note(line: Line, header: Header) -> bool:
    """Say whether a row is a line between or below the rows (签字, 备注, 第 2 页) and no candidate's.

    It holds no number of a candidate. Where the name's cell is filled, only what stands up to there tells: a
    remark at the end of a row does not make a candidate vanish.
    """
    if any(_LONG_NUMBER.search(cell_text(line.values.get(field))) for field in ("ticket_number", "id_number")):
        return False
    last = header.columns["name"] if "name" in line.values else max(line.cells)
    told = [value for column, value in line.cells.items() if column <= last]
    return any(labels_in(value) or _NOTE.search(cell_text(value)) for value in told)


def is_unused(line: Line) -> bool:
    """Say whether a row names nobody: a number or a seat made ready for a candidate who is not there."""
    return not line.values.keys() & _OF_A_CANDIDATE


def read_row(line: Line, header: Header, *, sheet: str, faults: Faults) -> RosterRow | None:
    """Read one candidate; note every fault of the row and give None when there is one."""
    before = len(faults.found)

    def note(kind: Problem, field: str, **details: object) -> None:
        faults.add(kind, sheet=sheet, row=line.row, column=letter(header, field), **details)

    if not check_cells(line, header, sheet=sheet, faults=faults):
        return None
    _check_numeric(line, note)
    texts = {field: cell_text(value) for field, value in line.values.items()}
    row = RosterRow(
        name=tidy_name(texts.get("name", "")),
        ticket_number=_closed_up(texts.get("ticket_number", "")),
        id_number=_closed_up(texts.get("id_number", "")).upper().replace("＊", "*"),
        pinyin=texts.get("pinyin", ""),
        institution=texts.get("institution", ""),
        seat=seat_number(texts.get("seat", "")) if "seat" in header.columns else None,
        row=line.row,
    )
    if len(faults.found) == before:
        _check_row(row, note)
    return row if len(faults.found) == before else None


def _check_numeric(line: Line, note: Note) -> None:
    """Note long numbers in numeric cells; a candidate's code only where digits are surely lost."""
    for field in ("ticket_number", "id_number", "candidate_code"):
        value = line.values.get(field)
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if field != "candidate_code" or abs(value) >= _EXACT_DIGITS:
            note(NUMBER_IN_NUMERIC_CELL, field, title=TITLES[field], found=f"{value:.14g}")


def _check_row(row: RosterRow, note: Note) -> None:
    if not row.name:
        note(NAME_MISSING, "name")
    if not row.ticket_number:
        note(TICKET_MISSING, "ticket_number")
    else:
        try:
            check_ticket_number(row.ticket_number)
        except Invalid as refusal:
            note(refusal.problem, "ticket_number", **refusal.details)
    kind = id_number_kind(row.id_number)
    if kind is IdKind.RESIDENT and not is_valid_id_number(row.id_number):
        note(ID_NUMBER_WRONG, "id_number", found=mask_id_number(row.id_number))
    elif row.id_number and (kind is IdKind.UNKNOWN or len(row.id_number) > 32):
        note(ID_NUMBER_UNKNOWN, "id_number", found=row.id_number[:40])
    if row.seat == "":
        note(SEAT_MISSING, "seat")
    elif row.seat is not None and not (len(row.seat) <= 16 and row.seat.replace("-", "").isalnum()):
        note(SEAT_MALFORMED, "seat", found=row.seat[:40])
    for field, maximum in _LONGEST.items():
        if len(getattr(row, field)) > maximum:
            note(TEXT_TOO_LONG, field, title=TITLES[field], maximum=maximum)


def _closed_up(text: str) -> str:
    return "".join(text.split())
