"""Rosters from Excel: the sign-in sheet of a room, and the export of registrations (R-ROST-1 … 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path

from station.domain.roster import Roster, RosterHead, RosterRow
from station.errors import Invalid, Problem, problem
from station.importers.rejections import Faults, reject
from station.importers.roster_head import (
    Said,
    Window,
    read_count,
    read_labels,
    read_names,
    read_split_window,
    read_window,
)
from station.importers.roster_rows import COLUMNS, TITLES, is_note, is_unused, read_row
from station.importers.workbook import Header, Line, Sheet, cell_text, find_header, letter, lines_below, read_sheets

NO_ROSTER = problem(
    "no_roster",
    "没有找到考生名单：表头至少须有“姓名”和“准考证号”两列（在前 30 行内）。",
    "No list of candidates was found: a header with 姓名 and 准考证号 is needed within the first 30 rows.",
)
COLUMN_MISSING = problem("column_missing", "缺少“{title}”列。", "The column {title} is missing.")
HEAD_FIELD_MISSING = problem(
    "head_field_missing",
    "缺少“{title}”：请在表格上方写明（如“{title}：…”），或增加这一列。",
    "{title} is missing: write it above the table (“{title}：…”), or add that column.",
)
ROSTER_EMPTY = problem("roster_empty", "名单中没有考生。", "The list holds no candidates.")
TICKET_TWICE = problem(
    "ticket_twice",
    "准考证号 {found} 在同一场次出现两次（另见第 {other} 行）。",
    "The ticket number {found} stands twice in one sitting (also in row {other}).",
)
SEAT_TWICE = problem(
    "seat_twice",
    "座位 {found} 在同一场次安排了两人（另见第 {other} 行）。",
    "Seat {found} is given to two candidates of one sitting (also in row {other}).",
)
COUNT_DIFFERS = problem(
    "count_differs",
    "表头应考人数为 {wanted}，名单共 {found} 人，不一致。",
    "The head says {wanted} candidates, the list has {found}.",
)


_HEAD_TEXTS = ("room_name", "site_name", "subject_name", "certificate_name", "level")
_NEEDED = ("subject_name", "certificate_name")
_NEEDED_IN_ROOM = (*_NEEDED, "room_name", "window")
_NO_WINDOW: Window = (None, None)
Progress = Callable[[int, int], None]


@dataclass
class _Group:
    """Rows that share what a head says: one sitting."""

    head: RosterHead
    rows: list[RosterRow] = field(default_factory=list)


def read_rosters(path: Path, *, zone: tzinfo, progress: Progress | None = None) -> list[Roster]:
    """Read every roster of a workbook: one a sheet, or several where columns tell subjects or rooms apart.

    Without a seat column the sheet is an export of registrations: seats are None and no time is needed.
    Raises ImportRejected with all faults of the file. `progress` gets (rows read, rows in all).
    """
    faults = Faults()
    tables = [(sheet, header) for sheet in read_sheets(path) if (header := _header(sheet, faults))]
    if not tables:
        faults.check()
        raise reject(NO_ROSTER)
    total = sum(sheet.last_row - header.row for sheet, header in tables)
    done, rosters = 0, []
    for sheet, header in tables:
        reader = _SheetReader(sheet, header, zone=zone, faults=faults)
        rosters += reader.read(_from(done, total, progress))
        done += sheet.last_row - header.row
    faults.check()
    if progress:
        progress(total, total)
    return rosters


def _header(sheet: Sheet, faults: Faults) -> Header | None:
    """Find a list's header; one that lacks name or ticket number beside other columns is a fault."""
    header = find_header(sheet, COLUMNS, least=2, naming={"name", "ticket_number"})
    if header is None:
        return None
    missing = [name for name in ("name", "ticket_number") if name not in header.columns]
    if len(missing) == 2 or (missing and len(header.columns) < 3):
        return None
    for name in missing:
        faults.add(COLUMN_MISSING, sheet=sheet.title, row=header.row, title=TITLES[name])
    return None if missing else header


