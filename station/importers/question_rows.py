"""One row of a question sheet: its columns, its kind, its points; what is wrong is named by cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from station.errors import Problem, problem
from station.importers.markup import count_blanks
from station.importers.question import LETTERS, PARTIAL_WRONG, Question
from station.importers.rejections import Faults
from station.importers.workbook import Header, Line, cell_text, check_cells, header_word, letter, raw_text

KIND_UNKNOWN = problem(
    "kind_unknown",
    "题型“{found}”无法识别。可用：单选题、多选题、判断题、填空题、简答题、论述题；表格题和文件题请用 JSON 试卷包导入。",
    "The kind {found!r} is not known. Single, multiple, true/false, fill-in, short and long answers come from Excel; "
    "tables and files come by a JSON package.",
)
STEM_MISSING = problem("stem_missing", "缺少题干。", "The stem is missing.")
POINTS_MISSING = problem(
    "points_missing",
    "缺少分值：请填“分值”列，或在表头上方注明“每题 1 分”。",
    "The points are missing: fill in 分值, or say 每题 1 分 above the header.",
)
POINTS_WRONG = problem(
    "points_wrong",
    "分值“{found}”应为大于 0、最多两位小数的数。",
    "The points {found!r} should be a number above 0 with up to two places.",
)
OPTIONS_FEW = problem("options_few", "选择题至少需要两个选项。", "A choice needs at least two options.")
OPTIONS_MANY = problem("options_many", "选项超过 {maximum} 个。", "There are more than {maximum} options.")
OPTION_GAP = problem(
    "option_gap", "选项 {found} 为空，其后却还有选项。", "Option {found} is empty, but others follow it."
)
OPTION_TWICE = problem("option_twice", "选项 {found} 与前面的选项相同。", "Option {found} equals an earlier option.")
STEM_TOO_LONG = problem("stem_too_long", "题干超过 {maximum} 字。", "The stem is longer than {maximum} characters.")
PICTURE_IN_CELL = problem(
    "picture_in_cell",
    "单元格内嵌图片（WPS）无法读取。请右键图片选择“切换为浮动图片”后重新保存。",
    "A picture embedded in a cell (WPS) cannot be read. Turn it into a floating picture and save again.",
)

_OPTION_COLUMNS: dict[str, Sequence[str]] = {
    f"option_{name}": (f"选项{name}", name, f"{name}选项", f"{name}项", f"备选答案{name}", f"答案{name}")
    for name in LETTERS
}
COLUMNS: dict[str, Sequence[str]] = {
    "number": ("序号", "题号", "编号"),
    "kind": ("题型", "类型", "试题类型", "题目类型", "试题题型"),
    "stem": ("题干", "题目", "试题内容", "内容", "试题", "题目内容", "试题题干", "问题", "题干内容"),
    "options": ("选项", "选项内容", "备选项", "备选答案", "试题选项"),
    **_OPTION_COLUMNS,
    "answer": ("答案", "正确答案", "标准答案", "参考答案", "试题答案"),
    "points": ("分值", "分数", "每题分值", "题目分值", "试题分值", "得分"),
    "partial": ("部分分", "部分得分", "漏选得分", "少选得分", "漏选分", "少选分"),
    "explanation": ("解析", "答案解析", "试题解析", "题目解析", "解题分析"),
    "difficulty": ("难度", "难易度", "难易程度", "试题难度", "难度等级"),
    "picture": ("图片", "配图", "题图", "附图", "图片名称"),
}
# Longest first: 不定项选择题 holds 选择题.
_KINDS: tuple[tuple[str, str], ...] = (
    ("不定项", "multiple"),
    ("单项选择", "single"),
    ("多项选择", "multiple"),
    ("单选", "single"),
    ("多选", "multiple"),
    ("选择", "choice"),
    ("判断", "true_false"),
    ("是非", "true_false"),
    ("填空", "fill_in"),
    ("简答", "short_answer"),
    ("问答", "short_answer"),
    ("名词解释", "short_answer"),
    ("论述", "long_answer"),
    ("案例", "long_answer"),
    ("分析题", "long_answer"),
    ("综合题", "long_answer"),
    ("写作", "long_answer"),
)
_EACH = re.compile(r"每小?题\s*([0-9]+(?:\.[0-9]{1,2})?)\s*分")
_OPTION_MARK = re.compile(r"^[(（]?([A-Ha-hＡ-Ｈ])[)）.．、:：]\s*")
_MAX_STEM = 20_000
Note = Callable[..., None]


def kind_named(text: str) -> str | None:
    """Tell the kind of item that a word means: 单选题, 一、多项选择题（共 12 题）…; 'choice' is either of two."""
    word = header_word(text)
    return next((kind for name, kind in _KINDS if name in word), None)


def points_each(text: str) -> Decimal | None:
    """Read 每题 1 分 out of a heading."""
    found = _EACH.search(cell_text(text))
    return Decimal(found.group(1)) if found else None


def read_question(
    line: Line, header: Header, *, kind: str | None, each: Decimal | None, sheet: str, faults: Faults
) -> Question | None:
    """Read one row; note every fault and give None when there is one.

    `kind` is the sheet's, for rows without one; `each` the points that its heading gives to every item.
    """
    before = len(faults.found)

    def note(fault: Problem, field: str, **details: object) -> None:
        faults.add(fault, sheet=sheet, row=line.row, column=letter(header, field), **details)

    if not check_cells(line, header, sheet=sheet, faults=faults):
        return None
    texts = {field: raw_text(value).strip() for field, value in line.values.items()}
    for field in [field for field, text in texts.items() if "DISPIMG(" in text]:
        note(PICTURE_IN_CELL, field)
    found_kind = _kind(texts, kind, note)
    options = _options(texts, note) if found_kind in {"single", "multiple", "true_false"} else ()
    points = _points(line, "points", each, note)
    stem = texts.get("stem", "")
    if not stem:
        note(STEM_MISSING, "stem")
    elif len(stem) > _MAX_STEM:
        note(STEM_TOO_LONG, "stem", maximum=_MAX_STEM)
    if found_kind in {"single", "multiple"} and len(options) < 2:
        note(OPTIONS_FEW, "options" if "options" in header.columns else "option_A")
    partial = _partial(line, note)
    if len(faults.found) > before or found_kind is None or points is None:
        return None
    return Question(
        kind=found_kind,
        text=stem,
        options=options,
        answer=texts.get("answer", ""),
        points=points,
        partial=partial,
        difficulty=cell_text(texts.get("difficulty"))[:16],
        explanation=texts.get("explanation", ""),
        places=count_blanks(stem) if found_kind == "fill_in" else 0,
        row=line.row,
    )


def _kind(texts: dict[str, str], kind: str | None, note: Note) -> str | None:
    """Tell a row's kind; 选择题 without more is single or multiple as its answer has one letter or several."""
    said = texts.get("kind", "")
    found = kind_named(said) if said else kind
    if found is None:
        note(KIND_UNKNOWN, "kind", found=said[:40])
    if found == "choice":
        letters = re.findall(r"[A-HＡ-Ｈ]", texts.get("answer", "").upper())
        return "multiple" if len(letters) > 1 else "single"
    return found


