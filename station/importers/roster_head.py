"""The lines above (and below) a roster's table: labels with their values, and the time of the sitting."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from openpyxl.utils import get_column_letter

from station.errors import Invalid, problem
from station.importers.workbook import cell_text, header_word

WINDOW_UNREADABLE = problem(
    "window_unreadable",
    "考试时间“{found}”无法识别，请写成如 2026年11月21日 14:00—15:00。",
    "The time {found!r} cannot be read. Write it like 2026-11-21 14:00-15:00.",
)
WINDOW_BACKWARDS = problem(
    "window_backwards",
    "考试时间“{found}”的结束时间早于开始时间。",
    "The time {found!r} ends before it begins.",
)

HEAD_LABELS: dict[str, tuple[str, ...]] = {
    "room_name": ("考场名称", "考场", "考场号", "机房", "机房名称"),
    "site_name": ("考核站点", "考核站点名称", "考核站", "考试站点", "考点", "考点名称", "站点名称"),
    "subject_name": ("考试科目", "考核科目", "报考科目", "科目", "科目名称"),
    "certificate_name": ("考试证书", "考核证书", "报考证书", "证书名称", "证书"),
    "level": ("证书等级", "报考等级", "考核等级", "等级", "级别"),
    "window": ("考试时间", "考核时间", "考试日期", "考核日期", "时间"),
    "start": ("开始时间", "开考时间", "考试开始时间"),
    "end": ("结束时间", "考试结束时间"),
    "institution": ("所属院校", "院校", "学校", "所属学校", "院校名称"),
    "invigilators": ("监考老师", "监考教师", "监考员", "监考人员", "监考"),
    "inspectors": ("巡考老师", "巡考教师", "巡考员", "巡考人员", "巡考"),
    "expected_count": ("应考人数", "应到人数", "考生人数"),
    "": ("实考人数", "实到人数", "缺考人数", "违纪人数"),
}
_FIELD_OF = {word: field for field, words in HEAD_LABELS.items() for word in words}
_LONGEST_FIRST = sorted(_FIELD_OF, key=len, reverse=True)
_LABEL = re.compile(
    "(" + "|".join(r"\s*".join(word) for word in _LONGEST_FIRST) + r")\s*(?:[（(][^）)]*[）)])?\s*[：:]"
)
_DATE = re.compile(r"(\d{4})\s*[年./-]\s*(\d{1,2})\s*[月./-]\s*(\d{1,2})\s*日?")
_TIME = re.compile(r"(上午|中午|下午|晚上|晚)?\s*(\d{1,2})\s*(?:[:时点]\s*(\d{1,2})|[时点])\s*分?(?::\d{2})?")
_BETWEEN_NAMES = re.compile(r"[、,，;；/\s]+")

Window = tuple[datetime | None, datetime | None]


class Said(NamedTuple):
    """A value that the head gives, and where it stands."""

    value: object
    row: int
    column: str


def read_labels(rows: Mapping[int, Mapping[int, object]]) -> dict[str, Said]:
    """Read labels and their values: `考场名称：第一机房` in one cell, or the value in the next filled cell.

    Fields that the station fills itself (实考人数 …) are read over. The first value of a field holds.
    """
    found: dict[str, Said] = {}
    for row in sorted(rows):
        waiting: str | None = None
        for column, value in sorted(rows[row].items()):
            pairs = labels_in(value)
            for field, text in pairs:
                if text:
                    found.setdefault(field, Said(text, row, get_column_letter(column)))
            if waiting is not None and not pairs:
                found.setdefault(waiting, Said(value, row, get_column_letter(column)))
            waiting = pairs[-1][0] if pairs and not pairs[-1][1] else None
    found.pop("", None)
    return found


def labels_in(value: object) -> list[tuple[str, str]]:
    """Split a cell into (field, text) for each label in it; a cell that is a label alone gives an empty text."""
    if not isinstance(value, str):
        return []
    bare = _FIELD_OF.get(header_word(value))
    if bare is not None:
        return [(bare, "")]
    text = cell_text(value)
    marks = list(_LABEL.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)] if marks else []
    return [
        (_FIELD_OF[re.sub(r"\s+", "", mark.group(1))], text[mark.end() : end].strip(" ,，;；|"))
        for mark, end in zip(marks, ends, strict=True)
    ]


def read_window(value: object, zone: tzinfo) -> Window:
    """Read a planned time: Excel's own date and time, or text with one date and one or two times; UTC comes out.

    A single moment is a start whose end is not said. Raises Invalid for what is not a time, or runs backwards.
    """
    if isinstance(value, datetime) and (value.hour or value.minute):
        return _utc(value, zone), None
    text = unicodedata.normalize("NFKC", cell_text(value))
    dates = [(int(year), int(month), int(day)) for year, month, day in _DATE.findall(text)]
    times = [_clock_time(*parts) for parts in _TIME.findall(_DATE.sub(" ", text))]
    if isinstance(value, datetime) or (len(dates), len(times)) not in {(1, 1), (1, 2), (2, 2)}:
        raise Invalid(WINDOW_UNREADABLE, found=text[:60])
    dates = dates if len(dates) == len(times) else dates * 2
    try:
        moments = [
            _utc(datetime(*date, tzinfo=UTC) + timedelta(minutes=minutes), zone)
            for date, minutes in zip(dates, times, strict=True)
        ]
    except ValueError:
        raise Invalid(WINDOW_UNREADABLE, found=text[:60]) from None
    if len(moments) == 2 and moments[1] <= moments[0]:
        raise Invalid(WINDOW_BACKWARDS, found=text[:60])
    return moments[0], moments[1] if len(moments) == 2 else None


def read_split_window(date: object, start: object, end: object, zone: tzinfo) -> Window:
    """Read a planned time whose start and end stand in fields of their own, with the date there or in `date`."""
    if isinstance(start, datetime):
        begins = read_window(start, zone)[0]
        ends = read_window(end, zone)[0] if isinstance(end, datetime) else None
        if begins and ends and ends <= begins:
            raise Invalid(WINDOW_BACKWARDS, found=f"{cell_text(start)} — {cell_text(end)}")
        return begins, ends
    day = date.date().isoformat() if isinstance(date, datetime) else cell_text(date)
    return read_window(" ".join([day, cell_text(start), cell_text(end)]), zone)


def read_names(value: object) -> tuple[str, ...]:
    """Read names that stand in one cell, parted by 、 , ; / or spaces; underscores of a form are no name."""
    return tuple(name for name in _BETWEEN_NAMES.split(cell_text(value)) if name.strip("_-—"))


def read_count(value: object) -> int | None:
    """Read a number of people (45, 45人); None where there is none."""
    digits = re.search(r"\d{1,5}", unicodedata.normalize("NFKC", cell_text(value)))
    return int(digits.group()) if digits else None


def _clock_time(half: str, hour: str, minute: str) -> int:
    """Give minutes since midnight; half is 上午, 下午 … or ''."""
    hours, minutes = int(hour), int(minute or 0)
    if (half in {"下午", "晚上", "晚"} and hours < 12) or (half == "中午" and hours < 3):
        hours += 12
    if hours > 23 or minutes > 59:
        raise Invalid(WINDOW_UNREADABLE, found=f"{half}{hour}:{minute}")
    return hours * 60 + minutes


def _utc(moment: datetime, zone: tzinfo) -> datetime:
    """Take a wall-clock moment as one of `zone`."""
    return moment.replace(tzinfo=zone).astimezone(UTC)
