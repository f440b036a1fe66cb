"""The sample's rosters: the sign-in sheet of R-ROST-1, one workbook a sitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.worksheet.worksheet import Worksheet

from station.sample.candidates import SampleCandidate
from station.sample.files import workbook_bytes

_COLUMNS = (("序号", 6), ("学生姓名", 40), ("身份证号码", 24), ("准考证号", 30), ("所属院校", 28), ("座位号", 10))
_LINE = Side(style="thin", color="999999")
_THIN = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)


@dataclass(frozen=True)
class RosterHead:
    """What stands above the table. Moments are local to the room."""

    room: str
    site: str
    subject: str
    certificate: str
    level: str
    word: str
    starts_at: datetime
    ends_at: datetime
    institution: str
    invigilators: tuple[str, ...]
    inspectors: tuple[str, ...]


def roster_workbook(head: RosterHead, candidates: Sequence[SampleCandidate]) -> bytes:
    """Write one sitting's roster. Ticket and ID numbers are text: Excel keeps only 15 digits of a number."""
    workbook = Workbook()
    sheet = workbook.active
    assert isinstance(sheet, Worksheet)
    sheet.title = "签到表"
    sheet.append([f"{head.certificate}（{head.level}）{head.word}签到表"])
    sheet.merge_cells(start_row=1, end_row=1, start_column=1, end_column=len(_COLUMNS))
    sheet["A1"].font = Font(bold=True, size=16)
    sheet["A1"].alignment = Alignment(horizontal="center")
    fields = _head_fields(head, len(candidates))
    for (left, left_value), (right, right_value) in zip(fields[::2], fields[1::2], strict=True):
        sheet.append([left, None, left_value, right, right_value])
        sheet.merge_cells(start_row=sheet.max_row, end_row=sheet.max_row, start_column=1, end_column=2)
    sheet.append([])
    sheet.append([title for title, _ in _COLUMNS])
    for cell in sheet[sheet.max_row]:
        cell.font, cell.fill, cell.border = Font(bold=True), PatternFill("solid", fgColor="DDE7F5"), _THIN
    for candidate in candidates:
        _append_candidate(sheet, candidate)
    for letter, (_, width) in zip("ABCDEF", _COLUMNS, strict=True):
        sheet.column_dimensions[letter].width = width
    return workbook_bytes(workbook)


def _append_candidate(sheet: Worksheet, candidate: SampleCandidate) -> None:
    sheet.append(
        [
            candidate.number,
            candidate.name,
            candidate.shown_id_number,
            candidate.ticket_number,
            candidate.institution,
            int(candidate.seat),
        ]
    )
    for cell in sheet[sheet.max_row]:
        cell.border = _THIN
        if isinstance(cell.value, str):
            cell.number_format = "@"


def _head_fields(head: RosterHead, count: int) -> list[tuple[str, str | int | None]]:
    return [
        ("考场名称", head.room),
        ("考核站点", head.site),
        ("考试科目", head.subject),
        ("考试证书", head.certificate),
        ("证书等级", head.level),
        ("考试时间", _window(head.starts_at, head.ends_at)),
        ("所属院校", head.institution),
        ("监考老师", "、".join(head.invigilators)),
        ("巡考老师", "、".join(head.inspectors)),
        ("应考人数", count),
        ("实考人数", None),
        ("缺考人数", None),
    ]


def _window(starts_at: datetime, ends_at: datetime) -> str:
    """Write the planned time; the day stands twice only for a sitting over midnight."""
    over_midnight = f"{_day(ends_at)} " if ends_at.date() != starts_at.date() else ""
    return f"{_day(starts_at)} {starts_at:%H:%M}—{over_midnight}{ends_at:%H:%M}"


def _day(moment: datetime) -> str:
    # Not strftime: on Windows it cannot write 年 in every locale.
    return f"{moment.year}年{moment.month}月{moment.day}日"