def _options(texts: dict[str, str], note: Note) -> tuple[str, ...]:
    """Read options out of their columns, or out of one column by lines or `|`; marks like `A.` are taken off."""
    listed = [texts.get(f"option_{name}", "") for name in LETTERS]
    in_one = not any(listed) and "options" in texts
    if in_one:
        listed = [part.strip() for part in re.split(r"\n|\||｜", texts["options"]) if part.strip()]
    marked = bool(listed and listed[0]) and all(_OPTION_MARK.match(option) for option in listed if option)
    listed = [_OPTION_MARK.sub("", option) if marked else option for option in listed]
    count = max((number for number, option in enumerate(listed, 1) if option), default=0)
    for number, option in enumerate(listed[:count]):
        name = LETTERS[number] if number < len(LETTERS) else str(number + 1)
        column = "options" if in_one else f"option_{name}"
        if not option:
            note(OPTION_GAP, column, found=name)
        elif option in listed[:number]:
            note(OPTION_TWICE, column, found=name)
    if count > len(LETTERS):
        note(OPTIONS_MANY, "options", maximum=len(LETTERS))
    return tuple(listed[:count])


def _points(line: Line, field: str, each: Decimal | None, note: Note) -> Decimal | None:
    text = cell_text(line.values.get(field)).removesuffix("分").strip()
    if not text:
        if each is None:
            note(POINTS_MISSING, field)
        return each
    points = _decimal(text)
    if points is None or not 0 < points < 1000:
        note(POINTS_WRONG, field, found=text[:20])
        return None
    return points


def _partial(line: Line, note: Note) -> Decimal | None:
    text = cell_text(line.values.get("partial")).removesuffix("分").strip()
    if not text:
        return None
    partial = _decimal(text)
    if partial is None:
        note(PARTIAL_WRONG, "partial", found=text[:20])
    return partial or None


def _decimal(text: str) -> Decimal | None:
    """Read a number with at most two places; None for anything else."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and number == number.quantize(Decimal("0.01")) else None
