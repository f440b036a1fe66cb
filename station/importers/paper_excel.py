"""Papers from the Excel question sheets in common Chinese use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from openpyxl.utils import get_column_letter

from station.domain.paper import paper_sha256
from station.errors import Invalid, problem
from station.importers.markup import html_of, inline_html
from station.importers.media import described
from station.importers.paper_json import PaperImport, checked_import
from station.importers.pictures import NOT_A_PICTURE, as_illustration
from station.importers.question import LETTERS, Question, key_of, two_places
from station.importers.question_rows import COLUMNS, kind_named, points_each, read_question
from station.importers.rejections import Faults, reject
from station.importers.workbook import Header, Line, Sheet, cell_text, find_header, letter, lines_below, read_sheets

NO_QUESTIONS = problem(
    "no_questions",
    "没有找到试题：表头至少须有“题干”和“答案”两列（在前 30 行内），其下至少一道题。",
    "No questions were found: a header with 题干 and 答案 is needed within the first 30 rows, and a question below it.",
)
PICTURE_FILE_MISSING = problem(
    "picture_file_missing",
    "找不到图片文件“{found}”。请与试卷一起提供，或直接把图片插入该行。",
    "The picture {found} is not there. Bring it with the paper, or insert it in the row.",
)
PICTURE_WITHOUT_ROW = problem(
    "picture_without_row",
    "图片不在任何一道题所在的行。请把图片左上角移到所属试题的行内。",
    "A picture stands in no question's row. Move its top left corner into the row that it belongs to.",
)

TITLES = {
    "single": "单项选择题",
    "multiple": "多项选择题",
    "true_false": "判断题",
    "fill_in": "填空题",
    "short_answer": "简答题",
    "long_answer": "论述题",
}
_NUMERALS = "一二三四五六"
_LINES = {"short_answer": 6, "long_answer": 15}
Progress = Callable[[int, int], None]


@dataclass
class _Draft:
    """A paper being read: items and keys in order, the pictures they show."""

    prefix: str
    given: Mapping[str, bytes]
    faults: Faults = field(default_factory=Faults)
    items: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)
    assets: dict[str, bytes] = field(default_factory=dict)


def read_paper_workbook(
    path: Path,
    *,
    code: str,
    certificate: str,
    level: str,
    subject: str,
    title: str = "",
    full_points: str | None = None,
    assets: Mapping[str, bytes] | None = None,
    progress: Progress | None = None,
) -> PaperImport:
    """Read a paper and its keys from question sheets; raise ImportRejected with every fault, by cell.

    `full_points` (two places) must be what the items come to; without it their sum is taken. `assets` are
    picture files that a column 图片 names. Explanations go into the keys: candidates never receive them.
    """
    draft = _Draft(prefix="t" if subject == "theory" else "p" if subject == "practical" else "q", given=assets or {})
    sheets = read_sheets(path)
    tables = [(sheet, found) for sheet in sheets if (found := find_header(sheet, COLUMNS, least=2, naming={"stem"}))]
    total = sum(sheet.last_row - header.row for sheet, header in tables)
    done = 0
    for sheet, header in tables:
        for line in _questions(sheet, header, draft):
            if progress and line.row % 20 == 0:
                progress(done + line.row - header.row, total)
        done += sheet.last_row - header.row
    draft.faults.check()
    if not draft.items:
        raise reject(NO_QUESTIONS)
    if progress:
        progress(total, total)
    head = {"code": code, "title": title or f"{certificate}（{level}）试卷", "certificate": certificate}
    return _assembled({**head, "level": level, "subject": subject}, full_points, draft)


def _questions(sheet: Sheet, header: Header, draft: _Draft) -> list[Line]:
    """Read all rows of one sheet into the draft."""
    above = [value for row, cells in sheet.rows.items() if row < header.row for value in cells.values()]
    headings = [sheet.title, *(cell_text(value) for value in above)]
    kind = next((kind for heading in headings if (kind := kind_named(heading))), None)
    each = next((points for heading in headings if (points := points_each(heading))), None)
    lines = [line for line in lines_below(sheet, header) if line.values.keys() - {"number", "kind"}]
    pictures = _pictures_by_row(sheet, {line.row for line in lines}, draft.faults)
    for line in lines:
        question = read_question(line, header, kind=kind, each=each, sheet=sheet.title, faults=draft.faults)
        if question is not None:
            named = cell_text(line.values.get("picture"))
            _add(question, sheet, header, draft=draft, embedded=pictures.get(line.row, []), named=named)
    return lines


def _add(question: Question, sheet: Sheet, header: Header, *, draft: _Draft, embedded: list[bytes], named: str) -> None:
    """Make the item and its key of one question."""
    item_id = f"{draft.prefix}{len(draft.items) + 1:03d}"
    column = "answer"
    try:
        key = key_of(question)
        column = "picture"
        shown = _shown(item_id, draft, embedded=embedded, named=named)
    except Invalid as refusal:
        place = letter(header, column)
        draft.faults.add_error(refusal, sheet=sheet.title, row=question.row, column=place)
        return
    draft.keys[item_id] = key
    draft.items.append(
        {
            "id": item_id,
            "kind": question.kind,
            "points": two_places(question.points),
            "body": html_of(question.text, with_blanks=question.kind == "fill_in", pictures=shown),
            "policy": key["policy"],
            "interaction": _interaction(question, key),
            **({"difficulty": question.difficulty} if question.difficulty else {}),
        }
    )


def _interaction(question: Question, key: Mapping[str, Any]) -> dict[str, Any]:
    if question.kind in {"single", "multiple"}:
        options = [
            {"id": name, "html": inline_html(text)} for name, text in zip(LETTERS, question.options, strict=False)
        ]
        return {"options": options, "shuffle": False}
    if question.kind == "fill_in":
        # One width for all: a blank as long as its answer would give the answer away.
        return {"blanks": [{"id": blank, "width": 12} for blank in key["blanks"]]}
    if question.kind in _LINES:
        return {"lines": _LINES[question.kind], "max_length": 5000}
    return {}


def _shown(item_id: str, draft: _Draft, *, embedded: list[bytes], named: str) -> list[tuple[str, str]]:
    """Take an item's pictures into the assets; give (asset name, alternative text) of each."""
    raws = list(embedded)
    for name in named.replace("，", ",").replace("；", ",").replace(";", ",").replace("|", ",").split(","):
        if name.strip() and name.strip() not in draft.given:
            raise Invalid(PICTURE_FILE_MISSING, found=name.strip()[:60])
        if name.strip():
            raws.append(draft.given[name.strip()])
    shown = []
    for number, raw in enumerate(raws, 1):
        picture, extension = as_illustration(raw, f"{item_id}-{number}")
        draft.assets[f"{item_id}-{number}{extension}"] = picture
        shown.append((f"{item_id}-{number}{extension}", f"图 {number}"))
    return shown