class _SheetReader:
    """Reads one sheet: head, rows, and what must hold between the rows."""

    def __init__(self, sheet: Sheet, header: Header, *, zone: tzinfo, faults: Faults) -> None:
        self.sheet, self.header, self.zone, self.faults = sheet, header, zone, faults
        self.said: dict[str, Said] = read_labels({row: cells for row, cells in sheet.rows.items() if row < header.row})
        self.groups: dict[tuple[object, ...], _Group] = {}
        self.noted: set[tuple[object, ...]] = set()

    def read(self, progress: Callable[[int], None]) -> list[Roster]:
        """Read all rows; `progress` gets how many lines are done."""
        lines = list(lines_below(self.sheet, self.header))
        notes = {line.row: line.cells for line in lines if is_note(line, self.header)}
        self.said = {**read_labels(notes), **self.said}
        count = 0
        for line in lines:
            if line.row in notes or is_unused(line):
                continue
            count += 1
            group = self._group(line)
            row = read_row(line, self.header, sheet=self.sheet.title, faults=self.faults)
            if row is not None:
                group.rows.append(row if row.institution else replace(row, institution=group.head.institution))
            if count % 50 == 0:
                progress(line.row - self.header.row)
        self._check_sheet(count)
        return [Roster(self.sheet.title, group.head, tuple(group.rows)) for group in self.groups.values()]

    def _group(self, line: Line) -> _Group:
        texts = {name: cell_text(self._value(line, name)) for name in _HEAD_TEXTS}
        window = tuple(self._value(line, name) for name in ("window", "start", "end"))
        key = (*texts.values(), *window)
        if key not in self.groups:
            self.groups[key] = _Group(self._head(line, texts))
        return self.groups[key]

    def _head(self, line: Line, texts: dict[str, str]) -> RosterHead:
        window = self._window(line)
        has_time = any(self._value(line, name) is not None for name in ("window", "start"))
        for name in _NEEDED_IN_ROOM if "seat" in self.header.columns else _NEEDED:
            if not (has_time if name == "window" else texts[name]):
                self._note_once(HEAD_FIELD_MISSING, name, line.row, title=TITLES[name])
        said = {name: cell.value for name, cell in self.said.items()}
        return RosterHead(
            **texts,
            planned_start_at=window[0],
            planned_end_at=window[1],
            institution=cell_text(said.get("institution")),
            invigilators=read_names(said.get("invigilators")),
            inspectors=read_names(said.get("inspectors")),
            expected_count=read_count(said.get("expected_count")),
        )

    def _value(self, line: Line, name: str) -> object:
        """Give what the row says, else what the head says, else None."""
        said = self.said.get(name)
        return line.values.get(name, said.value if said else None)

    def _window(self, line: Line) -> Window:
        date, start, end = (self._value(line, name) for name in ("window", "start", "end"))
        if date is None and start is None:
            return _NO_WINDOW
        try:
            return read_window(date, self.zone) if start is None else read_split_window(date, start, end, self.zone)
        except Invalid as refusal:
            self._note_once(refusal.problem, "window" if date is not None else "start", line.row, **refusal.details)
            return _NO_WINDOW

    def _note_once(self, kind: Problem, name: str, row: int, **details: object) -> None:
        """Note a fault of the head where the head says it, of a column in the row; one of the head only once."""
        said = self.said.get(name)
        if name in self.header.columns:
            place = (row, letter(self.header, name))
        else:
            place = (said.row, said.column) if said else (0, "")
        if (kind.code, name, place) not in self.noted:
            self.noted.add((kind.code, name, place))
            self.faults.add(kind, sheet=self.sheet.title, row=place[0], column=place[1], **details)

    def _check_sheet(self, count: int) -> None:
        """Note an empty list, a head count that differs, and tickets or seats that stand twice in one sitting."""
        if count == 0:
            self.faults.add(ROSTER_EMPTY, sheet=self.sheet.title, row=self.header.row)
        expected = self.said.get("expected_count")
        wanted = read_count(expected.value) if expected else None
        if wanted is not None and len(self.groups) == 1 and wanted != count:
            self._note_once(COUNT_DIFFERS, "expected_count", 0, wanted=wanted, found=count)
        for group in self.groups.values():
            self._check_twice(TICKET_TWICE, "ticket_number", [(row.ticket_number, row.row) for row in group.rows])
            self._check_twice(SEAT_TWICE, "seat", [(row.seat, row.row) for row in group.rows if row.seat is not None])

    def _check_twice(self, kind: Problem, name: str, values: list[tuple[str, int]]) -> None:
        first: dict[str, int] = {}
        for value, row in values:
            other = first.setdefault(value, row)
            if other != row:
                column = letter(self.header, name)
                self.faults.add(kind, sheet=self.sheet.title, row=row, column=column, found=value, other=other)


def _from(done: int, total: int, progress: Progress | None) -> Callable[[int], None]:
    """Turn the progress within a sheet into that of the whole file."""
    return lambda row: progress(done + row, total) if progress else None