def _pictures_by_row(sheet: Sheet, rows: set[int], faults: Faults) -> dict[int, list[bytes]]:
    """Sort a sheet's floating pictures by the row of their top left corner."""
    found: dict[int, list[bytes]] = {}
    images: list[Any] = getattr(sheet.worksheet, "_images", [])  # openpyxl has no public name for them
    for image in images:
        row = image.anchor._from.row + 1
        column = image.anchor._from.col + 1
        if row not in rows:
            faults.add(PICTURE_WITHOUT_ROW, sheet=sheet.title, row=row, column=get_column_letter(column))
            continue
        try:
            found.setdefault(row, []).append(image._data())
        except Exception as error:
            # openpyxl writes the picture anew through Pillow, which raises any of its decoders' errors.
            reason = type(error).__name__
            faults.add(NOT_A_PICTURE, sheet=sheet.title, row=row, name="", reason_zh=reason, reason_en=reason)
    return found


def _assembled(head: dict[str, Any], full_points: str | None, draft: _Draft) -> PaperImport:
    """Make paper and keys: one section a kind, in order of first appearance."""
    kinds = list(dict.fromkeys(item["kind"] for item in draft.items))
    sections = []
    for number, kind in enumerate(kinds):
        items = [item for item in draft.items if item["kind"] == kind]
        heading = f"{_NUMERALS[number]}、{TITLES[kind]}"
        sections.append(
            {"id": f"s{number + 1}", "title": heading, "instructions": _instructions(items), "items": items}
        )
    total = sum((Decimal(item["points"]) for item in draft.items), Decimal())
    document = {
        "format": "exam-paper/1",
        **head,
        "full_points": full_points or two_places(total),
        "sections": sections,
        "assets": {name: described(name, raw) for name, raw in draft.assets.items()},
    }
    keys = {
        "format": "exam-keys/1",
        "paper_code": head["code"],
        "paper_sha256": paper_sha256(document),
        "keys": draft.keys,
    }
    return checked_import(document, keys, draft.assets)


def _instructions(items: list[dict[str, Any]]) -> str:
    points = {item["points"] for item in items}
    total = sum((Decimal(item["points"]) for item in items), Decimal())
    each = f"每题 {_plain(Decimal(points.pop()))} 分，" if len(points) == 1 else ""
    return f"<p>共 {len(items)} 题，{each}共 {_plain(total)} 分。</p>"


def _plain(points: Decimal) -> str:
    return f"{points.normalize():f}"
